/// PUBREL, section 3.6: the sender's answer to a PUBREC; its flags are 0010 [MQTT-3.6.1-1].
package struct Pubrel: Hashable, Sendable {
    package var packetID: PacketID

    package init(_ packetID: PacketID) { self.packetID = packetID }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .pubrel)
        packetID = try fields.packetID()
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.pubrel, length: 2)
        bytes.appendPacketID(packetID)
    }
}
