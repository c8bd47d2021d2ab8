import Base

/// How far a line goes on without asking its driver.
package struct LineAutonomy: Hashable, Sendable {
    /// It can send a request at a given time, and one behind the other.
    package var schedules: Bool
    /// How long the first reply of a train may wait for the last: what they bring is not told
    /// sooner. Zero: no trains.
    package var trainSpan: Duration
    /// The same on a line that is not busy.
    package var calmSpan: Duration

    package init(
        schedules: Bool, trainSpan: Duration = .milliseconds(250), calmSpan: Duration? = nil
    ) {
        self.schedules = schedules
        self.trainSpan = trainSpan
        self.calmSpan = calmSpan ?? trainSpan
    }

    /// Each request waits for its driver.
    package static let none = LineAutonomy(schedules: false, trainSpan: .zero)

    /// Load of a line from which on it is busy: trains save most there.
    static let busyLoad = 0.8

    /// The longest train on a line with this load.
    func span(load: Double) -> Duration {
        load >= Self.busyLoad ? trainSpan : min(trainSpan, calmSpan)
    }
}
