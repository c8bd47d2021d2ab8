import Base

/// Hands the state of one unit's cycles over to those of the next plan.
struct CycleTransfer: Sendable {
    enum Origin: Sendable { case unchanged, changed, unknown }

    /// The unit's cycles by the plan before, and what they are to be now; each has another
    /// interval.
    let past: [PollCycle]
    let plans: [CyclePlan]
    /// By the new plan.
    let unit: LineUnit

    /// - Parameter cycle: one of the new cycles, without a past yet.
    func inherit(_ cycle: inout PollCycle, at now: Moment) -> Origin {
        guard let same = past.first(where: { $0.plan.interval == cycle.plan.interval }) else {
            return begin(&cycle, at: now.instant)
        }
        if reads(same.plan, theSameAs: cycle.plan) {
            var run = same.run
            run?.renumber { number in plans.firstIndex { $0.interval == past[number].plan.interval }
            }
            cycle.resume(same, run)
            keepUp(&cycle, with: same, at: now.instant)
            return .unchanged
        }
        goOn(&cycle, from: same, at: now)
        keepUp(&cycle, with: same, at: now.instant)
        return .changed
    }

    /// A unit that was given up is asked again when it would have been.
    func keepProbe(_ cycles: inout [PollCycle], _ own: Range<Int>) {
        let waiting = past.filter { $0.run != nil }.compactMap(\.ledger.last).min()
        let due = past.map(\.nextRelease).min() ?? .distantFuture
        for index in own {
            cycles[index].nextRelease = .distantFuture
            cycles[index].run = nil
        }
        guard let first = own.first(where: { !cycles[$0].plan.reads.isEmpty }) else { return }
        cycles[first].nextRelease = waiting ?? due
    }

    /// The line has become less busy: nobody waits for the end of a longer period.
    private func keepUp(_ cycle: inout PollCycle, with old: PollCycle, at now: Instant) {
        guard cycle.period < old.period, let last = cycle.ledger.last,
            cycle.nextRelease < .distantFuture
        else { return }
        cycle.nextRelease = max(now, min(cycle.nextRelease, last + cycle.period))
    }

    /// The cycle that a span belonged to, and its last poll.
    /// - Parameter interval: of the cycle that it belongs to now.
    private func origin(
        of span: Span, for interval: Duration
    ) -> (cycle: PollCycle, poll: PollLedger.Poll)? {
        guard let old = past.first(where: { $0.plan.spans.contains { $0.isSamePlace(span) } })
        else { return nil }
        let isOutstanding = old.run.map { !$0.isDone(with: span) } ?? false
        let last = old.ledger.lastPoll(of: span, isOutstanding: isOutstanding)
        var notBefore = old.ledger.notBefore(span)
        if let last, old.plan.interval != interval {
            notBefore = last + min(old.plan.interval, interval)
        }
        return (old, PollLedger.Poll(span: span, last: last, notBefore: notBefore))
    }

    /// The same interval with other reads: phase and run stay. Spans that come from another
    /// interval put it off by a period where they would be polled too soon.
    private func goOn(_ cycle: inout PollCycle, from same: PollCycle, at now: Moment) {
        var time = ReleaseTime(interval: cycle.plan.interval)
        var polls: [PollLedger.Poll] = []
        for span in cycle.plan.spans {
            let origin = origin(of: span, for: cycle.plan.interval)
            polls.append(origin?.poll ?? PollLedger.Poll(span: span))
            guard let origin else { continue }
            if origin.cycle.plan.interval != cycle.plan.interval {
                time.include(last: origin.poll.last, every: origin.cycle.plan.interval)
            } else if let last = origin.poll.last {
                time.limit(last + cycle.plan.interval * 2)
            }
        }
        let known = PollLedger(polls)
        guard let old = same.run, let released = same.ledger.last,
            (time.earliest ?? released) <= now.instant
        else {
            cycle.resume(same, nil)
            cycle.ledger = known
            cycle.nextRelease = time.next(from: same.nextRelease, step: cycle.period)
            return
        }
        var jobs: [ReadJob] = []
        var unit = unit
        cycle.ledger = known
        let reads = cycle.reads(due: now.instant)
        for read in reads { unit.expand(read, at: now.instant, into: &jobs) }
        var run = CycleRun(old, cycle.plan, jobs, at: now)
        run.isPartial = old.isPartial || reads.count < cycle.plan.reads.count
        cycle.resume(same, run)
        cycle.ledger = known
        cycle.ledger.released(at: released)
    }

    /// An interval that the unit did not have: its grid begins at the last poll.
    private func begin(_ cycle: inout PollCycle, at now: Instant) -> Origin {
        var time = ReleaseTime(interval: cycle.plan.interval)
        var polls: [PollLedger.Poll] = []
        var origins: [PollCycle] = []
        for span in cycle.plan.spans {
            let origin = origin(of: span, for: cycle.plan.interval)
            polls.append(origin?.poll ?? PollLedger.Poll(span: span))
            guard let origin else { continue }
            time.include(last: origin.poll.last, every: origin.cycle.plan.interval)
            origins.append(origin.cycle)
        }
        guard !origins.isEmpty else { return .unknown }
        cycle.ledger = PollLedger(polls)
        cycle.hasReportedPort = origins.contains(where: \.hasReportedPort)
        cycle.earliest = max(now, time.earliest ?? now)
        var due = origins.lazy.map(\.nextRelease).filter { [earliest = cycle.earliest] in
            $0 >= earliest
        }.min()
        if let last = cycle.ledger.last {
            let step = cycle.period.nanoseconds
            let count = max(1, ((cycle.earliest - last).nanoseconds + step - 1) / step)
            due = min(due ?? .distantFuture, last + .nanoseconds(count * step))
        }
        cycle.nextRelease = due ?? cycle.earliest
        return .changed
    }

    /// The same requests, and the same spans from the same faster cycles. Slower cycles may borrow
    /// something else.
    private func reads(_ old: CyclePlan, theSameAs new: CyclePlan) -> Bool {
        guard old.unreadable == new.unreadable, old.reads.count == new.reads.count,
            old.borrowed.count == new.borrowed.count
        else { return false }
        for (one, two) in zip(old.reads, new.reads) {
            guard one.isSamePlace(two), old.ownSpans(of: one) == new.ownSpans(of: two) else {
                return false
            }
        }
        for (one, two) in zip(old.borrowed, new.borrowed) {
            guard one.spans == two.spans, past[one.cycle].plan.interval == plans[two.cycle].interval
            else {
                return false
            }
        }
        return true
    }
}

extension CyclePlan {
    /// The spans that a read is for, without those that slower cycles borrow from it.
    func ownSpans(of read: PlannedRead) -> [Span] { read.spans.filter { $0.interval <= interval } }

    /// All that the cycle is to bring and that a request can name.
    var spans: [Span] { reads.flatMap(ownSpans) + borrowed.flatMap(\.spans) }
}
