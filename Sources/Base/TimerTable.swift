/// Named deadlines: every wake-up of a machine has a name, so that a test can say
/// "run until the response timeout". A handful of timers each, so a linear search is the fastest.
package struct TimerTable<Name: Hashable & Sendable>: Sendable {
    private var entries: [(name: Name, due: Instant)] = []

    package init() {}

    package mutating func arm(_ name: Name, at due: Instant) {
        if let index = entries.firstIndex(where: { $0.name == name }) {
            entries[index].due = due
        } else {
            entries.append((name, due))
        }
    }

    package mutating func disarm(_ name: Name) { entries.removeAll { $0.name == name } }

    package mutating func disarmAll() { entries.removeAll() }

    package func due(_ name: Name) -> Instant? { entries.first { $0.name == name }?.due }

    /// The earliest deadline and its reason.
    package var next: (due: Instant, reason: Name)? {
        entries.min { $0.due < $1.due }.map { ($0.due, $0.name) }
    }

    /// Removes and returns the earliest timer that is due at `now`; call until nil.
    package mutating func expire(at now: Instant) -> Name? {
        guard let first = next, first.due <= now else { return nil }
        disarm(first.reason)
        return first.reason
    }
}
