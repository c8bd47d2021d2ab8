import Base

/// Time of a line by what it was used for, each from the first bit of a request to the end of its
/// exchange.
package struct LineTimes: Hashable, Sendable {
    package enum Use: Int, CaseIterable, Sendable {
        /// Reads that are due, and what a node without requests of its own is asked.
        case polls
        /// Reads that failed before.
        case retries
        /// Units that are silent, or have not answered yet.
        case silent
        /// Commands, settings, and reads by hand.
        case commands
        /// Requests that tell whether an answer is of the request before.
        case checks
        /// Requests of other masters.
        case others
    }

    private var times = [Duration](repeating: .zero, count: Use.allCases.count)

    package init() {}

    package var total: Duration { times.reduce(.zero, +) }

    package subscript(_ use: Use) -> Duration { times[use.rawValue] }

    /// A reply in less than no time (on a line that is none) takes none.
    mutating func add(_ time: Duration, _ use: Use) {
        times[use.rawValue] += max(.zero, time)
    }

    /// - Parameter sign: 1 or -1.
    func adding(_ other: LineTimes, times sign: Int) -> LineTimes {
        var sum = self
        for place in times.indices { sum.times[place] += other.times[place] * sign }
        return sum
    }
}
