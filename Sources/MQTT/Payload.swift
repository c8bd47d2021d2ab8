/// Content of a message, in pieces that are copied once: into its packet.
package struct Payload: Hashable, Sendable {
    private(set) var pieces: [[UInt8]]
    /// In bytes.
    package private(set) var count: Int

    package init(_ bytes: [UInt8] = []) {
        (pieces, count) = (bytes.isEmpty ? [] : [bytes], bytes.count)
    }

    package mutating func append(_ piece: [UInt8]) {
        if pieces.isEmpty { pieces.reserveCapacity(3) }
        pieces.append(piece)
        count += piece.count
    }

    package var bytes: [UInt8] { Array(pieces.joined()) }
}
