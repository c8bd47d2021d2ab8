import Base
import Line
import Modbus
import TestKit
import Testing

/// The carrier of a line, and a line in memory that does what it wants.
@Suite struct LineCarrierTests {
    private static let settings = LineSettings(device: .path("/dev/test"), baud: 19_200)
    private static let frame: [UInt8] = [1, 3, 0, 0, 0, 1, 0x84, 0x0A]

    private static func at(_ microseconds: Int) -> Instant { .zero + .microseconds(microseconds) }

    private func drain(
        _ line: inout CarriedLine, _ microseconds: Int
    ) -> (sent: [[UInt8]], events: [LineEvent]) {
        var (sent, events): ([[UInt8]], [LineEvent]) = ([], [])
        while let output = line.next(at: Self.at(microseconds)) {
            switch output {
            case .sent(let frame): sent.append(frame)
            case .report(let event): events.append(event)
            }
        }
        return (sent, events)
    }

    // MARK: requests at their time

    @Test func aScheduledRequestLeavesAtItsTimeOnASilentLine() {
        var line = CarriedLine(Self.settings)
        line.carryOut(.schedule(Self.frame, at: Self.at(2000), look: Self.at(9000)), at: .zero)
        #expect(line.due == Self.at(2000) && !line.isWatched)
        #expect(drain(&line, 1000).sent.isEmpty)
        line.timeout(at: Self.at(2050))
        let (sent, events) = drain(&line, 2050)
        // So little is not told; the look is as late as the request.
        #expect(sent == [Self.frame] && events.isEmpty)
        #expect(line.due == Self.at(9050) && !line.isWatched)
    }

    @Test func aRequestThatLeavesLateSaysSo() {
        var line = CarriedLine(Self.settings)
        line.carryOut(.schedule(Self.frame, at: Self.at(2000)), at: .zero)
        line.timeout(at: Self.at(2400))
        let (sent, events) = drain(&line, 2400)
        #expect(sent == [Self.frame] && events == [.sentLate(.microseconds(400))])
        #expect(line.isWatched && line.due == nil)
    }

    @Test func bytesBeforeItsTimeKeepARequestBack() {
        var line = CarriedLine(Self.settings)
        line.carryOut(.schedule(Self.frame, at: Self.at(2000)), at: .zero)
        line.arrive([0x55])
        #expect(drain(&line, 1000).events.isEmpty)
        line.timeout(at: Self.at(2000))
        let (sent, events) = drain(&line, 2000)
        #expect(sent.isEmpty && events == [.intruded([0x55])])
        line.arrive([0x56])
        #expect(drain(&line, 2500).events == [.received([0x56])])
    }

    @Test func aRequestThatIsCancelledDoesNotLeave() {
        var line = CarriedLine(Self.settings)
        line.carryOut(.schedule(Self.frame, at: Self.at(2000)), at: .zero)
        line.carryOut(.unschedule, at: Self.at(100))
        #expect(line.due == nil && line.isWatched)
    }

    // MARK: looking away

    @Test func aLineIsNotReadWhileNothingCanBeWhole() {
        var line = CarriedLine(Self.settings)
        line.carryOut(.transmit(Self.frame, look: Self.at(9000)), at: .zero)
        #expect(drain(&line, 0).sent == [Self.frame])
        line.arrive([1, 3])
        #expect(drain(&line, 5000).events.isEmpty)
        line.timeout(at: Self.at(9000))
        #expect(drain(&line, 9000).events == [.received([1, 3])])
        // From then on every byte is wanted, until the driver says otherwise.
        line.carryOut(.lookAway(until: Self.at(12_000)), at: Self.at(9000))
        line.arrive([2])
        #expect(drain(&line, 10_000).events.isEmpty && line.due == Self.at(12_000))
        line.timeout(at: Self.at(12_000))
        #expect(drain(&line, 12_000).events == [.received([2])] && line.isWatched)
    }

    // MARK: bursts

    private static func burst() -> (burst: ReadBurst, replies: [[UInt8]]) {
        let reads = (1...2).map { unit in
            ReadBurst.Read(
                .readHoldingRegisters, replyLength: 4, answering: UInt8(unit),
                frame: RTUFrame.encode(unit: UInt8(unit), [3, 0, 0, 0, 1]), notBefore: .zero,
                look: .milliseconds(10))
        }
        let replies = (1...2).map { RTUFrame.encode(unit: UInt8($0), [3, 2, 0, UInt8($0)]) }
        return (ReadBurst(reads, from: at(2000), silence: .milliseconds(2)), replies)
    }

    @Test func aBurstIsToldOfWhenItIsOver() {
        let (burst, replies) = Self.burst()
        var line = CarriedLine(Self.settings)
        line.carryOut(.burst(burst), at: .zero)
        line.timeout(at: Self.at(2000))
        #expect(drain(&line, 2000).sent.count == 1 && line.due == Self.at(12_000))
        line.arrive(replies[0])
        line.timeout(at: Self.at(12_000))
        #expect(drain(&line, 12_000).events.isEmpty && line.due == Self.at(14_000))
        line.timeout(at: Self.at(14_000))
        #expect(drain(&line, 14_000).sent.count == 1)
        line.arrive(replies[1])
        line.timeout(at: Self.at(24_000))
        guard case .carried(let log, let rest)? = drain(&line, 24_000).events.first else {
            Issue.record("the burst is not told of")
            return
        }
        #expect(log.map(\.reply) == replies && rest.isEmpty)
        #expect(log.map(\.sentAt) == [Self.at(2000), Self.at(14_000)])
        #expect(line.isWatched && line.due == nil)
    }

    @Test func aReplyThatDoesNotComeIsLookedForTwice() {
        let (burst, _) = Self.burst()
        var line = CarriedLine(Self.settings)
        line.carryOut(.burst(burst), at: .zero)
        line.timeout(at: Self.at(2000))
        _ = drain(&line, 2000)
        line.timeout(at: Self.at(12_000))
        #expect(drain(&line, 12_000).events.isEmpty && line.due == Self.at(12_050))
        line.timeout(at: Self.at(12_050))
        guard case .carried(let log, _)? = drain(&line, 12_050).events.first else {
            Issue.record("the burst goes on")
            return
        }
        #expect(log.count == 1 && log[0].reply == nil && log[0].isLate)
    }

    @Test func aRecallEndsABurstAtOnce() {
        let (burst, _) = Self.burst()
        var line = CarriedLine(Self.settings)
        line.carryOut(.burst(burst), at: .zero)
        line.timeout(at: Self.at(2000))
        _ = drain(&line, 2000)
        line.carryOut(.recall, at: Self.at(3000))
        let events = drain(&line, 3000).events
        guard case .carried(let log, _)? = events.first else {
            Issue.record("the burst goes on")
            return
        }
        #expect(events.count == 1 && log.count == 1 && log[0].reply == nil)
    }

    // MARK: a line that does not move

    /// All actions, in words of this test.
    private func actions(_ carrier: inout LineCarrier) -> [LineCarrier.Action] {
        var all: [LineCarrier.Action] = []
        while let action = carrier.next() { all.append(action) }
        return all
    }

    @Test func aLineThatTakesNothingForTwoSecondsIsGivenUp() {
        var carrier = LineCarrier(Self.settings)
        carrier.carryOut(.transmit(Self.frame), at: .zero)
        #expect(actions(&carrier) == [.askQueued, .write])
        carrier.queued(0, at: .zero)
        carrier.wrote(3, at: .zero)
        #expect(carrier.unsent == Array(Self.frame.dropFirst(3)))
        #expect(carrier.wait.interest == .both && carrier.wait.due == .zero + .seconds(2))
        carrier.becameWritable()
        #expect(actions(&carrier) == [.write])
        carrier.wrote(0, at: Self.at(1_000_000))
        // Nothing has moved since.
        carrier.timeout(at: .zero + .seconds(2))
        guard case .fail(let failure)? = actions(&carrier).last else {
            Issue.record("it goes on for ever")
            return
        }
        #expect(failure.kind == .lost && failure.message.contains("takes no bytes"))
    }

    @Test func bytesThatLieInTheDriverForTwoSecondsEndTheLine() {
        var carrier = LineCarrier(Self.settings)
        func send(_ seconds: Int64, queued: Int) -> [LineCarrier.Action] {
            carrier.carryOut(.transmit(Self.frame), at: .zero + .seconds(seconds))
            var all: [LineCarrier.Action] = []
            while let action = carrier.next() {
                all.append(action)
                if action == .askQueued { carrier.queued(queued, at: .zero + .seconds(seconds)) }
                if action == .write { carrier.wrote(Self.frame.count, at: .zero) }
            }
            return all
        }
        #expect(send(0, queued: 8) == [.askQueued, .write])
        #expect(send(1, queued: 16) == [.askQueued, .write])
        // A byte that comes says that the line moves.
        carrier.received([1], at: .zero + .seconds(1))
        _ = carrier.next()
        #expect(send(2, queued: 24) == [.write])
        #expect(send(3, queued: 24) == [.askQueued, .write])
        guard case .fail(let failure)? = send(5, queued: 24).last else {
            Issue.record("it goes on for ever")
            return
        }
        #expect(failure.kind == .lost && failure.message.contains("sends nothing"))
    }

    // MARK: RTS and error counters

    @Test func theTransmitterIsOnAroundARequestAndOffAtTheEnd() {
        var settings = LineSettings(device: .path("/dev/test"), baud: 10_000)
        settings.rs485 = LineSettings.RS485(rts: .software)
        var carrier = LineCarrier(settings)
        carrier.carryOut(.transmit(Self.frame), at: .zero)
        #expect(actions(&carrier) == [.askQueued, .drive(true), .write])
        carrier.wrote(8, at: .zero)
        #expect(carrier.wait.due == Self.at(8000))
        carrier.timeout(at: Self.at(8000))
        #expect(actions(&carrier) == [.askSent])
        carrier.hasSent(true, at: Self.at(8000))
        #expect(actions(&carrier) == [.drive(false)])
        carrier.carryOut(.transmit(Self.frame), at: Self.at(20_000))
        _ = actions(&carrier)
        carrier.end()
        #expect(actions(&carrier) == [.drive(false)] && carrier.wait.due == nil)
    }

    @Test func errorCountersAreReadOnceASecondAndTheirIncreaseIsTold() {
        var carrier = LineCarrier(Self.settings, errors: LineErrors(framing: 5))
        func send(_ milliseconds: Int64) -> [LineCarrier.Action] {
            carrier.received([1], at: .zero)
            carrier.carryOut(.transmit(Self.frame), at: .zero + .milliseconds(milliseconds))
            carrier.wrote(carrier.unsent.count, at: .zero)
            return actions(&carrier).filter { $0 != .report(.received([1])) }
        }
        #expect(send(0) == [.askErrors, .write] && send(900) == [.write])
        carrier.counted(LineErrors(framing: 7))
        #expect(actions(&carrier) == [.report(.errors(LineErrors(framing: 2)))])
        #expect(send(1000) == [.askErrors, .write])
        carrier.counted(LineErrors(framing: 7))
        #expect(actions(&carrier) == [])
    }
}
