import Base

/// When the gateway's own health is due: at once after connecting, then every minute while
/// connected.
struct HealthReporter: Sendable {
    static let interval = Duration.seconds(60)

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

    mutating func isDue(at now: Instant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = now + Self.interval
        return true
    }
}
