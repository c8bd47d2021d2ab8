import Base
import Gateway
import Modbus
import Testing

/// The key `serve` of a port: what it means, and what cannot work with its place.
@Suite struct ServeConfigurationTests {
    private static func text(_ serve: String, driver: String = "modbus-rtu") -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { a: { device: \"/dev/a\", "
            + "driver: \"\(driver)\", serve: {\n\(serve)\n}, "
            + "nodes: { \"dev-1\": { unit: 1, points: { x: { holding: 0 } } } } } } }"
    }

    private static func read(_ serve: String) -> (LineServiceSettings?, told: [String]) {
        let (configuration, diagnostics) = Samples.read(text(serve))
        return (
            configuration?.ports.first?.serve,
            diagnostics.map { "\($0.place.position.column) \($0.severity.rawValue) \($0.message)" }
        )
    }

    @Test func thereIsNoneByDefault() {
        #expect(
            Samples.read(Samples.withPorts("a: { device: \"/dev/a\", nodes: {} }")).0?.ports[0]
                .serve == nil)
    }

    @Test func everyKeyIsRead() throws {
        let (serve, told) = Self.read(
            """
            listen: "0.0.0.0:1502", protocol: "rtu-over-tcp", 
            allow: { "*": "read", "17": "write", "1-3": "raw", "0": "none" },
            budget: 0.2, maxAge: "2s", clients: 3, from: ["10.0.0.0/8", "fd00::1"],
            """)
        #expect(told == [])
        let found = try #require(serve)
        #expect(found.address == "0.0.0.0" && found.port == 1502)
        #expect(found.framing == .rtuOverTCP && found.clients == 3)
        #expect(found.driver.budget == 0.2 && found.driver.maxAge == .seconds(2))
        let permissions = [0, 1, 3, 4, 17, 247, 248, 255].map { found.permission(of: UInt8($0)) }
        #expect(permissions == [.none, .raw, .raw, .read, .write, .read, .none, .none])
        #expect(found.from.count == 2)
    }

    @Test func whatIsNotSaidHasItsDefault() throws {
        let (serve, told) = Self.read("listen: \"127.0.0.1\"")
        #expect(told == [])
        let found = try #require(serve)
        #expect(found.port == 502 && found.framing == .modbusTCP && found.clients == 8)
        #expect(found.driver.budget == 0.3 && found.driver.maxAge == .zero && found.from == [])
        #expect(found.permission(of: 9) == .read && found.permission(of: 0) == .none)
        let named = try #require(
            Self.read("listen: \"127.0.0.1:1502\", allow: { \"17\": \"write\" }").0)
        #expect(named.permission(of: 9) == .none, "a list names all that is allowed")
    }

    @Test(arguments: [
        ("allow: {}", "error", "\"listen\" is missing in \"serve\""),
        ("listen: \"gw-7.local:80\"", "9 error", "a numeric address and a port"),
        (
            "listen: \"0.0.0.0:1502\"", "9 warning",
            "Modbus TCP knows no passwords, so whoever reaches it may read;"
        ),
        (
            "listen: \"0.0.0.0:1502\", allow: { \"*\": \"write\" }", "9 warning",
            "may read and write; name who may connect, as in from: [\"10.0.0.0/8\"]"
        ),
        ("listen: \"127.0.0.1:1502\", protocol: \"modbus\"", "error", "it must be one of"),
        ("listen: \"127.0.0.1:1502\", allow: { \"300\": \"read\" }", "error", "which is no unit"),
        ("listen: \"127.0.0.1:1502\", allow: { \"9-3\": \"read\" }", "error", "which is no unit"),
        ("listen: \"127.0.0.1:1502\", allow: { \"1\": \"all\" }", "error", "\"write\" or \"raw\""),
        (
            "listen: \"127.0.0.1:1502\", allow: { \"1-5\": \"read\", \"4\": \"raw\" }", "error",
            "unit 4 twice"
        ),
        (
            "listen: \"127.0.0.1:1502\", from: [\"10.0.0.0/33\"]", "error",
            "write an address or a range"
        ),
        ("listen: \"127.0.0.1:1502\", from: []", "error", "nobody could connect"),
        ("listen: \"127.0.0.1:1502\", budget: 1.5", "error", "\"budget\""),
        ("listen: \"127.0.0.1:1502\", clients: 0", "error", "\"clients\""),
        ("listen: \"127.0.0.1:1502\", user: \"x\"", "error", "user"),
    ]) func whatCannotWorkIsTold(_ serve: String, _ place: String, _ words: String) {
        let told = Self.read(serve).told
        #expect(told.count == 1 && told[0].contains(place) && told[0].contains(words), "\(told)")
    }

    @Test func itNeedsAModbusLineAndAPortOfItsOwn() {
        let uart = Samples.read(Self.text("listen: \"127.0.0.1:1502\"", driver: "uart")).1
        #expect(uart.contains { $0.message.contains("\"serve\" needs a Modbus driver") })
        let serve = "serve: { listen: \"127.0.0.1:1502\" }, nodes: {}"
        let two = Samples.read(
            Samples.withPorts(
                "a: { device: \"/dev/a\", \(serve) }, b: { device: \"/dev/b\", \(serve) }")
        ).1
        #expect(two.contains { $0.message.contains("every line needs a TCP port of its own") })
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false),
        ("192.168.1.20", "192.168.1.20", true), ("192.168.1.20", "192.168.1.21", false),
        ("192.168.1.16/28", "192.168.1.31", true), ("192.168.1.16/28", "192.168.1.32", false),
        ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("fd00::/8", "fd12:3456::1", true),
        ("fd00::/8", "fe80::1%eth0", false), ("::1", "::1", true), ("::/0", "10.0.0.1", true),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", true),
    ]) func aRangeHoldsItsAddresses(_ range: String, _ address: String, _ isHeld: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(address) == isHeld)
    }

    @Test(arguments: [
        "", "10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.0/", "10.0.0.0/33", "::1/129", ":::",
        "1::2::3",
        "+1.0.0.0", "12345::", "localhost", "10.0.0.0/8/8",
    ]) func whatIsNoRangeIsNone(_ text: String) { #expect(AddressRange(text) == nil) }
}
