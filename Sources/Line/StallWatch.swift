import Base

/// Tells a line that does not move at all: an adapter that is stuck, or something that holds it.
/// Only closing and opening it again may wake it.
package struct StallWatch {
    /// A driver that takes or sends nothing for so long is stuck.
    private static let limit = Duration.seconds(2)

    /// When it has refused bytes for too long.
    package private(set) var due: Instant?
    private var keepsBytesSince: Instant?
    private var hasHeard = false

    package init() {}

    /// Something has come: what was sent before is out.
    package mutating func heard() { hasHeard = true }

    /// It takes no more bytes for now.
    /// - Parameter hasMoved: it took some of them.
    package mutating func refused(hasMoved: Bool, at now: Instant) {
        if hasMoved || due == nil { due = now + Self.limit }
    }

    package mutating func tookAll() { due = nil }

    /// Call before a transmission: has what was sent before lain in the driver for too long?
    /// - Parameter pending: the bytes that it still has; asked only if nothing has come since.
    package mutating func keepsBytes(_ pending: () -> Int, at now: Instant) -> Bool {
        guard !hasHeard, pending() > 0 else {
            hasHeard = false
            keepsBytesSince = nil
            return false
        }
        let since = keepsBytesSince ?? now
        keepsBytesSince = since
        return now - since >= Self.limit
    }
}
