import Base
import Simulators

/// The network between gateway and bridge: one TCP connection at a time, bytes in order and late,
/// until it is cut; then what was under way is lost, and each end learns of it in its own time or
/// never.
struct SimulatedLink {
    /// What a try to connect finds.
    enum Weather: Equatable { case fair, refused, silent }

    var weather = Weather.fair
    /// Every connection swallows what is sent, and nobody is told.
    var isBlackHole = false
    /// Grows with every connect and close at the gateway's end: what belongs to an earlier one is
    /// void.
    var attempt = 0
    private(set) var connection: ConnectionID?
    /// The attempt that the connection came from: what it still says is for that one.
    private(set) var connectionAttempt = 0
    private(set) var lastID: UInt64 = 0
    private var delay = Duration.zero
    private var lastUp = Instant.zero
    private var lastDown = Instant.zero

    mutating func opened(at now: Instant, _ random: inout RandomSource) -> ConnectionID {
        lastID += 1
        let id = ConnectionID(lastID)
        connection = id
        connectionAttempt = attempt
        delay = .seconds(fraction: random.uniform(0.001, 0.12))
        lastUp = now
        lastDown = now
        return id
    }

    /// The connection is no more; nothing of it arrives any longer.
    mutating func cut() -> ConnectionID? {
        defer { connection = nil }
        return connection
    }

    mutating func arrivalUp(at now: Instant, _ random: inout RandomSource) -> Instant {
        lastUp = max(lastUp, now + delay + .seconds(fraction: random.uniform(0, 0.02)))
        return lastUp
    }

    mutating func arrivalDown(at now: Instant, _ random: inout RandomSource) -> Instant {
        lastDown = max(lastDown, now + delay + .seconds(fraction: random.uniform(0, 0.02)))
        return lastDown
    }
}
