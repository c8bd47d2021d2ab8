import Base
import Modbus

/// Writes: first on the wire, acknowledged, read back, answered with an `Outcome`.
extension ModbusDriver {
    /// Takes one order; its `Outcome` follows in every case. A result of `.success(part)` means that
    /// the unit acknowledged the write; the part itself may hold the failure of the read-back.
    package mutating func submit(_ order: Order, at now: Moment) {
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

    private func refusal(of order: Order, at now: Moment) -> Outcome.Failure? {
        guard let unit = units.first(where: { $0.address == order.address }) else { return .unknownUnit }
        if line != .open { return .read(.port) }
        if orders.count >= Self.orderLimit { return .busy }
        if order.expires <= now.instant { return .expired }
        guard unit.health.isOffline else { return nil }
        // Writes to dead units must not stop the living ones: one at a time, and within the budget.
        let isAlone = !orders.contains { units[$0.unit].health.isOffline }
        let price = unit.health.timeout(unit.responseTimeout)
        return isAlone && budget.affordable(price, at: now.instant) <= now.instant ? nil : .read(.offline)
    }

    /// The first order that may go at `start`; those of one unit keep their order.
    func chooseOrder(at start: Instant, _ earliest: inout Instant) -> Int? {
        for index in orders.indices {
            let job = orders[index]
            if orders[..<index].contains(where: { $0.unit == job.unit }) { continue }
            let free = max(
                job.notBefore,
                units[job.unit].free(job.request.function, replyLength: job.request.replyLength))
            if free <= start { return index }
            earliest = min(earliest, free)
            if !job.isBegun { earliest = min(earliest, job.order.expires) }
        }
        return nil
    }

    mutating func expireOrders(at now: Moment) {
        guard !orders.isEmpty else { return }
        let isFirstUnderWay = if case .order = work { true } else { false }
        for index in orders.indices.reversed() {
            if index == 0, isFirstUnderWay { continue }
            guard orders[index].order.expires <= now.instant, !orders[index].isBegun else { continue }
            let id = orders.remove(at: index).order.id
            emit(.outcome(Outcome(id: id, .failure(.expired), at: now)))
        }
    }

    mutating func finishOrder(_ verdict: LineExchange.Verdict, at now: Moment) {
        let job = orders[0]
        switch verdict {
        case .response(.exception(_, let code), _):
            if code.isTemporary, job.failures < settings.retries {
                orders[0].failures += 1
                orders[0].notBefore = now.instant + .milliseconds(100)
            } else {
                endOrder(.failure(.exception(code.rawValue)), at: now)
            }
        case .response(.read(_, let data), _):
            endOrder(.success(data), at: now)
        case .response:
            if job.order.readBack { orders[0].beginReadBack() } else { endOrder(.success([]), at: now) }
        case .sent: endOrder(.success([]), at: now)
        case .silence: failOrder(.timeout, at: now)
        case .damage(let error): failOrder(error.isStranger ? .format : .checksum, at: now)
        }
    }

    private mutating func failOrder(_ failure: ReadFailure, at now: Moment) {
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
        switch (job.phase, result) {
        case (.write, .success): outcome = .success(nil)
        case (.write, .failure(let failure)): outcome = .failure(.read(failure))
        case (.readBack, _):
            outcome = .success(ReadPart(order.table, order.start, order.data.count, result, at: now))
        }
        emit(.outcome(Outcome(id: order.id, outcome, at: now)))
    }
}
