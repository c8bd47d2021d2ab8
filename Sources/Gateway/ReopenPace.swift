import Base

/// Pauses between two attempts to open a line. A connection is tried again soon, and then less
/// often; a serial port every two seconds.
struct ReopenPace: Sendable {
    static let pauseMax = Duration.seconds(2)
    private static let pauseMin = Duration.milliseconds(250)

    private var next = Self.pauseMin

    init() {}

    /// - Parameter isNetwork: the line is a connection.
    mutating func pause(isNetwork: Bool) -> Duration {
        guard isNetwork else { return Self.pauseMax }
        defer { next = min(next * 2, Self.pauseMax) }
        return next
    }

    /// The line has brought something: it works.
    mutating func reset() { next = Self.pauseMin }
}
