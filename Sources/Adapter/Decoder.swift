import Base

/// Result of decoding one point: appended to the output as JSON, or bad with nothing appended.
enum Verdict {
    /// The number behind the value, for dead bands and scale factors.
    case number(Double)
    case other
    case bad(ReadFailure)
}

/// Power of ten and sign that other points, or other places in the frame, give to a value.
struct Factor: Sendable {
    var exponent = 0
    var isNegative = false
}

/// A point compiled for reading: everything that does not depend on the bytes is done once. A
/// class, because it never changes and a copy of its dozen arrays for every value would cost more
/// than decoding.
final class Decoder: Sendable {
    let table: Table
    let type: ValueType
    let address: Int
    let count: Int
    /// Bytes that are taken from the wire.
    let width: Int
    /// Bits of the value: less than the bytes have where a value is a part of registers.
    let valueBits: Int
    /// How far the value is shifted left within its bytes.
    let drop: UInt64
    /// For byte n on the wire, how far it is shifted left in the value.
    let shifts: [UInt8]
    /// Where an 8-bit value starts within its register.
    let skip: Int
    let swapped: Bool
    let coding: Coding
    /// Its registers do not follow each other.
    let isScattered: Bool
    let signMatch: PointMatch?
    private let isQuoted: Bool
    private let isMagnitude: Bool
    let scale: Decimal
    let offset: Decimal
    /// The raw value is the value, but for its sign.
    let isUnscaled: Bool
    /// The raw value is the value.
    let isPlain: Bool
    /// Plain, and neither named nor possibly invalid.
    private let isPlainInteger: Bool
    let decimals: Int
    let usesScaleFactor: Bool
    let text: TextField?
    let templateTables: [[Int]]
    let bits: [(key: [UInt8], low: UInt8, mask: UInt64)]
    let map: [Int64: [UInt8]]
    let codes: [UInt64]
    let numbers: [Double]
    let min: Double
    let max: Double
    let clamp: Bool
    let rules: FrameRules

    init(_ point: Point) {
        table = point.table
        type = point.table.isBits ? .bool : point.type
        address = point.address
        count = point.count
        coding = point.coding
        isScattered = !coding.registers.isEmpty
        signMatch = coding.negativeIf
        isQuoted = coding.form != .number
        isMagnitude = coding.sign == .magnitude
        let isFrame = point.table == .frame
        let length = Swift.min(Swift.max(point.length, 0), 256)
        let isPart = type.isPartOfRegisters && point.table.isRegisters
        switch type {
        case .bits, .m10k, .version: width = Swift.min(isFrame ? length : length * 2, 8)
        case .string, .hex, .datetime: width = isFrame ? length : length * 2
        case .bool: width = point.table.isRegisters ? 2 : 1
        default: width = (type.width ?? 0) == 3 && isPart ? 4 : type.width ?? 0
        }
        valueBits = 8 * Swift.min(type.width == 3 ? 3 : width, 8)
        skip = isPart && width == 1 && point.byte == .low && point.text == nil ? 1 : 0
        drop = isPart && width == 4 && point.byte == .high ? 8 : 0
        let isSwappedByPairs =
            type == .string || type == .hex || type == .datetime && coding.layout?.isNumber == false
        swapped = isSwappedByPairs && point.order?.description == "BA"
        let order =
            point.order.flatMap { [width] in $0.width == width ? $0 : nil } ?? .bigEndian(width)
        shifts =
            isSwappedByPairs || width > 8
            ? [] : order.places.map { [width] in UInt8(clamping: 8 * (width - 1 - Int($0))) }
        scale = Decimal(point.scale) ?? Decimal(1)
        offset = Decimal(point.offset) ?? Decimal(0)
        isUnscaled = scale.normalized == Decimal(1) && offset.isZero && point.scaleFrom == nil
        isPlain = isUnscaled && coding.negativeIf == nil && point.rules.negativeIf == nil
        decimals = Swift.max(scale.decimals, offset.decimals)
        usesScaleFactor = point.scaleFrom != nil
        text = point.text
        if case .template(let template)? = point.text {
            templateTables = template.literals.map(Template.failureTable)
        } else {
            templateTables = []
        }
        bits = point.bits.map { field in
            let low = UInt8(clamping: Swift.min(field.low, field.high))
            let size = abs(field.high - field.low) + 1
            var key: [UInt8] = []
            JSONWriter.append(field.name.string, to: &key)
            return (key + [0x3A], low, size >= 64 ? .max : (1 << UInt64(size)) - 1)
        }
        map = point.map.mapValues { name in
            var quoted: [UInt8] = []
            JSONWriter.append(name.string, to: &quoted)
            return quoted
        }
        let ones: UInt64 = valueBits >= 64 ? .max : (1 << UInt64(valueBits)) - 1
        codes = point.invalid.compactMap {
            if case .code(let code) = $0, code <= ones { code } else { nil }
        }
        numbers = point.invalid.compactMap { sentinel in
            switch sentinel {
            case .number(let number): number
            case .code(let code): point.text == nil ? nil : Double(code)
            case .nan: nil
            }
        }
        min = point.min ?? -.infinity
        max = point.max ?? .infinity
        clamp = point.clamp
        rules = point.rules
        isPlainInteger = isPlain && numbers.isEmpty && map.isEmpty
    }

    /// `bytes` is a whole part; `offset` is where this point starts in it: a bit number for bit
    /// tables, a byte number otherwise.
    func decode(
        _ bytes: [UInt8], at offset: Int, factor: Factor, into out: inout [UInt8]
    ) -> Verdict {
        if !isQuoted { return number(bytes, at: offset, factor: factor, into: &out) }
        let start = out.count
        let verdict = number(bytes, at: offset, factor: factor, into: &out)
        if case .bad = verdict { return verdict }
        quote(from: start, in: &out)
        return verdict
    }

    private func number(
        _ bytes: [UInt8], at offset: Int, factor: Factor, into out: inout [UInt8]
    ) -> Verdict {
        if table.isBits {
            guard offset >= 0, offset >> 3 < bytes.count else { return .bad(.format) }
            return bool(bytes[offset >> 3] >> UInt8(offset & 7) & 1, into: &out)
        }
        if let valid = rules.validIf {
            guard let isValid = valid.holds(for: bytes) else { return .bad(.format) }
            guard isValid else { return .bad(.invalid) }
        }
        if let text, table == .frame { return decode(text, in: bytes, factor: factor, into: &out) }
        let start = offset &+ skip
        let size = text == nil ? width : 2 * count
        guard start >= 0, size > 0, size <= bytes.count, start <= bytes.count - size else {
            return .bad(.format)
        }
        if let text {
            return decode(
                text, in: Array(bytes[start..<(start + size)]), factor: factor, into: &out)
        }
        if type.isText { return self.text(bytes[start..<(start + width)], into: &out) }
        var factor = factor
        if let negative = rules.negativeIf {
            guard let isNegative = negative.holds(for: bytes) else { return .bad(.format) }
            if isNegative { factor.isNegative.toggle() }
        }
        return value(bytes[start..<(start + width)], factor: factor, into: &out)
    }

    /// The value's bytes as one number; 0 if there are more than eight.
    func pattern(_ raw: ArraySlice<UInt8>) -> UInt64 {
        var pattern: UInt64 = 0
        for (byte, shift) in zip(raw, shifts) { pattern |= UInt64(byte) << UInt64(shift) }
        return pattern
    }

    /// `raw` has exactly `width` bytes, in wire order.
    func value(_ raw: ArraySlice<UInt8>, factor: Factor, into out: inout [UInt8]) -> Verdict {
        var pattern = pattern(raw)
        if valueBits < 8 * width { pattern = pattern >> drop & ((1 << UInt64(valueBits)) - 1) }
        if codes.contains(pattern) { return .bad(.invalid) }
        switch type {
        case .bool: return bool(pattern == 0 ? 0 : 1, into: &out)
        case .bits: return flags(pattern, into: &out)
        case .float16:
            let half = Float16(bitPattern: UInt16(truncatingIfNeeded: pattern))
            return floating(
                Double(half), factor: factor, shortest: { half.description }, into: &out)
        case .float32:
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: pattern))
            return floating(
                Double(single), factor: factor, shortest: { single.description }, into: &out)
        case .float64:
            let double = Double(bitPattern: pattern)
            return floating(double, factor: factor, shortest: { double.description }, into: &out)
        case .bcd8, .bcd16, .bcd24, .bcd32, .bcd48, .bcd64:
            let sign = isMagnitude ? pattern & topBit : 0
            guard let value = Decoder.bcd(pattern ^ sign) else { return .bad(.invalid) }
            return integer(sign == 0 ? Int128(value) : -Int128(value), factor: factor, into: &out)
        case .m10k:
            guard let value = Decoder.moduloTenThousand(pattern, bits: valueBits) else {
                return .bad(.invalid)
            }
            return integer(value, factor: factor, into: &out)
        case .uint24e8, .int24e8:
            let value = Decoder.withExponent(pattern, isSigned: type.isSigned)
            if !numbers.isEmpty, numbers.contains(value.double) { return .bad(.invalid) }
            return exact(value, factor: factor, into: &out)
        default:
            if type.isSigned {
                let value = signed(pattern)
                return isPlainInteger
                    ? plain(value, into: &out) : integer(Int128(value), factor: factor, into: &out)
            }
            guard isPlainInteger, let value = Int64(exactly: pattern) else {
                return integer(Int128(pattern), factor: factor, into: &out)
            }
            return plain(value, into: &out)
        }
    }

    var topBit: UInt64 { 1 << UInt64(valueBits - 1) }

    private func signed(_ pattern: UInt64) -> Int64 {
        if isMagnitude {
            let magnitude = Int64(bitPattern: pattern & (topBit - 1))
            return pattern & topBit == 0 ? magnitude : -magnitude
        }
        let unused = UInt64(64 - valueBits)
        return Int64(bitPattern: pattern << unused) >> Int64(unused)
    }

    /// As `integer`, for a value that nothing is done to: 128 bits cost five times as much.
    private func plain(_ value: Int64, into out: inout [UInt8]) -> Verdict {
        let number = Double(value)
        guard number >= min, number <= max else { return outside(number, into: &out) }
        Digits.append(value, to: &out)
        return .number(number)
    }

    private func bool(_ bit: UInt8, into out: inout [UInt8]) -> Verdict {
        if let name = map[Int64(bit)] {
            out.append(contentsOf: name)
        } else {
            out.append(contentsOf: (bit == 0 ? "false" : "true").utf8)
        }
        return .number(Double(bit))
    }

    private func flags(_ pattern: UInt64, into out: inout [UInt8]) -> Verdict {
        out.append(0x7B)
        for (index, field) in bits.enumerated() {
            if index > 0 { out.append(0x2C) }
            out.append(contentsOf: field.key)
            let value = pattern >> UInt64(field.low) & field.mask
            if field.mask == 1 {
                out.append(contentsOf: (value == 0 ? "false" : "true").utf8)
            } else {
                Digits.append(value, to: &out)
            }
        }
        out.append(0x7D)
        return .other
    }

    func integer(_ raw: Int128, factor: Factor, into out: inout [UInt8]) -> Verdict {
        if !numbers.isEmpty, numbers.contains(Double(raw)) { return .bad(.invalid) }
        if !map.isEmpty, let code = Int64(exactly: raw), let name = map[code] {
            out.append(contentsOf: name)
            return .number(Double(raw))
        }
        return exact(Decimal(raw), factor: factor, into: &out)
    }

    /// A value known exactly: scaled exactly, so its decimals are those of scale and offset.
    func exact(_ raw: Decimal, factor: Factor, into out: inout [UInt8]) -> Verdict {
        var value = raw
        if !isPlain {
            let multiplier = multiplier(factor)
            guard let scaled = raw.times(multiplier)?.plus(offset) else {
                let rounded = raw.double * multiplier.double + offset.double
                return floating(rounded, shortest: { rounded.description }, into: &out)
            }
            value = scaled
        }
        let number = value.double
        guard number.isFinite else { return .bad(.invalid) }
        guard number >= min, number <= max else { return outside(number, into: &out) }
        value.append(to: &out)
        return .number(number)
    }

    /// Beyond `min` or `max`: the limit itself if the point is clamped.
    private func outside(_ number: Double, into out: inout [UInt8]) -> Verdict {
        let limit = number < min ? min : max
        guard clamp, let text = Decimal(limit) else { return .bad(.range) }
        text.append(to: &out)
        return .number(limit)
    }

    private func multiplier(_ factor: Factor) -> Decimal {
        Decimal(
            factor.isNegative ? -scale.mantissa : scale.mantissa,
            exponent: scale.exponent + factor.exponent)
    }

    private func floating(
        _ raw: Double, factor: Factor, shortest: () -> String, into out: inout [UInt8]
    ) -> Verdict {
        guard raw.isFinite, !numbers.contains(raw) else { return .bad(.invalid) }
        if isPlain { return floating(raw, shortest: shortest, into: &out) }
        if isUnscaled {
            guard factor.isNegative, raw != 0 else {
                return floating(raw, shortest: shortest, into: &out)
            }
            return floating(
                -raw, shortest: { raw < 0 ? String(shortest().dropFirst()) : "-" + shortest() },
                into: &out)
        }
        let value = raw * multiplier(factor).double + offset.double
        let rounded = Decoder.round(value, to: Swift.max(decimals, decimals - factor.exponent))
        return floating(rounded, shortest: { rounded.description }, into: &out)
    }

    private func floating(
        _ value: Double, shortest: () -> String, into out: inout [UInt8]
    ) -> Verdict {
        guard value.isFinite else { return .bad(.invalid) }
        guard value >= min, value <= max else { return outside(value, into: &out) }
        let text = shortest()
        out.append(contentsOf: text.utf8)
        if text.utf8.count > 2, out[out.count - 1] == 0x30, out[out.count - 2] == 0x2E {
            out.removeLast(2)
        }
        return .number(value)
    }

    /// Rounded to that many decimals, halves away from zero. A floating value scaled by whole
    /// numbers only keeps the decimals it has.
    static func round(_ value: Double, to decimals: Int) -> Double {
        guard decimals > 0, decimals <= 15 else { return value }
        let moved = value * Decimal.powers[decimals]
        guard moved.magnitude < 9_007_199_254_740_992 else { return value }
        let result = moved.rounded() / Decimal.powers[decimals]
        return result == 0 ? 0 : result
    }
}
