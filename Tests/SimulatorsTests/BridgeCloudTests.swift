import Base
import MQTT
import Simulators
import Testing

/// Several registries behind one port, orders, scripts, switches by name, and the activity log.
@Suite struct BridgeCloudTests {
    private var two: [BridgeRegistry] {
        var other = BridgeBench.registry()
        other.name.registry = "works"
        return [BridgeBench.registry(), other]
    }

    @Test func aConnectionBelongsToTheRegistryOfItsClientID() {
        var bench = AdminBench(two)
        let plant = bench.client(), works = bench.client(), nowhere = bench.client()
        #expect(bench.connect(plant, "gw-7") == 0)
        #expect(bench.connect(works, "gw-7", registry: "works") == 0)
        #expect(
            !bench.closed.contains(plant),
            "the same device ID in another registry is another device")
        #expect(bench.connect(nowhere, "gw-7", registry: "elsewhere") == 5)
        #expect(bench.closed.contains(nowhere))
        _ = bench.publish(works, "/devices/gw-7/events", "7")
        #expect(bench.lines.last?.contains("registries/works\"") == true)
    }

    @Test func aConnectMayComeInPiecesAndWhatIsNoneIsClosed() {
        var bench = AdminBench(two)
        let slow = bench.client()
        let packet = Packet.connect(
            Connect(
                clientID: "projects/acme/locations/us-central1/registries/works/devices/gw-8",
                keepAlive: 60, username: "u",
                password: Array(BridgeBench().token().utf8))
        ).bytes
        for byte in packet { bench.cloud.received(slow, [byte], at: bench.now) }
        #expect(bench.packets(for: slow) == [.connack(Connack(code: 0))])
        let wrong = bench.client(), silent = bench.client()
        bench.cloud.received(wrong, [0x16, 3, 1], at: bench.now)
        bench.settle()
        #expect(bench.closed.contains(wrong))
        bench.wait(.seconds(31))
        #expect(bench.closed.contains(silent))
        #expect(!bench.closed.contains(slow))
    }

    @Test func aDeletedRegistryClosesItsClients() {
        var bench = AdminBench(two)
        let works = bench.client(), plant = bench.client()
        #expect(bench.connect(works, "gw-7", registry: "works") == 0)
        #expect(bench.connect(plant, "gw-7") == 0)
        bench.cloud.remove(two[1].name, at: bench.now)
        bench.settle()
        #expect(bench.closed == [works])
    }

    // MARK: Orders and scripts

    @Test(arguments: [
        ("detatch meter-1", "did you mean \"detach\"?"), ("refuse 0", "usage: refuse CODE"),
        ("refuse 300", "usage"),
        ("drop-pubacks 0", "usage"), ("drop-pubacks 150%", "usage"), ("throttle -1", "usage"),
        ("mute forever", "usage"),
        ("detach ghost", "is in no registry"), ("detach meter-1", "is not attached"),
        ("command gw-7 {}", "not stored"),
        ("close loner", "is not connected"),
    ]) func aWrongOrderSaysWhatWasMeant(_ line: String, _ words: String) throws {
        var bench = AdminBench()
        do {
            _ = try bench.cloud.obey(line, at: bench.now)
            Issue.record("\(line) was obeyed")
        } catch {
            #expect(error.message.contains(words), "\(error.message)")
        }
    }

    @Test func aScriptPlaysItsOrdersInTimeAndTimedOnesEnd() throws {
        var bench = AdminBench()
        let script = try BridgeScript(
            """
            # a bad quarter of a minute
            1s   drop-pubacks 1
            3s   drop-pubacks off
            5s   mute 2s
            9s   away 3s

            """)
        bench.cloud.play(script, at: bench.now)
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        #expect(bench.publish(gateway, "/devices/gw-7/events") == puback)
        bench.wait(.seconds(2))
        #expect(bench.publish(gateway, "/devices/gw-7/events").isEmpty)
        bench.wait(.seconds(2))
        #expect(bench.publish(gateway, "/devices/gw-7/events") == puback)
        bench.wait(.seconds(2))
        #expect(bench.cloud.faults.mute)
        bench.wait(.seconds(2))
        #expect(!bench.cloud.faults.mute)
        #expect(bench.listening.isEmpty)
        bench.wait(.seconds(5))
        #expect(bench.listening == [false, true])
        do {
            _ = try BridgeScript("5s close\nsoon close")
            Issue.record("a script without a time was taken")
        } catch {
            #expect(error.line == 2)
        }
    }

    @Test func aThrottledClientIsReadSlowlyAndLosesNothing() throws {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        _ = try bench.cloud.obey("throttle 2", at: bench.now)
        for _ in 0..<20 { _ = bench.publish(gateway, "/devices/gw-7/events", "x") }
        #expect(bench.lines.count == 1)
        bench.wait(.seconds(5))
        #expect((9...12).contains(bench.lines.count))
        _ = try bench.cloud.obey("throttle off", at: bench.now)
        bench.settle()
        #expect(bench.lines.count == 20)
    }

    // MARK: Switches by name

    @Test func everySwitchHasANameAndTakesWhatItSays() throws {
        var switches = BridgeSwitches()
        #expect(Set(BridgeKnob.all.map(\.name)).count == BridgeKnob.all.count)
        for knob in BridgeKnob.all {
            let good: [String]
            switch knob.value {
            case "TIME": good = ["0", "1500ms", "10m"]
            case "N", "1-255": good = ["1", "255"]
            case "N|unlimited": good = ["0.5", "unlimited"]
            default: good = knob.value.split(separator: "|").map(String.init)
            }
            for text in good {
                try BridgeKnob.set(ByteString(knob.name), to: ByteString(text), in: &switches)
            }
            for text in ["", "-1", "nonsense"] {
                do {
                    try BridgeKnob.set(ByteString(knob.name), to: ByteString(text), in: &switches)
                    Issue.record("\(knob.name) took \"\(text)\"")
                } catch {
                    #expect(error.message.contains(knob.name))
                }
            }
        }
    }

    @Test func aRegistryFileSetsSwitchesTopicsMetadataAndLevels() throws {
        let text = """
            { project: "p", region: "r", registry: "g", eventTopics: { "": "projects/p/topics/all", alarms: "projects/p/topics/a" },
              logLevel: "ERROR", switches: { "attach-failure": "close", "refused-code": 0x13, "packet-id-as-string": true },
              devices: { "meter-1": { metadata: { site: "north" }, logLevel: "DEBUG" } } }
            """
        let (registry, switches) = try BridgeRegistry.read(Array(text.utf8))
        #expect(registry.topic(for: "alarms") == "projects/p/topics/a")
        #expect(registry.topic(for: "other") == "projects/p/topics/all")
        #expect(registry.devices["meter-1"]?.metadata == ["site": "north"])
        #expect(
            switches.attachFailure == .close && switches.refusedCode == 0x13
                && switches.packetIDAsString)
        do {
            _ = try BridgeRegistry.read(
                Array(
                    "{ project: \"p\", region: \"r\", registry: \"g\", switches: { atach-failure: 1 } }"
                        .utf8))
            Issue.record("a wrong switch was taken")
        } catch {
            #expect(!error.problems.isEmpty)
        }
    }

    @Test(arguments: [BridgeSwitches.WhenRemoved.keep, .close])
    func unboundWhileAttachedByTheSwitch(
        _ mode: BridgeSwitches.WhenRemoved
    ) {  // E27
        var bench = BridgeBench.connected { $0.whenRemoved = mode }
        #expect(bench.publish(BridgeBench.gateway, "/devices/meter-1/attach") == puback)
        bench.emulator.unbind("meter-1", from: "gw-7", at: bench.now)
        bench.settle()
        #expect(bench.emulator.isAttached("meter-1") == (mode == .keep))
        #expect((bench.closed[BridgeBench.gateway] != nil) == (mode == .close))
    }

    @Test(arguments: [BridgeSwitches.StateTooSoon.drop, .close])
    func tooManyStatesOfADeviceByTheSwitch(
        _ mode: BridgeSwitches.StateTooSoon
    ) {  // E13
        var bench = BridgeBench.connected { $0.stateTooSoon = mode }
        #expect(bench.publish(BridgeBench.gateway, "/devices/meter-1/attach") == puback)
        #expect(bench.publish(BridgeBench.gateway, "/devices/meter-1/state") == puback)
        #expect(bench.publish(BridgeBench.gateway, "/devices/meter-1/state").isEmpty)
        #expect((bench.closed[BridgeBench.gateway] != nil) == (mode == .close))
        #expect(bench.emulator.isAttached("meter-1") == (mode == .drop))
    }

    @Test func telemetryWithoutATopicClosesByTheSwitch() {  // E11, E12
        var registry = BridgeBench.registry()
        registry.eventTopics = [.init("projects/acme/topics/alarms", subfolder: "alarms")]
        var bench = BridgeBench.connected(registry) { $0.noTopic = .close }
        #expect(bench.publish(BridgeBench.gateway, "/devices/gw-7/events/alarms") == puback)
        #expect(bench.telemetry.first?.pubsubTopic == "projects/acme/topics/alarms")
        #expect(bench.publish(BridgeBench.gateway, "/devices/gw-7/events").isEmpty)
        #expect(bench.closed[BridgeBench.gateway] != nil)
    }

    @Test func aLenientBridgeTakesPaddedTokens() {  // E4
        for mode in BridgeSwitches.TokenText.allCases {
            var bench = BridgeBench { $0.tokenText = mode }
            let padded = bench.token().split(separator: ".").map { part -> String in
                String(part) + String(repeating: "=", count: (4 - part.count % 4) % 4)
            }.joined(separator: ".")
            let id = bench.open()
            #expect(bench.connect(id, "gw-7", token: padded) == (mode == .lenient ? 0 : 4))
        }
    }

    // MARK: The activity log

    @Test func theActivityLogHasTheDocumentedShape() throws {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        _ = bench.publish(gateway, "/devices/meter-1/attach")
        _ = bench.publish(gateway, "/devices/meter-1/events", "x")
        let second = bench.client()
        #expect(bench.connect(second, "gw-7") == 0)
        let entries = try bench.activity.map { try JSONReader.parse(Array($0.utf8)) }
        #expect(
            entries.map { $0["jsonPayload"]?["eventType"]?.string } == [
                "CONNECT", "ATTACH_TO_GATEWAY", "PUBLISH", "DISCONNECT", "CONNECT",
            ])
        let attach = entries[1]
        #expect(attach["labels"]?["device_id"]?.string == "meter-1")
        #expect(attach["jsonPayload"]?["gateway"]?["id"]?.string == "gw-7")
        #expect(attach["resource"]?["type"]?.string == "cloudiot_device")
        #expect(
            attach["resource"]?["labels"]?["device_num_id"]?.string
                == "\(bench.plant.registry.numericID(of: "meter-1"))")
        #expect(entries[2]["jsonPayload"]?["publishFromDeviceTopicType"]?.string == "EVENTS")
        let end = entries[3]["jsonPayload"]
        #expect(end?["disconnectType"]?.string == "SERVER")
        #expect(end?["status"]?["code"]?.integer == 6)
        #expect(end?["status"]?["description"]?.string == "ALREADY_EXISTS")
        #expect(
            end?["status"]?["message"]?.string?.contains(
                "another active connection with the same device ID.") == true)
        let device = bench.ask("GET", "\(AdminBench.plant)/devices/gw-7").json
        #expect(device["lastErrorStatus"]?["code"]?.integer == 6)
    }

    @Test(arguments: [("NONE", 0), ("ERROR", 0), ("INFO", 1), ("DEBUG", 2)])
    func theLevelDecidesWhatIsLogged(
        _ level: String, _ count: Int
    ) {
        var registry = BridgeBench.registry()
        registry.logLevel = BridgeRegistry.LogLevel(rawValue: level)!
        var bench = AdminBench([registry])
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        _ = bench.publish(gateway, "/devices/gw-7/events", "x")
        #expect(bench.activity.count == count)
        let other = bench.client()
        #expect(bench.connect(other, "gw-7") == 0)
        #expect(
            bench.activity.contains { $0.contains("DISCONNECT") } == (level != "NONE"), "an error")
    }
}
