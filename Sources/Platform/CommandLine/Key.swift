/// A key that a person has pressed.
package enum Key: Hashable, Sendable {
    case up, down, left, right, pageUp, pageDown, home, end, enter, escape, backspace
    case character(Character)
}

/// Makes keys of the bytes that a terminal sends.
package struct KeyDecoder: Sendable {
    /// The bytes behind the escape.
    private static let sequences: [(text: String, key: Key)] = [
        ("[A", .up), ("[B", .down), ("[C", .right), ("[D", .left), ("OA", .up), ("OB", .down),
        ("OC", .right), ("OD", .left), ("[5~", .pageUp), ("[6~", .pageDown), ("[H", .home),
        ("[F", .end), ("[1~", .home), ("[4~", .end), ("OH", .home), ("OF", .end),
    ]
    /// Length of a sequence that is waited for; what is longer is none of ours.
    private static let lengthMax = 16

    private var held: [UInt8] = []

    package init() {}

    package mutating func receive(_ bytes: some Sequence<UInt8>) -> [Key] {
        held += bytes
        var keys: [Key] = []
        while let first = held.first {
            if first == 0x1B {
                guard let (key, count) = sequence() else { break }
                held.removeFirst(count)
                if let key { keys.append(key) }
                continue
            }
            let count = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
            guard held.count >= count else { break }
            let text = String(decoding: held.prefix(count), as: UTF8.self)
            held.removeFirst(count)
            switch first {
            case 0x0A, 0x0D: keys.append(.enter)
            case 0x08, 0x7F: keys.append(.backspace)
            case ..<0x20: break
            default: if let character = text.first { keys.append(.character(character)) }
            }
        }
        return keys
    }

    /// Ends a pause in which nothing followed: an escape that stands alone is the key.
    package mutating func pause() -> [Key] {
        guard held.first == 0x1B else { return [] }
        held = []
        return [.escape]
    }

    /// The key at the beginning and its length; nil while more may come.
    private func sequence() -> (Key?, Int)? {
        let rest = held.dropFirst()
        for (text, key) in Self.sequences where rest.starts(with: text.utf8) {
            return (key, text.utf8.count + 1)
        }
        guard let second = rest.first else { return nil }
        guard second == 0x5B || second == 0x4F else { return (.escape, 1) }
        // A sequence ends with a letter or a tilde.
        if let end = rest.dropFirst().firstIndex(where: { (0x40...0x7E).contains($0) }) {
            return (nil, end - held.startIndex + 1)
        }
        return held.count > Self.lengthMax ? (nil, held.count) : nil
    }
}
