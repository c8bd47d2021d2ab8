import MQTT

/// Walks packets on their way out, for the rate and the counters: what was not paid for when it was
/// made (all but first PUBLISHes and SUBSCRIBEs), what is a re-send, and which re-sends are of
/// messages that were given up and must not leave.
struct PacketScan {
    private(set) var unpaid = 0
    private(set) var unpaidBytes = 0
    private(set) var resent = 0

    init(_ bytes: inout [UInt8], withoutResends abandoned: [PacketID: Flight]) {
        var drops: [Range<Int>] = []
        var start = 0
        while start < bytes.count, let end = Self.end(of: start, in: bytes) {
            let type = bytes[start] >> 4
            let isResend = type == PacketType.publish.rawValue && bytes[start] & 0x08 != 0
            let isPaid = type == PacketType.publish.rawValue || type == PacketType.subscribe.rawValue
            if isResend, !abandoned.isEmpty, let id = Self.packetID(in: bytes[start..<end]),
                abandoned[id] != nil
            {
                drops.append(start..<end)
            } else if isResend || !isPaid {
                if isResend { resent += 1 }
                unpaid += 1
                unpaidBytes += end - start
            }
            start = end
        }
        for range in drops.reversed() { bytes.removeSubrange(range) }
    }

    /// Where the packet that begins at `start` ends (section 2.2.3).
    private static func end(of start: Int, in bytes: [UInt8]) -> Int? {
        var length = 0
        for position in 0..<4 where start + 1 + position < bytes.count {
            let byte = bytes[start + 1 + position]
            length |= Int(byte & 0x7F) << (7 * position)
            if byte & 0x80 == 0 {
                let end = start + 2 + position + length
                return end <= bytes.count ? end : nil
            }
        }
        return nil
    }

    /// Of a PUBLISH with QoS 1 (section 3.3.2).
    private static func packetID(in packet: ArraySlice<UInt8>) -> PacketID? {
        guard var index = packet.dropFirst().firstIndex(where: { $0 & 0x80 == 0 }) else { return nil }
        guard index + 2 < packet.endIndex else { return nil }
        index += 3 + Int(packet[index + 1]) << 8 + Int(packet[index + 2])
        guard index + 1 < packet.endIndex else { return nil }
        return PacketID(UInt16(packet[index]) << 8 | UInt16(packet[index + 1]))
    }
}
