/// PUBLISH, section 3.3.
package struct Publish: Hashable, Sendable {
    package var topic: TopicName
    package var payload: [UInt8]
    package var qos: QoS
    package var retain: Bool
    /// A re-delivery [MQTT-3.3.1-1].
    package var dup: Bool
    /// Nil exactly when `qos` is 0 [MQTT-2.3.1-5].
    package private(set) var packetID: PacketID?

    /// QoS 0.
    package init(topic: TopicName, payload: [UInt8], retain: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.retain = retain
        qos = .atMostOnce
        dup = false
    }

    /// QoS 1, or 2 if so asked.
    package init(
        topic: TopicName, payload: [UInt8], packetID: PacketID, qos: QoS = .atLeastOnce,
        retain: Bool = false,
        dup: Bool = false
    ) {
        precondition(qos != .atMostOnce, "a message with QoS 0 has no packet id")
        self.topic = topic
        self.payload = payload
        self.retain = retain
        self.qos = qos
        self.dup = dup
        self.packetID = packetID
    }

    /// Section 2.2.2: what can be refused before the body has come.
    static func check(flags: UInt8) throws(ProtocolFault) {
        guard let qos = QoS(rawValue: flags >> 1 & 3) else { throw .invalidQoS }
        if qos == .atMostOnce, flags & 0x08 != 0 { throw .duplicateAtMostOnce }
    }

    init(flags: UInt8, body: ArraySlice<UInt8>) throws(ProtocolFault) {
        try Self.check(flags: flags)
        var fields = FieldReader(body, of: .publish)
        topic = try TopicName(utf8: try fields.data())
        qos = QoS(rawValue: flags >> 1 & 3) ?? .atMostOnce
        if qos != .atMostOnce { packetID = try fields.packetID() }
        payload = Array(fields.rest())
        retain = flags & 0x01 != 0
        dup = flags & 0x08 != 0
    }

    package func append(to bytes: inout [UInt8]) {
        appendHead(to: &bytes, payload: payload.count)
        bytes.append(contentsOf: payload)
    }

    /// The packet with another payload than its own.
    func bytes(with payload: Payload) -> [UInt8] {
        var bytes: [UInt8] = []
        appendHead(to: &bytes, payload: payload.count)
        for piece in payload.pieces { bytes.append(contentsOf: piece) }
        return bytes
    }

    /// All before a payload of that many bytes.
    private func appendHead(to bytes: inout [UInt8], payload: Int) {
        let length = 2 + topic.utf8.count + (packetID == nil ? 0 : 2) + payload
        bytes.reserveCapacity(bytes.count + 5 + length)
        let flags = (dup ? 0x08 : 0) | qos.rawValue << 1 | (retain ? 0x01 : 0)
        bytes.appendHeader(.publish, flags: flags, length: length)
        bytes.appendField(topic.utf8)
        if let packetID { bytes.appendPacketID(packetID) }
    }
}
