import Adapter
import Base

/// Where a field of a UART frame is: at a byte offset, in an item of a list, or in a template.
extension ConfigurationReader {
    func readFrameSite(_ cursor: inout ObjectCursor, in context: NodeContext) -> PointSite? {
        let limit = context.uart?.frame.max ?? Self.frameMax
        let given = ["at", "index", "template"].filter { cursor.has($0) }
        let at = cursor.integer("at", in: -limit...(limit - 1))
        let index = cursor.integer("index", in: 0...255)
        let template = cursor.take("template")
        guard given.count == 1 else {
            problems.error(
                cursor.place,
                "\(cursor.what) needs exactly one of \"at\", \"index\" and \"template\", not \(given.count)")
            _ = readType(&cursor, default: .uint16)
            _ = cursor.take("split")
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
            return PointSite(table: .frame, address: at, type: type, length: length)
        case "index":
            let type = readTextType(&cursor, default: .float64)
            let split = cursor.take("split").map { bytes(of: $0) } ?? [0x2C]
            let decimal = readDecimal(&cursor)
            guard let index, let split else { return nil }
            return PointSite(
                table: .frame, address: 0, type: type,
                text: .item(index: index, split: split, decimal: decimal))
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
            let type = readTextType(&cursor, default: pattern.valueKind == .number ? .float64 : .string)
            return PointSite(table: .frame, address: 0, type: type, text: .template(pattern))
        }
    }

    /// A value written as text is a number or a string.
    private func readTextType(_ cursor: inout ObjectCursor, default standard: ValueType) -> ValueType {
        guard let type = readType(&cursor, default: standard), type != standard else { return standard }
        if type == .bool || type == .bits || type.isBCD, let field = cursor.take("type") {
            problems.error(
                field.place, "a value written as text is a number or a string, not \(type.rawValue)")
            return standard
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
