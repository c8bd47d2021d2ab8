import Base
import MQTT
import Simulators
import Testing

/// The emulator with a registry of one gateway, three devices bound to it and one that is not, and
/// clients made by hand. A signature is genuine if its bytes are the number in the key's text.
struct BridgeBench {
    var emulator: BridgeEmulator
    var now = Moment(Instant(nanoseconds: 5_000_000_000), WallTime(milliseconds: 1_800_000_000_000))
    var log: [String] = []
    var activities: [Activity] = []
    var ended: [UInt64: Bool] = [:]
    var telemetry: [BridgeEmulator.Received] = []
    var states: [BridgeEmulator.Received] = []
    var closed: [ConnectionID: String] = [:]
    private var inbox: [ConnectionID: [UInt8]] = [:]
    private var lastConnection: UInt64 = 0

    static let gateway = ConnectionID(1)

    static func key(_ number: UInt8) -> BridgeRegistry.Key {
        BridgeRegistry.Key("-----BEGIN TEST KEY \(number)")
    }

    static func registry(_ method: BridgeRegistry.AuthMethod = .associationOnly) -> BridgeRegistry {
        let role = BridgeRegistry.GatewayRole(
            authMethod: method, bound: ["meter-1", "meter-2", "meter-3"])
        let other = BridgeRegistry.GatewayRole(authMethod: method, bound: ["meter-1"])
        return BridgeRegistry(
            project: "acme", region: "us-central1", registry: "plant",
            devices: [
                "gw-7": .init(keys: [key(1), key(2)], config: Array("{}".utf8), gateway: role),
                "gw-8": .init(keys: [key(1)], gateway: other),
                "meter-1": .init(keys: [key(11)], config: Array("one".utf8)), "meter-2": .init(),
                "meter-3": .init(blocked: true), "loner": .init(keys: [key(5)]),
            ])
    }

    init(
        _ registry: BridgeRegistry = BridgeBench.registry(), faults: BridgeFaults = BridgeFaults(),
        _ change: (inout BridgeSwitches) -> Void = { _ in }
    ) {
        var switches = BridgeSwitches()
        change(&switches)
        emulator = BridgeEmulator(registry: registry, switches: switches, faults: faults)
    }

    /// With gw-7 connected as `gateway` and its errors topic subscribed.
    static func connected(
        _ registry: BridgeRegistry = BridgeBench.registry(), faults: BridgeFaults = BridgeFaults(),
        _ change: (inout BridgeSwitches) -> Void = { _ in }
    ) -> BridgeBench {
        var bench = BridgeBench(registry, faults: faults, change)
        let id = bench.open()
        #expect(bench.connect(id, "gw-7") == 0)
        #expect(bench.subscribe(id, "/devices/gw-7/errors", .atMostOnce) == [0])
        return bench
    }

    // MARK: Clients

    mutating func open() -> ConnectionID {
        lastConnection += 1
        emulator.connected(ConnectionID(lastConnection), at: now)
        return ConnectionID(lastConnection)
    }

    func token(
        key: UInt8 = 1, audience: String = "acme", issued: Int64 = -5, lifetime: Int64 = 3600,
        header: String? = nil
    ) -> String {
        let iat = now.wall.seconds + issued
        let claims = "{\"iat\":\(iat),\"exp\":\(iat + lifetime),\"aud\":\"\(audience)\"}"
        let head = header ?? "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
        let signature = [UInt8](repeating: key, count: 64)
        return [Array(head.utf8), Array(claims.utf8), signature].map { Base64.encodeURL($0) }
            .joined(
                separator: ".")
    }

    /// The code of CONNACK; nil if none came.
    mutating func connect(
        _ id: ConnectionID, _ device: String, token: String? = nil, keepAlive: UInt16 = 60,
        change: (inout Connect) -> Void = { _ in }
    ) -> UInt8? {
        var packet = Connect(
            clientID: "\(emulator.registry.clientIDPrefix)\(device)", keepAlive: keepAlive,
            username: "unused",
            password: Array((token ?? self.token()).utf8))
        change(&packet)
        for answer in exchange(id, .connect(packet)) {
            if case .connack(let connack) = answer { return connack.code }
        }
        return nil
    }

    /// Sends and returns what came back to this client.
    mutating func exchange(_ id: ConnectionID, _ packet: Packet) -> [Packet] {
        emulator.received(id, packet.bytes[...], at: now)
        return packets(for: id)
    }

    mutating func publish(
        _ id: ConnectionID, _ topic: String, _ payload: String = "", packet: UInt16 = 10
    ) -> [Packet] {
        let message = Publish(
            topic: try! TopicName(topic), payload: Array(payload.utf8), packetID: PacketID(packet)!)
        return exchange(id, .publish(message))
    }

    mutating func subscribe(
        _ id: ConnectionID, _ filter: String, _ qos: QoS = .atLeastOnce
    ) -> [UInt8] {
        for answer in subscribing(id, filter, qos) {
            if case .suback(let suback) = answer { return suback.codes }
        }
        return []
    }

    mutating func subscribing(
        _ id: ConnectionID, _ filter: String, _ qos: QoS = .atLeastOnce
    ) -> [Packet] {
        exchange(id, .subscribe(Subscribe(PacketID(99)!, [.init(try! TopicFilter(filter), qos)])))
    }

    /// Carries the emulator's outputs, answering signature checks.
    mutating func settle() {
        for _ in 0..<100_000 {
            guard let output = emulator.next() else { return }
            switch output {
            case .send(let id, let bytes): inbox[id, default: []] += bytes
            case .close(let id, let reason): closed[id] = reason
            case .verify(let ticket, _, let pem, let input, let signature):
                #expect(!input.isEmpty)
                emulator.verified(ticket, pem.hasSuffix(" \(signature[0])"), at: now)
            case .telemetry(let received): telemetry.append(received)
            case .state(let received): states.append(received)
            case .log(let line): log.append(line)
            case .activity(let activity): activities.append(activity)
            case .commandEnded(let ticket, let isAcknowledged): ended[ticket] = isAcknowledged
            }
        }
        Issue.record("the emulator never stops")
    }

    /// What has come for this client since the last call.
    mutating func packets(for id: ConnectionID) -> [Packet] {
        settle()
        var decoder = PacketDecoder()
        decoder.receive(inbox.removeValue(forKey: id)?[...] ?? [])
        var packets: [Packet] = []
        while let packet = try? decoder.next() { packets.append(packet) }
        return packets
    }

    /// Time passes, with every deadline kept on the way.
    mutating func wait(_ duration: Duration) {
        let end = now + duration
        for _ in 0..<100_000 {
            guard let (due, _) = emulator.deadline, due <= end.instant else {
                now = end
                return settle()
            }
            now = now + max(.zero, due - now.instant)
            emulator.timeout(at: now)
            settle()
        }
        Issue.record("the emulator's deadline does not move")
    }
}

let puback: [Packet] = [.puback(Puback(PacketID(10)!))]

/// The errors-topic documents among `packets`.
func errors(_ packets: [Packet]) -> [JSON] {
    packets.compactMap { packet in
        guard case .publish(let message) = packet, message.topic.text.hasSuffix("/errors") else {
            return nil
        }
        #expect(message.qos == .atMostOnce)
        return try? JSONReader.parse(message.payload)
    }
}

func messages(_ packets: [Packet]) -> [Publish] {
    packets.compactMap { if case .publish(let message) = $0 { message } else { nil } }
}
