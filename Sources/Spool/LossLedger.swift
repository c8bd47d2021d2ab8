import Base

/// A loss on its way to the ledger.
struct Loss: Sendable {
    var gap: Gap
    /// It was counted when it happened; now its gap record is lost too.
    var isRepeated = false

    init(_ gap: Gap, isRepeated: Bool = false) {
        self.gap = gap
        self.isRepeated = isRepeated
    }

    /// The loss of one record. A gap record passes on the losses that it reports.
    init(of record: StoredRecord, reporting gap: Gap?, _ reason: Gap.Reason) {
        if let gap {
            self.init(gap, isRepeated: true)
            return
        }
        self.init(
            Gap(
                device: record.device, from: record.seq, to: record.seq, count: 1,
                fromTime: record.at.wall,
                toTime: record.at.wall, reason: reason))
    }
}

/// Every loss: totals over all runs, the open gap of each device, and losses whose settled bits
/// wait for the gap record that reports them.
struct LossLedger: Sendable {
    /// A loss in a segment. When a gap record has reported it, `count` bits of the range are set,
    /// so that the next start does not find it again.
    struct Mark: Sendable {
        var segment: UInt64
        var range: Range<Int>
        var count: Int

        init(segment: UInt64, range: Range<Int>, count: Int) {
            self.segment = segment
            self.range = range
            self.count = count
        }

        /// The loss that a loss note at `offset` tells.
        init(note offset: Int, in segment: UInt64) {
            self.init(segment: segment, range: offset..<offset + Settled.granule, count: 1)
        }
    }

    /// Key of the gap whose device is not known. The other keys are places in the device table.
    static let noDevice = -1
    static let pace = Duration.seconds(10)

    /// Subfolder of the gateway's events in which losses are reported; nil: they are not reported.
    private(set) var subfolder: String?
    /// Least time between two gap records of a device for losses of records that were on the disk.
    private let sync: Duration

    private var open: [Int: Gap] = [:]
    private var lastReport: [Int: Instant] = [:]
    /// Keys of gaps that report records dropped from the disk.
    private var urgent: Set<Int> = []
    private var marks: [Mark] = []

    /// Records lost since the journal was made.
    private(set) var totals = LossTotals()
    /// The part of `totals` that is on the disk.
    private(set) var durableTotals = LossTotals()
    /// Whether the next commit has totals to write that no earlier one wrote.
    private(set) var areTotalsNew = false
    /// Records lost in this run.
    private(set) var dropped = 0
    /// Of these by damage.
    private(set) var damaged = 0

    init(subfolder: String?, sync: Duration) {
        self.subfolder = subfolder
        self.sync = sync
    }

    /// Whether gap records are made.
    var isReporting: Bool { subfolder != nil }
    /// Whether every loss was put into a gap record.
    var isEmpty: Bool { open.isEmpty }
    /// Whether a record dropped from the disk is in no gap record yet.
    var hasUrgent: Bool { !urgent.isEmpty }

    // MARK: - Losses

    /// Reports losses in this subfolder from now on; nil: no more, and those not reported yet are
    /// forgotten.
    mutating func report(in subfolder: String?) {
        self.subfolder = subfolder
        if subfolder == nil { (open, urgent) = ([:], []) }
    }

    mutating func count(_ loss: Loss) {
        guard !loss.isRepeated else { return }
        dropped += loss.gap.count
        if loss.gap.reason == .damage { damaged += loss.gap.count }
        totals.add(loss.gap.count, loss.gap.reason)
        areTotalsNew = true
    }

    /// Merges a loss into the open gap of its device; answers when that is to be a record. A record
    /// dropped from the disk is reported with the next commit, so that a crash cannot hide it.
    mutating func report(_ gap: Gap, of key: Int, isDraining: Bool, at now: Instant) -> Instant {
        if open[key] == nil { open[key] = gap } else { open[key]?.merge(gap) }
        if gap.reason.isOnDisk { urgent.insert(key) }
        return due(key, gap.reason, isDraining, now)
    }

    private func due(
        _ key: Int, _ reason: Gap.Reason, _ isDraining: Bool, _ now: Instant
    ) -> Instant {
        guard !isDraining, let sent = lastReport[key] else { return now }
        return max(now, sent + (reason.isOnDisk ? sync : Self.pace))
    }

    /// Takes the gaps that are to be records now, in the order of their keys. Urgent ones are
    /// always due: the settled bits of this commit or a later one must not come before them.
    mutating func takeDue(isDraining: Bool, at now: Instant) -> (gaps: [Gap], next: Instant?) {
        var taken: [Gap] = []
        var next: Instant?
        for key in open.keys.sorted() {
            guard let gap = open[key] else { continue }
            let due = due(key, gap.reason, isDraining, now)
            if due > now, !isDraining, !urgent.contains(key) {
                next = min(next ?? .distantFuture, due)
                continue
            }
            open[key] = nil
            urgent.remove(key)
            lastReport[key] = now
            taken.append(gap)
        }
        return (taken, next)
    }

    /// The open gaps by their keys.
    var openGaps: [Int: Gap] { open }

    // MARK: - Marks

    mutating func mark(_ mark: Mark) { marks.append(mark) }

    /// Takes the marks of losses that were put into gap records. The caller commits the last of
    /// these now.
    mutating func takeMarks() -> [Mark] {
        guard open.isEmpty else { return [] }
        defer { marks = [] }
        return marks
    }

    mutating func restore(_ marks: [Mark]) { self.marks += marks }

    // MARK: - Totals

    /// The totals for a commit, and whether they are new; they count as written from here on.
    mutating func takeTotals() -> (totals: LossTotals, areNew: Bool) {
        defer { areTotalsNew = false }
        return (totals, areTotalsNew)
    }

    /// A commit with new totals failed.
    mutating func totalsNotWritten() { areTotalsNew = true }

    /// A commit made these totals durable.
    mutating func totalsWritten(_ totals: LossTotals) { durableTotals = totals }

    /// A rewritten file made these totals durable; a later commit may have written higher ones.
    mutating func totalsRewritten(_ totals: LossTotals) { durableTotals.raise(to: totals) }

    /// The totals of earlier runs, from the files; those of this run come on top.
    mutating func recovered(_ before: LossTotals) {
        durableTotals = before
        var all = before
        all.add(totals)
        totals = all
    }

    /// Totals that an earlier process could not write.
    mutating func inherit(_ losses: LossTotals) {
        totals.add(losses)
        areTotalsNew = true
    }

    /// Losses that are not in the totals on the disk.
    var unwritten: LossTotals { totals.beyond(durableTotals) }

    func invariants() -> [String] {
        broken(
            (urgent.isSubset(of: open.keys), "an urgent gap is not open"),
            (isReporting || open.isEmpty, "gaps are open and never reported"),
            (
                open.values.allSatisfy { $0.count > 0 || $0.reason == .restart },
                "a gap reports nothing"
            ),
            (damaged <= dropped, "\(damaged) records damaged of \(dropped) lost"))
    }
}
