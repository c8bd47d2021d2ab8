import Base

/// The journal: every reading waits here, on disk, until the bridge has acknowledged it.
///
/// A record is offered for sending only after the write that covers it was synced; its settled bit
/// goes to disk with a later commit, and a segment file goes when all of it is settled. Losses are
/// never silent: each is part of a gap record (see `Gap`).
///
/// Memory holds a window of each device's oldest records and per segment a few sums, never an
/// index of the backlog. When the disk fails, records live in a bounded ring in memory, loudly,
/// until a probe succeeds. The format is documented at `Segment`, `Settled` and `Record`.
package struct Spool: Sendable {
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
        /// What could not be read is tried again.
        case reread
    }

    package struct Statistics: Hashable, Sendable {
        package var appended = 0
        package var settled = 0
        package var dropped = 0
        package var commits = 0
        package var bytesWritten = 0
        package var failures = 0
        package var damaged = 0
        package var refused = 0
        package var segments = 0
        package var loadedBytes = 0
        package var fileBytes = 0
        package var memoryOnly = false
        /// Records lost since the journal was made, over all restarts, by reason.
        package var lost = LossTotals()
    }

    enum Phase { case idle, opening, recovering, running, failed }

    /// What an outstanding disk request was for.
    enum Purpose {
        case open
        case sync(file: Int)
        case header(file: Int)
        case probe(file: Int)
        case aside(file: Int)
        case reopen
        case scan
        case space
        case create
        case commit
        case page(segment: UInt64)
        case remove(segment: UInt64)
        case load
        case trimLoad(segment: UInt64)
        case trimmed(segment: UInt64)
        case reclaimLoad
        case reclaimed
        case housekeeping
    }

    /// The write in flight.
    struct Commit {
        var items: [Item]
        var segment: UInt64
        var end: Int
        var withPage: Bool
        var anchor: Moment?
        /// Losses that the gap records in it tell.
        var marks: [Mark] = []
        var totals = LossTotals()
        var withTotals = false
    }

    /// A loss that lies in a segment: once a gap record tells it, `count` bits of the range are set, so
    /// that the next start does not find it again.
    struct Mark: Sendable {
        var segment: UInt64
        var range: Range<Int>
        var count: Int
    }

    static let batchBytes = 64 << 10
    static let batchMax = 512 << 10
    static let priorityDelay = Duration.milliseconds(50)
    static let settleDelay = Duration.seconds(5)
    static let settleCount = 1000
    static let gapPace = Duration.seconds(10)
    static let upkeepPace = Duration.seconds(60)
    static let probeFirst = Duration.seconds(10)
    static let probeMax = Duration.seconds(300)

    var settings: Settings
    let bootID: [UInt8]
    var random: RandomSource
    var phase = Phase.idle
    var isDraining = false
    package internal(set) var isMemoryOnly = false
    var now = Moment(.zero, WallTime(milliseconds: 0))

    var catalogue = Catalogue()
    var devices = DeviceTable()
    var ready = ReadyDevices()
    var readyLive = ReadyDevices()
    var urgent = ReadyDevices()
    var urgentLive = ReadyDevices()
    /// Backlog queues that may be empty now.
    var endedLanes: [Int] = []
    var anchors = Anchors()
    var clockTrusted = false
    var anchorToWrite: Moment?
    var inFlight: [UInt64: Item] = [:]
    var gaps: [Int: Gap] = [:]
    var gapSent: [Int: Instant] = [:]
    /// Keys of gaps that tell what was dropped on disk.
    var urgentGaps: Set<Int> = []
    var marks: [Mark] = []
    var totals = LossTotals()
    /// They are not on disk yet; what is.
    var areTotalsNew = false
    var durableTotals = LossTotals()
    /// How records went out that came back: a repeat is the same to the byte.
    var sentForms: [UInt64: SentForm] = [:]

    var numbers: Numbering
    var pending: [Item] = []
    var pendingBytes = 0
    var commit: Commit?
    var commitWanted = false
    /// The segment that records are appended to.
    var active: UInt64?
    var creating: Segment.Header?
    /// For the segment being made: one that is rewritten, how often that was done, what it brought, and
    /// whether the disk's space is to be asked again when it is over.
    var reclaim: Reclaim?
    var reclaims = 0
    var roomMade = 0
    var isRoomWanted = false
    var failuresInRow = 0
    /// Pages wait for a commit that tells what they drop.
    var arePagesWanted = false
    /// The lowest number that was taken back when the disk failed.
    var renumberedFrom: UInt64?
    var probeDelay = Spool.probeFirst
    /// The disk is back; what is in flight and in memory only must land first.
    var isReturning = false
    var settledSinceCommit = 0

    var recovery: Recovery?
    var loading: (position: Position, count: Int)?
    var unreadable: Unreadable?
    var loadedBytes = 0
    var activeDevices = 0
    /// Bytes of records that are in memory only and wait in tails.
    var memoryBytes = 0

    var waitingCount = 0
    var waitingSize = 0
    var prioritySize = 0
    var counters = Statistics()

    var timers = TimerTable<Timer>()
    var operations: [UInt64: Purpose] = [:]
    var lastTicket: UInt64 = 0
    private var outputs: [Output] = []
    private var outputHead = 0

    package init(_ settings: Settings, bootID: [UInt8], seed: UInt64) {
        self.settings = settings
        self.bootID = Array((bootID + [UInt8](repeating: 0, count: 16)).prefix(16))
        random = RandomSource(seed: seed)
        numbers = Numbering(seed: ~seed)
    }

    package mutating func next() -> Output? {
        guard outputHead < outputs.count else {
            outputs.removeAll(keepingCapacity: true)
            outputHead = 0
            return nil
        }
        defer { outputHead += 1 }
        return outputs[outputHead]
    }

    package var deadline: (due: Instant, reason: Timer)? { timers.next }

    mutating func emit(_ output: Output) { outputs.append(output) }

    mutating func note(_ level: Notice.Level, _ message: String, subject: String = "") {
        emit(.notice(Notice(level, "spool", subject, message)))
    }

    mutating func request(_ operation: DiskRequest.Operation, _ purpose: Purpose) {
        lastTicket += 1
        operations[lastTicket] = purpose
        emit(.disk(DiskRequest(ticket: lastTicket, volume: .spool, operation)))
    }

    // MARK: - Commands

    /// Begins recovery; `floor` is the `numberFloor` of an earlier run. Appends are accepted before and wait in memory.
    package mutating func start(numbersFrom floor: UInt64? = nil, at now: Moment) {
        self.now = now
        guard phase == .idle else { return }
        numbers.know(floor)
        phase = .opening
        timers.arm(.upkeep, at: now.instant + Self.upkeepPace)
        request(.open, .open)
    }

    /// Takes an entry; it is durable a commit later, counted from `since`. Answers its number, or nil while
    /// the journal recovers (it is numbered then) or if the entry was refused (a gap record will say so). On
    /// entering memory-only mode records that are not yet durable are numbered anew.
    @discardableResult
    package mutating func append(_ entry: Entry, waitingSince since: Instant? = nil, at now: Moment) -> UInt64? {
        self.now = now
        guard phase != .failed else { return nil }
        let main = devices.index(of: entry.device)
        // Numbers only rise: what comes now belongs behind a split.
        let device = devices.queue(of: main, seq: .max - 1)
        guard entry.body.count <= settings.bodyMax, entry.subfolder.utf8.count <= 255 else {
            let reason: Gap.Reason = entry.body.count > settings.bodyMax ? .oversize : .rejected
            refuse(entry, reason)
            return nil
        }
        let item = Item(
            record: StoredRecord(entry, seq: 0), device: device,
            size: Record.size(
                device: entry.device.text.utf8.count, subfolder: entry.subfolder.utf8.count,
                body: entry.body.count),
            gap: entry.kind == .gap ? Gap(body: entry.body) : nil)
        guard isMemoryOnly || pendingBytes + item.size <= settings.memoryMax else {
            refuse(entry, .memory)
            return nil
        }
        return enqueue(item, entry.priority, since: since ?? now.instant)
    }

    mutating func enqueue(_ new: Item, _ priority: Bool, since: Instant) -> UInt64? {
        var item = new
        counters.appended += 1
        count(item, +1)
        if isMemoryOnly {
            number(&item)
            item.numberedInMemory = true
            keepInMemory(item)
            trimMemory()
            return item.record.seq
        }
        if phase == .running { number(&item) }
        pending.append(item)
        pendingBytes += item.size
        let due = since + (priority ? min(Self.priorityDelay, settings.sync) : settings.sync)
        if timers.due(.commit).map({ due < $0 }) ?? true { timers.arm(.commit, at: due) }
        if pendingBytes >= Self.batchBytes, phase == .running { commitNow() }
        return item.record.seq == 0 ? nil : item.record.seq
    }

    private mutating func refuse(_ entry: Entry, _ reason: Gap.Reason) {
        counters.refused += 1
        if entry.kind == .gap, let gap = Gap(body: entry.body) { lose(gap, again: true); return }
        lose(Gap(
            device: entry.device, from: 0, to: 0, count: 1, fromTime: entry.at.wall,
            toTime: entry.at.wall, reason: reason))
    }

    /// Keeps the sums over all unsettled records.
    mutating func count(_ item: Item, _ sign: Int) {
        let bytes = sign * item.size
        count(item.device, records: sign, bytes: bytes, priority: item.record.priority ? bytes : 0)
    }

    mutating func count(_ device: Int, records: Int, bytes: Int, priority: Int) {
        let before = devices[device].alive
        devices[device].alive += records
        devices[device].aliveBytes += bytes
        devices[device].priorityBytes += priority
        prioritySize += priority
        waitingCount += records
        waitingSize += bytes
        if before == 0, devices[device].alive > 0 { activeDevices += 1 }
        if before > 0, devices[device].alive == 0 {
            activeDevices -= 1
            if devices[device].boundary != .max { endedLanes.append(device) } else { devices[device].isOvertaken = false }
        }
    }

    /// The clock is trusted from now on: records of this boot that were written before get the
    /// right time when they are taken, after a restart too.
    package mutating func anchor(at now: Moment) {
        self.now = now
        anchors.learn(bootID, now)
        guard !clockTrusted else { return }
        clockTrusted = true
        anchorToWrite = now
        if timers.due(.commit) == nil { timers.arm(.commit, at: now.instant + settings.sync) }
    }

    /// The clock has lost its trust: what follows is marked, and no file calls its time an anchor.
    package mutating func distrustClock() {
        clockTrusted = false
        anchorToWrite = nil
    }

    /// Commits everything now, settled bits included; `isIdle` tells when that is done.
    package mutating func drain(at now: Moment) {
        self.now = now
        isDraining = true
        // What was lost is told before the end, the totals with it.
        if areTotalsNew { commitWanted = true }
        // The disk may work again: one last try, and nothing is in memory alone.
        if isMemoryOnly, phase == .running { probe() }
        if isMemoryOnly { appendDueGaps() } else { commitNow() }
        if let place = active.flatMap({ catalogue.index(of: $0) }) { noteRecords(place) }
        writePages()
    }

    /// Nothing is pending and no disk operation is outstanding.
    package var isIdle: Bool {
        if phase == .failed { return true }
        guard operations.isEmpty, pending.isEmpty, gaps.isEmpty else { return false }
        return isMemoryOnly
            || !catalogue.segments.contains { $0.isDirty && !$0.isPoisoned && !$0.isRemoving }
    }

    package mutating func timeout(at now: Moment) {
        self.now = now
        while let timer = timers.expire(at: now.instant) {
            switch timer {
            case .commit: commitNow()
            case .settle: writePages()
            case .gaps: flushGaps()
            case .probe: probe()
            case .upkeep: upkeep()
            case .reread: reread()
            }
        }
    }

    package mutating func completed(
        _ ticket: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment
    ) {
        self.now = now
        guard let purpose = operations.removeValue(forKey: ticket), phase != .failed else { return }
        switch purpose {
        case .open: opened(result)
        case .sync(let file): synced(file, result)
        case .header(let file): readHeader(file, result)
        case .probe(let file): probedDamaged(file, result)
        case .aside(let file): lookedAtAside(file, result)
        case .reopen: reopened(result)
        case .scan: scanned(result)
        case .space: measured(result)
        case .create: created(result)
        case .commit: committed(result)
        case .page(let segment): pageWritten(segment, result)
        case .remove(let segment): removed(segment, result)
        case .load: loaded(result)
        case .trimLoad(let segment): trim(segment, result)
        case .trimmed(let segment): trimmed(segment, result)
        case .reclaimLoad: reclaimLoaded(result)
        case .reclaimed: reclaimed(result)
        case .housekeeping: break
        }
    }

    package var waiting: Int { waitingCount }
    package var waitingBytes: Int { waitingSize }
    package func waiting(of device: DeviceID) -> Int {
        devices.existing(device).map { devices.queues(of: $0).reduce(0) { $0 + devices[$1].alive } } ?? 0
    }

    package var statistics: Statistics {
        var all = counters
        all.segments = catalogue.segments.count
        all.fileBytes = catalogue.bytes
        all.loadedBytes = loadedBytes
        all.memoryOnly = isMemoryOnly
        all.lost = totals
        return all
    }
}
