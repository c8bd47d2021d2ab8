import Base

/// One ADU on a serial line: unit, PDU, CRC-16 low byte first
/// (MODBUS over Serial Line V1.02, section 2.5.1).
package enum RTUFrame {
    /// Unit, function code and checksum around the shortest PDU.
    package static let shortest = 4
    /// Bytes that an ADU adds to its PDU.
    package static let overhead = 3

    package static func encode(unit: UInt8, _ pdu: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(pdu.count + overhead)
        frame.append(unit)
        frame += pdu
        frame.appendLittle(CRC16.checksum(frame[...]))
        return frame
    }

    package static func encode(unit: UInt8, _ request: Request) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(16)
        frame.append(unit)
        request.appendPDU(to: &frame)
        frame.appendLittle(CRC16.checksum(frame[...]))
        return frame
    }

    /// Checks the last two bytes of a frame of at least `shortest` bytes.
    package static func verify(_ frame: ArraySlice<UInt8>) throws(FrameError) {
        let end = frame.endIndex
        let received = UInt16(frame[end - 2]) | UInt16(frame[end - 1]) << 8
        let computed = CRC16.checksum(frame.dropLast(2))
        guard received == computed else { throw .checksum(received: received, computed: computed) }
    }
}
