import Base
import MQTT

/// One message with QoS 1 that waits for its PUBACK.
struct Flight: Sendable {
    enum Kind: Hashable, Sendable {
        case record(UInt64)
        case attach
        case detach
        case state
        case availability
        case latest(ByteString)
        /// An empty message on a topic whose retained one is to go.
        case clearing(ByteString)
    }

    var kind: Kind
    var device: DeviceID
    var topics: TopicKind
    var topic: TopicName
    var sent: Instant
    /// Counts messages, so that the order of sending survives.
    var number: UInt64
    /// Of a batch: the records behind the first.
    var others: [UInt64] = []
    var bytes = 0

    /// Sorts records in journal order, everything else before them.
    var seq: UInt64 { if case .record(let seq) = kind { seq } else { 0 } }

    /// Every record that it carries, in order.
    var seqs: [UInt64] { if case .record(let seq) = kind { [seq] + others } else { [] } }

    /// Every record of a batch is suspected by itself, and later sent by itself.
    var suspects: [Suspects.Key] {
        switch kind {
        case .record: seqs.map { Suspects.Key(device, .record($0)) }
        case .attach: [Suspects.Key(device, .attach)]
        case .state: [Suspects.Key(device, .state)]
        case .detach, .availability, .latest, .clearing: []
        }
    }
}

/// Messages in flight, by packet id, with the counts that the window needs.
struct FlightTable: Sendable {
    private var flights = PacketTable<Flight>()
    private var perDevice: [DeviceID: Int] = [:]
    private var attachOrder = Fifo<PacketID>()
    private var numbers: UInt64 = 0
    /// Messages with records, and the payloads of all messages in bytes.
    private(set) var records = 0
    private(set) var bytes = 0
    /// Records behind the first of their message.
    private var others = 0
    private(set) var attaches = 0
    /// Given up; the client sends them no more. Their packet ids are not used again, because a late
    /// PUBACK could be meant for them.
    private(set) var abandoned: [PacketID: Flight] = [:]

    var isEmpty: Bool { flights.isEmpty }
    var count: Int { flights.count }
    /// The same, but every record of a batch counts.
    var carried: Int { flights.count + others }
    func records(of device: DeviceID) -> Int { perDevice[device] ?? 0 }
    subscript(id: PacketID) -> Flight? { flights[id.value] }

    mutating func add(
        _ id: PacketID, _ kind: Flight.Kind, _ device: DeviceID, _ topics: TopicKind,
        _ topic: TopicName, others: [UInt64] = [], bytes: Int = 0,
        at now: Instant
    ) {
        numbers += 1
        flights.insert(
            Flight(
                kind: kind, device: device, topics: topics, topic: topic, sent: now,
                number: numbers, others: others, bytes: bytes),
            for: id.value)
        self.bytes += bytes
        self.others += others.count
        switch kind {
        case .record:
            records += 1
            perDevice[device, default: 0] += 1
        case .attach:
            attaches += 1
            attachOrder.append(id)
        case .detach, .state, .availability, .latest, .clearing: break
        }
    }

    mutating func remove(_ id: PacketID) -> Flight? {
        guard let flight = flights.remove(id.value) else { return nil }
        bytes -= flight.bytes
        others -= flight.others.count
        switch flight.kind {
        case .record:
            records -= 1
            let left = (perDevice[flight.device] ?? 1) - 1
            perDevice[flight.device] = left > 0 ? left : nil
        case .attach: attaches -= 1
        case .detach, .state, .availability, .latest, .clearing: break
        }
        return flight
    }

    /// Takes a message off the table that will not be acknowledged.
    mutating func abandon(_ id: PacketID) -> Flight? {
        guard let flight = remove(id) else { return nil }
        abandoned[id] = flight
        return flight
    }

    mutating func removeAbandoned(_ id: PacketID) -> Flight? { abandoned.removeValue(forKey: id) }

    func ids(of device: DeviceID, where matches: (Flight.Kind) -> Bool) -> [PacketID] {
        flights.elements.filter { $0.value.device == device && matches($0.value.kind) }
            .sorted { $0.value.number < $1.value.number }.compactMap { PacketID($0.id) }
    }

    /// All as packets without an answer, in the order of sending.
    var unanswered: [TopicTrust.Packet] {
        flights.elements.map(\.value).sorted { $0.number < $1.number }.map {
            TopicTrust.Packet(
                kind: $0.topics,
                words: Unanswered.describe(publish: $0.bytes, to: $0.topic.text))
        }
    }

    /// The largest of those that carry several records, in bytes.
    var largestBatch: Int? {
        flights.elements.filter { !$0.value.others.isEmpty }.map(\.value.bytes).max()
    }

    /// When the oldest of them left.
    var oldest: Instant? { flights.elements.min { $0.value.number < $1.value.number }?.value.sent }

    /// The oldest attach that has no answer yet.
    mutating func oldestAttach() -> (id: PacketID, flight: Flight)? {
        while let id = attachOrder.first {
            if let flight = flights[id.value], flight.kind == .attach { return (id, flight) }
            _ = attachOrder.popFirst()
        }
        return nil
    }

    /// Empties the table; in the order of sending.
    mutating func takeAll() -> [Flight] {
        defer { self = FlightTable(numbers: numbers) }
        return flights.elements.map(\.value).sorted { $0.number < $1.number }
    }

    init() {}
    private init(numbers: UInt64) { self.numbers = numbers }
}
