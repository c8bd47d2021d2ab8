import Base
import Bridge
import FuzzKit
import MQTT

/// The bridge session with a broker that acknowledges, stays silent, closes, reports errors and
/// sends what it likes. Each record that is handed over comes back exactly once: settled, returned
/// or rejected.
package enum SessionFuzz: FuzzTarget {
    package static let budget = Duration.milliseconds(500)

    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        var rig = SessionRig(&choices)
        while !choices.isAtEnd { rig.step(&choices) }
        rig.end()
    }
}

private struct SessionRig {
    private static let start = Moment(
        Instant(nanoseconds: 1_000_000_000), WallTime(milliseconds: 1_790_000_000_000))
    private static let names = ["gw-7", "dev-1", "dev-2", "dev-3"]
    private static let devices = names.compactMap { try? DeviceID($0) }
    private static let codes = GatewayError.Code.allCases.map(\.rawValue) + ["", "NEW_ERROR"]

    private enum Place { case waiting, handed, over }

    private var session: Session
    private var now = Self.start
    private let isCloud: Bool
    private var broker = PacketDecoder()
    private var isUp = false
    private var asksForLink = false
    private var signatures: [UInt64] = []
    /// What the bridge does with the next PUBLISH, by a byte of the input.
    private var mood: [UInt8] = []
    private var replies: [UInt8] = []
    private var closes = false
    private var records: [(device: DeviceID, place: Place)] = []
    private var lastTopic = "/devices/dev-1/events"
    private var lastPacket: UInt16 = 1
    private var deliveries: [Delivery] = []
    private var isFinished = false

    init(_ choices: inout Choices) {
        let flags = choices.byte()
        isCloud = flags & 1 == 0
        var settings = Session.Settings(
            dialect: isCloud
                ? .cloudIoT(project: "acme", region: "us-central1", registry: "plant")
                : .plain(clientID: "gw-7", username: nil, password: nil),
            gateway: Self.devices[0],
            endpoints: [LinkTarget(host: "a", port: 8883), LinkTarget(host: "b", port: 443)],
            keys: flags & 2 == 0 ? [.es256] : [.es256, .rs256],
            tokenLifetime: .seconds(flags & 4 == 0 ? 3600 : 60))
        if flags & 8 != 0 { settings.deviceKeys = [Self.devices[1]: .es256] }
        if flags & 16 != 0 { settings.inFlight.total = 2 }
        settings.trustClock = flags & 32 != 0
        session = Session(settings, devices: Array(Self.devices.dropFirst()), seed: UInt64(flags))
        if flags & 64 == 0 { session.clock(ClockFacts(synchronised: true, hasRTC: true), at: now) }
        session.start(at: now)
        drain()
    }

    mutating func step(_ choices: inout Choices) {
        switch choices.byte() & 15 {
        case 0: mood.append(choices.byte())
        case 1:
            for _ in 0..<(1 + choices.below(8)) {
                records.append((choices.pick(Self.devices), .waiting))
            }
        case 2: session.state(choices.pick(Self.devices), document: Array("{}".utf8), at: now)
        case 3: report(&choices)
        case 4: message(&choices)
        case 5: hear(choices.block())
        case 6: lose()
        case 7: if asksForLink, !isUp { up(choices.bool()) }
        case 8: if let ticket = signatures.popLast() { sign(ticket, choices.byte() & 3 != 0) }
        case 9:
            session.clock(ClockFacts(synchronised: choices.bool(), hasRTC: choices.bool()), at: now)
        case 10: jump(&choices)
        case 11: order(&choices)
        case 12: if let delivery = deliveries.popLast() { session.acknowledge(delivery, at: now) }
        default: wait(choices.duration())
        }
        drain()
    }

    // MARK: The bridge

    private mutating func hear(_ bytes: [UInt8]) {
        guard isUp else { return }
        session.received(bytes[...], at: now)
    }

    private mutating func lose() {
        guard isUp else { return }
        (isUp, replies, closes) = (false, [], false)
        session.linkClosed(LinkFailure(.closed, "closed"), at: now)
    }

    private mutating func up(_ isGood: Bool) {
        asksForLink = false
        guard isGood else { return session.linkFailed(LinkFailure(.refused, "refused"), at: now) }
        isUp = true
        broker = PacketDecoder()
        session.linkUp(at: now)
    }

    private mutating func sign(_ ticket: UInt64, _ isGood: Bool) {
        session.signed(
            ticket,
            isGood
                ? .success([UInt8](repeating: 7, count: 64)) : .failure(SigningFailure("no key")),
            at: now)
    }

    /// A document on the errors topic about the last message, or about anything.
    private mutating func report(_ choices: inout Choices) {
        let flags = choices.byte()
        let device =
            flags & 1 == 0
            ? String(lastTopic.split(separator: "/").dropFirst().first ?? "")
            : choices.pick(Self.names)
        let packet = flags & 2 == 0 ? lastPacket : choices.short()
        var document = Array(
            """
            {"error_type":"\(choices.pick(Self.codes))","description":"x","device_id":"\(device)",\
            "mqtt_message_info":{"message_type":"PUBLISH","topic":"\(lastTopic)","packet_id":\(packet)}}
            """.utf8)
        if flags & 4 != 0 { document = choices.block() }
        deliver("/devices/gw-7/errors", document, nil)
        if flags & 8 != 0 {
            hear(replies)
            replies = []
            lose()
        }
    }

    private mutating func message(_ choices: inout Choices) {
        let device = choices.pick(Self.names + ["none"])
        let kind = choices.pick(["config", "commands", "commands/sub", "state", "commands/"])
        deliver(
            "/devices/\(device)/\(kind)", choices.block(), choices.bool() ? choices.short() : nil)
    }

    private mutating func deliver(_ topic: String, _ payload: [UInt8], _ id: UInt16?) {
        guard let name = try? TopicName(topic) else { return }
        if let id = id.flatMap({ PacketID($0) }) {
            replies += Packet.publish(Publish(topic: name, payload: payload, packetID: id)).bytes
        } else {
            replies += Packet.publish(Publish(topic: name, payload: payload)).bytes
        }
    }

    private mutating func receive(_ bytes: [UInt8]) {
        broker.receive(bytes[...])
        do {
            while let packet = try broker.next() { answer(packet) }
        } catch {
            fatalError("the session breaks the protocol: \(error)")
        }
        demand(!broker.isPartial, "a part of a packet is sent")
    }

    private mutating func answer(_ packet: Packet) {
        let choice = mood.isEmpty ? 0 : mood.removeFirst()
        switch packet {
        case .connect:
            if choice & 7 == 7 { return }
            let code = choice & 7 == 6 ? 1 + choice >> 5 : 0
            replies += Packet.connack(Connack(code: code)).bytes
            if code != 0 { closes = true }
        case .subscribe(let subscribe):
            let codes = subscribe.requests.map { _ in choice & 7 == 6 ? UInt8(0x80) : 1 }
            replies += Packet.suback(Suback(subscribe.packetID, codes)).bytes
        case .unsubscribe(let unsubscribe):
            replies += Packet.unsuback(Unsuback(unsubscribe.packetID)).bytes
        case .pingreq: replies += Packet.pingresp(Pingresp()).bytes
        case .publish(let publish):
            lastTopic = publish.topic.text
            lastPacket = publish.packetID?.value ?? 1
            if lastTopic.hasSuffix("/attach") || lastTopic.hasSuffix("/state") {
                StrictJSON.demand(publish.payload, "what goes to \(lastTopic)")
            }
            switch choice & 7 {
            case 5: break
            case 6: closes = true
            default: if let id = publish.packetID { replies += Packet.puback(Puback(id)).bytes }
            }
        case .disconnect: closes = true
        default: break
        }
    }

    // MARK: The gateway

    private mutating func order(_ choices: inout Choices) {
        let device = choices.pick(Self.devices)
        switch choices.byte() & 7 {
        case 0: session.attach(device, at: now)
        case 1: session.detach(device, at: now)
        case 2: session.release(device, at: now)
        case 3: session.attachFirst([device])
        case 4: session.stop(at: now)
        default: break
        }
    }

    /// The wall clock is set; a session never relies on it going on.
    private mutating func jump(_ choices: inout Choices) {
        let steps: [Int64] = [-3_600_000, 3_600_000, -1000, 86_400_000, -1_700_000_000_000]
        now.wall = now.wall + .milliseconds(choices.pick(steps))
    }

    private mutating func wait(_ duration: Duration) {
        let end = now + duration
        var limit = StepLimit(20_000, "the session never rests")
        while let due = session.deadline?.due, due <= end.instant {
            limit.step()
            if due > now.instant { now = now + (due - now.instant) }
            session.timeout(at: now)
            drain()
        }
        now = end
    }

    private mutating func drain() {
        var limit = StepLimit(20_000, "outputs without end")
        while true {
            limit.step()
            while let output = session.next() {
                limit.step()
                carryOut(output)
            }
            if asksForLink, !isUp, mood.first.map({ $0 & 0x80 == 0 }) ?? true {
                up(true)
            } else if !signatures.isEmpty, mood.first.map({ $0 & 0x40 == 0 }) ?? true {
                sign(signatures.removeFirst(), true)
            } else if isUp, !replies.isEmpty || closes {
                let bytes = replies
                let isLast = closes
                (replies, closes) = ([], false)
                if !bytes.isEmpty { hear(bytes) }
                if isLast { lose() }
            } else if !offer() {
                return
            }
        }
    }

    /// Gives the first record of each device that the session accepts.
    private mutating func offer() -> Bool {
        var seen: Set<DeviceID> = []
        for index in records.indices where records[index].place == .waiting {
            let device = records[index].device
            guard seen.insert(device).inserted, session.accepts(device, at: now) else { continue }
            records[index].place = .handed
            session.publish(
                Outgoing(
                    seq: UInt64(index + 1), device: device,
                    payload: Array("{\"seq\":\(index + 1)}".utf8)), at: now)
            return true
        }
        return false
    }

    private mutating func carryOut(_ output: Session.Output) {
        demand(!isFinished, "an output after the end: \(output)")
        switch output {
        case .connect:
            demand(!isUp && !asksForLink, "a second link is asked for")
            asksForLink = true
        case .send(let bytes):
            demand(isUp, "bytes without a link")
            receive(bytes)
        case .disconnect: (isUp, asksForLink, replies, closes) = (false, false, [], false)
        case .sign(let ticket, _, _): signatures.append(ticket)
        case .settled(let seq): move(seq, to: .over)
        case .returned(let seq): move(seq, to: .waiting)
        case .rejected(let seq, _, _), .withheld(let seq): move(seq, to: .over)
        case .config(_, _, let delivery), .command(_, _, _, let delivery),
            .set(_, _, _, let delivery):
            deliveries.append(delivery)
        case .attached(let device), .detached(let device, _):
            demand(Self.devices.contains(device), "\(device) is none of ours")
        case .finished: isFinished = true
        case .notice(let notice): demand(!notice.message.isEmpty, "an empty line")
        case .online, .offline, .cleared: break
        }
    }

    private mutating func move(_ seq: UInt64, to place: Place) {
        let index = Int(seq) - 1
        demand(records.indices.contains(index), "record \(seq) was never handed over")
        demand(
            records[index].place == .handed,
            "record \(seq) becomes \(place) without having been handed over")
        records[index].place = place
    }

    /// A bridge that is well again takes everything that it has not refused.
    mutating func end() {
        mood = []
        wait(.seconds(120))
        session.stop(at: now)
        drain()
        wait(.seconds(60))
        demand(isFinished, "the session does not end")
        demand(
            !records.contains { $0.place == .handed },
            "a record is neither settled nor returned at the end")
        demand(session.deadline == nil, "a session that has ended waits for something")
    }
}
