import Base

/// Queues by device ID, and by the bytes of an ID in a record without making a String of each.
struct DeviceTable: Sendable {
    private(set) var states: [DeviceQueue] = []
    private var byDigest: [UInt64: [Int]] = [:]

    var indices: Range<Int> { states.indices }

    subscript(index: Int) -> DeviceQueue {
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

    /// Makes the live queue of a device if there is none yet.
    mutating func makeLive(_ main: Int) {
        guard states[main].live == nil else { return }
        states[main].use(live: states.count)
        states.append(DeviceQueue(id: states[main].id, main: main))
    }

    /// Moves what waits in a live queue to the backlog's, and ends the split.
    mutating func join(_ main: Int, _ live: Int) {
        var other = states[live]
        states[live] = DeviceQueue(id: other.id, main: main)
        states[main].join(&other, as: main)
        states[live] = other
    }

    func existing(_ id: DeviceID) -> Int? { byDigest[id.digest]?.first { states[$0].id == id } }

    mutating func index(of id: DeviceID) -> Int {
        if let found = existing(id) { return found }
        byDigest[id.digest, default: []].append(states.count)
        states.append(DeviceQueue(id: id, main: states.count))
        return states.count - 1
    }

    /// nil if the bytes are no device ID.
    mutating func index(ofName name: ArraySlice<UInt8>) -> Int? {
        let same = byDigest[DeviceID.digest(of: name)]?.first {
            states[$0].id.text.utf8.elementsEqual(name)
        }
        if let same { return same }
        guard let id = try? DeviceID(String(decoding: name, as: UTF8.self)),
            id.text.utf8.elementsEqual(name)
        else { return nil }
        return index(of: id)
    }
}
