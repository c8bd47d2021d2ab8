import Base

/// Topics on which the broker keeps a message of ours: a state, the latest value of a point. Those
/// that the configuration does not have any more are cleared, also after a restart.
struct RetainedTopics: Sendable {
    /// Name in the state directory: `["plant/meter-1/power", …]`.
    static let name = "retained"

    /// Topics that have a message, or may have one.
    private var kept: Set<ByteString> = []
    private var wanted: Set<ByteString> = []

    mutating func restore(_ document: [UInt8]?) {
        let items = document.flatMap { try? JSONReader.parse($0) }?.array ?? []
        kept.formUnion(items.compactMap(\.string))
    }

    /// Takes the topics of the configuration in force; true if the document has changed.
    mutating func want(_ topics: Set<ByteString>) -> Bool {
        wanted = topics
        let before = kept.count
        kept.formUnion(topics)
        return kept.count != before
    }

    /// The broker has taken an empty message there; true if the document has changed.
    mutating func cleared(_ topic: ByteString) -> Bool {
        !wanted.contains(topic) && kept.remove(topic) != nil
    }

    /// Topics that are to be cleared.
    var stale: [ByteString] { kept.count == wanted.count ? [] : kept.subtracting(wanted).sorted() }

    /// Nil if there is nothing to keep.
    var document: [UInt8]? {
        guard !kept.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.array { writer in for topic in kept.sorted() { writer.string(topic) } }
        return writer.bytes
    }
}
