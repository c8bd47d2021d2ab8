import Base

/// Error that the bridge reports on `/devices/{gateway}/errors`, QoS 0 and best effort. It is about
/// a refused attach, a device that the bridge no longer knows, or a message that it could not take.
/// Such a message will not be acknowledged.
package struct GatewayError: Hashable, Sendable {
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case attachment = "GATEWAY_ATTACHMENT_ERROR"
        case deviceNotFound = "GATEWAY_DEVICE_NOT_FOUND"
        case detachment = "GATEWAY_DETACHMENT_DEVICE_ERROR"
        case invalidTopic = "GATEWAY_INVALID_MQTT_TOPIC"
        case unexpectedPacketID = "GATEWAY_UNEXPECTED_PACKET_ID"
        case unexpectedMessageType = "GATEWAY_UNEXPECTED_MESSAGE_TYPE"
        case unknown = "unknown"
    }

    /// Reaction of the gateway. "Do not retry until it is fixed" holds for every code but
    /// `unknown`.
    package enum Reaction: Hashable, Sendable {
        /// The device is not attached again until a slow timer or a person says so.
        case quarantine
        /// The device is detached; attach it once, at once. Again soon after: back-off.
        case attachAgain
        /// The device is detached and keeps its records; attached again after its own back-off.
        case backOffDevice
        /// The message can never be taken: it is dropped, with a gap.
        case dropMessage
        /// Only a line in the log.
        case report
        /// The message is sent again after the device's back-off.
        case retryLater
    }

    package var code: Code
    /// The word as it came, printable, for the log.
    package var word: String
    package var description: String
    package var device: DeviceID?
    package var messageType: ByteString?
    package var topic: ByteString?
    package var packetID: UInt16?

    package init(
        code: Code, word: String? = nil, description: String = "", device: DeviceID? = nil,
        messageType: ByteString? = nil, topic: ByteString? = nil, packetID: UInt16? = nil
    ) {
        self.code = code
        self.word = word ?? code.rawValue
        self.description = description
        self.device = device
        self.messageType = messageType
        self.topic = topic
        self.packetID = packetID
    }

    /// One table: every code and its reaction.
    package static func reaction(to code: Code) -> Reaction {
        switch code {
        case .attachment: .quarantine
        case .deviceNotFound: .attachAgain
        case .detachment: .backOffDevice
        case .invalidTopic: .dropMessage
        case .unexpectedPacketID, .unexpectedMessageType: .report
        case .unknown: .retryLater
        }
    }

    package var reaction: Reaction { Self.reaction(to: code) }
    package var isAboutAttach: Bool { topic?.hasSuffix("/attach") ?? (code == .attachment) }

    package static let sizeMax = 64 << 10

    /// Lenient, because the documentation and the wire differ: the message's facts stand flat or
    /// inside `mqtt_message_info`, the packet id is a number or a string, and anything that is no
    /// such object is an unknown error with the text as its description.
    package static func parse(_ payload: [UInt8]) -> GatewayError {
        guard payload.count <= sizeMax, let json = try? JSONReader.parse(payload),
            json.members != nil
        else {
            return GatewayError(code: .unknown, description: Notice.printable(payload))
        }
        let info = json["mqtt_message_info"]
        func text(_ name: ByteString) -> ByteString? { info?[name]?.string ?? json[name]?.string }
        let word = json["error_type"]?.string ?? ""
        let number = info?["packet_id"] ?? json["packet_id"]
        let packet =
            number?.integer.flatMap { UInt16(exactly: $0) }
            ?? number?.string.flatMap { UInt16($0.string) }
        let topic = text("topic")
        let device = (json["device_id"]?.string ?? info?["device_id"]?.string).flatMap {
            try? DeviceID($0)
        }
        return GatewayError(
            code: Code(word: word) ?? .unknown,
            word: word.isEmpty ? "unknown" : Notice.printable(word),
            description: Notice.printable(json["description"]?.string ?? ""),
            device: device ?? topic.flatMap(Self.device(inTopic:)),
            messageType: text("message_type"), topic: topic,
            packetID: packet == 0 ? nil : packet)
    }

    private static func device(inTopic topic: ByteString) -> DeviceID? {
        let levels = topic.split(0x2F, limit: 4)
        guard levels.count >= 3, levels[0].isEmpty, levels[1] == "devices" else { return nil }
        return try? DeviceID(levels[2])
    }
}
