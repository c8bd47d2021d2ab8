import Base
import Drivers
import Line

extension ReadTrain {
    /// What a line tells that has sent the first read and then had to stop.
    func brokenOff(at now: Instant) -> [Exchange] {
        var train = self
        _ = train.sent(at: now)
        return train.log
    }
}
