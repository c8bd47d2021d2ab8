import Base

/// Limits a rate: `burst` at once, and `perSecond` a second from then on.
struct TokenBucket: Sendable {
    private let size: Double
    private let perSecond: Double
    private var level: Double
    private var filledAt: Instant?

    init(burst: Int, perSecond: Double) {
        size = Double(burst)
        level = size
        self.perSecond = perSecond
    }

    /// False if nothing is left.
    mutating func take(at now: Instant) -> Bool {
        if let filledAt {
            level = min(size, level + max(0, (now - filledAt).secondsValue) * perSecond)
        }
        filledAt = now
        guard level >= 1 else { return false }
        level -= 1
        return true
    }
}
