import Base
import Glibc
import Platform
import Testing

/// Reads from the line until `count` bytes are there or ten seconds are over.
private func receive(_ line: borrowing OwnedFD, _ count: Int) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: SerialPort.readMax)
    while all.count < count, isReadable(line.number) {
        guard case .bytes(let got) = SerialPort.read(line, into: &buffer) else { break }
        all += buffer[..<got]
    }
    return all
}

/// Why it cannot be opened; nil if it can.
func lineFailure(_ settings: LineSettings, in system: SystemPaths = SystemPaths()) -> LineFailure? {
    do throws(LineFailure) {
        SerialPort.close(try SerialPort.open(settings, in: system).intoDescriptor())
        return nil
    } catch {
        return error
    }
}

/// One end of a line as a test reads it.
private func readOnce(_ line: borrowing OwnedFD) -> Transfer {
    var buffer = [UInt8](repeating: 0, count: 64)
    return SerialPort.read(line, into: &buffer)
}

@Suite struct SerialLineTests {
    @Test func everyByteCrossesAPseudoTerminalUnchanged() throws {
        let pty = try PseudoTerminal()
        let line = try SerialPort.open(LineSettings(device: .path(pty.path), baud: 115_200))
        let facts = line.facts
        #expect(facts == LineFacts(path: pty.path, isPseudoTerminal: true))
        let all = (0...255).map { UInt8($0) }
        let there = SerialPort.write(line.descriptor, all[...])
        #expect(there == .bytes(256))
        let arrived = receive(pty.master, 256)
        #expect(arrived == all)
        let back = SerialPort.write(pty.master, all[...])
        #expect(back == .bytes(256))
        let returned = receive(line.descriptor, 256)
        #expect(returned == all)
        let nothing = readOnce(line.descriptor)
        #expect(nothing == .wouldBlock)
        let errors = SerialPort.errors(line.descriptor)
        #expect(errors == nil)
        SerialPort.close(line.intoDescriptor())
    }

    @Test(arguments: [1200, 9600, 12_345, 76_800, 115_200, 250_000, 3_000_000])
    func setsStandardAndCustomBaudRates(baud: Int) throws {
        let pty = try PseudoTerminal()
        let line = try SerialPort.open(LineSettings(device: .path(pty.path), baud: baud))
        let set = pty.baud
        #expect(set == baud)
        SerialPort.close(line.intoDescriptor())
    }

    @Test(arguments: [(LineSettings.Parity.even, 8), (.odd, 8), (.none, 7), (.even, 7)])
    func aPseudoTerminalThatDropsParityOrSizeIsARemark(
        parity: LineSettings.Parity, dataBits: Int
    ) throws {
        let pty = try PseudoTerminal()
        let settings = LineSettings(
            device: .path(pty.path), baud: 19200, parity: parity, dataBits: dataBits)
        let line = try SerialPort.open(settings)
        let remarks = line.facts.remarks
        #expect(remarks.count == 1)
        #expect(remarks.first?.contains("pseudo-terminal") == true)
        #expect(remarks.first?.contains(settings.describe) == true)
        SerialPort.close(line.intoDescriptor())
    }

    @Test func rs485OnALineThatHasNoneIsARemark() throws {
        let pty = try PseudoTerminal()
        let settings = LineSettings(device: .path(pty.path), rs485: LineSettings.RS485())
        let line = try SerialPort.open(settings)
        let remarks = line.facts.remarks
        #expect(remarks.contains { $0.contains("RS-485") })
        SerialPort.close(line.intoDescriptor())
    }

    @Test(arguments: [
        LineSettings(device: .path(""), baud: 0), LineSettings(device: .path(""), baud: -5),
        LineSettings(device: .path(""), dataBits: 9), LineSettings(device: .path(""), stopBits: 3),
    ])
    func impossibleSettingsAreRefused(settings: LineSettings) throws {
        let pty = try PseudoTerminal()
        var settings = settings
        settings.device = .path(pty.path)
        #expect(lineFailure(settings)?.kind == .settings)
    }

    @Test func aSecondOpenIsRefusedUntilTheFirstIsClosed() throws {
        let pty = try PseudoTerminal()
        let path = pty.path
        let settings = LineSettings(device: .path(path))
        let line = try SerialPort.open(settings)
        let refused = try #require(lineFailure(settings))
        #expect(refused.kind == .busy)
        #expect(refused.message == "\(path) is in use by another program (process \(getpid()))")
        SerialPort.close(line.intoDescriptor())
        #expect(lineFailure(settings) == nil)
    }

    @Test func aMissingDeviceSaysWhatToDo() throws {
        let refused = try #require(lineFailure(LineSettings(device: .path("/dev/ttyNOT0"))))
        #expect(refused.kind == .missing)
        #expect(refused.message.hasPrefix("/dev/ttyNOT0 does not exist; plug the adapter in"))
    }

    @Test func whatIsNoTerminalIsRefused() throws {
        let scratch = Scratch()
        try scratch.write("file", "hello")
        for path in [scratch.file("file"), "/dev/null", scratch.path] {
            #expect(lineFailure(LineSettings(device: .path(path)))?.kind == .settings, "\(path)")
        }
    }

    /// Root may open everything, so this one gives its rights up, on a thread of its own.
    @Test func aForbiddenDeviceNamesTheGroupToJoin() throws {
        let scratch = Scratch()
        try scratch.write("tty", "", mode: 0o000)
        let answer = try Mailbox<LineFailure>()
        let worker = try Worker("test-denied")
        worker.submit {
            if getuid() == 0 { dropRightsOfThisThread() }
            let settings = LineSettings(device: .path(scratch.file("tty")))
            if let failure = lineFailure(settings) { answer.post(failure) }
        }
        worker.stop()
        let refused = try #require(answer.drain().first)
        #expect(refused.kind == .denied)
        #expect(refused.message.contains("group dialout"))
    }

    @Test func anInputThatWaitedBeforeOpeningIsThrownAway() throws {
        let pty = try PseudoTerminal()
        _ = SerialPort.write(pty.master, Array("stale".utf8)[...])
        let line = try SerialPort.open(LineSettings(device: .path(pty.path)))
        let nothing = readOnce(line.descriptor)
        #expect(nothing == .wouldBlock)
        SerialPort.close(line.intoDescriptor())
    }

    @Test func theOtherEndGoingAwayIsAHangUpForReadingAndWriting() throws {
        let pty = try PseudoTerminal(holdsSlave: false)
        let line = try SerialPort.open(LineSettings(device: .path(pty.path)))
        let loop = try EventLoop()
        _ = try loop.watch(line.descriptor.number, .read)
        #expect(try loop.wait(until: .zero).isEmpty)
        pty.hangUp()
        let ready = try loop.wait(until: Clock.instant + .seconds(10))
        #expect(ready.first?.isHungUp == true)
        let read = readOnce(line.descriptor)
        let written = SerialPort.write(line.descriptor, [1, 2, 3])
        for end in [read, written] {
            guard case .hungUp(let why) = end else {
                Issue.record("a hung-up line answered \(end)")
                continue
            }
            #expect(why.kind == .lost)
        }
        SerialPort.close(line.intoDescriptor())
    }

    @Test func aFullLineTakesPartAndThenSaysWouldBlock() throws {
        let pty = try PseudoTerminal()
        let line = try SerialPort.open(LineSettings(device: .path(pty.path)))
        let chunk = [UInt8](repeating: 0x55, count: 4096)
        var total = 0
        var last = Transfer.bytes(0)
        for _ in 0..<64 {
            last = SerialPort.write(line.descriptor, chunk[...])
            guard case .bytes(let count) = last else { break }
            total += count
        }
        #expect(last == .wouldBlock)
        #expect((1024...131_072).contains(total))
        SerialPort.close(line.intoDescriptor())
    }

    @Test func aMasterWithoutItsSlaveKnowsWhetherSomebodyOpenedTheLine() throws {
        let pty = try PseudoTerminal(holdsSlave: false)
        let before = pty.isOpened
        let line = try SerialPort.open(LineSettings(device: .path(pty.path)))
        let during = pty.isOpened
        SerialPort.close(line.intoDescriptor())
        let after = pty.isOpened
        #expect([before, during, after] == [false, true, false])
    }

    @Test func refusedAndClosedLinesLeaveNoDescriptorBehind() throws {
        let pty = try PseudoTerminal()
        let path = pty.path
        // Another test may hold a line whose name begins with ours: /dev/pts/1 and /dev/pts/12.
        func open() -> Int { OpenDescriptors.count(of: path) }
        let settings = LineSettings(device: .path(path), parity: .even)
        let before = open()
        for _ in 0..<50 {
            let line = try SerialPort.open(settings)
            #expect(lineFailure(settings)?.kind == .busy)
            SerialPort.close(line.intoDescriptor())
        }
        #expect(open() < before + 25)
    }
}

/// The file-system identity alone, and of this thread alone: setfsuid(2) is per thread and drops
/// the capabilities that override file permissions.
private func dropRightsOfThisThread() {
    guard let symbol = dlsym(nil, "setfsuid") else { return }
    typealias Call = @convention(c) (UInt32) -> Int32
    _ = unsafeBitCast(symbol, to: Call.self)(65534)
}
