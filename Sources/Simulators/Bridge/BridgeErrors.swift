import Base
import MQTT

/// The gateway's errors topic: E20, E23, E24.
extension BridgeEmulator {
    package enum ErrorType: String, Hashable, Sendable, CaseIterable {
        case attachment = "GATEWAY_ATTACHMENT_ERROR"
        case notFound = "GATEWAY_DEVICE_NOT_FOUND"
        case invalidTopic = "GATEWAY_INVALID_MQTT_TOPIC"
        case unexpectedPacketID = "GATEWAY_UNEXPECTED_PACKET_ID"
        case unexpectedMessage = "GATEWAY_UNEXPECTED_MESSAGE_TYPE"
        case detachment = "GATEWAY_DETACHMENT_DEVICE_ERROR"
    }

    /// The packet that an error is about.
    struct Cause {
        var type: PacketType
        var topic: ByteString
        var packetID: PacketID?
    }

    mutating func report(
        _ type: ErrorType, _ device: ByteString, _ description: String, _ message: Publish,
        on id: ConnectionID
    ) {
        let cause = Cause(
            type: .publish, topic: ByteString(message.topic.text), packetID: message.packetID)
        report(type, device, description, cause, on: id)
    }

    mutating func reportNotFound(
        _ device: ByteString, _ packetID: PacketID?, _ type: PacketType, _ topic: ByteString,
        on id: ConnectionID
    ) {
        report(
            .notFound, device,
            "The specified device with ID '\(device)' is not attached to the gateway.",
            Cause(type: type, topic: topic, packetID: packetID), on: id)
    }

    /// QoS 0, best effort: if the topic is not subscribed, only the log has it.
    mutating func report(
        _ type: ErrorType, _ device: ByteString?, _ description: String, _ cause: Cause?,
        on id: ConnectionID
    ) {
        guard let connection = connections[id] else { return }
        statistics.errors[ByteString(type.rawValue), default: 0] += 1
        let topic = Filter.errors(connection.device)
        let isSubscribed = connection.subscriptions[topic] != nil
        let unheard = isSubscribed ? "" : " (its errors topic is not subscribed)"
        log("\(connection.device): \(type.rawValue)\(device.map { " for \($0)" } ?? "")\(unheard)")
        guard isSubscribed, let name = try? TopicName(topic.string) else { return }
        var json = JSONWriter()
        json.beginObject()
        json.member("error_type", type.rawValue)
        json.member("description", description)
        if let device { json.member("device_id", device) }
        if let cause {
            if switches.errorShape == .nested {
                json.key("mqtt_message_info")
                json.beginObject()
            }
            json.member("message_type", cause.type.description)
            json.member("topic", cause.topic)
            if let packetID = cause.packetID {
                if switches.packetIDAsString {
                    json.member("packet_id", packetID.description)
                } else {
                    json.member("packet_id", packetID.value)
                }
            }
            if switches.errorShape == .nested { json.endObject() }
        }
        json.endObject()
        send(.publish(Publish(topic: name, payload: json.bytes)), to: id)
    }

    mutating func unexpected(_ packet: Packet, on id: ConnectionID) {
        report(.unexpectedMessage, nil, "\(packet.type) is not supported.", nil, on: id)
    }

    // MARK: The end of an attachment

    /// E13, E27: the gateway loses the device and is told; its connection stays.
    mutating func detachWithError(_ device: ByteString, on id: ConnectionID) {
        let gateway = connections[id]?.device
        note(.detach, device) { activity in
            activity.code = .failedPrecondition
            activity.message = "Device detached because of a device error."
            activity.gateway = gateway
        }
        dropAttachment(device, on: id)
        report(.detachment, device, "Device detached because of a device error.", nil, on: id)
    }

    /// Attachment, subscriptions and deliveries of one device.
    mutating func dropAttachment(_ device: ByteString, on id: ConnectionID) {
        guard connections[id]?.attached.remove(device) != nil else { return }
        if owners[device] == id { owners[device] = nil }
        for filter in Filter.all(of: device) { connections[id]?.subscriptions[filter] = nil }
        for ticket in connections[id]?.retireAll(of: device) ?? [] {
            emit(.commandEnded(ticket: ticket, isAcknowledged: false))
        }
    }
}
