import Base
import FuzzKit
import MQTT
import Simulators

/// The bridge emulator with several clients, good ones and others, and an operator who gives
/// orders.
package enum BridgeFuzz: FuzzTarget {
    package static let start = Moment(
        Instant(nanoseconds: 5_000_000_000), WallTime(milliseconds: 1_800_000_000_000))

    /// One gateway with two devices and one that is blocked, and a device that connects itself.
    /// Whoever signs with the byte 1 is genuine.
    package static let registry: BridgeRegistry = {
        let key = BridgeRegistry.Key("-----BEGIN TEST KEY 1")
        let role = BridgeRegistry.GatewayRole(
            authMethod: .associationOnly, bound: ["meter-1", "meter-2", "meter-3"])
        return BridgeRegistry(
            project: "acme", region: "us-central1", registry: "plant",
            devices: [
                "gw-7": .init(keys: [key], config: Array("{}".utf8), gateway: role),
                "meter-1": .init(config: Array("one".utf8)), "meter-2": .init(),
                "meter-3": .init(blocked: true),
                "loner": .init(keys: [key]),
            ])
    }()

    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var rig = BridgeRig(&choices)
        while !choices.isAtEnd { rig.step(&choices) }
        rig.end()
    }
}

private struct BridgeRig {
    private static let topics = [
        "/devices/gw-7/events", "/devices/gw-7/state", "/devices/meter-1/attach",
        "/devices/meter-1/events",
        "/devices/meter-1/state", "/devices/meter-1/detach", "/devices/meter-2/attach",
        "/devices/meter-3/attach",
        "/devices/none/attach", "/devices/meter-2/events/alarm", "/devices/gw-7/events/health/x",
        "other", "/devices//events",
    ]
    private static let filters = [
        "/devices/gw-7/config", "/devices/gw-7/errors", "/devices/gw-7/commands/#",
        "/devices/meter-1/config",
        "/devices/meter-1/commands/#", "/devices/+/config", "#", "/devices/none/config",
    ]
    private static let orders = [
        "config gw-7 {}", "config meter-1 x", "command gw-7 x", "command meter-1/a/b x",
        "detach meter-1", "block meter-1",
        "unblock meter-1", "delete meter-2", "bind gw-7 meter-2", "unbind gw-7 meter-1",
        "close gw-7", "close", "away 3s",
        "back", "mute 5s", "unmute", "refuse 5 2s", "accept", "drop-pubacks 2", "drop-messages 3",
        "duplicates 2",
        "delay-pubacks 700", "delay-pubacks off", "close-after 5", "close-after off",
        "close-every 3", "throttle 2",
        "throttle off", "close-every off", "drop-pubacks off",
    ]
    private static let clientsMax = 6

    private var cloud: BridgeCloud
    private var now = BridgeFuzz.start
    /// Open connections, by number, and what decodes the bytes that go to each.
    private var clients: [ConnectionID: PacketDecoder] = [:]
    private var lastClient: UInt64 = 0
    private var current = ConnectionID(0)

    init(_ choices: inout Choices) {
        var switches = BridgeSwitches()
        // One switch of the emulator, with one of its words or a number.
        let knob = choices.pick(BridgeKnob.all)
        let words = knob.value.split(separator: "|").map(String.init) + ["0", "1", "7", "300"]
        try? BridgeKnob.set(
            ByteString(knob.name), to: ByteString(choices.pick(words)), in: &switches)
        cloud = BridgeCloud([BridgeFuzz.registry], switches: switches, seed: 1)
    }

    mutating func step(_ choices: inout Choices) {
        switch choices.byte() & 15 {
        case 0: open()
        case 1:
            current = clients.keys.sorted().last { $0 < current } ?? clients.keys.max() ?? current
        case 2, 3: connect(&choices)
        case 4, 5, 6: publish(&choices)
        case 7: subscribe(&choices)
        case 8: send(.puback(Puback(PacketID(choices.short() & 15) ?? .first)))
        case 9: send(choices.bool() ? .pingreq(Pingreq()) : .disconnect(Disconnect()))
        case 10: cloud.received(current, choices.block()[...], at: now)
        case 11: leave()
        case 12: _ = try? cloud.obey(choices.pick(Self.orders), at: now)
        case 13: _ = try? cloud.obey(String(decoding: choices.block(), as: UTF8.self), at: now)
        default: wait(choices.duration())
        }
        drain()
    }

    private mutating func open() {
        guard clients.count < Self.clientsMax else { return }
        lastClient += 1
        current = ConnectionID(lastClient)
        clients[current] = PacketDecoder()
        cloud.connected(current, at: now)
    }

    private mutating func leave() {
        clients[current] = nil
        cloud.disconnected(current, at: now)
    }

    private mutating func send(_ packet: Packet) {
        guard clients[current] != nil else { return }
        cloud.received(current, packet.bytes[...], at: now)
    }

    private mutating func connect(_ choices: inout Choices) {
        let flags = choices.byte()
        let device = choices.pick(["gw-7", "loner", "meter-1", "none"])
        let issued = now.wall.seconds - (flags & 1 == 0 ? 5 : 100_000)
        let claims =
            flags & 2 == 0
            ? Array("{\"iat\":\(issued),\"exp\":\(issued + 3600),\"aud\":\"acme\"}".utf8)
            : choices.block()
        let parts = [
            Array("{\"alg\":\"ES256\",\"typ\":\"JWT\"}".utf8), claims,
            [UInt8](repeating: flags & 4 == 0 ? 1 : 2, count: 64),
        ]
        let token = parts.map { Base64.encodeURL($0) }.joined(separator: ".")
        send(
            .connect(
                Connect(
                    clientID: BridgeFuzz.registry.clientIDPrefix.string + device,
                    keepAlive: flags & 8 == 0 ? 60 : 0,
                    cleanSession: flags & 16 == 0, username: "unused", password: Array(token.utf8)))
        )
    }

    private mutating func publish(_ choices: inout Choices) {
        guard let topic = try? TopicName(choices.pick(Self.topics)) else { return }
        let flags = choices.byte()
        let payload = flags & 1 == 0 ? Array("{}".utf8) : choices.block()
        guard flags & 2 == 0, let id = PacketID(UInt16(flags >> 2) + 1) else {
            return send(.publish(Publish(topic: topic, payload: payload, retain: flags & 4 != 0)))
        }
        send(.publish(Publish(topic: topic, payload: payload, packetID: id)))
    }

    private mutating func subscribe(_ choices: inout Choices) {
        guard let filter = try? TopicFilter(choices.pick(Self.filters)) else { return }
        let qos: QoS = choices.bool() ? .atLeastOnce : .atMostOnce
        if choices.byte() & 7 == 0 {
            send(.unsubscribe(Unsubscribe(.first, [filter])))
        } else {
            send(.subscribe(Subscribe(.first, [.init(filter, qos)])))
        }
    }

    private mutating func wait(_ duration: Duration) {
        let end = now + duration
        var limit = StepLimit(20_000, "the emulator never rests")
        while let due = cloud.deadline, due <= end.instant {
            limit.step()
            now = now + max(.zero, due - now.instant)
            cloud.timeout(at: now)
            drain()
            demand(
                cloud.deadline.map { $0 > now.instant } ?? true,
                "the emulator's deadline stays in the past")
        }
        now = end
    }

    private mutating func drain() {
        var limit = StepLimit(20_000, "outputs without end")
        while let output = cloud.next() {
            limit.step()
            switch output {
            case .send(let id, let bytes): check(bytes, to: id)
            case .close(let id, let reason):
                demand(
                    clients.removeValue(forKey: id) != nil,
                    "a connection is closed twice: \(reason)")
            case .verify(let ticket, _, _, _, let signature):
                cloud.verified(ticket, signature.first == 1, at: now)
            case .telemetry(let name, let message):
                StrictJSON.demand(message.line("event", in: name), "a line of telemetry")
            case .state(let name, let message):
                StrictJSON.demand(message.line("state", in: name), "a line of state")
            case .activity(let line):
                StrictJSON.demand(Array(line.utf8), "a line of the activity log")
            case .listening(let isListening): if !isListening { clients = [:] }
            case .log, .commandEnded: break
            }
        }
    }

    /// What goes to a client is MQTT, and documents on the errors topic are JSON.
    private mutating func check(_ bytes: [UInt8], to id: ConnectionID) {
        demand(clients[id] != nil, "bytes for a connection that is closed")
        clients[id]?.receive(bytes[...])
        do {
            while let packet = try clients[id]?.next() {
                guard case .publish(let publish) = packet, publish.topic.text.hasSuffix("/errors")
                else { continue }
                StrictJSON.demand(publish.payload, "a document on the errors topic")
            }
        } catch {
            fatalError("the emulator breaks the protocol: \(error)")
        }
        demand(clients[id]?.isPartial == false, "a part of a packet is sent")
    }

    mutating func end() {
        for id in clients.keys.sorted() {
            current = id
            leave()
            drain()
        }
        wait(.seconds(60))
    }
}
