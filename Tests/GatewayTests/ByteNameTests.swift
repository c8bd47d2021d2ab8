import Adapter
import Base
import Gateway
import Testing

/// Ids, keys and names from outside are compared as bytes. By canonical equivalence the second of
/// two commands was answered with the first one's result, and never carried out.
@Suite struct ByteNameTests {
    private static let one = "éx"
    private static let two = "e\u{301}x"

    @Test func twoCommandIdsThatLookAlikeAreTwoCommands() throws {
        var world = try ConfigWorld(
            #""pump-1": { unit: 1, every: "1h", points: { speed: { holding: 6, writable: true } } }"#
        )
        world.forgetRequests()
        try world.command("pump-1", #"{"id":"\#(Self.one)","write":{"speed":7}}"#, id: 1)
        world.run(for: .seconds(1))
        try world.command("pump-1", #"{"id":"\#(Self.two)","write":{"speed":7}}"#, id: 2)
        world.run(for: .seconds(1))
        #expect(world.requests.filter { $0[0] == 6 }.count == 2)
        let ids = try world.texts("/devices/pump-1/events/commands").map {
            try JSONReader.parse($0)["id"]?.string
        }
        #expect(ids == [ByteString(Self.one), ByteString(Self.two)])
    }

    @Test func aCommandNamesThePointWithTheseBytes() throws {
        var world = try ConfigWorld(
            #""pump-1": { unit: 1, every: "1h", points: { "\#(Self.one)": { holding: 6, writable: true } } }"#
        )
        try world.command("pump-1", #"{"id":"a","write":{"\#(Self.two)":7}}"#, id: 1)
        world.run(for: .seconds(1))
        let result = try JSONReader.parse(
            try #require(world.texts("/devices/pump-1/events/commands").last))
        #expect(result["ok"]?.bool == false)
        #expect(result["error"]?.string?.contains("has no point") == true)
    }

    @Test func twoPointsThatLookAlikeAreTwoPoints() throws {
        let (configuration, diagnostics) = Samples.read(
            Samples.withPoints(
                #""\#(Self.one)": { holding: 1 }, "\#(Self.two)": { holding: 2 }"#))
        #expect(diagnostics.map(\.description) == [])
        let points = try #require(configuration?.ports.first?.nodes.first?.points)
        #expect(points.map(\.name) == [ByteString(Self.one), ByteString(Self.two)])
        let device = try DeviceID("dev-1")
        let narrowed = try NarrowingReader(configuration?.ports ?? [], logLevel: .info).read(
            Array(
                #"{"points":{"\#(Self.one)":{"enabled":false},"\#(Self.two)":{"every":"1m"}}}"#.utf8
            ), of: device)
        let port = try #require(configuration?.ports.first).narrowed(by: [narrowed])
        #expect(port.unread[device] == [ByteString(Self.one)])
        #expect(port.port.nodes[0].points.map(\.interval) == [.seconds(10), .seconds(60)])
    }

    @Test func aKeyOfTheFileIsKnownByItsBytes() {
        // The Kelvin sign is equivalent to K, the Greek question mark to a semicolon.
        let (configuration, diagnostics) = Samples.read(
            Samples.withBridge(#""rate": { bytes: "64\u212AiB" }"#))
        #expect(configuration == nil)
        #expect(diagnostics.contains { $0.message.contains("is not a size") })
    }

    @Test func aMapTellsNamesApart() throws {
        let point = Point(
            name: "mode", table: .holding, address: 1,
            map: [1: ByteString(Self.one), 2: ByteString(Self.two)],
            writable: WriteRule())
        let device = try DeviceID("dev-1")
        var adapter = Adapter([
            Binding(
                device: device, address: Address(port: PortName("a"), unit: UnitID(1)!),
                points: [point])
        ])
        let now = Moment(.zero, WallTime(milliseconds: 0))
        for (text, code) in [(Self.one, UInt16(1)), (Self.two, 2)] {
            let orders = try adapter.orders(
                [("mode", JSON(.string(ByteString(text))))], of: device, firstID: 1,
                expires: .distantFuture, at: now)
            #expect(orders.first?.data == .registers([code]))
        }
    }

    @Test func anActionTellsItsChoicesApart() throws {
        let device = try DeviceID("dev-1")
        let action = Action(
            name: "go", function: 0x42,
            payload: .named([ByteString(Self.one): [1], ByteString(Self.two): [2]]))
        var adapter = Adapter([
            Binding(
                device: device, address: Address(port: PortName("a"), unit: UnitID(1)!),
                actions: [action])
        ])
        let now = Moment(.zero, WallTime(milliseconds: 0))
        for (text, byte) in [(Self.one, UInt8(1)), (Self.two, 2)] {
            let orders = try adapter.orders(
                [("go", JSON(.string(ByteString(text))))], of: device, firstID: 1,
                expires: .distantFuture, at: now)
            #expect(orders.first?.data == .custom(function: 0x42, [byte]))
        }
    }

    /// A profile that a node overrides key by key, a problem in the middle of a name of half a
    /// megabyte.
    @Test func longNamesMakeShortProblems() {
        let name = String(repeating: "\u{301}\u{316}", count: 100_000)
        for text in [
            Samples.withPoints(
                "\"\(name)\": { holding: 1 }, \"\(name)\": { holding: 2, \"\(name)\": 1 }"),
            Samples.withNodes("\"\(name)\": { unit: 1, points: { x: { holding: 1 } } }"),
            Samples.withPorts("\"\(name)\": { device: \"/dev/a\", \"\(name)\": 1 }"),
            Samples.withBridge("clientID: \"\(name)\", \"\(name)\": 1"),
        ] {
            let (configuration, diagnostics) = Samples.read(text)
            #expect(configuration == nil && !diagnostics.isEmpty)
            #expect(diagnostics.allSatisfy { $0.message.utf8.count <= 1000 })
        }
    }
}
