import Base

/// Numbers that are not written in binary.
extension Decoder {
    /// Four bits a digit; nil when one of them is no digit.
    static func bcd(_ pattern: UInt64) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            let digit = pattern >> shift & 0xF
            guard digit <= 9 else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    /// Registers of −9999 to 9999, the most significant first, all of one sign; nil for others.
    static func moduloTenThousand(_ pattern: UInt64, bits: Int) -> Int128? {
        var value: Int128 = 0
        var (hasPositive, hasNegative) = (false, false)
        for shift in stride(from: bits - 16, through: 0, by: -16) {
            let word = Int16(truncatingIfNeeded: pattern >> UInt64(shift))
            guard (-9999...9999).contains(word) else { return nil }
            if word > 0 { hasPositive = true } else if word < 0 { hasNegative = true }
            value = value * 10_000 + Int128(word)
        }
        return hasPositive && hasNegative ? nil : value
    }

    /// The first byte is a power of ten in two's complement, the other three are what it
    /// multiplies.
    static func withExponent(_ pattern: UInt64, isSigned: Bool) -> Decimal {
        let exponent = Int8(truncatingIfNeeded: pattern >> 24)
        let mantissa = Int64(pattern & 0xFF_FFFF)
        let isNegative = isSigned && mantissa & 0x80_0000 != 0
        return Decimal(
            Int128(isNegative ? mantissa - 0x100_0000 : mantissa), exponent: Int(exponent))
    }

    /// Makes a string of the number that begins at `start`; a name of the map is one already.
    func quote(from start: Int, in out: inout [UInt8]) {
        guard start < out.count, out[start] != 0x22 else { return }
        if coding.form == .digits {
            let first = out[start] == 0x2D ? start + 1 : start
            let missing = 2 * (type.width ?? 0) - (out.count - first)
            if missing > 0 {
                out.insert(contentsOf: repeatElement(0x30, count: missing), at: first)
            }
        }
        out.insert(0x22, at: start)
        out.append(0x22)
    }
}
