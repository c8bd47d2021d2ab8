import Base
import Host
import Line
import Modbus
import Platform
import Testing

/// The shell of a line on a pseudo-terminal: descriptor, loop and carrier together.
@Suite(.serialized) struct LineShellTests {
    private static let frame: [UInt8] = [1, 3, 0, 0, 0, 1, 0x84, 0x0A]

    private static func isOpened(_ events: [LineEvent]) -> Bool {
        events.contains { if case .opened = $0 { true } else { false } }
    }

    private static func bytes(_ events: [LineEvent]) -> [UInt8] {
        events.reduce(into: []) { if case .received(let bytes) = $1 { $0 += bytes } }
    }

    @Test func bytesCrossALineBothWays() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        bench.carryOut(.transmit(Self.frame))
        var arrived: [UInt8] = []
        try bench.run { _ in
            arrived += take(pty.master)
            return arrived.count >= 8
        }
        #expect(arrived == Self.frame)
        _ = SerialPort.write(pty.master, [1, 2, 3])
        try bench.run { Self.bytes($0).count >= 3 }
        #expect(Self.bytes(bench.events) == [1, 2, 3])
        try bench.close()
    }

    @Test func aScheduledRequestLeavesAtItsTimeAndNoSooner() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        let due = Clock.instant + .milliseconds(30)
        bench.carryOut(.schedule(Self.frame, at: due))
        var arrived: [UInt8] = []
        var sooner = 0
        try bench.run { _ in
            let before = Clock.instant < due
            arrived += take(pty.master)
            if Clock.instant < due, before { sooner = arrived.count }
            return arrived.count >= 8
        }
        #expect(arrived == Self.frame && sooner == 0)
        try bench.close()
    }

    @Test func bytesThatComeBeforeARequestKeepItBack() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        bench.carryOut(.schedule(Self.frame, at: Clock.instant + .milliseconds(20)))
        _ = SerialPort.write(pty.master, [0x55])
        try bench.run { $0.contains(.intruded([0x55])) }
        try bench.run(to: Clock.instant + .milliseconds(30))
        #expect(take(pty.master).isEmpty && !bench.events.contains(.received([0x55])))
        try bench.close()
    }

    @Test func aLineIsNotReadWhileNothingCanBeWhole() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        let look = Clock.instant + .milliseconds(60)
        bench.carryOut(.lookAway(until: look))
        _ = SerialPort.write(pty.master, [1])
        try bench.run { _ in Clock.instant >= look - .milliseconds(30) }
        // Told too soon only if it was read too soon.
        if Clock.instant < look { #expect(Self.bytes(bench.events).isEmpty) }
        _ = SerialPort.write(pty.master, [2])
        try bench.run { Self.bytes($0).count >= 2 }
        #expect(Clock.instant >= look && Self.bytes(bench.events) == [1, 2])
        try bench.close()
    }

    @Test func aBurstIsCarriedOutAndToldOfOnce() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        let reads = (1...4).map { unit in
            ReadBurst.Read(
                .readHoldingRegisters, replyLength: 4, answering: UInt8(unit),
                frame: RTUFrame.encode(unit: UInt8(unit), [3, 0, 0, 0, 1]), notBefore: .zero,
                look: .milliseconds(40))
        }
        var asked: [UInt8] = []
        bench.turn = {
            asked += take(pty.master)
            while asked.count >= 8 {
                let reply = RTUFrame.encode(unit: asked[0], [3, 2, 0, asked[0]])
                _ = SerialPort.write(pty.master, reply[...])
                asked.removeFirst(8)
            }
        }
        bench.carryOut(
            .burst(ReadBurst(reads, from: Clock.instant, silence: .milliseconds(2))))
        try bench.run { $0.contains { if case .carried = $0 { true } else { false } } }
        guard case .carried(let log, let rest)? = bench.events.last else {
            Issue.record("something follows: \(bench.events)")
            return
        }
        #expect(log.compactMap { $0.reply?.first } == [1, 2, 3, 4] && rest.isEmpty)
        #expect(Self.bytes(bench.events).isEmpty)
        try bench.close()
    }

    @Test func aLineThatHangsUpIsLostOnce() throws {
        let pty = try PseudoTerminal(holdsSlave: false)
        let bench = try ShellBench()
        bench.open(pty.path)
        try bench.run(until: Self.isOpened)
        pty.hangUp()
        try bench.run { $0.contains { if case .lost = $0 { true } else { false } } }
        try bench.run { $0.contains(.closed) }
        let losses = bench.events.filter { if case .lost = $0 { true } else { false } }
        #expect(losses.count == 1)
        bench.carryOut(.transmit(Self.frame))
        #expect(bench.events.last == .closed)
        try bench.close()
    }

    /// A line that is opened again is not told of as one that another program can have.
    @Test func onlyAClosingThatWasWantedIsTold() throws {
        let first = try PseudoTerminal()
        let second = try PseudoTerminal()
        let bench = try ShellBench()
        bench.open(first.path)
        try bench.run(until: Self.isOpened)
        bench.open(second.path)
        try bench.run { $0.count >= 2 }
        #expect(bench.events.count == 2 && Self.isOpened(Array(bench.events.dropFirst())))
        try bench.close()
        #expect(bench.events.dropFirst(2) == [.closed])
    }

    @Test func aLineThatIsNotThereFailsWithItsPath() throws {
        let bench = try ShellBench()
        bench.open("/dev/fieldgw-no-such-line")
        try bench.run { !$0.isEmpty }
        guard case .failed(let failure)? = bench.events.first else {
            Issue.record("it is \(bench.events)")
            return
        }
        #expect(failure.message.contains("/dev/fieldgw-no-such-line"))
        try bench.close()
    }

    /// The answer of a helper to an attempt that was given up finds nobody.
    @Test func anAttemptThatWasGivenUpTellsNothing() throws {
        let pty = try PseudoTerminal()
        let bench = try ShellBench()
        for _ in 0..<5 { bench.open(pty.path) }
        try bench.run(until: Self.isOpened)
        try bench.run(to: Clock.instant + .milliseconds(20))
        #expect(bench.events.count == 1)
        try bench.close()
    }
}
