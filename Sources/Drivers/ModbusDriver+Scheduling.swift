import Base
import Line
import Modbus

/// Which job is next, and when to look again.
extension ModbusDriver {
    /// The latest first release after opening: a value read once an hour is not an hour away.
    static let spreadLimit = Duration.seconds(10)

    /// First releases spread evenly over the interval, cycle by cycle of the same interval; those
    /// of different intervals into each other's gaps.
    mutating func spreadPhases(at now: Instant) {
        var sizes: [Duration: Int64] = [:]
        for cycle in cycles { sizes[cycle.plan.interval, default: 0] += 1 }
        var shifts: [Duration: Int64] = [:]
        for (index, interval) in sizes.keys.sorted().enumerated() {
            shifts[interval] = Int64(index)
        }
        let groups = Int64(max(1, sizes.count))
        var places: [Duration: Int64] = [:]
        for index in cycles.indices {
            let interval = cycles[index].plan.interval
            let place = places[interval, default: 0]
            places[interval] = place + 1
            let spread = min(cycles[index].period, Self.spreadLimit)
            cycles[index].run = nil
            cycles[index].hasReportedPort = false
            let slots = (sizes[interval] ?? 1) * groups
            cycles[index].nextRelease =
                now + spread * (place * groups + (shifts[interval] ?? 0)) / slots
            cycles[index].earliest = now
        }
    }

    /// - Parameter before: what was announced of the plan before; nothing is said twice.
    mutating func announceLoad(after before: ReadPlan? = nil) {
        let percent = Int(min(plan.load * 100, 1e9))
        if plan.load > 1 {
            if let before, abs(before.load - plan.load) < 0.1 { return }
            say(
                .warning,
                "the plan needs \(percent) % of the line: every interval is stretched by that")
        } else if plan.load > settings.maxLoad,
            before.map({ $0.load <= settings.maxLoad || $0.load > 1 }) ?? true
        {
            say(.warning, "the plan needs \(percent) % of the line, more than maxLoad")
        }
        for (unit, span) in plan.unreadable
        where before?.unreadable.contains(where: { $0.unit == unit && $0.span == span }) != true {
            say(
                .error,
                "unit \(unit): no request can read \(Plural.text(span.count, "item")) "
                    + "from \(span.table.rawValue) \(span.address)")
        }
    }

    /// Releases what is due, starts what may start, and sets the next wake-up.
    mutating func settle(at now: Moment) {
        expireOrders(at: now)
        if line == .open { releaseHeld(at: now) }
        defer { if served.isOn { giveServedReplies() } }
        if served.isOn { settleServed(at: now) }
        settleLine(at: now)
        // What the end of an exchange has left may be over at once.
        if line == .open, let due = doubtEnds, due <= now.instant { releaseHeld(at: now) }
        guard line == .open, ahead?.isBurst != true, let due = doubtEnds,
            due < wake?.due ?? .distantFuture
        else { return }
        wake = (max(due, now.instant), .doubt)
    }

    private mutating func settleLine(at now: Moment) {
        switch line {
        case .unopened, .paused: return wake = nil
        case .closed: reportPort(at: now)
        case .open:
            guard ahead?.isBurst != true else { return }
            release(at: now)
            if let ahead {
                wake = (ahead.replyDue, .reply)
                return
            }
            if let wait = exchange.deadline {
                wake = wait
                return
            }
            guard !isHeld else { return wake = nil }
            dispatch(at: now)
        }
    }

    private mutating func dispatch(at now: Moment) {
        let start = max(now.instant, exchange.quietUntil)
        let choice = choose(at: start)
        guard let work = choice.work else {
            let due = choice.earliest
            wake = due == .distantFuture ? nil : (max(due, now.instant), .release)
            return
        }
        if choice.release != nil, case .read(let cycle) = work {
            return beginEarly(cycle, at: now, start: start)
        }
        let begin = max(start, exchange.quietUntil(units[unit(of: work)].delay))
        let isAhead = begin > now.instant
        guard !isAhead || maySchedule(work, at: begin) else {
            wake = (begin, .silence)
            return
        }
        if isAhead, case .read(let cycle) = work {
            schedule(cycle, isOnBudget: choice.isOnBudget, leavingAt: begin, at: now)
        } else {
            self.begin(work, isOnBudget: choice.isOnBudget, as: .now, at: now.instant)
            wake = exchange.deadline
        }
    }

    // MARK: releases

    mutating func release(at now: Moment) {
        for index in cycles.indices where cycles[index].nextRelease <= now.instant {
            let behind = (now.instant - cycles[index].nextRelease).nanoseconds
            let period = cycles[index].period.nanoseconds
            let missed = behind / period
            let due = cycles[index].nextRelease + .nanoseconds(missed * period)
            cycles[index].nextRelease = due + cycles[index].period
            let isBusy = cycles[index].run != nil
            let unit = cycles[index].unit
            if !units[unit].health.isSuspect {
                let skipped = Int(missed) + (isBusy ? 1 : 0)
                counters.skipped += skipped
                units[unit].statistics.skipped += skipped
            }
            if !isBusy { startRun(index, released: due, at: now) }
        }
    }

    private mutating func beginEarly(_ index: Int, at now: Moment, start: Instant) {
        guard start <= now.instant || maySchedule(.read(cycle: index), at: start) else {
            wake = (start, .silence)
            return
        }
        let released = max(start, now.instant)
        cycles[index].nextRelease = released + cycles[index].period
        startRun(index, released: released, at: now)
        dispatch(at: now)
    }

    /// A read right behind an exchange that ended well: nothing but the silence of the line is
    /// waited for.
    private func maySchedule(_ work: Work, at start: Instant) -> Bool {
        guard autonomy.schedules, case .read = work else { return false }
        return !exchange.needsDiscard && start == exchange.quietUntil
    }

    /// Reads of a run that is released then.
    mutating func jobs(of index: Int, released: Instant, at now: Moment) -> [ReadJob] {
        let cycle = cycles[index]
        var jobs: [ReadJob] = []
        for read in cycle.reads(due: released) {
            units[cycle.unit].expand(read, at: now.instant, into: &jobs)
        }
        return jobs
    }

    mutating func startRun(_ index: Int, released: Instant, at now: Moment) {
        let cycle = cycles[index]
        let jobs = jobs(of: index, released: released, at: now)
        var run = CycleRun(
            cycle.plan, jobs, isProbe: units[cycle.unit].health.isOffline,
            deadline: released + cycle.period,
            at: now)
        run.isPartial = cycle.reads(due: released).count < cycle.plan.reads.count
        cycles[index].earliest = released + cycle.plan.interval
        cycles[index].ledger.released(at: released)
        cycles[index].run = run
        if run.isDone { close(index, at: now) }
    }

    // MARK: the line is gone

    /// Tells once of every unit and cycle that the line is gone; then there is silence until it is
    /// back.
    package mutating func closed(at now: Moment) {
        unschedule(at: now.instant)
        if line == .unopened { spreadPhases(at: now.instant) }
        noteInterrupted()
        let wasClosed = line == .closed
        line = .closed
        work = nil
        loseHeld(of: nil, .port)
        exchange.reset(at: now.instant)
        failOrders(.read(.port), at: now)
        served.closeAll()
        if !wasClosed {
            for index in cycles.indices {
                // A unit that was given up has said what there is to say.
                cycles[index].hasReportedPort = units[cycles[index].unit].health.isOffline
                if let run = cycles[index].run, !run.isProbe { failForPort(index, run, at: now) }
                cycles[index].run = nil
            }
            for unit in units.indices { setState(unit, .offline, at: now) }
        }
        settle(at: now)
    }

    /// Drops reads and setup steps under way without a report; other orders fail with `.paused`. A
    /// unit that answers afterwards counts as come back.
    package mutating func pause(at now: Moment) {
        unschedule(at: now.instant)
        noteInterrupted()
        line = .paused
        work = nil
        held.removeAll()
        exchange.reset(at: now.instant)
        failOrders(.paused, at: now)
        served.closeAll()
        for index in cycles.indices { cycles[index].run = nil }
        for unit in units.indices { units[unit].health.state = nil }
        settle(at: now)
    }

    private mutating func failForPort(_ index: Int, _ unfinished: CycleRun, at now: Moment) {
        var run = unfinished
        run.failDoubtful(.port, units[cycles[index].unit].fence)
        run.fail(.port, rest: .port, at: now)
        cycles[index].hasReportedPort = true
        emit(.reading(reading(of: index, run)))
    }

    /// One failed reading per cycle when it is due.
    mutating func reportPort(at now: Moment) {
        var next = Instant.distantFuture
        for index in cycles.indices where !cycles[index].hasReportedPort {
            guard cycles[index].nextRelease <= now.instant else {
                next = min(next, cycles[index].nextRelease)
                continue
            }
            let plan = cycles[index].plan
            let jobs = plan.reads.map { ReadJob(read: $0) }
            let run = CycleRun(plan, jobs, isProbe: false, deadline: now.instant, at: now)
            failForPort(index, run, at: now)
        }
        wake = next == .distantFuture ? nil : (next, .release)
    }
}
