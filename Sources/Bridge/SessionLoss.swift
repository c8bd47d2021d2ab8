import Base
import MQTT

/// The end of a connection: what becomes of everything that was on its way, when to try again, and
/// the one line that says so.
extension Session {
    enum Loss {
        /// Ours, in good order.
        case planned
        case clock
        case link(LinkFailure)
        case closed(LinkFailure)
        case refused(UInt8)
        case signing(String)
        case fault(ProtocolFault)
        /// The far side does not speak MQTT but something else.
        case foreign(String)
        case noProgress
    }

    /// `tellShell` is false when the shell already knows that the link is gone.
    mutating func endConnection(_ loss: Loss, at now: Moment, tellShell: Bool = true) {
        let wasOpen: Bool
        switch phase {
        case .settingUp, .open, .draining: wasOpen = true
        default: wasOpen = false
        }
        switch loss {
        case .link, .closed: break
        default: if tellShell { emit(.disconnect) }
        }
        let cause = wasOpen && isSuspicious(loss) ? cause(at: now) : .unknown
        let reason = explain(loss, cause, wasOpen: wasOpen)
        client = nil
        giveBack(suspicious: wasOpen && isSuspicious(loss) && cause == .unknown, at: now)
        if cause != .unknown { backoff.reset() }
        attachments.disconnected()
        subscriptions = Subscriptions()
        inbox = Inbox()
        deviceTokens = [:]
        signedAttaches.removeAll()
        detaching.removeAll()
        turn = nil
        if wasOpen { emit(.offline) }
        let lived = connectedAt.map { now.instant - $0.instant }
        connectedAt = nil
        timers.disarmAll()
        phase = .waiting
        if case .planned = loss { return }
        if case .clock = loss { return timers.arm(.clock, at: now.instant + Self.clockInterval) }
        if shouldRotate(loss, wasOpen: wasOpen) {
            endpoint = (endpoint + 1) % settings.endpoints.count
        }
        if wasOpen, let lived { watchForTakeover(loss, reason, lived: lived) }
        let wait = nextWait(after: loss)
        timers.arm(.reconnect, at: now.instant + wait)
        report(loss, reason, wasOpen: wasOpen, wait: wait)
        if case .topic(let packet) = cause { tell(leftOut: packet) }
    }

    /// Reason for a close that what was on the wire shows.
    enum Cause: Hashable {
        case unknown
        /// One of several kinds of topics.
        case topics
        /// One kind of topic, which is left out from now on.
        case topic(TopicTrust.Packet)
        /// The size of messages with several records, whose bound is this from now on.
        case size(Int)
    }

    private mutating func cause(at now: Moment) -> Cause {
        guard !settings.dialect.usesToken else { return .unknown }
        let packets = flights.unanswered + subscriptions.unanswered
        switch suspects.topics.closed(packets, at: now.instant) {
        case .doubted: return .topics
        case .forbidden(let packet): return .topic(packet)
        case .none: break
        }
        let bound = flights.largestBatch.flatMap { suspects.topics.closed(batch: $0) }
        return bound.map { .size($0) } ?? .unknown
    }

    private mutating func tell(leftOut packet: TopicTrust.Packet) {
        let kind = packet.kind
        if kind == .state {
            let latest = states.latest
            states = StateDocuments(interval: settings.stateInterval)
            states.latest = latest
        } else if kind == .latest {
            states.latest.forgetAll()
        }
        notice(
            .warning,
            "the broker closes the connection when it gets \(packet.words): everything of that "
                + "kind is left out, and tried again on the first connection after an hour; "
                + "permit it there, or turn it "
                + "off here (`\(kind.setting)`)")
    }

    /// Only a close by the peer can be its answer to something we sent.
    private func isSuspicious(_ loss: Loss) -> Bool {
        guard case .closed(let failure) = loss else { return false }
        return failure.kind == .closed || failure.kind == .reset
    }

    private func shouldRotate(_ loss: Loss, wasOpen: Bool) -> Bool {
        switch loss {
        case .link, .refused(3): true
        case .closed, .fault, .foreign: !wasOpen
        default: false
        }
    }

    /// Asked once per loss.
    private mutating func nextWait(after loss: Loss) -> Duration {
        var pace = Backoff.Pace.climbing
        let isProven = !settings.dialect.usesToken || clockLevel == .trusted
        switch loss {
        // The bridge itself says that it is not there: as if it could not be reached.
        case .refused(3): break
        case .refused(let code):
            let verdict = credentials.refuse(
                concernsKey: [4, 5, 0x13].contains(code), clockProven: isProven)
            if verdict.isFirst { backoff.reset() }
            pace = verdict.pace
        case .signing:
            let verdict = credentials.refuse(concernsKey: true, clockProven: true)
            if verdict.isFirst { backoff.reset() }
            pace = verdict.pace
        default: break
        }
        if takeover.isSuspected, pace == .climbing { pace = .longest }
        return backoff.next(pace)
    }

    private mutating func giveBack(suspicious: Bool, at now: Moment) {
        let all = flights.takeAll()
        var rejected: Suspects.Key?
        if suspicious {
            let keys = all.flatMap(\.suspects)
            let inTurn =
                turn.map { $0.stage != .clearing && $0.key.device == keys.first?.device } ?? false
            let alone = keys.count == 1 && inTurn ? keys[0] : nil
            if suspects.closed(keys, alone: alone) { rejected = alone }
        }
        for flight in all.sorted(by: { $0.seq < $1.seq }) {
            if let rejected, flight.suspects == [rejected] { continue }
            switch flight.kind {
            case .record:
                for seq in flight.seqs {
                    counters.returned += 1
                    emit(.returned(seq))
                }
            case .state: states.returned(flight.device, at: now.instant)
            case .latest(let point):
                states.latest.returned(LatestValues.Key(device: flight.device, point: point))
            case .attach, .detach, .availability, .clearing: break
            }
        }
        if let rejected { giveUp(rejected, at: now) }
    }

    private mutating func giveUp(_ key: Suspects.Key, at now: Moment) {
        let often = "the bridge closed the connection \(Suspects.closesMax) times while"
        switch key.item {
        case .record(let seq):
            counters.rejected += 1
            emit(.rejected(seq, key.device, reason: "\(often) this record was alone on the wire"))
            notice(
                .error,
                "\(often) record \(seq) was alone on the wire: it is dropped and noted as a gap",
                about: key.device)
        case .attach:
            attachments.failed(
                key.device, .closesConnection(reason: "\(often) it was being attached"),
                at: now.instant)
            notice(
                .error,
                "\(often) this device was being attached: it is quarantined; check its binding and its "
                    + "registration; it is tried again in about an hour, or at the next start",
                about: key.device)
        case .state:
            states.forget(key.device)
            notice(
                .error, "\(often) its state document was alone on the wire: it is dropped",
                about: key.device)
        }
    }

    private mutating func report(_ loss: Loss, _ reason: Reason, wasOpen: Bool, wait: Duration) {
        trouble = Trouble(
            at: now.wall, reason: reason.sentence, unanswered: reason.unanswered?.last)
        let level: Notice.Level
        let value: String
        switch loss {
        case .planned, .clock: return
        case .link(let failure):
            (level, value) = (.warning, "link \(failure.kind) \(failure.message)")
        case .closed(let failure):
            (level, value) = (
                .warning, "closed \(wasOpen) \(failure.kind) \(reason.conclusion ?? "")"
            )
        case .refused(let code): (level, value) = (.error, "refused \(code)")
        case .signing(let why): (level, value) = (.error, "signing \(why)")
        case .foreign(let words): (level, value) = (.warning, "foreign \(words)")
        case .fault(let fault): (level, value) = (.warning, "fault \(fault)")
        case .noProgress: (level, value) = (.warning, "no progress")
        }
        let link = reason.conclusion == nil ? "; " : " "
        announce(
            "connection", value, level,
            "\(reason.sentence)\(link)trying again in \(Self.seconds(wait))")
    }

    private mutating func watchForTakeover(_ loss: Loss, _ reason: Reason, lived: Duration) {
        guard
            takeover.ended(
                after: lived, byPeer: isSuspicious(loss), isExplained: reason.conclusion != nil,
                unanswered: reason.unanswered?.name)
        else { return }
        notice(
            .warning,
            "the bridge closed five connections in a row soon after they were made, and no message of ours "
                + "explains it: check that no other gateway uses the id \(settings.gateway); until one lasts, it is "
                + "tried once a minute")
    }

    static func seconds(_ duration: Duration) -> String {
        "\(max(1, (duration.milliseconds + 500) / 1000)) s"
    }

    /// A sentence as a clause: without its full stop.
    static func clause(_ text: String) -> String {
        text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}
