import Base

/// Tells a line that does not move at all: an adapter that is stuck, or something that holds it.
/// Only closing and opening it again may wake it.
struct StallWatch {
    /// A driver that takes or sends nothing for so long is stuck.
    private static let limit = Duration.seconds(2)

    /// When it has refused bytes for too long.
    private(set) var due: Instant?
    private var keepsBytesSince: Instant?
    private var hasHeard = false

    init() {}

    /// Notes that bytes have come: what was sent before is out.
    mutating func heard() { hasHeard = true }

    /// Notes that the line takes no more bytes for now.
    /// - Parameter hasMoved: it took some of them.
    mutating func refused(hasMoved: Bool, at now: Instant) {
        if hasMoved || due == nil { due = now + Self.limit }
    }

    mutating func tookAll() { due = nil }

    /// Call before a transmission. True: nothing has come since the one before, so the bytes that
    /// the driver still has are to be counted and told by `keeps`.
    mutating func mustAsk() -> Bool {
        guard hasHeard else { return true }
        hasHeard = false
        keepsBytesSince = nil
        return false
    }

    /// Whether bytes that were sent have lain in the driver for too long.
    /// - Parameter queued: the bytes that it still has.
    mutating func keeps(_ queued: Int, at now: Instant) -> Bool {
        guard queued > 0 else {
            keepsBytesSince = nil
            return false
        }
        let since = keepsBytesSince ?? now
        keepsBytesSince = since
        return now - since >= Self.limit
    }
}
