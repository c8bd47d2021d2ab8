import Base

/// Records that wait for the disk, in order of their numbers. One that the bridge acknowledges
/// first is taken out, and is never written.
struct PendingRecords: Sendable {
    /// When a record is to be committed.
    struct Due: Sendable {
        /// While it waits.
        var waiting: Instant
        /// Once it was sent: `sync` gives the bridge time to acknowledge it, priority or not.
        var sent: Instant
        var isSent = false

        var instant: Instant { isSent ? sent : waiting }
    }

    private struct Slot: Sendable {
        var item: Item
        /// When it is to be committed.
        var due: Due
        /// Whether the record was taken out; the slot holds its place.
        var isGone = false
    }

    private var slots: [Slot] = []
    /// Slots that were taken from the front.
    private var head = 0
    private(set) var count = 0
    private(set) var bytes = 0
    /// The part of `bytes` in records that must be durable before they are sent.
    private(set) var heldBytes = 0

    var isEmpty: Bool { count == 0 }
    var first: Item? { head < slots.count ? slots[head].item : nil }
    /// The lowest number; nil if nothing is pending, 0 before recovery has ended.
    var firstSeq: UInt64? { head < slots.count ? slots[head].item.record.seq : nil }
    var hasGap: Bool { waiting.contains { $0.item.gap != nil } }
    /// All of them.
    var items: [Item] { waiting.map(\.item) }
    /// When the first of them is to be committed.
    var due: Instant? { waiting.map(\.due.instant).min() }

    private var waiting: some Sequence<Slot> { slots[head...].lazy.filter { !$0.isGone } }

    private mutating func enter(_ item: Item) {
        count += 1
        bytes += item.size
        if !item.isPending { heldBytes += item.size }
    }

    private mutating func leave(_ item: Item) {
        count -= 1
        bytes -= item.size
        if !item.isPending { heldBytes -= item.size }
    }

    mutating func append(_ item: Item, due: Due) {
        slots.append(Slot(item: item, due: due))
        enter(item)
    }

    /// Puts records before all others; they are to be committed at once.
    mutating func prepend(_ items: [Item]) {
        guard !items.isEmpty else { return }
        slots.replaceSubrange(
            ..<head, with: items.map { Slot(item: $0, due: Due(waiting: .zero, sent: .zero)) })
        head = 0
        for item in items { enter(item) }
    }

    /// Takes the first record.
    mutating func popFirst() -> Item? {
        guard head < slots.count else { return nil }
        return takeOut(head)
    }

    /// Takes out the record with this number; false if it is not pending.
    mutating func remove(_ seq: UInt64) -> Bool {
        guard let place = place(of: seq), !slots[place].isGone else { return false }
        _ = takeOut(place)
        return true
    }

    private mutating func takeOut(_ place: Int) -> Item {
        let item = slots[place].item
        leave(item)
        slots[place].isGone = true
        slots[place].item.record.body = []
        passGone()
        return item
    }

    mutating func removeAll() -> [Item] {
        defer { self = PendingRecords() }
        return items
    }

    /// The record with this number was sent.
    mutating func sent(_ seq: UInt64) {
        if let place = place(of: seq) { slots[place].due.isSent = true }
    }

    /// Has the record with this number wait until it is durable; false if it is not pending.
    mutating func hold(_ seq: UInt64) -> Bool {
        guard let place = place(of: seq), !slots[place].isGone else { return false }
        if slots[place].item.isPending { heldBytes += slots[place].item.size }
        slots[place].item.isPending = false
        return true
    }

    /// Changes records, but neither their numbers nor their sizes.
    mutating func update(_ change: (inout Item) -> Void) {
        for place in slots.indices[head...] where !slots[place].isGone {
            change(&slots[place].item)
        }
    }

    private func place(of seq: UInt64) -> Int? {
        var (low, high) = (head, slots.count)
        while low < high {
            let middle = (low + high) / 2
            if slots[middle].item.record.seq < seq { low = middle + 1 } else { high = middle }
        }
        return low < slots.count && slots[low].item.record.seq == seq ? low : nil
    }

    /// Keeps the head at a record that waits, and the ring small.
    private mutating func passGone() {
        while head < slots.count, slots[head].isGone { head += 1 }
        if head == slots.count {
            slots.removeAll(keepingCapacity: slots.capacity <= 256)
            head = 0
        } else if head > 64, head * 2 > slots.count {
            slots.removeFirst(head)
            head = 0
        }
    }

    func invariants() -> [String] {
        let items = items
        let seqs = slots[head...].map(\.item.record.seq).filter { $0 != 0 }
        return broken(
            (count == items.count, "\(count) records are pending, not \(items.count)"),
            (bytes == items.reduce(0) { $0 + $1.size }, "\(bytes) bytes are pending, by their sum"),
            (
                heldBytes == items.reduce(0) { $0 + ($1.isPending ? 0 : $1.size) },
                "\(heldBytes) bytes are held, by their sum"
            ),
            (head == slots.count || !slots[head].isGone, "the first pending record is gone"),
            (
                zip(seqs, seqs.dropFirst()).allSatisfy { $0 < $1 },
                "pending records are out of order"
            ))
    }
}
