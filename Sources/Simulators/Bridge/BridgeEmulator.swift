import Base
import MQTT

/// The broker's side of a Cloud-IoT-Core-compatible MQTT bridge: one registry, many connections,
/// attach rules, errors topic, configurations and commands, limits, and faults on purpose. It holds
/// no socket and no key: the shell carries bytes, verifies signatures and tells the time. Rules
/// such as E7 are those of board/docs/bridge.md.
package struct BridgeEmulator: Sendable {
    /// A message that a device published.
    package struct Received: Hashable, Sendable {
        package var device: ByteString
        /// The gateway that carried it; nil if the device is connected itself.
        package var gateway: ByteString?
        package var topic: ByteString
        /// Part of the topic after `events/`; empty for plain events and for state.
        package var subfolder: ByteString
        package var payload: [UInt8]
        package var qos: QoS
        package var dup: Bool
        package var at: Moment
        /// Where its registry sends it; nil if nothing is configured.
        package var pubsubTopic: ByteString?
    }

    package enum Output: Hashable, Sendable {
        case send(ConnectionID, [UInt8])
        /// Close it; nothing about it follows.
        case close(ConnectionID, reason: String)
        /// To be answered with `verified`. An ES256 signature is r and s, 32 bytes each.
        case verify(
            ticket: UInt64, algorithm: SigningAlgorithm, publicKeyPEM: String,
            signingInput: [UInt8],
            signature: [UInt8])
        case telemetry(Received)
        case state(Received)
        /// An event, in plain words.
        case log(String)
        /// The same for the device-activity log.
        case activity(Activity)
        /// A command sent with a ticket has its PUBACK, or can no longer get it.
        case commandEnded(ticket: UInt64, isAcknowledged: Bool)
    }

    package enum Timer: String, Hashable, Sendable {
        case connect  // no accepted CONNECT in time
        case keepAlive  // 1.5 times keep alive without a packet (E8)
        case idle  // 20 minutes without a packet (E8)
        case token  // the token and its grace are over (E6)
        case lifetime  // 24 hours (E8)
        case reset  // a fault: every connection ends after a while
        case delivery  // a configuration or command is due, or due again
        case puback  // a fault: PUBACKs are late
        case throttle  // a fault: the next packet may be read
    }

    package struct Statistics: Hashable, Sendable {
        package var accepted = 0
        package var refused = 0
        package var attached = 0
        package var attachFailures = 0
        package var events = 0
        package var states = 0
        package var pubacks = 0
        package var pubacksDropped = 0
        package var messagesDropped = 0
        package var closed = 0
        /// Messages for the errors topic by error type, sent or only logged.
        package var errors: [ByteString: Int] = [:]

        package init() {}
    }

    package internal(set) var registry: BridgeRegistry
    package let switches: BridgeSwitches
    package var faults: BridgeFaults
    /// The time of the last input.
    private(set) var now = Moment(.zero, WallTime(milliseconds: 0))
    package internal(set) var statistics = Statistics()

    var connections: [ConnectionID: BridgeConnection] = [:]
    /// The connection of each client by device ID (E7), and the gateway's for each attached device.
    var online: [ByteString: ConnectionID] = [:]
    var owners: [ByteString: ConnectionID] = [:]
    var lastState: [ByteString: Instant] = [:]
    var verifications: [UInt64: Verification] = [:]
    var lastTicket: UInt64 = 0
    var picker: FaultPicker
    private var latePubacks: [(due: Instant, connection: ConnectionID, id: PacketID)] = []
    private var outputs: [Output] = []
    private var outputStart = 0

    package init(
        registry: BridgeRegistry, switches: BridgeSwitches = BridgeSwitches(),
        faults: BridgeFaults = BridgeFaults(),
        seed: UInt64 = 1
    ) {
        self.registry = registry
        self.switches = switches
        self.faults = faults
        picker = FaultPicker(seed: seed)
    }

    // MARK: Input

    mutating func see(_ now: Moment) { self.now = now }

    package mutating func connected(_ id: ConnectionID, at now: Moment) {
        self.now = now
        connections[id] = BridgeConnection(at: now.instant, switches)
    }

    package mutating func received(_ id: ConnectionID, _ bytes: ArraySlice<UInt8>, at now: Moment) {
        self.now = now
        guard connections[id] != nil else { return }
        if faults.mute { connections[id]?.isDeaf = true }
        guard connections[id]?.isDeaf == false else { return }
        connections[id]?.lastReceived = now.instant
        connections[id]?.decoder.receive(bytes)
        drain(id, at: now)
        if let connection = connections[id], connection.isWaiting,
            connection.decoder.buffered > 2 << 20
        {
            close(id, "too much sent while a token is being verified")
        }
    }

    package mutating func disconnected(_ id: ConnectionID, at now: Moment) {
        self.now = now
        guard let connection = connections[id] else { return }
        log("\(connection.name): connection lost")
        disconnection(
            of: id, .cancelled, "The connection broke or was closed by the client.", byServer: false
        )
        forget(id)
    }

    /// It belongs to another registry, or went away before it said who it is.
    mutating func forgetQuietly(_ id: ConnectionID) { forget(id) }

    /// The shell should read no more from this client for now.
    package func isCongested(_ id: ConnectionID) -> Bool {
        faults.throttle != nil && connections[id]?.decoder.buffered ?? 0 > 128 << 10
    }

    /// After a change of `faults`.
    package mutating func faultsChanged(at now: Moment) {
        self.now = now
        for id in connections.keys.sorted() { drain(id, at: now) }
    }

    /// Takes whole packets in order until bytes are missing or a signature has to be waited for.
    mutating func drain(_ id: ConnectionID, at now: Moment) {
        while connections[id]?.isWaiting == false, mayRead(id, at: now) {
            do {
                guard let packet = try connections[id]?.decoder.next() else { return }
                handle(packet, on: id, at: now)
            } catch {
                return close(id, "protocol fault: \(error)")
            }
        }
    }

    /// A fault: so many packets a second, whatever the client sends.
    private mutating func mayRead(_ id: ConnectionID, at now: Moment) -> Bool {
        guard let rate = faults.throttle, connections[id]?.phase == .open else { return true }
        if let next = connections[id]?.readsAgain, next > now.instant { return false }
        guard connections[id]?.decoder.buffered ?? 0 > 0 else { return false }
        connections[id]?.readsAgain = now.instant + .seconds(fraction: 1 / max(rate, 0.001))
        return true
    }

    private mutating func handle(_ packet: Packet, on id: ConnectionID, at now: Moment) {
        guard connections[id]?.phase == .open else {
            guard case .connect(let connect) = packet else {
                return close(id, "protocol fault: \(ProtocolFault.notConnect(packet.type))")
            }
            return self.connect(connect, on: id, at: now)
        }
        connections[id]?.packets += 1
        if let limit = faults.closeAfterPackets, connections[id]?.packets ?? 0 > limit {
            return close(id, "fault: closed after \(limit) packets", .unavailable)
        }
        guard withinLimits(packet, on: id, at: now) else { return }
        switch packet {
        case .publish(let message): publish(message, on: id, at: now)
        case .puback(let puback): acknowledged(puback.packetID, on: id)
        case .subscribe(let subscribe): self.subscribe(subscribe, on: id, at: now)
        case .unsubscribe(let unsubscribe): self.unsubscribe(unsubscribe, on: id)
        case .pingreq: ping(id)
        case .disconnect: close(id, "DISCONNECT received", .ok, byServer: false)
        case .pubrec, .pubrel, .pubcomp: unexpected(packet, on: id)
        case .connect: close(id, "protocol fault: \(ProtocolFault.secondConnect)")
        default: close(id, "protocol fault: \(ProtocolFault.unexpected(packet.type))")
        }
    }

    private mutating func ping(_ id: ConnectionID) {
        if let device = connections[id]?.device {
            registry.devices[device]?.traces.heartbeat = now.wall
            note(.pingreq, device)
        }
        send(.pingresp(Pingresp()), to: id)
    }

    /// E14: messages and bytes a second.
    private mutating func withinLimits(
        _ packet: Packet, on id: ConnectionID, at now: Moment
    ) -> Bool {
        var size = 4
        var isMessage = false
        if case .publish(let message) = packet {
            size = message.payload.count + message.topic.utf8.count + 9
            isMessage = true
        }
        let messages = connections[id]?.messages.take(1, at: now.instant) ?? false
        let bytes = connections[id]?.bytes.take(Double(size), at: now.instant) ?? false
        if messages, bytes { return true }
        let what = messages ? "bytes" : "messages"
        if switches.overLimit == .drop {
            if isMessage { statistics.messagesDropped += 1 }
            return !isMessage
        }
        close(id, "more \(what) a second than the limit allows", .resourceExhausted)
        return false
    }

    // MARK: Time

    package var deadline: (due: Instant, reason: Timer)? {
        guard !faults.mute else { return nil }
        var earliest: (due: Instant, reason: Timer)?
        if let late = latePubacks.first { earliest = (late.due, .puback) }
        for connection in connections.values {
            let due = connection.deadline(switches, isThrottled: faults.throttle != nil)
            if due.due < earliest?.due ?? .distantFuture { earliest = due }
        }
        return earliest
    }

    package mutating func timeout(at now: Moment) {
        self.now = now
        guard !faults.mute else { return }
        let late = latePubacks.prefix { $0.due <= now.instant }
        latePubacks.removeFirst(late.count)
        for entry in late where connections[entry.connection] != nil {
            statistics.pubacks += 1
            send(.puback(Puback(entry.id)), to: entry.connection)
        }
        for id in connections.keys.sorted() {
            while let connection = connections[id] {
                let (due, reason) = connection.deadline(
                    switches, isThrottled: faults.throttle != nil)
                guard due <= now.instant else { break }
                switch reason {
                case .connect: close(id, "no CONNECT in time")
                case .keepAlive:
                    close(id, "nothing heard for 1.5 times keep alive", .deadlineExceeded)
                case .idle: close(id, "idle for too long", .deadlineExceeded)
                case .token: close(id, "The authorization token expired.", .unauthenticated)
                case .lifetime: close(id, "connected for as long as is allowed", .deadlineExceeded)
                case .reset: close(id, "fault: every connection ends after a while", .unavailable)
                case .throttle:
                    connections[id]?.readsAgain = nil
                    drain(id, at: now)
                case .delivery, .puback: redeliver(on: id, at: now)
                }
            }
        }
    }

    // MARK: Output

    package mutating func next() -> Output? {
        guard outputStart < outputs.count else {
            outputs.removeAll(keepingCapacity: outputs.capacity <= 1024)
            outputStart = 0
            return nil
        }
        defer { outputStart += 1 }
        return outputs[outputStart]
    }

    mutating func emit(_ output: Output) { outputs.append(output) }

    mutating func log(_ words: String) { outputs.append(.log(words)) }

    mutating func send(_ packet: Packet, to id: ConnectionID) {
        guard !faults.mute, connections[id]?.isDeaf == false else { return }
        outputs.append(.send(id, packet.bytes))
    }

    /// PUBACK, unless a fault takes or delays it.
    mutating func acknowledge(_ packetID: PacketID?, on id: ConnectionID, at now: Moment) {
        guard let packetID else { return }
        if picker.hits(faults.dropPubacks, .puback) {
            statistics.pubacksDropped += 1
        } else if faults.delayPubacks > .zero {
            latePubacks.append((now.instant + faults.delayPubacks, id, packetID))
        } else {
            statistics.pubacks += 1
            send(.puback(Puback(packetID)), to: id)
        }
    }

    mutating func close(
        _ id: ConnectionID, _ reason: String, _ code: StatusCode = .invalidArgument,
        byServer: Bool = true
    ) {
        guard let connection = connections[id] else { return }
        log("\(connection.name): closed: \(reason)")
        disconnection(of: id, code, "SERVER: \(reason)", byServer: byServer)
        statistics.closed += 1
        outputs.append(.close(id, reason: reason))
        forget(id)
    }

    private mutating func disconnection(
        of id: ConnectionID, _ code: StatusCode, _ message: String, byServer: Bool
    ) {
        guard let connection = connections[id], connection.phase == .open else { return }
        note(.disconnect, connection.device) { activity in
            activity.code = code
            activity.message = code == .ok ? "" : message
            activity.isByServer = byServer
        }
    }

    private mutating func forget(_ id: ConnectionID) {
        guard let connection = connections.removeValue(forKey: id) else { return }
        for ticket in connection.tickets {
            emit(.commandEnded(ticket: ticket, isAcknowledged: false))
        }
        if online[connection.device] == id { online[connection.device] = nil }
        for device in connection.attached where owners[device] == id { owners[device] = nil }
        verifications = verifications.filter { $0.value.connection != id }
    }
}

extension BridgeConnection {
    /// There is always one: even an idle connection is cut some time.
    func deadline(
        _ switches: BridgeSwitches, isThrottled: Bool
    ) -> (due: Instant, reason: BridgeEmulator.Timer) {
        guard phase == .open else { return (opened + switches.connectTimeout, .connect) }
        var earliest = (due: lastReceived + switches.idleLimit, reason: BridgeEmulator.Timer.idle)
        func consider(_ due: Instant?, _ reason: BridgeEmulator.Timer) {
            if let due, due < earliest.due { earliest = (due, reason) }
        }
        consider(silenceMax.map { lastReceived + $0 }, .keepAlive)
        consider(tokenEnds, .token)
        consider(lifetimeEnds, .lifetime)
        consider(resetAt, .reset)
        if !isDeaf { consider(deliveryDue, .delivery) }
        if isThrottled, !isDeaf, decoder.buffered > 0 { consider(readsAgain, .throttle) }
        return earliest
    }
}
