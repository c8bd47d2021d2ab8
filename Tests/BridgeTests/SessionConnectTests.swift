import Base
import Bridge
import MQTT
import Testing

/// Connecting: refusals, back-off, endpoints, tokens, the clock.
@Suite struct SessionConnectTests {
    @Test(
        "Fault 23, CONNACK 4 or 5: a new token each time, rarely from the fifth refusal on, for ever",
        arguments: [4, 5, 0x13] as [UInt8])
    func aRefusedTokenIsSignedAnewAndTheWaitsAreLongFromTheFifthRefusalOn(_ code: UInt8) {
        var world = World()
        world.broker.connackCode = code
        world.start()
        world.run(.seconds(600))
        let gaps = zip(world.targets, world.targets.dropFirst()).map { $1.at - $0.at }
        #expect(gaps.count >= 12)
        for (gap, most) in zip(gaps, [2, 3, 5, 9] as [Int64]) {
            #expect(gap <= .seconds(most) + .milliseconds(200))
        }
        for gap in gaps.dropFirst(4) { #expect(gap >= .seconds(32) && gap <= .seconds(66)) }
        #expect(world.signers.count == world.targets.count, "a token was used twice")
        #expect(world.notices.filter { $0.level == .error }.count == 1)
        #expect(world.says("CONNACK \(code == 0x13 ? "0x13" : String(code))") == 1)
        #expect(world.says("trying again in ") == 1)
        #expect(world.session.counters.refusals == [code: world.targets.count])
    }

    /// A key that is being registered right now: once, one refusal cost a minute.
    @Test(arguments: [true, false]) func fourRefusalsInARowAreOverWithinTwentySeconds(
        _ isClockProven: Bool
    ) {
        for seed in 1...300 as ClosedRange<UInt64> {
            let facts = ClockFacts(synchronised: isClockProven, hasRTC: isClockProven)
            var world = World(facts: facts, seed: seed)
            var codes: [UInt8] = [5, 5, 4, 5]
            world.linkFails = { _ in nil }
            world.start(refusals: &codes)
            #expect(codes.isEmpty && world.session.isOnline, "seed \(seed)")
            #expect(world.now.instant - World.start.instant <= .seconds(20), "seed \(seed)")
            #expect(world.targets.count == 5)
        }
    }

    @Test func refusalsAfterAnOutageBeginAtTheFirstStep() {
        var world = World()
        world.linkFails = { _ in LinkFailure(.refused, "connection refused") }
        world.start()
        world.run(.seconds(600))
        world.linkFails = { _ in nil }
        world.broker.connackCode = 5
        let refused = world.run(.seconds(70)) { !$0.session.counters.refusals.isEmpty }
        #expect(refused)
        let begin = world.targets.count
        world.run(.seconds(20))
        #expect(world.targets.count - begin >= 4)
    }

    /// A gateway that is started again and again must not call the bridge more often than one that
    /// runs.
    @Test func refusalsAreRememberedOverARestart() {
        var world = World()
        world.broker.connackCode = 5
        world.start()
        world.run(.seconds(200))
        let memory = world.session.memory
        #expect(memory.refusals == 5)
        var next = World(seed: 9)
        next.broker.connackCode = 5
        next.session.restore(memory)
        next.start()
        next.run(.seconds(120))
        #expect((1...4).contains(next.targets.count), "\(next.targets.count) tries")
    }

    @Test func theLineForConnack5SaysWhatToDo() {
        var world = World()
        world.broker.connackCode = 5
        world.start()
        world.run(.seconds(1))
        let line = world.notices.last { $0.level == .error }?.message ?? ""
        let start =
            "the bridge refused the token of gateway gw-7 (CONNACK 5): check that its public key is"
        #expect(line.hasPrefix(start))
        #expect(line.contains("; trying again in "))
    }

    @Test("Fault 21, no DNS answer, no connection: exponential back-off")
    func anUnavailableServerGetsTheExponentialBackOff() {
        var world = World()
        world.broker.connackCode = 3
        world.start()
        world.run(.seconds(1000))
        let gaps = zip(world.targets, world.targets.dropFirst()).map {
            ($1.at - $0.at).secondsValue
        }
        #expect(gaps.count > 10)
        #expect(gaps[0] <= 2.1)
        for (index, gap) in gaps.enumerated().dropFirst() {
            let ceiling = Double(min(1 << index, 64))
            #expect(gap >= ceiling / 2 && gap <= ceiling + 1.1, "try \(index) waited \(gap) s")
        }
    }

    @Test func backOffIsForgottenAfterAMinuteAndAnAcknowledgement() {
        var world = World(["dev-1"])
        world.linkFails = { _ in LinkFailure(.refused, "connection refused") }
        world.start()
        world.run(.seconds(300))
        world.linkFails = { _ in nil }
        let reached1 = world.run(.seconds(100)) { $0.online == 1 }
        #expect(reached1)
        // Short-lived: what was learned about this bridge stays.
        world.run(.seconds(30))
        world.loseLink()
        let short = world.now.instant
        let reached2 = world.run(.seconds(100)) { $0.online == 2 }
        #expect(reached2)
        #expect(world.now.instant - short >= .seconds(32))
        world.run(.seconds(61))
        world.add(device("dev-1"), [1])
        world.run(.seconds(2))
        world.loseLink()
        let long = world.now.instant
        let reached3 = world.run(.seconds(100)) { $0.online == 3 }
        #expect(reached3)
        #expect(world.now.instant - long <= .seconds(3))
    }

    @Test("Fault 21, no DNS answer, no connection: the next endpoint is tried")
    func theNextEndpointIsTriedAfterAFailedConnect() {
        var world = World {
            $0.endpoints = [8883, 443].map { LinkTarget(host: "a.example", port: $0) }
        }
        world.linkFails = {
            $0.port == 8883 ? LinkFailure(.deadline, "no answer within 20 s") : nil
        }
        world.start()
        world.run(.seconds(10))
        #expect(world.targets.map(\.target.port) == [8883, 443])
        #expect(world.session.isOnline)
        #expect(world.says("no answer within 20 s; trying again in ") == 1)
        world.loseLink()
        world.run(.seconds(10))
        #expect(world.targets.last?.target.port == 443, "the one that worked is tried first")
    }

    @Test func theSameFailureIsSaidOnce() {
        var world = World()
        world.linkFails = { _ in LinkFailure(.untrusted, "the certificate is not trusted") }
        world.start()
        world.run(.seconds(1000))
        #expect(world.targets.count > 10)
        #expect(world.says("the certificate is not trusted") == 1)
    }

    @Test("Fault 22, no CONNACK: this link is given up") func noConnackMeansGivingUpThisLink() {
        var world = World()
        world.broker.answersConnect = false
        world.start()
        let reached4 = world.run(.seconds(40)) { $0.targets.count == 2 }
        #expect(reached4)
        #expect(world.closedByUs == 1)
        #expect(world.says("no CONNACK within 30.0 seconds") == 1)
    }

    @Test func aKeyThatDoesNotSignIsSaidAndTriedSlowly() {
        var world = World()
        world.signingFails = true
        world.start()
        world.run(.seconds(300))
        #expect((4...10).contains(world.targets.count))
        #expect(world.says("could not sign a token: the token is not in the reader") == 1)
        #expect(world.broker.received.isEmpty)
    }

    @Test(arguments: [10, 60, 3600] as [Int64])
    func theTokenIsRenewedBeforeItExpires(_ lifetime: Int64) {
        var world = World(["dev-1"]) { $0.tokenLifetime = .seconds(lifetime) }
        world.start()
        let reached5 = world.run(.seconds(lifetime)) { $0.online == 2 }
        #expect(reached5)
        let age = world.targets[1].at - world.targets[0].at
        let margin = max(2, min(60, Double(lifetime) / 5))
        let latest = Double(lifetime) - min(10, Double(lifetime) / 4).rounded(.down) - margin
        #expect(age.secondsValue <= latest + 0.1)
        #expect(age.secondsValue >= latest * 0.94 - 1)
        #expect(Set(world.signingInputs).count == 2)
        #expect(world.broker.story.contains("DISCONNECT"))
    }

    @Test func aRenewalLetsInFlightMessagesBeAcknowledgedFirst() {
        var world = World(["dev-1"]) { $0.tokenLifetime = .seconds(60) }
        world.latency = .milliseconds(400)
        world.start()
        world.add(device("dev-1"), 1...500)
        world.run(.seconds(120))
        #expect(world.online >= 3)
        #expect(world.returned.isEmpty)
        #expect(world.settled == Array(1...UInt64(world.settled.count)))
        #expect(world.settled.count > 200)
    }

    @Test func aRenewalDoesNotWaitForEverForASilentMessage() {
        var world = World(["dev-1"]) { $0.tokenLifetime = .seconds(60) }
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.run(.seconds(34))
        world.add(device("dev-1"), [1])
        world.run(.seconds(10))
        #expect(world.online == 2)
        #expect(world.returned == [1])
        #expect(world.session.suspectCount == 0)
    }

    @Test func noTokenIsSignedWithAnImpossibleClock() {
        let start = Moment(Instant(nanoseconds: 0), WallTime(milliseconds: 0))
        var world = World(at: start, facts: ClockFacts(synchronised: false, hasRTC: true))
        world.start()
        world.run(.seconds(100))
        #expect(world.targets.isEmpty)
        #expect(world.session.clockLevel == .impossible)
        #expect(world.says("no token is signed until it is set") == 1)
        world.now = Moment(world.now.instant, World.start.wall)
        world.session.clock(ClockFacts(synchronised: true, hasRTC: true), at: world.now)
        world.run(.seconds(1))
        #expect(world.session.isOnline)
    }

    /// In a container, or without the kernel's NTP flag, one failed connect once cost a minute.
    @Test func anUnprovenClockMakesNoFailedConnectWaitLongerAndIsTrustedOnceATokenIsAccepted() {
        var waits: [[Duration]] = []
        for isProven in [true, false] {
            var world = World(facts: ClockFacts(synchronised: isProven, hasRTC: isProven))
            world.linkFails = { _ in LinkFailure(.refused, "connection refused") }
            world.start()
            #expect(world.session.clockLevel == (isProven ? .trusted : .unproven))
            world.run(.seconds(300))
            waits.append(zip(world.targets, world.targets.dropFirst()).map { $1.at - $0.at })
            world.linkFails = { _ in nil }
            world.run(.seconds(100))
            #expect(world.session.isOnline)
            #expect(world.session.clockLevel == .trusted)
            #expect(world.session.clockFloor > World.start.wall)
        }
        #expect(waits[0] == waits[1])
    }

    @Test func onlyARefusedTokenMakesAnUnprovenClockWaitLonger() {
        var world = World(facts: ClockFacts(synchronised: false, hasRTC: false))
        world.broker.connackCode = 5
        world.start()
        world.run(.seconds(900))
        let gaps = zip(world.targets, world.targets.dropFirst()).map { $1.at - $0.at }
        for gap in gaps.dropFirst(4) { #expect(gap >= .seconds(64) && gap <= .seconds(130)) }
        #expect(world.says("nothing proves this machine's clock") == 1)
        // Proven meanwhile: a new token is worth a try at once.
        let tries = world.targets.count
        world.session.clock(ClockFacts(synchronised: true, hasRTC: false), at: world.now)
        world.run(.seconds(3))
        #expect(world.targets.count == tries + 1)
    }

    @Test("Fault 35, client-id takeover ping-pong: pointed out") func takeoverPingPongIsPointedOut()
    {
        var world = World()
        world.start()
        for _ in 0..<5 {
            let reached6 = world.run(.seconds(200)) { $0.session.isOnline }
            #expect(reached6)
            world.run(.seconds(2))
            world.loseLink(LinkFailure(.closed, "the bridge closed the connection"))
        }
        #expect(world.says("no other gateway uses the id gw-7") == 1)
    }

    @Test("Fault 24, the first packet is not CONNACK: garbage closes and backs off")
    func garbageInsteadOfConnackClosesAndBacksOff() {
        var world = World()
        world.broker.answersConnect = false
        world.start()
        world.session.received([0x90, 0x03, 0x01, 0x00, 0xFF][...], at: world.now)
        world.drain()
        #expect(world.closedByUs == 1)
        #expect(world.says("the connection is given up") == 1)
    }
}
