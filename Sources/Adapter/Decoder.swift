import Base

/// What became of one point: appended to the output as JSON, or bad with nothing appended.
enum Verdict {
    /// The number behind the value, for dead bands and scale factors.
    case number(Double)
    case other
    case bad(ReadFailure)
}

/// A point compiled for reading: everything that does not depend on the bytes is done once. A class,
/// because it never changes and a copy of its dozen arrays for every value would cost more than decoding.
final class Decoder: Sendable {
    let table: Table
    let type: ValueType
    let address: Int
    let count: Int
    let width: Int
    /// For byte n on the wire, how far it is shifted left in the value.
    let shifts: [UInt8]
    /// Where an 8-bit value starts within its register.
    let skip: Int
    let swapped: Bool
    let scale: Decimal
    let offset: Decimal
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
        let isFrame = point.table == .frame
        let length = Swift.min(Swift.max(point.length, 0), 256)
        switch type {
        case .bits: width = Swift.min(isFrame ? length : length * 2, 8)
        case .string: width = isFrame ? length : length * 2
        case .bool: width = point.table.isRegisters ? 2 : 1
        default: width = type.width ?? 0
        }
        let narrow = type == .uint8 || type == .int8
        skip = narrow && point.table.isRegisters && point.byte == .low ? 1 : 0
        swapped = type == .string && point.order?.description == "BA"
        let order = point.order.flatMap { [width] in $0.width == width ? $0 : nil } ?? .bigEndian(width)
        shifts =
            type == .string ? [] : order.places.map { [width] in UInt8(clamping: 8 * (width - 1 - Int($0))) }
        scale = Decimal(point.scale) ?? Decimal(1)
        offset = Decimal(point.offset) ?? Decimal(0)
        isPlain = scale.normalized == Decimal(1) && offset.isZero && point.scaleFrom == nil
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
        let ones: UInt64 = width >= 8 ? .max : (1 << UInt64(8 * width)) - 1
        codes = point.invalid.compactMap { if case .code(let code) = $0, code <= ones { code } else { nil } }
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
    /// tables, a byte number otherwise. `factor` is the power of ten of `scaleFrom`.
    func decode(_ bytes: [UInt8], at offset: Int, factor: Int, into out: inout [UInt8]) -> Verdict {
        if table.isBits {
            guard offset >= 0, offset >> 3 < bytes.count else { return .bad(.format) }
            return bool(bytes[offset >> 3] >> UInt8(offset & 7) & 1, into: &out)
        }
        if let valid = rules.validIf {
            guard let isValid = valid.holds(for: bytes) else { return .bad(.format) }
            guard isValid else { return .bad(.invalid) }
        }
        if let text { return decode(text, in: bytes, factor: factor, into: &out) }
        let start = offset &+ skip
        guard start >= 0, width > 0, width <= bytes.count, start <= bytes.count - width else {
            return .bad(.format)
        }
        if type == .string { return string(bytes[start..<(start + width)], into: &out) }
        return value(bytes[start..<(start + width)], factor: factor, into: &out)
    }

    /// `raw` has exactly `width` bytes, in wire order.
    func value(_ raw: ArraySlice<UInt8>, factor: Int, into out: inout [UInt8]) -> Verdict {
        var pattern: UInt64 = 0
        for (byte, shift) in zip(raw, shifts) { pattern |= UInt64(byte) << UInt64(shift) }
        if codes.contains(pattern) { return .bad(.invalid) }
        switch type {
        case .bool: return bool(pattern == 0 ? 0 : 1, into: &out)
        case .bits: return flags(pattern, into: &out)
        case .float16:
            let half = Float16(bitPattern: UInt16(truncatingIfNeeded: pattern))
            return floating(Double(half), factor: factor, shortest: { half.description }, into: &out)
        case .float32:
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: pattern))
            return floating(Double(single), factor: factor, shortest: { single.description }, into: &out)
        case .float64:
            let double = Double(bitPattern: pattern)
            return floating(double, factor: factor, shortest: { double.description }, into: &out)
        case .bcd16, .bcd32:
            guard let value = Decoder.bcd(pattern) else { return .bad(.invalid) }
            return integer(Int128(value), factor: factor, into: &out)
        default:
            if type.isSigned {
                let unused = UInt64(64 - 8 * width)
                let value = Int64(bitPattern: pattern << unused) >> Int64(unused)
                return isPlainInteger ? plain(value, into: &out) : integer(Int128(value), factor: factor, into: &out)
            }
            guard isPlainInteger, let value = Int64(exactly: pattern) else {
                return integer(Int128(pattern), factor: factor, into: &out)
            }
            return plain(value, into: &out)
        }
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

    /// Ends at the first NUL; spaces behind are padding. Anything but UTF-8 is bad.
    private func string(_ bytes: ArraySlice<UInt8>, into out: inout [UInt8]) -> Verdict {
        var text = Array(bytes)
        if swapped {
            for index in stride(from: 0, to: text.count - 1, by: 2) { text.swapAt(index, index + 1) }
        }
        var end = text.firstIndex(of: 0) ?? text.count
        while end > 0, text[end - 1] <= 0x20 { end -= 1 }
        guard let valid = String(validating: text[..<end], as: UTF8.self) else { return .bad(.format) }
        JSONWriter.append(valid, to: &out)
        return .other
    }

    func integer(_ raw: Int128, factor: Int, into out: inout [UInt8]) -> Verdict {
        if !numbers.isEmpty, numbers.contains(Double(raw)) { return .bad(.invalid) }
        if !map.isEmpty, let code = Int64(exactly: raw), let name = map[code] {
            out.append(contentsOf: name)
            return .number(Double(raw))
        }
        return exact(Decimal(raw), factor: factor, into: &out)
    }

    /// A value known exactly: scaled exactly, so its decimals are those of scale and offset.
    func exact(_ raw: Decimal, factor: Int, into out: inout [UInt8]) -> Verdict {
        var value = raw
        if !isPlain {
            let multiplier = Decimal(scale.mantissa, exponent: scale.exponent + factor)
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

    private func floating(
        _ raw: Double, factor: Int, shortest: () -> String, into out: inout [UInt8]
    ) -> Verdict {
        guard raw.isFinite, !numbers.contains(raw) else { return .bad(.invalid) }
        if isPlain { return floating(raw, shortest: shortest, into: &out) }
        let multiplier = Decimal(scale.mantissa, exponent: scale.exponent + factor)
        let value = raw * multiplier.double + offset.double
        let rounded = Decoder.round(value, to: Swift.max(decimals, decimals - factor))
        return floating(rounded, shortest: { rounded.description }, into: &out)
    }

    private func floating(_ value: Double, shortest: () -> String, into out: inout [UInt8]) -> Verdict {
        guard value.isFinite else { return .bad(.invalid) }
        guard value >= min, value <= max else { return outside(value, into: &out) }
        let text = shortest()
        out.append(contentsOf: text.utf8)
        if text.utf8.count > 2, out[out.count - 1] == 0x30, out[out.count - 2] == 0x2E { out.removeLast(2) }
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
}
