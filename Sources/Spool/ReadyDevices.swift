import Base

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
        guard let id = ids[places[index].queue] else {
            preconditionFailure("a place without a device")
        }
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

    /// Whether no two places have one number, and they rise.
    var isOrdered: Bool { zip(places, places.dropFirst()).allSatisfy { $0.seq < $1.seq } }

    /// Moves a queue's place; the number 0 stands for none.
    mutating func move(_ queue: Int, _ device: DeviceID, from old: UInt64, to new: UInt64) {
        if old != 0 {
            let index = place(of: old)
            if index < places.count, places[index].seq == old { places.remove(at: index) }
        }
        guard new != 0 else { return }
        if queue >= ids.count {
            ids.append(contentsOf: repeatElement(nil, count: queue + 1 - ids.count))
        }
        if ids[queue] == nil { ids[queue] = device }
        places.insert(Place(seq: new, queue: queue), at: place(of: new))
    }
}
