import Base

/// When the spans of one cycle were last polled, by the releases of its runs. It outlives a change
/// of plan, so that no span is polled sooner than its interval after the poll before, whatever
/// cycle that belonged to.
struct PollLedger: Sendable {
    /// A span that comes from another cycle, or of which this cycle does not know better.
    struct Poll: Sendable {
        let span: Span
        /// Release of its last poll; nil: there was none.
        var last: Instant?
        /// Its next poll is not before this, whatever else its new cycle is released for.
        var notBefore = Instant.zero
    }

    private struct Polls: Sendable {
        /// Release of the last run; nil: there was none.
        var last: Instant?
        /// Spans that another cycle has polled last, until this one does.
        var others: [Place: Poll] = [:]

        /// The same after a run that is released then has polled what it polls.
        func after(_ due: Instant) -> Polls {
            Polls(last: due, others: others.filter { $0.value.notBefore > due })
        }
    }

    private struct Place: Hashable, Sendable {
        let table: Table
        let address: Int
        let count: Int

        init(_ span: Span) { (table, address, count) = (span.table, span.address, span.count) }
    }

    /// Polls of all runs before the last one.
    private var polls = Polls()
    /// Release of the last run, which counts once another one is released. Nil: there was none, or
    /// nothing of it has been carried out.
    private var released: Instant?

    init() {}

    /// A cycle that takes over spans from others.
    init(_ known: [Poll]) {
        polls.last = known.lazy.compactMap(\.last).max()
        for poll in known where poll.last != polls.last || poll.notBefore > .zero {
            polls.others[Place(poll.span)] = poll
        }
    }

    /// Release of the last run.
    var last: Instant? { released ?? polls.last }

    /// A run is released that polls all spans but those for which it is too soon.
    mutating func released(at due: Instant) {
        if let released { polls = polls.after(released) }
        released = due
    }

    /// The last run has ended before anything of it was read.
    mutating func endedUnread() { released = nil }

    /// There may be spans that are not polled with the others.
    var hasLatecomers: Bool { polls.others.contains { isOther($0.value) } }

    /// A run that is released before this does not poll the span.
    func notBefore(_ span: Span) -> Instant {
        guard let poll = polls.others[Place(span)], isOther(poll) else { return .zero }
        return poll.notBefore
    }

    /// The last run did not poll it.
    private func isOther(_ poll: Poll) -> Bool { released.map { poll.notBefore > $0 } ?? true }

    /// The last poll of a span; nil: there was none.
    /// - Parameter isOutstanding: the last run has not come to it yet.
    func lastPoll(of span: Span, isOutstanding: Bool) -> Instant? {
        if let other = polls.others[Place(span)], isOutstanding || isOther(other) {
            return other.last
        }
        return isOutstanding ? polls.last : last
    }
}

/// When a cycle that is made of spans with a past may be released.
struct ReleaseTime: Sendable {
    /// No span is polled sooner than the shorter of its old and its new interval allows.
    private var floor: Instant?
    /// No span waits for longer than a period after it was due.
    private var cap: Instant?
    private let interval: Duration

    /// - Parameter interval: of the new cycle.
    init(interval: Duration) { self.interval = interval }

    /// One of its spans.
    /// - Parameters:
    ///   - last: its last poll; nil: it has never been polled.
    ///   - old: its interval until now.
    mutating func include(last: Instant?, every old: Duration) {
        guard let last else { return }
        floor = max(floor ?? last, last + min(old, interval))
        cap = min(cap ?? .distantFuture, last + interval * 2)
    }

    /// Not later than this, whatever the spans say.
    mutating func limit(_ latest: Instant) { cap = min(cap ?? .distantFuture, latest) }

    /// The earliest release; nil where no span has a past.
    var earliest: Instant? { floor.map { min($0, cap ?? $0) } }

    /// The first time at or after `earliest` on a grid.
    func next(from due: Instant, step: Duration) -> Instant {
        guard let earliest, earliest > due else { return due }
        let behind = (earliest - due).nanoseconds
        return due
            + .nanoseconds((behind + step.nanoseconds - 1) / step.nanoseconds * step.nanoseconds)
    }
}

/// The middle of the longest time in which nothing is released: where the first release of a new
/// cycle goes.
struct ReleaseGaps: Sendable {
    let longest: Instant

    /// - Parameter dues: the next releases that are known.
    init(_ dues: [Instant], from start: Instant, within window: Duration) {
        let taken = dues.filter { $0 >= start && $0 < start + window }.sorted()
        var best = (length: Duration.zero, middle: start)
        var edge = start
        for due in taken + [start + window] {
            if due - edge > best.length { best = (due - edge, edge + (due - edge) / 2) }
            edge = due
        }
        // On an empty line there is nothing to keep clear of.
        longest = taken.isEmpty ? start : best.middle
    }
}
