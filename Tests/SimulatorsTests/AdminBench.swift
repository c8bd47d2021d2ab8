import Base
import MQTT
import Simulators
import Testing

/// The admin API in front of a bridge with one registry, spoken to in bytes.
struct AdminBench {
    var cloud: BridgeCloud
    var server = AdminServer()
    var now = Moment(Instant(nanoseconds: 5_000_000_000), WallTime(milliseconds: 1_800_000_000_000))
    var received: [ConnectionID: [UInt8]] = [:]
    var closed: Set<ConnectionID> = []
    var lines: [String] = []
    var activity: [String] = []
    var listening: [Bool] = []
    private var inbox: [ConnectionID: [UInt8]] = [:]
    private var lastConnection: UInt64 = 0

    static let plant = "/v1/projects/acme/locations/us-central1/registries/plant"

    init(
        _ registries: [BridgeRegistry] = [BridgeBench.registry()],
        _ change: (inout BridgeSwitches) -> Void = { _ in }
    ) {
        var switches = BridgeSwitches()
        change(&switches)
        cloud = BridgeCloud(registries, switches: switches)
    }

    var plant: BridgeEmulator {
        cloud.registries[RegistryName(project: "acme", region: "us-central1", registry: "plant")]!
    }

    // MARK: HTTP

    mutating func open() -> ConnectionID {
        lastConnection += 1
        server.connected(ConnectionID(lastConnection), at: now)
        settle()
        return ConnectionID(lastConnection)
    }

    mutating func send(_ id: ConnectionID, _ text: String) { send(id, Array(text.utf8)) }

    mutating func send(_ id: ConnectionID, _ bytes: [UInt8]) {
        server.received(id, bytes[...], &cloud, at: now)
        settle()
    }

    /// One request on a connection of its own: the status and the JSON that came back.
    mutating func ask(
        _ method: String, _ path: String, _ body: String = ""
    ) -> (status: Int, json: JSON) {
        let id = open()
        send(id, Self.request(method, path, body))
        return Self.answer(received[id] ?? [])
    }

    static func request(_ method: String, _ path: String, _ body: String = "") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    static func answer(_ bytes: [UInt8]) -> (status: Int, json: JSON) {
        let text = String(decoding: bytes, as: UTF8.self)
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let end =
            bytes.indices.first { bytes[$0...].starts(with: [13, 10, 13, 10]) }.map { $0 + 4 }
            ?? bytes.count
        return (status, (try? JSONReader.parse(Array(bytes[end...]))) ?? JSON(.null))
    }

    // MARK: MQTT

    mutating func client() -> ConnectionID {
        lastConnection += 1
        let id = ConnectionID(1_000_000 + lastConnection)
        cloud.connected(id, at: now)
        return id
    }

    mutating func exchange(_ id: ConnectionID, _ packet: Packet) -> [Packet] {
        cloud.received(id, packet.bytes[...], at: now)
        return packets(for: id)
    }

    mutating func packets(for id: ConnectionID) -> [Packet] {
        settle()
        var decoder = PacketDecoder()
        decoder.receive(inbox.removeValue(forKey: id)?[...] ?? [])
        var packets: [Packet] = []
        while let packet = try? decoder.next() { packets.append(packet) }
        return packets
    }

    mutating func connect(
        _ id: ConnectionID, _ device: String, key: UInt8 = 1, registry: String = "plant"
    ) -> UInt8? {
        let token = BridgeBench().token(key: key)
        let packet = Connect(
            clientID:
                "projects/acme/locations/us-central1/registries/\(registry)/devices/\(device)",
            keepAlive: 60,
            username: "unused", password: Array(token.utf8))
        for answer in exchange(id, .connect(packet)) {
            if case .connack(let connack) = answer { return connack.code }
        }
        return nil
    }

    mutating func subscribe(
        _ id: ConnectionID, _ filter: String, _ qos: QoS = .atLeastOnce
    ) -> [Packet] {
        exchange(id, .subscribe(Subscribe(PacketID(99)!, [.init(try! TopicFilter(filter), qos)])))
    }

    mutating func publish(_ id: ConnectionID, _ topic: String, _ payload: String = "") -> [Packet] {
        exchange(
            id,
            .publish(
                Publish(
                    topic: try! TopicName(topic), payload: Array(payload.utf8),
                    packetID: PacketID(10)!)))
    }

    // MARK: The shell's part

    mutating func settle() {
        for _ in 0..<100_000 {
            if let output = cloud.next() {
                handle(output)
            } else if let output = server.next() {
                switch output {
                case .send(let id, let bytes): received[id, default: []] += bytes
                case .close(let id): closed.insert(id)
                case .request: Issue.record("a request left the server")
                }
            } else {
                return
            }
        }
        Issue.record("it never stops")
    }

    private mutating func handle(_ output: BridgeCloud.Output) {
        switch output {
        case .send(let id, let bytes): inbox[id, default: []] += bytes
        case .close(let id, _): closed.insert(id)
        case .verify(let ticket, _, let pem, _, let signature):
            cloud.verified(ticket, pem.hasSuffix(" \(signature[0])"), at: now)
        case .telemetry(let name, let message):
            let line = message.line("event", in: name)
            server.messages.add(line)
            lines.append(String(decoding: line, as: UTF8.self))
        case .state(let name, let message): server.messages.add(message.line("state", in: name))
        case .activity(let line): activity.append(line)
        case .commandEnded(let ticket, let isAcknowledged):
            server.commandEnded(ticket, isAcknowledged: isAcknowledged, &cloud, at: now)
        case .listening(let isListening): listening.append(isListening)
        case .log: break
        }
    }

    mutating func wait(_ duration: Duration) {
        let end = now + duration
        for _ in 0..<10_000 {
            let due = min(cloud.deadline ?? .distantFuture, server.deadline ?? .distantFuture)
            guard due <= end.instant else {
                now = end
                return settle()
            }
            now = now + max(.zero, due - now.instant)
            cloud.timeout(at: now)
            server.timeout(&cloud, at: now)
            settle()
        }
        Issue.record("the deadline does not move")
    }
}
