import Base
import MQTT

/// Inbound messages: config and commands for known devices, errors for us, and nothing else.
extension Session {
    mutating func arrived(_ message: Publish, at now: Moment) {
        let inbound = settings.layout.inbound(message.topic)
        // A repeat of what has no PUBACK yet: one answers both.
        if let id = message.packetID, !inbox.receive(id, at: now.instant) { return }
        if case .errors(let device) = inbound, device == settings.gateway,
            settings.dialect.hasErrors
        {
            acceptAtOnce(message)
            return gatewayError(GatewayError.parse(message.payload), at: now)
        }
        guard let inbound, isKnown(inbound.device) else {
            acceptAtOnce(message)
            return notice(
                .debug,
                "a message on \(Notice.printable(message.topic.utf8)), which is not ours, is dropped",
                kind: .peer)
        }
        let delivery = Delivery(
            connection: connection, packet: message.packetID?.value, isRetained: message.retain)
        switch inbound {
        case .config(let device):
            counters.configs += 1
            emit(.config(device, payload: message.payload, delivery: delivery))
        case .command(let device, let subfolder):
            counters.commands += 1
            emit(
                .command(device, subfolder: subfolder, payload: message.payload, delivery: delivery)
            )
        case .set(let device, let point):
            counters.commands += 1
            emit(.set(device, point: point, payload: message.payload, delivery: delivery))
        case .errors:
            acknowledge(delivery, at: now)
        }
    }

    private func isKnown(_ device: DeviceID) -> Bool {
        device == settings.gateway || attachments.contains(device)
    }

    private mutating func acceptAtOnce(_ message: Publish) {
        if let id = message.packetID { inbox.accept(id) }
    }

    /// False if no PUBACK may leave. The caller looks after the rate: PUBACKs count like everything
    /// else.
    mutating func sendAcknowledgement(at now: Instant) -> Bool {
        guard let id = inbox.next(at: now) else { return false }
        client?.acknowledge(id)
        pay(at: now)
        return true
    }

    /// All that are owed, before the connection ends.
    mutating func flushAcknowledgements(at now: Instant) {
        for id in inbox.takeAll() { client?.acknowledge(id) }
        pay(at: now)
    }

    /// PUBACK, once the config or command is accepted; nothing if its connection is gone.
    package mutating func acknowledge(_ delivery: Delivery, at now: Moment) {
        see(now)
        guard delivery.connection == connection, let packet = delivery.packet,
            let id = PacketID(packet),
            inbox.accept(id)
        else { return }
        settle(at: now)
    }
}
