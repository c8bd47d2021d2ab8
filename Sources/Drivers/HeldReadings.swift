import Base

/// Readings of which a value may still turn out to be of another request, oldest first. What a unit
/// has read afterwards waits behind them.
struct HeldReadings: Sendable {
    struct Item: Sendable {
        var unit: Int
        var cycle: Int
        var reading: Reading
        let deadline: Instant
        /// Times that its values were refuted.
        var refusals: Int

        /// The reading, in which all that is in doubt has failed.
        func reading(failing failure: ReadFailure, unless fence: ReplyFence) -> Reading {
            var reading = reading
            for index in reading.parts.indices where reading.parts[index].isGood {
                guard !fence.isCertain(reading.parts[index].at.instant) else { continue }
                reading.parts[index].result = .failure(failure)
            }
            return reading
        }
    }

    private(set) var items: [Item] = []

    var isEmpty: Bool { items.isEmpty }

    func holds(_ unit: Int) -> Bool { items.contains { $0.unit == unit } }

    mutating func add(_ item: Item) { items.append(item) }

    mutating func removeAll() { items.removeAll() }

    /// Takes out the first readings of each unit that are certain now.
    /// - Parameter certain: whether each of `items` is.
    mutating func take(_ certain: [Bool]) -> [Reading] {
        var taken: [Reading] = []
        var kept: [Item] = []
        for (item, isCertain) in zip(items, certain) {
            if isCertain, !kept.contains(where: { $0.unit == item.unit }) {
                taken.append(item.reading)
            } else {
                kept.append(item)
            }
        }
        items = kept
        return taken
    }

    /// Another plan: its units and cycles have other numbers.
    /// - Parameter number: the new ones of an item; nil: it has none.
    /// - Returns: the items without a place in it.
    mutating func renumber(_ number: (Item) -> (unit: Int, cycle: Int)?) -> [Item] {
        var lost: [Item] = []
        items = items.compactMap { item in
            guard let place = number(item) else {
                lost.append(item)
                return nil
            }
            var item = item
            (item.unit, item.cycle) = place
            return item
        }
        return lost
    }

    /// Takes out those of a unit, or all.
    mutating func take(of unit: Int?) -> [Item] {
        let taken = items.filter { unit == nil || $0.unit == unit }
        items.removeAll { unit == nil || $0.unit == unit }
        return taken
    }
}

extension ReadPart {
    var isGood: Bool { if case .success = result { true } else { false } }
}
