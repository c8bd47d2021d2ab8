import Base

/// A place in the journal: segments are in seq order, so are the records in one.
struct Position: Comparable, Sendable {
    var segment: UInt64
    var offset: Int

    static func < (left: Position, right: Position) -> Bool {
        (left.segment, left.offset) < (right.segment, right.offset)
    }
}

/// One queue of a device. Its waiting records in order are: `window` (loaded), then `unloaded` ones
/// on disk from `resume` on, then `tail` (in memory only, behind what the failed disk still holds).
struct DeviceQueue: Sendable {
    let id: DeviceID
    /// The place of the device's backlog queue: its own, unless this is the live queue.
    let main: Int
    /// Of the backlog queue: the place of the live queue, if the device was ever split.
    private(set) var live: Int?
    /// Of the backlog queue: the first seq that belongs to the live queue, `UInt64.max` while the
    /// device is not split.
    private(set) var boundary = UInt64.max
    /// Later records were sent before what waits in the backlog: it must not pass for live any
    /// more.
    var isOvertaken = false

    private(set) var window = RecordQueue()
    private(set) var unloaded = 0
    private(set) var resume = Position(segment: 0, offset: 0)
    private(set) var tail = RecordQueue()
    /// Records behind all others that wait for their commit, and are not offered before.
    private(set) var held = 0
    /// Unsettled records of every kind, those in flight included.
    private(set) var sum = RecordSum()
    /// Size of the record that found no room at `resume`; 0 if none did.
    private(set) var blocked = 0
    /// The head of the window as the list of ready devices has it; 0 if not listed.
    var listedSeq: UInt64 = 0
    /// The same number as the list of urgent devices has it; 0 if not listed.
    var urgentSeq: UInt64 = 0

    init(id: DeviceID, main: Int) {
        self.id = id
        self.main = main
    }

    var isSplit: Bool { boundary != .max }
    /// Whether the next record is in memory only.
    var isNextInMemory: Bool { window.firstSegment == 0 }

    mutating func count(_ change: RecordSum) { sum += change }

    // MARK: - Lanes

    mutating func use(live: Int) { self.live = live }

    mutating func split(at seq: UInt64) {
        boundary = seq
        isOvertaken = true
    }

    /// Ends the split and takes over the loaded and unloaded records of the live queue. Nothing of
    /// that may be loaded if something is unloaded here.
    mutating func join(_ other: inout DeviceQueue, as queue: Int) {
        boundary = .max
        if unloaded == 0 {
            for var item in other.window.removeAll() {
                item.queue = queue
                window.append(item)
            }
            resume = other.resume
            blocked = other.blocked
        }
        unloaded += other.unloaded
        other.unloaded = 0
        held += other.held
        other.held = 0
    }

    // MARK: - The window

    mutating func append(_ item: Item) {
        window.append(item)
        blocked = 0
    }

    /// Puts a record back into its place, which is near the front.
    mutating func putBack(_ item: Item) { window.insert(item) }

    mutating func popFirst() -> Item? { window.popFirst() }

    /// Unloads the newest record of the window; it is the next to be loaded.
    mutating func unloadLast() -> Item? {
        guard let last = window.popLast() else { return nil }
        unloaded += 1
        resume = Position(segment: last.segment, offset: last.offset)
        return last
    }

    mutating func popLast() -> Item? { window.popLast() }

    /// Replaces or removes records of the window, in order.
    mutating func rebuild(_ keep: (inout Item) -> Bool) {
        for var item in window.removeAll() where keep(&item) { window.append(item) }
    }

    /// Numbers of the loaded records that a segment has.
    func loadedSeqs(of segment: UInt64) -> [UInt64] {
        var copy = window
        return copy.removeAll().filter { $0.segment == segment }.map(\.record.seq)
    }

    // MARK: - Records that are not durable yet

    /// Whether a new record that may be sent at once is behind nothing but loaded ones.
    var isLoadedToTheEnd: Bool { unloaded == 0 && held == 0 && tail.isEmpty }

    mutating func changeHeld(by change: Int) { held += change }

    mutating func forgetHeld() { held = 0 }

    /// A record of the window has become durable; false if it is not there.
    mutating func locate(_ seq: UInt64, at place: Position) -> Bool {
        window.locate(seq, at: place)
    }

    // MARK: - Records on disk

    /// A record behind all others is on disk and not loaded.
    mutating func addUnloaded(at place: Position) {
        if unloaded == 0 { resume = place }
        unloaded += 1
    }

    /// Whether something before this record is on disk and not loaded.
    func isUnloaded(before item: Item) -> Bool {
        unloaded > 0 && resume <= Position(segment: item.segment, offset: item.offset)
    }

    /// The record at `resume` is loaded.
    mutating func loaded(upTo place: Position) {
        unloaded -= 1
        resume = place
    }

    /// The record at `place` does not fit into the window.
    mutating func block(at place: Position, size: Int) {
        resume = place
        blocked = size
    }

    mutating func skip(to place: Position) { resume = place }

    mutating func changeUnloaded(by change: Int) { unloaded += change }

    // MARK: - Records in memory only

    mutating func keepInMemory(_ item: Item) { tail.append(item) }

    /// Moves the first record of the tail to the window. It overtakes what is on the disk, if there
    /// is any.
    mutating func refill() {
        guard let item = tail.popFirst() else { return }
        if unloaded > 0 { isOvertaken = true }
        window.append(item)
    }

    /// Moves records from the window's end back to the tail.
    mutating func holdBack(where isHeld: (Item) -> Bool) {
        while let last = window.last, isHeld(last) {
            _ = window.popLast()
            tail.insert(last)
        }
    }

    mutating func dropFromMemory(sparingPriority: Bool) -> Item? {
        tail.popFirst(sparing: { sparingPriority && $0.record.priority })
    }

    /// Takes the tail, and the records of the window that are in memory only and above `newest`.
    mutating func takeMemory(above newest: UInt64) -> [Item] {
        var taken = takeTail()
        guard isNextInMemory else { return taken }
        rebuild { item in
            let stays = item.segment != 0 || item.record.seq <= newest
            if !stays { taken.append(item) }
            return stays
        }
        return taken
    }

    /// Takes all records of the tail.
    mutating func takeTail() -> [Item] { tail.removeAll() }

    /// Puts a record that only memory has behind the loaded ones.
    mutating func load(fromMemory item: Item) { window.append(item) }

    /// The lowest number that `takeMemory` would take.
    func firstInMemory(above newest: UInt64) -> UInt64? {
        var first = tail.firstSeq
        guard isNextInMemory else { return first }
        var copy = window
        for item in copy.removeAll() where item.segment == 0 && item.record.seq > newest {
            first = min(first ?? .max, item.record.seq)
        }
        return first
    }

    /// The records that no file has.
    var memoryItems: [Item] {
        var (first, second) = (window, tail)
        return (first.removeAll() + second.removeAll()).filter {
            $0.segment == 0 && !$0.isPending
        }
    }

    func invariants() -> [String] {
        broken(
            (unloaded >= 0, "\(id): \(unloaded) records unloaded"),
            (held >= 0, "\(id): \(held) records are held"),
            (
                window.count + unloaded + tail.count + held <= sum.records,
                "\(id): more wait than there are"
            ),
            (sum.isSound, "\(id): no records have this sum: \(sum)"),
            (
                window.isConsistent && tail.isConsistent,
                "\(id): the window or the tail is out of order"
            ),
            (listedSeq == 0 || listedSeq == window.firstSeq, "\(id): listed with a wrong number"),
            (urgentSeq == 0 || urgentSeq == listedSeq, "\(id): urgent with a wrong number"),
            (urgentSeq == 0 || window.priorities > 0, "\(id): urgent without a priority record"))
    }
}
