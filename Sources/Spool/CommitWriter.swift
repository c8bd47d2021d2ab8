import Base

/// Group commit: records that wait for the disk, and the one write that is under way. A write
/// carries records, loss totals behind them, and the settled page of their segment.
struct CommitWriter: Sendable {
    /// A write under way.
    struct Commit: Sendable {
        var segment: UInt64
        var items: [Item]
        /// Where the records end in the file.
        var end: Int
        var anchor: Moment?
        var totals: LossTotals
        /// No earlier commit had these totals.
        var areTotalsNew: Bool
        /// Losses that are reported by gap records in this commit or an earlier one.
        var marks: [LossLedger.Mark] = []

        var hasGap: Bool { items.contains { $0.gap != nil } }
    }

    /// Data that is written beside the records.
    struct Extras {
        var anchor: Moment?
        var totals: LossTotals
        var areTotalsNew: Bool
        /// The number of the next record that gets one.
        var nextSeq: UInt64
    }

    /// Pending bytes from which on a commit does not wait for its time.
    static let batchBytes = 64 << 10
    /// Bytes of one commit, one record more at most.
    static let batchMax = 512 << 10
    static let priorityDelay = Duration.milliseconds(50)
    /// Acknowledgements after which pages are written before their time.
    static let settledMax = 1000
    /// A clock anchor's size.
    static let anchorSize = 48

    private let sync: Duration
    private(set) var pending: [Item] = []
    private(set) var pendingBytes = 0
    private(set) var commit: Commit?
    /// Whether a commit is to follow when the write under way has ended.
    private(set) var isWanted = false
    /// Whether pages wait for a commit with the gap records of what they drop.
    private(set) var arePagesWanted = false
    private var settledSincePages = 0

    init(sync: Duration) { self.sync = sync }

    /// The segment that is being written to.
    var segment: UInt64? { commit.map { $0.segment } }
    func isWriting(to segment: UInt64) -> Bool { commit.map { $0.segment == segment } ?? false }
    var isBatchFull: Bool { pendingBytes >= Self.batchBytes }
    /// The lowest number that is not on the disk yet; nil if nothing is pending or being written.
    var firstSeq: UInt64? { commit?.items.first?.record.seq ?? pending.first?.record.seq }
    /// Whether a gap record is on its way to the disk.
    var hasGap: Bool { commit?.hasGap ?? false || pending.contains { $0.gap != nil } }

    /// When a record that waits since `since` is to be committed.
    func due(isPriority: Bool, since: Instant) -> Instant {
        since + (isPriority ? min(Self.priorityDelay, sync) : sync)
    }

    // MARK: - Pending records

    mutating func append(_ item: Item) {
        pending.append(item)
        pendingBytes += item.size
    }

    /// Numbers the records that were appended before recovery had ended.
    mutating func number(_ numbers: inout Numbering) {
        for index in pending.indices where pending[index].record.seq == 0 {
            pending[index].record.seq = numbers.take()
        }
    }

    /// Takes every pending record: they go to memory.
    mutating func takePending() -> [Item] {
        defer { (pending, pendingBytes) = ([], 0) }
        return pending
    }

    /// Puts records before all that are pending.
    mutating func prepend(_ items: [Item]) {
        pendingBytes += items.reduce(0) { $0 + $1.size }
        pending = items + pending
    }

    mutating func move(_ queue: Int, to other: Int) {
        for index in pending.indices where pending[index].queue == queue {
            pending[index].queue = other
        }
        guard var moved = commit else { return }
        for index in moved.items.indices where moved.items[index].queue == queue {
            moved.items[index].queue = other
        }
        commit = moved
    }

    // MARK: - When to write

    mutating func want() { isWanted = true }

    mutating func unwant() { isWanted = false }

    mutating func wantPages() { arePagesWanted = true }

    mutating func pagesWritten() { arePagesWanted = false }

    /// Counts an acknowledgement; answers whether the pages are to be written now.
    mutating func settled() -> Bool {
        settledSincePages += 1
        return settledSincePages >= Self.settledMax
    }

    mutating func pagesBegan() { settledSincePages = 0 }

    // MARK: - One commit

    /// Whether the first pending record, an anchor and the totals fit into the file.
    func fits(_ segment: SegmentState) -> Bool {
        let size = (pending.first?.size ?? Self.anchorSize) + LossTotals.recordSize
        return !segment.isPoisoned && segment.end + size <= segment.fileSize
    }

    /// Begins a commit to a segment; answers what is to be written at which place.
    mutating func begin(
        _ segment: inout SegmentState, _ extras: Extras, at now: Instant
    ) -> [DiskRequest.Extent] {
        let start = segment.end
        let room = segment.fileSize - start - LossTotals.recordSize
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(pendingBytes + Self.anchorSize, Self.batchMax))
        if let anchor = extras.anchor {
            Record.appendAnchor(
                anchor, nextSeq: pending.first?.record.seq ?? extras.nextSeq, seed: segment.seed,
                to: &bytes)
        }
        let items = take(segment, at: start, room, &bytes)
        // They end every commit: their seq says how many records stood before them.
        Record.append(
            .totals, extras.totals.payload, nextSeq: pending.first?.record.seq ?? extras.nextSeq,
            at: now,
            seed: segment.seed, to: &bytes)
        var extents = [DiskRequest.Extent(offset: start, bytes: bytes)]
        if segment.pages.isNoteDue(at: now) { segment.pages.noteRecords() }
        // A page must not drop what no durable gap record reports yet: it waits for the next
        // commit.
        if segment.pages.isDirty, !items.contains(where: { $0.gap != nil }) {
            extents.append(segment.pages.next(seed: segment.seed, at: now))
        }
        commit = Commit(
            segment: segment.firstSeq, items: items, end: start + bytes.count,
            anchor: extras.anchor,
            totals: extras.totals, areTotalsNew: extras.areTotalsNew)
        return extents
    }

    /// Adds the marks of losses whose gap records are in the commit under way or on the disk.
    mutating func add(_ marks: [LossLedger.Mark]) { commit?.marks += marks }

    /// Takes as many pending records as fit and encodes them.
    private mutating func take(
        _ segment: SegmentState, at start: Int, _ room: Int, _ bytes: inout [UInt8]
    ) -> [Item] {
        var count = 0
        while count < pending.count, bytes.count < Self.batchMax,
            bytes.count + pending[count].size <= room
        {
            pending[count].segment = segment.firstSeq
            pending[count].offset = start + bytes.count
            Record.append(pending[count].record, seed: segment.seed, to: &bytes)
            pendingBytes -= pending[count].size
            count += 1
        }
        var items: [Item] = []
        if count == pending.count {
            swap(&items, &pending)
        } else {
            items = Array(pending[..<count])
            pending.removeFirst(count)
        }
        return items
    }

    /// Ends the write under way; nil if there is none.
    mutating func end() -> Commit? { commit.take() }

    /// A commit failed: its records are pending again and have no place.
    mutating func putBack(_ failed: Commit) {
        prepend(
            failed.items.map { item in
                var item = item
                item.segment = 0
                return item
            })
    }

    func invariants() -> [String] {
        let seqs = ((commit?.items ?? []) + pending).map(\.record.seq).filter { $0 != 0 }
        return broken(
            (
                pendingBytes == pending.reduce(0) { $0 + $1.size },
                "\(pendingBytes) bytes are pending, by their sum"
            ),
            (
                zip(seqs, seqs.dropFirst()).allSatisfy { $0 < $1 },
                "pending records are out of order"
            ),
            (
                commit?.items.allSatisfy { $0.segment == commit?.segment } ?? true,
                "a commit to two segments"
            ))
    }
}
