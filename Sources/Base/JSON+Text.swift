extension JSON {
    /// As compact JSON. What JSON5 writes in another way (0x10, .5, +1) comes out as JSON's
    /// numbers.
    package var text: String {
        var writer = JSONWriter()
        append(to: &writer)
        return writer.text
    }

    private func append(to writer: inout JSONWriter) {
        switch kind {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .string(let value): writer.string(value)
        case .number:
            if let value = integer {
                writer.integer(value)
            } else if let value = unsigned {
                writer.integer(value)
            } else if let value = double {
                writer.number(value)
            } else {
                writer.null()
            }
        case .array(let items): writer.array { for item in items { item.append(to: &$0) } }
        case .object(let members):
            writer.object { writer in
                for member in members {
                    writer.key(member.name)
                    member.value.append(to: &writer)
                }
            }
        }
    }
}
