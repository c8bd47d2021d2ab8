/// A point on the machine's boot-time clock (CLOCK_BOOTTIME), in nanoseconds since boot. Every
/// duration, timeout and back-off is measured on it; it never steps. It cannot be mixed with
/// `WallTime` by accident. Public and inlinable like all of this file: the optimiser looks into
/// another module only at what is, and every machine compares deadlines at every turn.
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable public static var zero: Instant { Instant(nanoseconds: 0) }
    @inlinable public static var distantFuture: Instant { Instant(nanoseconds: .max) }

    @inlinable public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates instead of trapping, so that a deadline in the far future stays one.
    @inlinable public static func + (left: Instant, right: Duration) -> Instant {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return overflow
            ? Instant(nanoseconds: right < .zero ? .min : .max) : Instant(nanoseconds: sum)
    }

    @inlinable public static func - (left: Instant, right: Duration) -> Instant {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(
            right.nanoseconds)
        return overflow
            ? Instant(nanoseconds: right < .zero ? .max : .min) : Instant(nanoseconds: difference)
    }

    @inlinable public static func - (left: Instant, right: Instant) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(
            right.nanoseconds)
        return .nanoseconds(overflow ? (left < right ? .min : .max) : difference)
    }

    @inlinable public static func += (left: inout Instant, right: Duration) { left = left + right }
}

/// Civil time, UTC, in milliseconds since 1970. Only timestamps, token claims and certificates
/// use it; it may step in either direction at any moment.
public struct WallTime: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    @inlinable public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable public var seconds: Int64 { milliseconds / 1000 - (milliseconds % 1000 < 0 ? 1 : 0) }

    @inlinable public static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }

    @inlinable public static func + (left: WallTime, right: Duration) -> WallTime {
        let (sum, overflow) = left.milliseconds.addingReportingOverflow(right.milliseconds)
        return WallTime(milliseconds: overflow ? (right < .zero ? .min : .max) : sum)
    }

    @inlinable public static func - (left: WallTime, right: WallTime) -> Duration {
        let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(
            right.milliseconds)
        return .milliseconds(overflow ? (left < right ? .min : .max) : difference)
    }
}

/// Both clocks, read together. Machines whose outputs carry a time stamp take this as `now`.
public struct Moment: Hashable, Sendable {
    public var instant: Instant
    public var wall: WallTime

    @inlinable public init(_ instant: Instant, _ wall: WallTime) {
        self.instant = instant
        self.wall = wall
    }

    @inlinable public static func + (left: Moment, right: Duration) -> Moment {
        Moment(left.instant + right, left.wall + right)
    }

    /// Another instant as this moment's clock has it.
    public func at(_ other: Instant) -> Moment { self + (other - instant) }

    /// An earlier moment as this one's clock has it, or as it was told if both times are less than
    /// a second apart: the two clocks are read one after the other, and a time that was told moves
    /// only with a clock that was set.
    public func corrected(_ earlier: Moment) -> Moment {
        let present = at(earlier.instant)
        let moved = present.wall - earlier.wall
        return moved > .seconds(-1) && moved < .seconds(1) ? earlier : present
    }
}
