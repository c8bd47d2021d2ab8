/// SUBSCRIBE, section 3.8; its flags are 0010 [MQTT-3.8.1-1].
package struct Subscribe: Hashable, Sendable {
    package struct Request: Hashable, Sendable {
        package var filter: TopicFilter
        package var qos: QoS

        package init(_ filter: TopicFilter, _ qos: QoS) {
            self.filter = filter
            self.qos = qos
        }
    }

    package var packetID: PacketID
    /// At least one [MQTT-3.8.3-3].
    package var requests: [Request]

    package init(_ packetID: PacketID, _ requests: [Request]) {
        precondition(!requests.isEmpty, "SUBSCRIBE needs a filter")
        self.packetID = packetID
        self.requests = requests
    }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .subscribe)
        packetID = try fields.packetID()
        requests = []
        while !fields.isAtEnd {
            let filter = try TopicFilter(utf8: try fields.data())
            let options = try fields.byte()
            guard let qos = QoS(rawValue: options) else { throw .subscribeOptions(options) }
            requests.append(Request(filter, qos))
        }
        guard !requests.isEmpty else { throw .noFilters(.subscribe) }
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.subscribe, length: requests.reduce(2) { $0 + 3 + $1.filter.utf8.count })
        bytes.appendPacketID(packetID)
        for request in requests {
            bytes.appendField(request.filter.utf8)
            bytes.append(request.qos.rawValue)
        }
    }
}
