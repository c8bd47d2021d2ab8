import Adapter
import Base
import Drivers
import Gateway
import Testing

@Suite struct ConfigurationTests {
    @Test func readsTheExampleOfTheDesignWithoutADiagnostic() throws {
        let (configuration, diagnostics) = Samples.read(Samples.design)
        #expect(diagnostics.map(\.description) == [])
        let read = try #require(configuration)

        #expect(
            read.bridge.dialect
                == .cloudIoT(project: "acme", region: "us-central1", registry: "plant"))
        #expect(read.bridge.gateway.text == "gw-7")
        #expect(read.bridge.endpoints.map(\.port) == [8883, 443])
        #expect(
            read.bridge.endpoints.allSatisfy { $0.tls && $0.serverName == "mqtt.plant.test" })
        #expect(read.bridge.rate == .cloudIoT)
        #expect(read.spool.maxBytes == 67_108_864)
        #expect(read.spool.maxAge == .seconds(2_592_000))
        #expect(
            read.files.map(\.path.value) == [
                "gw-7.pem", "roots.pem", "/dev/ttyAMA0", "/dev/ttyUSB0",
            ])

        #expect(read.ports.map(\.name.text) == ["bus-a", "dust"])
        let bus = read.ports[0]
        #expect(bus.line.describe == "19200 8E1")
        #expect(bus.line.rs485 == LineSettings.RS485())
        #expect(bus.responseTimeout == .milliseconds(300))
        #expect(bus.nodes.map(\.unit.value) == [1, 17])
        #expect(bus.nodes[0].points.map(\.interval) == [.seconds(1), .seconds(60)])

        let tank = bus.nodes[1]
        #expect(tank.points.map(\.name) == ["level", "setpoint", "alarm"])
        let level = tank.points[0]
        #expect(level.table == .holding && level.address == 16 && level.type == .float32)
        #expect(level.order == ByteOrder("CDAB") && level.scale == 0.01 && level.units == "m")
        #expect(
            level.deadband == 0.05 && level.heartbeat == .seconds(900)
                && level.interval == .seconds(5))
        #expect(
            tank.points[1].writable
                == WriteRule(min: 0, max: 100, step: 1, perMinute: 6, perDay: 500))
        #expect(tank.points[2].table == .discrete && tank.points[2].type == .bool)
        #expect(tank.points[2].priority && tank.points[2].interval == .milliseconds(500))

        let dust = try #require(read.ports[1].nodes.first)
        #expect(read.ports[1].driver == .uart)
        #expect(
            dust.uart?.frame
                == UARTProtocol.Frame(
                    start: [0x42, 0x4D], end: .length(at: 2, bytes: 2, adds: 4), max: 64))
        #expect(
            dust.uart?.checksum
                == UARTProtocol.Checksum(type: .sum16, from: 0, to: -2, at: -2, order: .big))
        #expect(dust.points == [Point(name: "pm25", table: .frame, address: 12, type: .uint16)])
        #expect(read.bindings.map(\.address.description) == ["bus-a:1", "bus-a:17", "dust:1"])
    }

    @Test func fillsInEveryDefaultOnAPlainBroker() throws {
        let (configuration, diagnostics) = Samples.read(
            Samples.withPoints(
                "x: { holding: 7 }, y: { coil: 1 }, z: { input: 2, bits: { run: 0, mode: [4, 6] } }"
            ))
        #expect(diagnostics == [])
        let read = try #require(configuration)
        #expect(read.bridge.dialect == .plain(clientID: "gw-1", username: nil, password: nil))
        #expect(read.bridge.endpoints == [LinkTarget(host: "h", port: 8883)])
        #expect(read.bridge.rate == .unlimited)
        #expect(read.bridge.inFlight == Configuration.Bridge.InFlight(total: 1024, perDevice: 1024))
        #expect(
            read.bridge.tokenLifetime == .seconds(3600) && read.bridge.keepAlive == .seconds(60))
        #expect(read.bridge.ackTimeout == .seconds(10) && read.bridge.liveWithin == .seconds(5))
        #expect(read.bridge.topics == Configuration.Bridge.Topics() && read.bridge.batch == nil)
        #expect(read.spool == Configuration.Spool())
        #expect(
            read.clock == .auto && read.logLevel == .info && read.state == nil
                && read.control == nil)
        let port = read.ports[0]
        #expect(
            port.driver == .modbusRTU && port.line.describe == "9600 8N1" && port.line.rs485 == nil)
        #expect(port.responseTimeout == .milliseconds(1000) && port.retries == 2)
        #expect(
            port.turnaround == .milliseconds(5) && port.every == .seconds(10) && port.maxLoad == 0.9
        )
        #expect(port.detachAfter == .seconds(600))
        let node = port.nodes[0]
        #expect(node.maxRegisters == 125 && node.maxBits == 2000 && !node.noMerge && !node.share)
        #expect(node.turnaround == nil && node.responseTimeout == nil && node.uart == nil)
        #expect(node.points.map(\.type) == [.uint16, .bool, .bits])
        #expect(
            node.points[2].bits == [
                BitField(name: "run", bit: 0), BitField(name: "mode", low: 4, high: 6),
            ])
        #expect(node.points[0] == Point(name: "x", table: .holding, address: 7))
    }

    @Test func aSharedUnitIsReadOnce() throws {
        let nodes = """
            "pump-1": { unit: 5, share: true, points: { flow: { holding: 0 }, on: { coil: 1 } } },
            "pump-2": { unit: 5, share: true, maxRegisters: 8, points: { flow: { holding: 1 }, line: { holding: 0 } } }
            """
        let (configuration, diagnostics) = Samples.read(Samples.withNodes(nodes))
        #expect(diagnostics == [])
        let port = try #require(configuration?.ports.first)
        #expect(port.nodePlans.map(\.maxRegisters) == [8] && port.nodePlans[0].spans.count == 3)
        // One coil; two registers for both.
        #expect(port.readPlan.reads.map(\.count).sorted() == [1, 2])
    }

    @Test func whatALineDoesToItsBytesIsConfiguredPerPortAndUnit() throws {
        let standard = Samples.read(Samples.design).0?.ports[0].line
        #expect(standard?.echo == .learn && standard?.trim == true)
        let text = Samples.design
            .replacing("parity: \"even\",", with: "parity: \"even\", echo: true, trim: false,")
            .replacing("rts: \"onSend\"", with: "rts: \"software\", terminate: true")
            .replacing("unit: 17,", with: "unit: 17, delay: \"20ms\",")
            .replacing(
                "alarm: {", with: "} }, all: { unit: 0, broadcast: true, points: { alarm: {")
        let (configuration, diagnostics) = Samples.read(text)
        let port = try #require(configuration?.ports[0])
        #expect(diagnostics.filter { $0.severity == .error } == [])
        #expect(port.line.echo == .always && !port.line.trim)
        #expect(port.line.rs485 == LineSettings.RS485(rts: .software, terminate: true))
        #expect(port.nodePlans.map(\.delay) == [.zero, .milliseconds(20), .zero])
        #expect(port.nodePlans[2].unit == .broadcast && port.nodePlans[2].spans.isEmpty)
        #expect(!port.nodePlans[1].spans.isEmpty)
    }

    @Test func withoutTLSThePortIs1883AndAWarningSaysWhatItMeans() throws {
        let (configuration, diagnostics) = Samples.read(Samples.withBridge("tls: false"))
        #expect(configuration?.bridge.endpoints == [LinkTarget(host: "h", port: 1883, tls: false)])
        #expect(diagnostics.map(\.severity) == [.warning])
        #expect(diagnostics[0].place.position == TextPosition(line: 2, column: 1))
        #expect(diagnostics[0].message.contains("in the clear"))
    }

    @Test func relativePathsAreRelativeToTheFile() throws {
        let text = Samples.design.replacing("\"/dev/ttyUSB0\"", with: "\"ptys/b\"")
        let (configuration, _) = Samples.read(text, fileName: "/etc/fieldgw/gw.json5")
        let read = try #require(configuration)
        #expect(read.bridge.privateKeys.first?.value == "/etc/fieldgw/gw-7.pem")
        #expect(read.spool.directory?.value == "/etc/fieldgw/spool")
        #expect(read.ports[1].line.device == .path("/etc/fieldgw/ptys/b"))
        #expect(read.ports[0].line.device == .path("/dev/ttyAMA0"))
        #expect(read.files[1].path.place.position.line == 6)
    }

    @Test func aKeyInTheOpenSSLStoreIsNoFile() throws {
        let text = Samples.design.replacing("\"gw-7.pem\"", with: "\"pkcs11:token=gw;object=key\"")
        let read = try #require(Samples.read(text).0)
        #expect(read.bridge.privateKeys.first?.value == "pkcs11:token=gw;object=key")
        #expect(read.files.map(\.role).contains(.privateKey) == false)
        #expect(!Configuration.isStoreURI("keys/gw.pem") && !Configuration.isStoreURI("C:gw.pem"))
    }

    @Test func aLimitedRateOnAPlainBrokerLimitsOnlyWhatItNames() throws {
        let read = try #require(
            Samples.read(
                Samples.withBridge("rate: { messages: 10 }, topics: { gaps: false, health: \"\" }")
            )
            .0)
        #expect(read.bridge.rate == Configuration.Bridge.Rate(messages: 10, bytes: nil))
        #expect(read.bridge.topics.gaps == nil && read.bridge.topics.health == "")
        #expect(read.bridge.topics.commands == "commands")
    }
}

@Suite struct ConfigurationProfileTests {
    @Test func aNodeOverridesItsProfileKeyByKey() throws {
        let nodes = """
            "m-1": { unit: 1, profile: "p", every: "3s", points: {
              voltage: { deadband: 1 }, energy: false, extra: { coil: 9 }, moved: { holding: 5 } } }
            """
        let profile = """
            { every: "2s", maxRegisters: 40, points: { voltage: { input: 0, type: "float32", every: "1s" },
              energy: { input: 2 }, moved: { input: 9, type: "int16" }, kept: { input: 30 } } }
            """
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(nodes), profiles: ["p": profile])
        #expect(diagnostics.map(\.description) == [])
        let node = try #require(configuration?.ports.first?.nodes.first)
        #expect(node.points.map(\.name) == ["voltage", "moved", "kept", "extra"])
        #expect(
            node.points.map(\.interval) == [.seconds(1), .seconds(3), .seconds(3), .seconds(3)])
        #expect(node.points[0].deadband == 1 && node.points[0].type == .float32)
        #expect(
            node.points[1].table == .holding && node.points[1].address == 5
                && node.points[1].type == .int16)
        #expect(node.maxRegisters == 40)
    }

    @Test func nullTakesAwayWhatAProfileHas() throws {
        let profile = """
            { maxRegisters: 40, noMerge: true, points: { a: { input: 0, scale: 0.1, every: "1h", units: "V" },
              b: { input: 1 }, c: { input: 2 } } }
            """
        let nodes =
            #""m-1": { unit: 1, profile: "p", noMerge: null, points: { a: { scale: null, every: null }, b: null, c: false } }"#
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(nodes), profiles: ["p": profile])
        #expect(diagnostics.map(\.description) == [])
        let node = try #require(configuration?.ports.first?.nodes.first)
        #expect(node.points == [Point(name: "a", table: .input, address: 0, units: "V")])
        #expect(node.maxRegisters == 40 && !node.noMerge)
    }

    @Test func aProblemInAProfileIsToldOnceAtItsPlace() {
        let nodes =
            #""m-1": { unit: 1, profile: "p" }, "m-2": { unit: 2, profile: "p" }, "m-3": { unit: 3, profile: "q" }"#
        let profile =
            "{\n  points: { v: { input: 0, tipe: \"int16\" } },\n  unit: 4, maxRegister: 3 }"
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(nodes), profiles: ["p": profile])
        #expect(configuration == nil)
        let lines = diagnostics.map(\.description)
        #expect(lines.count == 4)
        #expect(
            lines.contains {
                $0.hasPrefix("profiles/p.json5:2:28: error: unknown key \"tipe\"")
                    && $0.contains("\"type\"")
            })
        #expect(
            lines.contains {
                $0.hasPrefix("profiles/p.json5:3:3: error: \"unit\" belongs to a node")
            })
        #expect(
            lines.contains {
                $0.hasPrefix("profiles/p.json5:3:12: error: unknown key \"maxRegister\"")
            })
        #expect(
            lines.contains {
                $0.hasPrefix("gw.json5:3:") && $0.contains("profile \"q\" does not exist")
            })
    }

    @Test func aProfileThatIsNoJSONIsToldAtItsPlace() {
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(#""m-1": { unit: 1, profile: "p" }"#),
            profiles: ["p": "{ points: {\n  v }"])
        #expect(configuration == nil)
        #expect(
            diagnostics.map { "\($0.place.file):\($0.place.position.line)" } == [
                "profiles/p.json5:2"
            ])
    }

    @Test func aUARTProfileBringsFrameAndFields() throws {
        let ports =
            #"u: { device: "/dev/u", driver: "uart", nodes: { "pm-1": { profile: "pms5003" } } }"#
        let profile = """
            { driver: "uart", manual: "PMS5003 series data manual",
              frame: { start: "hex:42 4D", fixed: 32, max: 32 }, fields: { pm25: { at: 12, type: "uint16" } } }
            """
        let (configuration, diagnostics) = Samples.read(
            Samples.withPorts(ports), profiles: ["pms5003": profile])
        #expect(diagnostics.map(\.description) == [])
        #expect(configuration?.ports[0].nodes[0].uart?.frame.end == .fixed(32))
        let wrong = Samples.read(
            Samples.withNodes(#""m-1": { unit: 1, profile: "pms5003" }"#),
            profiles: ["pms5003": profile])
        #expect(wrong.1.contains { $0.message.contains("is for driver \"uart\"") })
    }
}
