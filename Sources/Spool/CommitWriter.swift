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
        /// The reserve record that it writes.
        var reserve: Record.Reserve?
        /// Numbers of records that were acknowledged since it began.
        var acknowledged: Set<UInt64> = []

        var hasGap: Bool { items.contains { $0.gap != nil } }
    }

    /// Data that is written beside the records.
    struct Extras {
        var anchor: Moment?
        var totals: LossTotals
        var areTotalsNew: Bool
        /// The number of the next record that gets one.
        var nextSeq: UInt64
        var reserve: Record.Reserve?
    }

    /// Pending bytes from which on a commit does not wait for its time.
    static let batchBytes = 64 << 10
    /// The same where records are sent before they are durable: most are acknowledged in time.
    static let earlyBytes = 512 << 10
    /// Bytes of one commit, one record more at most.
    static let batchMax = 512 << 10
    static let priorityDelay = Duration.milliseconds(50)
    /// Acknowledgements after which pages are written before their time.
    static let settledMax = 1000
    /// A clock anchor's size.
    static let anchorSize = 48

    private let sync: Duration
    private(set) var pending = PendingRecords()
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
    var isBatchFull: Bool {
        pending.heldBytes >= Self.batchBytes || pending.bytes >= Self.earlyBytes
    }
    /// The lowest number that is not on the disk yet; nil if nothing is pending or being written.
    var firstSeq: UInt64? { commit?.items.first?.record.seq ?? pending.firstSeq }
    /// Whether a gap record is on its way to the disk.
    var hasGap: Bool { commit?.hasGap ?? false || pending.hasGap }

    /// When a record that waits since `since` is to be committed.
    func due(isPriority: Bool, since: Instant) -> PendingRecords.Due {
        PendingRecords.Due(
            waiting: since + (isPriority ? min(Self.priorityDelay, sync) : sync), sent: since + sync
        )
    }

    // MARK: - Pending records

    mutating func append(_ item: Item, due: PendingRecords.Due) { pending.append(item, due: due) }

    /// A record is on its way to the bridge.
    mutating func sent(_ seq: UInt64) { pending.sent(seq) }

    /// The bridge has a record that is not durable yet; answers whether it will never be written.
    mutating func acknowledged(_ seq: UInt64) -> Bool {
        if pending.remove(seq) { return true }
        commit?.acknowledged.insert(seq)
        return false
    }

    /// Has a record wait until it is durable before it is sent.
    mutating func hold(_ seq: UInt64) {
        guard !pending.hold(seq), var held = commit,
            let place = held.items.firstIndex(where: { $0.record.seq == seq })
        else { return }
        held.items[place].isPending = false
        commit = held
    }

    /// Numbers the records that were appended before recovery had ended.
    mutating func number(_ numbers: inout Numbering) {
        pending.update { if $0.record.seq == 0 { $0.record.seq = numbers.take() } }
    }

    /// Takes every pending record: they go to memory. Those whose number may have been sent keep
    /// it, the others get a new one; those in flight stay there.
    mutating func takePending(
        _ numbers: inout Numbering, _ outage: inout Outage, _ backlog: inout Backlog
    ) -> [Item] {
        backlog.takePending()
        return pending.removeAll().compactMap { item in
            var item = item
            if item.record.seq != 0, item.isPending || !item.keepsNumber {
                outage.renumbered(item.record.seq)
            }
            if item.isPending, backlog.isInFlight(item.record.seq) { return nil }
            if !item.isPending, !item.keepsNumber { item.record.seq = numbers.take() }
            (item.isPending, item.keepsNumber, item.segment) = (false, true, 0)
            return item
        }
    }

    /// Puts records before all that are pending.
    mutating func prepend(_ items: [Item]) { pending.prepend(items) }

    mutating func move(_ queue: Int, to other: Int) {
        pending.update { if $0.queue == queue { $0.queue = other } }
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
        let size =
            (pending.first?.size ?? Self.anchorSize) + LossTotals.recordSize
            + Record.Reserve.recordSizeMax
        return !segment.isPoisoned && segment.end + size <= segment.fileSize
    }

    /// Begins a commit to a segment; answers what is to be written at which place.
    mutating func begin(
        _ segment: inout SegmentState, _ extras: Extras, at now: Instant
    ) -> [DiskRequest.Extent] {
        let start = segment.end
        let reserveSize = extras.reserve == nil ? 0 : Record.Reserve.recordSizeMax
        let room = segment.fileSize - start - LossTotals.recordSize - reserveSize
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(pending.bytes + Self.anchorSize, Self.batchMax))
        if let anchor = extras.anchor {
            Record.appendAnchor(
                anchor, nextSeq: pending.firstSeq ?? extras.nextSeq, seed: segment.seed, to: &bytes)
        }
        let items = take(segment, at: start, room, &bytes)
        let nextSeq = pending.firstSeq ?? extras.nextSeq
        var reserve = extras.reserve
        if items.contains(where: { $0.gap?.reason == .restart }) { reserve?.untold = nil }
        reserve?.records = segment.pages.settled.records + items.count
        if let reserve {
            Record.append(
                .reserve, reserve.payload, nextSeq: nextSeq, at: now, seed: segment.seed, to: &bytes
            )
        }
        // They end every commit: their seq says how many records stood before them.
        Record.append(
            .totals, extras.totals.payload, nextSeq: nextSeq, at: now, seed: segment.seed,
            to: &bytes)
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
            totals: extras.totals, areTotalsNew: extras.areTotalsNew, reserve: reserve)
        return extents
    }

    /// Adds the marks of losses whose gap records are in the commit under way or on the disk.
    mutating func add(_ marks: [LossLedger.Mark]) { commit?.marks += marks }

    /// Takes as many pending records as fit and encodes them.
    private mutating func take(
        _ segment: SegmentState, at start: Int, _ room: Int, _ bytes: inout [UInt8]
    ) -> [Item] {
        var items: [Item] = []
        while let size = pending.first?.size, bytes.count < Self.batchMax,
            bytes.count + size <= room, var item = pending.popFirst()
        {
            item.segment = segment.firstSeq
            item.offset = start + bytes.count
            Record.append(item.record, seed: segment.seed, to: &bytes)
            items.append(item)
        }
        return items
    }

    /// Ends the write under way; nil if there is none.
    mutating func end() -> Commit? { commit.take() }

    /// A commit failed: its records are pending again and have no place, but for those that the
    /// bridge has.
    mutating func putBack(_ failed: Commit) {
        prepend(
            failed.items.compactMap { item in
                guard !failed.acknowledged.contains(item.record.seq) else { return nil }
                var item = item
                item.segment = 0
                return item
            })
    }

    func invariants() -> [String] {
        let seqs = ((commit?.items ?? []) + pending.items).map(\.record.seq).filter { $0 != 0 }
        return pending.invariants()
            + broken(
                (
                    zip(seqs, seqs.dropFirst()).allSatisfy { $0 < $1 },
                    "records of a commit are behind those that are pending"
                ),
                (
                    commit?.items.allSatisfy { $0.segment == commit?.segment } ?? true,
                    "a commit to two segments"
                ))
    }
}
