import Base

/// Ten per cent of a port's time, saved up to the price of one attempt: what units that may be
/// dead are allowed to cost those that are alive.
struct UnhealthyBudget: Sendable {
    static let share: Int64 = 10  // one part in ten

    private var limit: Int64
    private var credit: Int64
    private var updated = Instant.zero

    /// `limit`: the most expensive single attempt.
    init(limit: Duration) {
        self.limit = max(1, limit.nanoseconds)
        credit = self.limit
    }

    /// Another most expensive attempt; what was saved stays.
    mutating func adopt(limit: Duration, at now: Instant) {
        credit = credit(at: now)
        updated = now
        self.limit = max(1, limit.nanoseconds)
        credit = min(credit, self.limit)
    }

    mutating func restart(at now: Instant) {
        updated = now
        credit = limit
    }

    private func credit(at now: Instant) -> Int64 {
        min(limit, credit + max(0, (now - updated).nanoseconds) / Self.share)
    }

    mutating func spend(_ cost: Duration, at now: Instant) {
        credit = credit(at: now) - cost.nanoseconds
        updated = now
    }

    /// When an attempt of this price can be paid; at or before `now` means now.
    func affordable(_ cost: Duration, at now: Instant) -> Instant {
        let missing = min(limit, cost.nanoseconds) - credit(at: now)
        return missing <= 0 ? now : now + .nanoseconds(missing * Self.share)
    }
}
