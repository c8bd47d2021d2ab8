import Base

/// Why a port's line is closed for other programs: a person's pause, which ends by time, and
/// leases, each of which ends with the control connection that asked for it. The line comes back
/// when none of them is left.
struct PortPause: Sendable {
    /// Longest time that the exchange under way may take before the line is closed.
    static let letGoMax = Duration.seconds(1)
    static let timeMax = Duration.seconds(24 * 3600)

    /// End of the pause that a person asked for.
    private(set) var until: Moment?
    /// Requests whose connections have the line, in the order in which they came.
    private(set) var leases: [ControlTicket] = []
    /// Requests that are answered when the line is closed.
    private var waiting: [ControlTicket] = []
    /// When the line is closed, whatever is under way; nil once it is being closed.
    var letGoDue: Instant?

    init(at now: Instant) { letGoDue = now + Self.letGoMax }

    var isLetGo: Bool { letGoDue == nil }
    var isOver: Bool { until == nil && leases.isEmpty }

    /// Takes a person's request: the latest time is in force.
    mutating func extend(until end: Moment, _ ticket: ControlTicket) {
        until = end
        waiting.append(ticket)
    }

    /// Takes a tool's request; false if its connection has the line already.
    mutating func lease(_ ticket: ControlTicket) -> Bool {
        guard !leases.contains(where: { $0.connection == ticket.connection }) else { return false }
        leases.append(ticket)
        waiting.append(ticket)
        return true
    }

    mutating func expire(at now: Instant) {
        if let end = until, end.instant <= now { until = nil }
    }

    /// Ends the lease of a connection; answers its request.
    mutating func endLease(of connection: Int) -> ControlTicket? {
        guard let index = leases.firstIndex(where: { $0.connection == connection }) else {
            return nil
        }
        waiting.removeAll { $0 == leases[index] }
        return leases.remove(at: index)
    }

    mutating func takeWaiting() -> [ControlTicket] {
        defer { waiting = [] }
        return waiting
    }

    func isLease(_ ticket: ControlTicket) -> Bool { leases.contains(ticket) }

    /// Requests that still expect a line: those that wait, and those of leases.
    var open: [ControlTicket] { waiting.filter { !isLease($0) } + leases }

    /// How long the line is away, for logs and the devices' states.
    var words: String {
        var reasons = until.map { ["paused until \($0.wall.timestamp)"] } ?? []
        reasons += leases.map { "lent to process \($0.process)" }
        return reasons.joined(separator: ", ")
    }
}

/// The line is lent to somebody at this machine, and comes back by itself.
extension PortKeeper {
    /// Closes the line after the exchange under way, and answers the ticket when it is closed.
    /// - Parameter end: nil: as long as the ticket's connection lasts.
    /// - Returns: why not, if so.
    mutating func lend(until end: Moment?, _ ticket: ControlTicket, at now: Moment) -> String? {
        guard !isClosing else { return "the gateway is stopping" }
        var pause = pause ?? PortPause(at: now.instant)
        if let end {
            pause.extend(until: end, ticket)
        } else if !pause.lease(ticket) {
            return "this connection has the port already"
        }
        let isFirst = self.pause == nil
        self.pause = pause
        say(.info, "\(pause.words): the line is closed for somebody who works on it")
        guard isFirst else {
            if state == .paused { answerPause() }
            return nil
        }
        let isBusy = state == .open && driver.isExchanging(at: now.instant)
        reopen = nil
        state = .pausing
        if isBusy { recall() } else { letGo(at: now) }
        return nil
    }

    /// Ends the pause and all leases; false if there was none.
    @discardableResult
    mutating func resume(at now: Moment) -> Bool {
        guard let ended = pause else { return false }
        for ticket in ended.open {
            outputs.append(.answer(ticket, Control.error("the pause has ended", "unavailable")))
        }
        comeBack(at: now)
        return true
    }

    /// Ends the lease of a connection that gives the port back; false if it has none.
    mutating func giveBack(_ connection: Int, at now: Moment) -> Bool {
        guard let ticket = pause?.endLease(of: connection) else { return false }
        outputs.append(.answer(ticket, Gateway.document { $0.member("ended", true) }))
        if pause?.isOver == true { comeBack(at: now) }
        return true
    }

    /// Ends the lease of a connection that is gone.
    mutating func connectionEnded(_ connection: Int, at now: Moment) {
        guard let ticket = pause?.endLease(of: connection) else { return }
        say(.info, "process \(ticket.process) has gone without giving the port back")
        // The kernel closes the descriptors of a killed process one after the other: its line comes
        // after this one.
        if pause?.isOver == true { comeBack(at: now, after: Self.hurriedDelay) }
    }

    mutating func expirePause(at now: Moment) {
        pause?.expire(at: now.instant)
        if pause?.isOver == true { comeBack(at: now) }
    }

    private mutating func comeBack(at now: Moment, after delay: Duration? = nil) {
        if pause?.isLetGo == false {
            driver.receive(.lent, at: now)
            outputs.append(.closeLine(name))
        }
        pause = nil
        say(.info, "resumed")
        guard let delay else { return start() }
        state = .closed
        reopen = now.instant + delay
    }

    mutating func letGoIfIdle(at now: Moment) {
        if state == .pausing, pause?.isLetGo == false, !driver.isExchanging(at: now.instant) {
            letGo(at: now)
        }
    }

    mutating func letGo(at now: Moment) {
        guard state == .pausing, pause?.isLetGo == false else { return }
        pause?.letGoDue = nil
        driver.receive(.lent, at: now)
        outputs.append(.closeLine(name))
    }

    /// The line is closed: whoever waits for it may have it.
    mutating func answerPause() {
        guard let lent = pause else { return }
        for ticket in pause?.takeWaiting() ?? [] {
            let isLease = lent.isLease(ticket)
            let answer = Gateway.document { writer in
                writer.member("ok", true)
                writer.member("port", name.text)
                writer.member("device", path)
                if isLease {
                    writer.member("lease", true)
                } else if let until = lent.until {
                    writer.member("until", until.wall)
                }
            }
            outputs.append(isLease ? .progress(ticket, answer) : .answer(ticket, answer))
        }
    }
}
