import Base

/// A place in the journal: segments are in seq order, so are the records in one.
struct Position: Comparable, Sendable {
    var segment: UInt64
    var offset: Int

    static func < (left: Position, right: Position) -> Bool {
        (left.segment, left.offset) < (right.segment, right.offset)
    }
}

/// Which of a device's two queues: everything is in `.backlog` until the device is split; then what
/// comes after goes to `.live` until the backlog is gone.
package enum Lane: Sendable { case backlog, live }

/// One queue of a device. Its waiting records in order are: `window` (loaded, durable, or in memory
/// only), then `unloaded` ones on disk from `resume` on, then `tail` (in memory only, behind what the
/// failed disk still holds).
struct DeviceState: Sendable {
    let id: DeviceID
    /// The place of the device's backlog queue: its own, unless this is the live queue.
    let main: Int
    /// Of the backlog queue: the live queue's place, if the device was ever split, and the first seq
    /// that belongs there; `UInt64.max` while it is not split.
    var live: Int?
    var boundary = UInt64.max
    /// Later records were sent before what waits in the backlog: it must not pass for live any more.
    var isOvertaken = false
    var window = RecordQueue()
    var unloaded = 0
    var resume = Position(segment: 0, offset: 0)
    var tail = RecordQueue()
    /// Unsettled records of every kind, in flight included, and what they take on disk.
    var alive = 0
    var aliveBytes = 0
    var priorityBytes = 0
    /// Of these in flight.
    var inFlight = 0
    /// The size of the record that found no room at `resume`; 0 if none did.
    var blocked = 0
    /// The head of the window as the ready list knows it; 0 if not listed.
    var readySeq: UInt64 = 0
    /// The same as the list of devices with something urgent knows it.
    var urgentSeq: UInt64 = 0

    init(id: DeviceID, main: Int) {
        self.id = id
        self.main = main
    }
}

/// Queues by device ID, and by the bytes of an ID in a record without making a String of each.
struct DeviceTable: Sendable {
    private(set) var states: [DeviceState] = []
    private var byDigest: [UInt64: [Int]] = [:]

    var indices: Range<Int> { states.indices }

    subscript(index: Int) -> DeviceState {
        get { states[index] }
        _modify { yield &states[index] }
    }

    func isLive(_ queue: Int) -> Bool { states[queue].main != queue }

    /// A device's queues, the older records first.
    func queues(of queue: Int) -> [Int] {
        let main = states[queue].main
        return states[main].live.map { [main, $0] } ?? [main]
    }

    /// Where a record of this device with this number belongs.
    func queue(of main: Int, seq: UInt64) -> Int {
        seq < states[main].boundary ? main : states[main].live ?? main
    }

    /// The live queue, made if there is none yet.
    mutating func liveQueue(of main: Int) -> Int {
        if let live = states[main].live { return live }
        states.append(DeviceState(id: states[main].id, main: main))
        states[main].live = states.count - 1
        return states.count - 1
    }

    func existing(_ id: DeviceID) -> Int? { byDigest[id.digest]?.first { states[$0].id == id } }

    mutating func index(of id: DeviceID) -> Int {
        if let found = existing(id) { return found }
        byDigest[id.digest, default: []].append(states.count)
        states.append(DeviceState(id: id, main: states.count))
        return states.count - 1
    }

    /// nil if the bytes are no device ID.
    mutating func index(ofName name: ArraySlice<UInt8>) -> Int? {
        let same = byDigest[DeviceID.digest(of: name)]?.first { states[$0].id.text.utf8.elementsEqual(name) }
        if let same { return same }
        guard let id = try? DeviceID(String(decoding: name, as: UTF8.self)),
            id.text.utf8.elementsEqual(name)
        else { return nil }
        return index(of: id)
    }
}

/// Devices that have a record to send, by the seq of their oldest: a sorted array, a thousand
/// devices at most, so that moving one is one short move.
package struct ReadyDevices: RandomAccessCollection, Sendable {
    private struct Place: Sendable {
        var seq: UInt64
        var queue: Int
    }

    private var places: [Place] = []
    /// By queue, of those that ever had a place.
    private var ids: [DeviceID?] = []

    package var startIndex: Int { 0 }
    package var endIndex: Int { places.count }
    package subscript(index: Int) -> DeviceID {
        guard let id = ids[places[index].queue] else { preconditionFailure("a place without a device") }
        return id
    }

    private func place(of seq: UInt64) -> Int {
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle].seq < seq { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// 0 is no place.
    mutating func move(_ queue: Int, _ device: DeviceID, from old: UInt64, to new: UInt64) {
        if old != 0 {
            let index = place(of: old)
            if index < places.count, places[index].seq == old { places.remove(at: index) }
        }
        guard new != 0 else { return }
        if queue >= ids.count { ids.append(contentsOf: repeatElement(nil, count: queue + 1 - ids.count)) }
        if ids[queue] == nil { ids[queue] = device }
        places.insert(Place(seq: new, queue: queue), at: place(of: new))
    }
}

/// What is known of the relation between boot time and civil time, per boot: from clock anchors
/// and from segments made while the clock was trusted.
struct Anchors: Sendable {
    private var known: [(boot: [UInt8], anchor: Moment)] = []

    mutating func learn(_ boot: [UInt8], _ anchor: Moment) {
        known.removeAll { $0.boot == boot }
        known.append((boot, anchor))
        if known.count > 64 { known.removeFirst() }
    }

    func wall(_ boot: [UInt8], at instant: Instant) -> WallTime? {
        guard let anchor = known.last(where: { $0.boot == boot })?.anchor else { return nil }
        return WallTime(milliseconds: anchor.wall.milliseconds &+ (instant - anchor.instant).milliseconds)
    }
}
