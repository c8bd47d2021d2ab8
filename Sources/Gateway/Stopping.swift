import Base

/// Shutdown, which SIGTERM begins. The exchanges under way end, and the journal is committed.
/// Records that the bridge can still take in a moment are sent, and the session ends in order. Then
/// the last acknowledgements are noted. Losses by a failed disk are noted in the state directory,
/// and the next start reports them.
struct Stopping: Equatable {
    /// How long exchanges under way may take, and then what waits may still be sent.
    static let exchangeMax = Duration.seconds(1)
    static let sendMax = Duration.seconds(2)
    /// After this it is over whatever is missing: a service manager would kill us.
    static let totalMax = Duration.seconds(8)

    enum Step: Equatable { case lines, sending, session, settling, keeping }

    var step = Step.lines
    var deadline: Instant
    var end: Instant
    var sessionFinished = false

    init(at now: Instant) {
        deadline = now + Self.exchangeMax
        end = now + Self.totalMax
    }
}

extension Gateway {
    mutating func beginStopping(at now: Moment) {
        guard phase == .running else { return }
        phase = .stopping(Stopping(at: now.instant))
        for index in ports.indices { ports[index].stop(at: now.instant) }
        reports.stop(at: now)
    }

    /// Goes one step further when the present one is done or out of time; true if it did.
    mutating func continueStopping(at now: Moment) -> Bool {
        guard case .stopping(var stopping) = phase else { return false }
        let isLate = stopping.deadline <= now.instant
        switch stopping.step {
        case .lines:
            for index in ports.indices
            where isLate || !ports[index].driver.isExchanging(at: now.instant) {
                ports[index].close()
            }
            guard ports.allSatisfy({ $0.state == .closed }) else { return false }
            spool.drain(at: now)
            stopping.step = .sending
            stopping.deadline = now.instant + Stopping.sendMax
        case .sending:
            // Results wait for the log, and then for the journal.
            guard isLate || commandStore.isIdle else { return false }
            guard isLate || !session.isOnline || (spool.waiting == 0 && spool.isIdle) else {
                return false
            }
            session.stop(at: now)
            stopping.step = .session
            stopping.deadline = stopping.end
        case .session:
            guard isLate || stopping.sessionFinished else { return false }
            spool.drain(at: now)
            stopping.step = .settling
        case .settling:
            guard isLate || spool.isIdle else { return false }
            keepLosses(at: now)
            keepStart(hasEnded: true, at: now)
            store.drain(at: now.instant)
            stopping.step = .keeping
        case .keeping:
            guard isLate || store.isIdle && commandStore.isIdle else { return false }
            effects.append(
                .notice(
                    Notice(.info, "gateway", settings.gateway.text, tally.farewell(spool.waiting))))
            effects.append(.finished(.drained))
            phase = .done
            return false
        }
        phase = .stopping(stopping)
        return true
    }
}
