import Base
import Line
import Modbus

/// Orders: first on the wire, acknowledged, read back, answered with an `Outcome`.
extension ModbusDriver {
    /// Takes one order; its `Outcome` follows in every case. A result of `.success(part)` means
    /// that the unit acknowledged the write; the part itself may hold the failure of the read-back.
    package mutating func submit(_ order: Order, at now: Moment) {
        unschedule(at: now.instant)
        if order.isManual { admitGuest(order.address, at: now.instant) }
        if let failure = refusal(of: order, at: now) {
            emit(.outcome(Outcome(id: order.id, .failure(failure), at: now)))
        } else if let unit = units.firstIndex(where: { $0.address == order.address }) {
            if let job = OrderJob(order, unit: unit) {
                orders.append(job)
            } else {
                emit(.outcome(Outcome(id: order.id, .failure(.read(.range)), at: now)))
            }
        }
        settle(at: now)
    }

    /// A unit that a person asks for and the configuration does not know: nothing of it is polled.
    mutating func admitGuest(_ address: Address, at now: Instant) {
        guard address.port == settings.port, !units.contains(where: { $0.address == address })
        else { return }
        if let guest = guest(address) {
            units.append(former.take(address, as: guest, at: now).unit)
        }
    }

    mutating func guest(_ address: Address) -> LineUnit? {
        let plan = ReadPlan.make(
            line: settings.line, turnaround: settings.turnaround,
            responseTimeout: settings.responseTimeout,
            nodes: [NodePlan(unit: address.unit, spans: [])])
        let nonce = random.next()
        return plan.units.first.map {
            LineUnit(
                address: address, responseTimeout: settings.responseTimeout, planner: $0.planner,
                planned: [],
                cycles: cycles.count..<cycles.count, nonce: UInt16(truncatingIfNeeded: nonce),
                isGuest: true)
        }
    }

    private func refusal(of order: Order, at now: Moment) -> Outcome.Failure? {
        guard let unit = units.first(where: { $0.address == order.address }) else {
            return .unknownUnit
        }
        if line == .paused { return .paused }
        if line != .open { return .read(.port) }
        if orders.count(where: { $0.setupStep == nil }) >= Self.orderLimit { return .busy }
        if order.expires <= now.instant { return .expired }
        guard unit.health.isOffline else { return nil }
        // Writes to dead units must not stop the living ones: one at a time, and within the budget.
        let isAlone = !orders.contains { units[$0.unit].health.isOffline }
        let price = unit.health.timeout(unit.responseTimeout)
        return isAlone && budget.affordable(price, at: now.instant) <= now.instant
            ? nil : .read(.offline)
    }

    /// An order that may go, and the request that must go before it.
    struct ReadyOrder {
        let index: Int
        let fence: FenceJob?
        /// By the budget; otherwise it may go while no read is due.
        let isPermitted: Bool
    }

    /// The first order that may go at `start`, if the budget permits one; otherwise the first that
    /// may go while no read is due. Those of one unit keep their order.
    mutating func chooseOrder(at start: Instant, _ earliest: inout Instant) -> ReadyOrder? {
        var other: ReadyOrder?
        for index in orders.indices {
            let job = orders[index]
            if orders[..<index].contains(where: { $0.unit == job.unit }) { continue }
            var free = job.notBefore
            var fence: FenceJob?
            if free <= start, !units[job.unit].fence.isOpen {
                switch gate(job.unit, job.request, for: .order(job.order.id), at: start) {
                case .free: break
                case .fence(let job): fence = job
                case .wait(let until): free = until
                }
            }
            if free <= start {
                let isPermitted = orderBudget.permits(setup: job.setupStep != nil, at: start)
                let ready = ReadyOrder(index: index, fence: fence, isPermitted: isPermitted)
                if isPermitted { return ready }
                other = other ?? ready
                continue
            }
            earliest = min(earliest, free)
            if !job.isBegun { earliest = min(earliest, job.order.expires) }
        }
        return other
    }

    /// Expected time of the next exchange of an order.
    func price(of job: OrderJob) -> Duration {
        let unit = units[job.unit]
        let sent = RTUFrame.encode(unit: unit.address.unit.value, job.request).count
        if unit.address.unit.isBroadcast {
            return exchange.timing.time(of: sent) + settings.broadcastWait
        }
        let reply = (job.request.replyLength ?? RTUFrame.shortest) + RTUFrame.overhead
        let pause = unit.health.isSuspect ? nil : unit.health.turnaround
        return exchange.timing.time(of: sent + reply) + max(exchange.timing.silence, unit.delay)
            + (pause ?? unit.health.timeout(unit.responseTimeout))
    }

    func hasSetup(_ unit: Int) -> Bool {
        orders.contains { $0.unit == unit && $0.setupStep != nil }
    }

    mutating func expireOrders(at now: Moment) {
        guard !orders.isEmpty else { return }
        for index in orders.indices.reversed() {
            if index == 0, isOrderUnderWay { continue }
            guard orders[index].order.expires <= now.instant, !orders[index].isBegun else {
                continue
            }
            let job = orders.remove(at: index)
            tell(job, .failure(job.hasYielded ? .busy : .expired), at: now)
        }
    }

    var isOrderUnderWay: Bool { if case .order = work { true } else { false } }

    /// The line is gone or lent: whatever waits is answered.
    mutating func failOrders(_ failure: Outcome.Failure, at now: Moment) {
        let all = orders
        orders.removeAll()
        for job in all where job.setupStep == nil { tell(job, .failure(failure), at: now) }
    }

    mutating func finishOrder(_ verdict: LineExchange.Verdict, at now: Moment) {
        if case .response(let response, _) = verdict, holds(response, at: now) { return }
        switch verdict {
        case .response(.exception(_, let code), _):
            if code.isTemporary, orders[0].failures < settings.retries {
                orders[0].failures += 1
                orders[0].notBefore = now.instant + .milliseconds(100)
            } else if code != .illegalFunction || !orders[0].changeByReading() {
                endOrder(.failure(.exception(code.rawValue)), at: now)
            }
        case .response(.read(_, let data), _):
            if orders[0].phase == .prepare {
                if !orders[0].change(data) { endOrder(.failure(.format), at: now) }
            } else {
                endOrder(.success(data), at: now)
            }
        case .response(.other(_, let data), _): endOrder(.success(data), at: now)
        case .response:
            if !orders[0].order.readBack || !orders[0].beginReadBack() {
                endOrder(.success([]), at: now)
            }
        case .sent: endOrder(.success([]), at: now)
        case .silence where readsBackAnyway, .damage where readsBackAnyway:
            failedUnit = orders[0].unit
            if !orders[0].beginReadBack() { endOrder(.failure(.format), at: now) }
        case .silence: failOrder(.timeout, at: now)
        case .damage(let error): failOrder(error.isStranger ? .format : .checksum, at: now)
        }
    }

    /// The first order is a write whose acknowledgement proves nothing: what is read back does.
    private var readsBackAnyway: Bool {
        let job = orders[0]
        guard job.phase == .write, job.order.readBack, job.order.compare, units[job.unit].isLenient
        else { return false }
        if case .custom = job.order.data { return false }
        return !units[job.unit].health.isOffline
    }

    mutating func failOrder(_ failure: ReadFailure, at now: Moment) {
        let unit = orders[0].unit
        failedUnit = unit
        orders[0].failures += 1
        let wasOffline = units[unit].health.isOffline
        let limit = orders[0].attempts(afterSilence: failure == .timeout, retries: settings.retries)
        if orders[0].failures >= limit || wasOffline { endOrder(.failure(failure), at: now) }
        if failure == .timeout, !wasOffline, units[unit].health.timeouts > settings.retries {
            giveUp(unit, failed: nil, at: now)
        }
    }

    /// Ends the first order with the result of the exchange that was its last.
    private mutating func endOrder(_ result: Result<[UInt8], ReadFailure>, at now: Moment) {
        let job = orders.removeFirst()
        let order = job.order
        let outcome: Result<ReadPart?, Outcome.Failure>
        switch (order.data, job.phase, result) {
        case (.custom, _, .success(let data)):
            outcome = .success(ReadPart(.frame, 0, data.count, result, at: now))
        case (.nothing, _, .failure(let failure)): outcome = .failure(.read(failure))
        case (_, .readBack, _):
            outcome = .success(
                ReadPart(order.table, order.start, order.data.count, result, at: now))
        case (_, _, .success): outcome = .success(nil)
        case (_, _, .failure(let failure)): outcome = .failure(.read(failure))
        }
        tell(job, outcome, at: now)
        // A unit that is never polled is known by its orders alone.
        if case .success = result, units[job.unit].cycles.isEmpty, !units[job.unit].hasFailedSetup {
            setState(job.unit, .online, at: now)
        }
    }

    mutating func tell(
        _ job: OrderJob, _ result: Result<ReadPart?, Outcome.Failure>, at now: Moment
    ) {
        let outcome = Outcome(id: job.order.id, result, at: now)
        guard let step = job.setupStep else { return emit(.outcome(outcome)) }
        emit(.setup(units[job.unit].address, step: step, outcome))
        if !outcome.isConfirmed(job.order) {
            units[job.unit].hasFailedSetup = true
            if !units[job.unit].health.isOffline { setState(job.unit, .degraded, at: now) }
        }
    }

    // MARK: setup

    /// A unit is here, for the first time or again: what it must be told goes before its next poll.
    mutating func queueSetup(_ unit: Int) {
        units[unit].hasFailedSetup = false
        let steps = units[unit].planner.node.setup
        guard !steps.isEmpty else { return }
        let first = isOrderUnderWay ? 1 : 0
        var index = orders.count
        while index > first {
            index -= 1
            if orders[index].unit == unit, orders[index].setupStep != nil {
                orders.remove(at: index)
            }
        }
        let jobs = steps.enumerated().compactMap { OrderJob($1, unit: unit, setupStep: $0) }
        orders.insert(contentsOf: jobs, at: min(first, orders.count))
    }
}

extension Outcome {
    /// Carried out and, where it was read back, found to hold.
    func isConfirmed(_ order: Order) -> Bool {
        guard case .success(let part) = result else { return false }
        guard let part else { return true }
        guard order.compare else { return true }
        guard case .success(let bytes) = part.result else { return false }
        return order.isConfirmed(by: bytes)
    }
}
