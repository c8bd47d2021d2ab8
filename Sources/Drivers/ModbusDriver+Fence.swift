import Base
import Line
import Modbus

/// The order of replies: what must be asked before what, and what becomes of answers that may be
/// others'.
extension ModbusDriver {
    enum Gate {
        case free
        case wait(Instant)
        case fence(FenceJob)
    }

    /// Whether a request may go to a unit whose fence is not open.
    mutating func gate(
        _ unit: Int, _ request: Request, for cause: FenceJob.Cause, at start: Instant
    ) -> Gate {
        let shape = ReplyShape(request)
        switch units[unit].fence.freedom(of: shape, at: start) {
        case .free: return .free
        case .at(let until): return .wait(until)
        case .fenced: break
        }
        if let job = fenceJob(unit, before: request, for: cause, at: start) { return .fence(job) }
        units[unit].fence.forgo(at: start)
        let release = units[unit].fence.release(of: shape)
        return release <= start ? .free : .wait(release)
    }

    /// The best request that proves the order of the replies to `blocked`; nil: there is none.
    mutating func fenceJob(
        _ unit: Int, before blocked: Request, for cause: FenceJob.Cause, at start: Instant
    ) -> FenceJob? {
        guard !units[unit].address.unit.isBroadcast else { return nil }
        let blockedShape = ReplyShape(blocked)
        let isSuspect = units[unit].health.isSuspect
        let candidates = units[unit].means.candidates(
            for: blocked, planned: units[unit].planned, allowsEcho: exchange.echo.knowsRequests)
        for (kind, request) in candidates {
            let shape = ReplyShape(request)
            if !isSuspect, units[unit].means.isOpen(kind) { continue }
            guard units[unit].fence.freedom(of: shape, at: start) == .free,
                units[unit].fence.proves(shape, about: blockedShape)
                    || (kind == .echo && units[unit].means.mayEcho)
            else { continue }
            return FenceJob(
                unit: unit, kind: kind, request: request, cause: cause,
                isTrial: !isSuspect && !units[unit].means.isKnown(kind))
        }
        return nil
    }

    func fenceTimeout(of job: FenceJob) -> Duration {
        let usual = readTimeout(of: job.unit)
        guard job.isTrial, let turnaround = units[job.unit].health.turnaround else { return usual }
        return min(usual, max(turnaround * 4, UnitHealth.shortestFirstTimeout))
    }

    func exceptions(_ work: Work, _ request: Request) -> AcceptedExceptions {
        if case .fence = work { return .all }
        return AcceptedExceptions(
            units[unit(of: work)].fence.acceptsException(request.function),
            isModbusTCP: settings.line.framing == .mbap)
    }

    func isSlow(_ unit: Int) -> Bool { units[unit].health.isSlow(units[unit].responseTimeout) }

    // MARK: what came of a request

    mutating func noteMissed(_ unit: Int) {
        units[unit].fence.missed(ReplyShape(exchange.request), sentUntil: exchange.sentUntil)
    }

    /// The line goes while something is asked: it may be answered when the line is back.
    mutating func noteInterrupted() {
        for follower in ahead?.followers ?? [] {
            units[cycles[follower.cycle].unit].fence.missed(
                ReplyShape(follower.read.request), sentUntil: ahead?.sentUntil ?? .zero)
        }
        depart()
        guard let work else { return }
        let unit = unit(of: work)
        guard !units[unit].address.unit.isBroadcast else { return }
        noteMissed(unit)
    }

    /// - Returns: whether the answer was contradicted by what came with it.
    mutating func noteAnswer(
        _ response: Response, _ work: Work, _ unit: Int, at now: Moment
    ) -> Bool {
        let (asked, mark) = (exchange.asked, exchange.mark(of: response))
        let request = exchange.request
        var isException = false
        if case .exception = response { isException = true }
        var kind: FenceMeans.Kind?
        if case .fence(let job) = work { kind = job.kind }
        units[unit].means.answered(kind, isException: isException)
        let refuted = units[unit].fence.answered(
            request, mark, sentUntil: asked.until, usual: units[unit].health.turnaround,
            travel: asked.travel, at: now.instant)
        if let refuted { refute(unit, refuted, at: now) }
        exchange.unasked.examine(silence: exchange.timing.silence, at: now.instant)
        guard !exchange.unasked.isEmpty else { return false }
        let isVoid = exchange.unasked.holds(other: mark, of: units[unit].answeringUnit)
        noteUnasked(at: now)
        if isVoid { units[unit].fence.missed(ReplyShape(request), sentUntil: now.instant) }
        return isVoid
    }

    /// Sound frames that answer nothing: late replies, repeated ones, and strangers.
    mutating func noteUnasked(at now: Moment) {
        for frame in exchange.unasked.take() {
            // Several units may answer as the same one: then it is the one that was asked.
            let asked = work.map { self.unit(of: $0) }
            let speaker = asked.flatMap { units[$0].answeringUnit == frame.unit ? $0 : nil }
            guard let unit = speaker ?? units.firstIndex(where: { $0.answeringUnit == frame.unit })
            else {
                countStranger(frame.unit)
                continue
            }
            let isAsked = asked == unit
            let (what, refuted) = units[unit].fence.heard(frame)
            switch what {
            case .late(let time):
                counters.lateReplies += 1
                units[unit].statistics.lateReplies += 1
                units[unit].health.late(by: time)
                units[unit].means.answeredLate(
                    FunctionCode(rawValue: (frame.pdu.first ?? 0) & 0x7F))
                if isAsked {
                    exchange.excuse()
                    exchange.extend(to: units[unit].health.timeout(units[unit].responseTimeout))
                }
            case .repeated:
                counters.repeatedReplies += 1
                units[unit].statistics.repeatedReplies += 1
                if isAsked { exchange.excuse() }
            case .unasked: if !isAsked, work != nil { countStranger(frame.unit) }
            }
            if let refuted { refute(unit, (refuted, .distantFuture), at: now) }
        }
    }

    /// Something came that could not be read: what is in doubt may have been contradicted by it.
    mutating func noteRubbish(at now: Moment) {
        for unit in units.indices where units[unit].fence.isInDoubt {
            units[unit].fence.settle(at: now.instant)
            if let since = units[unit].fence.disturbed(at: now.instant) {
                refute(unit, (since, .distantFuture), at: now)
            }
        }
    }

    private mutating func countStranger(_ stranger: UInt8) {
        counters.wrongUnit += 1
        guard let work else { return }
        let asked = unit(of: work)
        units[asked].statistics.wrongUnit += 1
        units[asked].statistics.answeredBy = stranger
    }

    mutating func finishFence(_ job: FenceJob, _ verdict: LineExchange.Verdict, at now: Moment) {
        switch verdict {
        case .response, .sent: return
        case .silence:
            units[job.unit].means.silent(job.kind)
            if job.isTrial { return }
        case .damage: break
        }
        failedUnit = job.unit
        switch job.cause {
        case .cycle(let index):
            guard var run = cycles[index].run, run.job != nil else { return }
            cycles[index].run = nil
            var failure = ReadFailure.timeout
            if case .damage(let error) = verdict {
                failure = error.isStranger ? .format : .checksum
            }
            if fail(&run, of: index, failure, at: now) { return }
            run.isProbe = units[job.unit].health.isOffline
            cycles[index].run = run
            if run.isDone { close(index, at: now) }
        case .order:
            guard let index = orders.firstIndex(where: { $0.unit == job.unit }) else { return }
            orders.insert(orders.remove(at: index), at: 0)
            failOrder(.timeout, at: now)
        case .served: failServed(job.unit, at: now)
        case .doubt:
            guard units[job.unit].health.timeouts > settings.retries else { return }
            giveUp(job.unit, failed: nil, at: now)
        }
    }

    // MARK: answers in doubt

    func isCertain(_ unit: Int, _ at: Instant) -> Bool { units[unit].fence.isCertain(at) }

    private func areCertain(_ parts: [ReadPart], _ unit: Int) -> Bool {
        parts.allSatisfy { !$0.isGood || isCertain(unit, $0.at.instant) }
    }

    /// A reading is over: it goes out, or waits until all of it is certain.
    mutating func publish(
        _ reading: Reading, _ unit: Int, _ cycle: Int, _ run: CycleRun, at now: Moment
    ) {
        guard !areCertain(reading.parts, unit) || held.holds(unit) else {
            return emit(.reading(reading))
        }
        held.add(
            HeldReadings.Item(
                unit: unit, cycle: cycle, reading: reading, deadline: run.deadline,
                refusals: run.refusals))
    }

    /// Gives out what has become certain.
    mutating func releaseHeld(at now: Moment) {
        guard !held.isEmpty || served.hasDoubt || orders.contains(where: { $0.held != nil }) else {
            return
        }
        for unit in units.indices { units[unit].fence.settle(at: now.instant) }
        if served.hasDoubt { releaseServed() }
        let certain = held.items.map { areCertain($0.reading.parts, $0.unit) }
        for reading in held.take(certain) { emit(.reading(reading)) }
        guard !isOrderUnderWay else { return }
        while let index = orders.firstIndex(where: { job in
            job.held.map { isCertain(job.unit, $0.at.instant) } ?? false
        }) {
            orders.insert(orders.remove(at: index), at: 0)
            guard let (response, at) = orders[0].held else { return }
            orders[0].held = nil
            orders[0].notBefore = .zero
            finishOrder(.response(response, turnaround: .zero), at: at)
        }
    }

    /// Whether a held reading is wanted at once: no burst keeps it.
    var holdsUrgent: Bool { held.items.contains { units[$0.unit].isUrgent } }

    /// When the next doubt ends by itself.
    var doubtEnds: Instant? {
        var next: Instant?
        for item in held.items {
            if let due = units[item.unit].fence.doubtEnds { next = min(due, next ?? due) }
        }
        for job in orders where job.held != nil {
            if let due = units[job.unit].fence.doubtEnds { next = min(due, next ?? due) }
        }
        if served.hasDoubt, let due = servedDoubtEnds { next = min(due, next ?? due) }
        return next
    }

    /// Units with something in doubt that only a fence can end.
    func doubtful() -> [Int] {
        guard !held.isEmpty || served.hasDoubt || orders.contains(where: { $0.held != nil }) else {
            return []
        }
        return units.indices.filter { unit in
            units[unit].fence.wantsFence
                && (held.holds(unit) || served.isInDoubt(units[unit].address.unit)
                    || orders.contains { $0.unit == unit && $0.held != nil })
        }
    }

    /// An answer of the first order that may be another's is not believed yet.
    mutating func holds(_ response: Response, at now: Moment) -> Bool {
        if case .exception = response { return false }
        let job = orders[0]
        guard !isCertain(job.unit, now.instant), job.phase != .write || !job.order.readBack else {
            return false
        }
        orders[0].held = (response, now)
        orders[0].notBefore = .distantFuture
        return true
    }

    /// Rejects the replies that came between these times: they belong to other requests. Reads and
    /// orders are repeated, or have failed.
    mutating func refute(_ unit: Int, _ span: (since: Instant, until: Instant), at now: Moment) {
        func isRefuted(_ at: Instant) -> Bool { span.since < at && at <= span.until }
        for index in units[unit].cycles {
            guard var run = cycles[index].run,
                run.parts.contains(where: { $0.isGood && isRefuted($0.at.instant) })
            else { continue }
            cycles[index].run = nil
            run.repeatReads(isRefuted, units[unit].planner, retries: settings.retries)
            cycles[index].run = run
        }
        for item in held.take(of: unit) {
            var run = CycleRun(again: item)
            guard item.reading.parts.contains(where: { $0.isGood && isRefuted($0.at.instant) })
            else {
                held.add(item)
                continue
            }
            let isFree = cycles[item.cycle].run == nil && ahead?.releases(item.cycle) != true
            let retries = isFree ? settings.retries : 0
            run.repeatReads(isRefuted, units[unit].planner, retries: retries)
            if run.isDone {
                var reading = item.reading
                reading.parts = run.parts
                publish(reading, unit, item.cycle, run, at: now)
            } else {
                cycles[item.cycle].run = run
            }
        }
        if served.hasDoubt {
            served.refute(units[unit].address.unit, retries: settings.retries, isRefuted)
        }
        for index in orders.indices.reversed() where orders[index].unit == unit {
            guard let at = orders[index].held?.at.instant, isRefuted(at) else { continue }
            orders[index].held = nil
            orders[index].notBefore = .zero
            orders[index].failures += 1
            if !orders[index].isRepeatable || orders[index].failures > settings.retries {
                tell(orders.remove(at: index), .failure(.read(.format)), at: now)
            }
        }
    }

    /// No fence will follow: what was in doubt has failed.
    mutating func loseHeld(of unit: Int?, _ failure: ReadFailure) {
        for item in held.take(of: unit) {
            emit(.reading(item.reading(failing: failure, unless: units[item.unit].fence)))
        }
    }

    /// Another plan: readings of a cycle that it does not have are over.
    mutating func renumberHeld(
        _ oldUnits: [LineUnit], _ oldCycles: [PollCycle], _ places: [Int: Int]
    ) {
        guard !held.isEmpty else { return }
        let (units, cycles) = (units, cycles)
        let lost = held.renumber { item in
            let interval = oldCycles[item.cycle].plan.interval
            guard let unit = places[item.unit],
                let cycle = units[unit].cycles.first(where: { cycles[$0].plan.interval == interval }
                )
            else { return nil }
            return (unit, cycle)
        }
        for item in lost {
            emit(.reading(item.reading(failing: .format, unless: oldUnits[item.unit].fence)))
        }
    }
}
