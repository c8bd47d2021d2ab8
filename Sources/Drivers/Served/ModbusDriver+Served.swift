import Base
import Line
import Modbus

/// A request of another master that may go, and how long its reply is waited for.
struct ServedWork: Sendable {
    let id: UInt64
    /// Index of the unit in the driver.
    let unit: Int
    let request: Request
    let timeout: Duration
}

/// Requests of other masters. Each takes the line only if no cycle ends late for it, even if it is
/// not answered. Those to units that may be dead draw on the unhealthy budget, as our own do.
extension ModbusDriver {
    package mutating func serve(_ request: ServedRequest, at now: Moment) {
        guard served.isOn, line == .open else {
            served.refuse(request, .gatewayPathUnavailable, .closed)
            return giveServedReplies()
        }
        if let pdu = served.cache.reply(to: request.request, of: request.unit, at: now.instant) {
            served.answer(request, cached: pdu)
            return giveServedReplies()
        }
        if served.isGivenUp(request.unit), !isAffordable(request, at: now.instant) {
            served.refuse(request, .gatewayTargetFailedToRespond, .silent)
            return giveServedReplies()
        }
        served.add(request, at: now.instant)
        if served.opens(at: now.instant) <= now.instant { unschedule(at: now.instant) }
        settle(at: now)
    }

    package mutating func forget(_ client: ConnectionID) { served.forget(client) }

    private func isAffordable(_ request: ServedRequest, at now: Instant) -> Bool {
        let unit = units.first { $0.address.unit == request.unit }
        let price = unit.map { $0.health.timeout($0.responseTimeout) } ?? settings.responseTimeout
        return budget.affordable(price, at: now) <= now
    }

    mutating func giveServedReplies() {
        while let reply = served.nextReply() { emit(.served(reply)) }
    }

    /// Answers what has waited too long, and reads back what was written.
    mutating func settleServed(at now: Moment) {
        served.expire(at: now.instant)
        guard line == .open else { return }
        var due: [Int] = []
        let (units, cycles, next) = (units, cycles, ahead)
        served.takeWritten { unit, table, address, count in
            let ours = Self.cycles(reading: table, address, count, of: unit, units, cycles)
            let isIdle = ours.allSatisfy { cycles[$0].run == nil && next?.releases($0) != true }
            if isIdle { due += ours }
            return isIdle
        }
        for index in due where !self.units[cycles[index].unit].health.isSuspect {
            self.cycles[index].nextRelease = min(self.cycles[index].nextRelease, now.instant)
        }
    }

    /// Cycles whose reads touch the place.
    private static func cycles(
        reading table: Table, _ address: Int, _ count: Int, of unit: UnitID, _ units: [LineUnit],
        _ cycles: [PollCycle]
    ) -> [Int] {
        guard let index = units.firstIndex(where: { $0.address.unit == unit }) else { return [] }
        return units[index].cycles.filter { cycle in
            cycles[cycle].plan.reads.contains {
                $0.table == table && $0.address < address + count && address < $0.end
            }
        }
    }

    // MARK: the next request

    /// Lets a request of another master go first, if no cycle ends late for it.
    mutating func offerLine(_ choice: inout Choice, at start: Instant) {
        if case .fence(let job)? = choice.work, !job.cause.isRead { return }
        choice.earliest = min(choice.earliest, served.nextExpiry)
        let opens = served.opens(at: start)
        guard opens <= start else { return choice.earliest = min(choice.earliest, opens) }
        var forecast: LineForecast?
        for job in served.candidates {
            guard let unit = servedUnit(job.request.unit, at: start) else { continue }
            if unit == failedUnit, let work = choice.work, self.unit(of: work) != unit { continue }
            let price = attempt(job.request.request, unit)
            let isRisky = units[unit].health.isSuspect || served.isSilent(job.request.unit)
            if isRisky, !job.request.unit.isBroadcast {
                let payable = budget.affordable(price.wire + price.timeout, at: start)
                guard payable <= start else {
                    choice.earliest = min(choice.earliest, payable)
                    continue
                }
            }
            let known = forecast ?? makeForecast(at: start)
            forecast = known
            let fits = [price.timeout, price.shortTimeout].first {
                known.keepsDeadlines(from: start + price.wire + price.readBack + $0)
            }
            guard let timeout = fits,
                let work = servedWork(job, unit, timeout, at: start, &choice.earliest)
            else { continue }
            choice.work = work
            choice.isSpare = false
            choice.isOnBudget = isRisky && !job.request.unit.isBroadcast
            return
        }
    }

    /// The request itself, or what must be asked before it; nil: it has to wait.
    private mutating func servedWork(
        _ job: ServedQueue.Job, _ unit: Int, _ timeout: Duration, at start: Instant,
        _ earliest: inout Instant
    ) -> Work? {
        let request = job.request.request
        let work = Work.served(
            ServedWork(id: job.request.id, unit: unit, request: request, timeout: timeout))
        guard !units[unit].fence.isOpen, !job.request.unit.isBroadcast else { return work }
        switch gate(unit, request, for: .served, at: start) {
        case .free: return work
        case .fence(let fence): return .fence(fence)
        case .wait(let until):
            earliest = min(earliest, until)
            return nil
        }
    }

    /// The unit's index; one that is not in the configuration is taken in.
    private mutating func servedUnit(_ unit: UnitID, at now: Instant) -> Int? {
        if let known = units.firstIndex(where: { $0.address.unit == unit }) { return known }
        let address = Address(port: settings.port, unit: unit)
        admitGuest(address, at: now)
        return units.firstIndex { $0.address == address }
    }

    /// Costs of a request of another master.
    private struct Price {
        /// Request, reply and the silence after it.
        let wire: Duration
        let timeout: Duration
        /// Three times what the unit usually needs: enough for nearly every reply.
        let shortTimeout: Duration
        /// Our own reads that follow a write.
        let readBack: Duration
    }

    private func attempt(_ request: Request, _ unit: Int) -> Price {
        let address = units[unit].address.unit
        let sent = request.pdu.count + RTUFrame.overhead
        let reply = (request.replyLength ?? Limits.pdu) + RTUFrame.overhead
        let wire =
            exchange.timing.time(of: sent + reply) + max(exchange.timing.silence, units[unit].delay)
        guard !address.isBroadcast else {
            return Price(
                wire: wire, timeout: settings.broadcastWait, shortTimeout: settings.broadcastWait,
                readBack: .zero)
        }
        let full = units[unit].health.timeout(units[unit].responseTimeout)
        let usual = units[unit].health.turnaround.map { $0 * 3 } ?? full / 4
        var readBack = Duration.zero
        if let place = request.written {
            let ours = Self.cycles(
                reading: place.table, place.address, place.count, of: address, units, cycles)
            for read in ours.flatMap({ cycles[$0].plan.reads }) { readBack += read.wireTime }
        }
        return Price(
            wire: wire, timeout: full,
            shortTimeout: min(full, max(usual, UnitHealth.shortestTimeout)), readBack: readBack)
    }

    // MARK: our own deadlines

    /// The cycles as they stand, with what their units usually need. A unit that may be dead takes
    /// one attempt of the unhealthy budget.
    private func makeForecast(at start: Instant) -> LineForecast {
        LineForecast(
            cycles.indices.compactMap { index -> LineForecast.Cycle? in
                let cycle = cycles[index]
                let unit = units[cycle.unit]
                if unit.health.isSuspect || isSlow(cycle.unit) {
                    return suspectCycle(cycle, unit, at: start)
                }
                let more = max(
                    .zero, (unit.health.turnaround ?? .zero) - settings.turnaround)
                let rest = cycle.run.map { $0.jobs[$0.next...].map { $0.read.wireTime + more } }
                return LineForecast.Cycle(
                    reads: cycle.plan.reads.map { $0.wireTime + more }, period: cycle.period,
                    nextRelease: cycle.nextRelease, rest: (rest ?? [])[...],
                    deadline: cycle.run?.deadline ?? .distantFuture,
                    notBefore: cycle.run?.job?.notBefore ?? .zero)
            })
    }

    private func suspectCycle(
        _ cycle: PollCycle, _ unit: LineUnit, at start: Instant
    ) -> LineForecast.Cycle? {
        guard let waiting = cycle.waiting, waiting.notBefore <= start else { return nil }
        let cost = unit.health.timeout(unit.responseTimeout) + waiting.wireTime
        guard budget.affordable(cost, at: start) <= start else { return nil }
        return LineForecast.Cycle(
            reads: [], period: cycle.period, nextRelease: .distantFuture, rest: [cost],
            deadline: .distantFuture, notBefore: .zero)
    }

    // MARK: what came of it

    /// The exchange has ended: its time is the other masters', if it was for them.
    mutating func noteServed(_ work: Work, _ unit: UnitID, at now: Instant) {
        served.note(exchange.request, to: unit, at: now)
        switch work {
        case .served(let job):
            var time = max(now, exchange.quietUntil) - startedAt
            if let place = job.request.written {
                let ours = Self.cycles(
                    reading: place.table, place.address, place.count, of: unit, units, cycles)
                for read in ours.flatMap({ cycles[$0].plan.reads }) { time += read.wireTime }
            }
            served.spend(time, at: now)
        case .fence(let job) where job.cause == .served:
            served.spend(max(now, exchange.quietUntil) - startedAt, at: now)
        default: break
        }
    }

    mutating func finishServed(
        _ job: ServedWork, _ verdict: LineExchange.Verdict, at now: Moment
    ) {
        switch verdict {
        case .response(let response, _):
            comeBack(job.unit, at: now)
            var isSure = isCertain(job.unit, now.instant)
            if case .exception = response { isSure = true }
            served.answered(response, isCertain: isSure, at: now.instant)
        case .sent: served.broadcast()
        case .silence:
            failedUnit = job.unit
            served.failed(isSilence: true)
            giveUpServed(job.unit, at: now)
        case .damage:
            failedUnit = job.unit
            served.failed(isSilence: false)
        }
    }

    mutating func failServed(_ unit: Int, at now: Moment) {
        served.failFirst(of: units[unit].address.unit)
        giveUpServed(unit, at: now)
    }

    /// A unit that we do not poll is known by what others ask it.
    private mutating func giveUpServed(_ unit: Int, at now: Moment) {
        guard units[unit].cycles.isEmpty, units[unit].health.state != .offline,
            units[unit].health.timeouts > settings.retries
        else { return }
        giveUp(unit, failed: nil, at: now)
    }

    // MARK: answers in doubt

    mutating func releaseServed() {
        let units = units
        served.release { unit, at in
            units.first { $0.address.unit == unit }?.fence.isCertain(at) ?? true
        }
    }

    var servedDoubtEnds: Instant? {
        let doubted = served.unitsInDoubt
        return units.lazy.filter { doubted.contains($0.address.unit) }.compactMap(\.fence.doubtEnds)
            .min()
    }
}
