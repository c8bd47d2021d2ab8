import Adapter
import Base

/// How a raw value becomes a value: bits, names, sentinels, numbers.
extension ConfigurationReader {
    func readBits(_ cursor: inout ObjectCursor, _ point: inout Point) -> [BitField] {
        guard let field = cursor.take("bits") else {
            if point.type == .bits {
                problems.error(
                    cursor.place,
                    "\"bits\" is missing in \(cursor.what): which bits have which names?")
            }
            return []
        }
        guard point.type == .bits else {
            if !point.table.isBits {
                problems.error(
                    field.keyPlace, "\"bits\" is for type bits, not for \(point.type.rawValue)")
            }
            return []
        }
        guard let object = ObjectCursor(field, "\"bits\"", problems) else { return [] }
        let top = point.length * (point.table == .frame ? 8 : 16) - 1
        if object.fields.isEmpty { problems.error(field.place, "\"bits\" is empty") }
        return object.fields.compactMap { bit in
            if let complaint = Self.pointNameProblem(bit.name) {
                problems.error(bit.keyPlace, "the bit name \(complaint)")
            }
            guard let range = bit.json.array else {
                return object.integer(of: bit, in: 0...top).map {
                    BitField(name: bit.name, bit: $0)
                }
            }
            let ends = object.items(of: bit).compactMap { object.integer(of: $0, in: 0...top) }
            guard range.count == 2, ends.count == 2, ends[0] <= ends[1] else {
                if ends.count == range.count {
                    problems.error(
                        bit.place, "\"\(bit.name)\" must be a bit or the range [low, high]")
                }
                return nil
            }
            return BitField(name: bit.name, low: ends[0], high: ends[1])
        }
    }

    /// `{ 0: "off", 1: "on" }`; codes are integers, in quotes if negative.
    func readMap(_ cursor: inout ObjectCursor, _ site: PointSite) -> [Int64: ByteString] {
        guard let field = cursor.take("map") else { return [:] }
        if site.type.isText || site.type == .bits || site.type.isFloat && site.text == nil {
            problems.error(field.keyPlace, "\"map\" has no meaning for \(site.type.rawValue)")
        }
        guard let object = ObjectCursor(field, "\"map\"", problems) else { return [:] }
        var map: [Int64: ByteString] = [:]
        for member in object.fields {
            guard let code = Self.code(member.name) else {
                problems.error(
                    member.keyPlace,
                    "\"\(Notice.printable(member.name))\" is no code: an integer is expected"
                )
                continue
            }
            guard let name = object.string(of: member, mayBeEmpty: true) else { continue }
            if map.updateValue(name, forKey: code) != nil {
                problems.error(member.keyPlace, "the code \(code) is given twice")
            }
        }
        return map
    }

    static func code(_ name: ByteString) -> Int64? {
        name.count <= 40 && name.isASCII ? JSON(.number(name.string)).integer : nil
    }

    /// One sentinel or several: `0x8000` is the bytes of the value, `-9999` the value, `"nan"`.
    func readInvalid(_ cursor: inout ObjectCursor, _ site: PointSite) -> [Sentinel] {
        guard let field = cursor.take("invalid") else { return [] }
        let isOneNumber = site.type == .version || site.coding.layout?.isNumber == true
        guard site.type.isNumber || site.type == .bits || isOneNumber else {
            problems.error(field.keyPlace, "\"invalid\" has no meaning for \(site.type.rawValue)")
            return []
        }
        return cursor.items(of: field).compactMap { item in
            if let word = item.json.string, word.count == 3, word.string.lowercased() == "nan" {
                if site.type.isFloat { return .nan }
                problems.error(item.place, "a \(site.type.rawValue) is never \"nan\"")
                return nil
            }
            guard case .number(let text) = item.json.kind else {
                problems.error(
                    item.place, "\"invalid\" takes numbers and \"nan\", not \(item.json.describe)")
                return nil
            }
            return sentinel(text, item, cursor, site)
        }
    }

    private func sentinel(
        _ text: String, _ item: Field, _ cursor: ObjectCursor, _ site: PointSite
    )
        -> Sentinel?
    {
        guard let value = cursor.number(of: item) else { return nil }
        let length = site.table == .frame ? site.length : 2 * site.length
        let width = site.text == nil ? site.type.width ?? min(max(length, 1), 8) : 8
        let codeMax = UInt64.max >> UInt64(64 - 8 * width)
        let isInteger =
            (site.type.isInteger || !site.type.isNumber) && site.coding.sign == .complement
        if let code = item.json.unsigned {
            let isHexadecimal = text.lowercased().contains("x")
            guard code <= codeMax || site.type.isFloat && !isHexadecimal else {
                problems.error(
                    item.place,
                    "\(text) does not fit into \(width) bytes: no \(site.type.rawValue) has it")
                return nil
            }
            return isHexadecimal || isInteger ? .code(code) : .number(value)
        }
        if value < 0, !site.type.isSigned, !site.type.isFloat, site.coding.sign == .complement {
            problems.error(item.place, "a \(site.type.rawValue) is never \(text)")
            return nil
        }
        // Exactly, also where a Double could not tell a value from its neighbours.
        guard isInteger, site.text == nil, let whole = item.json.integer else {
            return .number(value)
        }
        guard whole >= -Int64(truncatingIfNeeded: codeMax >> 1) - 1 else {
            problems.error(
                item.place,
                "\(text) does not fit into \(width) bytes: no \(site.type.rawValue) has it")
            return nil
        }
        return .code(UInt64(bitPattern: whole) & codeMax)
    }

    /// Scale, offset, limits and dead band: for numbers only.
    func readNumbers(_ cursor: inout ObjectCursor, _ point: inout Point) {
        if !point.type.isNumber {
            for key: ByteString in [
                "scale", "offset", "min", "max", "clamp", "deadband", "scaleFrom",
            ] {
                guard let field = cursor.take(key) else { continue }
                problems.error(
                    field.keyPlace, "\"\(key)\" has no meaning for \(point.type.rawValue)")
            }
            return
        }
        point.scale = cursor.number("scale") ?? 1
        point.offset = cursor.number("offset") ?? 0
        point.scaleFrom = cursor.string("scaleFrom")
        point.min = cursor.number("min")
        point.max = cursor.number("max")
        point.clamp = cursor.bool("clamp", default: false)
        if point.clamp, point.min == nil, point.max == nil, let field = cursor.take("clamp") {
            problems.error(
                field.keyPlace, "\"clamp\" needs \"min\" or \"max\": there is nothing to clamp to")
        }
        if point.scale == 0, let field = cursor.take("scale") {
            problems.error(field.place, "\"scale\" is 0: every value would be the same")
        }
        if point.coding.form == .digits,
            point.scale != 1 || point.offset != 0 || point.scaleFrom != nil,
            let field = cursor.take("as")
        {
            problems.error(
                field.place,
                "\"as\": \"digits\" is for the digits as they are, without scale and offset")
        }
        if let low = point.min, let high = point.max, low > high, let field = cursor.take("max") {
            problems.error(field.place, "\"max\" is below \"min\": every value would be bad")
        }
        point.deadband = cursor.number("deadband")
        if let band = point.deadband, band < 0, let field = cursor.take("deadband") {
            problems.error(field.place, "\"deadband\" must not be negative")
        }
    }
}
