import Base
import MQTT

/// One transport connection, named by the shell and never used again for another.
package struct ConnectionID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package var description: String { "connection \(value)" }
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.value < right.value }
}

/// What the emulator keeps for one connection; attachments and subscriptions die with it (E26).
struct BridgeConnection: Sendable {
    enum Phase { case fresh, verifying, open }

    var phase = Phase.fresh
    var decoder: PacketDecoder
    var opened: Instant
    var lastReceived: Instant
    /// Missed bytes while the emulator was mute: it stays silent until it ends.
    var isDeaf = false
    /// The client's device ID; empty until CONNECT was read.
    var device = ""
    var isGateway = false
    /// A signature is being verified; packets behind it wait, since they are taken in order (E22).
    var isWaiting = false
    /// 1.5 times keep alive, nil if it is off.
    var silenceMax: Duration?
    var tokenEnds: Instant?
    var lifetimeEnds: Instant?
    var resetAt: Instant?
    var attached: Set<String> = []
    /// Topic filter to granted QoS.
    var subscriptions: [String: QoS] = [:]
    var packets = 0
    var messages: Allowance
    var bytes: Allowance
    var deliveries: [Delivery] = []
    private var retired: [PacketID] = []
    private var lastID = PacketID.first

    init(at now: Instant, _ switches: BridgeSwitches) {
        opened = now
        lastReceived = now
        decoder = PacketDecoder(packetSizeMax: switches.eventsMax + (128 << 10))
        messages = Allowance(switches.messagesPerSecond, at: now)
        bytes = Allowance(switches.bytesPerSecond, at: now)
    }

    /// Who it is, for the log.
    var name: String { device.isEmpty ? "a client" : device }

    /// A message to the client that is not over: waiting for its moment, or for its PUBACK.
    struct Delivery: Sendable {
        enum Kind: Hashable {
            case config(version: Int)
            case command
        }

        var device: String
        var kind: Kind
        var message: Publish
        var due: Instant
        var tries = 0
    }

    /// An id that no delivery uses [MQTT-2.3.1-4].
    mutating func nextID() -> PacketID {
        repeat { lastID = lastID.successor } while deliveries.contains { $0.message.packetID == lastID }
        retired.removeAll { $0 == lastID }
        return lastID
    }

    /// Ends deliveries; a PUBACK that still comes for them is no error.
    mutating func retire(where isOver: (Delivery) -> Bool) {
        for delivery in deliveries where isOver(delivery) {
            if let id = delivery.message.packetID { retired.append(id) }
        }
        deliveries.removeAll(where: isOver)
        if retired.count > 512 { retired.removeFirst(retired.count - 256) }
    }

    func wasRetired(_ id: PacketID) -> Bool { retired.contains(id) }
}

/// So much a second, of which one second's worth may be used at once; nil is no limit.
struct Allowance: Sendable {
    private let rate: Double?
    private var left: Double
    private var last: Instant

    init(_ rate: Double?, at now: Instant) {
        self.rate = rate
        left = rate ?? 0
        last = now
    }

    mutating func take(_ amount: Double, at now: Instant) -> Bool {
        guard let rate else { return true }
        left = min(rate, left + max(0, (now - last).secondsValue) * rate)
        last = now
        guard left >= amount else { return false }
        left -= amount
        return true
    }
}
