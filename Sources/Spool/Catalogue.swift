import Base

/// What memory holds of one segment file: sums per device and the settled bits, no index of records.
struct SegmentState: Sendable {
    /// One device's unsettled records in one segment.
    struct Tally: Sendable {
        var alive = 0
        var bytes = 0
        /// Of the alive ones, those that are neither loaded nor in flight.
        var unloaded = 0
        var from: UInt64
        var to: UInt64
        var fromTime: WallTime
        var toTime: WallTime
    }

    var header: Segment.Header
    var fileSize: Int
    /// The end of the last durable record.
    var end = Segment.dataStart
    var lastSeq: UInt64
    var alive = 0
    var tallies: [Int: Tally] = [:]
    var settled = Settled()
    var generation: UInt64 = 0
    /// Bits were set that no page on disk has yet.
    var isDirty = false
    /// A write to the file failed: it is never written again.
    var isPoisoned = false
    var isRemoving = false
    /// What the unsettled gap records report: dropping one must not lose its count.
    var gaps: [UInt64: Gap] = [:]
    var pagesInFlight = 0
    /// Its file is being replaced by a shorter one.
    var isTrimming = false
    var newest: WallTime
    let seed: UInt32

    var firstSeq: UInt64 { header.firstSeq }
    var name: String { Segment.name(header.firstSeq) }

    init(_ header: Segment.Header, fileSize: Int) {
        self.header = header
        self.fileSize = fileSize
        lastSeq = header.firstSeq &- 1
        newest = header.created.wall
        seed = Record.seed(salt: header.salt)
    }

    mutating func add(_ device: Int, seq: UInt64, wall: WallTime, size: Int, unloaded: Bool) {
        alive += 1
        if newest < wall { newest = wall }
        if var tally = tallies.removeValue(forKey: device) {
            tally.to = max(tally.to, seq)
            tally.toTime = max(tally.toTime, wall)
            tally.fromTime = min(tally.fromTime, wall)
            tally.count(1, size, unloaded ? 1 : 0)
            tallies[device] = tally
        } else {
            var tally = Tally(from: seq, to: seq, fromTime: wall, toTime: wall)
            tally.count(1, size, unloaded ? 1 : 0)
            tallies[device] = tally
        }
    }

    /// Sets the bit of a loaded record.
    mutating func settle(_ item: Item) {
        let device = item.device
        settled.insert(offset: item.offset)
        if item.gap != nil { gaps[item.record.seq] = nil }
        isDirty = true
        alive -= 1
        tallies[device]?.count(-1, -item.size, 0)
        if tallies[device]?.alive == 0 { tallies[device] = nil }
    }

    mutating func loaded(_ device: Int, _ change: Int) { tallies[device]?.unloaded -= change }
}

extension SegmentState.Tally {
    mutating func count(_ records: Int, _ size: Int, _ unloaded: Int) {
        alive += records
        bytes += size
        self.unloaded += unloaded
    }
}

/// The segments in order of their first seq.
struct Catalogue: Sendable {
    private(set) var segments: [SegmentState] = []
    /// Bytes of files set aside as damaged.
    var asideBytes = 0

    var bytes: Int { segments.reduce(asideBytes) { $0 + ($1.isRemoving ? 0 : $1.fileSize) } }
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

    mutating func remove(at index: Int) { segments.remove(at: index) }
}
