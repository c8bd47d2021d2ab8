import Base
import Drivers
import TestKit
import Testing

/// What a stream is cut into, and what that costs.
@Suite struct FrameCutterTests {
    /// A random format over few letters, so that starts, ends and checksums come about by chance.
    private static func format(
        _ random: inout RandomSource
    ) -> (UARTProtocol.Frame, UARTProtocol.Checksum?) {
        func letters(_ range: ClosedRange<Int>) -> [UInt8] {
            (0..<random.integer(in: range)).map { _ in UInt8(0x41 + random.integer(in: 0...1)) }
        }
        let start = letters(0...3)
        let limit = random.integer(in: 6...24)
        let end: UARTProtocol.End =
            switch random.integer(in: 0...3) {
            case 0: .terminator(letters(1...3))
            case 1: .fixed(random.integer(in: 1...limit))
            case 2:
                .length(
                    at: random.integer(in: 0...3), bytes: random.integer(in: 1...2),
                    adds: random.integer(in: -66...0))
            default: .silence(.milliseconds(5))
            }
        let frame = UARTProtocol.Frame(start: start, end: end, max: limit)
        let types = UARTProtocol.ChecksumType.allCases.filter { $0 != .none }
        let type = types[random.integer(in: 0...(types.count - 1))]
        guard random.integer(in: 0...3) > 0 else { return (frame, nil) }
        let asHex = random.integer(in: 0...3) == 0
        let size = type.size(asHex: asHex)
        return (
            frame,
            UARTProtocol.Checksum(
                type: type, from: random.integer(in: 0...2), to: random.integer(in: -size - 1...0),
                at: -size - random.integer(in: 0...2),
                order: random.integer(in: 0...1) == 0 ? .big : .little, asHex: asHex)
        )
    }

    /// Mostly letters, some of anything, and now and then something with the right checksum.
    private static func stream(
        _ random: inout RandomSource, _ frame: UARTProtocol.Frame,
        _ checksum: UARTProtocol.Checksum?
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < 300 {
            if let checksum, random.integer(in: 0...9) == 0 {
                let body =
                    frame.start
                    + (0..<random.integer(in: 0...8)).map { _ in
                        UInt8(0x41 + random.integer(in: 0...3))
                    }
                bytes += body + checksum.encoded(of: body.dropFirst(min(checksum.from, body.count)))
                if case .terminator(let end) = frame.end { bytes += end }
            } else if random.integer(in: 0...4) == 0 {
                bytes.append(UInt8(random.integer(in: 0...255)))
            } else {
                bytes.append(UInt8(0x41 + random.integer(in: 0...1)))
            }
        }
        return bytes
    }

    @Test(arguments: Effort.cases(1500)) func findsWhatGoingThroughEveryWindowFinds(_ seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        let (frame, checksum) = Self.format(&random)
        let isSynced = random.integer(in: 0...1) == 0
        let character = Duration.microseconds(1000)
        var cutter = FrameCutter(
            frame, checksum, character: character, isSynced: isSynced, at: .zero)
        var plain = PlainCutter(
            frame, checksum, character: character, isSynced: isSynced, at: .zero)
        var rest = Self.stream(&random, frame, checksum)[...]
        var now = Instant.zero
        while !rest.isEmpty {
            now = now + .milliseconds(random.integer(in: 0...20) == 0 ? 2000 : 1)
            let isPause = cutter.hear(at: now)
            #expect(isPause == plain.hear(at: now))
            if isPause { expectSame({ cutter.finish() }, { plain.finish() }, seed) }
            let chunk = rest.prefix(random.integer(in: 1...40))
            rest = rest.dropFirst(chunk.count)
            var (one, other) = (chunk, chunk)
            expectSame({ cutter.next(&one) }, { plain.next(&other) }, seed)
            #expect(cutter.pending == plain.pending && one.isEmpty && other.isEmpty, "seed \(seed)")
        }
        expectSame({ cutter.finish() }, { plain.finish() }, seed)
    }

    private func expectSame(
        _ one: () -> FrameCutter.Verdict?, _ other: () -> FrameCutter.Verdict?, _ seed: Int
    ) {
        for _ in 0..<1000 {
            let (left, right) = (one(), other())
            guard left == right else {
                Issue.record(
                    "seed \(seed): \(String(describing: left)), not \(String(describing: right))")
                return
            }
            if left == nil { return }
        }
        Issue.record("verdicts without end")
    }

    // MARK: cost

    struct Hostile: Sendable, CustomTestStringConvertible {
        var name: String
        var frame: UARTProtocol.Frame
        var checksum: UARTProtocol.Checksum?
        /// Comes again and again.
        var noise: [UInt8]
        var testDescription: String { name }
    }

    private static let crc = UARTProtocol.Checksum(
        type: .crc16Modbus, from: 0, to: -2, at: -2, order: .little)
    private static let long = [UInt8](repeating: 0x41, count: 255) + [0x42]

    static let hostile = [
        Hostile(
            name: "fixed, no start", frame: .init(end: .fixed(4096), max: 4096), checksum: crc,
            noise: [1, 7, 9]),
        Hostile(
            name: "fixed, starts everywhere",
            frame: .init(start: [0x55], end: .fixed(4096), max: 4096), checksum: crc,
            noise: [0x55]),
        Hostile(
            name: "length, no start",
            frame: .init(end: .length(at: 0, bytes: 2, adds: 0), max: 4096), checksum: crc,
            noise: [0x0F, 0x0E, 0x0F, 0x0D]),
        Hostile(
            name: "length, a sum of all",
            frame: .init(end: .length(at: 0, bytes: 2, adds: 0), max: 4096),
            checksum: .init(type: .sum16, from: 0, to: -2, at: -2), noise: [0x0F]),
        Hostile(
            name: "lines, starts everywhere",
            frame: .init(start: [0x24], end: .terminator([13, 10]), max: 4096),
            checksum: .init(type: .nmea, from: 1, to: -5, at: -4),
            noise: [UInt8](repeating: 0x24, count: 4000) + [13, 10]),
        Hostile(
            name: "lines without end",
            frame: .init(start: [0x24], end: .terminator([13, 10]), max: 4096),
            checksum: .init(type: .nmea, from: 1, to: -5, at: -4), noise: [0x24, 13]),
        Hostile(
            name: "lines, no checksum",
            frame: .init(start: [0x24], end: .terminator([13, 10]), max: 4096),
            noise: [UInt8](repeating: 0x24, count: 4000) + [13, 10]),
        Hostile(
            name: "silence",
            frame: .init(start: [0x55], end: .silence(.milliseconds(5)), max: 4096), checksum: crc,
            noise: [0x55]),
        Hostile(
            name: "silence, no start", frame: .init(end: .silence(.milliseconds(5)), max: 4096),
            checksum: crc, noise: [1, 7, 9]),
        Hostile(
            name: "a long start", frame: .init(start: long, end: .fixed(512), max: 4096),
            checksum: crc, noise: [0x41]),
        Hostile(name: "a long end", frame: .init(end: .terminator(long), max: 4096), noise: [0x41]),
    ]

    /// 4,096 bytes of frame were gone through again for each byte that came: most of a core at
    /// 0.15 MB/s. Bytes come one by one, by the kilobyte, and with pauses.
    @Test(arguments: hostile, [1, 1024]) func aByteOfNoiseCostsAFixedNumberOfSteps(
        _ hostile: Hostile, _ size: Int
    ) {
        func work(_ total: Int) -> Int {
            var cutter = FrameCutter(
                hostile.frame, hostile.checksum, character: .microseconds(10), isSynced: true,
                at: .zero)
            var now = Instant.zero
            var sent = 0
            while sent < total {
                let bytes = (0..<size).map { hostile.noise[(sent + $0) % hostile.noise.count] }
                sent += size
                now = now + .milliseconds(sent % 4096 == 0 ? 2000 : 1)
                if cutter.hear(at: now) { while cutter.finish() != nil {} }
                var chunk = bytes[...]
                while cutter.next(&chunk) != nil {}
            }
            return cutter.work
        }
        let (once, twice) = (work(16_384), work(32_768))
        #expect(once >= 16_384 && once <= 12 * 16_384, "\(once) steps for 16384 bytes")
        #expect(Double(twice) <= 2.2 * Double(once))
    }
}

extension RandomSource {
    fileprivate mutating func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }
}
