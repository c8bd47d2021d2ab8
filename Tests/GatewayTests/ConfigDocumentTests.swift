import Adapter
import Base
import Drivers
import Gateway
import MQTT
import TestKit
import Testing

/// A composed gateway on a plain broker, with a unit on a line that answers every read at once.
struct ConfigWorld {
    var gateway: Gateway
    var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    var disk: VirtualDisk
    private(set) var published: [Publish] = []
    private(set) var pubacks: [UInt16] = []
    private(set) var notices: [Notice] = []
    private(set) var levels: [Notice.Level?] = []
    /// Function code and address of every request.
    private(set) var requests: [[UInt8]] = []
    /// Where and when.
    private(set) var asked: [(at: Instant, address: UInt8)] = []
    var diskIsSlow = false
    /// PUBACKs are kept back.
    var isSilent = false
    private var answer: [UInt8]?
    private var held: [DiskRequest] = []
    private var decoder = PacketDecoder()
    private var events: [Event] = []
    private var replies: [(due: Instant, port: PortName, bytes: [UInt8])] = []

    /// `bridge`: more keys of that section.
    init(
        _ nodes: String, disk: VirtualDisk = VirtualDisk(), bridge: String = "", boot: UInt8 = 1,
        at now: Moment? = nil
    ) throws {
        let text = Samples.withNodes(nodes).replacing(
            "gateway: \"gw-1\"", with: "gateway: \"gw-1\", " + bridge)
        let (configuration, diagnostics) = Samples.read(text)
        #expect(diagnostics.map(\.description) == [])
        let settings = Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
            version: "9.9")
        gateway = Gateway(settings, bootID: [UInt8](repeating: boot, count: 16), seed: 1)
        self.disk = disk
        if let now { self.now = now }
        let now = self.now
        gateway.start(at: now)
        drain()
        run(for: .seconds(1))
    }

    mutating func run(for time: Duration) {
        let end = now.instant + time
        for _ in 0..<20_000 {
            let due = min(gateway.deadline ?? .distantFuture, replies.first?.due ?? .distantFuture)
            guard due <= end else {
                now = now + (end - now.instant)
                return
            }
            if due > now.instant { now = now + (due - now.instant) }
            if let reply = replies.first, reply.due <= now.instant {
                replies.removeFirst()
                events.append(.line(reply.port, .received(reply.bytes)))
            } else {
                gateway.timeout(at: now)
            }
            drain()
        }
        Issue.record("the gateway spins")
    }

    mutating func config(_ device: String, _ text: String, id: UInt16) throws {
        try deliver("/devices/\(device)/config", text, id)
    }

    mutating func command(_ device: String, _ text: String, id: UInt16, retain: Bool = false) throws
    {
        try deliver("/devices/\(device)/commands", text, id, retain: retain)
    }

    mutating func trustClock() {
        events.append(.clock(ClockFacts(synchronised: true, hasRTC: true)))
        drain()
    }

    /// Another file: the same but for its nodes.
    mutating func reload(_ nodes: String, bridge: String = "") throws {
        let (configuration, _) = Samples.read(
            Samples.withNodes(nodes).replacing(
                "gateway: \"gw-1\"", with: "gateway: \"gw-1\", " + bridge))
        let settings = Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
            version: "9.9")
        events.append(.reload(settings, needRestart: []))
        drain()
    }

    mutating func terminate() {
        events.append(.terminate)
        drain()
    }

    /// Records in the journal that the broker has not acknowledged.
    mutating func waiting() -> Int {
        events.append(.control(ControlTicket(1), Array(#"{"get":"status"}"#.utf8)))
        drain()
        let status = answer.flatMap { try? JSONReader.parse($0) }
        return status?["spool"]?["waiting"]?.integer.map { Int($0) } ?? -1
    }

    mutating func deliver(
        _ topic: String, _ text: String, _ id: UInt16, retain: Bool = false
    ) throws {
        let topic = try TopicName(topic)
        let packet = Packet.publish(
            Publish(
                topic: topic, payload: Array(text.utf8), packetID: try #require(PacketID(id)),
                retain: retain))
        events.append(.link(.received(packet.bytes)))
        drain()
    }

    mutating func finishDisk() {
        diskIsSlow = false
        for request in held { events.append(.disk(request.ticket, disk.perform(request))) }
        held = []
        drain()
    }

    func texts(_ topic: String) -> [String] {
        published.filter { $0.topic.text == topic }.map {
            String(decoding: $0.payload, as: UTF8.self)
        }
    }

    func state(_ device: String) throws -> JSON {
        try JSONReader.parse(try #require(texts("/devices/\(device)/state").last))
    }

    func says(_ words: String) -> Int { notices.filter { $0.message.contains(words) }.count }

    mutating func forgetRequests() { requests = [] }

    private mutating func drain() {
        for _ in 0..<10_000 {
            while let effect = gateway.next() { carryOut(effect) }
            if events.isEmpty { return }
            let all = events
            events = []
            for event in all { gateway.receive(event, at: now) }
        }
        Issue.record("effects without end")
    }

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .openLine(let name, _):
            events.append(
                .line(name, .opened(LineFacts(path: "/dev/test", isPseudoTerminal: true))))
        case .line(let name, .transmit(let request, _)),
            .line(let name, .schedule(let request, _, _)):
            answer(request, on: name)
        case .line(let name, .burst(let burst)):
            let log = burst.brokenOff(at: now.instant)
            events.append(.line(name, .carried(log, [])))
            for one in log { answer(one.frame, on: name) }
        case .disk(let request) where diskIsSlow && request.volume == .state: held.append(request)
        case .disk(let request): events.append(.disk(request.ticket, disk.perform(request)))
        case .connect:
            decoder = PacketDecoder()
            events.append(.link(.up))
        case .send(let bytes):
            decoder.receive(bytes[...])
            while let packet = try? decoder.next() { take(packet) }
        case .notice(let notice): notices.append(notice)
        case .logLevel(let level): levels.append(level)
        case .answer(_, let document): answer = document
        default: break
        }
    }

    /// Every register holds 7, every bit 1, and both take any value.
    private mutating func answer(_ request: [UInt8], on port: PortName) {
        guard request.count == 8 else { return }
        // What only proves the order of replies comes back as it is.
        if request[1] == 8 {
            return replies.append((now.instant + .milliseconds(30), port, request))
        }
        requests.append(Array(request[1..<4]))
        asked.append((now.instant, request[3]))
        if request[1] == 6 || request[1] == 5 {
            return replies.append((now.instant + .milliseconds(30), port, request))
        }
        let count = request[5]
        let body: [UInt8] =
            request[1] <= 2
            ? [request[0], request[1], (count + 7) / 8]
                + [UInt8](repeating: 0xFF, count: (Int(count) + 7) / 8)
            : [request[0], request[1], count * 2]
                + (0..<count).flatMap { _ in [0, 7] as [UInt8] }
        let crc = CRC16.checksum(body[...])
        replies.append(
            (now.instant + .milliseconds(30), port, body + [UInt8(crc & 0xFF), UInt8(crc >> 8)]))
    }

    private mutating func take(_ packet: Packet) {
        switch packet {
        case .connect: events.append(.link(.received(Packet.connack(Connack(code: 0)).bytes)))
        case .subscribe(let subscribe):
            let suback = Suback(subscribe.packetID, subscribe.requests.map { _ in 1 })
            events.append(.link(.received(Packet.suback(suback).bytes)))
        case .publish(let publish):
            published.append(publish)
            if let id = publish.packetID, !isSilent {
                events.append(.link(.received(Packet.puback(Puback(id)).bytes)))
            }
        case .puback(let puback): pubacks.append(puback.packetID.value)
        default: break
        }
    }
}

/// Config documents from the bridge: narrowed reads, kept over restarts, acknowledged by state.
@Suite struct ConfigDocumentTests {
    static let nodes = """
        "meter-1": { unit: 1, every: "1s", points: { a: { holding: 0 }, b: { holding: 100 } } },
        "meter-2": { unit: 2, every: "5s", points: { level: { holding: 0 } } },
        """

    private static func hash(_ text: String) -> String {
        Hex.encode(SHA256.digest(Array(text.utf8)).prefix(8), separator: "").lowercased()
    }

    /// Requests in 20 s, by function, address.
    private static func reads(_ world: inout ConfigWorld) -> Int {
        world.forgetRequests()
        world.run(for: .seconds(20))
        return world.requests.count
    }

    @Test func aDeviceIsReadMoreRarelyAndSaysSoByTheHashOfTheDocument() throws {
        var world = try ConfigWorld(Self.nodes)
        let before = Self.reads(&world)
        #expect((42...46).contains(before), "two reads a second and four: \(before)")
        let text = #"{"every":"10s","points":{"b":{"enabled":false}}}"#
        try world.config("meter-1", text, id: 5)
        world.run(for: .seconds(12))
        #expect(world.pubacks.contains(5))
        #expect(try world.state("meter-1")["config"]?.string?.string == Self.hash(text))
        let after = Self.reads(&world)
        #expect((5...7).contains(after), "two reads and four: \(after)")
        #expect(!world.requests.contains { $0[2] == 100 }, "b is off")
        #expect(
            world.texts("/devices/meter-1/events").last?.contains("\"values\":{\"a\":7}") == true)
        // The other device has noticed nothing.
        #expect(try world.state("meter-2")["config"] == nil)
        // Empty takes it back.
        try world.config("meter-1", "", id: 6)
        world.run(for: .seconds(12))
        let again = Self.reads(&world)
        #expect(again == before)
        #expect(try world.state("meter-1")["config"] == nil && world.pubacks.contains(6))
    }

    @Test func theGatewaysOwnDocumentIsForAllOfThem() throws {
        var world = try ConfigWorld(Self.nodes)
        let text = #"{"every":"5s","logLevel":"error","nodes":{"meter-2":{"enabled":false}}}"#
        try world.config("gw-1", text, id: 5)
        world.run(for: .seconds(12))
        #expect(world.levels == [.error])
        #expect(try world.state("gw-1")["config"]?.string?.string == Self.hash(text))
        #expect(try world.state("gw-1")["firmware"]?.string == "9.9")
        #expect(try world.state("meter-2")["enabled"]?.bool == false)
        let reads1 = Self.reads(&world)
        #expect((7...9).contains(reads1))
        try world.config("gw-1", "{}", id: 6)
        world.run(for: .seconds(12))
        #expect(world.levels == [.error, nil])
        #expect(try world.state("meter-2")["enabled"] == nil)
    }

    /// The same again, as every subscription brings it: nothing is written, read anew or published.
    @Test func aRepetitionChangesNothing() throws {
        var world = try ConfigWorld(Self.nodes)
        try world.config("meter-1", #"{"every":"10s"}"#, id: 5)
        world.run(for: .seconds(30))
        let states = world.published.filter { $0.topic.text.hasSuffix("/state") }.count
        for id in 6...20 as ClosedRange<UInt16> {
            try world.config("meter-1", #"{"every":"10s"}"#, id: id)
        }
        #expect(world.pubacks.suffix(15) == Array(6...20))
        world.run(for: .seconds(30))
        #expect(world.published.filter { $0.topic.text.hasSuffix("/state") }.count == states)
        #expect(world.says("config document") == 1)
    }

    @Test(arguments: [
        (#"{"every":"500ms"}"#, "every 500ms is less than the 1s of this gateway's file"),
        (#"{"points":{"c":{}}}"#, "there is no point \"c\""),
        (#"{"points":{"a":{"enabled":1}}}"#, "a: enabled must be true or false"),
        (#"{"every":10}"#, "every must be a duration"),
        (#"{"enabled":"no"}"#, "enabled must be true or false"),
        (#"{"report":"never"}"#, "report must be \"all\" or \"change\""),
        (#"{"writable":true}"#, "unknown member \"writable\""),
        (#"{"every":"1m","every":"2m"}"#, "twice"),
        ("[]", "must be an object"), ("{", "not JSON"), ("\u{0}", "not JSON"),
    ])
    func aDocumentThatAsksForMoreOrMakesNoSenseIsRefusedAndTheOneBeforeStays(
        _ bad: String, _ reason: String
    ) throws {
        var world = try ConfigWorld(Self.nodes)
        let good = #"{"every":"10s"}"#
        try world.config("meter-1", good, id: 5)
        world.run(for: .seconds(12))
        try world.config("meter-1", bad, id: 6)
        world.run(for: .seconds(12))
        #expect(world.pubacks.contains(6), "it would come again for ever")
        let state = try world.state("meter-1")
        #expect(state["config"]?.string?.string == Self.hash(good))
        #expect(state["refused"]?["config"]?.string?.string == Self.hash(bad))
        #expect(state["refused"]?["reason"]?.string?.string.contains(reason) == true, "\(state)")
        let reads2 = Self.reads(&world)
        #expect((7...9).contains(reads2), "still as the good one says")
        try world.config("meter-1", good, id: 7)
        world.run(for: .seconds(12))
        #expect(try world.state("meter-1")["refused"] == nil)
    }

    @Test func itIsAcknowledgedOnlyWhenTheDiskHasItAndKeptOverARestart() throws {
        var world = try ConfigWorld(Self.nodes)
        world.diskIsSlow = true
        try world.config("meter-1", #"{"every":"10s"}"#, id: 5)
        world.run(for: .seconds(5))
        #expect(!world.pubacks.contains(5))
        world.finishDisk()
        #expect(world.pubacks.contains(5))
        var next = try ConfigWorld(Self.nodes, disk: world.disk)
        next.run(for: .seconds(20))
        let reads3 = Self.reads(&next)
        #expect((7...9).contains(reads3), "in force from the first read")
        // What no longer fits the file is forgotten, with a line.
        let slower = Self.nodes.replacing("every: \"1s\"", with: "every: \"30s\"")
        let changed = try ConfigWorld(slower, disk: next.disk)
        #expect(changed.says("does not fit the file any more") == 1)
    }

    @Test func onlyChangesAreReportedIfTheDocumentSaysSo() throws {
        var world = try ConfigWorld(Self.nodes)
        world.run(for: .seconds(3))
        try world.config("meter-1", #"{"report":"change"}"#, id: 5)
        world.run(for: .seconds(3))
        let before = world.texts("/devices/meter-1/events").count
        world.run(for: .seconds(20))
        #expect(
            world.texts("/devices/meter-1/events").count == before,
            "every register holds 7 all the time")
        #expect(world.texts("/devices/meter-2/events").count >= 4)
    }
}
