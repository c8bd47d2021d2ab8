import Base

/// mantissa × 10^exponent, exact: 3 × 0.1 is 0.3 and 2⁶⁴ − 1 keeps its last digit. Whatever does
/// not fit 128 bits is nil, never a trap.
package struct Decimal: Hashable, Sendable {
    package var mantissa: Int128
    package var exponent: Int

    package init(_ mantissa: Int128, exponent: Int = 0) {
        self.mantissa = mantissa
        self.exponent = exponent
    }

    /// The shortest decimal that reads back as this number, which for a number from a
    /// configuration is what was written there. Nil for NaN and infinity.
    package init?(_ value: Double) {
        guard value.isFinite, let exact = Decimal(text: Array(value.description.utf8)[...]) else {
            return nil
        }
        self = exact
    }

    /// `-12.5e3`; at most 36 digits, nothing before or behind. A leading plus is allowed.
    package init?(text: ArraySlice<UInt8>, mark: UInt8 = 0x2E) {
        var rest = text
        let negative = rest.first == 0x2D
        if negative || rest.first == 0x2B { rest = rest.dropFirst() }
        var mantissa: Int128 = 0
        var digits = 0
        var fraction = 0
        var inFraction = false
        scan: while let byte = rest.first {
            switch byte {
            case 0x30...0x39:
                mantissa = mantissa &* 10 &+ Int128(byte &- 0x30)
                digits += 1
                fraction += inFraction ? 1 : 0
                guard digits <= 36 else { return nil }
            case mark where !inFraction: inFraction = true
            default: break scan
            }
            rest = rest.dropFirst()
        }
        guard digits > 0 else { return nil }
        var exponent = 0
        if rest.first == 0x65 || rest.first == 0x45 {
            guard let value = Int(String(decoding: rest.dropFirst(), as: UTF8.self)),
                abs(value) <= 400
            else {
                return nil
            }
            exponent = value
            rest = []
        }
        guard rest.isEmpty else { return nil }
        self.init(negative ? -mantissa : mantissa, exponent: exponent - fraction)
    }

    package var isZero: Bool { mantissa == 0 }

    /// Digits behind the point once trailing zeros are gone.
    package var decimals: Int { max(0, -normalized.exponent) }

    /// Without trailing zeros; zero is 0 × 10⁰.
    package var normalized: Decimal {
        guard mantissa != 0 else { return Decimal(0) }
        var result = self
        while result.mantissa % 10 == 0 {
            result.mantissa /= 10
            result.exponent += 1
        }
        return result
    }

    package var double: Double {
        // The conversion of Int128 is generic, and ten times slower than that of Int64.
        let whole = Int64(exactly: mantissa).map { Double($0) } ?? Double(mantissa)
        if exponent == 0 { return whole }
        if abs(exponent) <= 22, mantissa.magnitude <= 1 << 53 {
            let power = Decimal.powers[abs(exponent)]
            return exponent < 0 ? whole / power : whole * power
        }
        return Double("\(mantissa)e\(exponent)") ?? whole
    }

    static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17,
        1e18, 1e19, 1e20, 1e21, 1e22,
    ]

    package func times(_ other: Decimal) -> Decimal? {
        let (product, overflow) = mantissa.multipliedReportingOverflow(by: other.mantissa)
        return overflow ? nil : Decimal(product, exponent: exponent + other.exponent)
    }

    package func plus(_ other: Decimal) -> Decimal? {
        if other.mantissa == 0 { return self }
        let common = min(exponent, other.exponent)
        guard let left = scaled(to: common), let right = other.scaled(to: common) else {
            return nil
        }
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? nil : Decimal(sum, exponent: common)
    }

    package func minus(_ other: Decimal) -> Decimal? {
        plus(Decimal(-other.mantissa, exponent: other.exponent))
    }

    /// The whole number of times `other` goes into this; nil when it does not go exactly.
    package func quotient(_ other: Decimal) -> Int128? {
        let common = min(exponent, other.exponent)
        guard other.mantissa != 0, let left = scaled(to: common),
            let right = other.scaled(to: common)
        else {
            return nil
        }
        let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
        return remainder == 0 ? quotient : nil
    }

    /// The whole number of times `other` goes into this best, halves away from zero; nil beyond 128
    /// bits.
    package func nearestQuotient(_ other: Decimal) -> Int128? {
        let common = min(exponent, other.exponent)
        guard other.mantissa != 0, let left = scaled(to: common),
            let right = other.scaled(to: common)
        else {
            return nil
        }
        let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
        guard remainder.magnitude >= right.magnitude - remainder.magnitude else { return quotient }
        return quotient + ((left < 0) == (right < 0) ? 1 : -1)
    }

    /// The mantissa at a smaller exponent.
    private func scaled(to smaller: Int) -> Int128? {
        if mantissa == 0 || exponent == smaller { return mantissa }
        guard exponent - smaller <= 38 else { return nil }
        var result = mantissa
        for _ in 0..<(exponent - smaller) {
            let (next, overflow) = result.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            result = next
        }
        return result
    }

    /// Appends it as a JSON number, without useless zeros; far from 1 with an exponent.
    package func append(to out: inout [UInt8]) {
        let value = exponent == 0 ? self : normalized
        if value.exponent == 0 { return Decimal.append(value.mantissa, to: &out) }
        if value.exponent < -20 || value.exponent > 20 {
            Decimal.append(value.mantissa, to: &out)
            out.append(0x65)
            return Decimal.append(Int128(value.exponent), to: &out)
        }
        if value.exponent > 0 {
            Decimal.append(value.mantissa, to: &out)
            for _ in 0..<value.exponent { out.append(0x30) }
            return
        }
        if value.mantissa < 0 { out.append(0x2D) }
        let fraction = -value.exponent
        let start = out.count
        Decimal.append(magnitude: value.mantissa.magnitude, to: &out)
        let digits = out.count - start
        if digits <= fraction {
            out.insert(contentsOf: repeatElement(0x30, count: fraction - digits + 1), at: start)
        }
        out.insert(0x2E, at: out.count - fraction)
    }

    package static func append(_ value: Int128, to out: inout [UInt8]) {
        if value < 0 { out.append(0x2D) }
        append(magnitude: value.magnitude, to: &out)
    }

    private static func append(magnitude: UInt128, to out: inout [UInt8]) {
        guard magnitude <= UInt128(UInt64.max) else {
            return out.append(contentsOf: String(magnitude).utf8)
        }
        Digits.append(UInt64(truncatingIfNeeded: magnitude), to: &out)
    }
}
