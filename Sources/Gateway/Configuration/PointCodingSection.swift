import Adapter
import Base

/// Reads the keys that, beside its type, give a point's coding: sign, characters, layout, parts.
extension ConfigurationReader {
    func readCoding(_ cursor: inout ObjectCursor, type: ValueType) -> Coding {
        var coding = Coding()
        if let field = cursor.take("sign") {
            if type.isInteger && type.isSigned || type.isBCD {
                coding.sign = cursor.choice("sign", default: .complement)
            } else {
                problems.error(
                    field.keyPlace,
                    "\"sign\" is for signed integers and BCD, not for \(type.rawValue)")
            }
        }
        if let field = cursor.take("as") {
            if type.isNumber {
                coding.form = cursor.choice("as", default: .number)
            } else {
                problems.error(field.keyPlace, "\"as\" has no meaning for \(type.rawValue)")
            }
            if coding.form == .digits, !type.isBCD {
                problems.error(
                    field.place,
                    "\"as\": \"digits\" is for BCD, not for \(type.rawValue): say \"text\"")
                coding.form = .text
            }
        }
        switch type {
        case .string: coding.characters = cursor.choice("encoding", default: .utf8)
        case .version: coding.parts = readParts(&cursor)
        case .datetime: coding.layout = readLayout(&cursor)
        default: break
        }
        refuseCoding(&cursor, type)
        return coding
    }

    private func refuseCoding(_ cursor: inout ObjectCursor, _ type: ValueType) {
        let keys: [(key: ByteString, types: [ValueType], words: String)] = [
            ("encoding", [.string, .version, .datetime], "string, version and datetime"),
            ("layout", [.datetime], "datetime"), ("utcOffset", [.datetime], "datetime"),
            ("parts", [.version], "version"),
        ]
        for (key, types, words) in keys where !types.contains(type) {
            guard let field = cursor.take(key) else { continue }
            problems.error(field.keyPlace, "\"\(key)\" is for \(words), not for \(type.rawValue)")
        }
    }

    // MARK: versions

    /// `parts: [8, 8, 16]`: bits of each number, or digits in BCD and decimal numbers.
    private func readParts(_ cursor: inout ObjectCursor) -> VersionParts {
        let digits = cursor.choice("encoding", default: VersionParts.Digits.binary)
        guard let field = cursor.take("parts") else {
            if digits == .decimal {
                problems.error(
                    cursor.place,
                    "\"parts\" is missing in \(cursor.what): [1, 2] makes \"2.00\" of the number 200"
                )
            }
            return VersionParts(digits)
        }
        let sizes = cursor.items(of: field).compactMap {
            cursor.integer(of: $0, in: 1...(digits == .binary ? 64 : 16))
        }
        if sizes.isEmpty { problems.error(field.place, "\"parts\" is empty") }
        return VersionParts(digits, sizes)
    }

    /// Whether the parts are those of a value of so many bytes.
    private func checkParts(_ cursor: inout ObjectCursor, _ parts: VersionParts, width: Int) {
        guard let field = cursor.take("parts"), !parts.sizes.isEmpty else { return }
        let sum = parts.sizes.reduce(0, +)
        let (room, word) = parts.digits == .binary ? (8 * width, "bits") : (2 * width, "digits")
        if parts.digits == .decimal ? sum > 19 : sum != room {
            problems.error(
                field.place,
                "the parts have \(sum) \(word) together; this value has \(parts.digits == .decimal ? 19 : room)"
            )
        }
    }

    // MARK: dates and times

    /// `layout: "YYYY MM DD hh mm ss"` with its `encoding`, or a name such as "epoch".
    private func readLayout(_ cursor: inout ObjectCursor) -> TimeLayout? {
        let zone = readZone(&cursor)
        let digits = cursor.choice("encoding", default: TimeLayout.Digits.binary)
        guard let field = cursor.require("layout"), let text = cursor.string(of: field) else {
            return nil
        }
        guard let layout = TimeLayout(text, digits, zone: zone) else {
            let names = TimeLayout.Named.allCases.map { "\"\($0.rawValue)\"" }.joined(
                separator: ", ")
            let guess = Suggestion.clause(
                for: text, in: TimeLayout.Named.allCases.map { ByteString($0.rawValue) })
            problems.error(
                field.place,
                "\"\(Notice.printable(text).prefix(64))\" is no layout: two letters for every byte, each field once "
                    + "(YY or YYYY, MM, DD, hh, mm, ss, ff and -- for what is not looked at), a whole date, hour and "
                    + "minute or both, or one of \(names)\(guess)")
            return nil
        }
        if case .named = layout.fields, digits != .binary, let field = cursor.take("encoding") {
            problems.error(field.place, "the layout \"\(text)\" has its own encoding")
        }
        return layout
    }

    /// `"Z"`, `"+01:00"`, or `"unknown"` for a local time that is published without an offset.
    private func readZone(_ cursor: inout ObjectCursor) -> TimeLayout.Zone {
        guard let field = cursor.take("utcOffset") else { return .offset(0) }
        let text = field.json.string.map { Array($0.utf8) } ?? []
        if text == Array("unknown".utf8) { return .unknown }
        if text == Array("Z".utf8) { return .offset(0) }
        let isForm = text.count == 6 && text[3] == 0x3A && (text[0] == 0x2B || text[0] == 0x2D)
        let digits = isForm ? text[1...2] + text[4...5] : []
        guard isForm, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
            problems.error(
                field.place,
                "\"utcOffset\" must be \"Z\", an offset such as \"+01:00\", or \"unknown\"")
            return .offset(0)
        }
        let numbers = digits.map { Int($0 - 0x30) }
        let (hours, minutes) = (numbers[0] * 10 + numbers[1], numbers[2] * 10 + numbers[3])
        guard hours <= 14, minutes <= 59 else {
            problems.error(
                field.place, "no place on earth is \(hours):\(minutes) hours away from UTC")
            return .offset(0)
        }
        return .offset((hours * 60 + minutes) * (text[0] == 0x2D ? -1 : 1))
    }

    // MARK: lengths

    /// Registers, or bytes in a frame, of a type that has no width of its own.
    /// - Parameter registers: how many the point names one by one.
    func readLength(
        _ cursor: inout ObjectCursor, type: ValueType, _ coding: Coding, limit: Int, inFrame: Bool,
        registers: Int? = nil
    ) -> Int {
        let unit = inFrame ? 1 : 2
        let own = type == .datetime ? coding.layout?.width : type.width
        if type == .datetime, let own {
            if own % unit != 0, case .slots? = coding.layout?.fields,
                let field = cursor.take("layout")
            {
                problems.error(
                    field.place,
                    "the layout has \(own) bytes, and a register has two: fill it up with \"--\"")
            }
            refuseLength(&cursor, "the layout says how long it is")
            return (own + unit - 1) / unit
        }
        if own != nil {
            refuseLength(&cursor, "a \(type.rawValue) has its own")
            return 1
        }
        if let registers {
            refuseLength(&cursor, "\"registers\" says it")
            return registers
        }
        let most =
            [.bits, .m10k, .version, .datetime].contains(type) ? min(8 / unit, limit) : limit
        let least = type == .m10k ? 4 / unit : 1
        var length = (type == .m10k ? 4 : coding.layout?.standardWidth ?? 0) / unit
        if let field = cursor.take("length") {
            length = cursor.integer(of: field, in: least...max(least, most)) ?? max(1, length)
            if coding.characters == .utf16, length * unit % 2 != 0 {
                problems.error(
                    field.place, "text in UTF-16 has two bytes a character, not \(length) in all")
            }
        } else if length == 0 {
            if type == .string || type == .hex {
                problems.error(
                    cursor.place,
                    "\"length\" is missing in \(cursor.what): how long is the \(type.rawValue)?")
            }
            length = 1
        }
        if type == .version { checkParts(&cursor, coding.parts, width: length * unit) }
        return length
    }

    private func refuseLength(_ cursor: inout ObjectCursor, _ why: String) {
        guard let field = cursor.take("length") else { return }
        problems.error(
            field.keyPlace, "\"length\" is for string, hex, bits, version and m10k; \(why)")
    }

    // MARK: signs in other places

    /// The members of `negativeIf` if it names a point: `{ point: "direction", equals: 1 }`.
    static func namesPoint(_ field: Field) -> Bool { field.json["point"] != nil }

    /// Fills in the point that tells a value's sign, once all of the node's points are known.
    func resolveSigns(_ points: inout [ReadPoint]) {
        let named = Dictionary(points.map { ($0.point.name, $0.point) }) { first, _ in first }
        for index in points.indices {
            guard let field = points[index].negativeIf else { continue }
            points[index].point.coding.negativeIf = readSign(field, of: points[index].point, named)
        }
    }

    private func readSign(
        _ field: Field, of point: Point, _ named: [ByteString: Point]
    ) -> PointMatch? {
        guard var cursor = ObjectCursor(field, "\"negativeIf\"", problems) else { return nil }
        let name = cursor.string("point")
        let (equals, differs) = (cursor.take("equals"), cursor.take("differs"))
        let place = cursor.take("point")?.place ?? field.place
        cursor.finish()
        guard let name else { return nil }
        guard let source = named[name] else {
            let guess = Suggestion.clause(for: name, in: named.keys.sorted())
            problems.error(
                place,
                "\"negativeIf\" names \"\(Notice.printable(name))\", and this node has no such point\(guess)"
            )
            return nil
        }
        if !source.isRead {
            problems.error(place, "\"negativeIf\": \"\(name)\" is written only and never read")
        } else if name == point.name {
            problems.error(place, "\"negativeIf\" names the point itself")
        } else if source.type == .bits || source.type.isText {
            problems.error(
                place,
                "\"negativeIf\": \"\(name)\" must be a number or a bool, not \(source.type.rawValue)"
            )
        } else if source.scaleFrom != nil || source.coding.negativeIf != nil {
            problems.error(place, "\"negativeIf\": \"\(name)\" depends on another point itself")
        }
        guard (equals == nil) != (differs == nil), let values = equals ?? differs else {
            problems.error(field.place, "\"negativeIf\" needs one of \"equals\" and \"differs\"")
            return nil
        }
        let numbers = cursor.items(of: values).compactMap { signValue($0, source, cursor) }
        return PointMatch(name, numbers, differs: differs != nil)
    }

    /// A number, true or false, or a name of the other point's `map`.
    private func signValue(_ field: Field, _ source: Point, _ cursor: ObjectCursor) -> Double? {
        if let flag = field.json.bool { return flag ? 1 : 0 }
        guard let name = field.json.string else { return cursor.number(of: field) }
        if let code = source.map.filter({ $0.value == name }).keys.min() { return Double(code) }
        problems.error(
            field.place,
            "\"\(name.prefix(40))\" is no name in the map of \"\(source.name)\""
                + Suggestion.clause(for: name, in: source.map.values.sorted()))
        return nil
    }
}
