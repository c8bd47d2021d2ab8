import Base

/// The way back: from a JSON value to registers or a coil, exactly or not at all.
struct Encoder {
    let point: Point
    let decoder: Decoder

    init(_ point: Point) {
        self.point = point
        decoder = Decoder(point)
    }

    /// `factor` is the power of ten of `scaleFrom`, 0 without one.
    func encode(_ value: JSON, factor: Int) throws(WriteRefusal) -> Order.Data {
        guard point.table == .coil || point.table == .holding else {
            throw refuse(
                .notWritable, "is in the table \(point.table.rawValue), which cannot be written")
        }
        if decoder.isScattered || point.text != nil {
            throw refuse(.notWritable, "cannot be written: its value is no run of whole registers")
        }
        switch decoder.type {
        case .bool: return try bool(value)
        case .bits: return try flags(value)
        case .string: return .registers(try string(value))
        case .hex: return .registers(try hexadecimal(value))
        case .datetime: return try time(value)
        case .version, .uint24e8, .int24e8:
            throw refuse(.notWritable, "is a \(decoder.type.rawValue), which cannot be written")
        case .uint8, .int8, .bcd8: return half(try pattern(value, factor: factor))
        case .uint24, .int24, .bcd24:
            let pattern = try pattern(value, factor: factor)
            return .masked(
                mask: registers(0xFF_FFFF << decoder.drop),
                value: registers(pattern << decoder.drop))
        default: return .registers(registers(try pattern(value, factor: factor)))
        }
    }

    func refuse(_ kind: WriteRefusal.Kind, _ message: String) -> WriteRefusal {
        WriteRefusal(kind, "\(point.name) \(message)")
    }

    private func bool(_ value: JSON) throws(WriteRefusal) -> Order.Data {
        let flag: Bool
        if let bool = value.bool {
            flag = bool
        } else if let number = value.integer ?? code(value), number == 0 || number == 1 {
            flag = number == 1
        } else {
            throw refuse(.type, "takes true or false, not \(value.describe)")
        }
        return point.table == .coil ? .bits([flag]) : .registers([flag ? 1 : 0])
    }

    /// `{"run":true,"speed":3}`: the named bits change, the others stay.
    private func flags(_ value: JSON) throws(WriteRefusal) -> Order.Data {
        guard let members = value.members, !members.isEmpty else {
            let names = point.bits.map(\.name.string).joined(separator: ", ")
            throw refuse(.type, "takes an object with some of \(names), not \(value.describe)")
        }
        var mask: UInt64 = 0
        var pattern: UInt64 = 0
        for member in members {
            guard let place = point.bits.firstIndex(where: { $0.name == member.name }) else {
                let guess = Suggestion.clause(for: member.name, in: point.bits.map(\.name))
                throw refuse(.type, "has no bit \(Notice.printable(member.name))\(guess)")
            }
            let field = decoder.bits[place]
            let bits = field.mask
            guard let wanted = member.value.bool.map({ $0 ? 1 : 0 }) ?? member.value.unsigned,
                wanted <= bits
            else {
                let takes = bits == 1 ? "true or false" : "a whole number from 0 to \(bits)"
                throw refuse(.range, "takes \(takes) for \(member.name)")
            }
            mask |= bits << UInt64(field.low)
            pattern |= wanted << UInt64(field.low)
        }
        return .masked(mask: registers(mask), value: registers(pattern))
    }

    private func half(_ pattern: UInt64) -> Order.Data {
        let shift: UInt16 = decoder.skip == 1 ? 0 : 8
        return .masked(mask: [0xFF << shift], value: [UInt16(truncatingIfNeeded: pattern) << shift])
    }

    /// The code behind a name of the point's map; of two codes with one name the smaller.
    private func code(_ value: JSON) -> Int64? {
        guard let name = value.string else { return nil }
        return point.map.filter { $0.value == name }.keys.min()
    }

    private func pattern(_ value: JSON, factor: Int) throws(WriteRefusal) -> UInt64 {
        if let code = code(value) {
            if decoder.isPlain { try check(Decimal(Int128(code))) }
            return try integer(Int128(code))
        }
        guard let text = number(value) else {
            let names =
                point.map.isEmpty
                ? ""
                : " or one of \(point.map.values.sorted().map(\.string).joined(separator: ", "))"
            throw refuse(
                .type,
                "takes a number\(names), not \(value.string.map { "\"\($0.prefix(40))\"" } ?? value.describe)"
            )
        }
        guard let wanted = Decimal(text: Array(text.utf8)[...]) else {
            throw refuse(.type, "takes a number of at most 36 digits")
        }
        try check(wanted)
        let multiplier = Decimal(decoder.scale.mantissa, exponent: decoder.scale.exponent + factor)
        if decoder.type.isFloat { return try floating(wanted, multiplier) }
        if let raw = wanted.minus(decoder.offset)?.quotient(multiplier) { return try integer(raw) }
        // A fraction where nothing is scaled is no value of the point but a mistake.
        guard !isExact, !decoder.isUnscaled, let raw = nearest(wanted, multiplier) else {
            throw refuse(
                .resolution,
                "is stored in steps of \(show(multiplier)); \(show(wanted)) is none of them")
        }
        return try integer(raw)
    }

    private var isExact: Bool { point.writable?.isExact ?? false }

    /// The text of a number; of a string where the point's values are strings of digits themselves.
    private func number(_ value: JSON) -> String? {
        if case .number(let text) = value.kind { return text }
        guard point.coding.form != .number, let text = value.string, text.count <= 64, text.isASCII
        else { return nil }
        return text.string
    }

    /// The raw value whose value is the nearest to the wanted one and within all limits, halves
    /// away from zero; nil if there is none.
    private func nearest(_ wanted: Decimal, _ multiplier: Decimal) -> Int128? {
        guard let raw = wanted.minus(decoder.offset)?.nearestQuotient(multiplier) else {
            return nil
        }
        let rule = point.writable ?? WriteRule()
        let least = [rule.min, point.min].compactMap { $0.flatMap { Decimal($0) } }
        let most = [rule.max, point.max].compactMap { $0.flatMap { Decimal($0) } }
        // The step next to it on the other side of the wanted value, if a limit is between the two.
        return [raw, raw - 1, raw + 1].first { raw in
            guard let value = Decimal(raw).times(multiplier)?.plus(decoder.offset) else {
                return false
            }
            return least.allSatisfy { isOrdered($0, value) }
                && most.allSatisfy { isOrdered(value, $0) }
        }
    }

    private func check(_ wanted: Decimal) throws(WriteRefusal) {
        let rule = point.writable ?? WriteRule()
        let number = wanted.double
        guard number.isFinite else { throw refuse(.range, "cannot hold so large a number") }
        if let allowed = rule.values, !allowed.contains(number) {
            let list = allowed.compactMap { Decimal($0).map(show) }.joined(separator: ", ")
            throw refuse(.range, "takes only \(list), not \(show(wanted))")
        }
        if let min = rule.min, let least = Decimal(min), !isOrdered(least, wanted) {
            throw refuse(.range, "takes at least \(show(least)), not \(show(wanted))")
        }
        if let max = rule.max, let most = Decimal(max), !isOrdered(wanted, most) {
            throw refuse(.range, "takes at most \(show(most)), not \(show(wanted))")
        }
        if let step = rule.step, let size = Decimal(step), !size.isZero,
            wanted.quotient(size) == nil
        {
            throw refuse(.step, "takes multiples of \(show(size)), and \(show(wanted)) is none")
        }
    }

    private func isOrdered(_ left: Decimal, _ right: Decimal) -> Bool {
        right.minus(left).map { $0.mantissa >= 0 } ?? (left.double <= right.double)
    }

    func show(_ value: Decimal) -> String {
        var bytes: [UInt8] = []
        value.append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The raw values that the type can hold.
    var span: ClosedRange<Int128> {
        let bits = Int128(decoder.valueBits)
        let isMagnitude = point.coding.sign == .magnitude
        if decoder.type.isBCD {
            var most: Int128 = 1
            for _ in 0..<(bits / 4) { most *= 10 }
            // The sign takes the top bit of the first digit.
            return isMagnitude ? -(most / 10 * 8 - 1)...(most / 10 * 8 - 1) : 0...(most - 1)
        }
        if decoder.type == .m10k {
            var most: Int128 = 1
            for _ in 0..<(bits / 16) { most *= 10_000 }
            return -(most - 1)...(most - 1)
        }
        guard decoder.type.isSigned else { return 0...((1 << bits) - 1) }
        let most: Int128 = 1 << (bits - 1) - 1
        return (isMagnitude ? -most : -most - 1)...most
    }

    private func integer(_ raw: Int128) throws(WriteRefusal) -> UInt64 {
        guard span.contains(raw) else {
            throw refuse(.range, "is a \(decoder.type.rawValue); the raw value \(raw) does not fit")
        }
        let bits = decoder.valueBits
        let isMagnitude = point.coding.sign == .magnitude
        var pattern = UInt64(
            truncatingIfNeeded: isMagnitude || decoder.type.isBCD ? Int128(raw.magnitude) : raw)
        if decoder.type.isBCD { pattern = Encoder.bcd(pattern) }
        if decoder.type == .m10k { pattern = Encoder.moduloTenThousand(raw) }
        if isMagnitude, raw < 0 { pattern |= decoder.topBit }
        if bits < 64 { pattern &= (1 << UInt64(bits)) - 1 }
        guard !decoder.codes.contains(pattern), !decoder.numbers.contains(Double(raw)) else {
            throw refuse(.range, "would read as invalid with the raw value \(raw)")
        }
        return pattern
    }

    /// The nearest floating value; scaled by powers of ten as exactly as its type allows.
    private func floating(_ wanted: Decimal, _ multiplier: Decimal) throws(WriteRefusal) -> UInt64 {
        let shifted = wanted.minus(decoder.offset)
        let quotient =
            (shifted?.double ?? wanted.double - decoder.offset.double) / multiplier.double
        let raw = shifted?.quotient(multiplier).map { Double($0) } ?? quotient
        let pattern: UInt64
        let stored: Double
        switch decoder.type {
        case .float16:
            stored = Double(Float16(raw))
            pattern = UInt64(Float16(raw).bitPattern)
        case .float32:
            stored = Double(Float(raw))
            pattern = UInt64(Float(raw).bitPattern)
        default:
            stored = raw
            pattern = raw.bitPattern
        }
        guard stored.isFinite else {
            throw refuse(.range, "is a \(decoder.type.rawValue), which cannot hold \(show(wanted))")
        }
        guard !decoder.codes.contains(pattern), !decoder.numbers.contains(stored) else {
            throw refuse(.range, "would read as invalid with the value \(show(wanted))")
        }
        return pattern
    }

    func registers(_ pattern: UInt64) -> [UInt16] {
        words(decoder.shifts.map { UInt8(truncatingIfNeeded: pattern >> UInt64($0)) })
    }

    func words(_ bytes: [UInt8]) -> [UInt16] {
        stride(from: 0, to: bytes.count - 1, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
    }
}
