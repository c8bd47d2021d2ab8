import Base

/// The times from the end of a request to the first byte of its reply, as a histogram. Fixed in
/// size, because statistics are copied often.
package struct ReplyTimes: Hashable, Sendable {
    /// Upper bounds of the classes; a last one without a bound follows them.
    package static let bounds: [Duration] = [
        .milliseconds(1), .milliseconds(2), .milliseconds(5), .milliseconds(10), .milliseconds(20),
        .milliseconds(50),
        .milliseconds(100), .milliseconds(200), .milliseconds(500), .seconds(1), .seconds(2),
        .seconds(5),
    ]

    private var counts = SIMD16<UInt32>()
    package private(set) var sum = Duration.zero

    package init() {}

    package mutating func add(_ time: Duration) {
        let place = Self.bounds.firstIndex { time <= $0 } ?? Self.bounds.count
        counts[place] &+= 1
        sum += max(.zero, time)
    }

    package var count: Int { (0...Self.bounds.count).reduce(0) { $0 + Int(counts[$1]) } }

    /// Number of times in each class, the one without a bound last.
    package var classes: [Int] { (0...Self.bounds.count).map { Int(counts[$0]) } }

    /// With what another driver of the same unit has measured, or without it.
    func adding(_ other: ReplyTimes, times sign: Int) -> ReplyTimes {
        var result = self
        result.counts = sign < 0 ? counts &- other.counts : counts &+ other.counts
        result.sum += other.sum * sign
        return result
    }
}
