import Base
import Gateway
import TestKit
import Testing

/// The HTTP door of the composed gateway: who is let in and what is served.
@Suite struct DoorTests {
    private static let bearer = "Authorization: Bearer \(DoorWorld.token)"
    private static let guarded =
        "listen: \"127.0.0.1:8420\", token: \"\(DoorWorld.token)\", actions: true, names: \"gw-7.local\""

    @Test func aGatewayWithoutOneAnswersNobody() throws {
        var world = try DoorWorld(nil)
        let id = world.open()
        world.send(id, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(world.received[id] == nil)
    }

    @Test func documentsAreThoseOfTheControlSocket() throws {
        var world = try DoorWorld()
        world.run(for: .seconds(5))
        for (path, request) in [("/api/v1/status", "status"), ("/api/v1/values", "values")] {
            let reply = try world.ask(path)
            #expect(
                reply.status == 200 && reply.head.contains("application/json")
                    && reply.head.contains("nosniff"))
            let ticket = ControlTicket(1)
            world.receive(.control(ticket, Array("{\"get\":\"\(request)\"}".utf8)))
            let names = try JSONReader.parse(world.answers[ticket] ?? []).members?.map(\.name)
            #expect(try reply.json.members?.map(\.name) == names)
        }
        let value = try world.ask("/api/v1/values?device=meter-1").json["devices"]?["meter-1"]?[
            "values"]?["a"]
        #expect(value?["units"]?.string == "W" && value?["value"]?.integer ?? 0 > 10)
        let raw = value?["raw"]?.string?.string ?? ""
        #expect(Int64(raw, radix: 16) == value?["value"]?.integer, "\(raw)")
        let missing = try world.ask("/api/v1/values?device=meter-2")
        #expect(missing.status == 404 && missing.text.contains("did you mean \\\"meter-1\\\"?"))
        #expect(try world.ask("/nothing").status == 404)
        #expect(try world.ask("/api/v1/status", "POST").status == 405)
        #expect(try world.ask("/livez").text == "ok\n")
        let ready = try world.ask("/readyz")
        #expect(
            ready.status == 503 && ready.text == "bridge: connecting to h:8883\n", "\(ready.text)")
    }

    @Test(arguments: [
        ("localhost", 200), ("127.0.0.1:8420", 200), ("[::1]:8420", 200), ("LOCALHOST:1", 200),
        ("gw-7.local", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8420", 403), ("", 403),
    ]) func theHostMustBeOneOfTheDoors(_ host: String, _ status: Int) throws {
        var world = try DoorWorld("listen: \"127.0.0.1:8420\", names: [\"gw-7.local\"]")
        #expect(try world.ask("/livez", host: host).status == status)
    }

    @Test func theAddressThatWasReachedIsAHostToo() throws {
        var world = try DoorWorld()
        let id = world.open("192.168.1.7")
        world.send(id, "GET /livez HTTP/1.1\r\nHost: 192.168.1.7:8420\r\n\r\n")
        #expect(try DoorWorld.Reply(world.received[id] ?? []).status == 200)
    }

    @Test func aTokenIsNeededAndWrongOnesAreAnsweredLate() throws {
        var world = try DoorWorld(Self.guarded)
        #expect(try world.ask("/api/v1/status").status == 401)
        #expect(try world.ask("/metrics").head.contains("WWW-Authenticate: Bearer"))
        #expect(try world.ask("/api/v1/status", headers: [Self.bearer]).status == 200)
        // A supervisor needs none, and learns nothing but the code.
        #expect(try world.ask("/livez").status == 200)
        #expect(try world.ask("/readyz").text == "not ready\n")
        #expect(try world.ask("/readyz", headers: [Self.bearer]).text.contains("bridge"))

        var pauses: [Duration] = []
        for guess in [
            "a", DoorWorld.token + "0", String(DoorWorld.token.dropLast()), "0123456789abcdeF", "",
        ] {
            let id = world.open()
            let began = world.now.instant
            world.send(
                id,
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(guess)\r\n\r\n"
            )
            while world.received[id] == nil, world.now.instant - began < .seconds(20) {
                world.run(for: .milliseconds(100))
            }
            #expect(try DoorWorld.Reply(world.received[id] ?? []).status == 401)
            pauses.append(world.now.instant - began)
        }
        #expect(pauses.map { ($0.milliseconds + 50) / 1000 } == [1, 2, 4, 8, 8], "\(pauses)")
        #expect(world.notices.count { $0.message.contains("wrong token") } == 1)
        #expect(!world.notices.contains { $0.message.contains(DoorWorld.token) })
        #expect(
            try world.ask("/api/v1/status", headers: [Self.bearer]).status == 200,
            "who has it waits for nobody")
        #expect(
            !(try world.ask("/api/v1/status", headers: [Self.bearer]).text.contains(DoorWorld.token))
        )
    }

    @Test func moreThanThirtyTwoClientsAreTurnedAway() throws {
        var world = try DoorWorld()
        let ids = (0..<40).map { _ in world.open() }
        #expect(ids.filter { world.closed.contains($0) } == Array(ids.suffix(8)))
        #expect(try DoorWorld.Reply(world.received[ids[39]] ?? []).status == 503)
        world.receive(.door(.disconnected(ids[0])))
        #expect(try world.ask("/livez").status == 200)
    }

    /// Whatever comes in whatever pieces, the door goes on and keeps its bounds.
    @Test(arguments: 0..<12 as Range<UInt64>) func randomRequestsNeverCrashOrHang(
        _ seed: UInt64
    ) throws {
        var random = RandomSource(seed: seed)
        var world = try DoorWorld(Self.guarded)
        let paths = [
            "/", "/metrics", "/api/v1/events", "/api/v1/status", "/api/v1/values?device=meter-1",
            "/api/v1/log?after=%31", "/login",
            "/api/v1/history?device=meter-1&step=5m", "/api/v1/line?port=bus-a", "/api/v1/site",
            "/api/v1/actions", "/readyz",
        ]
        func pick<Item>(_ items: [Item]) -> Item { items[Int(random.next() % UInt64(items.count))] }
        var open: [ConnectionID] = []
        for _ in 0..<120 {
            if open.count < 40, random.chance(0.4) { open.append(world.open()) }
            guard let id = open.randomElement(using: &random) else { continue }
            let bearer = random.chance(0.8) ? Self.bearer + "\r\n" : ""
            let body = pick([
                "", #"{"action":"resume","port":"bus-a"}"#, "token=\(DoorWorld.token)",
                "{\"action\":[[[",
            ])
            var bytes = Array(
                (pick(["GET ", "POST ", "HEAD "]) + pick(paths)
                    + pick([" HTTP/1.1\r\n", " HTTP/1.0\r\n"])
                    + "Host: localhost\r\n\(bearer)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                    .utf8)
            if random.chance(0.3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            if random.chance(0.2) { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
            world.receive(.door(.received(id, bytes)))
            if random.chance(0.5) { world.run(for: .milliseconds(Int(random.next() % 3000))) }
            if random.chance(0.2) {
                world.receive(.door(.disconnected(id)))
                open.removeAll { $0 == id }
            }
            open.removeAll { world.closed.contains($0) }
            #expect(open.count <= 32)
        }
        for id in open { world.receive(.door(.disconnected(id))) }
        #expect(try world.ask("/metrics", headers: [Self.bearer]).status == 200)
    }

    // MARK: Actions

    @Test func actionsAreCarriedOutForWhoHasTheToken() throws {
        var world = try DoorWorld(Self.guarded)
        world.run(for: .seconds(3))
        func act(_ body: String, _ headers: [String] = [Self.bearer]) throws -> DoorWorld.Reply {
            try world.ask("/api/v1/actions", "POST", headers: headers, body: body)
        }
        let written = try act(#"{"action":"write","device":"meter-1","write":{"a":42}}"#)
        #expect(written.status == 409 || written.status == 200, "\(written.text)")
        let refused = try act(#"{"action":"write","device":"meter-1","write":{"a":101}}"#)
        #expect(refused.status == 400 && refused.text.contains("at most 100"), "\(refused.text)")
        #expect(try act(#"{"action":"write","device":"meter-1","write":{"b":1}}"#).status == 400)
        #expect(
            try act(#"{"action":"capture","port":"bus-a"}"#).json["pcap"]?.string?.isEmpty == false)
        #expect(try act(#"{"action":"pause","port":"bus-x"}"#).text.contains("did you mean"))
        #expect(try act(#"{"action":"resume","port":"bus-a"}"#).json["wasPaused"]?.bool == false)
        #expect(try act(#"{"action":"release","device":"meter-1"}"#).json["ok"]?.bool == true)
        #expect(try act(#"{"action":"dance"}"#).status == 400)
        #expect(try act("{").status == 400)
        #expect(
            world.notices.contains {
                $0.subsystem == "door" && $0.message.contains("asks for: write meter-1: a")
            })

        #expect(try act(#"{"action":"resume","port":"bus-a"}"#, []).status == 401)
        for origin in ["http://evil.example", "https://localhost:8420", "null"] {
            #expect(
                try act(#"{"action":"resume","port":"bus-a"}"#, [Self.bearer, "Origin: \(origin)"])
                    .status == 403)
        }
        let own = [Self.bearer, "Origin: http://localhost:8420"]
        #expect(try act(#"{"action":"resume","port":"bus-a"}"#, own).status == 200)
        #expect(try world.ask("/api/v1/actions", headers: [Self.bearer]).status == 405)
    }

    @Test func actionsAreOffByDefault() throws {
        var world = try DoorWorld("listen: \"127.0.0.1:8420\", token: \"\(DoorWorld.token)\"")
        let reply = try world.ask(
            "/api/v1/actions", "POST", headers: [Self.bearer],
            body: #"{"action":"resume","port":"bus-a"}"#)
        #expect(reply.status == 403 && reply.text.contains("http.actions"))
    }

    // MARK: The stream of events

    private func events(_ world: inout DoorWorld, _ header: String = "") -> ConnectionID {
        let id = world.open()
        world.send(id, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\(header)\r\n")
        return id
    }

    private func text(_ world: DoorWorld, _ id: ConnectionID) throws -> String {
        try DoorWorld.Reply(world.received[id] ?? []).text
    }

    @Test func changesAreTold() throws {
        var world = try DoorWorld()
        world.run(for: .seconds(3))
        let id = events(&world)
        #expect(try text(world, id).contains("event: overview\ndata: {\"gateway\":\"gw-1\""))
        #expect(try text(world, id).contains("event: ports\ndata: {\"bus-a\""))
        #expect(try text(world, id).contains("event: values\ndata: {\"ts\""))
        let first = try text(world, id).count
        world.run(for: .seconds(1))
        let more = String(try text(world, id).dropFirst(first))
        #expect(more.contains("\"meter-1\":{\"status\":\"online\"") && more.contains("\nid: "))
        world.silent = [1]
        world.run(for: .seconds(20))
        #expect(try text(world, id).contains("\"status\":\"offline\""))
        #expect(try text(world, id).contains("event: log\n"))
    }

    /// After an interruption the client is told what has happened meanwhile, and that alone.
    @Test func aStreamGoesOnWhereItWas() throws {
        let nodes =
            "\"meter-1\": { unit: 1, points: { a: { holding: 0 } } }, \"slow-2\": { unit: 2, every: \"1h\", points: { a: { holding: 0 } } }"
        var world = try DoorWorld(nodes: nodes)
        world.run(for: .seconds(30))
        let id = events(&world)
        world.run(for: .seconds(2))
        let last = try #require(
            try text(world, id).split(separator: "\n").last { $0.hasPrefix("id: ") }
        ).dropFirst(4)
        world.receive(.door(.disconnected(id)))
        world.run(for: .seconds(1))
        let next = events(&world, "Last-Event-ID: \(last)\r\n")
        let again = try text(world, next)
        #expect(again.contains("meter-1") && !again.contains("slow-2\":{\"status"), "\(again)")
        for strange in ["x-1", "-", "\(last)9999", "%00"] {
            let whole = events(&world, "Last-Event-ID: \(strange)\r\n")
            #expect(try text(world, whole).contains("slow-2\":{\"status"), "\(strange)")
            world.receive(.door(.disconnected(whole)))
        }
    }

    /// Without a client the gateway wakes up for it once a minute.
    @Test func anOpenDoorAloneDoesNearlyNothing() throws {
        func wakes(_ door: String?) throws -> Int {
            var world = try DoorWorld(
                door, nodes: "\"slow-2\": { unit: 2, every: \"1h\", points: { a: { holding: 0 } } }"
            )
            world.run(for: .seconds(10))
            var count = 0
            let end = world.now.instant + .seconds(1200)
            while let due = world.gateway.deadline, due < end {
                count += 1
                world.run(for: due - world.now.instant)
            }
            return count
        }
        let (without, with) = try (wakes(nil), wakes("listen: \"127.0.0.1:8420\""))
        #expect(with <= without + 21, "\(with), and \(without) without")
    }

    @Test func anotherConfigurationSendsClientsAway() throws {
        let nodes = "\"meter-1\": { unit: 1, points: { a: { holding: 0 } } }"
        var world = try DoorWorld(nodes: nodes)
        world.run(for: .seconds(2))
        let id = events(&world)
        try world.reload("listen: \"127.0.0.1:8420\"", nodes: nodes)
        #expect(!world.closed.contains(id), "nothing of the door differs")
        try world.reload("listen: \"127.0.0.1:8420\", token: \"\(DoorWorld.token)\"", nodes: nodes)
        #expect(world.closed.contains(id))
        #expect(try world.ask("/metrics").status == 401)
        try world.reload(nil, nodes: nodes)
        let late = world.open()
        world.send(late, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(world.received[late] == nil)
    }
}
