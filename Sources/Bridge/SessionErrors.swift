import Base
import MQTT

/// The errors topic: each code does to its device or message what `GatewayError.reaction` says, and
/// to nobody else.
extension Session {
    private static let abandonedMax = 256

    mutating func gatewayError(_ error: GatewayError, at now: Moment) {
        counters.errors[error.code, default: 0] += 1
        let packet = error.packetID.flatMap { PacketID($0) }.flatMap { id in
            flights[id].flatMap {
                error.device == nil || $0.device == error.device ? (id, $0) : nil
            }
        }
        guard let device = error.device ?? packet?.1.device else {
            return announce(
                "error", error.word + error.description, .warning,
                "the bridge reports \(error.word)"
                    + (error.description.isEmpty
                        ? " and says nothing more" : ": \(error.description)"),
                kind: .peer)
        }
        guard device == settings.gateway || attachments.contains(device) else {
            return notice(
                .debug, "the bridge reports \(error.word) for \(device), which is not ours",
                kind: .peer)
        }
        switch error.reaction {
        case .quarantine: refuse(device, error, at: now)
        case .attachAgain: detach(device, .notFound, error, at: now)
        case .backOffDevice: detach(device, .lost, error, at: now)
        case .dropMessage: drop(packet, device, error, at: now)
        case .retryLater: retryLater(packet, device, error, at: now)
        case .report: say(device, error, "nothing to do")
        }
        boundAbandoned(at: now)
    }

    private mutating func say(_ device: DeviceID, _ error: GatewayError, _ consequence: String) {
        announce(
            "attach \(device)", error.word + error.description, .warning,
            "the bridge reports \(error.word): \(Self.clause(error.description)); \(consequence)",
            about: device, kind: .peer)
    }

    /// GATEWAY_ATTACHMENT_ERROR: this device waits for a slow timer or a person.
    private mutating func refuse(_ device: DeviceID, _ error: GatewayError, at now: Moment) {
        guard device != settings.gateway else { return say(device, error, "nothing to do") }
        let wasAttached = attachments.isAttached(device)
        withdraw(device, attach: true)
        let reason = error.description.isEmpty ? error.word : error.description
        let wait = attachments.failed(device, .refused(reason: reason), at: now.instant)
        say(
            device, error,
            "check that it exists in the registry and is bound to gateway \(settings.gateway); trying again "
                + "in \(Self.seconds(wait))")
        if wasAttached { emit(.detached(device, reason: error.word)) }
    }

    /// The bridge has let go of a device: its records wait until it is attached again.
    private mutating func detach(
        _ device: DeviceID, _ failure: Attachments.Failure, _ error: GatewayError, at now: Moment
    ) {
        guard device != settings.gateway else { return say(device, error, "nothing to do") }
        let wasAttached = attachments.isAttached(device)
        // One of several messages that met the same end: the new attach is on its way already.
        let anew = failure == .lost || error.isAboutAttach
        withdraw(device, attach: anew)
        guard wasAttached || anew else { return }
        let wait = attachments.failed(device, failure, at: now.instant)
        say(
            device, error, "attaching it again" + (wait == .zero ? "" : " in \(Self.seconds(wait))")
        )
        if wasAttached { emit(.detached(device, reason: error.word)) }
    }

    /// Takes the device's messages off the wire: its records are given back, its state waits.
    private mutating func withdraw(_ device: DeviceID, attach: Bool) {
        subscriptions.forget(device)
        for id in flights.ids(of: device, where: { $0 != .detach && (attach || $0 != .attach) }) {
            giveBack(id)
        }
    }

    /// Off the wire for good: neither waited for nor sent again.
    mutating func abandon(_ id: PacketID) -> Flight? {
        client?.abandon(id)
        return flights.abandon(id)
    }

    private mutating func giveBack(_ id: PacketID) {
        guard let flight = abandon(id) else { return }
        endTurnIfIdle()
        switch flight.kind {
        case .record:
            for seq in flight.seqs {
                counters.returned += 1
                emit(.returned(seq))
            }
        case .state: states.returned(flight.device)
        case .attach, .detach, .availability, .latest, .clearing: break
        }
    }

    /// GATEWAY_INVALID_MQTT_TOPIC: sending it again cannot help.
    private mutating func drop(
        _ packet: (PacketID, Flight)?, _ device: DeviceID, _ error: GatewayError, at now: Moment
    ) {
        guard let (id, flight) = packet else { return say(device, error, "nothing to do") }
        if case .attach = flight.kind { return refuse(device, error, at: now) }
        _ = abandon(id)
        for key in flight.suspects { suspects.clear(key) }
        endTurnIfIdle()
        say(device, error, "the message is dropped")
        switch flight.kind {
        case .record:
            for seq in flight.seqs {
                counters.rejected += 1
                emit(.rejected(seq, device, reason: error.word))
            }
        case .state: states.forget(device)
        case .attach, .detach, .availability, .latest, .clearing: break
        }
    }

    /// An error that nobody knows: the device's messages wait, doubling up to 64 s.
    private mutating func retryLater(
        _ packet: (PacketID, Flight)?, _ device: DeviceID, _ error: GatewayError, at now: Moment
    ) {
        let isAttaching = attachments.status(of: device) == .attaching
        if isAttaching, packet == nil || packet?.1.kind == .attach {
            return detach(device, .lost, error, at: now)
        }
        let failures = min((holds[device]?.failures ?? 0) + 1, 6)
        let wait = Double(1 << failures) * random.uniform(0.5, 1) + random.uniform(0, 1)
        let until = now.instant + .seconds(fraction: wait)
        holds[device] = Hold(until: until, failures: failures)
        timers.arm(.hold, at: min(timers.due(.hold) ?? until, until))
        if let packet { giveBack(packet.0) }
        say(device, error, "its next message waits \(Self.seconds(.seconds(fraction: wait)))")
    }

    /// The packet ids of messages given up stay taken until the connection ends; a few hundred are
    /// enough reason for a new one.
    mutating func boundAbandoned(at now: Moment) {
        guard case .open = phase, flights.abandoned.count > Self.abandonedMax else { return }
        notice(
            .debug,
            "connecting again to forget \(Plural.text(flights.abandoned.count, "message")) given up"
        )
        beginDrain(stop: false, bound: .seconds(10), at: now)
    }
}
