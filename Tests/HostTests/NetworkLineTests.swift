import Base
import Host
import Line
import Modbus
import Platform
import Testing

/// The shell of a line at the other end of a real TCP connection.
@Suite(.serialized) struct NetworkLineTests {
    /// The other end: everything that comes in is kept, by connection.
    private final class Converter {
        private let listener: Listener
        private(set) var links: [Link] = []
        private(set) var heard: [[UInt8]] = []
        /// Called with the number of the connection when something has come on it.
        var answer: (Converter, Int) -> Void = { _, _ in }

        init(port: Int = 0) throws { listener = try Listener(port: port) }

        var port: Int { listener.port }
        /// The last connection.
        var last: Link? { links.last }

        func turn() {
            while case .link(let link) = listener.accept() {
                links.append(link)
                heard.append([])
            }
            for (index, link) in links.enumerated() {
                guard case .bytes(let bytes) = link.read() else { continue }
                heard[index] += bytes
                answer(self, index)
            }
        }

        func say(_ bytes: [UInt8], on index: Int) { _ = links[index].write(bytes[...]) }

        func hangUp(_ index: Int) { links[index].close(orderly: true) }

        func stop() {
            for link in links { link.close(orderly: true) }
            listener.close()
        }
    }

    private static let request = RTUFrame.encode(
        unit: 1, .read(.readHoldingRegisters, address: 0, count: 1))
    private static let reply = RTUFrame.encode(unit: 1, [3, 2, 0, 7])

    private static func settings(
        _ port: Int, _ framing: LineSettings.Framing = .plain,
        _ scheme: NetworkAddress.Scheme = .tcp
    ) -> LineSettings {
        LineSettings(
            device: .network(NetworkAddress(scheme, host: "127.0.0.1", port: port)),
            baud: scheme == .tcp ? LineSettings.baudUnknown : 9600, framing: framing)
    }

    private static func isOpened(_ events: [LineEvent]) -> Bool {
        events.contains { if case .opened = $0 { true } else { false } }
    }

    private static func bytes(_ events: [LineEvent]) -> [UInt8] {
        events.reduce(into: []) { if case .received(let bytes) = $1 { $0 += bytes } }
    }

    private static func isLost(_ events: [LineEvent]) -> Bool {
        events.contains { if case .lost = $0 { true } else { false } }
    }

    private func open(
        _ converter: Converter, _ settings: LineSettings
    ) throws -> ShellBench {
        let bench = try ShellBench()
        bench.turn = { converter.turn() }
        bench.open(settings)
        try bench.run { Self.isOpened($0) && converter.last != nil }
        return bench
    }

    @Test func aRequestAndItsReplyCrossAConnection() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port))
        guard case .opened(let facts)? = bench.events.first else { return }
        #expect(facts.path == "tcp://127.0.0.1:\(converter.port)" && !facts.isTimed)
        converter.answer = { $0.say(Self.reply, on: $1) }
        bench.carryOut(.transmit(Self.request))
        try bench.run { Self.bytes($0).count >= Self.reply.count }
        #expect(converter.heard == [Self.request] && Self.bytes(bench.events) == Self.reply)
        try bench.close()
        converter.stop()
    }

    @Test func modbusTCPHasItsHeaderOnTheConnection() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port, .mbap))
        converter.answer = {
            $0.say(MBAPFrame(transaction: 1, unit: 1, pdu: [3, 2, 0, 7]).bytes, on: $1)
        }
        bench.carryOut(.transmit(Self.request))
        try bench.run { Self.bytes($0).count >= Self.reply.count }
        #expect(converter.heard == [[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]])
        #expect(Self.bytes(bench.events) == Self.reply)
        try bench.close()
        converter.stop()
    }

    @Test func whatIsDiscardedDoesNotComeLater() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port))
        bench.carryOut(.lookAway(until: Clock.instant + .seconds(30)))
        converter.say([1, 2, 3], on: 0)
        // Loopback hands bytes over in the call that writes them.
        bench.carryOut(.discardInput)
        converter.answer = { $0.say(Self.reply, on: $1) }
        bench.carryOut(.transmit(Self.request))
        try bench.run { Self.bytes($0).count >= Self.reply.count }
        #expect(Self.bytes(bench.events) == Self.reply)
        try bench.close()
        converter.stop()
    }

    /// A converter that closes after each reply: the line is not lost, and each read is answered.
    @Test func aConverterThatClosesAfterEachReplyIsConnectedToAgain() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port))
        converter.answer = { converter, index in
            guard converter.heard[index].count >= Self.request.count else { return }
            converter.say(Self.reply, on: index)
            converter.hangUp(index)
        }
        for turn in 1...8 {
            bench.carryOut(.transmit(Self.request))
            try bench.run { Self.bytes($0).count >= turn * Self.reply.count }
        }
        #expect(
            !Self.isLost(bench.events) && Self.bytes(bench.events).count == 8 * Self.reply.count)
        #expect(converter.links.count >= 8)
        try bench.close()
        converter.stop()
    }

    @Test func aConnectionThatBringsNothingIsLost() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port))
        converter.hangUp(0)
        try bench.run { Self.isLost($0) && $0.contains(.closed) }
        #expect(converter.links.count == 1)
        converter.stop()
    }

    /// The connection ends and nobody accepts the next: the line is lost after the attempt.
    @Test func aConverterThatHasGoneIsALostLine() throws {
        let converter = try Converter()
        let bench = try open(converter, Self.settings(converter.port))
        converter.answer = { $0.say(Self.reply, on: $1) }
        bench.carryOut(.transmit(Self.request))
        try bench.run { Self.bytes($0).count >= Self.reply.count }
        converter.stop()
        bench.turn = {}
        try bench.run { Self.isLost($0) && $0.contains(.closed) }
        guard
            case .lost(let failure)? = bench.events.first(where: {
                if case .lost = $0 { true } else { false }
            })
        else { return }
        #expect(failure.message.contains("refuses the connection"))
    }

    @Test func aConnectionThatIsRefusedFailsWithItsAddress() throws {
        let free = try Converter()
        let port = free.port
        free.stop()
        let bench = try ShellBench()
        bench.open(Self.settings(port))
        try bench.run { !$0.isEmpty }
        guard case .failed(let failure)? = bench.events.first else {
            Issue.record("it is \(bench.events)")
            return
        }
        #expect(failure.message.contains("tcp://127.0.0.1:\(port) refuses the connection"))
        try bench.close()
    }

    // MARK: RFC 2217

    private static let agreement: [UInt8] =
        [255, 253, 44]
        + [(101, [0, 0, 0x25, 0x80]), (102, [8]), (103, [1]), (104, [1])].flatMap {
            (command: UInt8, value: [UInt8]) in
            [255, 250, 44, command] + value + [255, 240]
        }

    @Test func aLineIsSetByRFC2217BeforeItIsOpen() throws {
        let converter = try Converter()
        var isAgreed = false
        converter.answer = { converter, index in
            if !isAgreed { converter.say(Self.agreement, on: index) }
            isAgreed = true
        }
        let bench = try open(converter, Self.settings(converter.port, .plain, .rfc2217))
        bench.carryOut(.transmit([1, 255, 2]))
        try bench.run { _ in converter.heard[0].suffix(4) == [1, 255, 255, 2] }
        converter.say([7, 255, 255, 255, 251, 1, 8], on: 0)
        try bench.run { Self.bytes($0).count >= 3 }
        #expect(Self.bytes(bench.events) == [7, 255, 8])
        try bench.run { _ in converter.heard[0].suffix(3) == [255, 254, 1] }
        try bench.close()
        converter.stop()
    }

    @Test func aPlainPortIsNoRFC2217() throws {
        let converter = try Converter()
        converter.answer = { $0.hangUp($1) }
        let bench = try ShellBench()
        bench.turn = { converter.turn() }
        bench.open(Self.settings(converter.port, .plain, .rfc2217))
        try bench.run { !$0.isEmpty }
        guard case .failed? = bench.events.first else {
            Issue.record("it is \(bench.events)")
            return
        }
        try bench.close()
        converter.stop()
    }
}
