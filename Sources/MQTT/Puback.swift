/// PUBACK, section 3.4: the answer to a message with QoS 1.
package struct Puback: Hashable, Sendable {
    package var packetID: PacketID

    package init(_ packetID: PacketID) { self.packetID = packetID }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .puback)
        packetID = try fields.packetID()
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.puback, length: 2)
        bytes.appendPacketID(packetID)
    }
}
