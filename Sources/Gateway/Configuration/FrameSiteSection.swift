import Adapter
import Base
import Drivers

/// Where a field of a UART frame is: at a byte offset, in an item of a list, or in a template; and
/// what else in the frame decides about it.
extension ConfigurationReader {
    func readFrameSite(_ cursor: inout ObjectCursor, in context: NodeContext) -> PointSite? {
        let limit = context.uart?.frame.max ?? Self.frameMax
        let given = ["at", "index", "template"].filter { cursor.has($0) }
        let at = cursor.integer("at", in: -limit...(limit - 1))
        let index = cursor.integer("index", in: 0...255)
        let template = cursor.take("template")
        let split = readSplit(&cursor)
        let digits = cursor.has("at") ? readDigits(&cursor) : nil
        var rules = readRules(
            &cursor, isText: given != ["at"] || digits != nil, split: split ?? context.split,
            in: context)
        guard given.count == 1 else {
            problems.error(
                cursor.place,
                "\(cursor.what) needs exactly one of \"at\", \"index\" and \"template\", not \(given.count)"
            )
            _ = readType(&cursor, default: .uint16)
            _ = cursor.take("decimal")
            return nil
        }
        switch given[0] {
        case "at" where digits != nil:
            guard let digits else { return nil }
            rules.isHexadecimal = digits.isHexadecimal
            let type = readTextType(
                &cursor, rules, default: digits.isHexadecimal ? .uint16 : .float64)
            checkDigits(&cursor, type)
            let coding = readCoding(&cursor, type: type)
            guard let at else { return nil }
            checkFits(&cursor, at, digits.count, limit)
            return PointSite(
                table: .frame, address: 0, type: type,
                text: .place(at: at, count: digits.count, decimal: digits.decimal), rules: rules,
                coding: coding)
        case "at":
            let type = readType(&cursor, default: cursor.has("bits") ? .bits : .uint8) ?? .uint8
            let coding = readCoding(&cursor, type: type)
            let length = readLength(&cursor, type: type, coding, limit: limit, inFrame: true)
            guard let at else { return nil }
            checkFits(&cursor, at, type.width ?? length, limit)
            return PointSite(
                table: .frame, address: at, type: type, length: length, rules: rules, coding: coding
            )
        case "index":
            let type = readTextType(
                &cursor, rules, default: rules.isHexadecimal ? .uint16 : .float64)
            let decimal = readDecimal(&cursor)
            let coding = readCoding(&cursor, type: type)
            return index.map {
                PointSite(
                    table: .frame, address: 0, type: type,
                    text: .item(index: $0, split: split ?? context.split, decimal: decimal),
                    rules: rules,
                    coding: coding)
            }
        default:
            guard let template, let text = cursor.string(of: template) else { return nil }
            guard let pattern = Template(text) else {
                problems.error(
                    template.place,
                    "\"\(Notice.printable(text))\" is no template: text with one {value:number} "
                        + "(or word, or text) and any number of {other:word}")
                _ = cursor.take("type")
                return nil
            }
            let standard: ValueType =
                rules.isHexadecimal ? .uint16 : pattern.valueKind == .number ? .float64 : .string
            let type = readTextType(&cursor, rules, default: standard)
            let coding = readCoding(&cursor, type: type)
            return PointSite(
                table: .frame, address: 0, type: type, text: .template(pattern), rules: rules,
                coding: coding)
        }
    }

    private func readRules(
        _ cursor: inout ObjectCursor, isText: Bool, split: ItemSplit, in context: NodeContext
    ) -> FrameRules {
        var rules = FrameRules()
        let frame = context.uart?.frame
        rules.validIf = cursor.take("validIf").flatMap {
            readMatch($0, frame: frame, split: split, relations: [.equals, .differs], context.key)
        }
        if let field = cursor.take("negativeIf"), !Self.namesPoint(field) {
            rules.negativeIf = readMatch(
                field, frame: frame, split: split, relations: [.equals, .differs], context.key)
        }
        if !isText {
            for key: ByteString in ["angle", "hex"] {
                guard let field = cursor.take(key) else { continue }
                problems.error(field.keyPlace, "\"\(key)\" is for a value that is written as text")
            }
            return rules
        }
        if let field = cursor.take("angle") {
            rules.isAngle = field.json.string == "ddmm"
            if !rules.isAngle {
                problems.error(
                    field.place, "\"angle\" must be \"ddmm\": degrees and minutes, ddmm.mmmm")
            }
        }
        rules.isHexadecimal = cursor.bool("hex", default: false)
        if rules.isHexadecimal {
            for key: ByteString in ["angle", "negativeIf"] where cursor.has(key) {
                guard let field = cursor.take(key) else { continue }
                problems.error(field.keyPlace, "\"\(key)\" has no meaning for hexadecimal digits")
            }
        }
        return rules
    }

    /// A value written as text is a number or a string.
    private func readTextType(
        _ cursor: inout ObjectCursor, _ rules: FrameRules, default standard: ValueType
    ) -> ValueType {
        let type = readType(&cursor, default: standard) ?? standard
        guard let field = cursor.take("type") else { return type }
        if !type.isInteger, !type.isFloat, type != .string {
            problems.error(
                field.place, "a value written as text is a number or a string, not \(type.rawValue)"
            )
            return standard
        }
        if type == .string, rules.isAngle || rules.isHexadecimal {
            problems.error(field.place, "\"angle\" and \"hex\" are for numbers, not for strings")
        }
        return type
    }

    private func checkFits(_ cursor: inout ObjectCursor, _ at: Int, _ width: Int, _ limit: Int) {
        guard at < 0 ? -at < width : at + width > limit, let field = cursor.take("at") else {
            return
        }
        problems.error(
            field.place, "\(width) bytes at \(at) do not fit into a frame of at most \(limit) bytes"
        )
    }

    /// A number that is written in so many characters: `digits: 6`, with `decimal` or `hex: true`.
    struct WrittenDigits {
        var count: Int
        var isHexadecimal: Bool
        var decimal: UInt8
    }

    func readDigits(_ cursor: inout ObjectCursor) -> WrittenDigits? {
        guard cursor.has("digits") else {
            _ = cursor.take("digits")
            return nil
        }
        let count = cursor.integer("digits", in: 1...64)
        let isHexadecimal = cursor.bool("hex", default: false)
        let decimal = readDecimal(&cursor)
        return WrittenDigits(count: count ?? 1, isHexadecimal: isHexadecimal, decimal: decimal)
    }

    func checkDigits(_ cursor: inout ObjectCursor, _ type: ValueType) {
        if !type.isInteger, !type.isFloat, let field = cursor.take("type") {
            problems.error(
                field.place,
                "a number written in digits is an integer or a float, not \(type.rawValue)")
        }
        if let field = cursor.take("length") {
            problems.error(field.keyPlace, "\"digits\" says how long the number is")
        }
    }

    /// The mark between whole and fraction.
    private func readDecimal(_ cursor: inout ObjectCursor) -> UInt8 {
        guard let field = cursor.take("decimal") else { return 0x2E }
        if let text = field.json.string, text == "." || text == "," {
            return text == "," ? 0x2C : 0x2E
        }
        problems.error(field.place, "\"decimal\" must be \".\" or \",\"")
        return 0x2E
    }
}
