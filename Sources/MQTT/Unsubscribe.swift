/// UNSUBSCRIBE, section 3.10; its flags are 0010 [MQTT-3.10.1-1].
package struct Unsubscribe: Hashable, Sendable {
    package var packetID: PacketID
    /// At least one [MQTT-3.10.3-2].
    package var filters: [TopicFilter]

    package init(_ packetID: PacketID, _ filters: [TopicFilter]) {
        precondition(!filters.isEmpty, "UNSUBSCRIBE needs a filter")
        self.packetID = packetID
        self.filters = filters
    }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .unsubscribe)
        packetID = try fields.packetID()
        filters = []
        while !fields.isAtEnd { filters.append(try TopicFilter(utf8: try fields.data())) }
        guard !filters.isEmpty else { throw .noFilters(.unsubscribe) }
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.unsubscribe, length: filters.reduce(2) { $0 + 2 + $1.utf8.count })
        bytes.appendPacketID(packetID)
        for filter in filters { bytes.appendField(filter.utf8) }
    }
}
