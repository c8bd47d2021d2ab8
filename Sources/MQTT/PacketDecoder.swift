/// Cuts a byte stream into packets. A packet's first byte and length are judged as soon as they are
/// there, so a packet over the limit is refused before a byte of it is kept; what is held is never
/// more than one packet and one chunk. After a fault nothing more is decoded.
package struct PacketDecoder: Sendable {
    /// The largest packet accepted, fixed header included.
    package let packetSizeMax: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var fault: ProtocolFault?
    /// Bytes taken in, moved and read since the beginning.
    package private(set) var work = 0

    /// The protocol's own limit: four bytes of remaining length (section 2.2.3).
    package static let protocolMax = 5 + 268_435_455
    private static let keptCapacityMax = 1 << 16

    package init(packetSizeMax: Int = PacketDecoder.protocolMax) {
        self.packetSizeMax = packetSizeMax
    }

    /// Bytes of a packet that is not complete; call `next()` until nil before asking.
    package var isPartial: Bool { start < buffer.count }

    /// Bytes held: a partial packet, and whole ones that `next()` has not been asked for.
    package var buffered: Int { buffer.count - start }

    package mutating func receive(_ bytes: ArraySlice<UInt8>) {
        guard fault == nil else { return }
        if start > 0 {
            work += buffered
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
        work += bytes.count
    }

    /// The next whole packet; nil means that more bytes are needed.
    package mutating func next() throws(ProtocolFault) -> Packet? {
        if let fault { throw fault }
        do {
            return try decode()
        } catch {
            fault = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func decode() throws(ProtocolFault) -> Packet? {
        guard start < buffer.count else { return nil }
        let first = buffer[start]
        guard let type = PacketType(rawValue: first >> 4) else { throw .reservedType(first >> 4) }
        try Packet.check(type, flags: first & 0x0F)
        work += 1
        guard let (length, bodyStart) = try remainingLength() else { return nil }
        let end = bodyStart + length
        guard end - start <= packetSizeMax else {
            throw .tooLong(size: end - start, limit: packetSizeMax)
        }
        guard end <= buffer.count else { return nil }
        let packet = try Packet(type, flags: first & 0x0F, body: buffer[bodyStart..<end])
        work += end - start
        start = end
        if start == buffer.count { reset() }
        return packet
    }

    /// Section 2.2.3: seven bits a byte, least significant first, at most four bytes.
    private func remainingLength() throws(ProtocolFault) -> (length: Int, bodyStart: Int)? {
        var length = 0
        for position in 0..<4 {
            let index = start + 1 + position
            guard index < buffer.count else { return nil }
            length |= Int(buffer[index] & 0x7F) << (7 * position)
            if buffer[index] & 0x80 == 0 { return (length, index + 1) }
        }
        throw .remainingLength
    }

    private mutating func reset() {
        start = 0
        if buffer.capacity > Self.keptCapacityMax {
            buffer = []
        } else {
            buffer.removeAll(keepingCapacity: true)
        }
    }
}
