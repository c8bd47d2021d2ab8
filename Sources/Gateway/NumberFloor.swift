import Base

/// The floor of the journal's record numbers, kept in the state directory: a journal that is wiped,
/// or that a disk has lost, then begins above what it had.
///
/// `{"journal":"PROJECT/REGISTRY/GATEWAY","below":N}`: no number from N on has been given.
struct NumberFloor: Sendable {
    static let name = "numbers"

    private let journal: String
    private var kept: UInt64?

    init(journal: String) { self.journal = journal }

    /// The floor in a document of an earlier run; nil if it is that of another journal.
    mutating func restore(_ document: [UInt8]?) -> UInt64? {
        guard let json = document.flatMap({ try? JSONReader.parse($0) }),
            json["journal"]?.string == ByteString(journal)
        else { return nil }
        kept = json["below"]?.unsigned
        return kept
    }

    /// The document to be kept; nil if nothing has changed.
    mutating func change(to floor: UInt64?) -> [UInt8]? {
        guard let floor, floor != kept else { return nil }
        kept = floor
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("journal", journal)
            writer.member("below", floor)
        }
        return writer.bytes
    }
}
