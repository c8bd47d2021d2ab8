import Base
import Bridge
import MQTT
import Testing

/// The broker's side, scripted: it answers as the bridge does, and each `rule` says what becomes of
/// the next matching PUBLISH instead.
struct Broker {
    enum Answer: Equatable {
        case acknowledge
        case silence
        /// A line on the errors topic, and no PUBACK.
        case error(String, thenClose: Bool)
        case close
    }

    var connackCode: UInt8 = 0
    /// Nil: no CONNACK at all.
    var answersConnect = true
    var answer: (Publish) -> Answer = { _ in .acknowledge }
    var subackCode: (TopicFilter) -> UInt8 = { _ in 1 }

    /// Closes instead of a SUBACK.
    var closesOnSubscribe: (TopicFilter) -> Bool = { _ in false }
    /// Answers nothing any more.
    var isDeaf = false

    var onConnect: () -> Void = {}

    private(set) var received: [Packet] = []
    private(set) var subscriptions: [String] = []
    private(set) var connections = 0
    var out: [UInt8] = []
    var closes = false
    private var decoder = PacketDecoder()

    init() {}

    mutating func connected() {
        decoder = PacketDecoder()
        subscriptions = []
        out = []
        closes = false
        connections += 1
        onConnect()
    }

    mutating func receive(_ bytes: [UInt8], from gateway: DeviceID) {
        decoder.receive(bytes[...])
        while let packet = try? decoder.next() {
            received.append(packet)
            guard !closes, !isDeaf else { continue }
            handle(packet, from: gateway)
        }
    }

    private mutating func handle(_ packet: Packet, from gateway: DeviceID) {
        switch packet {
        case .connect:
            if answersConnect { out += Packet.connack(Connack(code: connackCode)).bytes }
            if connackCode != 0 { closes = true }
        case .subscribe(let subscribe):
            if subscribe.requests.contains(where: { closesOnSubscribe($0.filter) }) {
                closes = true
                return
            }
            subscriptions += subscribe.requests.map(\.filter.text)
            let codes = subscribe.requests.map { subackCode($0.filter) }
            out += Packet.suback(Suback(subscribe.packetID, codes)).bytes
        case .publish(let publish):
            switch answer(publish) {
            case .acknowledge:
                if let id = publish.packetID { out += Packet.puback(Puback(id)).bytes }
            case .silence: break
            case .close: closes = true
            case .error(let code, let thenClose):
                reportError(code, about: publish, to: gateway)
                closes = thenClose
            }
        case .pingreq: out += Packet.pingresp(Pingresp()).bytes
        case .disconnect: closes = true
        default: break
        }
    }

    mutating func reportError(_ code: String, about publish: Publish, to gateway: DeviceID) {
        let device = publish.topic.text.split(separator: "/")[1]
        let id = publish.packetID?.value ?? 0
        let text = """
            {"error_type":"\(code)","description":"Because.","device_id":"\(device)",\
            "mqtt_message_info":{"message_type":"PUBLISH","topic":"\(publish.topic.text)","packet_id":\(id)}}
            """
        send("/devices/\(gateway)/errors", Array(text.utf8))
    }

    mutating func send(_ topic: String, _ payload: [UInt8], id: UInt16? = nil, dup: Bool = false) {
        guard let name = try? TopicName(topic) else { return }
        if let id = id.flatMap({ PacketID($0) }) {
            out +=
                Packet.publish(Publish(topic: name, payload: payload, packetID: id, dup: dup)).bytes
        } else {
            out += Packet.publish(Publish(topic: name, payload: payload)).bytes
        }
    }

    var publishes: [Publish] {
        received.compactMap { if case .publish(let publish) = $0 { publish } else { nil } }
    }

    var topics: [String] { publishes.map(\.topic.text) }

    /// What arrived, one word each, since the start.
    var story: [String] {
        received.map { packet in
            switch packet {
            case .publish(let publish): (publish.dup ? "dup " : "") + publish.topic.text
            case .subscribe(let subscribe):
                "SUBSCRIBE " + subscribe.requests.map(\.filter.text).joined(separator: " ")
            default: packet.type.description
            }
        }
    }

    mutating func forgetStory() { received = [] }
}

/// A session, its shell, its journal and its broker under one virtual clock.
struct World {
    var session: Session
    var broker = Broker()
    var now: Moment
    let gateway: DeviceID
    /// What the shell does with `connect`; the round trip is `latency`.
    var linkFails: (LinkTarget) -> LinkFailure? = { _ in nil }
    var signingFails = false
    var failingSigner: Signer?
    var latency: Duration = .milliseconds(20)

    var waiting: [DeviceID: [UInt64]] = [:]
    var settled: [UInt64] = []
    var returned: [UInt64] = []
    var rejected: [UInt64] = []
    var withheld: [UInt64] = []
    var sets: [(DeviceID, ByteString, [UInt8], Delivery)] = []
    var cleared: [String] = []
    var attached: [DeviceID] = []
    var detached: [DeviceID] = []
    var notices: [Notice] = []
    var targets: [(target: LinkTarget, at: Instant)] = []
    var signingInputs: [String] = []
    var signers: [Signer] = []
    var configs: [(DeviceID, [UInt8], Delivery)] = []
    var commands: [(DeviceID, ByteString, [UInt8], Delivery)] = []
    var online = 0
    var offline = 0
    var finished = false
    var closedByUs = 0
    private var linkUp = false
    private var arrival: (due: Instant, bytes: [UInt8], close: Bool)?
    private var steps = 0

    static let start = Moment(
        Instant(nanoseconds: 1_000_000_000), WallTime(milliseconds: 1_790_000_000_000))

    init(
        _ devices: [String] = ["dev-1", "dev-2", "dev-3"], at start: Moment = World.start,
        facts: ClockFacts = ClockFacts(synchronised: true, hasRTC: true), seed: UInt64 = 1,
        change: (inout Session.Settings) -> Void = { _ in }
    ) {
        gateway = device("gw-7")
        var settings = Session.Settings(
            dialect: .cloudIoT(project: "acme", region: "us-central1", registry: "plant"),
            gateway: gateway, endpoints: [LinkTarget(host: "bridge.example", port: 8883)])
        change(&settings)
        now = start
        session = Session(settings, devices: devices.map(device), seed: seed)
        session.clock(facts, at: now)
    }

    mutating func start() {
        session.start(at: now)
        drain()
    }

    /// Starts, and has the first connects refused with these codes; returns when connected, or
    /// after 100 s.
    mutating func start(refusals codes: inout [UInt8]) {
        broker.connackCode = codes.first ?? 0
        start()
        var refused = 0
        run(.seconds(100)) { world in
            world.session.isOnline || world.session.counters.refusals.values.reduce(0, +) > refused
        }
        while !session.isOnline, !codes.isEmpty {
            codes.removeFirst()
            refused += 1
            broker.connackCode = codes.first ?? 0
            run(.seconds(100)) { world in
                world.session.isOnline
                    || world.session.counters.refusals.values.reduce(0, +) > refused
            }
        }
    }

    mutating func add(_ device: DeviceID, _ seqs: some Sequence<UInt64>) {
        waiting[device, default: []].append(contentsOf: seqs)
        drain()
    }

    /// Everything that happens within `duration`.
    mutating func run(_ duration: Duration) { run(duration) { _ in false } }

    /// Until `done`; false if that did not come within `duration`.
    @discardableResult
    mutating func run(_ duration: Duration, until done: (World) -> Bool) -> Bool {
        let end = now.instant + duration
        drain()
        while !done(self) {
            steps += 1
            guard steps < 20_000 else {
                Issue.record("the session does not come to rest")
                return false
            }
            let deadline = session.deadline?.due ?? .distantFuture
            let due = min(deadline, arrival?.due ?? .distantFuture)
            guard due <= end else {
                advance(to: end)
                return done(self)
            }
            advance(to: due)
            if let arrival, arrival.due <= now.instant {
                deliver(arrival.bytes, close: arrival.close)
            } else {
                session.timeout(at: now)
            }
            drain()
        }
        return true
    }

    mutating func advance(to instant: Instant) {
        if instant > now.instant { now = now + (instant - now.instant) }
    }

    private mutating func deliver(_ bytes: [UInt8], close: Bool) {
        arrival = nil
        guard linkUp else { return }
        if !bytes.isEmpty { session.received(bytes[...], at: now) }
        guard close, linkUp else { return }
        drain()
        guard linkUp else { return }
        loseLink(.init(.closed, "the bridge closed the connection"))
    }

    mutating func loseLink(_ failure: LinkFailure = LinkFailure(.other, "the cable is out")) {
        linkUp = false
        arrival = nil
        session.linkClosed(failure, at: now)
        drain()
    }

    /// Carries out every output, then offers records, until nothing is left to do.
    mutating func drain() {
        for _ in 0..<10_000 {
            while let output = session.next() { carryOut(output) }
            if broker.closes || !broker.out.isEmpty, linkUp {
                let earlier = arrival?.bytes ?? []
                arrival = (
                    arrival?.due ?? now.instant + latency, earlier + broker.out, broker.closes
                )
                broker.out = []
            }
            guard offer() else { return }
        }
        Issue.record("the session never stops asking")
    }

    /// As `Gateway.feed` does it: urgent devices first, else in the order of their names.
    private mutating func offer() -> Bool {
        if order.count != waiting.count { order = waiting.keys.sorted() }
        var records = order[...]
        var prior = urgent.sorted()[...]
        var any = false
        while let slot = session.nextSlot(
            urgent: !prior.isEmpty, records: !records.isEmpty, at: now)
        {
            guard let device = slot == .urgent ? prior.first : records.first else { break }
            if let seq = waiting[device]?.first, session.accepts(device, at: now) {
                waiting[device]?.removeFirst()
                let payload = Array("{\"seq\":\(seq)}".utf8)
                let outgoing = Outgoing(
                    seq: seq, device: device, subfolder: subfolders[seq] ?? "", payload: payload)
                session.publish(outgoing, at: now)
                owner[seq] = device
                any = true
            } else if slot == .urgent {
                prior.removeFirst()
            } else {
                records.removeFirst()
            }
        }
        return any || session.hasOutputs
    }

    /// Of records that are no telemetry.
    var subfolders: [UInt64: String] = [:]

    /// The devices of `waiting`, sorted.
    private var order: [DeviceID] = []
    /// Whose records are offered as urgent ones.
    var urgent: Set<DeviceID> = []

    private var owner: [UInt64: DeviceID] = [:]

    private mutating func carryOut(_ output: Session.Output) {
        switch output {
        case .connect(let target):
            targets.append((target, now.instant))
            #expect(!linkUp, "connect while a link is up")
            if let failure = linkFails(target) { return session.linkFailed(failure, at: now) }
            linkUp = true
            broker.connected()
            session.linkUp(at: now)
        case .send(let bytes):
            #expect(linkUp, "bytes without a link")
            broker.receive(bytes, from: gateway)
        case .disconnect:
            if linkUp { closedByUs += 1 }
            linkUp = false
            arrival = nil
        case .sign(let ticket, let signer, let input):
            signers.append(signer)
            signingInputs.append(String(decoding: input, as: UTF8.self))
            if signingFails || failingSigner == signer {
                session.signed(
                    ticket, .failure(SigningFailure("the token is not in the reader")), at: now)
            } else {
                session.signed(ticket, .success([UInt8](repeating: 7, count: 64)), at: now)
            }
        case .settled(let seq): settled.append(seq)
        case .returned(let seq):
            returned.append(seq)
            if let device = owner[seq] {
                waiting[device]?.append(seq)
                waiting[device]?.sort()
            }
        case .rejected(let seq, _, _): rejected.append(seq)
        case .withheld(let seq): withheld.append(seq)
        case .attached(let device): attached.append(device)
        case .detached(let device, _): detached.append(device)
        case .config(let device, let payload, let delivery):
            configs.append((device, payload, delivery))
        case .command(let device, let subfolder, let payload, let delivery):
            commands.append((device, subfolder, payload, delivery))
        case .set(let device, let point, let payload, let delivery):
            sets.append((device, point, payload, delivery))
        case .cleared(let topic): cleared.append(topic.string)
        case .online: online += 1
        case .offline: offline += 1
        case .finished: finished = true
        case .notice(let notice): notices.append(notice)
        }
    }

    func says(_ words: String) -> Int { notices.filter { $0.message.contains(words) }.count }
}

func device(_ text: String) -> DeviceID {
    do { return try DeviceID(text) } catch { preconditionFailure("\(text) \(error.reason)") }
}
