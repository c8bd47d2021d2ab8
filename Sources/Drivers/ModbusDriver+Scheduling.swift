import Base
import Modbus

/// Which job is next, and when to look again.
extension ModbusDriver {
    /// The latest first release after opening: a value read once an hour is not an hour away.
    static let spreadLimit = Duration.seconds(10)

    /// First releases spread evenly over the interval, cycle by cycle of the same interval.
    mutating func spreadPhases(at now: Instant) {
        var sizes: [Duration: Int64] = [:]
        for cycle in cycles { sizes[cycle.plan.interval, default: 0] += 1 }
        var places: [Duration: Int64] = [:]
        for index in cycles.indices {
            let interval = cycles[index].plan.interval
            let place = places[interval, default: 0]
            places[interval] = place + 1
            let spread = min(cycles[index].period, Self.spreadLimit)
            cycles[index].run = nil
            cycles[index].hasReportedPort = false
            cycles[index].nextRelease = now + spread * place / (sizes[interval] ?? 1)
            cycles[index].earliest = now
        }
    }

    mutating func announceLoad() {
        let percent = Int(min(plan.load * 100, 1e9))
        if plan.load > 1 {
            say(.warning, "the plan needs \(percent) % of the line: every interval is stretched by that")
        } else if plan.load > settings.maxLoad {
            say(.warning, "the plan needs \(percent) % of the line, more than maxLoad")
        }
        for (unit, span) in plan.unreadable {
            say(.error, "unit \(unit): no request can read \(span.table.rawValue) \(span.address), \(span.count) items")
        }
    }

    /// Releases what is due, starts what may start, and sets the next wake-up.
    mutating func settle(at now: Moment) {
        expireOrders(at: now)
        switch line {
        case .unopened: wake = nil
        case .closed: reportPort(at: now)
        case .open:
            release(at: now)
            if let wait = exchange.deadline {
                wake = (wait.due, wait.isRest ? .rest : .reply)
                return
            }
            dispatch(at: now)
        }
    }

    private mutating func dispatch(at now: Moment) {
        let start = max(now.instant, exchange.quietUntil)
        let choice = choose(at: start)
        guard let work = choice.work else {
            var due = min(choice.earliest, nextRelease)
            if plan.load > 1, let (index, at) = earlyCycle(), at < due {
                guard at > start else {
                    beginEarly(index, at: now, start: start)
                    return
                }
                due = at
            }
            wake = due == .distantFuture ? nil : (max(due, now.instant), .release)
            return
        }
        guard start <= now.instant else {
            wake = (start, .silence)
            return
        }
        begin(work, onBudget: choice.isOnBudget, at: now)
        if let wait = exchange.deadline { wake = (wait.due, .reply) }
    }

    // MARK: releases

    private var nextRelease: Instant {
        var next = Instant.distantFuture
        for cycle in cycles where cycle.nextRelease < next { next = cycle.nextRelease }
        return next
    }

    private mutating func release(at now: Moment) {
        for index in cycles.indices where cycles[index].nextRelease <= now.instant {
            let behind = (now.instant - cycles[index].nextRelease).nanoseconds
            let period = cycles[index].period.nanoseconds
            let missed = behind / period
            let due = cycles[index].nextRelease + .nanoseconds(missed * period)
            cycles[index].nextRelease = due + cycles[index].period
            let isBusy = cycles[index].run != nil
            let skipped = Int(missed) + (isBusy ? 1 : 0)
            counters.skipped += skipped
            units[cycles[index].unit].statistics.skipped += skipped
            if !isBusy { startRun(index, released: due, at: now) }
        }
    }

    /// On a stretched schedule the line may turn out to be faster than planned: the cycle that is
    /// due next then goes early, but never sooner than its own interval.
    private func earlyCycle() -> (index: Int, at: Instant)? {
        var best: Int?
        var at = Instant.distantFuture
        for index in cycles.indices {
            let cycle = cycles[index]
            guard cycle.run == nil, !units[cycle.unit].health.isSuspect else { continue }
            if cycle.earliest < at || cycle.earliest == at && cycle.nextRelease < cycles[best ?? index].nextRelease {
                best = index
                at = cycle.earliest
            }
        }
        return best.map { ($0, at) }
    }

    private mutating func beginEarly(_ index: Int, at now: Moment, start: Instant) {
        guard start <= now.instant else {
            wake = (start, .silence)
            return
        }
        cycles[index].nextRelease = now.instant + cycles[index].period
        startRun(index, released: now.instant, at: now)
        dispatch(at: now)
    }

    private mutating func startRun(_ index: Int, released: Instant, at now: Moment) {
        let cycle = cycles[index]
        var run = CycleRun(
            deadline: released + cycle.period, isProbe: units[cycle.unit].health.isOffline, jobs: [],
            waiting: cycle.plan.borrowed)
        for read in cycle.plan.reads { units[cycle.unit].expand(read, at: now.instant, into: &run.jobs) }
        for span in cycle.plan.unreadable {
            run.parts.append(ReadPart(span.table, span.address, span.count, .failure(.range), at: now))
        }
        cycles[index].earliest = released + cycle.plan.interval
        cycles[index].run = run
        if run.isDone { close(index, at: now) }
    }

    // MARK: the choice

    struct Choice {
        var work: Work?
        var isOnBudget = false
        /// If there is nothing to do: when something that waits now may be done.
        var earliest = Instant.distantFuture
    }

    /// What to send at `start`.
    private mutating func choose(at start: Instant) -> Choice {
        var choice = Choice()
        var order: Int?
        if !orders.isEmpty { order = chooseOrder(at: start, &choice.earliest) }
        if let order, orders[order].failures == 0 || orders[order].unit != failedUnit {
            takeUp(order, &choice)
            return choice
        }
        chooseRead(at: start, &choice)
        if let order {
            if case .read(let cycle) = choice.work, cycles[cycle].unit != orders[order].unit { return choice }
            takeUp(order, &choice)
        }
        return choice
    }

    private mutating func takeUp(_ order: Int, _ choice: inout Choice) {
        if order > 0 { orders.insert(orders.remove(at: order), at: 0) }
        choice.work = .order
        choice.isOnBudget = units[orders[0].unit].health.isSuspect
    }

    private func chooseRead(at start: Instant, _ choice: inout Choice) {
        var healthy: (index: Int, isRetry: Bool, deadline: Instant)?
        var funded: (index: Int, isRetry: Bool, deadline: Instant)?
        var waiting: (index: Int, timeouts: Int, deadline: Instant, cost: Duration)?
        var nextHealthy = Instant.distantFuture
        for index in cycles.indices {
            let unit = cycles[index].unit
            let isSuspect = units[unit].health.isSuspect
            guard let run = cycles[index].run, let job = run.job else {
                if !isSuspect { nextHealthy = min(nextHealthy, cycles[index].nextRelease) }
                continue
            }
            let request = job.read.request
            let free = max(job.notBefore, units[unit].free(request.function, replyLength: request.replyLength))
            guard free <= start else {
                choice.earliest = min(choice.earliest, free)
                if !isSuspect { nextHealthy = min(nextHealthy, free) }
                continue
            }
            let isRetry = job.failures > 0 && unit == failedUnit
            if !isSuspect {
                nextHealthy = start
                if healthy.map({ (isRetry ? 1 : 0, run.deadline) < ($0.isRetry ? 1 : 0, $0.deadline) }) ?? true {
                    healthy = (index, isRetry, run.deadline)
                }
                continue
            }
            let cost = units[unit].health.timeout(units[unit].responseTimeout) + job.read.wireTime
            let payable = budget.affordable(cost, at: start)
            if payable <= start {
                if funded.map({ (isRetry ? 1 : 0, run.deadline) < ($0.isRetry ? 1 : 0, $0.deadline) }) ?? true {
                    funded = (index, isRetry, run.deadline)
                }
            } else {
                choice.earliest = min(choice.earliest, payable)
                let timeouts = units[unit].health.timeouts
                if waiting.map({ (timeouts, run.deadline) < ($0.timeouts, $0.deadline) }) ?? true {
                    waiting = (index, timeouts, run.deadline, cost)
                }
            }
        }
        if let one = funded,
            healthy.map({ (one.isRetry ? 1 : 0, one.deadline) < ($0.isRetry ? 1 : 0, $0.deadline) }) ?? true {
            choice.work = .read(cycle: one.index)
            // Time that nobody wants is not charged.
            let slack = nextHealthy - start
            choice.isOnBudget = slack < units[cycles[one.index].unit].responseTimeout
        } else if let healthy {
            choice.work = .read(cycle: healthy.index)
        } else if let waiting, nextHealthy - start >= waiting.cost {
            choice.work = .read(cycle: waiting.index)
        }
    }
}
