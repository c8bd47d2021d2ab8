import Base
import Bridge
import Testing

@Suite struct TopicTests {
    @Test(arguments: [
        ("", "/devices/d-1/events"), ("gaps", "/devices/d-1/events/gaps"),
        ("a/b.c", "/devices/d-1/events/a/b.c"),
    ])
    func eventsTopicOfASubfolder(_ subfolder: String, _ topic: String) {
        #expect(TopicLayout.standard.events(device("d-1"), subfolder) == topic)
    }

    @Test(arguments: [
        "/", "a/", "/a", "a//b", "#", "+", "a b", "ä", "a\u{0}", String(repeating: "x", count: 257),
    ])
    func refusesWhatIsNoSubfolder(_ subfolder: String) {
        #expect(TopicLayout.standard.events(device("d-1"), subfolder) == nil)
    }

    @Test func inboundTopicsAreRecognised() {
        #expect(
            TopicLayout.standard.inbound(utf8: Array("/devices/dev-1/config".utf8))
                == .config(device("dev-1")))
        #expect(
            TopicLayout.standard.inbound(utf8: Array("/devices/dev-1/commands".utf8))
                == .command(device("dev-1"), subfolder: ""))
        #expect(
            TopicLayout.standard.inbound(utf8: Array("/devices/dev-1/commands/a/b".utf8))
                == .command(device("dev-1"), subfolder: "a/b"))
        #expect(
            TopicLayout.standard.inbound(utf8: Array("/devices/gw-7/errors".utf8))
                == .errors(device("gw-7")))
        for topic in [
            "", "/", "/devices", "/devices/dev-1/", "/devices/$x/config", "/devices/dev-1/state",
        ] {
            #expect(TopicLayout.standard.inbound(utf8: Array(topic.utf8)) == nil)
        }
        #expect(
            TopicLayout.standard.inbound(utf8: Array(String(repeating: "/", count: 65_000).utf8))
                == nil)
    }
}

@Suite struct TokenTests {
    @Test func issuedALittleInThePastAndExpiresAfterTheLifetime() {
        let now = WallTime(milliseconds: 1_790_000_000_999)
        for (lifetime, back) in [(8, 2), (40, 10), (3600, 10)] as [(Int64, Int64)] {
            let claims = TokenClaims(audience: "acme", lifetime: .seconds(lifetime), at: now)
            #expect(claims.issuedAt == 1_790_000_000 - back)
            #expect(claims.expires == claims.issuedAt + lifetime)
        }
    }

    @Test func lifetimeIsAtMostADay() {
        let claims = TokenClaims(
            audience: "a", lifetime: .seconds(1_000_000), at: WallTime(milliseconds: 0))
        #expect(claims.expires - claims.issuedAt == 24 * 3600)
    }

    @Test func signingInputIsCompactJSONInBase64URL() {
        let claims = TokenClaims(audience: "acme", issuedAt: 100, expires: 3700)
        let parts = String(decoding: claims.signingInput(.es256), as: UTF8.self).split(
            separator: ".")
        #expect(
            parts.compactMap { Base64.decodeURL($0) }.map { String(decoding: $0, as: UTF8.self) }
                == [
                    #"{"alg":"ES256","typ":"JWT"}"#, #"{"aud":"acme","iat":100,"exp":3700}"#,
                ])
        let token = TokenClaims.token(input: claims.signingInput(.rs256), signature: [0xFB, 0xFF])
        #expect(String(decoding: token, as: UTF8.self).hasSuffix(".-_8"))
    }

    @Test(arguments: [(5, 2), (10, 2), (60, 12), (3600, 60)] as [(Int64, Int64)])
    func renewalMargin(_ lifetime: Int64, _ margin: Int64) {
        #expect(TokenClaims.margin(lifetime: .seconds(lifetime)) == .seconds(margin))
    }
}

@Suite struct GatewayErrorTests {
    static let nested = #"""
        {"error_type":"GATEWAY_DEVICE_NOT_FOUND","description":"The specified device with ID 'dev-1' is not \#
        attached to the gateway.","device_id":"dev-1","mqtt_message_info":{"message_type":"PUBLISH",\#
        "topic":"/devices/dev-1/state","packet_id":10}}
        """#
    static let flat = #"""
        {"error_type":"GATEWAY_DEVICE_NOT_FOUND","description":"","device_id":"dev-1",\#
        "message_type":"PUBLISH","topic":"/devices/dev-1/state","packet_id":"10"}
        """#

    @Test(arguments: [nested, flat]) func flatAndNestedMeanTheSame(_ text: String) {
        let error = GatewayError.parse(Array(text.utf8))
        #expect(error.code == .deviceNotFound)
        #expect(error.device == device("dev-1"))
        #expect(error.packetID == 10)
        #expect(error.topic == "/devices/dev-1/state")
        #expect(error.messageType == "PUBLISH")
    }

    @Test(
        arguments: zip(
            GatewayError.Code.allCases,
            [
                .quarantine, .attachAgain, .backOffDevice, .dropMessage, .report, .report,
                .retryLater,
            ] as [GatewayError.Reaction]))
    func everyCodeHasItsReaction(_ code: GatewayError.Code, _ reaction: GatewayError.Reaction) {
        let error = GatewayError.parse(Array(#"{"error_type":"\#(code.rawValue)"}"#.utf8))
        #expect(error.code == code)
        #expect(error.reaction == reaction)
    }

    @Test func theDeviceIsTakenFromTheTopicIfItIsNotNamed() {
        let error = GatewayError.parse(Array(#"{"topic":"/devices/dev-4/attach"}"#.utf8))
        #expect(error.device == device("dev-4"))
        #expect(error.isAboutAttach)
        #expect(error.code == .unknown)
    }

    @Test(arguments: [
        "-1", "0", "65536", "1.5", "\"x\"", "null", "[1]", "1e99", "99999999999999999999",
    ])
    func anImpossiblePacketIDIsNone(_ text: String) {
        #expect(GatewayError.parse(Array("{\"packet_id\":\(text)}".utf8)).packetID == nil)
    }

    @Test func controlCharactersDoNotReachTheLog() {
        let error = GatewayError.parse(
            Array(#"{"error_type":"A\u001b[2J","description":"x\ny"}"#.utf8))
        #expect(error.word == "A\\x1B[2J")
        #expect(error.description == "x\\x0Ay")
    }
}

@Suite struct EnvelopeTests {
    static let ts = WallTime(milliseconds: 1_795_338_000_123)

    @Test func aPlainReading() {
        let envelope = Envelope(ts: Self.ts, seq: 4711)
        let bytes = envelope.bytes(around: Array(#""values":{"level":12.3}"#.utf8))
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"ts":"2026-11-22T09:00:00.123Z","seq":4711,"values":{"level":12.3}}"#)
    }

    @Test func unsyncedAndBackfill() {
        let envelope = Envelope(ts: Self.ts, seq: 0, clockTrusted: false, backfill: true)
        #expect(
            String(decoding: envelope.bytes(around: []), as: UTF8.self)
                == #"{"ts":"2026-11-22T09:00:00.123Z","seq":0,"clock":"unsynced","backfill":true}"#)
    }

    @Test func everySequenceNumberIsExact() {
        for seq in [9, 10, 99, 100, (1 << 53) - 1, .max] as [UInt64] {
            let text = String(
                decoding: Envelope(ts: Self.ts, seq: seq).bytes(around: []), as: UTF8.self)
            #expect(text.contains("\"seq\":\(seq)}"))
        }
    }
}

@Suite struct RateLimiterTests {
    @Test func neverMoreThanTheRatePlusATwentieth() {
        var limiter = RateLimiter(Rate(messages: 95, bytes: nil))
        var now = Instant(nanoseconds: 0)
        var sent = 0
        while now < Instant(nanoseconds: 1_000_000_000) {
            while limiter.allows(at: now) {
                limiter.spend(bytes: 10, at: now)
                sent += 1
            }
            now += .milliseconds(1)
        }
        #expect((95...100).contains(sent))
    }

    @Test func bytesCountToo() {
        var limiter = RateLimiter(Rate(messages: nil, bytes: 1000))
        let now = Instant(nanoseconds: 0)
        #expect(limiter.allows(at: now))
        limiter.spend(bytes: 5000, at: now)
        #expect(!limiter.allows(at: now + .seconds(4)))
        #expect(limiter.allows(at: now + .seconds(5)))
        #expect(limiter.opens <= now + .seconds(5))
    }

    @Test func unlimitedIsUnlimited() {
        var limiter = RateLimiter(.unlimited)
        for _ in 0..<100_000 { limiter.spend(bytes: 1 << 20, at: .zero) }
        #expect(limiter.allows(at: .zero))
    }

    @Test func anAbsurdSpendingNeitherTrapsNorUnderflows() {
        var limiter = RateLimiter(Rate(messages: 1, bytes: 1))
        limiter.spend(messages: .max, bytes: .max, at: .zero)
        limiter.spend(messages: .max, bytes: .max, at: .distantFuture)
        #expect(!limiter.allows(at: .zero))
    }
}

@Suite struct ClockGuardTests {
    static let release = WallTime(milliseconds: 1_780_000_000_000)
    static func moment(_ wall: Int64, boot: Int64 = 1000) -> Moment {
        Moment(Instant(nanoseconds: boot * 1_000_000), WallTime(milliseconds: wall))
    }

    @Test(arguments: [
        (false, false, ClockGuard.Level.unproven), (true, false, .trusted), (false, true, .trusted),
        (true, true, .trusted),
    ])
    func levels(_ synchronised: Bool, _ hasRTC: Bool, _ level: ClockGuard.Level) {
        var clock = ClockGuard(release: Self.release)
        clock.learn(ClockFacts(synchronised: synchronised, hasRTC: hasRTC))
        #expect(clock.level(at: Self.moment(1_790_000_000_000)) == level)
        #expect(clock.level(at: Self.moment(1_779_999_999_999)) == .impossible)
    }

    @Test func beforeTheStoredFloorIsImpossibleUnlessSynchronised() {
        var clock = ClockGuard(release: Self.release)
        clock.restore(floor: WallTime(milliseconds: 1_795_000_000_000))
        clock.learn(ClockFacts(synchronised: false, hasRTC: true))
        #expect(clock.level(at: Self.moment(1_790_000_000_000)) == .impossible)
        #expect(clock.level(at: Self.moment(1_795_000_000_000)) == .trusted)
        // A floor stored while the RTC stood in the future must not lock a good clock out for ever.
        clock.learn(ClockFacts(synchronised: true, hasRTC: true))
        #expect(clock.level(at: Self.moment(1_790_000_000_000)) == .trusted)
        clock.observe(Self.moment(1_790_000_000_000))
        #expect(clock.floor == WallTime(milliseconds: 1_790_000_000_000))
    }

    @Test func toldToTrustIsTrustedButNotBeforeTheRelease() {
        let clock = ClockGuard(release: Self.release, trust: true)
        #expect(clock.level(at: Self.moment(1_790_000_000_000)) == .trusted)
        #expect(clock.level(at: Self.moment(0)) == .impossible)
    }

    @Test func anAcceptedTokenProvesTheClockUntilItSteps() {
        var clock = ClockGuard(release: Self.release)
        clock.tokenAccepted(signedAt: Self.moment(1_790_000_000_000))
        #expect(clock.level(at: Self.moment(1_790_003_600_000, boot: 3_601_000)) == .trusted)
        #expect(clock.level(at: Self.moment(1_790_099_000_000, boot: 3_601_000)) == .unproven)
    }
}

@Suite struct AttachmentsTests {
    @Test func devicesThatFailedBeforeComeLast() {
        let names = ["dev-1", "dev-2", "dev-3"].map(device)
        var attachments = Attachments(names, seed: 1)
        attachments.connected()
        #expect(attachments.next() == names[0])
        attachments.failed(names[0], .lost, at: .zero)
        attachments.connected()
        let order = (0..<4).map { _ in attachments.next() }
        #expect(order == [names[1], names[2], names[0], nil])
    }

    @Test func refusalWaitsFiveMinutesDoublingToAnHour() {
        let one = device("dev-1")
        var attachments = Attachments([one], seed: 1)
        var now = Instant.zero
        for minutes in [5.0, 10, 20, 40, 60, 60] {
            attachments.connected()
            #expect(attachments.next() == one)
            let wait = attachments.failed(one, .refused(reason: "no"), at: now).secondsValue / 60
            #expect(wait >= minutes * 0.9 && wait <= minutes * 1.1)
            #expect(attachments.due != nil)
            now += .seconds(4000)
            attachments.timeout(at: now)
            #expect(attachments.due == nil)
        }
    }

    @Test func aDeviceAttachedForAMinuteCountsAsHealthy() {
        let one = device("dev-1")
        var attachments = Attachments([one], seed: 1)
        attachments.connected()
        for round in 0..<5 {
            let now = Instant(nanoseconds: 0) + .seconds(100 * round)
            #expect(attachments.next() == one)
            let accepted = attachments.accepted(one, at: now)
            #expect(accepted)
            let wait = attachments.failed(one, .notFound, at: now + .seconds(60))
            #expect(wait == .zero)
        }
        #expect(attachments.next() == one)
        let accepted = attachments.accepted(one, at: .zero)
        #expect(accepted)
        let wait = attachments.failed(one, .notFound, at: .zero + .seconds(5))
        #expect(wait > .zero)
    }
}
