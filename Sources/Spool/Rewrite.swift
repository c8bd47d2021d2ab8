import Base

/// The file that takes a segment's place when space is short: under the same name, with a new salt,
/// the records that stay and, where others go, a loss note for each device. One rename makes the
/// loss and its note true at the same time.
///
/// In order: header, a settled page without a bit, header copy, loss notes, clock anchors and the records that
/// stay, loss totals whose seq is the one after the old file's last.
struct Rewrite: Sendable {
    /// One unsettled data record of the old file.
    struct Place: Sendable {
        var queue: Int
        var old: Int
        /// Where it is in the new file; nil if it goes.
        var new: Int?
        var seq: UInt64
        var at: Moment
        var size: Int
        var priority: Bool
        var gap: Gap?
    }

    var header: Segment.Header
    var bytes: [UInt8] = []
    var places: [Place] = []
    /// Offsets of the loss notes.
    var notes: [Int] = []
    private var body: [UInt8] = []
    private let seed: UInt32

    init(_ old: Segment.Header, salt: UInt32) {
        header = old
        header.salt = salt
        header.sparse = true
        header.previous = 0
        seed = Record.seed(salt: salt)
    }

    /// A clock anchor or a record that stays, as it stands in the old file.
    mutating func keep(_ record: ArraySlice<UInt8>, _ place: Place? = nil) {
        if var place {
            place.new = body.count
            places.append(place)
        }
        Record.appendCopy(record, seed: seed, to: &body)
    }

    mutating func lose(_ place: Place) { places.append(place) }

    /// What its first page says: nothing is settled, this many records are there.
    var settled: Settled {
        var settled = Settled()
        settled.isComplete = true
        settled.records = places.reduce(0) { $0 + ($1.new == nil ? 0 : 1) }
        return settled
    }

    /// Puts the parts together once it is known what is lost.
    mutating func finish(losses: [Gap], totals: LossTotals, lastSeq: UInt64, at instant: Instant) {
        bytes = Segment.opening(header)
        for gap in losses {
            notes.append(bytes.count)
            Record.append(.note, gap.note, nextSeq: header.firstSeq, at: instant, seed: seed, to: &bytes)
        }
        let page = settled.page(generation: 1, seed: seed)
        bytes.replaceSubrange(Settled.offset(generation: 1)..<Settled.offset(generation: 1) + page.count, with: page)
        for index in places.indices { places[index].new = places[index].new.map { $0 + bytes.count } }
        bytes.append(contentsOf: body)
        Record.append(.totals, totals.payload, nextSeq: lastSeq &+ 1, at: instant, seed: seed, to: &bytes)
        body = []
    }
}
