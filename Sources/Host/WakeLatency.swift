import Base
import Platform

/// How late this machine wakes a sleeping thread, learned from the wake-ups themselves: the loop
/// asks to be woken so much earlier. What is left until the moment is spent awake, so the middle of
/// what was seen is wanted, not the worst: time awake is CPU time.
package struct WakeLatency {
    /// More than this is not spent awake, whatever the machine does.
    private static let most = Duration.microseconds(150)

    /// A tenth of a millisecond counts behind a shorter pause only.
    private static let shortPause = Duration.milliseconds(20)

    private var expected = Duration.microseconds(60)
    private var wanted: Instant?
    private var begunAt = Instant.zero

    package init() {}

    /// When to be woken for something that is due then.
    package mutating func begin(_ due: Instant, at now: Instant) -> Instant {
        guard due - now < Self.shortPause else { return due }
        let wake = due - expected
        wanted = wake
        begunAt = now
        return wake
    }

    /// The wait has ended; if it was for the sake of what was begun, the rest of the time is spent
    /// here.
    package mutating func woken(for due: Instant) -> Instant {
        var now = Clock.instant
        guard woke(at: now) else { return now }
        while now < due { now = Clock.instant }
        return now
    }

    private mutating func woke(at now: Instant) -> Bool {
        guard let wake = wanted else { return false }
        wanted = nil
        guard wake <= now else { return false }
        // Only who sleeps can be late.
        guard begunAt < wake else { return true }
        let late = min(Self.most, now - wake)
        expected = expected + (late - expected) / 8
        return true
    }
}
