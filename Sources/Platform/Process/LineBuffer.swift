/// Bytes that come in pieces, cut into lines. A byte is looked at once, however small the pieces
/// are.
package struct LineBuffer: Sendable {
    private var bytes: [UInt8] = []
    private var head = 0
    /// No line ends before this index.
    private var searched = 0
    /// Bytes looked at or moved since the beginning.
    package private(set) var work = 0

    package init() {}

    /// Bytes that no line has taken yet.
    package var count: Int { bytes.count - head }

    package mutating func append(_ chunk: ArraySlice<UInt8>) {
        if head > 0, head >= count {
            work += count
            bytes.removeFirst(head)
            searched -= head
            head = 0
        }
        bytes += chunk
        work += chunk.count
    }

    /// Whether `next` has a line.
    package mutating func hasLine() -> Bool {
        while searched < bytes.count, bytes[searched] != 0x0A {
            searched += 1
            work += 1
        }
        return searched < bytes.count
    }

    /// The next line without its newline.
    package mutating func next() -> [UInt8]? {
        guard hasLine() else { return nil }
        defer {
            searched += 1
            head = searched
        }
        return Array(bytes[head..<searched])
    }

    /// The bytes behind the last newline, when nothing more will come.
    package mutating func rest() -> [UInt8] {
        defer {
            head = bytes.count
            searched = head
        }
        return Array(bytes[head...])
    }
}
