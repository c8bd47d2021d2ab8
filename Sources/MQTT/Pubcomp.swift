/// PUBCOMP, section 3.7: the end of a delivery with QoS 2.
package struct Pubcomp: Hashable, Sendable {
    package var packetID: PacketID

    package init(_ packetID: PacketID) { self.packetID = packetID }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .pubcomp)
        packetID = try fields.packetID()
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.pubcomp, length: 2)
        bytes.appendPacketID(packetID)
    }
}
