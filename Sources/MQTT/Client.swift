import Base

/// The client's side of one MQTT 3.1.1 connection. Make a new value for every connection: packet
/// ids, messages in flight and subscriptions die with it, and what was in flight is its caller's to
/// publish again.
///
/// A message with QoS 1 stays here until its PUBACK; every `ackTimeout` without one it goes out
/// again with DUP=1, in the order of the originals [MQTT-4.6.0-1].
package struct Client: Sendable {
    private enum Phase {
        case idle
        case connecting(until: Instant)
        case connected, closed
    }

    package let settings: Settings
    package private(set) var statistics = Statistics()
    private var phase = Phase.idle
    private var decoder: PacketDecoder
    private var flights = Flights()
    private var requests: [Request] = []
    /// Bytes not handed out yet; several packets leave as one `send`.
    private var outgoing: [UInt8] = []
    private var events: [Output] = []
    private var eventStart = 0
    private var lastSent = Instant.zero
    private var lastReceived = Instant.zero
    private var pingSent: Instant?
    private var partialSince: Instant?

    /// A SUBSCRIBE (with how many filters) or UNSUBSCRIBE that has no answer yet.
    private struct Request {
        var id: PacketID
        var filters: Int?
        var firstFilter: String
        var sent: Instant
        /// Its place among all packets sent.
        var number: Int
    }
    /// The place of an unanswered PINGREQ among all packets sent.
    private var pingNumber = 0
    private var unansweredAtClose: Unanswered?

    package init(_ settings: Settings) {
        var settings = settings
        settings.ackTimeout = max(settings.ackTimeout, .milliseconds(1))
        if settings.clientID.isEmpty { settings.cleanSession = true }  // [MQTT-3.1.3-7]
        self.settings = settings
        decoder = PacketDecoder(packetSizeMax: settings.packetSizeMax)
    }

    package var isConnected: Bool { if case .connected = phase { true } else { false } }

    /// Messages with QoS 1 that wait for their PUBACK.
    package var inFlight: Int { flights.count }

    // MARK: Commands

    /// The byte stream is up: CONNECT leaves.
    package mutating func connect(at now: Instant) {
        guard case .idle = phase else { return }
        phase = .connecting(until: now + settings.connectTimeout)
        lastReceived = now
        let connect = settings.connect
        put { connect.append(to: &$0) }
        lastSent = now
    }

    /// The packet id with QoS 1, nil with QoS 0. Only while connected; otherwise nothing leaves.
    /// QoS 2 is sent as 1.
    package mutating func publish(
        topic: TopicName, payload: [UInt8], qos: QoS, retain: Bool = false, at now: Instant
    ) -> PacketID? {
        guard qos != .atMostOnce else {
            if isConnected {
                put { Publish(topic: topic, payload: payload, retain: retain).append(to: &$0) }
                lastSent = now
                statistics.published += 1
            }
            return nil
        }
        return publish(topic: topic, payload: Payload(payload), retain: retain, at: now)
    }

    /// The packet id; QoS 1. Only while connected; otherwise nothing leaves.
    package mutating func publish(
        topic: TopicName, payload: Payload, retain: Bool = false, at now: Instant
    ) -> PacketID {
        guard let id = nextID() else { return .first }
        let packet = Publish(topic: topic, payload: [], packetID: id, retain: retain)
        let bytes = packet.bytes(with: payload)
        send(bytes, at: now)
        flights.add(id, bytes, number: statistics.packetsSent, at: now)
        statistics.published += 1
        return id
    }

    /// At least one filter. Only while connected; otherwise nothing leaves.
    package mutating func subscribe(_ filters: [(TopicFilter, QoS)], at now: Instant) -> PacketID {
        guard let id = nextID() else { return .first }
        let packet = Subscribe(id, filters.map { Subscribe.Request($0.0, $0.1) })
        send(Packet.subscribe(packet).bytes, at: now)
        note(id, filters: filters.count, filters.first?.0, at: now)
        return id
    }

    package mutating func unsubscribe(_ filters: [TopicFilter], at now: Instant) -> PacketID {
        guard let id = nextID() else { return .first }
        send(Packet.unsubscribe(Unsubscribe(id, filters)).bytes, at: now)
        note(id, filters: nil, filters.first, at: now)
        return id
    }

    private mutating func note(
        _ id: PacketID, filters: Int?, _ first: TopicFilter?, at now: Instant
    ) {
        requests.append(
            Request(
                id: id, filters: filters, firstFilter: first?.text ?? "", sent: now,
                number: statistics.packetsSent))
    }

    /// Never sends this message again. Its packet id stays taken on this connection, because a late
    /// PUBACK may still be meant for it; that one is reported as any other.
    package mutating func abandon(_ id: PacketID) { flights.abandon(id) }

    /// PUBACK for a received message with QoS 1.
    package mutating func acknowledge(_ id: PacketID) {
        guard isConnected else { return }
        put { Puback(id).append(to: &$0) }
    }

    /// DISCONNECT; nothing is sent after it [MQTT-3.14.4-2]. The caller closes when it has left.
    package mutating func disconnect() {
        guard isConnected else { return }
        put { Disconnect().append(to: &$0) }
        finish()
    }

    // MARK: Input

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        switch phase {
        case .idle, .closed: return
        case .connecting, .connected: break
        }
        lastReceived = now
        decoder.receive(bytes)
        var complete = false
        do {
            while let packet = try decoder.next() {
                complete = true
                try handle(packet)
                if case .closed = phase { return }
            }
        } catch {
            return close(error)
        }
        if complete || partialSince == nil { partialSince = decoder.isPartial ? now : nil }
    }

    private mutating func handle(_ packet: Packet) throws(ProtocolFault) {
        if case .connecting = phase {
            guard case .connack(let connack) = packet else { throw .notConnack(packet.type) }
            return try accept(connack)
        }
        switch packet {
        case .publish(let message):
            guard message.qos != .exactlyOnce else { throw .exactlyOnce }
            statistics.received += 1
            if message.dup { statistics.receivedDuplicates += 1 }
            events.append(.message(message))
        case .puback(let puback):
            guard flights.remove(puback.packetID) else {
                statistics.unknownAcknowledgements += 1
                return
            }
            statistics.acknowledged += 1
            events.append(.published(puback.packetID))
        case .suback(let suback):
            let expected = try settle(suback.packetID, .suback)
            guard suback.codes.count == expected else {
                throw .subackCount(received: suback.codes.count, expected: expected ?? 0)
            }
            events.append(.subscribed(suback.packetID, suback.codes))
        case .unsuback(let unsuback):
            _ = try settle(unsuback.packetID, .unsuback)
            events.append(.unsubscribed(unsuback.packetID))
        case .pingresp:
            pingSent = nil
        default:
            throw .unexpected(packet.type)
        }
    }

    private mutating func accept(_ connack: Connack) throws(ProtocolFault) {
        guard connack.code == 0 else {
            finish()
            return events.append(.refused(code: connack.code))
        }
        guard !connack.sessionPresent || !settings.cleanSession else {
            throw .sessionPresent(code: 0)
        }
        phase = .connected
        events.append(.connected(sessionPresent: connack.sessionPresent))
    }

    /// Takes the request that this answers; how many filters it had, nil for an UNSUBSCRIBE.
    private mutating func settle(_ id: PacketID, _ type: PacketType) throws(ProtocolFault) -> Int? {
        let found = requests.firstIndex { $0.id == id && ($0.filters != nil) == (type == .suback) }
        guard let found else { throw .unknownPacketID(type, id.value) }
        return requests.remove(at: found).filters
    }

    // MARK: Time

    package var deadline: (due: Instant, reason: Timer)? {
        var earliest: (due: Instant, reason: Timer)?
        func consider(_ due: Instant?, _ reason: Timer) {
            guard let due, due < earliest?.due ?? .distantFuture else { return }
            earliest = (due, reason)
        }
        switch phase {
        case .idle, .closed: return nil
        case .connecting(let until): consider(until, .connack)
        case .connected:
            if let pingSent {
                consider(pingSent + settings.pingTimeout, .pingresp)
            } else if let interval = settings.pingInterval {
                consider(min(lastSent, lastReceived) + interval, .keepAlive)
            }
            consider(flights.oldestSent.map { $0 + settings.ackTimeout }, .acknowledgement)
            if let timeout = settings.subscribeTimeout, let oldest = requests.first {
                consider(oldest.sent + timeout, .suback)
            }
        }
        consider(partialSince.map { $0 + settings.partialTimeout }, .partialPacket)
        return earliest
    }

    package mutating func timeout(at now: Instant) {
        while let (due, reason) = deadline, due <= now {
            switch reason {
            case .connack: close(.noConnack(after: settings.connectTimeout))
            case .pingresp: close(.noPingresp(after: settings.pingTimeout))
            case .partialPacket: close(.partialPacket(after: settings.partialTimeout))
            case .suback:
                close(.noSuback(requests[0].id, after: settings.subscribeTimeout ?? .zero))
            case .keepAlive:
                send(Packet.pingreq(Pingreq()).bytes, at: now)
                pingSent = now
                pingNumber = statistics.packetsSent
            case .acknowledgement:
                guard let bytes = flights.resendOldest(at: now) else { break }
                send(bytes, at: now)
                statistics.resent += 1
            }
        }
    }

    /// Packets without an answer, the last one by name: when a connection ends, the likely cause.
    package var unanswered: Unanswered? {
        switch phase {
        case .idle: return nil
        case .connecting: return Unanswered(count: 1, last: "CONNECT")
        case .closed: return unansweredAtClose
        case .connected: break
        }
        var last: (number: Int, text: String, name: String)?
        func consider(_ number: Int, _ text: String, _ name: String? = nil) {
            if number > last?.number ?? -1 { last = (number, text, name ?? text) }
        }
        if let request = requests.last {
            consider(request.number, Unanswered.describe(request.filters, request.firstFilter))
        }
        if pingSent != nil { consider(pingNumber, "PINGREQ") }
        if let (number, topic, payload) = flights.latest {
            let words = Unanswered.describe(publish: payload, to: topic)
            consider(number, words, "PUBLISH to \(topic)")
        }
        let count = requests.count + flights.waiting + (pingSent == nil ? 0 : 1)
        return last.map { Unanswered(count: count, last: $0.text, name: $0.name) }
    }

    // MARK: Output

    /// Bytes first, then events in order.
    package mutating func next() -> Output? {
        if !outgoing.isEmpty {
            defer { outgoing = [] }
            return .send(outgoing)
        }
        guard eventStart < events.count else {
            if eventStart > 0 {
                events.removeAll(keepingCapacity: events.capacity <= 1024)
                eventStart = 0
            }
            return nil
        }
        defer { eventStart += 1 }
        return events[eventStart]
    }

    private mutating func send(_ bytes: [UInt8], at now: Instant) {
        // The first packet of a turn is mostly the only one: it goes on without a copy.
        put { if $0.isEmpty { $0 = bytes } else { $0.append(contentsOf: bytes) } }
        lastSent = now
    }

    /// One packet into the outgoing bytes, counted: the only way out.
    private mutating func put(_ packet: (inout [UInt8]) -> Void) {
        let before = outgoing.count
        packet(&outgoing)
        statistics.packetsSent += 1
        statistics.bytesSent += outgoing.count - before
    }

    private mutating func close(_ fault: ProtocolFault) {
        unansweredAtClose = unanswered
        outgoing = []
        finish()
        events.append(.close(fault))
    }

    private mutating func finish() {
        phase = .closed
        flights = Flights()
        requests = []
        pingSent = nil
        partialSince = nil
    }

    /// Unique among what waits for an answer [MQTT-2.3.1-2]; nil if not connected or, which closes,
    /// if none is left.
    private mutating func nextID() -> PacketID? {
        guard isConnected else { return nil }
        let id = flights.nextID { candidate in requests.contains { $0.id == candidate } }
        if id == nil { close(.packetIDsExhausted) }
        return id
    }
}
