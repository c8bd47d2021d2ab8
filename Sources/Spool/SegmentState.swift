import Base

/// State of one segment file in memory: sums for each queue and the settled bits, no index of
/// records.
struct SegmentState: Sendable {
    /// The use that is made of the file.
    enum Fate: Sendable {
        case kept
        /// Its spare end is being cut off: the same records in a shorter file.
        case trimming
        /// A shorter file without what is settled or has to go is being made.
        case rewriting
        case removing
    }

    /// The highest number that a record of the file has.
    enum LastSeq: Sendable {
        case known(UInt64)
        /// Records at the end were damaged. Higher numbers may have been used, so the next segment
        /// does not continue this one.
        case atLeast(UInt64)

        var value: UInt64 {
            switch self {
            case .known(let seq), .atLeast(let seq): seq
            }
        }
    }

    /// One queue's unsettled records in one segment.
    struct Tally: Sendable {
        var alive = RecordSum()
        /// Of the alive ones, those that are neither loaded nor in flight.
        var unloaded = RecordSum()
        var from: UInt64
        var to: UInt64
        var fromTime: WallTime
        var toTime: WallTime
    }

    let header: Segment.Header
    let name: String
    let seed: UInt32
    /// Where the first record may begin, behind the header's copy.
    let start: Int
    /// End of the last durable record.
    private(set) var end: Int
    private(set) var fileSize: Int
    private(set) var last: LastSeq
    /// The latest times of a record or of the file's creation.
    private(set) var newest: Moment
    /// Unsettled records.
    private(set) var alive = 0
    private(set) var tallies: [Int: Tally] = [:]
    /// Losses that the unsettled gap records report, by the records' numbers: dropping one must not
    /// lose its count.
    private(set) var gaps: [UInt64: Gap] = [:]
    var pages = SettledPages()
    private(set) var fate = Fate.kept
    /// A write to the file failed: it is never written again.
    private(set) var isPoisoned = false
    /// Rewriting it failed: it goes as a whole when it must.
    private(set) var isStuck = false
    /// Losses in it that are reported by a gap record which is not durable yet.
    private(set) var openMarks = 0
    /// Parts in which recovery could read nothing: their records are reported as lost, and stay
    /// lost even if they can be read later.
    private var lost: [Range<Int>] = []

    var firstSeq: UInt64 { header.firstSeq }
    var lastSeq: UInt64 { last.value }
    var isRemoving: Bool { fate == .removing }
    var isRewriting: Bool { fate == .rewriting }
    var aliveBytes: Int { tallies.values.reduce(0) { $0 + $1.alive.bytes } }
    /// Whether the next page of it may be written.
    var wantsPage: Bool { pages.isDirty && !isPoisoned && fate == .kept }
    /// Whether the disk knows that nothing in it is wanted any more.
    var isSettled: Bool {
        alive == 0 && openMarks == 0 && fate == .kept && (pages.isWritten || isPoisoned)
    }

    init(
        _ header: Segment.Header, fileSize: Int, pages: SettledPages = SettledPages(),
        reserve: Record.Reserve? = nil
    ) {
        self.header = header
        self.fileSize = fileSize
        self.pages = pages
        name = Segment.name(header.firstSeq)
        last = .known(header.firstSeq &- 1)
        start =
            Segment.dataStart + Record.size(payload: header.encoded.count)
            + (reserve.map { Record.size(payload: $0.payload.count) } ?? 0)
        end = start
        newest = header.created
        seed = Record.seed(salt: header.salt)
    }

    /// The file that takes the place of another.
    init(_ made: Rewrite, replacing old: SegmentState) {
        self.init(
            made.header, fileSize: made.bytes.count,
            pages: SettledPages(made.settled, generation: 1))
        end = made.bytes.count
        last = .known(old.lastSeq)
        newest = old.newest
        openMarks = made.notes.count
    }

    // MARK: - Records

    mutating func add(_ item: Item, unloaded: Bool) {
        add(
            item.queue, seq: item.record.seq, at: item.record.at, RecordSum(item), gap: item.gap,
            unloaded: unloaded)
    }

    /// Adds a record.
    ///
    /// - Parameter sum: that of the record alone.
    mutating func add(
        _ queue: Int, seq: UInt64, at: Moment, _ sum: RecordSum, gap: Gap?, unloaded: Bool
    ) {
        alive += 1
        if newest.instant < at.instant { newest.instant = at.instant }
        if newest.wall < at.wall { newest.wall = at.wall }
        var tally =
            tallies.removeValue(forKey: queue)
            ?? Tally(from: seq, to: seq, fromTime: at.wall, toTime: at.wall)
        tally.to = max(tally.to, seq)
        tally.toTime = max(tally.toTime, at.wall)
        tally.fromTime = min(tally.fromTime, at.wall)
        tally.alive += sum
        if unloaded { tally.unloaded += sum }
        tallies[queue] = tally
        if let gap { gaps[seq] = gap }
    }

    /// Sets the bit of a loaded record.
    mutating func settle(_ item: Item) {
        pages.settle(offset: item.offset)
        if item.gap != nil { gaps[item.record.seq] = nil }
        remove(RecordSum(item), of: item.queue)
    }

    private mutating func remove(_ sum: RecordSum, of queue: Int) {
        alive -= sum.records
        tallies[queue]?.alive += -sum
        if tallies[queue]?.alive.records == 0 { tallies[queue] = nil }
    }

    /// Takes a queue's records that cannot be read out of the sums; answers what they were part of.
    mutating func loseUnloaded(of queue: Int) -> Tally? {
        guard let tally = tallies[queue], tally.unloaded.records > 0 else { return nil }
        tallies[queue]?.unloaded = RecordSum()
        remove(tally.unloaded, of: queue)
        return tally
    }

    /// Moves the sums of one queue to another.
    mutating func move(_ queue: Int, to other: Int) {
        guard let moved = tallies.removeValue(forKey: queue) else { return }
        tallies[other] = tallies[other].map { $0 + moved } ?? moved
    }

    mutating func loaded(_ record: RecordSum, of queue: Int) { tallies[queue]?.unloaded += -record }

    mutating func unloaded(_ record: RecordSum, of queue: Int) {
        tallies[queue]?.unloaded += record
    }

    // MARK: - The end

    /// A commit is durable.
    mutating func committed(_ items: [Item], end: Int) {
        self.end = end
        pages.add(records: items.count)
        if let item = items.last { last = .known(item.record.seq) }
    }

    /// Recovery found a valid record that ends here.
    mutating func found(end: Int) { self.end = end }

    /// Recovery read, or concluded, that this number was used.
    mutating func raise(lastSeq seq: UInt64) {
        switch last {
        case .known(let known): last = .known(max(known, seq))
        case .atLeast(let known): last = .atLeast(max(known, seq))
        }
    }

    /// Records at the end are damaged, with numbers up to this one at least.
    mutating func endDamaged(upTo seq: UInt64) { last = .atLeast(max(lastSeq, seq)) }

    // MARK: - The file

    mutating func poison() { isPoisoned = true }

    /// The size without the spare end, in whole blocks.
    var trimmedSize: Int { (end + 4095) & ~4095 }

    mutating func beginTrimming() { fate = .trimming }

    mutating func trimmed() { fileSize = trimmedSize }

    mutating func endTrimming() { if fate == .trimming { fate = .kept } }

    mutating func beginRewriting() { fate = .rewriting }

    mutating func rewritingFailed() {
        fate = .kept
        isStuck = true
    }

    mutating func beginRemoving() { fate = .removing }

    mutating func removingFailed() {
        fate = .kept
        isPoisoned = true
    }

    /// Forgets everything that waits in it: it was told as lost, or acknowledged.
    mutating func forget() {
        gaps = [:]
        alive = 0
        tallies = [:]
        pages.discard()
    }

    mutating func openMark() { openMarks += 1 }

    /// Recovery could read nothing in a part of the file.
    mutating func lose(_ range: Range<Int>) { lost.append(range) }

    /// Whether a data record at this place waits: it is neither settled nor reported as lost.
    func waits(at offset: Int) -> Bool {
        !pages.contains(offset: offset) && !lost.contains { $0.contains(offset) }
    }

    /// A gap record that reports the loss is durable.
    mutating func close(_ mark: LossLedger.Mark) {
        openMarks -= 1
        pages.settle(mark.count, in: mark.range)
    }

    func invariants() -> [String] {
        let sums = tallies.values
        return pages.invariants()
            + broken(
                (
                    alive == sums.reduce(0) { $0 + $1.alive.records },
                    "\(name): \(alive) alive, not the sum of its queues"
                ),
                (
                    sums.allSatisfy { $0.alive.records > 0 && $0.alive.isSound },
                    "\(name): a queue's sum is wrong"
                ),
                (
                    sums.allSatisfy { $0.unloaded.isSound && $0.unloaded.isPart(of: $0.alive) },
                    "\(name): more is unloaded than alive"
                ),
                (openMarks >= 0, "\(name): \(openMarks) open marks"),
                (start <= end, "\(name): ends at \(end), before its first record"))
    }
}

extension SegmentState.Tally {
    /// The sum of a queue's records in two segments.
    static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.alive += right.alive
        sum.unloaded += right.unloaded
        sum.from = min(left.from, right.from)
        sum.to = max(left.to, right.to)
        sum.fromTime = min(left.fromTime, right.fromTime)
        sum.toTime = max(left.toTime, right.toTime)
        return sum
    }
}
