import Base

/// A document that is written piece by piece, so that no turn of the loop takes long for it. What
/// it tells about may change between two pieces.
protocol SlicedDocument: Sendable {
    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice
}

/// One piece of a document.
struct DocumentSlice: Sendable {
    enum Rest: Sendable {
        case more
        /// There is nothing to say until the next tick.
        case pause
        case done
    }

    /// Bytes after which a piece ends.
    static let sizeAimed = 12 << 10

    var bytes: [UInt8]
    var rest: Rest
}

extension SlicedDocument {
    /// The whole document at once.
    func whole(of gateway: Gateway, at now: Moment) -> [UInt8] {
        var document = self
        var bytes: [UInt8] = []
        while true {
            let slice = document.slice(of: gateway, at: now)
            bytes += slice.bytes
            guard slice.rest == .more else { return bytes }
        }
    }
}

/// A document that stands ready.
struct ReadyDocument: SlicedDocument {
    private let bytes: [UInt8]
    private var written = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        let end = min(bytes.count, written + DocumentSlice.sizeAimed)
        defer { written = end }
        return DocumentSlice(
            bytes: Array(bytes[written..<end]), rest: end < bytes.count ? .more : .done)
    }
}
