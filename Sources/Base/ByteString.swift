/// UTF-8 text that is compared, hashed and sorted byte by byte: an id, a key, a name, a topic.
///
/// `String` compares by Unicode's canonical equivalence: "é" is equal to "e" with U+0301, and
/// U+212A (the Kelvin sign) is equal to "K". Text from a peer must be one id or another, not both,
/// and that comparison costs the square of a run of combining marks. Text that comes from outside
/// therefore stays a `ByteString` until it is shown.
package struct ByteString: Hashable, Comparable, Sendable {
    package let string: String

    package init(_ string: String) { self.string = string }

    package init(_ text: Substring) { string = String(text) }

    /// Bytes that are no UTF-8 become U+FFFD.
    package init(decoding bytes: some Collection<UInt8>) {
        string = String(decoding: bytes, as: UTF8.self)
    }

    package var utf8: String.UTF8View { string.utf8 }

    /// Length in bytes.
    package var count: Int { string.utf8.count }

    package var isEmpty: Bool { string.utf8.isEmpty }

    package var isASCII: Bool { string.utf8.allSatisfy { $0 < 0x80 } }

    package static func == (left: ByteString, right: ByteString) -> Bool {
        left.count == right.count && left.utf8.elementsEqual(right.utf8)
    }

    package static func < (left: ByteString, right: ByteString) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        let isDone: Void? = utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isDone == nil { for byte in utf8 { hasher.combine(byte) } }
        hasher.combine(UInt8(0xFF))
    }

    package func hasPrefix(_ other: ByteString) -> Bool { utf8.starts(with: other.utf8) }

    package func hasSuffix(_ other: ByteString) -> Bool {
        count >= other.count && utf8.suffix(other.count).elementsEqual(other.utf8)
    }

    /// The text behind `start`; nil if it does not begin with that.
    package func dropping(prefix start: ByteString) -> ByteString? {
        hasPrefix(start) ? ByteString(Substring(utf8.dropFirst(start.count))) : nil
    }

    /// The parts between the occurrences of an ASCII character, empty ones included: `limit` parts
    /// at most, the last of which is the rest.
    package func split(_ mark: UInt8, limit: Int = .max) -> [ByteString] {
        utf8.split(separator: mark, maxSplits: limit - 1, omittingEmptySubsequences: false).map {
            ByteString(Substring($0))
        }
    }

    /// With A to Z as small letters.
    package var lowercasedASCII: ByteString {
        ByteString(decoding: utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 })
    }

    /// Whether `part`, which is not empty, stands anywhere in it.
    package func contains(_ part: ByteString) -> Bool {
        let (bytes, part) = (Array(utf8), Array(part.utf8))
        guard let first = part.first, bytes.count >= part.count else { return false }
        return bytes[...(bytes.count - part.count)].indices.contains {
            bytes[$0] == first && bytes[$0...].starts(with: part)
        }
    }

    /// The beginning, at most `limit` bytes of whole scalars: for messages.
    package func prefix(_ limit: Int) -> String {
        guard count > limit else { return string }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(string[..<end])
    }
}

extension ByteString: ExpressibleByStringInterpolation, CustomStringConvertible {
    package init(stringLiteral text: String) { string = text }

    package var description: String { string }
}

extension RawRepresentable where RawValue == String {
    /// The case of this word; nil for one that is none, at once if it is long or no ASCII.
    package init?(word: ByteString) {
        guard word.count <= 64, word.isASCII else { return nil }
        let text = word.string
        self.init(rawValue: text)
    }
}
