import Base

/// The reads of a line, played through from a moment on: whether every cycle still ends in time if
/// something else takes the line first. One read at a time, that of the earliest deadline first.
struct LineForecast: Sendable {
    struct Cycle: Sendable {
        /// Costs of a whole run.
        let reads: [Duration]
        let period: Duration
        var nextRelease: Instant
        /// Costs that the run under way still has; empty: none is.
        var rest: ArraySlice<Duration>
        var deadline: Instant
        /// When the run's next read may go.
        var notBefore: Instant
    }

    /// Time by which the host and the line may be late.
    private static let margin = Duration.milliseconds(2)
    /// Reads that are played through at most: a line that does not come to rest within them has no
    /// time to give.
    private static let readsMax = 256

    private var cycles: [Cycle]

    init(_ cycles: [Cycle]) { self.cycles = cycles }

    /// - Parameter start: when the line is free again.
    func keepsDeadlines(from start: Instant) -> Bool {
        var forecast = self
        return forecast.play(from: start)
    }

    private mutating func play(from start: Instant) -> Bool {
        var now = start
        for _ in 0..<Self.readsMax {
            release(at: now)
            var best: Int?
            for index in cycles.indices
            where !cycles[index].rest.isEmpty && cycles[index].notBefore <= now {
                if best.map({ cycles[index].deadline < cycles[$0].deadline }) ?? true {
                    best = index
                }
            }
            // At rest: what is released from now on finds the line as it would have been.
            guard let best else { return true }
            guard let cost = cycles[best].rest.popFirst() else { return false }
            now = now + cost
            if now + Self.margin > cycles[best].deadline { return false }
        }
        return false
    }

    /// A release that finds its cycle's run unfinished is a run that is late.
    private mutating func release(at now: Instant) {
        for index in cycles.indices
        where cycles[index].nextRelease <= now && cycles[index].rest.isEmpty {
            cycles[index].deadline = cycles[index].nextRelease + cycles[index].period
            cycles[index].nextRelease = cycles[index].deadline
            cycles[index].rest = cycles[index].reads[...]
        }
    }
}
