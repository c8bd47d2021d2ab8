import Base
import Spool

/// Records that the gateway makes about itself, its health and its alarms, and their sources.
struct Reports: Sendable {
    private static let measureInterval = Duration.seconds(60)

    var health = HealthReporter()
    var alarms = Alarms()
    var starts: StartCount
    /// Figures of the machine as they were last measured.
    var machine = MachineFigures()
    private(set) var lines = LineUse()
    private(set) var losses = LossWatch()
    var outage = OutageNotes()
    /// Helper threads that do not come back from a call.
    var hungHelpers: [String] = []
    /// Why the file was refused when it was last read; nil if it was not.
    var refusedFile: String?
    /// When there is to be a look at what alarms are made of.
    private var lookDue: Instant?
    private var measureDue = Instant.zero

    init(bootID: [UInt8]) { starts = StartCount(bootID: bootID) }

    mutating func start(at now: Moment) {
        health.start(at: now)
        lookDue = now.instant
    }

    var due: Instant? {
        guard let lookDue else { return health.due }
        return health.due.map { min($0, lookDue) } ?? lookDue
    }

    mutating func stop(at now: Moment) {
        health.disconnected(at: now)
        lookDue = nil
    }

    /// True at most once in `Alarms.interval`.
    mutating func isLookDue(at now: Instant) -> Bool {
        guard let due = lookDue, due <= now else { return false }
        lookDue = now + Alarms.interval
        return true
    }

    /// True at most once in `measureInterval`: the machine's figures are to be measured.
    mutating func isMeasureDue(at now: Instant) -> Bool {
        guard measureDue <= now else { return false }
        measureDue = now + Self.measureInterval
        return true
    }

    mutating func measure(_ ports: [PortKeeper], _ losses: LossTotals, at now: Instant) {
        lines.look(at: ports, at: now)
        self.losses.look(at: losses, at: now)
    }
}

extension Gateway {
    /// Grows when a member of a health record changes its meaning.
    private static let healthSchema = 1

    /// Appends the records of the gateway itself that are due; true if there was one.
    mutating func report(at now: Moment) -> Bool {
        let hasHealth = reportHealth(at: now)
        return reportAlarms(at: now) || hasHealth
    }

    private mutating func reportHealth(at now: Moment) -> Bool {
        guard reports.health.isDue(every: settings.health.every, at: now.instant),
            let subfolder = settings.topics.health
        else { return false }
        var writer = JSONWriter()
        writer.member("schema", Self.healthSchema)
        writer.member("version", settings.version)
        writer.member("uptime", Int((now.instant - startedAt.instant).secondsValue))
        writeRun(&writer, at: now)
        writeProblems(&writer, at: now)
        writeFigures(&writer, at: now)
        appendReport(writer.bytes, in: subfolder, priority: false, at: now)
        return true
    }

    private mutating func reportAlarms(at now: Moment) -> Bool {
        guard phase == .running, reports.isLookDue(at: now.instant), isReady else { return false }
        if reports.isMeasureDue(at: now.instant) { effects.append(.measure) }
        noteDelivery(at: now)
        reports.measure(ports, spool.statistics.lost, at: now.instant)
        let troubles = Troubles(of: self, at: now)
        let unknown = reports.alarms.sources.filter { Troubles.isUnknown($0, of: self) }
        let changes = reports.alarms.look(
            at: troubles.conditions, unknown: Set(unknown), at: now)
        guard !changes.isEmpty else { return false }
        for change in changes { tell(change, at: now) }
        store.keep(Kept.alarms, reports.alarms.document(at: now), .now, at: now.instant)
        return true
    }

    /// Tells how long an outage was; before the bridge is noted as connected.
    mutating func noteReconnect(at now: Moment) {
        guard session.counters.connects > 1, let away = reports.health.awaySince else { return }
        let time = now.instant - away.instant
        let words = reports.outage.back(
            after: time, waiting: spool.waiting, last: spool.syncedSeq, at: now.instant)
        if let words { tellOfBridge(words) }
    }

    private mutating func noteDelivery(at now: Moment) {
        let words = reports.outage.look(oldest: oldestHead?.seq, at: now.instant)
        if let words { tellOfBridge(words) }
    }

    private mutating func tellOfBridge(_ words: String) {
        effects.append(.notice(Notice(.info, "bridge", settings.gateway.text, words)))
    }

    private mutating func tell(_ change: Alarms.Change, at now: Moment) {
        if change.alarm.isLogged {
            let words = change.isActive ? "raised" : "cleared"
            effects.append(
                .notice(
                    Notice(
                        change.isActive ? .warning : .info, "alarm", change.alarm.subject,
                        "\(change.alarm.name) \(words): \(change.text)")))
        }
        guard let subfolder = settings.topics.alarms else { return }
        let body = change.alarm.body(isActive: change.isActive, change.text, at: now)
        appendReport(body, in: subfolder, priority: true, at: now)
    }

    private mutating func appendReport(
        _ body: [UInt8], in subfolder: String, priority: Bool, at now: Moment
    ) {
        append(
            Entry(
                device: settings.gateway, subfolder: subfolder, kind: .health, priority: priority,
                body: body, at: now, clockTrusted: session.clockLevel == .trusted),
            at: now)
    }

    /// `"configuration","start":{"reason","count","ts"},"host":{…}`
    func writeRun(_ writer: inout JSONWriter, at now: Moment) {
        if let hash = settings.configurationHash { writer.member("configuration", hash) }
        writer.key("start")
        writer.object { writer in
            writer.member("reason", reports.starts.reason.rawValue)
            writer.member("count", reports.starts.count)
            // By the clock of now: that of the start may have been wrong.
            if session.clockLevel == .trusted {
                writer.member("ts", now.corrected(startedAt).wall)
            }
        }
        writer.key("host")
        writer.object { reports.machine.write(&$0) }
    }

    /// `"alarms":[{"alarm","device","since","text"}]`: those that are raised.
    func writeAlarms(_ writer: inout JSONWriter, at now: Moment) {
        writer.key("alarms")
        writer.array { writer in
            for alarm in reports.alarms.active { alarm.write(&writer, at: now) }
        }
    }
}
