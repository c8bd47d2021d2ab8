import Base
import Line

/// The line is gone: everybody is told once, then there is silence until it is back.
extension ModbusDriver {
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
