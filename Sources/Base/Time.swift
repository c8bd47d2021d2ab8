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
        return overflow ? Instant(nanoseconds: right < .zero ? .min : .max) : Instant(nanoseconds: sum)
    }

    package static func - (left: Instant, right: Duration) -> Instant {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return overflow ? Instant(nanoseconds: right < .zero ? .max : .min) : Instant(nanoseconds: difference)
    }

    package static func - (left: Instant, right: Instant) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return .nanoseconds(overflow ? (left < right ? .min : .max) : difference)
    }

    package static func += (left: inout Instant, right: Duration) { left = left + right }
}

extension Duration {
    /// Whole nanoseconds, saturating at the ends of `Int64` (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, tooLarge) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return tooLarge ? (seconds < 0 ? .min : .max) : sum
    }

    package var milliseconds: Int64 { nanoseconds / 1_000_000 }

    package var secondsValue: Double { Double(nanoseconds) / 1e9 }

    /// Whole nanoseconds towards zero, saturating as `nanoseconds` does; not a number is zero.
    package static func seconds(fraction value: Double) -> Duration {
        let nanoseconds = value * 1e9
        if let exact = Int64(exactly: nanoseconds.rounded(.towardZero)) { return .nanoseconds(exact) }
        return .nanoseconds(nanoseconds.isNaN ? 0 : nanoseconds < 0 ? Int64.min : .max)
    }
}

/// Civil time, UTC, in milliseconds since 1970. Only timestamps, token claims and certificates
/// use it; it may step in either direction at any moment.
package struct WallTime: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package var seconds: Int64 { milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0) }

    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    package static func + (left: WallTime, right: Duration) -> WallTime {
        let (sum, overflow) = left.milliseconds.addingReportingOverflow(right.milliseconds)
        return WallTime(milliseconds: overflow ? (right < .zero ? .min : .max) : sum)
    }

    package static func - (left: WallTime, right: WallTime) -> Duration {
        let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(right.milliseconds)
        return .milliseconds(overflow ? (left < right ? .min : .max) : difference)
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
