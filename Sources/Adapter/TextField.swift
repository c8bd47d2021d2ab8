/// Where a value stands in a frame of text.
package enum TextField: Hashable, Sendable {
    /// The item number `index` (from 0) of the frame cut at every `split`; `decimal` is the mark
    /// between whole and fraction, `.` or `,`.
    case item(index: Int, split: [UInt8], decimal: UInt8)
    case template(Template)
}

/// A pattern such as `T={value:number}`: text that must be there and one value between.
/// The first text is searched for, so that the frame may hold something before it.
package struct Template: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case number, word, text }

    /// A place in braces: `value` is what is taken, any other name is passed over.
    package struct Slot: Hashable, Sendable {
        package var name: String
        package var kind: Kind

        package init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// `literals[n]` stands before `slots[n]`; there is one literal more than slots.
    package let literals: [[UInt8]]
    package let slots: [Slot]

    /// Nil unless the pattern has exactly one slot named `value`, closed braces, known kinds, and
    /// text after every slot of kind `text` but the last.
    package init?(_ pattern: String) {
        var literals: [[UInt8]] = [[]]
        var slots: [Slot] = []
        var rest = Array(pattern.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x7D { return nil }
            guard byte == 0x7B else {
                literals[literals.count - 1].append(byte)
                continue
            }
            guard let end = rest.firstIndex(of: 0x7D) else { return nil }
            let inside = rest[rest.startIndex..<end].split(separator: 0x3A, omittingEmptySubsequences: false)
            rest = rest[(end + 1)...]
            guard (1...2).contains(inside.count) else { return nil }
            let kind = inside.count == 1 ? "number" : String(decoding: inside[1], as: UTF8.self)
            guard let known = Kind(rawValue: kind) else { return nil }
            slots.append(Slot(name: String(decoding: inside[0], as: UTF8.self), kind: known))
            literals.append([])
        }
        let open = slots.indices.dropLast().contains { slots[$0].kind == .text && literals[$0 + 1].isEmpty }
        guard slots.filter({ $0.name == "value" }).count == 1, !open, pattern.utf8.count <= 256 else { return nil }
        self.literals = literals
        self.slots = slots
    }

    /// What the value slot holds.
    package var valueKind: Kind { slots.first { $0.name == "value" }?.kind ?? .number }
}
