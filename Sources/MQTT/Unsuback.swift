/// UNSUBACK, section 3.11: the answer to an UNSUBSCRIBE.
package struct Unsuback: Hashable, Sendable {
    package var packetID: PacketID

    package init(_ packetID: PacketID) { self.packetID = packetID }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .unsuback)
        packetID = try fields.packetID()
        try fields.end()
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.unsuback, length: 2)
        bytes.appendPacketID(packetID)
    }
}
