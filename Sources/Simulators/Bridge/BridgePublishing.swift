import Base
import MQTT

/// Messages from clients: events, state, attach and detach (E10 to E14, E18 to E22, E25).
extension BridgeEmulator {
    /// Purpose of a topic; nil for every topic that closes the connection.
    enum Target: Hashable {
        case events(subfolder: ByteString)
        case state, attach, detach

        /// `/devices/{device}/events[/{subfolder}]`, `…/state`, `…/attach`, `…/detach`.
        static func parse(_ topic: TopicName) -> (device: ByteString, target: Target)? {
            let levels = topic.utf8.split(
                separator: 0x2F, maxSplits: 4, omittingEmptySubsequences: false)
            guard levels.count >= 4, levels[0].isEmpty, levels[1].elementsEqual("devices".utf8),
                !levels[2].isEmpty
            else { return nil }
            let device = ByteString(decoding: levels[2])
            switch (ByteString(decoding: levels[3]), levels.count) {
            case ("events", 4): return (device, .events(subfolder: ""))
            case ("events", 5):
                guard (1...256).contains(levels[4].count) else { return nil }
                return (device, .events(subfolder: ByteString(decoding: levels[4])))
            case ("state", 4): return (device, .state)
            case ("attach", 4): return (device, .attach)
            case ("detach", 4): return (device, .detach)
            default: return nil
            }
        }
    }

    mutating func publish(_ message: Publish, on id: ConnectionID, at now: Moment) {
        guard let connection = connections[id] else { return }
        guard message.qos != .exactlyOnce else { return close(id, "QoS 2 is not supported") }
        if message.retain, switches.unsupported == .close {
            return close(id, "retained messages are not supported")
        }
        guard let (device, target) = Target.parse(message.topic) else {
            return close(id, "topic \(Notice.printable(message.topic.utf8)) is not allowed")
        }
        let isOwn = device == connection.device
        guard isOwn || connection.isGateway else {
            return close(
                id, "only a gateway may speak for another device (\(Notice.printable(device)))")
        }
        guard BridgeRegistry.isValidID(device) else {
            return report(
                .invalidTopic, ByteString(Notice.printable(device)),
                "The device ID in the topic is not valid.", message,
                on: id)
        }
        switch target {
        case .attach, .detach:
            guard connection.isGateway else {
                return close(id, "a control message from a device that is no gateway")
            }
            if target == .attach {
                checkAttach(device, message, on: id, at: now)
            } else {
                if connection.attached.contains(device) {
                    log("\(device): detached by \(connection.device)")
                    note(.detach, device) { $0.gateway = connection.device }
                }
                dropAttachment(device, on: id)
                acknowledge(message.packetID, on: id, at: now)
            }
        case .events, .state:
            guard isOwn || connection.attached.contains(device) else {
                return reportNotFound(
                    device, message.packetID, .publish, ByteString(message.topic.text), on: id)
            }
            take(message, device, target, on: id, at: now)
        }
    }

    private mutating func take(
        _ message: Publish, _ device: ByteString, _ target: Target, on id: ConnectionID,
        at now: Moment
    ) {
        let isState = target == .state
        let limit = isState ? switches.stateMax : switches.eventsMax
        guard message.payload.count <= limit else {
            statistics.messagesDropped += 1
            guard switches.overLimit == .close else { return }
            return close(
                id, "a payload of \(message.payload.count) bytes; at most \(limit) are allowed",
                .resourceExhausted)
        }
        if isState {
            if let last = lastState[device], now.instant < last + switches.stateInterval {
                return stateTooSoon(device, on: id)
            }
            lastState[device] = now.instant
        }
        if case .events(let subfolder) = target, switches.noTopic == .close,
            registry.topic(for: subfolder) == nil
        {
            return close(
                id,
                "no event notification config takes subfolder \"\(Notice.printable(subfolder.utf8))\"",
                .notFound)
        }
        if picker.hits(faults.dropMessages, .message) {
            statistics.messagesDropped += 1
            return
        }
        let owner = connections[id]?.device ?? ""
        var received = Received(
            device: device, gateway: owner == device ? nil : owner,
            topic: ByteString(message.topic.text), subfolder: "",
            payload: message.payload, qos: message.qos, dup: message.dup, at: now)
        if case .events(let subfolder) = target {
            received.subfolder = subfolder
            received.pubsubTopic = registry.topic(for: subfolder)
            statistics.events += 1
            registry.devices[device]?.traces.event = now.wall
            emit(.telemetry(received))
        } else {
            received.pubsubTopic = registry.stateTopic
            statistics.states += 1
            registry.devices[device]?.addState(message.payload, at: now.wall)
            emit(.state(received))
        }
        note(.publish, device) { activity in
            activity.topic = received.topic
            activity.fromDevice = isState ? "STATE" : "EVENTS"
            activity.gateway = received.gateway
        }
        acknowledge(message.packetID, on: id, at: now)
    }

    /// E13.
    private mutating func stateTooSoon(_ device: ByteString, on id: ConnectionID) {
        let words =
            "Device state can be updated only once every \(switches.stateInterval.milliseconds) ms."
        let isAttached = connections[id]?.device != device
        switch isAttached ? switches.stateTooSoon : .close {
        case .close: close(id, words, .resourceExhausted)
        case .drop: log("\(device): state more often than allowed, dropped")
        case .detach:
            log("\(device): state more often than allowed")
            registry.devices[device]?.traces.error = (now.wall, .resourceExhausted, words)
            detachWithError(device, on: id)
        }
    }

    // MARK: Attach

    /// E19: by the gateway's method, and once per device.
    private mutating func checkAttach(
        _ device: ByteString, _ message: Publish, on id: ConnectionID, at now: Moment
    ) {
        guard let connection = connections[id] else { return }
        if connection.attached.contains(device) {
            return acknowledge(message.packetID, on: id, at: now)
        }
        let role =
            registry.devices[connection.device]?.gateway
            ?? BridgeRegistry.GatewayRole(authMethod: .unspecified)
        func fail(_ reason: String) { attachFailed(device, message, reason, on: id) }
        guard role.authMethod != .unspecified else {
            return fail("the gateway has no authentication method")
        }
        if role.authMethod.needsBinding, !role.bound.contains(device) {
            return fail("DeviceId \(device) is not associated with Gateway \(connection.device)")
        }
        guard let entry = registry.devices[device] else {
            return fail("DeviceId \(device) was not found")
        }
        guard entry.gateway == nil else { return fail("DeviceId \(device) is a gateway") }
        guard !entry.blocked else { return fail("DeviceId \(device) is blocked") }
        guard connection.attached.count < switches.attachedMax else {
            return fail("more than \(switches.attachedMax) attached devices")
        }
        if switches.secondAttach == .refuse, owners[device] != nil || online[device] != nil {
            return fail("DeviceId \(device) is connected elsewhere")
        }
        guard role.authMethod.needsToken else {
            return attach(device, by: message, on: id, at: now)
        }
        do {
            let token = try DeviceToken(Self.authorization(message.payload), switches.tokenText)
            try token.check(project: registry.project, now: now.wall, skew: switches.skew)
            verify(token, of: device, for: .attach(device: device, message), on: id, at: now)
        } catch {
            fail(error.reason)
        }
    }

    /// The token of `{"authorization":"…"}`.
    private static func authorization(_ payload: [UInt8]) throws(DeviceToken.Fault) -> [UInt8] {
        guard let json = try? JSONReader.parse(payload), let token = json["authorization"]?.string
        else {
            throw .malformed("the attach payload is not {\"authorization\":\"…\"}")
        }
        guard !token.isEmpty else { throw .malformed("the authorization is empty") }
        return Array(token.utf8)
    }

    mutating func attach(
        _ device: ByteString, by message: Publish, on id: ConnectionID, at now: Moment
    ) {
        guard let gateway = connections[id]?.device else { return }
        takeOver(device, from: "\(gateway) has attached it")
        if let direct = online[device] {
            close(direct, "the gateway \(gateway) has attached it", .alreadyExists)
        }
        connections[id]?.attached.insert(device)
        owners[device] = id
        statistics.attached += 1
        log("\(device): attached by \(gateway)")
        registry.devices[device]?.traces.gateway = gateway
        registry.devices[device]?.traces.gatewayAt = now.wall
        note(.attach, device) { $0.gateway = gateway }
        acknowledge(message.packetID, on: id, at: now)
    }

    /// E20, E21: the failure goes to the errors topic; there is no PUBACK.
    mutating func attachFailed(
        _ device: ByteString, _ message: Publish, _ reason: String, on id: ConnectionID
    ) {
        guard let gateway = connections[id]?.device else { return }
        statistics.attachFailures += 1
        log("\(device): attach by \(gateway) refused: \(reason)")
        if switches.attachFailure != .close {
            report(
                .attachment, device, "The attach request was refused: \(reason).", message, on: id)
        }
        if switches.attachFailure != .errorOnly { close(id, "an attach failed: \(reason)") }
    }
}
