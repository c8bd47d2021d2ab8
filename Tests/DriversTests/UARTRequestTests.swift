import Base
import Drivers
import Testing

@Suite struct UARTRequestTests {
    static let soon = Duration.milliseconds(30)

    @Test func aNodeIsAskedOnceAnIntervalAndAnsweredWithItsFrame() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)]) { _, _ in
            (UARTSamples.co2, Self.soon)
        }
        rig.open()
        rig.run(for: .milliseconds(9900))
        #expect(rig.sent.count == 10 && rig.sent.allSatisfy { $0.bytes == UARTSamples.co2Request })
        #expect(rig.frames() == .init(repeating: UARTSamples.co2, count: 10))
        for (earlier, later) in zip(rig.sent, rig.sent.dropFirst()) {
            #expect(abs((later.at - earlier.at).milliseconds - 1000) < 10)
        }
        let counted = rig.driver.statistics
        #expect(counted.requests == 10 && counted.replies == 10 && counted.skipped == 0)
        #expect(counted.strayBytes == 0 && counted.bytesSent == 90)
        #expect(rig.states.map(\.state) == [.online])
    }

    /// On two wires the adapter hears itself: "Q" and its line end would pass for the balance's
    /// answer.
    @Test func ourOwnRequestIsNoAnswer() {
        let request = Array("Q\r\n".utf8)
        let format = UARTProtocol(
            request: request, frame: .init(end: .terminator([13, 10]), max: 32))
        for split in 0...(request.count + UARTSamples.scale.count) {
            let whole = request + UARTSamples.scale
            var rig = UARTRig([UARTSamples.node(format)])
            rig.open()
            rig.run(for: .milliseconds(100))
            rig.hear(Array(whole[..<split]))
            rig.run(for: .milliseconds(3))
            rig.hear(Array(whole[split...]))
            rig.run(for: .milliseconds(100))
            #expect(rig.frames() == [UARTSamples.scale], "split at \(split)")
            #expect(rig.driver.statistics.strayBytes == 0)
        }
    }

    @Test func anAnswerThatOnlyBeginsLikeTheRequestComesThrough() {
        let format = UARTProtocol(request: [0x51, 0x0D, 0x0A], frame: .init(end: .fixed(2)))
        var rig = UARTRig([UARTSamples.node(format)]) { _, _ in ([0x51, 0x0D], Self.soon) }
        rig.open()
        rig.run(for: .milliseconds(900))
        #expect(rig.frames() == [[0x51, 0x0D]])
        let loop = UARTProtocol(request: [7, 1], frame: .init(start: [7, 1], end: .fixed(3)))
        var other = UARTRig([UARTSamples.node(loop)]) { _, _ in ([7, 1, 9], Self.soon) }
        other.open()
        other.run(for: .milliseconds(900))
        #expect(other.frames() == [[7, 1, 9]])
    }

    @Test func oneAnswerServesAllIntervalsThatAreDue() {
        let node = UARTSamples.node(UARTSamples.co2Format, every: .seconds(1), .seconds(2))
        var rig = UARTRig([node]) { _, _ in (UARTSamples.co2, Self.soon) }
        rig.open()
        rig.run(for: .milliseconds(7900))
        #expect(rig.sent.count == 8)
        #expect(rig.readings.count { $0.reading.interval == .seconds(1) } == 8)
        #expect(rig.readings.count { $0.reading.interval == .seconds(2) } == 4)
    }

    @Test func aLostAnswerIsAskedForAgain() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)]) { _, count in
            switch count {
            case 0: nil
            case 1: (UARTSamples.co2.dropLast() + [0], Self.soon)  // damaged
            case 2: (UARTSamples.co2, Self.soon)
            default: (Array(UARTSamples.co2.prefix(4)), Self.soon)  // cut off
            }
        }
        rig.open()
        // Nothing in its frames tells an answer from a late one, so it is left alone for ten
        // response timeouts.
        rig.run(for: .milliseconds(2000))
        #expect(rig.sent.count == 1 && rig.driver.statistics.timeouts == 1)
        rig.run(for: .milliseconds(500))
        #expect(rig.sent.count == 3 && rig.frames() == [UARTSamples.co2])
        #expect(rig.driver.statistics.timeouts == 1 && rig.driver.statistics.checksumErrors == 1)
        rig.run(for: .milliseconds(1400))
        #expect(rig.failures() == [.checksum] && rig.states.map(\.state) == [.online, .degraded])
        #expect(rig.sent.count == 6)
    }

    @Test func silenceAtEveryAttemptIsOneFailedReadingAndThenProbesWithGrowingPauses() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)]) { _, count in
            count < 12 ? nil : (UARTSamples.co2, Self.soon)
        }
        rig.open()
        rig.run(for: .seconds(60))
        #expect(rig.failures() == [.timeout] && rig.states.map(\.state) == [.offline])
        #expect((6...10).contains(rig.sent.count), "\(rig.sent.count)")
        let pauses = zip(rig.sent.dropFirst(2), rig.sent.dropFirst(3)).map {
            ($1.at - $0.at).secondsValue
        }
        #expect(pauses.first! < 3 && pauses.last! > 8, "\(pauses)")
        rig.run(for: .seconds(600))
        #expect(rig.states.map(\.state) == [.offline, .online] && rig.frames().count > 60)
        #expect(rig.failures().count == 1)
    }

    @Test func theResponseTimeoutCountsFromTheEndOfTheRequest() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)], retries: 0)
        rig.open()
        rig.run(for: .milliseconds(100))
        // 9 bytes of 10 bits at 9600 baud take 9.375 ms, rounded up to whole nanoseconds a byte.
        let wait = rig.driver.deadline!.due - rig.sent[0].at
        #expect(
            rig.driver.deadline?.reason == .reply && rig.driver.isExchanging(at: rig.now.instant))
        #expect(wait >= .microseconds(209_375) && wait < .microseconds(209_376))
        rig.hear(Array(UARTSamples.co2.prefix(3)))
        #expect(rig.driver.deadline?.reason == .rest)
        rig.hear(Array(UARTSamples.co2.dropFirst(3)))
        #expect(!rig.driver.isExchanging(at: rig.now.instant) && rig.frames().count == 1)
    }

    @Test func nodesTakeTurnsAndADeadOneDoesNotStarveTheOther() {
        func format(_ number: UInt8) -> UARTProtocol {
            UARTProtocol(
                request: [0x3A, number, 0x0D],
                frame: .init(start: [0x21], end: .terminator([0x0D]), max: 16),
                address: FrameMatch(.bytes(at: 1), .equals, [[number]]))
        }
        let nodes = [1, 2].map { UARTSamples.node(format(UInt8($0)), $0) }
        var rig = UARTRig(nodes) { request, _ in
            request[1] == 2 ? ([0x21, 2, 0x37, 0x0D], Self.soon) : nil
        }
        rig.open()
        rig.run(for: .seconds(30))
        #expect(rig.frames(of: 2).count >= 29 && rig.failures(of: 2).isEmpty)
        #expect(rig.failures(of: 1) == [.timeout])
        #expect(rig.driver.statistics.units.map(\.state) == [.offline, .online])
    }

    @Test func anAnswerOfAnotherNodeIsNotTaken() {
        let format = UARTProtocol(
            request: [0x3F], frame: .init(start: [0x21], end: .fixed(3)),
            address: FrameMatch(.bytes(at: 1), .equals, [[1]]))
        var rig = UARTRig([UARTSamples.node(format)]) { _, _ in
            ([0x21, 9, 0, 0x21, 1, 7], Self.soon)
        }
        rig.open()
        rig.run(for: .milliseconds(900))
        #expect(rig.frames() == [[0x21, 1, 7]] && rig.driver.statistics.wrongUnit == 1)
    }

    @Test func anAskedNodeAndOneThatSpeaksShareALine() {
        let nodes = [
            UARTSamples.node(UARTSamples.pmsFormat, 1), UARTSamples.node(UARTSamples.co2Format, 2),
        ]
        var rig = UARTRig(nodes) { _, _ in
            (UARTSamples.pms + UARTSamples.co2, Self.soon)
        }
        rig.open()
        rig.run(for: .milliseconds(4500))
        #expect(rig.frames(of: 1).count == 4 && rig.frames(of: 2).count == 5)
        #expect(rig.driver.statistics.checksumErrors == 0 && rig.driver.statistics.strayBytes == 0)
    }

    @Test func aLineThatNeverFallsSilentIsAskedAllTheSame() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)]) { _, _ in
            (UARTSamples.co2, .milliseconds(12))
        }
        rig.open()
        for _ in 0..<2000 {
            rig.hear([0])
            rig.run(for: .milliseconds(1))
        }
        #expect(rig.frames().count >= 1)
    }

    @Test func aClosedLineFailsWhatWasAsked() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)])
        rig.open()
        rig.run(for: .milliseconds(50))
        rig.close()
        #expect(rig.failures() == [.port] && !rig.driver.isExchanging(at: rig.now.instant))
        rig.run(for: .seconds(30))
        #expect(rig.failures() == [.port])
    }

    @Test func everyOrderIsRefused() {
        var rig = UARTRig([UARTSamples.node(UARTSamples.co2Format)])
        rig.open()
        for number in [1, 9] {
            rig.submit(
                Order(
                    id: UInt64(number), address: Address(port: PortName("u"), unit: unit(number)),
                    table: .frame, start: 0, data: .registers([1]), expires: .distantFuture))
        }
        #expect(rig.outcomes.map(\.id) == [1, 9])
        #expect(rig.outcomes.map(\.result) == [.failure(.read(.range)), .failure(.unknownUnit)])
    }
}
