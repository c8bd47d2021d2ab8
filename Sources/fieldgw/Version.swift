import Base

enum Version {
    static let text = "0.1.0"
    /// Released on this day: a clock that says earlier is wrong (2026-11-23T00:00:00Z).
    static let released = WallTime(milliseconds: 1_795_392_000_000)
}
