/// A point on the machine's boot-time clock (CLOCK_BOOTTIME), in nanoseconds since boot.
/// Every duration, timeout and back-off is measured on it; it never steps. It cannot be mixed
/// with `WallTime` by accident.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let zero = Instant(nanoseconds: 0)
    package static let distantFuture = Instant(nanoseconds: .max)

    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates instead of trapping, so that a deadline in the far future stays one.
    package static func + (left: Instant, right: Duration) -> Instant {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    package static func - (left: Instant, right: Duration) -> Instant {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return Instant(nanoseconds: overflow ? .min : difference)
    }

    package static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(left.nanoseconds.subtractingReportingOverflow(right.nanoseconds).partialValue)
    }

    package static func += (left: inout Instant, right: Duration) { left = left + right }
}

extension Duration {
    /// Whole nanoseconds, saturating at the ends of `Int64` (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        return whole.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }

    package var milliseconds: Int64 { nanoseconds / 1_000_000 }

    package var secondsValue: Double { Double(nanoseconds) / 1e9 }

    package static func seconds(fraction value: Double) -> Duration {
        .nanoseconds(Int64(value * 1e9))
    }
}

/// Civil time, UTC, in milliseconds since 1970. Only timestamps, token claims and certificates
/// use it; it may step in either direction at any moment.
package struct WallTime: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package var seconds: Int64 { milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000 }

    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    package static func + (left: WallTime, right: Duration) -> WallTime {
        WallTime(milliseconds: left.milliseconds + right.milliseconds)
    }

    package static func - (left: WallTime, right: WallTime) -> Duration {
        .milliseconds(left.milliseconds - right.milliseconds)
    }
}

/// Both clocks, read together. Machines whose outputs carry a time stamp take this as `now`.
package struct Moment: Hashable, Sendable {
    package var instant: Instant
    package var wall: WallTime

    package init(_ instant: Instant, _ wall: WallTime) {
        self.instant = instant
        self.wall = wall
    }

    package static func + (left: Moment, right: Duration) -> Moment {
        Moment(left.instant + right, left.wall + right)
    }
}
