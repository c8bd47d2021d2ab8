/// How the bytes of a point are to be read. The raw values are the words of the configuration.
package enum ValueType: String, Hashable, Sendable, CaseIterable {
    case bool, uint8, int8, uint16, int16, uint24, int24, uint32, int32, uint48, int48, uint64,
        int64
    case float16, float32, float64, bcd8, bcd16, bcd24, bcd32, bcd48, bcd64
    /// Registers of four decimal digits each: modulo 10,000, every register with the value's sign.
    case m10k
    /// A power of ten in the first byte, signed, and 24 bits that it multiplies.
    case uint24e8, int24e8
    case string, hex, version, datetime, bits

    /// Bytes of the value; nil where `Point.length` decides. In registers an 8-bit value and a bool
    /// occupy one register and a 24-bit value two, in a frame they have their own bytes alone.
    package var width: Int? {
        switch self {
        case .bool, .uint8, .int8, .bcd8: 1
        case .uint16, .int16, .float16, .bcd16: 2
        case .uint24, .int24, .bcd24: 3
        case .uint32, .int32, .float32, .bcd32, .uint24e8, .int24e8: 4
        case .uint48, .int48, .bcd48: 6
        case .uint64, .int64, .float64, .bcd64: 8
        case .m10k, .string, .hex, .version, .datetime, .bits: nil
        }
    }

    package var isSigned: Bool {
        switch self {
        case .int8, .int16, .int24, .int32, .int48, .int64, .m10k, .int24e8: true
        default: false
        }
    }

    package var isFloat: Bool { self == .float16 || self == .float32 || self == .float64 }

    package var isBCD: Bool {
        switch self {
        case .bcd8, .bcd16, .bcd24, .bcd32, .bcd48, .bcd64: true
        default: false
        }
    }

    /// Whether the value carries its own power of ten.
    package var hasExponent: Bool { self == .uint24e8 || self == .int24e8 }

    /// A whole number whose bytes, as one unsigned number, say it directly or in two's complement.
    package var isInteger: Bool { isNumber && !isFloat && !isBCD && !hasExponent && self != .m10k }

    /// A part of a register or of two, which leaves other bytes alone.
    package var isPartOfRegisters: Bool { self != .bool && (width ?? 0) % 2 == 1 }

    /// Whether the value becomes a JSON string.
    package var isText: Bool { [.string, .hex, .version, .datetime].contains(self) }

    /// Whether a value is a number that scale, offset, min, max and dead band apply to.
    package var isNumber: Bool { self != .bool && self != .bits && !isText }
}

/// Which byte of a register holds an 8-bit value, or which three of two registers a 24-bit value;
/// on the wire the high one comes first.
package enum RegisterByte: String, Hashable, Sendable { case high, low }

/// The order of a value's bytes: letters in wire order, A the most significant. "CDAB" is two
/// registers, the less significant one first. Any permutation of the first 2, 3, 4, 6 or 8 letters.
package struct ByteOrder: Hashable, Sendable, CustomStringConvertible {
    /// For each byte on the wire its place in the value, 0 the most significant.
    package let places: [UInt8]

    package init?(_ letters: String) {
        let places = letters.utf8.map { $0 &- 0x41 }
        guard [2, 3, 4, 6, 8].contains(places.count), places.allSatisfy({ Int($0) < places.count }),
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
