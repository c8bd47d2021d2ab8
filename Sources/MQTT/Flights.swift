import Base

/// The messages with QoS 1 that wait for their PUBACK, oldest transmission first, and the packet
/// ids they hold.
struct Flights: Sendable {
    private struct Flight {
        var bytes: [UInt8]
        var sent: Instant
        /// Its place among all packets sent, the first time.
        var number: Int
        /// Never sent again; only its id is still taken.
        var isAbandoned = false
    }

    private var flights = PacketTable<Flight>()
    /// Every transmission in order of time; entries whose message was acknowledged, abandoned or
    /// sent again since are stale and skipped.
    private var order: [(id: PacketID, sent: Instant)] = []
    private var orderStart = 0
    private var lastID = PacketID(.max) ?? .first

    var count: Int { flights.count }

    /// Number of packet ids that are still waited for.
    var waiting: Int { flights.elements.count { !$0.value.isAbandoned } }

    /// The one that was sent last of those that are still waited for.
    var latest: (number: Int, topic: String, payload: Int)? {
        let newest = flights.elements.map(\.value).filter { !$0.isAbandoned }.max {
            $0.number < $1.number
        }
        return newest.map {
            let (topic, payload) = Unanswered.parts(ofPublish: $0.bytes)
            return ($0.number, topic, payload)
        }
    }

    mutating func add(_ id: PacketID, _ bytes: [UInt8], number: Int, at now: Instant) {
        flights.insert(Flight(bytes: bytes, sent: now, number: number), for: id.value)
        order.append((id, now))
    }

    mutating func remove(_ id: PacketID) -> Bool {
        guard flights.remove(id.value) != nil else { return false }
        skipStale()
        return true
    }

    mutating func abandon(_ id: PacketID) {
        guard var flight = flights[id.value] else { return }
        flight.isAbandoned = true
        flight.bytes = []
        flights.insert(flight, for: id.value)
        skipStale()
    }

    var oldestSent: Instant? { orderStart < order.count ? order[orderStart].sent : nil }

    /// The oldest message with its DUP flag set [MQTT-3.3.1-1]; it becomes the newest.
    mutating func resendOldest(at now: Instant) -> [UInt8]? {
        guard orderStart < order.count else { return nil }
        let id = order[orderStart].id
        orderStart += 1
        guard var flight = flights.remove(id.value), !flight.bytes.isEmpty else { return nil }
        flight.bytes[0] |= 0x08
        flight.sent = now
        let bytes = flight.bytes
        flights.insert(flight, for: id.value)
        order.append((id, now))
        skipStale()
        return bytes
    }

    /// The next free id after the last one given out; nil if all are taken.
    mutating func nextID(unless taken: (PacketID) -> Bool) -> PacketID? {
        var candidate = lastID.successor
        for _ in 0..<Int(UInt16.max) {
            if !flights.contains(candidate.value), !taken(candidate) {
                lastID = candidate
                return candidate
            }
            candidate = candidate.successor
        }
        return nil
    }

    private mutating func skipStale() {
        while orderStart < order.count {
            let entry = order[orderStart]
            if let flight = flights[entry.id.value], flight.sent == entry.sent, !flight.isAbandoned
            {
                break
            }
            orderStart += 1
        }
        if orderStart == order.count {
            order.removeAll(keepingCapacity: true)
            orderStart = 0
        } else if orderStart >= 64, orderStart * 2 >= order.count {
            order.removeFirst(orderStart)
            orderStart = 0
        }
    }
}
