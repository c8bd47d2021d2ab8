import Base
import Line
import Modbus

/// Chooses the request that goes out next.
extension ModbusDriver {
    struct Choice {
        var work: Work?
        /// The read begins a run that has to be released then; nil: its run is under way.
        var release: Instant?
        /// The run would be its cycle's second in the burst.
        var isRepeated = false
        /// Failed attempts of the read.
        var failures = 0
        var isOnBudget = false
        /// The read goes only because nobody else wants the line.
        var isSpare = false
        /// When a healthy read is due; an order may have to wait for it.
        var nextHealthy = Instant.distantFuture
        /// If there is nothing to do: when there may be.
        var earliest = Instant.distantFuture
    }

    /// The request to send at `start`.
    /// - Parameter draft: the burst behind which it is sent, while neither an order nor a request
    ///   of another master waits; nil: it is the next on the line.
    mutating func choose(at start: Instant, in draft: BurstDraft? = nil) -> Choice {
        var choice = Choice()
        if draft == nil {
            chooseAny(at: start, &choice)
        } else {
            chooseRead(at: start, draft, &choice)
        }
        if choice.work == nil { chooseEarly(at: start, draft, &choice) }
        return choice
    }

    /// Chooses where no read waits: the next release is due, or on a stretched schedule a cycle
    /// goes early.
    private func chooseEarly(at start: Instant, _ draft: BurstDraft?, _ choice: inout Choice) {
        choice.earliest = min(choice.earliest, nextRelease(in: draft))
        guard plan.load > 1, let early = earlyCycle(at: start, in: draft),
            early.at < choice.earliest
        else { return }
        guard early.at <= start else { return choice.earliest = early.at }
        choice.work = .read(cycle: early.index)
        choice.release = start
        choice.isRepeated = view(of: early.index, in: draft).isRepeated
    }

    private mutating func chooseAny(at start: Instant, _ choice: inout Choice) {
        guard !orders.isEmpty, let next = chooseOrder(at: start, &choice.earliest) else {
            chooseRead(at: start, nil, &choice)
            if !served.isEmpty { offerLine(&choice, at: start) }
            return
        }
        let order = orders[next.index]
        let mustWait = order.failures > 0 && order.unit == failedUnit
        if !mustWait, next.isPermitted { return takeUp(next, &choice) }
        chooseRead(at: start, nil, &choice)
        if mustWait, let work = choice.work, unit(of: work) != order.unit { return }
        if !next.isPermitted, wouldDelayReads(order, choice, at: start) {
            for index in orders.indices { orders[index].hasYielded = true }
            let opens = orderBudget.opens(setup: order.setupStep != nil, at: start)
            choice.earliest = min(choice.earliest, opens)
            return
        }
        takeUp(next, &choice)
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
        var failures = 0
        var release: Instant?
        var isRepeated = false

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
    private mutating func chooseRead(
        at start: Instant, _ draft: BurstDraft?, _ choice: inout Choice
    ) {
        var field = Field()
        if draft == nil { considerDoubts(at: start, &field, &choice) }
        let isSettingUp = orders.contains { $0.setupStep != nil }
        let failedUnit = failedUnit(in: draft)
        for index in cycles.indices {
            let unit = cycles[index].unit
            let isCostly = units[unit].health.isSuspect || isSlow(unit)
            if isSettingUp, hasSetup(unit) { continue }
            let cycle = view(of: index, in: draft)
            guard var waiting = cycle.waiting else {
                if !isCostly { field.nextHealthy = min(field.nextHealthy, cycle.nextRelease) }
                continue
            }
            var free = waiting.notBefore
            var work = Work.read(cycle: index)
            // No burst goes on behind a unit whose fence is not open.
            if free <= start, draft == nil, !units[unit].fence.isOpen {
                (work, free) = gated(index, at: start)
                // It may be another read of the run.
                waiting = cycles[index].waiting ?? waiting
            }
            guard free <= start else {
                choice.earliest = min(choice.earliest, free)
                if !isCostly { field.nextHealthy = min(field.nextHealthy, free) }
                continue
            }
            let rank = waiting.failures > 0 && unit == failedUnit ? 1 : 0
            let cost = readTimeout(of: unit) + waiting.wireTime
            consider(
                Candidate(
                    work: work, unit: unit, rank: rank, deadline: waiting.deadline, cost: cost,
                    failures: waiting.failures, release: cycle.release,
                    isRepeated: cycle.isRepeated),
                at: start, &field, &choice)
        }
        decide(field, at: start, &choice)
    }

    /// Fences for what only they can settle.
    private mutating func considerDoubts(
        at start: Instant, _ field: inout Field, _ choice: inout Choice
    ) {
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
        // A draft of a burst is made only where no order waits.
        if !orders.isEmpty, plan.load > 1, let early = earlyCycle(at: start, in: nil)?.at {
            choice.nextHealthy = min(early, choice.nextHealthy)
        }
        if let suspect = field.funded?.candidate, !(field.healthy?.isBefore(suspect) ?? false) {
            take(suspect, &choice)
            // Time that nobody else wants is free.
            choice.isOnBudget =
                field.nextHealthy - start < max(suspect.cost, units[suspect.unit].responseTimeout)
        } else if let healthy = field.healthy {
            take(healthy, &choice)
        } else if let unfunded = field.unfunded?.candidate,
            field.nextHealthy - start >= unfunded.cost
        {
            take(unfunded, &choice)
            choice.isSpare = true
        }
    }

    private func take(_ candidate: Candidate, _ choice: inout Choice) {
        choice.work = candidate.work
        choice.release = candidate.release
        choice.isRepeated = candidate.isRepeated
        choice.failures = candidate.failures
    }

    /// On a stretched schedule the line may turn out to be faster than planned: the cycle that is
    /// due next then goes early, but never sooner than its own interval.
    private func earlyCycle(
        at start: Instant, in draft: BurstDraft?
    ) -> (index: Int, at: Instant)? {
        var best: (index: Int, at: Instant, due: Instant)?
        for index in cycles.indices where !units[cycles[index].unit].health.isSuspect {
            let cycle = view(of: index, in: draft)
            guard cycle.isIdle, cycle.waiting == nil else { continue }
            // A run without reads is on no line, so that no burst has to end for it.
            if draft != nil, cycles[index].plan.reads.isEmpty { continue }
            let at = max(cycle.earliest, start)
            if let known = best, (known.at, known.due) <= (at, cycle.nextRelease) { continue }
            best = (index, at, cycle.nextRelease)
        }
        return best.map { ($0.index, $0.at) }
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

    // MARK: the line now, or at the end of a burst

    /// A cycle as the choice sees it.
    /// - Parameter draft: the burst at whose end the choice is made; nil: now.
    private func view(of cycle: Int, in draft: BurstDraft?) -> CycleView {
        guard let draft else { return CycleView(cycles[cycle]) }
        return CycleView(cycles[cycle], number: cycle, in: draft)
    }

    /// The next release of any cycle.
    private func nextRelease(in draft: BurstDraft?) -> Instant {
        var next = Instant.distantFuture
        for index in cycles.indices {
            next = min(
                next,
                draft?.release(of: index).map { $0.due + cycles[index].period }
                    ?? cycles[index].nextRelease)
        }
        return next
    }

    /// The unit whose attempt failed last. A reply of another one ends that.
    private func failedUnit(in draft: BurstDraft?) -> Int? {
        guard let draft, let unit = failedUnit else { return failedUnit }
        return draft.asked(of: unit) == draft.reads.count ? unit : nil
    }
}
