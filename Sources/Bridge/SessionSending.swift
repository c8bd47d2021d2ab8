import Base
import MQTT

/// Turn of one suspect to be alone on the wire.
struct Turn: Sendable {
    enum Stage: Sendable {
        /// Until everything in flight is acknowledged.
        case clearing
        /// Until its record is offered; with a window above 1, until that many are in flight.
        case granted
        case flying
    }

    var key: Suspects.Key
    var stage = Stage.clearing
    var window: Int
}

/// Outbound messages: records, state documents, and the suspects one by one.
extension Session {
    static let inFlightBytesMax = 1 << 20

    /// Whether this device's next record may be published in the slot that `nextSlot` has given.
    /// Where only the rate forbids it, the deadline says when to ask again.
    package mutating func accepts(_ device: DeviceID, at now: Moment) -> Bool {
        self.now = now
        granted = nil
        guard case .open = phase, hasRoom(for: device), isReady(device), rateAllows(at: now.instant)
        else {
            return false
        }
        granted = device
        return true
    }

    private mutating func rateAllows(at now: Instant) -> Bool {
        if limiter.allows(at: now) { return true }
        // What was spent since the last turn (acknowledgements, say) has armed no timer yet.
        timers.arm(.rate, at: limiter.opens)
        return false
    }

    /// How many records of this device may go in one message: any number, unless one of its
    /// messages may have closed the connection. Then they go one by one in the end, or nobody would
    /// learn which of them it was.
    package func recordsAtOnce(of device: DeviceID) -> Int {
        if let turn { return max(1, turn.window - flights.carried) }
        return suspects.holds(device) ? 1 : .max
    }

    /// Messages in flight are kept until their PUBACK; both their number and their bytes are
    /// limited.
    var hasRoom: Bool {
        flights.records < settings.inFlight.total && flights.bytes < Self.inFlightBytesMax
    }

    private func hasRoom(for device: DeviceID) -> Bool {
        if let turn {
            guard case .record = turn.key.item, turn.stage == .granted else { return false }
            return turn.key.device == device && flights.carried < turn.window
        }
        return hasRoom && flights.records(of: device) < settings.inFlight.perDevice
            && !suspects.holds(device)
    }

    private func isReady(_ device: DeviceID) -> Bool {
        if !holds.isEmpty, let hold = holds[device], hold.until > now.instant { return false }
        return device == settings.gateway || attachments.isAttached(device)
    }

    /// QoS 1 on the device's events topic. Not accepted: given back at once.
    package mutating func publish(_ record: Outgoing, at now: Moment) {
        // Most callers have just asked.
        guard granted == record.device || accepts(record.device, at: now) else {
            return giveBack(record)
        }
        granted = nil
        let topics = Self.topics(of: record)
        guard suspects.topics.mayBegin(topics) else { return postpone(record, topics, at: now) }
        guard let topic = eventTopic(record.device, record.subfolder) else {
            counters.rejected += record.seqs.count
            let shown = Notice.printable(record.subfolder)
            notice(
                .error,
                "record \(record.seq) has the subfolder \"\(shown)\", which is no topic: it is dropped",
                about: record.device)
            for seq in record.seqs {
                emit(.rejected(seq, record.device, reason: "its subfolder is not a topic"))
            }
            return
        }
        if let turn, turn.window == 1 || flights.isEmpty {
            suspects.clearRecords(of: record.device, below: record.seq)
            let key = Suspects.Key(record.device, .record(record.seq))
            self.turn = Turn(
                key: key, stage: turn.window == 1 ? .flying : .granted, window: turn.window)
            timers.arm(.turn, at: now.instant + .seconds(3))
        }
        guard
            send(
                topic, record.payload, .record(record.seq), record.device, topics,
                others: record.others, at: now.instant)
        else { return giveBack(record) }
        counters.published += 1 + record.others.count
        shares.charge(slot == .urgent ? .urgent : .record)
        if timers.due(.progress) == nil {
            timers.arm(.progress, at: now.instant + Self.progressMax)
        }
        if !limiter.allows(at: now.instant) { timers.arm(.rate, at: limiter.opens) }
    }

    private mutating func giveBack(_ record: Outgoing) {
        for seq in record.seqs { emit(.returned(seq)) }
    }

    private static func topics(of record: Outgoing) -> TopicKind {
        record.subfolder.isEmpty ? .telemetry : .report(ByteString(record.subfolder))
    }

    /// Its kind of topic is left out, and then it ends here; or another kind is on the wire that
    /// may have closed the connection, and then its device waits a moment.
    private mutating func postpone(_ record: Outgoing, _ topics: TopicKind, at now: Moment) {
        guard !suspects.topics.isForbidden(topics) else {
            for seq in record.seqs { emit(.withheld(seq)) }
            return
        }
        let until = now.instant + .milliseconds(100)
        holds[record.device] = Hold(until: until, failures: holds[record.device]?.failures ?? 0)
        timers.arm(.hold, at: min(timers.due(.hold) ?? until, until))
        giveBack(record)
    }

    /// Bound of a message with several records, in bytes; nil where the broker has shown none.
    package var batchBytesMax: Int? { suspects.topics.batchBytesMax }

    private mutating func eventTopic(_ device: DeviceID, _ subfolder: String) -> TopicName? {
        let key = TopicKey(device: device, subfolder: subfolder)
        if let topic = eventTopics[key] { return topic }
        guard let topic = settings.layout.events(device, subfolder).flatMap({ try? TopicName($0) })
        else { return nil }
        if eventTopics.count >= 4096 { eventTopics.removeAll() }
        eventTopics[key] = topic
        return topic
    }

    /// False if it did not leave: no connection, or no packet id left.
    mutating func publish(
        _ topic: String?, _ payload: [UInt8], _ kind: Flight.Kind, _ device: DeviceID,
        _ topics: TopicKind, retain: Bool = false, at now: Instant
    ) -> Bool {
        guard let name = topic.flatMap({ try? TopicName($0) }) else { return false }
        return send(name, Payload(payload), kind, device, topics, retain: retain, at: now)
    }

    private mutating func send(
        _ topic: TopicName, _ payload: Payload, _ kind: Flight.Kind, _ device: DeviceID,
        _ topics: TopicKind, others: [UInt64] = [], retain: Bool = false, at now: Instant
    ) -> Bool {
        guard client?.isConnected == true,
            let id = client?.publish(topic: topic, payload: payload, retain: retain, at: now),
            client?.isConnected == true
        else { return false }
        pay(at: now)
        suspects.topics.began(topics)
        flights.add(
            id, kind, device, topics, topic, others: others, bytes: payload.count, at: now)
        return true
    }

    // MARK: State documents

    /// The latest only; it leaves when the device is attached and its pace allows.
    /// One with the `mark` of the one that the bridge has is not sent again.
    package mutating func state(
        _ device: DeviceID, document: [UInt8], mark: Int? = nil, at now: Moment
    ) {
        see(now)
        guard device == settings.gateway || attachments.contains(device),
            settings.layout.state != nil, !suspects.topics.isForbidden(.state)
        else { return }
        states.submit(device, document, mark: mark)
        settle(at: now)
    }

    /// Whether `sendState` may have something to send.
    func wantsState(at now: Instant) -> Bool {
        turn == nil && hasRoom && (states.mayHaveNext(at: now) || states.latest.hasNext)
    }

    // MARK: Latest values

    /// The latest value of a point, as it goes on its own topic; empty if it has none.
    package mutating func latest(
        _ device: DeviceID, _ point: ByteString, _ value: [UInt8], at now: Moment
    ) {
        guard settings.layout.latest != nil, isOnline, !suspects.topics.isForbidden(.latest)
        else { return }
        states.latest.set(LatestValues.Key(device: device, point: point), value)
    }

    /// Has the broker forget what it keeps on these topics; `.cleared` tells of each.
    package mutating func clear(_ topics: [ByteString], at now: Moment) {
        guard isOnline else { return }
        see(now)
        states.latest.clear(topics)
        settle(at: now)
    }

    /// One latest value, or one topic cleared; false if none has left.
    private mutating func sendLatest(at now: Instant) -> Bool {
        if let topic = states.latest.nextStale() {
            let gateway = settings.gateway
            return publish(
                topic.string, [], .clearing(topic), gateway, .latest, retain: true, at: now)
        }
        guard suspects.topics.mayBegin(.latest) else { return false }
        while let (key, value) = nextLatest() {
            guard let topic = settings.layout.latest?.topic(key.device, key.point) else {
                states.latest.acknowledged(key)
                continue
            }
            let isSent = send(
                topic, Payload(value), .latest(key.point), key.device, .latest,
                retain: settings.retainsLatest, at: now)
            if !isSent { states.latest.returned(key) }
            return isSent
        }
        return false
    }

    private mutating func nextLatest() -> (key: LatestValues.Key, value: [UInt8])? {
        // As in `nextState`.
        var latest = LatestValues()
        swap(&latest, &states.latest)
        defer { swap(&latest, &states.latest) }
        return latest.next { isReady($0) }
    }

    /// One state document; false if none has left.
    mutating func sendState(at now: Instant) -> Bool {
        guard let (device, document) = nextState(at: now) else { return sendLatest(at: now) }
        guard sendState(device, document, at: now) else {
            states.returned(device)
            return false
        }
        counters.states += 1
        return true
    }

    private mutating func sendState(
        _ device: DeviceID, _ document: [UInt8], at now: Instant
    ) -> Bool {
        let topic = settings.layout.state?.topic(device)
        return publish(
            topic, document, .state, device, .state, retain: settings.retainsState, at: now)
    }

    private mutating func nextState(at now: Instant) -> (device: DeviceID, document: [UInt8])? {
        // Out of self while it is asked, because the question is about the rest of self.
        var documents = StateDocuments()
        swap(&documents, &states)
        defer { swap(&documents, &states) }
        return documents.next(at: now) { device in
            isReady(device) && !suspects.contains(Suspects.Key(device, .state))
                && suspects.topics.mayBegin(.state)
        }
    }

    // MARK: Suspects

    /// When the devices are attached and subscribed, what may have closed the last connection goes
    /// out with nothing else on the wire.
    mutating func takeTurn(at now: Instant) {
        guard !suspects.isEmpty else { return }
        if turn == nil {
            guard now >= turnNotBefore, !attachments.hasQueued, attachesUnderWay == 0,
                subscriptions.isIdle,
                let connectedAt
            else { return }
            let patient = now - connectedAt.instant < .seconds(10)
            guard let key = suspects.next(where: isEligible(_:), patient: patient) else { return }
            turn = Turn(key: key, window: suspects.window(of: key))
            timers.arm(.turn, at: now + .seconds(5))
        }
        guard let turn, turn.stage == .clearing, flights.isEmpty, limiter.allows(at: now) else {
            return
        }
        let device = turn.key.device
        switch turn.key.item {
        case .record:
            self.turn?.stage = .granted
            timers.arm(.turn, at: now + .seconds(2))
        case .attach:
            attachments.begin(device)
            if hasDeviceKeys, signAttach(device, at: self.now) {
                self.turn?.stage = .granted
                timers.arm(.turn, at: now + .seconds(5))
                return
            }
            sendAttach(device, at: now)
            fly(at: now)
        case .state:
            guard let document = states.take(device, at: now) else {
                suspects.unused(turn.key)
                self.turn = nil
                return
            }
            if !sendState(device, document, at: now) { states.returned(device) }
            fly(at: now)
        }
    }

    /// Everything sent in this turn has had its answer.
    mutating func endTurnIfIdle() {
        if let turn, turn.stage != .clearing, flights.isEmpty { self.turn = nil }
    }

    mutating func fly(at now: Instant) {
        turn?.stage = .flying
        timers.arm(.turn, at: now + .seconds(3))
    }

    private func isEligible(_ key: Suspects.Key) -> Bool {
        switch key.item {
        case .record: isReady(key.device)
        case .attach:
            attachments.status(of: key.device) == .detached
                && attachments.retry(of: key.device) == nil
        case .state: isReady(key.device) && states.isDue(key.device, at: now.instant)
        }
    }

    /// A turn is bounded: one silent message must not hold up the others.
    mutating func endTurn(at now: Moment) {
        guard let turn else { return }
        self.turn = nil
        switch turn.stage {
        case .clearing: turnNotBefore = now.instant + .seconds(10)
        case .granted where flights.isEmpty: suspects.unused(turn.key)
        case .granted, .flying: turnNotBefore = now.instant + .seconds(3)
        }
    }
}
