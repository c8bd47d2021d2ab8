import Base
import Drivers
import Gateway
import Modbus
import TestKit
import Testing

/// A composed gateway whose line other masters use.
private struct ServeWorld: ComposedWorld {
    var gateway: Gateway
    var disk = VirtualDisk()
    var now = Self.epoch
    private(set) var received: [ConnectionID: [UInt8]] = [:]
    private(set) var closed: Set<ConnectionID> = []
    private(set) var notices: [Notice] = []
    private(set) var answers: [ControlTicket: [UInt8]] = [:]
    private(set) var listens: [String] = []
    private(set) var sent: [[UInt8]] = []
    var opensLines = true
    private var connections: UInt64 = 0
    var register: UInt16 = 7

    init(_ serve: String) throws {
        let (configuration, diagnostics) = Samples.read(Self.text(serve))
        #expect(diagnostics.map(\.description) == [])
        gateway = Self.gateway(try #require(configuration)) { _ in }
        start()
    }

    static func text(_ serve: String) -> String {
        #"{ bridge: { host: "h", gateway: "gw-1" }, ports: { "bus-a": { device: "/dev/a", "#
            + #"baud: 115200, every: "10s", \#(serve) nodes: { "meter-1": { unit: 1, "#
            + "points: { a: { holding: 0 } } } } } } }"
    }

    mutating func reload(_ serve: String) throws {
        let configuration = try #require(Samples.read(Self.text(serve)).0)
        receive(
            .reload(
                Gateway.Settings(
                    configuration, keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
                    version: "test"),
                needRestart: []))
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .line(let name, .transmit(let frame, _)),
            .line(let name, .schedule(let frame, _, _)):
            sent.append(frame)
            if let reply = reply(to: frame) { events.append(.line(name, .received(reply))) }
        case .line(let name, .burst(let burst)):
            let log = burst.brokenOff(at: now.instant)
            events.append(.line(name, .carried(log, [])))
            for one in log {
                sent.append(one.frame)
                if let reply = reply(to: one.frame) { events.append(.line(name, .received(reply))) }
            }
        case .service(_, .listen(let address, let port)): listens.append("\(address):\(port)")
        case .service(_, .end): listens.append("end")
        case .service(let name, .send(let id, let bytes)):
            received[id, default: []] += bytes
            events.append(.service(name, .drained(id)))
        case .service(_, .close(let id)): closed.insert(id)
        case .notice(let notice): notices.append(notice)
        case .answer(let ticket, let line): answers[ticket] = line
        default: break
        }
    }

    private func reply(to frame: [UInt8]) -> [UInt8]? {
        guard frame[0] < 5 else { return nil }
        guard frame[1] == 3 else { return frame }
        let words = (0..<Int(frame[5])).flatMap { _ in
            [UInt8(register >> 8), UInt8(register & 0xFF)]
        }
        return RTUFrame.encode(unit: frame[0], [3, UInt8(words.count)] + words)
    }

    mutating func open(_ client: String = "127.0.0.1") -> ConnectionID {
        connections += 1
        let id = ConnectionID(connections)
        receive(
            .service(
                PortName("bus-a"),
                .connected(
                    id,
                    DoorPeer(client: "\(client):\(40_000 + connections)", local: "", isTLS: false)))
        )
        return id
    }

    /// - Returns: the PDU that comes within that time; nil: none.
    mutating func ask(
        _ id: ConnectionID, _ unit: UInt8, _ pdu: [UInt8], within time: Duration = .seconds(1)
    ) -> [UInt8]? {
        received[id] = []
        let frame = MBAPFrame(transaction: 0x4711, unit: unit, pdu: pdu).bytes
        receive(.service(PortName("bus-a"), .received(id, frame)))
        run(for: time)
        var decoder = MBAPDecoder()
        decoder.receive((received[id] ?? [])[...])
        guard let reply = try? decoder.next() else { return nil }
        #expect(reply.transaction == 0x4711 && reply.unit == unit)
        return reply.pdu
    }

    mutating func status() throws -> JSON {
        let ticket = ControlTicket(999)
        receive(.control(ticket, Array("{\"get\":\"status\"}".utf8)))
        run(for: .zero)
        return try JSONReader.parse(try #require(answers[ticket]))
    }

    func logged(_ words: String) -> Bool {
        notices.contains { $0.subsystem == "serve" && $0.message.contains(words) }
    }
}

/// Other masters at a gateway's door: who is let in, what they may ask, and what is told of it.
@Suite struct ServeTests {
    private static let loopback =
        #"serve: { listen: "127.0.0.1:1502", "#
        + #"allow: { "*": "read", "2": "write", "3": "raw" } },"#

    private func world(_ serve: String = Self.loopback) throws -> ServeWorld {
        var world = try ServeWorld(serve)
        world.run(for: .seconds(25))
        return world
    }

    @Test func aReadIsAnsweredFromTheLine() throws {
        var world = try world()
        #expect(world.listens == ["127.0.0.1:1502"])
        let client = world.open()
        #expect(world.ask(client, 1, [3, 0, 9, 0, 2]) == [3, 4, 0, 7, 0, 7])
        #expect(world.ask(client, 4, [3, 0, 9, 0, 1]) == [3, 2, 0, 7])
        #expect(world.ask(client, 9, [3, 0, 9, 0, 1], within: .seconds(5)) == [0x83, 0x0B])
        let serve = try #require(try world.status()["ports"]?["bus-a"]?["serve"])
        #expect(serve["clients"]?.integer == 1 && serve["requests"]?.integer == 3)
        #expect(serve["answered"]?.integer == 2 && serve["silent"]?.integer == 1)
        #expect((serve["busTimeSeconds"]?.double ?? 0) > 0)
        #expect(
            serve["listen"]?.string == "127.0.0.1:1502" && serve["protocol"]?.string == "modbus-tcp"
        )
    }

    @Test func theListSaysWhatMayBeAsked() throws {
        var world = try world()
        let client = world.open()
        let write: [UInt8] = [6, 0, 9, 0, 5]
        let own: [UInt8] = [100, 1, 2]
        let cases: [(UInt8, [UInt8], [UInt8])] = [
            (1, write, [0x86, 1]), (2, write, write), (3, write, write),
            (1, own, [0xE4, 1]), (2, own, [0xE4, 1]), (3, own, own),
            (0, write, [0x86, 1]), (250, [3, 0, 0, 0, 1], [0x83, 1]),
            (2, [8, 0, 1, 0, 0], [0x88, 1]), (3, [8, 0, 1, 0, 0], [8, 0, 1, 0, 0]),
            (1, [3, 0, 0, 0, 0], [0x83, 3]), (1, [3, 0xFF, 0xFF, 0, 2], [0x83, 2]),
            (2, [5, 0, 0, 0x12, 0x34], [0x85, 3]),
        ]
        for (unit, pdu, expected) in cases {
            let sent = world.sent.count {
                $0[0] == unit && Array($0.dropFirst().dropLast(2)) == pdu
            }
            #expect(world.ask(client, unit, pdu) == expected, "unit \(unit): \(pdu)")
            let now = world.sent.count { $0[0] == unit && Array($0.dropFirst().dropLast(2)) == pdu }
            #expect((now > sent) == (pdu == expected), "what is refused is not sent")
        }
        #expect(world.logged("127.0.0.1:40001 has written 1 item from holding 9 of unit 2"))
        #expect(!world.logged("of unit 1"))
        let serve = try #require(try world.status()["ports"]?["bus-a"]?["serve"])
        #expect(serve["refused"]?.integer == 9 && (serve["writes"]?.integer ?? 0) >= 3)
    }

    @Test func onlyAddressesOfTheListAreLetIn() throws {
        var world = try world("serve: { listen: \"0.0.0.0:1502\", from: [\"10.0.0.0/8\"] },")
        let (good, bad) = (world.open("10.1.2.3"), world.open("192.168.1.7"))
        #expect(world.closed == [bad])
        #expect(world.ask(good, 1, [3, 0, 9, 0, 1]) == [3, 2, 0, 7])
        #expect(world.ask(bad, 1, [3, 0, 9, 0, 1]) == nil)
        #expect(world.logged("192.168.1.7:40002 is turned away"))
    }

    @Test func aWrongLengthEndsTheConnection() throws {
        var world = try world()
        let client = world.open()
        world.receive(.service(PortName("bus-a"), .received(client, [0, 1, 0, 0, 0, 0, 1])))
        #expect(world.closed == [client])
        #expect(world.logged("a frame of length 0"))
    }

    @Test func aPausedPortHasNoPath() throws {
        var world = try world()
        let client = world.open()
        let pause = #"{"pause":{"port":"bus-a","for":"60s"}}"#
        world.receive(.control(ControlTicket(5, mayWrite: true), Array(pause.utf8)))
        world.receive(.line(PortName("bus-a"), .closed))
        world.run(for: .seconds(1))
        #expect(world.ask(client, 1, [3, 0, 9, 0, 1]) == [0x83, 0x0A])
    }

    @Test func aReloadTakesUpOtherSettings() throws {
        var world = try world()
        let client = world.open()
        #expect(world.ask(client, 1, [3, 0, 9, 0, 1]) != nil)
        try world.reload(Self.loopback)
        #expect(world.listens.count == 1, "what does not differ stays")
        try world.reload("serve: { listen: \"127.0.0.1:1503\" },")
        #expect(world.listens == ["127.0.0.1:1502", "end", "127.0.0.1:1503"])
        let other = world.open()
        #expect(world.ask(other, 2, [6, 0, 9, 0, 5]) == [0x86, 1], "the new list holds")
        try world.reload("")
        #expect(world.listens.last == "end")
        #expect(world.ask(other, 1, [3, 0, 9, 0, 1]) == nil)
    }

    @Test func theMetricsTellOfClients() throws {
        var world = try world()
        let client = world.open()
        _ = world.ask(client, 1, [3, 0, 9, 0, 1])
        let ticket = ControlTicket(77)
        world.receive(.control(ticket, Array("{\"get\":\"metrics\"}".utf8)))
        world.run(for: .seconds(1))
        let text = try #require(
            try JSONReader.parse(world.answers[ticket] ?? [])["metrics"]?.string?.string)
        #expect(text.contains("fieldgw_serve_clients{port=\"bus-a\"} 1"))
        #expect(
            text.contains("fieldgw_serve_requests_total{port=\"bus-a\",result=\"answered\"} 1"))
    }
}
