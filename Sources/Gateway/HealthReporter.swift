import Base

/// When the gateway's own health is due: at once after connecting, then every minute while connected.
struct HealthReporter: Sendable {
    static let interval = Duration.seconds(60)

    private(set) var due: Instant?

    mutating func connected(at now: Instant) { due = now }

    mutating func disconnected() { due = nil }

    mutating func isDue(at now: Instant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = now + Self.interval
        return true
    }
}
