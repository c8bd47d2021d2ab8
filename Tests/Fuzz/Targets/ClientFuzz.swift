import Base
import FuzzKit
import MQTT

/// The MQTT client machine against a broker that sends what the input says, at times that it says.
package enum ClientFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var rig = ClientRig(&choices)
        while !choices.isAtEnd { rig.step(&choices) }
        rig.end()
    }
}

private struct ClientRig {
    private var client: Client
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var sent = PacketDecoder()
    private var packetsSent = 0
    /// Messages with QoS 1 that were given to the client and not reported as published.
    private var open: Set<UInt16> = []
    private var asked: Set<UInt16> = []
    private var isOver = false
    private var hasConnected = false

    init(_ choices: inout Choices) {
        let flags = choices.byte()
        client = Client(
            Client.Settings(
                clientID: flags & 1 == 0 ? "gateway" : "", username: flags & 2 == 0 ? nil : "u",
                password: flags & 4 == 0 ? nil : [1, 2, 3],
                keepAlive: .seconds(Int(flags >> 4) * 10),
                cleanSession: flags & 8 == 0, packetSizeMax: 512))
    }

    mutating func step(_ choices: inout Choices) {
        switch choices.byte() & 15 {
        case 0: client.connect(at: now)
        case 1, 2: publish(&choices)
        case 3: subscribe(&choices)
        case 4: if let id = PacketID(choices.short() & 7) { client.abandon(id) }
        case 5: if let id = PacketID(choices.short()) { client.acknowledge(id) }
        case 6: client.disconnect()
        case 7, 8: wait(choices.duration())
        case 9:
            client.receive(Packet.connack(Connack(code: choices.byte() & 7)).bytes[...], at: now)
        case 10: answer(Packet.puback(Puback(id(&choices))))
        case 11: answer(Packet.suback(Suback(id(&choices), choices.bytes(choices.below(4)))))
        case 12: answer(Packet.unsuback(Unsuback(id(&choices))))
        case 13: answer(Packet.pingresp(Pingresp()))
        case 14: deliver(&choices)
        default: client.receive(choices.block()[...], at: now)
        }
        drain()
    }

    private func id(_ choices: inout Choices) -> PacketID {
        PacketID(choices.short() % 9) ?? .first
    }

    private mutating func answer(_ packet: Packet) { client.receive(packet.bytes[...], at: now) }

    private mutating func deliver(_ choices: inout Choices) {
        guard let topic = try? TopicName("/devices/a/config") else { return }
        let qos = choices.byte()
        let payload = choices.block()
        if qos & 1 == 0 {
            answer(Packet.publish(Publish(topic: topic, payload: payload)))
        } else {
            answer(
                Packet.publish(
                    Publish(
                        topic: topic, payload: payload, packetID: id(&choices), dup: qos & 2 != 0)))
        }
    }

    private mutating func publish(_ choices: inout Choices) {
        guard let topic = try? TopicName("t"), client.isConnected else { return }
        let qos: QoS = choices.bool() ? .atLeastOnce : .atMostOnce
        let id = client.publish(topic: topic, payload: choices.block(), qos: qos, at: now)
        demand((id == nil) == (qos == .atMostOnce), "a packet id without QoS 1, or none with it")
        guard let id, client.isConnected else { return }
        demand(open.insert(id.value).inserted, "packet id \(id.value) is given out twice")
        demand(!asked.contains(id.value), "packet id \(id.value) waits for a SUBACK")
    }

    private mutating func subscribe(_ choices: inout Choices) {
        guard client.isConnected, let filter = try? TopicFilter("/devices/+/config") else { return }
        let filters = Array(repeating: (filter, QoS.atLeastOnce), count: 1 + choices.below(3))
        let isLeaving = choices.bool()
        let id =
            isLeaving
            ? client.unsubscribe(filters.map(\.0), at: now) : client.subscribe(filters, at: now)
        guard client.isConnected else { return }
        demand(asked.insert(id.value).inserted, "packet id \(id.value) is asked with twice")
    }

    private mutating func wait(_ duration: Duration) {
        let end = now + duration
        var limit = StepLimit(20_000, "the client never rests")
        while let due = client.deadline?.due, due <= end {
            limit.step()
            now = max(now, due)
            client.timeout(at: now)
            drain()
            demand(
                client.deadline.map { $0.due > now } ?? true,
                "the client's deadline stays in the past")
        }
        now = end
    }

    private mutating func drain() {
        var limit = StepLimit(10_000, "outputs without end")
        while let output = client.next() {
            limit.step()
            demand(!isOver, "an output after the end: \(output)")
            switch output {
            case .send(let bytes): check(bytes)
            case .connected: hasConnected = true
            case .refused, .close:
                isOver = true
                demand(
                    client.deadline == nil && client.inFlight == 0, "a closed client still waits")
            case .published(let id):
                demand(open.remove(id.value) != nil, "\(id) is published without having been sent")
            case .subscribed(let id, _), .unsubscribed(let id):
                demand(asked.remove(id.value) != nil, "\(id) is granted without having been asked")
            case .message(let message): demand(message.qos != .exactlyOnce, "a message with QoS 2")
            }
        }
        demand(client.inFlight <= open.count, "more is in flight than was sent")
    }

    private mutating func check(_ bytes: [UInt8]) {
        sent.receive(bytes[...])
        do {
            while let packet = try sent.next() {
                packetsSent += 1
                demand(
                    (packetsSent == 1) == (packet.type == .connect),
                    "CONNECT is the first packet and no other")
                demand(hasConnected || packetsSent == 1, "\(packet.type) before CONNACK")
            }
        } catch {
            fatalError("the client breaks the protocol: \(error)")
        }
        demand(!sent.isPartial, "a part of a packet is sent")
    }

    /// Whatever has happened, the client comes to an end: nobody answers any more.
    mutating func end() {
        for _ in 0..<3 { wait(.seconds(600)) }
    }
}
