/// CONNECT, section 3.1: the first packet of a client [MQTT-3.1.0-1].
package struct Connect: Hashable, Sendable {
    /// Section 3.1.2.5: what the server publishes when the client goes without a DISCONNECT.
    package struct Will: Hashable, Sendable {
        package var topic: TopicName
        package var payload: [UInt8]
        package var qos: QoS
        package var retain: Bool

        package init(
            topic: TopicName, payload: [UInt8], qos: QoS = .atMostOnce, retain: Bool = false
        ) {
            self.topic = topic
            self.payload = payload
            self.qos = qos
            self.retain = retain
        }
    }

    package static let level: UInt8 = 4

    package var clientID: String
    /// Seconds; 0 turns the mechanism off.
    package var keepAlive: UInt16
    package var cleanSession: Bool
    package var will: Will?
    package var username: String?
    package var password: [UInt8]?

    /// A password without a user name is sent with an empty one [MQTT-3.1.2-22]. Every text and the
    /// password are at most 65,535 bytes.
    package init(
        clientID: String, keepAlive: UInt16 = 60, cleanSession: Bool = true, will: Will? = nil,
        username: String? = nil, password: [UInt8]? = nil
    ) {
        self.clientID = clientID
        self.keepAlive = keepAlive
        self.cleanSession = cleanSession
        self.will = will
        self.username = username ?? (password == nil ? nil : "")
        self.password = password
    }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .connect)
        guard try fields.data().elementsEqual("MQTT".utf8) else { throw .protocolName }
        let level = try fields.byte()
        guard level == Self.level else { throw .protocolLevel(level) }
        let flags = try fields.byte()
        guard flags & 0x01 == 0 else { throw .connectFlag }
        keepAlive = try fields.short()
        cleanSession = flags & 0x02 != 0
        clientID = try fields.text()
        if flags & 0x04 != 0 {
            guard let qos = QoS(rawValue: flags >> 3 & 3) else { throw .willQoS }
            let topic = try TopicName(utf8: try fields.data())
            will = Will(
                topic: topic, payload: Array(try fields.data()), qos: qos, retain: flags & 0x20 != 0
            )
        } else {
            guard flags & 0x38 == 0 else { throw .willWithoutFlag }
        }
        if flags & 0x80 != 0 { username = try fields.text() }
        if flags & 0x40 != 0 {
            guard flags & 0x80 != 0 else { throw .passwordWithoutUserName }
            password = Array(try fields.data())
        }
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        var flags: UInt8 = cleanSession ? 0x02 : 0
        var body: [UInt8] = []
        body.appendField(clientID.utf8)
        if let will {
            flags |= 0x04 | will.qos.rawValue << 3 | (will.retain ? 0x20 : 0)
            body.appendField(will.topic.utf8)
            body.appendField(will.payload)
        }
        if username != nil || password != nil {
            flags |= 0x80
            body.appendField((username ?? "").utf8)
        }
        if let password {
            flags |= 0x40
            body.appendField(password)
        }
        bytes.appendHeader(.connect, length: 10 + body.count)
        bytes.appendField("MQTT".utf8)
        bytes.append(Self.level)
        bytes.append(flags)
        bytes.append(UInt8(keepAlive >> 8))
        bytes.append(UInt8(keepAlive & 0xFF))
        bytes.append(contentsOf: body)
    }
}
