/// Named deadlines: every wake-up of a machine has a name, so that a test can say "run until the
/// response timeout". A handful of timers each, so a linear search is the fastest; the earliest is
/// kept, because it is asked for at every turn of a loop and changes rarely. Public and inlinable,
/// because generic code over names that stay generic is many times slower.
public struct TimerTable<Name: Hashable & Sendable>: Sendable {
    @usableFromInline var entries: [(name: Name, due: Instant)] = []
    @usableFromInline var earliest: (due: Instant, reason: Name)?

    @inlinable public init() {}

    @inlinable public mutating func arm(_ name: Name, at due: Instant) {
        if let index = entries.firstIndex(where: { $0.name == name }) {
            entries[index].due = due
        } else {
            entries.append((name, due))
        }
        findEarliest()
    }

    @inlinable public mutating func disarm(_ name: Name) {
        guard let index = entries.firstIndex(where: { $0.name == name }) else { return }
        entries.remove(at: index)
        findEarliest()
    }

    @inlinable public mutating func disarmAll() {
        entries.removeAll()
        earliest = nil
    }

    @inlinable public func due(_ name: Name) -> Instant? { entries.first { $0.name == name }?.due }

    /// The earliest deadline and its reason; of several the one that was armed first.
    @inlinable public var next: (due: Instant, reason: Name)? { earliest }

    @inlinable mutating func findEarliest() {
        earliest = nil
        for entry in entries where entry.due < earliest?.due ?? .distantFuture || earliest == nil {
            earliest = (entry.due, entry.name)
        }
    }

    /// Removes and returns the earliest timer that is due at `now`; call until nil.
    @inlinable public mutating func expire(at now: Instant) -> Name? {
        guard let first = earliest, first.due <= now else { return nil }
        disarm(first.reason)
        return first.reason
    }
}
