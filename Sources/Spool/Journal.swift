import Base

/// The journal: every reading waits here, on disk, until the bridge has acknowledged it.
///
/// A record is offered for sending only after the write that covers it was synced; its settled bit
/// goes to disk with a later commit, and a segment file goes when all of it is settled. Losses are
/// never silent: each is part of a gap record (see `Gap`).
///
/// With `offersEarly` a reading whose number is reserved on the disk is offered at once, and is
/// written only if it was not acknowledged within `sync`. Gaps and results are durable first, and
/// so is what stands behind them or behind a backlog of its device.
///
/// Memory holds a window of each device's oldest records and per segment a few sums, never an
/// index of the backlog. When the disk fails, records live in a bounded ring in memory, loudly,
/// until a probe succeeds. The format is documented at `Segment`, `Settled` and `Record`.
///
/// | part | owns |
/// |---|---|
/// | `Mode` | where new records go, and what is known of the disk |
/// | `Numbering` | the numbers of records |
/// | `NumberReserve` | the numbers that no later run gives again |
/// | `SegmentCatalogue` | the segment files, their settled bits and sums |
/// | `Backlog` | records that wait or are in flight, by device, and their sums |
/// | `CommitWriter` | records on their way to the disk |
/// | `LossLedger` | what was lost, and what of it was reported |
/// | `RoomMaker` | what goes when space is short |
/// | `Loader` | reading records of the backlog |
/// | `Recovery` | reading the files at the start |
/// | `Outage` | when a failing disk is given up and tried again |
/// | `JournalClock` | the relation of boot time to civil time |
/// | `Outbox` | requests, notices and deadlines for the caller |
///
/// This type has the parts work together: what the caller asks is here, what the disk answers in
/// its extensions.
package struct Journal: Sendable {
    package typealias Settings = JournalSettings
    package typealias Statistics = JournalStatistics

    package enum Output: Sendable {
        case disk(DiskRequest)
        case notice(Notice)
        /// The directory cannot be used at all (another process holds it, another identity wrote
        /// it); says what to do. Nothing follows.
        case failed(String)
    }

    package enum Timer: Hashable, Sendable {
        /// The oldest pending record has waited long enough.
        case commit
        /// Settled bits have waited long enough.
        case settle
        /// A gap record may be written.
        case gaps
        /// The failed disk is tried again.
        case probe
        /// Age limits, and removals that failed.
        case upkeep
        /// A chunk that could not be read is read again.
        case reread
    }

    static let upkeepPace = Duration.seconds(60)

    let settings: Settings
    var mode = Mode.new
    /// Everything is to be committed at once: the process ends.
    var isDraining = false
    var random: RandomSource
    var counters = Statistics()

    var outbox = Outbox()
    var clock: JournalClock
    var numbers: Numbering
    var reserve: NumberReserve
    var catalogue = SegmentCatalogue()
    var backlog: Backlog
    var writer: CommitWriter
    var ledger: LossLedger
    var room: RoomMaker
    var loader = Loader()
    var outage = Outage()
    var recovery: Recovery?

    package init(_ settings: Settings, bootID: [UInt8], seed: UInt64) {
        self.settings = settings
        random = RandomSource(seed: seed)
        clock = JournalClock(bootID: bootID)
        numbers = Numbering(seed: ~seed)
        reserve = NumberReserve(isOn: settings.offersEarly)
        backlog = Backlog(settings.limits)
        writer = CommitWriter(sync: settings.sync)
        ledger = LossLedger(subfolder: settings.gapSubfolder, sync: settings.sync)
        room = RoomMaker(settings)
    }

    package mutating func next() -> Output? { outbox.next() }

    package var deadline: (due: Instant, reason: Timer)? { outbox.deadline }

    // MARK: - Start and end

    /// Begins recovery. Appends are accepted from before this on and wait in memory.
    ///
    /// - Parameter floor: what an earlier run had as its `numberFloor`.
    package mutating func start(numbersFrom floor: UInt64? = nil, at now: Moment) {
        guard mode == .new else { return }
        numbers.know(floor)
        mode = .opening
        outbox.arm(.upkeep, at: now.instant + Self.upkeepPace)
        outbox.request(.open, .open)
    }

    /// Commits everything now, settled bits included; `isIdle` tells when that is done.
    package mutating func drain(at now: Moment) {
        isDraining = true
        // What was lost is reported before the end, the totals with it.
        if ledger.areTotalsNew { writer.want() }
        reserve.end()
        // The disk may work again: one last try, and nothing is in memory alone.
        if mode.isMemory, mode.isRecovered { probe(at: now) }
        if mode.isMemory { appendDueGaps(at: now) } else { commitNow(at: now) }
        if let place = catalogue.activePlace { catalogue[place].pages.noteRecords() }
        writePages(at: now)
    }

    /// Whether nothing is pending and no disk operation is outstanding.
    package var isIdle: Bool {
        if mode == .failed { return true }
        guard outbox.isIdle, writer.pending.isEmpty, ledger.isEmpty else { return false }
        return mode.isMemory || !catalogue.wantsPages
    }

    package mutating func timeout(at now: Moment) {
        while let timer = outbox.expire(at: now.instant) {
            switch timer {
            case .commit: commitDue(at: now)
            case .settle: writePages(at: now)
            case .gaps: flushGaps(at: now)
            case .probe: probe(at: now)
            case .upkeep: upkeep(at: now)
            case .reread: reread(at: now)
            }
        }
    }

    // MARK: - Records

    /// Takes an entry; it is durable a commit later, counted from `since`. Answers its number, or
    /// nil while the journal recovers (it is numbered then) or if the entry was refused (a gap
    /// record will say so). Numbers that were not sent change when memory-only mode begins.
    @discardableResult
    package mutating func append(
        _ entry: Entry, waitingSince since: Instant? = nil, at now: Moment
    ) -> UInt64? {
        guard mode != .failed else { return nil }
        let gap = entry.kind == .gap ? Gap(body: entry.body) : nil
        guard entry.body.count <= settings.bodyMax, entry.subfolder.utf8.count <= 255 else {
            refuse(entry, gap, entry.body.count > settings.bodyMax ? .oversize : .rejected, at: now)
            return nil
        }
        let item = Item(entry, queue: backlog.newest(of: entry.device), gap: gap)
        guard mode.isMemory || writer.pending.bytes + item.size <= settings.memoryMax else {
            refuse(entry, gap, .memory, at: now)
            return nil
        }
        let due = writer.due(isPriority: entry.priority, since: since ?? now.instant)
        let seq = enqueue(item, due: due)
        if mode.isMemory {
            for lost in backlog.trimMemory() { lose(lost, .memory, at: now) }
        } else {
            outbox.armEarlier(.commit, at: isReserveLow ? now.instant : due.instant)
            if writer.isBatchFull, mode == .journal { commitNow(at: now) }
        }
        return seq == 0 ? nil : seq
    }

    /// Whether numbers are to be reserved now.
    var isReserveLow: Bool { mode == .journal && reserve.isLow(numbers.next) }

    /// Numbers a record if numbers are known, and keeps it in memory or for the next commit;
    /// answers its number.
    ///
    /// - Parameter due: when it is to be committed.
    mutating func enqueue(_ new: Item, due: PendingRecords.Due) -> UInt64 {
        var item = new
        counters.appended += 1
        backlog.count(item, +1)
        if mode.isMemory || mode == .journal { item.record.seq = numbers.take() }
        if mode.isMemory {
            item.keepsNumber = true
            backlog.keepInMemory(item, tails)
        } else {
            // Nobody counts on its being on the disk, and no other will ever have its number.
            item.isPending = !item.record.kind.isDurableFirst && reserve.covers(item.record.seq)
            if item.isPending { item.isPending = mode == .journal && backlog.offer(item) }
            if !item.isPending { backlog.hold(item.queue, +1) }
            writer.append(item, due: due)
        }
        return item.record.seq
    }

    private mutating func refuse(_ entry: Entry, _ gap: Gap?, _ reason: Gap.Reason, at now: Moment)
    {
        counters.refused += 1
        lose(Loss(of: StoredRecord(entry, seq: 0), reporting: gap, reason), at: now)
    }

    /// The device's oldest waiting record of a lane, now in flight; nil if none is loaded.
    package mutating func take(
        _ device: DeviceID, _ lane: Lane = .backlog, at now: Moment
    ) -> StoredRecord? {
        guard let queue = backlog.queue(of: device, lane) else { return nil }
        if mode.isReturning, backlog[queue].isNextInMemory { return nil }
        var taken: StoredRecord?
        while taken == nil, let item = backlog.pop(queue, tails) {
            if clock.isOlder(item.record, than: settings.maxAge, at: now) {
                drop(item, .age, at: now)
                continue
            }
            let boot =
                catalogue.index(of: item.segment).map { catalogue[$0].header.bootID }
                ?? clock.bootID
            let wall = item.record.clockTrusted ? nil : clock.wall(boot, at: item.record.at.instant)
            if item.isPending { writer.sent(item.record.seq) }
            taken = backlog.send(item, wall: wall, isMemoryOnly: mode.isMemory)
        }
        loadMore(at: now)
        return taken
    }

    /// Notes an acknowledgement of the bridge; the settled bit goes to disk with a later commit. A
    /// number that is not in flight is ignored.
    package mutating func settle(_ seq: UInt64, at now: Moment) {
        guard let item = backlog.land(seq) else { return }
        counters.settled += 1
        if mode.isReturning { beginReturn(at: now) }
        finish(item, at: now)
        loadMore(at: now)
    }

    /// Drops a record that the bridge will never take; a gap record reports it as "rejected".
    package mutating func reject(_ seq: UInt64, at now: Moment) {
        guard let item = backlog.land(seq), !item.isTold else { return }
        if mode.isReturning { beginReturn(at: now) }
        drop(item, .rejected, at: now)
        loadMore(at: now)
    }

    /// Puts a record back into its place: the connection was lost before its acknowledgement.
    package mutating func giveBack(_ seq: UInt64, at now: Moment) {
        if backlog.giveBack(seq, &catalogue), mode.isReturning { beginReturn(at: now) }
    }

    /// Puts all of a device's records in flight back.
    package mutating func giveBack(_ device: DeviceID, at now: Moment) {
        for seq in backlog.inFlight(of: device) { giveBack(seq, at: now) }
    }

    // MARK: - Lanes

    /// Makes what waits of a device its backlog lane; what is appended from now on is live. What
    /// was live before a break of the connection joins the backlog.
    package mutating func split(_ device: DeviceID) {
        guard mode == .journal, let main = backlog.existing(device) else { return }
        join(main)
        backlog.split(main, at: numbers.next)
    }

    /// Makes one queue of a device's two again, in order of the numbers.
    package mutating func join(_ device: DeviceID) {
        if let main = backlog.existing(device) { join(main) }
    }

    mutating func join(_ main: Int) {
        guard let live = backlog.join(main, &catalogue) else { return }
        for seq in backlog.takeWithdrawn() { writer.hold(seq) }
        writer.move(live, to: main)
        room.move(live, to: main)
    }

    // MARK: - Clock

    /// Trusts the clock from now on: records of this boot that were written before get the right
    /// time when they are taken, after a restart too.
    package mutating func anchor(at now: Moment) {
        if clock.trust(now) { outbox.armOnce(.commit, at: now.instant + settings.sync) }
    }

    /// Marks what follows as written with a clock that is not trusted; no file calls its time an
    /// anchor.
    package mutating func distrustClock() { clock.distrust() }

    // MARK: - Losses

    /// Takes over what an earlier process could not report.
    package mutating func inherit(_ losses: UntoldLosses, at now: Moment) {
        ledger.inherit(losses.lost)
        for gap in losses.gaps { lose(Loss(gap, isRepeated: true), at: now) }
    }

    /// Reports losses in this subfolder of the gateway's events from now on; nil: no more.
    package mutating func tellGaps(in subfolder: String?) {
        ledger.report(in: subfolder)
        if subfolder == nil { outbox.disarm(.gaps) }
    }

    mutating func lose(_ item: Item, _ reason: Gap.Reason, at now: Moment) {
        lose(Loss(of: item.record, reporting: item.gap, reason), at: now)
    }

    /// Counts a loss, and merges it into the open gap of its device.
    mutating func lose(_ loss: Loss, at now: Moment) {
        ledger.count(loss)
        guard ledger.isReporting, mode != .failed else { return }
        let key = loss.gap.device.map { backlog.index(of: $0) } ?? LossLedger.noDevice
        outbox.armEarlier(
            .gaps, at: ledger.report(loss.gap, of: key, isDraining: isDraining, at: now.instant))
    }

    /// Settles a loaded record as dropped.
    mutating func drop(_ item: Item, _ reason: Gap.Reason, at now: Moment) {
        lose(item, reason, at: now)
        finish(item, at: now)
    }

    /// The use of records that only memory has.
    var tails: Backlog.Tails {
        guard mode.isMemory, !mode.isRecovering else { return .held }
        return loader.isHeld ? .beforeDisk : .afterDisk
    }

    // MARK: - Views

    package var waiting: Int { backlog.sum.records }
    package var waitingBytes: Int { backlog.sum.bytes }
    package func waiting(of device: DeviceID) -> Int { backlog.waiting(of: device) }
    /// Devices with a record that may be sent now, the one with the oldest first.
    package var readyDevices: ReadyDevices { backlog.ready }
    /// The same of the live lane: devices that are split, with what came after.
    package var readyLiveDevices: ReadyDevices { backlog.readyLive }

    /// The ready devices of a lane that have a priority record, a command result or a gap among
    /// what is loaded. Older records may stand before it, but never a backlog that is its own lane.
    package func urgentDevices(_ lane: Lane) -> ReadyDevices {
        lane == .live ? backlog.urgentLive : backlog.urgent
    }

    /// The record that would be taken next of a lane; nil if nothing is loaded.
    package func head(_ device: DeviceID, _ lane: Lane = .backlog) -> QueueHead? {
        backlog.queue(of: device, lane).flatMap { backlog.head($0) }
    }

    /// Whether later records of the device went out before what waits of it, in this run or an
    /// older one.
    package func isOvertaken(_ device: DeviceID) -> Bool { backlog.isOvertaken(device) }

    package var isMemoryOnly: Bool { mode.isMemory }
    package var isRecovered: Bool { mode.isRecovered }
    /// Whether the directory is locked by this process, or was given up: no other process journals
    /// for this gateway here.
    package var isOwned: Bool { mode.isOwner }
    /// To be kept outside of the directory, and told at the next start: see `Numbering`.
    package var numberFloor: UInt64? { numbers.floor }

    /// Every record up to this number is on the disk, or was, or was acknowledged before it had to
    /// be; nil while the disk is not written to.
    package var syncedSeq: UInt64? {
        guard mode == .journal else { return nil }
        let first = writer.firstSeq ?? numbers.next
        return first == 0 ? nil : first - 1
    }

    package var statistics: Statistics {
        counters.with(ledger, catalogue, backlog, isMemoryOnly: mode.isMemory)
    }

    /// The losses that no file would know of if the process ended now; asked for at its end.
    package var untoldLosses: UntoldLosses {
        guard ledger.isReporting, mode != .failed else { return UntoldLosses() }
        // What a write under way carries may yet be durable; what waits behind it will not.
        return UntoldLosses(ledger, ended: backlog.memoryItems + writer.pending.items, backlog)
    }

    /// Whether every loss up to now is in a record and in totals that the disk has, or its record
    /// was acknowledged.
    package var hasToldAll: Bool {
        mode.isRecovered && ledger.isEmpty && mayWritePages && ledger.unwritten.isZero
            && (!mode.isMemory || !backlog.memoryItems.contains { $0.gap != nil })
    }

    /// Statements that must hold between two calls and do not, in words.
    package func invariants() -> [String] {
        var all = outbox.invariants() + clock.invariants() + catalogue.invariants()
        all += reserve.invariants() + writer.invariants() + ledger.invariants()
        all += room.invariants() + loader.invariants() + outage.invariants()
        return all + backlog.invariants() + backlog.invariants(with: catalogue)
    }
}
