import Adapter
import Base
import Drivers

/// Where a field of a UART frame is: at a byte offset, in an item of a list, or in a template; and what
/// else in the frame decides about it.
extension ConfigurationReader {
    func readFrameSite(_ cursor: inout ObjectCursor, in context: NodeContext) -> PointSite? {
        let limit = context.uart?.frame.max ?? Self.frameMax
        let given = ["at", "index", "template"].filter { cursor.has($0) }
        let at = cursor.integer("at", in: -limit...(limit - 1))
        let index = cursor.integer("index", in: 0...255)
        let template = cursor.take("template")
        let split = readSplit(&cursor)
        let rules = readRules(&cursor, isText: given != ["at"], split: split ?? context.split, in: context)
        guard given.count == 1 else {
            problems.error(
                cursor.place,
                "\(cursor.what) needs exactly one of \"at\", \"index\" and \"template\", not \(given.count)")
            _ = readType(&cursor, default: .uint16)
            _ = cursor.take("decimal")
            return nil
        }
        switch given[0] {
        case "at":
            let type = readType(&cursor, default: cursor.has("bits") ? .bits : .uint8) ?? .uint8
            let length = readLength(&cursor, type: type, limit: limit)
            guard let at else { return nil }
            let width = type.width ?? length
            if at < 0 ? -at < width : at + width > limit, let field = cursor.take("at") {
                problems.error(
                    field.place, "\(width) bytes at \(at) do not fit into a frame of at most \(limit) bytes")
            }
            return PointSite(table: .frame, address: at, type: type, length: length, rules: rules)
        case "index":
            let type = readTextType(&cursor, rules, default: rules.isHexadecimal ? .uint16 : .float64)
            let decimal = readDecimal(&cursor)
            return index.map {
                PointSite(
                    table: .frame, address: 0, type: type,
                    text: .item(index: $0, split: split ?? context.split, decimal: decimal), rules: rules)
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
            return PointSite(table: .frame, address: 0, type: type, text: .template(pattern), rules: rules)
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
        if !isText {
            for key: ByteString in ["negativeIf", "angle", "hex"] {
                guard let field = cursor.take(key) else { continue }
                problems.error(field.keyPlace, "\"\(key)\" is for a value that is written as text")
            }
            return rules
        }
        rules.negativeIf = cursor.take("negativeIf").flatMap {
            readMatch($0, frame: frame, split: split, relations: [.equals, .differs], context.key)
        }
        if let field = cursor.take("angle") {
            rules.isAngle = field.json.string == "ddmm"
            if !rules.isAngle {
                problems.error(field.place, "\"angle\" must be \"ddmm\": degrees and minutes, ddmm.mmmm")
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
        if type == .bool || type == .bits || type.isBCD {
            problems.error(
                field.place, "a value written as text is a number or a string, not \(type.rawValue)")
            return standard
        }
        if type == .string, rules.isAngle || rules.isHexadecimal || rules.negativeIf != nil {
            problems.error(field.place, "\"angle\", \"negativeIf\" and \"hex\" are for numbers, not for strings")
        }
        return type
    }

    /// The mark between whole and fraction.
    private func readDecimal(_ cursor: inout ObjectCursor) -> UInt8 {
        guard let field = cursor.take("decimal") else { return 0x2E }
        if let text = field.json.string, text == "." || text == "," { return text == "," ? 0x2C : 0x2E }
        problems.error(field.place, "\"decimal\" must be \".\" or \",\"")
        return 0x2E
    }
}
