import Base

/// How far a line goes on by itself between two calls of its driver. What is read, and in which
/// order, does not depend on it; how often the driver is called does.
package struct LineAutonomy: Hashable, Sendable {
    /// The line can send a request at a given time, and one behind the other.
    package var schedules: Bool
    /// How long the first reply of a burst may wait for the last: what they bring is not told
    /// sooner. Zero: no bursts.
    package var burstSpan: Duration
    /// The same on a line that is not busy.
    package var calmSpan: Duration
    /// The line is not looked at while no frame can be whole.
    package var looksAway: Bool

    package init(
        schedules: Bool, burstSpan: Duration = .milliseconds(250), calmSpan: Duration? = nil,
        looksAway: Bool = true
    ) {
        self.schedules = schedules
        self.burstSpan = burstSpan
        self.calmSpan = calmSpan ?? burstSpan
        self.looksAway = looksAway
    }

    /// Each request waits for its driver, and every byte is read when it comes.
    package static let none = LineAutonomy(schedules: false, burstSpan: .zero, looksAway: false)

    /// Load of a line from which on it is busy: bursts save most there.
    static let busyLoad = 0.8

    /// The longest burst on a line with this load.
    func span(load: Double) -> Duration {
        load >= Self.busyLoad ? burstSpan : min(burstSpan, calmSpan)
    }

    var bursts: Bool { schedules && burstSpan > .zero }
}
