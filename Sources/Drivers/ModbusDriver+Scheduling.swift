import Base
import Modbus

/// Which job is next, and when to look again.
extension ModbusDriver {
    /// The latest first release after opening: a value read once an hour is not an hour away.
    static let spreadLimit = Duration.seconds(10)

    /// First releases spread evenly over the interval, cycle by cycle of the same interval; those of
    /// different intervals into each other's gaps.
    mutating func spreadPhases(at now: Instant) {
        var sizes: [Duration: Int64] = [:]
        for cycle in cycles { sizes[cycle.plan.interval, default: 0] += 1 }
        var shifts: [Duration: Int64] = [:]
        for (index, interval) in sizes.keys.sorted().enumerated() { shifts[interval] = Int64(index) }
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
            cycles[index].nextRelease = now + spread * (place * groups + (shifts[interval] ?? 0)) / slots
            cycles[index].earliest = now
        }
    }

    /// - Parameter before: what was announced of the plan before; nothing is said twice.
    mutating func announceLoad(after before: ReadPlan? = nil) {
        let percent = Int(min(plan.load * 100, 1e9))
        if plan.load > 1 {
            if let before, abs(before.load - plan.load) < 0.1 { return }
            say(.warning, "the plan needs \(percent) % of the line: every interval is stretched by that")
        } else if plan.load > settings.maxLoad, before.map({ $0.load <= settings.maxLoad || $0.load > 1 }) ?? true {
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
        switch line {
        case .unopened, .paused: return wake = nil
        case .closed: reportPort(at: now)
        case .open:
            guard train == nil else { return }
            release(at: now)
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
            var due = min(choice.earliest, nextRelease)
            if plan.load > 1, let (index, at) = earlyCycle(at: start), at < due {
                guard at > start else { return beginEarly(index, at: now, start: start) }
                due = at
            }
            wake = due == .distantFuture ? nil : (max(due, now.instant), .release)
            return
        }
        let begin = max(start, exchange.quietUntil(units[unit(of: work)].delay))
        let isAhead = begin > now.instant
        guard !isAhead || maySchedule(work, at: begin) else {
            wake = (begin, .silence)
            return
        }
        isOnBudget = choice.isOnBudget
        let frame = self.begin(work, departure: isAhead ? .later : .now, at: isAhead ? begin : now.instant)
        wake = exchange.deadline
        if isAhead, case .read(let cycle) = work { depart(frame, at: begin, of: cycle, at: now) }
    }

    // MARK: releases

    private var nextRelease: Instant {
        var next = Instant.distantFuture
        for cycle in cycles where cycle.nextRelease < next { next = cycle.nextRelease }
        return next
    }

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

    /// On a stretched schedule the line may turn out to be faster than planned: the cycle that is
    /// due next then goes early, but never sooner than its own interval.
    private func earlyCycle(at start: Instant) -> (index: Int, at: Instant)? {
        var best: (index: Int, at: Instant, due: Instant)?
        for index in cycles.indices {
            guard cycles[index].run == nil, !units[cycles[index].unit].health.isSuspect else { continue }
            let at = max(cycles[index].earliest, start)
            let due = cycles[index].nextRelease
            if let known = best, (known.at, known.due) <= (at, due) { continue }
            best = (index, at, due)
        }
        return best.map { ($0.index, $0.at) }
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

    /// A read right behind an exchange that ended well: nothing but the silence of the line is waited for.
    private func maySchedule(_ work: Work, at start: Instant) -> Bool {
        guard canSchedule, case .read = work else { return false }
        return !exchange.needsDiscard && start == exchange.quietUntil
    }

    mutating func startRun(_ index: Int, released: Instant, at now: Moment) {
        let cycle = cycles[index]
        var jobs: [ReadJob] = []
        let reads = cycle.reads(due: released)
        for read in reads { units[cycle.unit].expand(read, at: now.instant, into: &jobs) }
        var run = CycleRun(
            cycle.plan, jobs, isProbe: units[cycle.unit].health.isOffline, deadline: released + cycle.period,
            at: now)
        run.isPartial = reads.count < cycle.plan.reads.count
        cycles[index].earliest = released + cycle.plan.interval
        cycles[index].ledger.released(at: released)
        cycles[index].run = run
        if run.isDone { close(index, at: now) }
    }

    // MARK: the choice

    struct Choice {
        var work: Work?
        var isOnBudget = false
        /// The read goes only because nobody else wants the line.
        var isSpare = false
        /// When a healthy read is due.
        var nextHealthy = Instant.distantFuture
        /// If there is nothing to do: when something that waits now may be done.
        var earliest = Instant.distantFuture
    }

    /// What to send at `start`.
    private mutating func choose(at start: Instant) -> Choice {
        var choice = Choice()
        guard !orders.isEmpty, let next = chooseOrder(at: start, &choice.earliest) else {
            chooseRead(at: start, &choice)
            return choice
        }
        let order = orders[next.index]
        let mustWait = order.failures > 0 && order.unit == failedUnit
        if !mustWait, next.isPermitted {
            takeUp(next.index, &choice)
            return choice
        }
        chooseRead(at: start, &choice)
        if mustWait, case .read(let cycle) = choice.work, cycles[cycle].unit != order.unit { return choice }
        if !next.isPermitted, wouldDelayReads(order, choice, at: start) {
            for index in orders.indices { orders[index].hasYielded = true }
            let opens = orderBudget.opens(setup: order.setupStep != nil, at: start)
            choice.earliest = min(choice.earliest, opens)
            return choice
        }
        takeUp(next.index, &choice)
        return choice
    }

    /// A read is due, or will be before the order's exchange is over.
    private func wouldDelayReads(_ order: OrderJob, _ choice: Choice, at start: Instant) -> Bool {
        if choice.work != nil, !choice.isSpare { return true }
        return choice.nextHealthy - start < price(of: order)
    }

    private mutating func takeUp(_ order: Int, _ choice: inout Choice) {
        if order > 0 { orders.insert(orders.remove(at: order), at: 0) }
        choice.work = .order
        let unit = units[orders[0].unit]
        choice.isOnBudget = unit.health.isSuspect && !unit.address.unit.isBroadcast
    }

    /// The due read with the earliest deadline. A unit under suspicion competes only if the unhealthy
    /// budget can pay for its attempt; otherwise it gets time in which nobody else wants the line.
    /// A unit is not read before its setup is over.
    private func chooseRead(at start: Instant, _ choice: inout Choice) {
        var healthy: Candidate?
        var funded: (candidate: Candidate, timeouts: Int)?
        var unfunded: (candidate: Candidate, timeouts: Int, cost: Duration)?
        var nextHealthy = Instant.distantFuture
        let isSettingUp = orders.contains { $0.setupStep != nil }
        for index in cycles.indices {
            let unit = cycles[index].unit
            let isSuspect = units[unit].health.isSuspect
            if isSettingUp, hasSetup(unit) { continue }
            guard let job = cycles[index].waiting else {
                if !isSuspect { nextHealthy = min(nextHealthy, cycles[index].nextRelease) }
                continue
            }
            var free = job.notBefore
            if !units[unit].guards.isEmpty {
                free = max(free, units[unit].free(job.function, replyLength: job.replyLength))
            }
            guard free <= start else {
                choice.earliest = min(choice.earliest, free)
                if !isSuspect { nextHealthy = min(nextHealthy, free) }
                continue
            }
            let candidate = Candidate(
                cycle: index, rank: job.failures > 0 && unit == failedUnit ? 1 : 0, deadline: job.deadline)
            guard isSuspect else {
                nextHealthy = start
                healthy = min(candidate, healthy ?? candidate)
                continue
            }
            // Among suspects first everybody once, so that one who lives is found soon.
            let timeouts = units[unit].health.timeouts
            let cost = readTimeout(of: unit) + job.wireTime
            let payable = budget.affordable(cost, at: start)
            if payable <= start {
                if let known = funded, (known.timeouts, known.candidate) <= (timeouts, candidate) { continue }
                funded = (candidate, timeouts)
            } else {
                choice.earliest = min(choice.earliest, payable)
                if let known = unfunded, (known.timeouts, known.candidate) <= (timeouts, candidate) {
                    continue
                }
                unfunded = (candidate, timeouts, cost)
            }
        }
        choice.nextHealthy = plan.load > 1 ? min(nextHealthy, earlyCycle(at: start)?.at ?? nextHealthy) : nextHealthy
        if let suspect = funded?.candidate, suspect <= healthy ?? suspect {
            choice.work = .read(cycle: suspect.cycle)
            // Time that nobody else wants is free.
            choice.isOnBudget = nextHealthy - start < units[cycles[suspect.cycle].unit].responseTimeout
        } else if let healthy {
            choice.work = .read(cycle: healthy.cycle)
        } else if let unfunded, nextHealthy - start >= unfunded.cost {
            choice.work = .read(cycle: unfunded.candidate.cycle)
            choice.isSpare = true
        }
    }

    private struct Candidate: Comparable {
        var cycle: Int
        /// 1 for a retry that must let other units go first.
        var rank: Int
        var deadline: Instant

        static func < (left: Candidate, right: Candidate) -> Bool {
            (left.rank, left.deadline) < (right.rank, right.deadline)
        }
    }
}
