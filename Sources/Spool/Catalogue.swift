import Base

/// What memory holds of one segment file: sums per device and the settled bits, no index of records.
struct SegmentState: Sendable {
    /// One device's unsettled records in one segment.
    struct Tally: Sendable {
        var alive = 0
        var bytes = 0
        /// Of these, in records of priority points and command results.
        var priorityBytes = 0
        /// Of the alive ones, those that are neither loaded nor in flight.
        var unloaded = 0
        var from: UInt64
        var to: UInt64
        var fromTime: WallTime
        var toTime: WallTime
    }

    var header: Segment.Header
    let name: String
    var fileSize: Int
    /// Where the first record may begin, behind the header's copy, and the end of the last durable one.
    var start: Int
    var end: Int
    var lastSeq: UInt64
    var alive = 0
    var tallies: [Int: Tally] = [:]
    var settled = Settled()
    var generation: UInt64 = 0
    /// What the newest page says of `settled.records`, and when it was written.
    var notedRecords = 0
    var notedAt: Instant?
    /// Something is to be noted that no page on disk has yet.
    var isDirty = false
    /// More numbers may have been used than were read: the next segment does not continue this one.
    var isEndDamaged = false
    /// A write to the file failed: it is never written again.
    var isPoisoned = false
    var isRemoving = false
    /// What the unsettled gap records report: dropping one must not lose its count.
    var gaps: [UInt64: Gap] = [:]
    var pagesInFlight = 0
    /// Its file is being replaced by a shorter one: with the same records, or with those that stay.
    var isTrimming = false
    var isRewriting = false
    /// Rewriting it failed: it goes as a whole when it must.
    var isStuck = false
    /// Losses in it that are told by a record which is not durable yet.
    var openMarks = 0
    var newest: Moment
    let seed: UInt32

    var firstSeq: UInt64 { header.firstSeq }
    var isBeingReplaced: Bool { isTrimming || isRewriting }
    var aliveBytes: Int { tallies.values.reduce(0) { $0 + $1.bytes } }

    init(_ header: Segment.Header, fileSize: Int) {
        self.header = header
        name = Segment.name(header.firstSeq)
        self.fileSize = fileSize
        lastSeq = header.firstSeq &- 1
        start = Segment.dataStart + Record.size(payload: header.encoded.count)
        end = start
        newest = header.created
        seed = Record.seed(salt: header.salt)
    }

    mutating func add(_ item: Item, unloaded: Bool) {
        add(
            item.device, seq: item.record.seq, at: item.record.at, size: item.size,
            priority: item.record.priority, unloaded: unloaded)
    }

    mutating func add(_ device: Int, seq: UInt64, at: Moment, size: Int, priority: Bool, unloaded: Bool) {
        alive += 1
        if newest.instant < at.instant { newest.instant = at.instant }
        if newest.wall < at.wall { newest.wall = at.wall }
        var tally = tallies.removeValue(forKey: device)
            ?? Tally(from: seq, to: seq, fromTime: at.wall, toTime: at.wall)
        tally.to = max(tally.to, seq)
        tally.toTime = max(tally.toTime, at.wall)
        tally.fromTime = min(tally.fromTime, at.wall)
        tally.count(1, size, priority: priority ? size : 0, unloaded: unloaded ? 1 : 0)
        tallies[device] = tally
    }

    /// Sets the bit of a loaded record.
    mutating func settle(_ item: Item) {
        let device = item.device
        settled.insert(offset: item.offset)
        if item.gap != nil { gaps[item.record.seq] = nil }
        isDirty = true
        alive -= 1
        let priority = item.record.priority ? -item.size : 0
        if tallies[device]?.count(-1, -item.size, priority: priority, unloaded: 0) == 0 { tallies[device] = nil }
    }

    /// What is noted under one queue goes to another.
    mutating func move(_ queue: Int, to other: Int) {
        guard let moved = tallies.removeValue(forKey: queue) else { return }
        guard var tally = tallies.removeValue(forKey: other) else { tallies[other] = moved; return }
        tally.from = min(tally.from, moved.from)
        tally.to = max(tally.to, moved.to)
        tally.fromTime = min(tally.fromTime, moved.fromTime)
        tally.toTime = max(tally.toTime, moved.toTime)
        tally.count(moved.alive, moved.bytes, priority: moved.priorityBytes, unloaded: moved.unloaded)
        tallies[other] = tally
    }

    mutating func loaded(_ device: Int, _ change: Int) { tallies[device]?.unloaded -= change }
}

extension SegmentState.Tally {
    /// Answers how many are alive.
    @discardableResult
    mutating func count(_ records: Int, _ size: Int, priority: Int, unloaded: Int) -> Int {
        alive += records
        bytes += size
        priorityBytes += priority
        self.unloaded += unloaded
        return alive
    }
}

/// A file that is no part of the journal any more and takes of its bound.
struct AsideFile: Sendable {
    var name: String
    var firstSeq: UInt64
    var size: Int
    /// Not damaged, but of a version that this program does not read: kept as long as there is room.
    var isNewer = false
    /// Of the journal's names, but not made by this program: never removed, and no part of the bound.
    var isForeign = false

    /// Damaged: only a few of them are kept.
    var isRemovable: Bool { !isNewer && !isForeign }
    /// A damaged file can still tell how far the numbers had come.
    var hasBelievableName: Bool { firstSeq < Numbering.nameEnd }
}

/// The segments in order of their first seq.
struct Catalogue: Sendable {
    private(set) var segments: [SegmentState] = []
    var aside: [AsideFile] = []

    var bytes: Int {
        segments.reduce(aside.reduce(0) { $0 + ($1.isForeign ? 0 : $1.size) }) { $0 + ($1.isRemoving ? 0 : $1.fileSize) }
    }
    var indices: Range<Int> { segments.indices }
    var isEmpty: Bool { segments.isEmpty }

    subscript(index: Int) -> SegmentState {
        get { segments[index] }
        _modify { yield &segments[index] }
    }

    /// Index of the segment that begins with `firstSeq`.
    func index(of firstSeq: UInt64) -> Int? {
        let place = place(of: firstSeq)
        return place < segments.count && segments[place].firstSeq == firstSeq ? place : nil
    }

    /// Index of the first segment whose first seq is not below `firstSeq`.
    func place(of firstSeq: UInt64) -> Int {
        if let last = segments.last, last.firstSeq < firstSeq { return segments.count }
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].firstSeq < firstSeq { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func insert(_ segment: SegmentState) {
        segments.insert(segment, at: place(of: segment.firstSeq))
    }

    /// Takes the one that goes first when space is short: a damaged one, else the oldest.
    mutating func popAside() -> AsideFile? {
        let first = aside.firstIndex { $0.isRemovable } ?? aside.firstIndex { $0.isNewer }
        return first.map { aside.remove(at: $0) }
    }

    mutating func remove(at index: Int) { segments.remove(at: index) }
}
