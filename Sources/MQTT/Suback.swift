/// SUBACK, section 3.9: one code for each filter, in order [MQTT-3.9.3-1].
package struct Suback: Hashable, Sendable {
    /// The return code of a filter that was not accepted.
    package static let failure: UInt8 = 0x80

    package var packetID: PacketID
    /// The QoS granted, or `failure` [MQTT-3.9.3-2].
    package var codes: [UInt8]

    package init(_ packetID: PacketID, _ codes: [UInt8]) {
        self.packetID = packetID
        self.codes = codes
    }

    init(body: ArraySlice<UInt8>) throws(ProtocolFault) {
        var fields = FieldReader(body, of: .suback)
        packetID = try fields.packetID()
        codes = Array(fields.rest())
        for code in codes where code > 2 && code != Self.failure { throw .subackCode(code) }
        guard !codes.isEmpty else { throw .subackCount(received: 0, expected: 1) }
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.appendHeader(.suback, length: 2 + codes.count)
        bytes.appendPacketID(packetID)
        bytes.append(contentsOf: codes)
    }
}
