/// A capture file of a serial line (pcap, draft-ietf-opsawg-pcap), link type 250, RTAC serial:
/// every packet begins with 12 bytes that say when, which way and in which state the line was.
/// Wireshark shows it, with "Decode As… Modbus RTU" for the `rtacser.data` also what was said.
///
/// | file header | bytes | value |
/// |---|---|---|
/// | magic | 4 | 0xA1B2C3D4, microseconds; all numbers least significant byte first |
/// | version | 2 + 2 | 2, 4 |
/// | reserved | 8 | 0 |
/// | longest packet | 4 | 65535 |
/// | link type | 4 | 250 |
///
/// | packet | bytes | value |
/// |---|---|---|
/// | seconds, microseconds | 4 + 4 | since 1970, UTC |
/// | bytes here, bytes on the line | 4 + 4 | both with the 12 of the next rows |
/// | seconds, microseconds | 4 + 4 | again, most significant byte first |
/// | event | 1 | 1: we began to send; 2: we began to receive |
/// | control lines | 1 | 0: not known |
/// | reserved | 2 | 0 |
/// | data | | as on the wire |
package struct PcapWriter: Sendable {
    package enum Direction: UInt8, Hashable, Sendable {
        case sent = 1, received = 2
    }

    package static let linkType: UInt32 = 250
    /// Of one packet, with its 12 bytes.
    package static let packetMax = 65_535
    package static let packetHeader = 16
    package static let lineHeader = 12

    package static func header() -> [UInt8] {
        var out: [UInt8] = []
        out.appendLittle(0xA1B2_C3D4 as UInt32)
        out.appendLittle(2 as UInt16)
        out.appendLittle(4 as UInt16)
        out.appendLittle(0 as UInt64)
        out.appendLittle(UInt32(packetMax))
        out.appendLittle(linkType)
        return out
    }

    package static func record(
        at time: WallTime, _ direction: Direction, _ bytes: some Collection<UInt8>
    ) -> [UInt8] {
        var out: [UInt8] = []
        append(
            at: time.milliseconds.multipliedReportingOverflow(by: 1000).partialValue, direction,
            bytes, to: &out)
        return out
    }

    /// - Parameter microseconds: since 1970, UTC.
    package static func append(
        at microseconds: Int64, _ direction: Direction, _ bytes: some Collection<UInt8>,
        to out: inout [UInt8]
    ) {
        let time = max(0, microseconds)
        let seconds = UInt32(truncatingIfNeeded: time / 1_000_000)
        let fraction = UInt32(truncatingIfNeeded: time % 1_000_000)
        let kept = bytes.prefix(packetMax - lineHeader)
        out.appendLittle(seconds)
        out.appendLittle(fraction)
        out.appendLittle(UInt32(kept.count + lineHeader))
        out.appendLittle(UInt32(truncatingIfNeeded: bytes.count + lineHeader))
        out.appendBig(seconds)
        out.appendBig(fraction)
        out += [direction.rawValue, 0, 0, 0]
        out += kept
    }
}
