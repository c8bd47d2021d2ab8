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
        client = nil
        giveBack(suspicious: wasOpen && isSuspicious(loss), at: now)
        attachments.disconnected()
        subscriptions = Subscriptions()
        deliveries = []
        acknowledgements.removeAll()
        acknowledging = []
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
        if shouldRotate(loss, wasOpen: wasOpen) { endpoint = (endpoint + 1) % settings.endpoints.count }
        if wasOpen, let lived { watchForTakeover(loss, lived: lived) }
        let slow = isSlow(loss)
        let wait = backoff.next(slow: slow || takeover.isSuspected)
        timers.arm(.reconnect, at: now.instant + wait)
        report(loss, wasOpen: wasOpen, wait: wait)
    }

    /// Only a close by the peer can be its answer to something we sent.
    private func isSuspicious(_ loss: Loss) -> Bool {
        guard case .closed(let failure) = loss else { return false }
        return failure.kind == .closed || failure.kind == .reset
    }

    private func shouldRotate(_ loss: Loss, wasOpen: Bool) -> Bool {
        switch loss {
        case .link, .refused(3): true
        case .closed, .fault: !wasOpen
        default: false
        }
    }

    /// Asked once per loss: a refused token is the turn of the next key, which need not wait long.
    private mutating func isSlow(_ loss: Loss) -> Bool {
        switch loss {
        case .refused(4), .refused(5), .refused(0x13), .signing: return rotateKey()
        default: return isClockUnproven
        }
    }

    private var isClockUnproven: Bool { settings.dialect.usesToken && clockLevel == .unproven }

    private mutating func giveBack(suspicious: Bool, at now: Moment) {
        let all = flights.takeAll()
        var rejected: Suspects.Key?
        if suspicious {
            let keys = all.flatMap(\.suspects)
            let inTurn = turn.map { $0.stage != .clearing && $0.key.device == keys.first?.device } ?? false
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
            case .attach, .detach, .availability: break
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
                .error, "\(often) record \(seq) was alone on the wire: it is dropped and noted as a gap",
                about: key.device)
        case .attach:
            attachments.failed(
                key.device, .closesConnection(reason: "\(often) it was being attached"), at: now.instant)
            notice(
                .error,
                "\(often) this device was being attached: it is quarantined; check its binding and its "
                    + "registration; it is tried again in about an hour, or at the next start",
                about: key.device)
        case .state:
            states.forget(key.device)
            notice(
                .error, "\(often) its state document was alone on the wire: it is dropped", about: key.device)
        }
    }

    private mutating func report(_ loss: Loss, wasOpen: Bool, wait: Duration) {
        let slow = clockLevel == .unproven ? ", rarely while this machine's clock is not proven" : ""
        let again = "trying again in \(Self.seconds(wait))\(slow)"
        switch loss {
        case .planned, .clock: break
        case .link(let failure):
            announce(
                "connection", "link \(failure.kind) \(failure.message)", .warning,
                "no connection: \(Self.clause(failure.message)); \(again)")
        case .closed(let failure):
            let when = wasOpen ? "was lost" : "was closed before the bridge had answered"
            announce(
                "connection", "closed \(wasOpen) \(failure.kind)", .warning,
                "the connection \(when): \(Self.clause(failure.message)); \(again)")
        case .refused(let code):
            announce(
                "connection", "refused \(code)", .error,
                Refusal.sentence(code, dialect: settings.dialect, gateway: settings.gateway) + "; \(again)")
        case .signing(let why):
            announce(
                "connection", "signing \(why)", .error,
                "the private key could not sign a token: \(Self.clause(why)); \(again)")
        case .fault(let fault):
            announce(
                "connection", "fault \(fault)", .warning,
                "the connection is given up: \(fault); \(again)")
        case .noProgress:
            announce(
                "connection", "no progress", .warning,
                "the bridge acknowledged nothing for \(Self.seconds(Self.progressMax)) while messages "
                    + "waited; \(again)")
        }
    }

    private mutating func watchForTakeover(_ loss: Loss, lived: Duration) {
        guard takeover.ended(after: lived, byPeer: isSuspicious(loss)) else { return }
        notice(
            .warning,
            "the bridge closed five connections in a row soon after they were made: check that no other "
                + "gateway uses the id \(settings.gateway); until one lasts, it is tried once a minute")
    }

    static func seconds(_ duration: Duration) -> String {
        "\(max(1, (duration.milliseconds + 500) / 1000)) s"
    }

    /// A sentence as a clause: without its full stop.
    static func clause(_ text: String) -> String { text.hasSuffix(".") ? String(text.dropLast()) : text }
}

/// CONNACK codes in words, with what to do (MQTT 3.1.1 table 3.1; 0x13 is ClearBlade's).
enum Refusal {
    static func sentence(_ code: UInt8, dialect: Dialect, gateway: DeviceID) -> String {
        switch (code, dialect.usesToken) {
        case (1, _):
            return "the bridge does not speak MQTT 3.1.1 (CONNACK 1): check host and port"
        case (2, _):
            return "the bridge refused the client id \(dialect.clientID(of: gateway)) (CONNACK 2): check "
                + (dialect.usesToken ? "project, region, registry and gateway" : "clientID")
        case (3, _): return "the bridge is not available (CONNACK 3)"
        case (4, true):
            return "the bridge could not read the token of gateway \(gateway) (CONNACK 4): check that the "
                + "key in privateKey is of the type registered (ES256 or RS256)"
        case (5, true), (0x13, true):
            let shown = code == 5 ? "5" : "0x13"
            return "the bridge refused the token of gateway \(gateway) (CONNACK \(shown)): check that its "
                + "public key is registered, that it is not blocked, and project, region and registry"
        case (4, false), (5, false):
            return "the broker refused us (CONNACK \(code)): check username and password, or the client "
                + "certificate"
        default: return "the bridge refused the connection (CONNACK \(code))"
        }
    }
}
