import Base
import Line

/// A read that is decided before its time has come: given out as `schedule`, and taken back if
/// something else is to happen first.
extension ModbusDriver {
    package func hasScheduled(at now: Instant) -> Bool { scheduledAt.map { $0 > now } ?? false }

    package mutating func takeBack() {
        guard scheduledAt != nil, case .read(let cycle)? = work else { return }
        uncouple()
        scheduledAt = nil
        work = nil
        isOnBudget = false
        counters.requests -= 1
        counters.bytesSent -= exchange.sentBytes
        units[cycles[cycle].unit].statistics.requests -= 1
        exchange.takeBack()
        wake = (exchange.quietUntil, .silence)
    }

    package mutating func sentLate(by delay: Duration) {
        guard let due = scheduledAt else { return }
        scheduledAt = due + delay
        startedAt += delay
        exchange.delay(by: delay)
        wake = exchange.deadline
    }

    /// A command has come, or the line goes: what is scheduled waits or falls.
    mutating func unschedule(at now: Instant) {
        guard hasScheduled(at: now) else {
            recall()
            return
        }
        takeBack()
        emit(.line(.unschedule))
    }
}
