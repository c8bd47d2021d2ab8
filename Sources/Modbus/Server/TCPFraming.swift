import Base

/// Framing of Modbus messages on a TCP connection.
package enum TCPFraming: String, Hashable, Sendable, CaseIterable {
    /// MBAP header and PDU (Messaging on TCP/IP Implementation Guide V1.0b, section 3.1).
    case modbusTCP = "modbus-tcp"
    /// The frames of a serial line, checksum included; no transaction ids.
    case rtuOverTCP = "rtu-over-tcp"
}

/// Frame of Modbus TCP: a header of seven bytes, then the PDU.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 2 | transaction id: the reply carries that of its request |
/// | 2 | 2 | protocol id: 0 |
/// | 4 | 2 | length of what follows: unit id and PDU, 2 to 254 |
/// | 6 | 1 | unit id |
package struct MBAPFrame: Hashable, Sendable {
    package var transaction: UInt16
    package var unit: UInt8
    package var pdu: [UInt8]

    /// Bytes up to the length field, that field included.
    package static let prefixLength = 6
    /// Values of the length field: unit id and PDU.
    package static let lengths = 2...(Limits.pdu + 1)

    package init(transaction: UInt16, unit: UInt8, pdu: [UInt8]) {
        self.transaction = transaction
        self.unit = unit
        self.pdu = pdu
    }

    package var bytes: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(Self.prefixLength + 1 + pdu.count)
        out.appendBig(transaction)
        out.appendBig(0 as UInt16)
        out.appendBig(UInt16(truncatingIfNeeded: pdu.count + 1))
        out.append(unit)
        out += pdu
        return out
    }
}
