import Base

/// What will happen, by time; what is due at the same time happens in the order it was planned.
struct EventQueue<Element> {
    private struct Entry {
        var due: Instant
        var order: UInt64
        var element: Element

        func isBefore(_ other: Entry) -> Bool { (due, order) < (other.due, other.order) }
    }

    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    var due: Instant? { heap.first?.due }
    var count: Int { heap.count }

    mutating func add(_ element: Element, at due: Instant) {
        lastOrder += 1
        heap.append(Entry(due: due, order: lastOrder, element: element))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func take() -> Element? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first.element }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { return first.element }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
