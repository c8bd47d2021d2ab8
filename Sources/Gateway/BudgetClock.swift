import Adapter
import Base

/// The time scale of the write budgets: it goes on over restarts and knows no steps of the wall
/// clock.
///
/// Within one boot of the machine it is the time since boot. Over a reboot it goes on from the
/// latest moment that is known, and the wall clock says how long the machine was off, but only if
/// it was trusted before and is trusted now. So time passes at most as fast as it really does, and
/// no budget is free too early.
package struct BudgetClock: Sendable {
    /// All clocks at one moment, as the command log keeps them.
    package struct Mark: Hashable, Sendable {
        package var bootID: [UInt8]
        package var sinceBoot: Instant
        package var time: Instant
        package var wall: WallTime
        package var isTrusted: Bool

        package init(
            bootID: [UInt8], sinceBoot: Instant, time: Instant, wall: WallTime, isTrusted: Bool
        ) {
            self.bootID = Array((bootID + [UInt8](repeating: 0, count: 16)).prefix(16))
            self.sinceBoot = sinceBoot
            self.time = time
            self.wall = wall
            self.isTrusted = isTrusted
        }
    }

    /// Marks are kept this often while a budget is used.
    static let pause = Duration.seconds(3600)

    private let bootID: [UInt8]
    /// The last mark of an earlier boot, until the wall clock has said how long ago that was.
    private var before: Mark?
    private var markedAt: Instant?

    package init(bootID: [UInt8]) {
        self.bootID = Array((bootID + [UInt8](repeating: 0, count: 16)).prefix(16))
    }

    /// - Parameters:
    ///   - mark: the latest one of an earlier run.
    ///   - latest: the latest time that anything of it bears.
    /// - Returns: what to add to the time since boot.
    package mutating func restore(_ mark: Mark?, latest: Instant, at now: Moment) -> Duration {
        guard let mark else { return max(latest - Instant.zero, .zero) }
        if mark.bootID == bootID, mark.sinceBoot <= now.instant {
            return max(mark.time - mark.sinceBoot, latest - now.instant)
        }
        before = mark
        return max(latest, mark.time) - Instant.zero
    }

    /// The wall clock is trusted.
    /// - Returns: the offset, with the time that the machine was off.
    package mutating func trust(_ offset: Duration, at now: Moment) -> Duration {
        defer { before = nil }
        guard let before, before.isTrusted, before.wall < now.wall else { return offset }
        return max(offset, before.time + (now.wall - before.wall) - now.instant)
    }

    /// A mark to be kept; nil if the last one is young enough.
    mutating func mark(_ budgets: WriteBudgets, isTrusted: Bool, at now: Moment) -> Mark? {
        guard budgets.isUsed(at: now.instant),
            markedAt.map({ now.instant - $0 >= Self.pause }) ?? true
        else { return nil }
        markedAt = now.instant
        return Mark(
            bootID: bootID, sinceBoot: now.instant, time: budgets.time(at: now.instant),
            wall: now.wall, isTrusted: isTrusted)
    }

    /// The next look makes a mark.
    mutating func expire() { markedAt = nil }
}
