import Base
import MQTT

/// A connection that stands: what the client reports, and what leaves when there is room.
extension Session {
    static let attachesMax = 64
    static let progressMax: Duration = .seconds(30)

    /// Takes everything the client has to say. Bytes go out as they come.
    mutating func pull(at now: Moment) {
        while let output = client?.next() {
            switch output {
            case .send(let bytes): send(bytes, at: now)
            case .connected: accepted(at: now)
            case .refused(let code):
                counters.refusals[code, default: 0] += 1
                endConnection(.refused(code), at: now)
            case .published(let id): acknowledged(id, at: now)
            case .subscribed(let id, let codes): subscribed(id, codes, at: now)
            case .message(let message): arrived(message, at: now)
            case .close(let fault): endConnection(.fault(fault), at: now)
            case .unsubscribed: break
            }
        }
    }

    private mutating func send(_ bytes: [UInt8], at now: Moment) {
        pay(at: now.instant)
        counters.bytesSent += bytes.count
        emit(.send(bytes))
    }

    /// Every packet that the client has made since the last time counts against the rate.
    mutating func pay(at now: Instant) {
        guard let all = client?.statistics else { return }
        let packets = all.packetsSent - paid.packetsSent
        guard packets > 0 else { return }
        limiter.spend(messages: packets, bytes: all.bytesSent - paid.bytesSent, at: now)
        counters.resent += all.resent - paid.resent
        paid = all
    }

    /// After every input. What the rate divides leaves in `nextSlot`.
    mutating func settle(at now: Moment) {
        pull(at: now)
        if case .draining = phase { settleDrain(at: now) }
        guard case .open = phase else { return }
        if !settings.attachesByMessage { attachAtOnce() }
        takeTurn(at: now.instant)
        pull(at: now)
        armTimers(at: now.instant)
    }

    /// The alarms for what may not leave yet.
    mutating func armTimers(at now: Instant) {
        guard case .open = phase else { return }
        reportAttached()
        arm(
            .attach,
            earliest(attachments.due, flights.oldestAttach().map { $0.flight.sent + silence }))
        let blocked = !limiter.allows(at: now)
        arm(.rate, blocked ? limiter.opens : nil)
        // What could not leave although it is due waits for the rate or the end of the turn.
        let idle = !blocked && turn == nil
        let wanted = subscriptions.due(suspects.topics)
        arm(.subscribe, idle ? wanted.map { max($0, now + .milliseconds(10)) } : nil)
        arm(.state, idle ? states.due.map { max($0, now + .milliseconds(10)) } : nil)
        arm(.inbox, blocked ? nil : inbox.due)
        if turn == nil { arm(.turn, suspects.isEmpty ? nil : now + .seconds(1)) }
        if flights.isEmpty {
            timers.disarm(.progress)
        } else if timers.due(.progress) == nil {
            timers.arm(.progress, at: now + Self.progressMax)
        }
    }

    private mutating func arm(_ timer: Timer, _ due: Instant?) {
        if let due { timers.arm(timer, at: due) } else { timers.disarm(timer) }
    }

    private func earliest(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }

    // MARK: Setting up

    /// The errors topic first, so that no attach error is missed; then our own; then the devices.
    mutating func setUp(at now: Moment) {
        suspects.topics.connected(at: now.instant)
        announceAvailability("online", at: now.instant)
        guard settings.dialect.hasErrors else { return open(at: now) }
        phase = .settingUp
        subscribe([(Topics.errors(settings.gateway), .atMostOnce)], at: now.instant)
    }

    private mutating func open(at now: Moment) {
        phase = .open
        turnNotBefore = now.instant
        let own = filters(of: settings.gateway)
        if suspects.topics.isCareful {
            subscriptions.want(own, at: now.instant)
        } else {
            subscribe(own, at: now.instant)
        }
        emit(.attached(settings.gateway))
        attachments.connected(first: attachFirst)
        attachFirst = []
        states.wake()
        if !settings.attachesByMessage { attachAtOnce() }
    }

    private func filters(of device: DeviceID) -> [Subscriptions.Item] {
        settings.layout.filters(of: device).filter { !suspects.topics.isForbidden($0.kind) }.map {
            Subscriptions.Item(device: device, kind: $0.kind, filter: ByteString($0.filter))
        }
    }

    /// Message on the availability topic, sent by us or as the will; nil where there is none.
    func availability(_ word: String) -> Connect.Will? {
        guard let topic = settings.layout.availability.flatMap({ try? TopicName($0.string) }),
            !suspects.topics.isForbidden(.availability)
        else { return nil }
        return Connect.Will(
            topic: topic, payload: Array(word.utf8), qos: .atLeastOnce, retain: true)
    }

    mutating func announceAvailability(_ word: String, at now: Instant) {
        guard let will = availability(word), client?.isConnected == true,
            let id = client?.publish(
                topic: will.topic, payload: will.payload, qos: will.qos, retain: will.retain,
                at: now)
        else { return }
        pay(at: now)
        suspects.topics.began(.availability)
        flights.add(
            id, .availability, settings.gateway, .availability, will.topic,
            bytes: will.payload.count, at: now)
    }

    private mutating func subscribe(_ items: [Subscriptions.Item], at now: Instant) {
        guard let id = subscribe(items.map { ($0.filter.string, .atLeastOnce) }, at: now) else {
            return
        }
        for item in items { suspects.topics.began(item.kind) }
        subscriptions.sent(id, items)
    }

    @discardableResult
    private mutating func subscribe(_ filters: [(String, QoS)], at now: Instant) -> PacketID? {
        let checked = filters.compactMap { text, qos in (try? TopicFilter(text)).map { ($0, qos) } }
        guard !checked.isEmpty, client?.isConnected == true else { return nil }
        let id = client?.subscribe(checked, at: now)
        pay(at: now)
        return id
    }

    private mutating func subscribed(_ id: PacketID, _ codes: [UInt8], at now: Moment) {
        lastProgress = now.instant
        if case .settingUp = phase {
            if codes.contains(Suback.failure) {
                notice(
                    .warning,
                    "the bridge refused the subscription to its errors topic: a refused attach will only "
                        + "be seen as silence")
            }
            return open(at: now)
        }
        let (kinds, refused) = subscriptions.answered(id, codes, at: now.instant)
        for kind in kinds { suspects.topics.answered(kind) }
        if suspects.topics.isCareful { states.wake() }
        for item in refused {
            notice(
                .warning,
                "the bridge refused the subscription to \(item.filter); trying again "
                    + "in \(Self.seconds(Subscriptions.retryAfter))",
                about: item.device)
        }
    }

    // MARK: Attaching

    /// Sent without answer, or with a token that is being made.
    var attachesUnderWay: Int { flights.attaches + deviceTokens.count + signedAttaches.count }

    /// Whether an attach waits that may leave as far as the number under way goes.
    private var wantsAttach: Bool {
        !signedAttaches.isEmpty || attachesUnderWay < Self.attachesMax && attachments.hasQueued
    }

    /// Whether `sendSetup` may have something to send.
    func wantsSetup(at now: Instant) -> Bool {
        guard turn == nil else { return false }
        return settings.attachesByMessage && wantsAttach
            || subscriptions.isReady(at: now, eager: !isAttaching, suspects.topics)
    }

    private var isAttaching: Bool { attachesUnderWay > 0 || attachments.hasQueued }

    /// One attach or SUBSCRIBE; false if none has left.
    mutating func sendSetup(at now: Instant) -> Bool {
        if settings.attachesByMessage, !subscriptions.isFull, wantsAttach, sendAttach(at: now) {
            return true
        }
        return sendSubscription(at: now)
    }

    private mutating func sendAttach(at now: Instant) -> Bool {
        while let signed = signedAttaches.popFirst() {
            guard attachments.status(of: signed.device) == .attaching else { continue }
            sendAttach(signed.device, payload: signed.payload, at: now)
            return true
        }
        while attachesUnderWay < Self.attachesMax, let device = attachments.next() {
            if suspects.contains(Suspects.Key(device, .attach)) {
                attachments.setAside(device)
            } else if !hasDeviceKeys || !signAttach(device, at: self.now) {
                sendAttach(device, at: now)
                return true
            }
        }
        return false
    }

    mutating func attachAtOnce() {
        while let device = attachments.next() { attached(device, at: now) }
    }

    mutating func sendAttach(_ device: DeviceID, payload: [UInt8] = [0x7B, 0x7D], at now: Instant) {
        counters.attaches += 1
        let topic = settings.layout.attach.topic(device)
        if !publish(topic, payload, .attach, device, .attach, at: now) {
            attachments.setAside(device)
        }
    }

    private mutating func attached(_ device: DeviceID, at now: Moment) {
        let failures = attachments.failures(of: device)
        guard attachments.accepted(device, at: now.instant) else { return }
        subscriptions.want(filters(of: device), at: now.instant)
        states.wake()
        if announcer.changed("attach \(device)", to: "attached"), failures > 0 {
            notice(.info, "attached", about: device)
        }
        emit(.attached(device))
    }

    /// One line when the last device has had its answer, and again when the counts change.
    private mutating func reportAttached() {
        guard !attachments.hasQueued, attachesUnderWay == 0 else { return }
        let total = attachments.count
        let attached = attachments.attachedCount
        guard total > 0, attachedTold != attached || totalTold != total else { return }
        attachedTold = attached
        totalTold = total
        notice(.info, "\(attached) of \(Plural.text(total, "device")) attached")
    }

    private mutating func sendSubscription(at now: Instant) -> Bool {
        while let items = subscriptions.next(at: now, eager: !isAttaching, suspects.topics) {
            let known = items.filter {
                $0.device == settings.gateway || attachments.isAttached($0.device)
            }
            guard !known.isEmpty else { continue }
            subscribe(known, at: now)
            return true
        }
        return false
    }

    /// How long an attach may go without PUBACK or error before its place is given to others.
    var silence: Duration { settings.ackTimeout * 3 }

    mutating func abandonSilentAttaches(at now: Moment) {
        while let (id, flight) = flights.oldestAttach(), flight.sent + silence <= now.instant {
            _ = abandon(id)
            let wait = attachments.failed(flight.device, .lost, at: now.instant)
            announce(
                "attach \(flight.device)", "silent", .warning,
                "no answer to its attach for \(Self.seconds(silence)); trying again in \(Self.seconds(wait))",
                about: flight.device)
        }
        boundAbandoned(at: now)
    }

    // MARK: Acknowledgements

    private mutating func acknowledged(_ id: PacketID, at now: Moment) {
        lastProgress = now.instant
        acknowledgedSinceConnect = true
        becomeHealthy(at: now)
        guard let flight = flights.remove(id) else { return acknowledgedLate(id, at: now) }
        for key in flight.suspects { suspects.acknowledged(key) }
        suspects.topics.answered(flight.topics, bytes: flight.bytes)
        if suspects.topics.isCareful { states.wake() }
        endTurnIfIdle()
        switch flight.kind {
        case .record(let seq):
            counters.acknowledged += 1 + flight.others.count
            if !holds.isEmpty { holds[flight.device] = nil }
            emit(.settled(seq))
            for other in flight.others { emit(.settled(other)) }
        case .attach: attached(flight.device, at: now)
        case .detach: emit(.detached(flight.device, reason: "removed"))
        case .state: states.acknowledged(flight.device, at: now.instant)
        case .availability: break
        case .latest(let point):
            states.latest.acknowledged(LatestValues.Key(device: flight.device, point: point))
        case .clearing(let topic): emit(.cleared(topic))
        }
    }

    /// For an attach that was given up a late yes is still a yes.
    private mutating func acknowledgedLate(_ id: PacketID, at now: Moment) {
        guard let flight = flights.removeAbandoned(id), flight.kind == .attach,
            attachments.status(of: flight.device) == .detached
        else { return }
        attached(flight.device, at: now)
    }

    /// Reconnect only when nothing at all was acknowledged for 30 s while something waits.
    mutating func checkProgress(at now: Moment) {
        guard case .open = phase, let oldest = flights.oldest else { return }
        let due = max(lastProgress, oldest) + Self.progressMax
        if due <= now.instant {
            endConnection(.noProgress, at: now)
        } else {
            timers.arm(.progress, at: due)
        }
    }
}
