import Base
import Bridge
import Drivers
import Spool

/// The parts of the document behind `fieldgw status --json`, some of which health events carry too.
extension Gateway {
    func status(at now: Moment) -> [UInt8] { StatusDocument(self).whole(of: self, at: now) }

    func writeHead(_ writer: inout JSONWriter, at now: Moment) {
        writer.member("gateway", settings.gateway.text)
        writer.member("version", settings.version)
        writer.member("ts", now.wall)
        writer.member("uptime", Int((now.instant - startedAt.instant).secondsValue))
        writer.key("tally")
        writer.object { writer in
            writer.member("readings", tally.readings)
            writer.member("values", tally.values)
            writer.member("recorded", tally.recorded)
            writer.member("acknowledged", tally.acknowledged)
        }
    }

    /// Why the last connection to the bridge ended, or could not be made.
    func writeTrouble(_ writer: inout JSONWriter) {
        guard let trouble = session.trouble else { return }
        writer.key("bridgeTrouble")
        writer.object { writer in
            writer.member("ts", trouble.at)
            writer.member("reason", trouble.reason)
            if let packet = trouble.unanswered { writer.member("unanswered", packet) }
        }
    }

    /// Bridge, journal and ports of a health event, and why the last connection ended.
    func writeFigures(_ writer: inout JSONWriter, at now: Moment) {
        writer.key("bridge")
        writer.object { writeBridge(&$0, at: now) }
        writer.key("spool")
        writer.object { writeSpool(&$0, at: now) }
        writeTrouble(&writer)
        writer.key("ports")
        writer.object { writer in
            for port in ports {
                writer.key(port.name.text)
                writer.object {
                    writePort(port, &$0, settings.health.units ? .counters : .none, at: now)
                }
            }
        }
    }

    func writeBridge(_ writer: inout JSONWriter, at now: Moment) {
        let counters = session.counters
        if !session.leftOut.isEmpty {
            writer.key("leftOut")
            writer.array { writer in for packet in session.leftOut { writer.string(packet) } }
        }
        writer.member("state", session.state)
        writer.member("online", session.isOnline)
        if let since = session.connectedSince { writer.member("since", since.wall) }
        if !session.isOnline, let away = reports.health.awaySince {
            writer.member("awaySince", now.corrected(away).wall)
        }
        if let next = session.nextTry {
            writer.member("nextTrySeconds", max(0, (next - now.instant).secondsValue))
        }
        writer.member("clock", "\(session.clockLevel)")
        writer.member("attached", session.attachedCount)
        writer.member("inFlight", session.inFlight)
        writer.member("connects", counters.connects)
        writer.member("published", counters.published)
        writer.member("acknowledged", counters.acknowledged)
        writer.member("resent", counters.resent)
        writer.member("returned", counters.returned)
        writer.member("rejected", counters.rejected)
        if !counters.errors.isEmpty {
            writer.key("errors")
            writer.object { writer in
                for (code, count) in counters.errors.sorted(by: { "\($0.key)" < "\($1.key)" }) {
                    writer.member("\(code)", count)
                }
            }
        }
        if !counters.refusals.isEmpty {
            writer.key("refusals")
            writer.object { writer in
                for (code, count) in counters.refusals.sorted(by: { $0.key < $1.key }) {
                    writer.member("\(code)", count)
                }
            }
        }
        if session.suspectCount > 0 { writer.member("suspects", session.suspectCount) }
        let quarantined = session.quarantined
        if !quarantined.isEmpty {
            writer.key("quarantined")
            writer.object { writer in
                for each in quarantined { writer.member(each.device.text, each.reason) }
            }
            writer.key("quarantineEndsSeconds")
            writer.object { writer in
                for each in quarantined {
                    guard let retry = each.retry else { continue }
                    writer.member(each.device.text, max(0, (retry - now.instant).secondsValue))
                }
            }
        }
    }

    /// Figures of each unit that a port's are told with.
    enum UnitDetail { case none, counters, replyTimes }

    func writePort(
        _ port: PortKeeper, _ writer: inout JSONWriter, _ detail: UnitDetail, at now: Moment
    ) {
        let figures = port.statistics
        writer.member("state", "\(port.state)")
        if !port.path.isEmpty { writer.member("path", port.path) }
        if let trouble = port.trouble { writer.member("trouble", trouble) }
        if let until = port.pause?.until { writer.member("pausedUntil", until.wall) }
        if let pause = port.pause, !pause.leases.isEmpty {
            writer.key("lentTo")
            writer.array { writer in for lease in pause.leases { writer.integer(lease.process) } }
        }
        writer.member("requests", figures.requests)
        writer.member("replies", figures.replies)
        writer.member("timeouts", figures.timeouts)
        writer.member("checksum", figures.checksumErrors)
        writer.member("exceptions", figures.exceptions)
        writer.member("lateReplies", figures.lateReplies)
        if figures.repeatedReplies > 0 { writer.member("repeatedReplies", figures.repeatedReplies) }
        writer.member("wrongUnit", figures.wrongUnit)
        writer.member("late", figures.late)
        writer.member("skipped", figures.skipped)
        writer.member("busTimeSeconds", figures.busTime.secondsValue)
        writer.key("lineTimeSeconds")
        writer.object { writer in
            for use in LineTimes.Use.allCases where figures.lineTimes[use] > .zero {
                writer.member("\(use)", figures.lineTimes[use].secondsValue)
            }
        }
        writeHygiene(figures, &writer)
        if let service = port.service {
            writer.key("serve")
            writer.object { service.write(&$0) }
        }
        let findings = port.findings
        if let trouble = findings.port { writer.member("diagnosis", trouble.sentence) }
        guard detail != .none else { return }
        writer.key("units")
        writer.object { writer in
            for unit in figures.units {
                writer.key("\(unit.unit)")
                writer.object { writer in
                    if let state = unit.state { writer.member("state", state.rawValue) }
                    if unit.isGuest { writer.member("configured", false) }
                    writer.member("requests", unit.requests)
                    writer.member("replies", unit.replies)
                    writer.member("timeouts", unit.timeouts)
                    writer.member("checksum", unit.checksumErrors)
                    writer.member("exceptions", unit.exceptions)
                    writer.member("lateReplies", unit.lateReplies)
                    if unit.repeatedReplies > 0 {
                        writer.member("repeatedReplies", unit.repeatedReplies)
                    }
                    writer.member("late", unit.late)
                    writer.member("skipped", unit.skipped)
                    if unit.wrongUnit > 0 { writer.member("wrongUnit", unit.wrongUnit) }
                    if let trouble = findings.units[unit.unit] {
                        writer.member("diagnosis", trouble.sentence)
                    }
                    if detail == .replyTimes, unit.replyTimes.count > 0 {
                        writeReplyTimes(unit.replyTimes, &writer)
                    }
                    if let last = unit.lastGood {
                        writer.member(
                            "lastGoodSecondsAgo", max(0, (now.instant - last).secondsValue))
                    }
                }
            }
        }
    }

    /// `{"count","sum","classes":[…]}`: the classes are those of `ReplyTimes.bounds`, and one
    /// above.
    private func writeReplyTimes(_ times: ReplyTimes, _ writer: inout JSONWriter) {
        writer.key("replySeconds")
        writer.object { writer in
            writer.member("count", times.count)
            writer.member("sum", times.sum.secondsValue)
            writer.key("classes")
            writer.array { writer in for count in times.classes { writer.integer(count) } }
        }
    }

    /// Only what there is: most lines have none of it.
    private func writeHygiene(_ figures: PortStatistics, _ writer: inout JSONWriter) {
        let rows = [
            ("strayBytes", figures.strayBytes), ("noiseBytes", figures.noiseBytes),
            ("echoes", figures.echoes),
            ("collisions", figures.collisions), ("babbles", figures.babbles),
            ("framing", figures.line.framing),
            ("parity", figures.line.parity), ("overruns", figures.line.overruns),
            ("breaks", figures.line.breaks),
        ]
        for (name, count) in rows where count > 0 { writer.member(name, count) }
    }

    func writeCommands(_ writer: inout JSONWriter) {
        let figures = commands.counters
        writer.member("accepted", figures.accepted)
        writer.member("done", figures.done)
        writer.member("failed", figures.failed)
        writer.member("refused", figures.refused)
        writer.member("repeated", figures.repeated)
        writer.member("setupSteps", setups.done)
        writer.member("setupFailures", setups.failed)
        if safe.count > 0 { writer.member("safeValues", safe.writtenCount) }
    }

    func writeDevice(_ device: DeviceID, _ address: Address, _ writer: inout JSONWriter) {
        writer.member("address", address.description)
        if let state = states.state(of: device) {
            writer.member("status", state.status.rawValue)
            writer.member("since", state.since.wall)
            if let error = state.error { writer.member("error", error) }
        }
        if let attachment = session.status(of: device) {
            writer.member("attached", attachment.words)
        }
        if resting.contains(device) { writer.member("attached", "detached: its port is gone") }
        if let hash = configs.hash(of: device) { writer.member("config", hash) }
        if let refused = configs.refused(of: device) {
            writer.member("configRefused", refused.reason)
        }
        if isDisabled(device) { writer.member("enabled", false) }
        if let word = identities.word(address) { writer.member("identity", word) }
        writer.member("waiting", spool.waiting(of: device))
    }
}

extension Attachments.Status {
    /// For a table: one or two words, or the reason of a refusal.
    var words: String {
        switch self {
        case .refused(let reason): "refused: \(reason)"
        case .quarantined(let reason): "quarantined: \(reason)"
        default: "\(self)"
        }
    }
}

extension Gateway {
    /// The oldest record that waits to be sent; nil if none does.
    var oldestHead: QueueHead? { spool.readyDevices.first.flatMap { spool.head($0) } }

    /// Time of the oldest record that waits to be sent; nil if none does.
    private func oldestWaiting(at now: Moment) -> WallTime? {
        oldestHead.map { head in
            head.thisBoot ? now.at(head.at).wall : head.wall
        }
    }

    func writeSpool(_ writer: inout JSONWriter, at now: Moment) {
        let figures = spool.statistics
        writer.member("waiting", spool.waiting)
        writer.member("waitingBytes", spool.waitingBytes)
        writer.member("maxBytes", settings.spool.maxBytes)
        if let oldest = oldestWaiting(at: now) { writer.member("oldestWaiting", oldest) }
        if let seq = spool.syncedSeq { writer.member("syncedSeq", seq) }
        writer.member("appended", figures.appended)
        writer.member("settled", figures.settled)
        writer.member("neverWritten", figures.neverWritten)
        writer.member("dropped", figures.dropped)
        writer.member("damaged", figures.damaged)
        writer.key("lost")
        writer.object { writer in
            for reason in Gap.Reason.counted {
                writer.member(reason.rawValue, figures.lost[reason])
            }
        }
        writer.member("commits", figures.commits)
        writer.member("bytesWritten", figures.bytesWritten)
        writer.member("fileBytes", figures.fileBytes)
        writer.member("segments", figures.segments)
        writer.member("memoryOnly", figures.memoryOnly)
    }
}

/// Spelled out: what an enumeration prints by itself is looked up in the program's reflection
/// tables.
extension PortKeeper.State: CustomStringConvertible {
    var description: String {
        switch self {
        case .closed: "closed"
        case .opening: "opening"
        case .open: "open"
        case .pausing: "pausing"
        case .paused: "paused"
        }
    }
}
