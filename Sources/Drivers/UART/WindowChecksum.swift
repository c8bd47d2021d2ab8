/// Checksums of any window of a growing run of bytes, each in a fixed number of steps: what the
/// bytes before a place amount to is kept for every place.
///
/// - A sum or an exclusive or of a window is the difference of what stands at its two ends.
/// - A CRC is linear: the register after the window is what stands at its end, combined with what
///   stood at its beginning moved on over as many bytes (`CRCShift`).
struct WindowChecksum: Sendable {
    private let type: UARTProtocol.ChecksumType
    private let crc: CRCModel?
    private let shift: CRCShift?
    /// One for each place between bytes, the first included.
    private var states: [UInt16] = [0]

    init(_ type: UARTProtocol.ChecksumType) {
        self.type = type
        crc = type.crc
        shift = crc.map { CRCShift.of($0) }
    }

    mutating func append(_ byte: UInt8) {
        let last = states[states.count - 1]
        switch type {
        case .none: states.append(0)
        case .sum8, .sum16, .twosComplement, .onesComplement: states.append(last &+ UInt16(byte))
        case .xor8, .nmea: states.append(last ^ UInt16(byte))
        default: states.append(shift?.next(last, byte) ?? 0)
        }
    }

    mutating func removeFirst(_ count: Int) { states.removeFirst(count) }

    /// The value of the bytes in this window, as `UARTProtocol.Checksum.value`.
    func value(of window: Range<Int>) -> UInt16 {
        let (first, last) = (states[window.lowerBound], states[window.upperBound])
        switch type {
        case .none: return 0
        case .sum8: return (last &- first) & 0xFF
        case .sum16: return last &- first
        case .twosComplement: return (first &- last) & 0xFF
        case .onesComplement: return ~(last &- first) & 0xFF
        case .xor8, .nmea: return first ^ last
        default:
            guard let crc, let shift else { return 0 }
            return crc.result(last ^ shift.moved(first ^ crc.start, over: window.count))
        }
    }
}

/// Moves a CRC register on over zero bytes. The count is taken digit by digit, in hexadecimal:
/// there is one matrix for each of the four digits and each of their values.
final class CRCShift: Sendable {
    /// By hexadecimal digit of the count, its value, and hexadecimal digit of the register.
    private let tables: [UInt16]
    private let step: [UInt16]
    private let isReflected: Bool
    private static let places = 4

    private init(_ model: CRCModel) {
        step = model.table
        isReflected = model.isReflected
        var tables: [UInt16] = []
        tables.reserveCapacity(Self.places * 16 * 64)
        // What each bit becomes by moving on over 16 to the power of `place` bytes.
        var unit = (0..<16).map { Self.zero(1 << UInt16($0), model) }
        for _ in 0..<Self.places {
            var columns = (0..<16).map { UInt16(1) << UInt16($0) }
            for _ in 0..<16 {
                for digit in 0..<4 {
                    for value in 0..<16 {
                        tables.append(Self.combine(UInt16(value) << UInt16(4 * digit), columns))
                    }
                }
                columns = columns.map { Self.combine($0, unit) }
            }
            unit = columns
        }
        self.tables = tables
    }

    private static func zero(_ register: UInt16, _ model: CRCModel) -> UInt16 {
        model.isReflected
            ? register >> 8 ^ model.table[Int(register & 0xFF)]
            : register << 8 ^ model.table[Int(register >> 8)]
    }

    private static func combine(_ value: UInt16, _ columns: [UInt16]) -> UInt16 {
        var out: UInt16 = 0
        for bit in 0..<16 where value >> UInt16(bit) & 1 == 1 { out ^= columns[bit] }
        return out
    }

    private static let all: [CRCModel: CRCShift] = {
        var all: [CRCModel: CRCShift] = [:]
        for model in UARTProtocol.ChecksumType.allCases.compactMap(\.crc) {
            all[model] = CRCShift(model)
        }
        return all
    }()

    static func of(_ model: CRCModel) -> CRCShift { all[model] ?? CRCShift(model) }

    func next(_ register: UInt16, _ byte: UInt8) -> UInt16 {
        isReflected
            ? register >> 8 ^ step[Int(UInt8(truncatingIfNeeded: register) ^ byte)]
            : register << 8 ^ step[Int(UInt8(truncatingIfNeeded: register >> 8) ^ byte)]
    }

    /// The register after `count` zero bytes, at most 65,535.
    func moved(_ register: UInt16, over count: Int) -> UInt16 {
        var value = register
        for place in 0..<Self.places {
            let digit = count >> (4 * place) & 15
            if digit == 0 { continue }
            let base = (place * 16 + digit) * 64
            value =
                tables[base + Int(value & 15)] ^ tables[base + 16 + Int(value >> 4 & 15)]
                ^ tables[base + 32 + Int(value >> 8 & 15)] ^ tables[base + 48 + Int(value >> 12)]
        }
        return value
    }
}
