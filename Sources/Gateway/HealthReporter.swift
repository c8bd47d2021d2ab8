import Base

/// When the gateway's own health is due: at once after connecting, then every so often while
/// connected.
struct HealthReporter: Sendable {
    private(set) var due: Instant?
    /// Since when there is no bridge; nil while there is one.
    private(set) var awaySince: Moment?

    mutating func start(at now: Moment) { awaySince = now }

    mutating func connected(at now: Instant) {
        due = now
        awaySince = nil
    }

    mutating func disconnected(at now: Moment) {
        due = nil
        awaySince = awaySince ?? now
    }

    mutating func isDue(every interval: Duration, at now: Instant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = now + interval
        return true
    }
}

/// The section `health` of a configuration.
package struct HealthSettings: Hashable, Sendable {
    package var every = Duration.seconds(60)
    /// Whether health records have the counters of each unit.
    package var units = false

    package init() {}

    /// Nil, and reported, if it is no object.
    init?(_ field: Field, _ problems: Problems) {
        guard var cursor = ObjectCursor(field, "\"health\"", problems, TopKeys.health) else {
            return nil
        }
        every = cursor.duration("every")
        units = cursor.bool("units")
        cursor.finish()
    }
}
