import Adapter
import Base
import Bridge
import Drivers

/// Something that is not as it should be, in one sentence for a person.
struct Problem: Sendable {
    enum Severity: String, Sendable { case warning, critical }

    var severity: Severity
    /// Subject of the problem: `gateway`, `bridge`, `journal`, `clock`, `devices`, a port, a unit
    /// or a device.
    var subject: String
    var text: String
    /// Nil where nobody has noted it.
    var since: WallTime?
}

extension Gateway {
    /// Devices that are told one by one; more of them become a number.
    private static let devicesTold = 50

    /// Present problems, the worst first.
    func problems(at now: Moment) -> [Problem] {
        var found = ownProblems(at: now)
        for port in ports { found += problems(of: port, at: now) }
        found += deviceProblems()
        found += alarmProblems(at: now)
        let worst = found.filter { $0.severity == .critical }
        return worst + found.filter { $0.severity != .critical }
    }

    private func ownProblems(at now: Moment) -> [Problem] {
        var found: [Problem] = []
        if case .stopping = phase {
            found.append(Problem(severity: .critical, subject: "gateway", text: "it is stopping"))
        }
        if spool.isMemoryOnly {
            found.append(
                Problem(
                    severity: .critical, subject: "journal",
                    text: "the disk fails: records are kept in memory only"))
        } else if !isReady {
            found.append(
                Problem(severity: .critical, subject: "journal", text: "it is being recovered"))
        }
        let share = journalShare
        if share > Troubles.fullAbove {
            found.append(
                Problem(
                    severity: .critical, subject: "journal",
                    text:
                        "\(Int(share * 100)) % full with \(Plural.text(spool.waiting, "record")) that wait for the bridge"
                ))
        }
        if !session.isOnline, phase == .running {
            let away = reports.health.awaySince.map { now.instant - $0.instant } ?? .zero
            let reason = session.trouble.map { ": \($0.reason)" } ?? ""
            found.append(
                Problem(
                    severity: away > settings.alarms.bridgeAway ? .critical : .warning,
                    subject: "bridge",
                    text: session.state + reason,
                    since: reports.health.awaySince?.wall))
        }
        if session.clockLevel != .trusted {
            found.append(
                Problem(
                    severity: .warning, subject: "clock",
                    text: session.clockLevel == .impossible
                        ? "the time of day is impossible: no token is signed until it is set"
                        : "nothing proves the time of day: readings are marked as unsynced"))
        }
        for packet in session.leftOut {
            found.append(
                Problem(
                    severity: .warning, subject: "bridge",
                    text: "the broker closes the connection when it gets \(packet): it is left out")
            )
        }
        for device in session.quarantined {
            found.append(
                Problem(
                    severity: .warning, subject: device.device.text,
                    text: "the bridge: \(device.reason)"))
        }
        return found
    }

    private func problems(of port: PortKeeper, at now: Moment) -> [Problem] {
        var found: [Problem] = []
        let since = port.closedSince.map { now.at($0).wall }
        switch port.state {
        case .closed, .opening:
            guard let trouble = port.trouble else { break }
            found.append(
                Problem(severity: .critical, subject: port.name.text, text: trouble, since: since))
        case .pausing, .paused:
            let words = port.pause?.words ?? "paused"
            found.append(Problem(severity: .warning, subject: port.name.text, text: words))
        case .open: break
        }
        let findings = port.findings
        if let trouble = findings.port {
            found.append(
                Problem(severity: .warning, subject: port.name.text, text: trouble.sentence))
        }
        for (unit, trouble) in findings.units.sorted(by: { $0.key < $1.key }) {
            let address = Address(port: port.name, unit: unit)
            let devices = adapter.devices(at: address).map(\.text).joined(separator: ", ")
            found.append(
                Problem(
                    severity: .warning, subject: devices.isEmpty ? address.description : devices,
                    text: "\(address.port), unit \(unit): \(trouble.sentence)"))
        }
        return found
    }

    private func deviceProblems() -> [Problem] {
        var found: [Problem] = []
        var untold = 0
        for binding in adapter.bindings {
            guard let state = states.state(of: binding.device), state.status != .online else {
                continue
            }
            if let index = index(of: binding.address.port), ports[index].state != .open { continue }
            guard found.count < Self.devicesTold else {
                untold += 1
                continue
            }
            let error = state.error.map { " (\($0))" } ?? ""
            found.append(
                Problem(
                    severity: .warning, subject: binding.device.text,
                    text: state.status.rawValue + error,
                    since: state.since.wall))
        }
        if untold > 0 {
            found.append(
                Problem(
                    severity: .warning, subject: "devices",
                    text: "\(Plural.text(untold, "more device")) not online"))
        }
        return found
    }

    /// Troubles that only an alarm tells.
    private func alarmProblems(at now: Moment) -> [Problem] {
        reports.alarms.active.filter(\.isProblem).map { alarm in
            Problem(
                severity: alarm.severity, subject: alarm.subject, text: alarm.text,
                since: alarm.since.wall(at: now))
        }
    }

    /// The share of the journal's room that records take which wait for the bridge.
    var journalShare: Double {
        Double(spool.waitingBytes) / Double(max(settings.spool.maxBytes, 1))
    }

    /// `"problems":[{"severity","subject","text","since"}]`
    func writeProblems(_ writer: inout JSONWriter, at now: Moment) {
        writer.key("problems")
        writer.array { writer in
            for problem in problems(at: now) {
                writer.object { writer in
                    writer.member("severity", problem.severity.rawValue)
                    writer.member("subject", problem.subject)
                    writer.member("text", problem.text)
                    if let since = problem.since { writer.member("since", since) }
                }
            }
        }
    }

    /// Why the gateway does not do all of its work; empty if it does.
    func hindrances(at now: Moment) -> [String] {
        var reasons: [String] = []
        if case .stopping = phase { reasons.append("the gateway is stopping") }
        if !isReady { reasons.append("the journal is being recovered") }
        if spool.isMemoryOnly { reasons.append("the disk fails: records are in memory only") }
        if !session.isOnline { reasons.append("bridge: \(session.state)") }
        for port in ports where port.state != .open {
            reasons.append(
                "port \(port.name): \(port.trouble ?? port.pause?.words ?? port.state.description)")
        }
        return reasons.map { Notice.printable($0) }
    }
}
