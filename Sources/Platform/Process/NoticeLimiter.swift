import Base

/// Bounds how many lines one source may write: a burst, then one line a period, with the number of
/// those that were left out. A source is a subsystem, what it is about, how bad it is and the
/// notice's kind, so that a flood of one kind hides nothing of another. Pure; `LogSink` asks it.
package struct NoticeLimiter: Sendable {
    /// Lines at once, and the time after which there may be one more.
    package struct Budget: Hashable, Sendable {
        var burst: Int
        var period: Duration

        package init(burst: Int, period: Duration) {
            self.burst = burst
            self.period = period
        }
    }

    /// Sources remembered at once. The one that is quiet for longest is forgotten for a new one.
    package static let sourcesMax = 256

    /// Subsystems that bound by themselves how much they say: frames of the lines, which are wanted
    /// in a number that would be a flood of anything else.
    private static let unlimited: Set<ByteString> = ["wire"]

    private struct Source: Hashable, Sendable {
        var subsystem: ByteString
        var subject: ByteString
        var level: Notice.Level
        var kind: Notice.Kind
    }

    private struct State: Sendable {
        /// Lines that may be written now.
        var left: Int
        /// When there may be one more.
        var refill: Instant
        /// Left out since the last line, and the last of them.
        var hidden = 0
        var latest: Notice
    }

    private let budgets: [Notice.Kind: Budget]
    private var sources: [Source: State] = [:]
    /// A count has begun since this was last set to false: `deadline` is another.
    package var hasNewCount = false

    /// Budgets for notices by this program's own doing, by a person's or a machine's command, and
    /// by messages of a peer.
    package static let standard: [Notice.Kind: Budget] = [
        .plain: Budget(burst: 100, period: .seconds(1)),
        .audit: Budget(burst: 200, period: .milliseconds(50)),
        .peer: Budget(burst: 10, period: .seconds(10)),
    ]

    package init(_ budgets: [Notice.Kind: Budget] = NoticeLimiter.standard) {
        self.budgets = budgets
    }

    /// Notices that are to be written: this one, after the count of those before it that were left
    /// out; none if it is left out itself.
    package mutating func receive(_ notice: Notice, at now: Instant) -> [Notice] {
        guard let budget = budgets[notice.kind],
            !Self.unlimited.contains(ByteString(notice.subsystem))
        else { return [notice] }
        let source = Source(
            subsystem: ByteString(notice.subsystem), subject: ByteString(notice.subject),
            level: notice.level,
            kind: notice.kind)
        var told: [Notice] = []
        if sources[source] == nil, sources.count >= Self.sourcesMax { told = forgetQuietest() }
        var state =
            sources[source]
            ?? State(left: budget.burst, refill: now + budget.period, latest: notice)
        Self.refill(&state, budget, at: now)
        if state.left > 0 {
            state.left -= 1
            told += Self.summary(&state)
            told.append(notice)
        } else {
            if state.hidden == 0 { hasNewCount = true }
            state.hidden += 1
            state.latest = notice
        }
        sources[source] = state
        return told
    }

    private static func refill(_ state: inout State, _ budget: Budget, at now: Instant) {
        guard now >= state.refill else { return }
        let periods = Int((now - state.refill).nanoseconds / budget.period.nanoseconds) + 1
        state.left = min(budget.burst, state.left + periods)
        state.refill = state.refill + budget.period * periods
    }

    /// The counts that are due; with `all`, every count.
    package mutating func timeout(at now: Instant, all: Bool = false) -> [Notice] {
        var told: [Notice] = []
        for (source, state) in sources where state.hidden > 0 && (all || state.refill <= now) {
            var state = state
            if let budget = budgets[source.kind] { Self.refill(&state, budget, at: now) }
            state.left = max(0, state.left - 1)
            told += Self.summary(&state)
            sources[source] = state
        }
        return told
    }

    /// When the next count is due.
    package var deadline: Instant? {
        sources.values.lazy.filter { $0.hidden > 0 }.map(\.refill).min()
    }

    private static func summary(_ state: inout State) -> [Notice] {
        guard state.hidden > 0 else { return [] }
        defer { state.hidden = 0 }
        var notice = state.latest
        if state.hidden > 1 {
            notice.message += "; \(state.hidden - 1) more like this were not logged"
        }
        return [notice]
    }

    private mutating func forgetQuietest() -> [Notice] {
        guard let (source, state) = sources.min(by: { $0.value.refill < $1.value.refill }) else {
            return []
        }
        var last = state
        sources[source] = nil
        return Self.summary(&last)
    }
}
