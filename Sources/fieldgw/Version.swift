import Base

enum Version {
    static let text = "0.1.0"
    /// Not released before this day: a clock that says earlier is wrong (2026-11-01T00:00:00Z).
    static let released = WallTime(milliseconds: 1_793_491_200_000)
}
