/// How the bytes of a point are to be read. The raw values are the words of the configuration.
package enum ValueType: String, Hashable, Sendable, CaseIterable {
    case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64
    case float16, float32, float64, bcd16, bcd32, string, bits

    /// Bytes on the wire; nil where `Point.length` decides (string, bits). In registers an 8-bit
    /// value and a bool occupy one register, in a frame one byte.
    package var width: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bcd16: 2
        case .uint32, .int32, .float32, .bcd32: 4
        case .uint64, .int64, .float64: 8
        case .string, .bits: nil
        }
    }

    package var isSigned: Bool {
        switch self {
        case .int8, .int16, .int32, .int64: true
        default: false
        }
    }

    package var isFloat: Bool { self == .float16 || self == .float32 || self == .float64 }
    package var isBCD: Bool { self == .bcd16 || self == .bcd32 }

    /// Whether a value is a number that scale, offset, min, max and dead band apply to.
    package var isNumber: Bool { self != .bool && self != .string && self != .bits }
}

/// Which byte of a register holds an 8-bit value; on the wire the high one comes first.
package enum RegisterByte: String, Hashable, Sendable { case high, low }

/// The order of a value's bytes: letters in wire order, A the most significant. "CDAB" is two
/// registers, the less significant one first. Any permutation of the first 2, 4 or 8 letters.
package struct ByteOrder: Hashable, Sendable, CustomStringConvertible {
    /// For each byte on the wire its place in the value, 0 the most significant.
    package let places: [UInt8]

    package init?(_ letters: String) {
        let places = letters.utf8.map { $0 &- 0x41 }
        guard [2, 4, 8].contains(places.count), places.allSatisfy({ Int($0) < places.count }),
            Set(places).count == places.count
        else { return nil }
        self.places = places
    }

    private init(places: [UInt8]) { self.places = places }

    /// Most significant byte first: the default for every type.
    package static func bigEndian(_ width: Int) -> ByteOrder {
        ByteOrder(places: (0..<UInt8(clamping: min(max(width, 0), 8))).map { $0 })
    }

    package var width: Int { places.count }
    package var description: String {
        String(decoding: places.map { $0 &+ 0x41 }, as: UTF8.self)
    }
}
