import Base
import Drivers

/// Reads a condition on a place in a frame: `{ at | index, split, equals | ends | differs }`.
extension ConfigurationReader {
    /// - Parameters:
    ///   - split: where the frame's items are cut if nothing is said.
    ///   - relations: those that have a meaning here.
    func readMatch(
        _ field: Field, frame: UARTProtocol.Frame?, split standard: ItemSplit,
        relations: [FrameMatch.Relation], _ key: NodeKey? = nil
    ) -> FrameMatch? {
        guard var cursor = ObjectCursor(field, "\"\(field.name)\"", problems) else { return nil }
        let limit = frame?.max ?? Self.frameMax
        let at = cursor.integer("at", in: -limit...(limit - 1))
        let index = cursor.integer("index", in: 0...255)
        let hasBoth = (cursor.has("at"), cursor.has("index"))
        let split = readSplit(&cursor) ?? standard
        let words = relations.map(Self.word)
        let given = relations.filter { cursor.has(Self.word($0)) }
        let values = words.compactMap { cursor.take($0) }.flatMap { field in
            cursor.items(of: field).compactMap { matchValue($0, isByte: at != nil, cursor, key) }
        }
        cursor.finish()
        if hasBoth.0 == hasBoth.1 {
            problems.error(field.place, "\"\(field.name)\" needs one of \"at\" and \"index\"")
            return nil
        }
        guard given.count == 1 else {
            let list = words.map { "\"\($0)\"" }.joined(separator: " and ")
            problems.error(
                field.place,
                words.count == 1
                    ? "\(list) is missing in \"\(field.name)\""
                    : "\"\(field.name)\" needs one of \(list)")
            return nil
        }
        if hasBoth.0, given[0] == .ends {
            problems.error(field.place, "\"ends\" is for an item of text; for bytes say \"equals\"")
            return nil
        }
        guard !values.isEmpty else { return nil }
        if let at { return FrameMatch(.bytes(at: at), given[0], values) }
        return index.map { FrameMatch(.item($0, split), given[0], values) }
    }

    private static func word(_ relation: FrameMatch.Relation) -> ByteString {
        switch relation {
        case .equals: "equals"
        case .ends: "ends"
        case .differs: "differs"
        }
    }

    /// A number is one byte at an offset, and its digits in an item.
    private func matchValue(
        _ field: Field, isByte: Bool, _ cursor: ObjectCursor, _ key: NodeKey?
    ) -> [UInt8]? {
        guard case .number = field.json.kind else { return bytes(of: field, key) }
        return cursor.integer(of: field, in: 0...255).map {
            isByte ? [UInt8($0)] : Array("\($0)".utf8)
        }
    }

    /// The text between items, `"blanks"` or `"signs"`.
    func readSplit(_ cursor: inout ObjectCursor) -> ItemSplit? {
        guard let field = cursor.take("split") else { return nil }
        if let split = field.json.string.flatMap({ ItemSplit(word: $0) }), split != .mark([]) {
            return split
        }
        return bytes(of: field).map { .mark($0) }
    }
}
