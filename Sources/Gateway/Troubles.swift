import Base
import Bridge
import Drivers

/// The present troubles of a gateway, of which alarms are made.
struct Troubles {
    /// The share of the journal above which it is full, and below which it is not any more.
    static let fullAbove = 0.8
    static let fullUntil = 0.7
    /// Patience with what may be over in a moment.
    private static let offlinePatience = Duration.seconds(5)
    private static let degradedPatience = Duration.seconds(30)
    private static let portPatience = Duration.seconds(10)
    private static let clockPatience = Duration.seconds(300)
    /// Reconnects that are shorter are no outage: a new token needs one.
    private static let outageLeast = Duration.seconds(10)

    private(set) var conditions: [Alarm.Source: Alarm.Condition] = [:]

    init(of gateway: Gateway, at now: Moment) {
        addJournal(gateway, at: now)
        addBridge(gateway, at: now)
        addPorts(gateway, at: now)
        addDevices(gateway)
        addFiles(gateway, at: now)
    }

    private mutating func add(
        _ source: Alarm.Source, _ word: Alarm.Word, _ text: String, since: Moment? = nil,
        patience: Duration = .zero
    ) {
        conditions[source] = Alarm.Condition(
            word: word, text: text, since: since, patience: patience)
    }

    private mutating func addJournal(_ gateway: Gateway, at now: Moment) {
        if gateway.spool.isMemoryOnly {
            add(.disk, .failing, "the disk fails: records are kept in memory only")
        }
        let share = gateway.journalShare
        let isFull = gateway.reports.alarms.alarm(of: .journal)?.word == .full
        if share > (isFull ? Self.fullUntil : Self.fullAbove) {
            let records = Plural.text(gateway.spool.waiting, "record")
            add(
                .journal, .full,
                "\(Int(share * 100)) % full with \(records) that wait for the bridge")
        }
        if let losses = gateway.reports.losses.recent {
            let reason = losses.reason.rawValue
            add(
                .records, .lost,
                "\(Plural.text(losses.count, "record")) lost, reason \(reason): see the gaps")
        }
    }

    private mutating func addBridge(_ gateway: Gateway, at now: Moment) {
        if let away = gateway.reports.health.awaySince, !gateway.session.isOnline,
            now.instant - away.instant >= Self.outageLeast
        {
            let reason = gateway.session.trouble.map { ": \($0.reason)" } ?? ""
            add(
                .bridge, .away, gateway.session.state + reason, since: away,
                patience: gateway.settings.alarms.bridgeAway)
        }
        if gateway.session.clockLevel != .trusted {
            let isImpossible = gateway.session.clockLevel == .impossible
            add(
                .clock, .untrusted,
                isImpossible
                    ? "the time of day is impossible: no token is signed until it is set"
                    : "nothing proves the time of day: readings are marked as unsynced",
                patience: Self.clockPatience)
        }
    }

    private mutating func addPorts(_ gateway: Gateway, at now: Moment) {
        for port in gateway.ports {
            if port.state == .closed || port.state == .opening, let trouble = port.trouble {
                add(
                    .port(port.name), .gone, "\(port.name): \(trouble)",
                    since: port.closedSince.map(now.at), patience: Self.portPatience)
            }
            if let use = gateway.reports.lines.overload(of: port.name) {
                add(
                    .line(port.name), .overloaded, "\(port.name): \(use)",
                    patience: LineUse.patience)
            }
        }
    }

    /// Devices of a port that is not open are silent because of it: that is the port's alarm.
    private mutating func addDevices(_ gateway: Gateway) {
        for device in gateway.states.unwell {
            guard let binding = gateway.adapter.binding(of: device),
                let state = gateway.states.state(of: device), state.known,
                !Self.isUnknown(.device(device), of: gateway)
            else { continue }
            let error = state.error.map { " (\($0))" } ?? ""
            add(
                .device(device), state.status == .offline ? .offline : .degraded,
                "\(binding.address): \(state.status.rawValue)\(error)", since: state.since,
                patience: state.status == .offline ? Self.offlinePatience : Self.degradedPatience)
        }
    }

    private mutating func addFiles(_ gateway: Gateway, at now: Moment) {
        if gateway.session.clockLevel == .trusted {
            for certificate in gateway.settings.certificates {
                guard let word = certificate.word(at: now.wall) else { continue }
                add(.certificate(certificate.name), word, certificate.sentence(at: now.wall))
            }
        }
        for helper in gateway.reports.hungHelpers {
            add(.helper(helper), .hangs, "its call has not come back for minutes")
        }
        if let reason = gateway.reports.refusedFile {
            add(.configuration(nil), .refused, "the configuration is refused: \(reason)")
        }
        for (device, refused) in gateway.configs.allRefused {
            add(
                .configuration(device), .refused,
                "config document \(refused.hash) is refused: \(refused.reason)")
        }
    }

    /// Whether nothing can be said of a source now: it is neither well nor not.
    static func isUnknown(_ source: Alarm.Source, of gateway: Gateway) -> Bool {
        func port(_ name: PortName) -> PortKeeper? {
            gateway.index(of: name).map { gateway.ports[$0] }
        }
        switch source {
        case .bridge: return !gateway.session.isOnline
        case .certificate(let name):
            return gateway.session.clockLevel != .trusted
                && gateway.settings.certificates.contains { $0.name == name }
        case .configuration(let device): return device != nil && !gateway.session.isOnline
        case .port(let name): return port(name).map { $0.state != .open } ?? false
        case .line(let name): return port(name).map { $0.state != .open } ?? false
        case .device(let device):
            guard let binding = gateway.adapter.binding(of: device), !gateway.isDisabled(device)
            else { return false }
            guard let port = port(binding.address.port), port.state == .open,
                let state = gateway.states.state(of: device), state.known
            else { return true }
            // Not asked again since its port is back.
            return state.status == .offline && state.error == "port"
        case .journal, .records, .disk, .clock, .helper: return false
        }
    }
}
