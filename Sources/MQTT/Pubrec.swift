/// PUBREC, section 3.5: first answer to a message with QoS 2, which we neither send nor accept.
package struct Pubrec: Hashable, Sendable {
    package var packetID: PacketID

    package init(_ packetID: PacketID) { self.packetID = packetID }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .pubrec)
        packetID = try fields.packetID()
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.pubrec, length: 2)
        bytes.appendPacketID(packetID)
    }
}
