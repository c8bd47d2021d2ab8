import Base
import Drivers
import Gateway
import Modbus
import Testing

/// Ports whose lines are elsewhere, or have frames of another form.
@Suite struct LineConfigurationTests {
    private static func read(
        _ port: String, unit: Int = 1
    ) -> (port: Configuration.Port?, told: [String]) {
        let (configuration, diagnostics) = Samples.read(
            "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { a: { \(port), "
                + "nodes: { \"dev-1\": { unit: \(unit), points: { x: { holding: 0 } } } } } } }")
        return (
            configuration?.ports.first,
            diagnostics.map { "\($0.severity.rawValue) \($0.message)" }
        )
    }

    @Test func rtuOverTCPHasNoSpeedOfItsOwn() throws {
        let (read, told) = Self.read("device: \"tcp://10.0.0.5:4001\"")
        let port = try #require(read)
        #expect(told == [])
        #expect(port.line.device == .network(NetworkAddress(.tcp, host: "10.0.0.5", port: 4001)))
        #expect(port.line.framing == .plain && port.line.baud == LineSettings.baudUnknown)
        #expect(port.responseTimeout == .seconds(2) && port.line.describe == "raw TCP")
        let known = try #require(Self.read("device: \"tcp://10.0.0.5:4001\", baud: 9600").port)
        #expect(known.line.describe == "raw TCP, 9600 8N1")
        #expect(known.budget.load > port.budget.load)
        #expect(port.budget.load > 0)
    }

    @Test func modbusTCPHasItsPort() throws {
        let port = try #require(
            Self.read("driver: \"modbus-tcp\", device: \"tcp://plc.plant.lan\"").port)
        #expect(port.line.device.text == "tcp://plc.plant.lan:502")
        #expect(port.line.framing == .mbap && port.line.echo == .never && !port.line.trim)
        #expect(port.line.describe == "Modbus TCP")
    }

    @Test func rfc2217SetsTheLine() throws {
        let (read, told) = Self.read(
            "device: \"rfc2217://10.0.0.5:2217\", baud: 19200, parity: \"even\", "
                + "rs485: { rts: \"software\" }")
        let port = try #require(read)
        #expect(told == [] && port.line.describe == "19200 8E1" && port.line.isSet)
        let plain = try #require(Self.read("device: \"rfc2217://10.0.0.5:2217\"").port)
        #expect(plain.line.baud == 9600)
    }

    @Test func asciiIs7E1() throws {
        let port = try #require(Self.read("driver: \"modbus-ascii\", device: \"/dev/a\"").port)
        #expect(port.line.describe == "ASCII 9600 7E1" && port.line.framing == .ascii)
        let wide = try #require(
            Self.read("driver: \"modbus-ascii\", device: \"/dev/a\", dataBits: 8, parity: \"none\"")
                .port)
        #expect(wide.line.describe == "ASCII 9600 8N1")
    }

    /// A device that speaks Modbus TCP by itself has the unit id 255, or 0.
    @Test(arguments: [0, 255]) func unitsOfTCPDevicesAreUsual(_ unit: Int) throws {
        let (read, told) = Self.read("driver: \"modbus-tcp\", device: \"tcp://plc\"", unit: unit)
        let port = try #require(read)
        #expect(told == [])
        let node = try #require(port.nodes.first)
        #expect(Int(node.unit.value) == unit && !node.unit.isBroadcast)
        #expect(port.nodePlans.first?.spans.count == 1, "it is read")
        #expect(!Self.read("device: \"/dev/a\"", unit: unit).told.isEmpty)
    }

    @Test(arguments: [
        ("device: \"tcp://10.0.0.5\"", "error \"device\": \"tcp://10.0.0.5\" needs a TCP port"),
        ("device: \"udp://10.0.0.5:1\"", "error \"device\": \"udp://10.0.0.5:1\" cannot be used"),
        (
            "driver: \"modbus-tcp\", device: \"/dev/ttyUSB0\"",
            "error driver \"modbus-tcp\" needs a device such as"
        ),
        (
            "driver: \"modbus-tcp\", match: { serial: \"A\" }",
            "error driver \"modbus-tcp\" needs a device such as"
        ),
        ("driver: \"modbus-tcp\", device: \"rfc2217://h:1\"", "needs tcp://"),
        ("device: \"tcp://h:1\", rs485: { rts: \"onSend\" }", "switches its line by itself"),
        ("device: \"rfc2217://h:1\", rs485: { rts: \"onSend\" }", "write rts: \"software\""),
        ("device: \"tcp://h:502\"", "warning port 502 is that of Modbus TCP"),
        ("driver: \"modbus-ascii\", device: \"/dev/a\", dataBits: 5", "needs 7 or 8 data bits"),
    ])
    func mistakesAreTold(_ port: String, _ words: String) {
        let told = Self.read(port).told
        #expect(told.contains { $0.contains(words) }, "\(told)")
    }

    @Test func twoPortsAtOneAddressAreOneTooMany() {
        let (_, diagnostics) = Samples.read(
            Samples.withPorts(
                "a: { device: \"tcp://h:1\", nodes: {} }, b: { device: \"tcp://h:1\", nodes: {} }"))
        #expect(diagnostics.contains { $0.message.contains("has the same device") })
    }
}
