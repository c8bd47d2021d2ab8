import Base
import Line

extension ReadBurst {
    /// What a line tells that has sent the first read and then had to stop.
    func brokenOff(at now: Instant) -> [Exchange] {
        var burst = self
        _ = burst.sent(at: now)
        return burst.log
    }
}
