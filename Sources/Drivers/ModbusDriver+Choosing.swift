import Base
import Line
import Modbus

/// Chooses the request that goes out next.
extension ModbusDriver {
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

    /// The request to send at `start`.
    mutating func choose(at start: Instant) -> Choice {
        var choice = Choice()
        guard !orders.isEmpty, let next = chooseOrder(at: start, &choice.earliest) else {
            chooseRead(at: start, &choice)
            return choice
        }
        let order = orders[next.index]
        let mustWait = order.failures > 0 && order.unit == failedUnit
        if !mustWait, next.isPermitted {
            takeUp(next, &choice)
            return choice
        }
        chooseRead(at: start, &choice)
        if mustWait, let work = choice.work, unit(of: work) != order.unit { return choice }
        if !next.isPermitted, wouldDelayReads(order, choice, at: start) {
            for index in orders.indices { orders[index].hasYielded = true }
            let opens = orderBudget.opens(setup: order.setupStep != nil, at: start)
            choice.earliest = min(choice.earliest, opens)
            return choice
        }
        takeUp(next, &choice)
        return choice
    }

    /// A read is due, or will be before the order's exchange is over.
    private func wouldDelayReads(_ order: OrderJob, _ choice: Choice, at start: Instant) -> Bool {
        if choice.work != nil, !choice.isSpare { return true }
        return choice.nextHealthy - start < price(of: order)
    }

    private mutating func takeUp(_ order: ReadyOrder, _ choice: inout Choice) {
        if order.index > 0 { orders.insert(orders.remove(at: order.index), at: 0) }
        choice.work = order.fence.map { .fence($0) } ?? .order
        let unit = units[orders[0].unit]
        choice.isOnBudget = unit.health.isSuspect && !unit.address.unit.isBroadcast
    }

    private struct Candidate {
        var work: Work
        var unit: Int
        /// 1 for a retry that must let other units go first.
        var rank: Int
        var deadline: Instant
        var cost: Duration

        func isBefore(_ other: Candidate?) -> Bool {
            other.map { (rank, deadline) < ($0.rank, $0.deadline) } ?? true
        }
    }

    /// The candidates of one choice: the best that is well, and of those that may cost a wait the
    /// best that can be paid and the best that cannot.
    private struct Field {
        var healthy: Candidate?
        var funded: (candidate: Candidate, timeouts: Int)?
        var unfunded: (candidate: Candidate, timeouts: Int)?
        var nextHealthy = Instant.distantFuture
    }

    /// The due read with the earliest deadline. A unit under suspicion, and one that is known to be
    /// late, competes only if the unhealthy budget can pay for its attempt; otherwise it gets time
    /// in which nobody else wants the line. A unit is not read before its setup is over.
    private mutating func chooseRead(at start: Instant, _ choice: inout Choice) {
        var field = Field()
        for unit in doubtful() {
            guard let request = units[unit].fence.doubtful,
                let job = fenceJob(unit, before: request, for: .doubt, at: start)
            else {
                units[unit].fence.forgo(at: start)
                continue
            }
            consider(
                candidate(.fence(job), unit, 0, .zero, job.request), at: start, &field, &choice)
        }
        let isSettingUp = orders.contains { $0.setupStep != nil }
        for index in cycles.indices {
            let unit = cycles[index].unit
            let isCostly = units[unit].health.isSuspect || isSlow(unit)
            if isSettingUp, hasSetup(unit) { continue }
            guard let job = cycles[index].waiting else {
                if !isCostly {
                    field.nextHealthy = min(field.nextHealthy, cycles[index].nextRelease)
                }
                continue
            }
            var free = job.notBefore
            var work = Work.read(cycle: index)
            if free <= start, !units[unit].fence.isOpen { (work, free) = gated(index, at: start) }
            guard free <= start, let waiting = cycles[index].waiting else {
                choice.earliest = min(choice.earliest, free)
                if !isCostly { field.nextHealthy = min(field.nextHealthy, free) }
                continue
            }
            let rank = waiting.failures > 0 && unit == failedUnit ? 1 : 0
            let cost = readTimeout(of: unit) + waiting.wireTime
            consider(
                Candidate(
                    work: work, unit: unit, rank: rank, deadline: waiting.deadline, cost: cost),
                at: start, &field,
                &choice)
        }
        decide(field, at: start, &choice)
    }

    private func candidate(
        _ work: Work, _ unit: Int, _ rank: Int, _ deadline: Instant, _ request: Request
    ) -> Candidate {
        let bytes = request.pdu.count + (request.replyLength ?? 0) + 2 * RTUFrame.overhead
        let wire = exchange.timing.time(of: bytes) + exchange.timing.silence
        return Candidate(
            work: work, unit: unit, rank: rank, deadline: deadline,
            cost: readTimeout(of: unit) + wire)
    }

    private func consider(
        _ candidate: Candidate, at start: Instant, _ field: inout Field, _ choice: inout Choice
    ) {
        let unit = candidate.unit
        guard units[unit].health.isSuspect || isSlow(unit) else {
            field.nextHealthy = start
            if candidate.isBefore(field.healthy) { field.healthy = candidate }
            return
        }
        // Among suspects first everybody once, so that one who lives is found soon.
        let timeouts = units[unit].health.timeouts
        let payable = budget.affordable(candidate.cost, at: start)
        func isBetter(than known: (candidate: Candidate, timeouts: Int)?) -> Bool {
            guard let known else { return true }
            return timeouts < known.timeouts
                || timeouts == known.timeouts && candidate.isBefore(known.candidate)
        }
        if payable <= start {
            if isBetter(than: field.funded) { field.funded = (candidate, timeouts) }
        } else {
            choice.earliest = min(choice.earliest, payable)
            if isBetter(than: field.unfunded) { field.unfunded = (candidate, timeouts) }
        }
    }

    private func decide(_ field: Field, at start: Instant, _ choice: inout Choice) {
        choice.nextHealthy = field.nextHealthy
        if plan.load > 1, let early = earlyCycle(at: start)?.at {
            choice.nextHealthy = min(early, choice.nextHealthy)
        }
        if let suspect = field.funded?.candidate, !(field.healthy?.isBefore(suspect) ?? false) {
            choice.work = suspect.work
            // Time that nobody else wants is free.
            choice.isOnBudget =
                field.nextHealthy - start < max(suspect.cost, units[suspect.unit].responseTimeout)
        } else if let healthy = field.healthy {
            choice.work = healthy.work
        } else if let unfunded = field.unfunded?.candidate,
            field.nextHealthy - start >= unfunded.cost
        {
            choice.work = unfunded.work
            choice.isSpare = true
        }
    }

    /// Chooses the request for a cycle whose unit's fence is not open, and its time. The request is
    /// its next read, another one of its run, or a fence. Other cycles of the unit that may go are
    /// left to themselves: their replies are fences.
    private mutating func gated(_ index: Int, at start: Instant) -> (work: Work, free: Instant) {
        let read = Work.read(cycle: index)
        let unit = cycles[index].unit
        guard let job = cycles[index].run?.job else { return (read, .distantFuture) }
        let fence = units[unit].fence
        func isFree(_ read: PlannedRead) -> Bool {
            fence.freedom(of: ReplyShape(read.function, length: read.replyLength), at: start)
                == .free
        }
        if isFree(job.read) { return (read, start) }
        if cycles[index].run?.prefer(isFree) ?? false { return (read, start) }
        let hasOther = units[unit].cycles.contains { other in
            other != index && (cycles[other].waiting.map { $0.notBefore <= start } ?? false)
                && (cycles[other].run?.job.map { isFree($0.read) } ?? false)
        }
        if hasOther { return (read, .distantFuture) }
        switch gate(unit, job.read.request, for: .cycle(index), at: start) {
        case .free: return (read, start)
        case .wait(let until): return (read, until)
        case .fence(let job): return (.fence(job), start)
        }
    }
}
