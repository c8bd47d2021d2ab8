import Base
import CLinux
import Glibc

/// The two clocks of `Moment`: CLOCK_BOOTTIME and CLOCK_REALTIME.
package enum Clock {
    package static func now() -> Moment {
        var boot: Int64 = 0
        var wall: Int64 = 0
        clinux_now(&boot, &wall)
        return Moment(Instant(nanoseconds: boot), WallTime(milliseconds: wall))
    }

    package static var instant: Instant { Instant(nanoseconds: clinux_boot_now()) }

    /// For a command that looks again in a moment; nothing with a loop waits like this.
    package static func pause(_ duration: Duration) {
        _ = poll(nil, 0, Int32(clamping: duration.milliseconds))
    }
}

extension Instant {
    /// Nanoseconds from `now` until here, never negative; -1, "for ever", for nil.
    static func wait(until due: Instant?, from now: Instant) -> Int64 {
        guard let due, due != .distantFuture else { return -1 }
        return max(0, due.nanoseconds.subtractingReportingOverflow(now.nanoseconds).partialValue)
    }
}
