import Base

/// A ring of records in seq order: cheap at both ends.
struct RecordQueue: Sendable {
    private var slots: [Item?] = []
    private var head = 0
    private(set) var count = 0
    private(set) var bytes = 0
    /// How many of them are priority records.
    private(set) var priorities = 0

    var isEmpty: Bool { count == 0 }
    var first: Item? { count == 0 ? nil : slots[head] }
    /// The number of the first; nil if there is none.
    var firstSeq: UInt64? { count == 0 ? nil : slots[head]?.record.seq }
    /// The segment of the first; nil if there is none.
    var firstSegment: UInt64? { count == 0 ? nil : slots[head]?.segment }
    var last: Item? { count == 0 ? nil : slots[(head + count - 1) & (slots.count - 1)] }

    /// Whether the numbers of records that a file has rise, and the sums are those of the records.
    /// One that only memory has may stand before older ones: it went out before them when they
    /// could not be read.
    var isConsistent: Bool {
        var (size, urgent, last, isOrdered) = (0, 0, UInt64(0), true)
        for step in 0..<count {
            guard let item = slots[(head + step) & (slots.count - 1)] else { return false }
            size += item.size
            if item.record.priority { urgent += 1 }
            guard item.segment != 0 else { continue }
            if item.record.seq <= last { isOrdered = false }
            last = item.record.seq
        }
        return isOrdered && size == bytes && urgent == priorities
    }

    private mutating func reserve() {
        guard count == slots.count else { return }
        var wider: [Item?] = []
        wider.reserveCapacity(max(4, slots.count * 2))
        for index in 0..<count { wider.append(slots[(head + index) & (slots.count - 1)]) }
        while wider.count < max(4, slots.count * 2) { wider.append(nil) }
        slots = wider
        head = 0
    }

    private mutating func enter(_ item: Item) {
        bytes += item.size
        if item.record.priority { priorities += 1 }
    }

    private mutating func leave(_ item: Item) {
        bytes -= item.size
        if item.record.priority { priorities -= 1 }
    }

    mutating func append(_ item: Item) {
        reserve()
        slots[(head + count) & (slots.count - 1)] = item
        count += 1
        enter(item)
    }

    mutating func popFirst() -> Item? {
        guard count > 0 else { return nil }
        let item = slots[head].take()
        head = (head + 1) & (slots.count - 1)
        count -= 1
        if let item { leave(item) }
        if count == 0 { shrink() }
        return item
    }

    mutating func popLast() -> Item? {
        guard count > 0 else { return nil }
        let index = (head + count - 1) & (slots.count - 1)
        let item = slots[index].take()
        count -= 1
        if let item { leave(item) }
        return item
    }

    /// Puts a record back in its place, which is near the front.
    mutating func insert(_ item: Item) {
        reserve()
        let mask = slots.count - 1
        head = (head - 1) & mask
        count += 1
        enter(item)
        var place = head
        for step in 1..<max(count, 1) {
            let next = (head + step) & mask
            guard let other = slots[next], other.record.seq < item.record.seq else { break }
            slots[place] = other
            place = next
        }
        slots[place] = item
    }

    /// Gives a record that was not durable its place in a file; false if it is not here.
    mutating func locate(_ seq: UInt64, at place: Position) -> Bool {
        let mask = slots.count - 1
        // Such records are in order, and behind all that have a place.
        for step in stride(from: count - 1, through: 0, by: -1) {
            let index = (head + step) & mask
            guard let item = slots[index], item.record.seq >= seq else { return false }
            guard item.record.seq == seq else { continue }
            slots[index]?.segment = place.segment
            slots[index]?.offset = place.offset
            slots[index]?.isPending = false
            return true
        }
        return false
    }

    /// Takes the first that may go, or the first of all if none may.
    mutating func popFirst(sparing isSpared: (Item) -> Bool) -> Item? {
        var spared: [Item] = []
        var found: Item?
        while found == nil, let item = popFirst() {
            if isSpared(item) { spared.append(item) } else { found = item }
        }
        if found == nil, !spared.isEmpty { found = spared.removeFirst() }
        for item in spared.reversed() { insert(item) }
        return found
    }

    mutating func removeAll() -> [Item] {
        var all: [Item] = []
        all.reserveCapacity(count)
        while let item = popFirst() { all.append(item) }
        return all
    }

    private mutating func shrink() {
        head = 0
        if slots.count > 64 { slots = [] }
    }
}
