import Base
import MQTT

/// State that the emulator keeps for one connection; attachments and subscriptions end with it
/// (E26).
struct BridgeConnection: Sendable {
    enum Phase { case fresh, verifying, open }

    var phase = Phase.fresh
    var decoder: PacketDecoder
    var opened: Instant
    var lastReceived: Instant
    /// Missed bytes while the emulator was mute: it stays silent until it ends.
    var isDeaf = false
    /// The client's device ID; empty until CONNECT was read.
    var device: ByteString = ""
    var isGateway = false
    /// A signature is being verified; packets behind it wait, since they are taken in order (E22).
    var isWaiting = false
    /// 1.5 times keep alive, nil if it is off.
    var silenceMax: Duration?
    var tokenEnds: Instant?
    var lifetimeEnds: Instant?
    var resetAt: Instant?
    /// A fault: when the next packet may be read; nil if nothing holds it back.
    var readsAgain: Instant?
    var attached: Set<ByteString> = []
    /// Topic filter to granted QoS.
    var subscriptions: [ByteString: QoS] = [:]
    var packets = 0
    var messages: Allowance
    var bytes: Allowance
    private(set) var deliveries: [PacketID: Delivery] = [:]
    /// No delivery is due before that; nil if there is none.
    private(set) var deliveryDue: Instant?
    /// The delivery of each device's configuration, if it has no PUBACK yet.
    private var configs: [ByteString: PacketID] = [:]
    private var retired: [PacketID] = []
    private var deliveryCount = 0
    private var lastID = PacketID.first

    init(at now: Instant, _ switches: BridgeSwitches) {
        opened = now
        lastReceived = now
        decoder = PacketDecoder(packetSizeMax: switches.eventsMax + (128 << 10))
        messages = Allowance(switches.messagesPerSecond, at: now)
        bytes = Allowance(switches.bytesPerSecond, at: now)
    }

    /// Name of the client, for the log.
    var name: String { device.isEmpty ? "a client" : device.string }

    /// A message to the client that is not over: waiting for its moment, or for its PUBACK.
    struct Delivery: Sendable {
        enum Kind: Hashable {
            case config(version: Int)
            case command
        }

        var device: ByteString
        var kind: Kind
        /// Ticket of the request that waits for the PUBACK of this command.
        var ticket: UInt64?
        var message: Publish
        var due: Instant
        var tries = 0
        /// The order in which they were made.
        var number = 0
    }

    /// An id that no delivery uses [MQTT-2.3.1-4].
    mutating func nextID() -> PacketID {
        repeat { lastID = lastID.successor } while deliveries[lastID] != nil
        retired.removeAll { $0 == lastID }
        return lastID
    }

    /// Makes room for a newer configuration, whether the old one has its PUBACK or not (E16).
    mutating func retireConfig(of device: ByteString) {
        if let old = configs[device] { retire(old) }
    }

    mutating func add(_ delivery: Delivery, as id: PacketID) {
        if case .config = delivery.kind { configs[delivery.device] = id }
        deliveryCount += 1
        deliveries[id] = delivery
        deliveries[id]?.number = deliveryCount
        deliveryDue = min(deliveryDue ?? delivery.due, delivery.due)
    }

    /// Ends a delivery; a PUBACK that still comes for it is no error.
    mutating func retire(_ id: PacketID) {
        guard let delivery = deliveries.removeValue(forKey: id) else { return }
        if configs[delivery.device] == id { configs[delivery.device] = nil }
        if deliveries.isEmpty { deliveryDue = nil }
        guard delivery.message.packetID != nil else { return }
        retired.append(id)
        if retired.count > 512 { retired.removeFirst(256) }
    }

    /// The tickets of the commands among them.
    mutating func retireAll(of device: ByteString) -> [UInt64] {
        let gone = deliveries.filter { $0.value.device == device }
        for id in gone.keys { retire(id) }
        return gone.values.compactMap(\.ticket).sorted()
    }

    /// Takes the messages that are to be sent now, in order; each is due again after `retry`. A
    /// delivery ends when it has been sent with QoS 0, or as a command `commandTries` times.
    mutating func takeDue(at now: Instant, _ switches: BridgeSwitches) -> [Publish] {
        let due = deliveries.filter { $0.value.due <= now }.sorted {
            $0.value.number < $1.value.number
        }
        var messages: [Publish] = []
        for (id, delivery) in due {
            if delivery.kind == .command, delivery.tries >= switches.commandTries {
                retire(id)
                continue
            }
            var message = delivery.message
            message.dup = delivery.tries > 0
            messages.append(message)
            if message.packetID == nil {
                retire(id)
            } else {
                deliveries[id]?.tries += 1
                deliveries[id]?.due = now + max(switches.retry, .milliseconds(1))
            }
        }
        deliveryDue = deliveries.values.map(\.due).min()
        return messages
    }

    /// Of the commands whose PUBACK somebody waits for.
    var tickets: [UInt64] { deliveries.values.compactMap(\.ticket).sorted() }

    func wasRetired(_ id: PacketID) -> Bool { retired.contains(id) }
}

/// Allows an amount per second, of which one second's worth may be used at once; nil is no limit.
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
