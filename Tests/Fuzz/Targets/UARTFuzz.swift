import Base
import Drivers
import FuzzKit

/// UART nodes of every framing and checksum, with frames that are right, damaged, cut and joined.
/// However the bytes of one moment are cut, the same frames are read, and each of them is one of
/// its format.
package enum UARTFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        let plan = UARTRig.plan(&choices)
        var whole = UARTRig(plan, cuts: false)
        var cut = UARTRig(plan, cuts: true)
        var (one, other) = (choices, choices)
        while !one.isAtEnd { whole.step(&one) }
        while !other.isAtEnd { cut.step(&other) }
        demand(
            whole.frames == cut.frames,
            "byte by byte \(cut.frames.count) frames are read, not \(whole.frames.count): \(plan)")
    }
}

private struct UARTRig {
    private var driver: UARTDriver
    private let nodes: [UARTDriver.Node]
    private let cuts: Bool
    private var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    private(set) var frames: [[UInt8]] = []
    private var openOrders: Set<UInt64> = []
    private var lastOrder: UInt64 = 0
    private var asked = 0

    init(_ nodes: [UARTDriver.Node], cuts: Bool) {
        self.nodes = nodes
        self.cuts = cuts
        let line = LineSettings(device: .path("/dev/test"), baud: 9600)
        driver = UARTDriver(
            UARTDriver.Settings(
                port: PortName("u"), line: line, responseTimeout: .milliseconds(200), retries: 1,
                nodes: nodes),
            seed: 1)
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    // MARK: The nodes

    static func plan(_ choices: inout Choices) -> [UARTDriver.Node] {
        (1...(1 + choices.below(3))).compactMap { number in
            UnitID(number).map { unit in
                UARTDriver.Node(
                    unit: unit, format: format(&choices),
                    intervals: [.milliseconds(choices.bool() ? 300 : 1000)])
            }
        }
    }

    private static func format(_ choices: inout Choices) -> UARTProtocol {
        let flags = choices.byte()
        let marks: [[UInt8]] = [[], [0x42], [0x42, 0x4D], [0x24], [0xFF, 0xFF, 0xFF]]
        let start = choices.pick(marks)
        let sizes = [4, 8, 32, 256, 1024, 4096]
        let most = choices.pick(sizes)
        let end: UARTProtocol.End
        switch flags & 3 {
        case 0: end = .terminator(choices.pick([[10], [13, 10], [3], [0xAA, 0xAA, 0x55]]))
        case 1: end = .fixed(1 + choices.below(most))
        case 2:
            end = .length(
                at: choices.below(4), bytes: 1 + choices.below(2), adds: choices.below(10) - 2,
                order: flags & 4 == 0 ? .big : .little)
        default: end = .silence(.milliseconds(20))
        }
        var checksum: UARTProtocol.Checksum?
        if flags & 8 != 0 {
            let type = choices.pick(UARTProtocol.ChecksumType.allCases)
            let size = type.size(asHex: flags & 16 != 0)
            checksum = UARTProtocol.Checksum(
                type: type, from: choices.below(3), to: -size, at: -size, order: type.naturalOrder,
                asHex: flags & 16 != 0)
        }
        let address =
            flags & 32 == 0
            ? nil : FrameMatch(.bytes(at: choices.below(4)), .equals, [[1], [0x41]])
        return UARTProtocol(
            request: flags & 64 == 0 ? nil : Array("R\r".utf8),
            frame: .init(start: start, end: end, max: most),
            checksum: checksum, address: address)
    }

    /// A frame of a node's format as far as the format allows it; nil where it allows none.
    private func frame(of node: Int, _ choices: inout Choices) -> [UInt8] {
        let format = nodes[node].format
        var bytes = format.frame.start + choices.bytes(1 + choices.below(24))
        let tail = format.checksum?.size ?? 0
        switch format.frame.end {
        case .fixed(let count):
            let body = max(count - tail, 0)
            bytes =
                Array(bytes.prefix(body))
                + [UInt8](repeating: 0x30, count: max(body - bytes.count, 0))
        case .length(let at, let size, let adds, let order):
            while bytes.count < at + size { bytes.append(0) }
            let value = bytes.count + tail - adds
            for index in 0..<size {
                let place = order == .big ? size - 1 - index : index
                bytes[at + place] = UInt8(truncatingIfNeeded: value >> (8 * index))
            }
        case .terminator, .silence: break
        }
        if let checksum = format.checksum, checksum.from <= bytes.count {
            bytes += checksum.encoded(of: bytes[checksum.from...])
        }
        if case .terminator(let mark) = format.frame.end { bytes += mark }
        return bytes
    }

    // MARK: Steps

    mutating func step(_ choices: inout Choices) {
        let kind = choices.byte()
        switch kind & 15 {
        case 0...3: hear(frame(of: Int(kind >> 4) % nodes.count, &choices))
        case 4:
            var bytes = frame(of: Int(kind >> 4) % nodes.count, &choices)
            if !bytes.isEmpty { bytes[choices.below(bytes.count)] ^= 1 << (kind >> 5) }
            hear(bytes)
        case 5:
            hear(Array(frame(of: Int(kind >> 4) % nodes.count, &choices).prefix(choices.below(16))))
        case 6: hear(frame(of: 0, &choices) + frame(of: nodes.count - 1, &choices))
        case 7: hear(choices.block())
        case 8:
            // Much of one thing: what a loose cable or a wrong speed brings.
            let pattern = choices.bytes(1 + choices.below(4))
            hear(
                (0..<(64 * (1 + choices.below(16)))).map {
                    pattern.isEmpty ? 0 : pattern[$0 % pattern.count]
                })
        case 9: order(&choices)
        case 10:
            driver.closed(at: now)
            drain()
            driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        case 11: driver.receive(.errors(LineErrors(framing: 1)), at: now)
        default: run(for: .milliseconds(5 * Int64(choices.byte())))
        }
        drain()
    }

    private mutating func hear(_ bytes: [UInt8]) {
        guard cuts else {
            driver.receive(bytes[...], at: now)
            return drain()
        }
        for byte in bytes {
            driver.receive([byte][...], at: now)
            drain()
        }
    }

    private mutating func order(_ choices: inout Choices) {
        guard let unit = UnitID(1 + choices.below(4)) else { return }
        lastOrder += 1
        openOrders.insert(lastOrder)
        driver.submit(
            Order(
                id: lastOrder, address: Address(port: PortName("u"), unit: unit), table: .holding,
                start: 0,
                data: .registers([1]), expires: now.instant + .seconds(1)), at: now)
    }

    private mutating func run(for duration: Duration) {
        let end = now + duration
        var limit = StepLimit(20_000, "the driver never rests")
        while let due = driver.deadline?.due, due <= end.instant {
            limit.step()
            if due > now.instant { now = now + (due - now.instant) }
            driver.timeout(at: now)
            drain()
            demand(
                driver.deadline.map { $0.due > now.instant } ?? true,
                "the driver's deadline stays in the past")
        }
        now = end
    }

    private mutating func drain() {
        var limit = StepLimit(20_000, "outputs without end")
        while let output = driver.next() {
            limit.step()
            switch output {
            case .line(.transmit(let bytes, _)):
                asked += 1
                demand(nodes.contains { $0.format.request == bytes }, "a request that no node has")
            case .reading(let reading): check(reading)
            case .outcome(let outcome):
                demand(
                    openOrders.remove(outcome.id) != nil,
                    "order \(outcome.id) ends twice, or was never given")
            case .notice(let notice): demand(!notice.message.isEmpty, "an empty line")
            case .setup, .unit, .line, .learned, .served: break
            }
        }
    }

    private mutating func check(_ reading: Reading) {
        guard let node = nodes.first(where: { $0.unit == reading.address.unit }) else {
            fatalError("a reading of unit \(reading.address.unit)")
        }
        for part in reading.parts {
            guard case .success(let bytes) = part.result else { continue }
            frames.append(bytes)
            let format = node.format
            demand(
                part.count == bytes.count && bytes.count <= format.frame.max,
                "a frame of \(bytes.count) bytes")
            demand(bytes.starts(with: format.frame.start), "a frame without its start: \(bytes)")
            if case .fixed(let count) = format.frame.end {
                demand(bytes.count == count, "\(bytes.count) bytes, not \(count)")
            }
            if case .terminator(let mark) = format.frame.end {
                demand(
                    bytes.suffix(mark.count).elementsEqual(mark),
                    "a frame without its end: \(bytes)")
            }
            if let address = format.address {
                demand(address.holds(for: bytes) == true, "another node's frame: \(bytes)")
            }
        }
    }
}
