import Base

/// Which of a device's two queues: everything is in `.backlog` until the device is split; then what
/// comes after goes to `.live` until the backlog is gone.
package enum Lane: Sendable { case backlog, live }

/// Records that wait or are in flight: the queues of all devices, every sum over them, and the
/// lists of devices that have something to send. No sum and no list is changed anywhere else.
struct Backlog: Sendable {
    /// Bounds on what is kept.
    struct Limits: Sendable {
        /// Bytes of loaded records, and of records that are in memory only.
        var loaded: Int
        var memory: Int
        /// Bytes that one device may have on the disk.
        var share: Int
        /// Bytes of priority records that are not dropped for others.
        var reserve: Int
    }

    /// The use of records that are in memory only.
    enum Tails: Sendable {
        /// They wait until the disk is back.
        case held
        /// They are sent when nothing of the device is left on the disk.
        case afterDisk
        /// They are sent before what is on the disk, for that cannot be read now.
        case beforeDisk
    }

    private let limits: Limits
    private var devices = DeviceTable()
    private var sent = SentRecords()
    /// Devices with a record that may be sent now, the one with the oldest first.
    private(set) var ready = ReadyDevices()
    /// The same of the live lane.
    private(set) var readyLive = ReadyDevices()
    /// Of the ready devices, those that have a priority record, a command result or a gap among
    /// what is loaded.
    private(set) var urgent = ReadyDevices()
    /// The same of the live lane.
    private(set) var urgentLive = ReadyDevices()
    /// Unsettled records of all queues.
    private(set) var sum = RecordSum()
    /// Bytes of the records in windows.
    private(set) var loadedBytes = 0
    /// Bytes of the records in tails.
    private(set) var memoryBytes = 0
    /// Queues with unsettled records.
    private var active = 0
    /// Backlog queues that may be empty now.
    private var ended: [Int] = []
    /// Numbers of records that are not offered any more before they are durable.
    private var withdrawn: [UInt64] = []

    init(_ limits: Limits) { self.limits = limits }

    // MARK: - Queues

    var indices: Range<Int> { devices.indices }

    subscript(queue: Int) -> DeviceQueue { _read { yield devices[queue] } }

    func existing(_ id: DeviceID) -> Int? { devices.existing(id) }

    mutating func index(of id: DeviceID) -> Int { devices.index(of: id) }

    /// Place of the device with this name; nil if the bytes are no device ID.
    mutating func index(ofName name: ArraySlice<UInt8>) -> Int? { devices.index(ofName: name) }

    /// The queue of a device that a record with this number belongs to.
    func queue(of main: Int, seq: UInt64) -> Int { devices.queue(of: main, seq: seq) }

    /// The queue that a new record of a device joins: numbers only rise, so it is behind a split.
    mutating func newest(of id: DeviceID) -> Int {
        let main = devices.index(of: id)
        return devices.queue(of: main, seq: .max - 1)
    }

    /// The queue of a lane; nil if there is none.
    func queue(of id: DeviceID, _ lane: Lane) -> Int? {
        guard let main = devices.existing(id) else { return nil }
        return lane == .live ? devices[main].live : main
    }

    /// The key in the loss ledger of the device that a gap is about.
    func key(of gap: Gap) -> Int {
        gap.device.flatMap { devices.existing($0) } ?? LossLedger.noDevice
    }

    func waiting(of id: DeviceID) -> Int {
        devices.existing(id).map {
            devices.queues(of: $0).reduce(0) { $0 + devices[$1].sum.records }
        } ?? 0
    }

    func isOvertaken(_ id: DeviceID) -> Bool {
        devices.existing(id).map { devices[$0].isOvertaken && devices[$0].sum.records > 0 } ?? false
    }

    /// A settled record was found behind unsettled ones of its device.
    mutating func overtake(_ queue: Int) {
        if devices[queue].sum.records > 0 { devices[queue].isOvertaken = true }
    }

    // MARK: - Sums and lists

    mutating func count(_ item: Item, _ sign: Int) {
        count(item.queue, sign < 0 ? -RecordSum(item) : RecordSum(item))
    }

    mutating func count(_ queue: Int, _ change: RecordSum) {
        let before = devices[queue].sum.records
        devices[queue].count(change)
        sum += change
        let after = devices[queue].sum.records
        if before == 0, after > 0 { active += 1 }
        guard before > 0, after == 0 else { return }
        active -= 1
        if devices[queue].isSplit {
            ended.append(queue)
        } else {
            devices[queue].isOvertaken = false
        }
    }

    /// Changes the window or the tail of a queue, and the sums and lists with it.
    @discardableResult
    mutating func update<Answer>(_ queue: Int, _ change: (inout DeviceQueue) -> Answer) -> Answer {
        loadedBytes -= devices[queue].window.bytes
        memoryBytes -= devices[queue].tail.bytes
        let answer = change(&devices[queue])
        loadedBytes += devices[queue].window.bytes
        memoryBytes += devices[queue].tail.bytes
        list(queue)
        return answer
    }

    /// Keeps the lists of ready and urgent devices true to the window.
    private mutating func list(_ queue: Int) {
        var head = devices[queue].window.firstSeq ?? 0
        if isHeld(queue) { head = 0 }
        if let live = devices[queue].live, devices[queue].isSplit { list(live) }
        listUrgent(queue, head)
        let old = devices[queue].listedSeq
        guard head != old else { return }
        devices[queue].listedSeq = head
        if devices.isLive(queue) {
            readyLive.move(queue, devices[queue].id, from: old, to: head)
        } else {
            ready.move(queue, devices[queue].id, from: old, to: head)
        }
    }

    /// A backlog with a lane of its own is never urgent: it would take the rate from all live
    /// records.
    private mutating func listUrgent(_ queue: Int, _ head: UInt64) {
        let old = devices[queue].urgentSeq
        let new = devices[queue].window.priorities > 0 && !devices[queue].isSplit ? head : 0
        guard new != old else { return }
        devices[queue].urgentSeq = new
        if devices.isLive(queue) {
            urgentLive.move(queue, devices[queue].id, from: old, to: new)
        } else {
            urgent.move(queue, devices[queue].id, from: old, to: new)
        }
    }

    /// Whether a live queue waits: a live record that came back is at the head of the backlog.
    private func isHeld(_ queue: Int) -> Bool {
        guard devices.isLive(queue), let first = devices[devices[queue].main].window.firstSeq else {
            return false
        }
        return sent.wasLive(first)
    }

    // MARK: - Sending

    /// Takes the oldest loaded record out of its queue; the caller sends or drops it.
    mutating func pop(_ queue: Int, _ tails: Tails) -> Item? {
        guard let item = update(queue, { $0.popFirst() }) else { return nil }
        refill(queue, tails)
        return item
    }

    /// Puts a record in flight; answers it as it goes out.
    ///
    /// - Parameter wall: the right time of a record that was written with an untrusted clock, if it
    ///   is known.
    mutating func send(_ item: Item, wall: WallTime?, isMemoryOnly: Bool) -> StoredRecord {
        let isLate =
            devices[item.queue].isSplit
            || isMemoryOnly && item.segment != 0 && devices[item.queue].isOvertaken
        let record = sent.send(item, wall: wall, backfill: isLate)
        list(item.queue)
        return record
    }

    /// Ends a record's flight; nil if it is not in flight. It is not settled yet.
    mutating func land(_ seq: UInt64) -> Item? { sent.end(seq) }

    func isInFlight(_ seq: UInt64) -> Bool { sent.contains(seq) }

    mutating func locateFlight(_ seq: UInt64, at place: Position) -> Bool {
        sent.locate(seq, at: place)
    }

    mutating func keepPendingFlights() { sent.keepPendingInMemory() }

    mutating func withdraw(_ seq: UInt64) { withdrawn.append(seq) }

    /// Takes the numbers of records that wait until they are durable from now on.
    mutating func takeWithdrawn() -> [UInt64] {
        defer { withdrawn = [] }
        return withdrawn
    }

    /// Whether a record was in flight and waits again.
    func hasReturned(_ seq: UInt64) -> Bool { sent.hasForm(of: seq) }

    /// Puts a record that was in flight back into its place. Behind records that were unloaded
    /// since, it is read again with them.
    mutating func giveBack(_ seq: UInt64, _ catalogue: inout SegmentCatalogue) -> Bool {
        guard let item = sent.end(seq), !item.isTold else { return false }
        sent.keepForm(of: item.record)
        if let place = catalogue.index(of: item.segment), item.segment != 0,
            devices[item.queue].isUnloaded(before: item)
        {
            update(item.queue) { $0.changeUnloaded(by: 1) }
            catalogue[place].unloaded(RecordSum(item), of: item.queue)
        } else {
            update(item.queue) { $0.putBack(item) }
        }
        return true
    }

    func inFlight(of id: DeviceID) -> [UInt64] {
        devices.existing(id).map { sent.seqs(of: devices.queues(of: $0)) } ?? []
    }

    /// The record that would be taken next of a queue; nil if nothing is loaded.
    func head(_ queue: Int) -> QueueHead? {
        let window = devices[queue].window
        guard let record = window.first?.record else { return nil }
        return QueueHead(
            seq: record.seq, kind: record.kind, subfolder: record.subfolder,
            bodySize: record.body.count,
            at: record.at.instant, thisBoot: record.thisBoot, wall: record.at.wall,
            bytes: window.bytes,
            hasPriority: window.priorities > 0,
            isMore: devices[queue].unloaded > 0, isSplit: devices[devices[queue].main].isSplit)
    }

    /// Whether a record is in flight that only memory has.
    var hasMemoryInFlight: Bool { sent.hasMemoryOnly }

    var memoryFlights: [Item] { sent.memoryItems }

    func flights(of segment: UInt64) -> Set<UInt64> { sent.seqs(of: segment) }

    mutating func forgetFlights(_ segment: UInt64) { sent.forget(segment) }

    mutating func relocateFlights(_ segment: UInt64, _ moves: [Int: Int]) -> Set<UInt64> {
        sent.relocate(segment, moves)
    }

    // MARK: - Lanes

    mutating func makeLive(_ main: Int) { devices.makeLive(main) }

    /// Moves loaded and unloaded records and those in flight from a live queue to the backlog's.
    mutating func joinQueues(_ main: Int, _ live: Int) {
        devices.join(main, live)
        sent.move(live, to: main)
        list(live)
        list(main)
    }

    /// Takes the backlog queues of which the last record has gone, and ends their overtaking.
    mutating func takeEnded() -> [Int] {
        guard !ended.isEmpty else { return [] }
        defer { ended = [] }
        let queues = ended.reversed().filter { devices[$0].sum.records == 0 }
        for queue in queues { devices[queue].isOvertaken = false }
        return queues
    }

    // MARK: - Bounds

    /// Bytes that one queue may have loaded: its part of the bound.
    var windowMax: Int { max(limits.loaded / (active + 1), 4096) }

    var isLoadedBeyondBound: Bool { loadedBytes > limits.loaded }

    var isMemoryBeyondBound: Bool { memoryBytes > limits.memory }

    /// Whether records of priority points, command results and gaps keep to their reserve: they are
    /// not dropped for others then.
    var sparesPriority: Bool { sum.priorityBytes <= limits.reserve }

    /// Bytes of a device that count against its share: not those that the reserve is for.
    func shareBytes(_ queue: Int) -> Int {
        devices.queues(of: queue).reduce(0) { bytes, queue in
            let sum = devices[queue].sum
            return bytes + sum.bytes - (sparesPriority ? sum.priorityBytes : 0)
        }
    }

    /// Takes the oldest loaded records of a device out until it keeps to its share, with a little
    /// to spare so that one gap record reports many. The caller drops them.
    mutating func trimShare(_ main: Int, _ tails: Tails) -> [Item] {
        guard shareBytes(main) > limits.share else { return [] }
        let aim = limits.share - limits.share / 16
        var dropped: [Item] = []
        for queue in devices.queues(of: main) {
            var spared: [Item] = []
            while shareBytes(main) > aim, devices[queue].window.firstSegment ?? 0 != 0,
                let item = pop(queue, tails)
            {
                if item.record.priority, sparesPriority {
                    spared.append(item)
                    continue
                }
                count(item, -1)
                dropped.append(item)
            }
            for item in spared.reversed() { update(queue) { $0.putBack(item) } }
        }
        return dropped
    }

    func invariants() -> [String] {
        var all = sent.invariants()
        var (sums, loaded, memory, unsettled) = (RecordSum(), 0, 0, 0)
        let flying = sent.countByQueue
        for place in devices.indices {
            let queue = devices[place]
            all += queue.invariants()
            sums += queue.sum
            loaded += queue.window.bytes
            memory += queue.tail.bytes
            if queue.sum.records > 0 { unsettled += 1 }
            let known =
                queue.window.count + queue.unloaded + queue.tail.count + queue.held
                + flying[place, default: 0]
            if known > queue.sum.records {
                all.append("\(queue.id): \(known) known of \(queue.sum.records) records")
            }
        }
        return all
            + broken(
                (sum == sums, "sums: \(sum), queues: \(sums)"),
                (loadedBytes == loaded, "\(loadedBytes) bytes loaded, in windows \(loaded)"),
                (memoryBytes == memory, "\(memoryBytes) bytes in memory only, in tails \(memory)"),
                (active == unsettled, "\(active) queues are active, not \(unsettled)"),
                (ready.isOrdered && readyLive.isOrdered, "a list of ready devices is out of order"),
                (
                    urgent.isOrdered && urgentLive.isOrdered,
                    "a list of urgent devices is out of order"
                ))
    }
}
