import Base
import MQTT

/// What arrives: config and commands for known devices, errors for us, and nothing else.
extension Session {
    mutating func arrived(_ message: Publish, at now: Moment) {
        let inbound = settings.layout.inbound(message.topic.text)
        if case .errors(let device) = inbound, device == settings.gateway, settings.dialect.hasErrors {
            acknowledgeAtOnce(message)
            return gatewayError(GatewayError.parse(message.payload), at: now)
        }
        guard let inbound, isKnown(inbound.device) else {
            acknowledgeAtOnce(message)
            return notice(
                .debug, "a message on \(Notice.printable(message.topic.utf8)), which is not ours, is dropped")
        }
        if let id = message.packetID {
            // A repeat of what is being worked on: one PUBACK answers both.
            guard !acknowledging.contains(id.value), deliveries.insert(id.value).inserted else { return }
        }
        let delivery = Delivery(connection: connection, packet: message.packetID?.value)
        switch inbound {
        case .config(let device):
            counters.configs += 1
            emit(.config(device, payload: message.payload, delivery: delivery))
        case .command(let device, let subfolder):
            counters.commands += 1
            emit(.command(device, subfolder: subfolder, payload: message.payload, delivery: delivery))
        case .errors:
            acknowledge(delivery, at: now)
        }
    }

    private func isKnown(_ device: DeviceID) -> Bool {
        device == settings.gateway || attachments.contains(device)
    }

    private mutating func acknowledgeAtOnce(_ message: Publish) {
        if let id = message.packetID { acknowledgements.append(id) }
    }

    /// PUBACKs count against the rate like everything else: a thousand devices get a thousand configs
    /// after a reconnect.
    mutating func sendAcknowledgements(at now: Instant) {
        while limiter.allows(at: now), let id = acknowledgements.popFirst() {
            acknowledging.remove(id.value)
            client?.acknowledge(id)
            pay(at: now)
        }
    }

    /// All of them, before the connection ends.
    mutating func flushAcknowledgements(at now: Instant) {
        while let id = acknowledgements.popFirst() { client?.acknowledge(id) }
        pay(at: now)
    }

    /// PUBACK, once the config or command is accepted; nothing if its connection is gone.
    package mutating func acknowledge(_ delivery: Delivery, at now: Moment) {
        see(now)
        guard delivery.connection == connection, let packet = delivery.packet, let id = PacketID(packet),
            deliveries.remove(packet) != nil
        else { return }
        acknowledging.insert(packet)
        acknowledgements.append(id)
        settle(at: now)
    }
}
