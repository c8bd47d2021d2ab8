import Base

/// The latest traffic of one line, for the question "what was said before it failed". At most 64
/// KiB of it, in two halves: when one is full the older one is dropped.
struct WireTape: Sendable {
    static let bytesMax = 64 << 10
    /// Longest pause between received pieces that are one packet of the capture.
    static let joinWithin = Duration.milliseconds(2)
    /// For each packet beside its bytes.
    private static let overhead = 24

    private struct Packet: Sendable {
        var at: Int64
        var direction: PcapWriter.Direction
        var start: Int
        var count: Int
    }

    private struct Half: Sendable {
        var packets: [Packet] = []
        var bytes: [UInt8] = []

        var size: Int { bytes.count + packets.count * WireTape.overhead }

        mutating func removeAll() {
            packets.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
        }
    }

    /// Tells the frames in the log; nil: they are not wanted there.
    var log: WireLog?
    private var older = Half()
    private var newer = Half()
    /// A request that is not recorded before it is known to have left.
    private var scheduled: (bytes: [UInt8], at: Moment)?
    private var lastAt = Instant.zero
    /// Civil time minus time since boot, in microseconds, as it was when last set: civil time has
    /// only milliseconds, and what it is corrected by must not put packets out of order.
    private var anchor: Int64?

    mutating func sent(_ bytes: [UInt8], at now: Moment) {
        settle()
        record(bytes, at: now)
    }

    private mutating func record(_ bytes: [UInt8], at time: Moment) {
        log?.sent(bytes, at: time)
        begin(.sent, bytes.count, at: time)
        newer.bytes += bytes
    }

    /// A request that leaves at `time`, unless `cancel` follows before anything else.
    mutating func schedule(_ bytes: [UInt8], at time: Moment) {
        settle()
        scheduled = (bytes, time)
    }

    /// The scheduled request has not left.
    mutating func cancel() { scheduled = nil }

    /// The scheduled request has left, since something else has happened.
    private mutating func settle() {
        guard let (bytes, time) = scheduled.take() else { return }
        record(bytes, at: time)
    }

    private var settled: WireTape {
        var tape = self
        tape.settle()
        return tape
    }

    mutating func received(_ bytes: [UInt8], at now: Moment) {
        settle()
        log?.received(bytes, at: now)
        if let last = newer.packets.last, last.direction == .received,
            now.instant - lastAt <= Self.joinWithin,
            last.count < 1024
        {
            newer.packets[newer.packets.count - 1].count += bytes.count
            lastAt = now.instant
        } else {
            begin(.received, bytes.count, at: now)
        }
        newer.bytes += bytes
    }

    private mutating func begin(_ direction: PcapWriter.Direction, _ count: Int, at now: Moment) {
        if newer.size + count + Self.overhead > Self.bytesMax / 2 {
            swap(&older, &newer)
            newer.removeAll()
        }
        lastAt = now.instant
        let instant = now.instant.nanoseconds / 1000
        let offset = now.wall.milliseconds &* 1000 &- instant
        if let anchor, (offset &- anchor).magnitude < 1_000_000 {} else { anchor = offset }
        newer.packets.append(
            Packet(
                at: (anchor ?? offset) &+ instant, direction: direction, start: newer.bytes.count,
                count: count))
    }

    var packets: Int {
        older.packets.count + newer.packets.count + (scheduled == nil ? 0 : 1)
    }

    /// One packet by itself.
    struct Excerpt: Sendable {
        var at: WallTime
        var isSent: Bool
        var bytes: [UInt8]
    }

    /// The latest packets, oldest first. What came in pieces without a request between them is one.
    func latest(_ most: Int) -> [Excerpt] {
        var found: [Excerpt] = []
        let tape = settled
        for half in [tape.older, tape.newer] {
            for packet in half.packets.suffix(2 * most) {
                let end = min(packet.start + packet.count, half.bytes.count)
                let bytes = half.bytes[min(packet.start, end)..<end]
                if packet.direction == .received, let last = found.last, !last.isSent {
                    found[found.count - 1].bytes += bytes
                } else {
                    found.append(
                        Excerpt(
                            at: WallTime(milliseconds: packet.at / 1000),
                            isSent: packet.direction == .sent, bytes: Array(bytes)))
                }
            }
        }
        return found.suffix(most)
    }

    /// As a capture file.
    var pcap: [UInt8] {
        var out = PcapWriter.header()
        let tape = settled
        for half in [tape.older, tape.newer] {
            for packet in half.packets {
                let end = min(packet.start + packet.count, half.bytes.count)
                PcapWriter.append(
                    at: packet.at, packet.direction, half.bytes[packet.start..<end], to: &out)
            }
        }
        return out
    }
}
