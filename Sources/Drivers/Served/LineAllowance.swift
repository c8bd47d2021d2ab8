import Base

/// A part of a line's time, saved up for a second. Overspent, it is closed until it is paid back.
struct LineAllowance: Sendable {
    private static let window = Duration.seconds(1)

    private let share: Double
    /// Nanoseconds.
    private var credit: Double
    private var updated = Instant.zero

    init(share: Double) {
        self.share = min(max(share, 0.001), 1)
        credit = Double(Self.window.nanoseconds) * self.share
    }

    private func credit(at now: Instant) -> Double {
        let passed = Double(max(0, (now - updated).nanoseconds))
        return min(Double(Self.window.nanoseconds) * share, credit + passed * share)
    }

    /// When line time may be taken; at or before `now` means now.
    func opens(at now: Instant) -> Instant {
        let missing = -credit(at: now)
        return missing <= 0 ? now : now + .nanoseconds(Int64(missing / share) + 1)
    }

    mutating func spend(_ time: Duration, at now: Instant) {
        credit = credit(at: now) - Double(time.nanoseconds)
        updated = now
    }
}
