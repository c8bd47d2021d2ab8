import Base
import MQTT

/// Subscriptions, configurations and commands: E15 to E17.
extension BridgeEmulator {
    enum Filter {
        static func config(_ device: ByteString) -> ByteString { "/devices/\(device)/config" }
        static func commands(_ device: ByteString) -> ByteString { "/devices/\(device)/commands/#" }
        static func errors(_ device: ByteString) -> ByteString { "/devices/\(device)/errors" }

        static func all(of device: ByteString) -> [ByteString] {
            [config(device), commands(device), errors(device)]
        }

        /// The device of an allowed filter and whether it asks for configurations; nil for any
        /// other.
        static func parse(_ filter: TopicFilter) -> (device: ByteString, isConfig: Bool)? {
            let text = ByteString(filter.text)
            let levels = text.split(0x2F, limit: 5)
            guard levels.count >= 4, levels[0].isEmpty, levels[1] == "devices",
                BridgeRegistry.isValidID(levels[2])
            else { return nil }
            let device = levels[2]
            guard all(of: device).contains(text) else { return nil }
            return (device, levels[3] == "config")
        }
    }

    mutating func subscribe(_ packet: Subscribe, on id: ConnectionID, at now: Moment) {
        guard let connection = connections[id] else { return }
        var codes: [UInt8] = []
        var configs: [ByteString] = []
        var missing: [(device: ByteString, filter: ByteString)] = []
        for request in packet.requests {
            guard let (device, isConfig) = Filter.parse(request.filter) else {
                log(
                    "\(connection.device): subscription to \(Notice.printable(request.filter.utf8)) refused"
                )
                codes.append(Suback.failure)
                continue
            }
            guard device == connection.device || connection.attached.contains(device) else {
                if !connection.isGateway || switches.subscribeUnattached == .close {
                    return close(id, "subscription for \(device), which is not attached")
                }
                codes.append(Suback.failure)
                missing.append((device, ByteString(request.filter.text)))
                continue
            }
            let granted = min(request.qos, .atLeastOnce)
            connections[id]?.subscriptions[ByteString(request.filter.text)] = granted
            note(.subscribe, device) { $0.topic = ByteString(request.filter.text) }
            codes.append(granted.rawValue)
            if isConfig { configs.append(device) }
        }
        send(.suback(Suback(packet.packetID, codes)), to: id)
        for (device, filter) in missing {
            reportNotFound(device, packet.packetID, .subscribe, filter, on: id)
        }
        for device in configs { pushConfig(device, on: id, after: switches.configDelay, at: now) }
    }

    mutating func unsubscribe(_ packet: Unsubscribe, on id: ConnectionID) {
        for filter in packet.filters
        where connections[id]?.subscriptions.removeValue(forKey: ByteString(filter.text)) != nil {
            if let (device, _) = Filter.parse(filter) {
                note(.unsubscribe, device) { $0.topic = ByteString(filter.text) }
            }
        }
        send(.unsuback(Unsuback(packet.packetID)), to: id)
    }

    // MARK: Injection

    /// A new version of a device's configuration, pushed if the device is subscribed; false if
    /// there is no such device or the configuration is too large.
    package mutating func setConfig(_ device: ByteString, _ bytes: [UInt8], at now: Moment) -> Bool
    {
        see(now)
        guard registry.devices[device] != nil, bytes.count <= switches.configMax else {
            return false
        }
        registry.devices[device]?.setConfig(bytes, at: now.wall)
        if let id = connection(of: device),
            connections[id]?.subscriptions[Filter.config(device)] != nil
        {
            pushConfig(device, on: id, after: .zero, at: now)
        }
        return true
    }

    package enum CommandFate: Hashable, Sendable {
        /// With QoS 1, and a ticket: `.commandEnded` follows.
        case sent(QoS)
        case notConnected, notSubscribed
        case tooLarge, badSubfolder
        /// A thousand deliveries wait for their PUBACK.
        case congested
    }

    /// Commands reach a device that is connected or attached, and subscribed; they are never stored
    /// (E17). Subfolder: as in a topic, without slashes at its ends; empty for none.
    package mutating func command(
        _ device: ByteString, subfolder: ByteString = "", _ bytes: [UInt8], ticket: UInt64? = nil,
        at now: Moment
    ) -> CommandFate {
        see(now)
        guard bytes.count <= switches.commandMax else { return .tooLarge }
        let text = "/devices/\(device)/commands" + (subfolder.isEmpty ? "" : "/\(subfolder)")
        guard subfolder.utf8.count <= 256, let topic = try? TopicName(text) else {
            return .badSubfolder
        }
        guard let id = connection(of: device) else { return .notConnected }
        guard let qos = connections[id]?.subscriptions[Filter.commands(device)] else {
            return .notSubscribed
        }
        guard connections[id]?.deliveries.count ?? 0 < 1000 else { return .congested }
        log(
            "\(device): command sent"
                + (subfolder.isEmpty ? "" : " to \(Notice.printable(subfolder))"))
        deliver(device, .command, topic, bytes, qos, ticket, on: id, after: .zero, at: now)
        return .sent(qos)
    }

    package mutating func sendCommand(
        _ device: ByteString, subfolder: ByteString = "", _ bytes: [UInt8], at now: Moment
    ) -> Bool {
        if case .sent = command(device, subfolder: subfolder, bytes, at: now) {
            true
        } else {
            false
        }
    }

    /// The connection that speaks for a device: its gateway's, or its own.
    func connection(of device: ByteString) -> ConnectionID? { owners[device] ?? online[device] }

    // MARK: Deliveries

    /// E16: the latest version; one that waits for its PUBACK is replaced.
    private mutating func pushConfig(
        _ device: ByteString, on id: ConnectionID, after delay: Duration, at now: Moment
    ) {
        guard let entry = registry.devices[device],
            let qos = connections[id]?.subscriptions[Filter.config(device)],
            let topic = try? TopicName(Filter.config(device).string)
        else { return }
        connections[id]?.retireConfig(of: device)
        let kind = BridgeConnection.Delivery.Kind.config(version: entry.config.version)
        registry.devices[device]?.traces.configSent = now.wall
        deliver(device, kind, topic, entry.config.bytes, qos, nil, on: id, after: delay, at: now)
    }

    private mutating func deliver(
        _ device: ByteString, _ kind: BridgeConnection.Delivery.Kind, _ topic: TopicName,
        _ payload: [UInt8],
        _ qos: QoS, _ ticket: UInt64?,
        on id: ConnectionID, after delay: Duration, at now: Moment
    ) {
        guard let packetID = connections[id]?.nextID() else { return }
        var message = Publish(topic: topic, payload: payload)
        if qos != .atMostOnce {
            message = Publish(topic: topic, payload: payload, packetID: packetID)
        }
        var delivery = BridgeConnection.Delivery(
            device: device, kind: kind, ticket: qos == .atMostOnce ? nil : ticket, message: message,
            due: now.instant + delay)
        note(.publish, device) { activity in
            activity.topic = ByteString(topic.text)
            activity.toDevice = kind == .command ? "COMMANDS" : "CONFIG"
        }
        if delay == .zero, !faults.mute, connections[id]?.isDeaf == false {
            transmit([message], to: id)
            guard qos != .atMostOnce else { return }
            delivery.tries = 1
            delivery.due = now.instant + max(switches.retry, .milliseconds(1))
        }
        connections[id]?.add(delivery, as: packetID)
    }

    mutating func redeliver(on id: ConnectionID, at now: Moment) {
        guard let messages = connections[id]?.takeDue(at: now.instant, switches) else { return }
        transmit(messages, to: id)
    }

    private mutating func transmit(_ messages: [Publish], to id: ConnectionID) {
        for var message in messages {
            send(.publish(message), to: id)
            guard message.packetID != nil, picker.hits(faults.duplicateDeliveries, .delivery)
            else { continue }
            message.dup = true
            send(.publish(message), to: id)
        }
    }

    mutating func acknowledged(_ packetID: PacketID, on id: ConnectionID) {
        guard let connection = connections[id] else { return }
        guard let delivery = connection.deliveries[packetID], delivery.tries > 0 else {
            guard !connection.wasRetired(packetID) else { return }
            let cause = Cause(type: .puback, topic: "", packetID: packetID)
            return report(
                .unexpectedPacketID, nil, "No message with this packet ID waits for a PUBACK.",
                cause, on: id)
        }
        connections[id]?.retire(packetID)
        note(.puback, delivery.device) { activity in
            activity.toDevice = delivery.kind == .command ? "COMMANDS" : "CONFIG"
        }
        if let ticket = delivery.ticket {
            emit(.commandEnded(ticket: ticket, isAcknowledged: true))
        }
        if case .config(let version) = delivery.kind {
            registry.devices[delivery.device]?.acknowledge(config: version, at: now.wall)
            log("\(delivery.device): configuration version \(version) acknowledged")
        }
    }
}
