import Base
import MQTT
import Simulators
import Testing

@Suite struct BridgeAttachTests {
    let gateway = BridgeBench.gateway

    @Test(arguments: ["", "{}", "{\"authorization\":\"\"}"]) func aBoundDeviceIsAttached(
        _ payload: String
    ) {  // E18, E19
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/meter-1/attach", payload) == puback)
        #expect(bench.publish(gateway, "/devices/meter-1/attach", payload) == puback)
        #expect(bench.emulator.attachedDevices(of: "gw-7") == ["meter-1"])
        #expect(bench.publish(gateway, "/devices/meter-1/events", "x") == puback)
        #expect(bench.telemetry.map(\.device) == ["meter-1"])
        #expect(bench.telemetry.first?.gateway == "gw-7")
        #expect(bench.publish(gateway, "/devices/meter-1/detach") == puback)
        #expect(bench.publish(gateway, "/devices/meter-1/detach") == puback)
        #expect(!bench.emulator.isAttached("meter-1"))
    }

    @Test func anUnboundDeviceIsReportedAndGetsNoPuback() throws {  // E20, E22
        var bench = BridgeBench.connected()
        let answers = bench.publish(gateway, "/devices/loner/attach", packet: 77)
        #expect(answers.count == 1)
        let error = try #require(errors(answers).first)
        #expect(error["error_type"]?.string == "GATEWAY_ATTACHMENT_ERROR")
        #expect(error["device_id"]?.string == "loner")
        #expect(
            error["description"]?.string?.contains("DeviceId loner is not associated with Gateway")
                == true)
        #expect(error["mqtt_message_info"]?["message_type"]?.string == "PUBLISH")
        #expect(error["mqtt_message_info"]?["topic"]?.string == "/devices/loner/attach")
        #expect(error["mqtt_message_info"]?["packet_id"]?.integer == 77)
        #expect(bench.closed.isEmpty)
    }

    @Test func blockedUnknownAndGatewayDevicesAreRefused() {
        var registry = BridgeBench.registry(.associationOnly)
        registry.devices["gw-7"]?.gateway?.bound.formUnion(["gw-8", "ghost"])
        var bench = BridgeBench.connected(registry)
        for device in ["meter-3", "gw-8", "ghost"] {
            let found = errors(bench.publish(gateway, "/devices/\(device)/attach"))
            #expect(found.first?["error_type"]?.string == "GATEWAY_ATTACHMENT_ERROR", "\(device)")
        }
    }

    @Test func withoutTheErrorsTopicThereIsOnlyTheLog() {  // E20
        var bench = BridgeBench()
        let id = bench.open()
        #expect(bench.connect(id, "gw-7") == 0)
        #expect(bench.publish(id, "/devices/loner/attach").isEmpty)
        #expect(bench.log.contains { $0.contains("not subscribed") })
        #expect(bench.closed.isEmpty)
    }

    @Test(arguments: BridgeSwitches.AttachFailure.allCases) func aFailedAttachClosesByTheSwitch(
        _ mode: BridgeSwitches.AttachFailure
    ) {  // E21
        var bench = BridgeBench.connected { $0.attachFailure = mode }
        let answers = bench.publish(gateway, "/devices/loner/attach")
        #expect(errors(answers).count == (mode == .close ? 0 : 1))
        #expect((bench.closed[gateway] != nil) == (mode != .errorOnly))
    }

    @Test func errorsCanBeFlatWithAPacketIDAsText() {  // E23
        var bench = BridgeBench.connected {
            $0.errorShape = .flat
            $0.packetIDAsString = true
        }
        let error = errors(bench.publish(gateway, "/devices/loner/attach")).first
        #expect(error?["mqtt_message_info"] == nil)
        #expect(error?["packet_id"]?.string == "10")
        #expect(error?["topic"]?.string == "/devices/loner/attach")
    }

    @Test func theMethodUnspecifiedRefusesEveryone() {  // E19
        var bench = BridgeBench.connected(BridgeBench.registry(.unspecified))
        #expect(errors(bench.publish(gateway, "/devices/meter-1/attach")).count == 1)
    }

    @Test(arguments: [BridgeRegistry.AuthMethod.deviceTokenOnly, .associationAndDeviceToken])
    func deviceTokensAreVerified(_ method: BridgeRegistry.AuthMethod) {  // E19
        var bench = BridgeBench.connected(BridgeBench.registry(method))
        func payload(_ token: String) -> String { "{\"authorization\":\"\(token)\"}" }
        let genuine = bench.token(key: 11)
        for bad in [
            "", "{}", "{ 'authorization' : \(genuine) }", payload(""), payload(bench.token(key: 1)),
        ] {
            #expect(
                errors(bench.publish(gateway, "/devices/meter-1/attach", bad)).count == 1, "\(bad)")
        }
        #expect(bench.publish(gateway, "/devices/meter-1/attach", payload(genuine)) == puback)
        let unbound = bench.publish(gateway, "/devices/loner/attach", payload(bench.token(key: 5)))
        #expect((unbound == puback) == (method == .deviceTokenOnly))
    }

    @Test func aDeviceThatIsNotAttachedIsNotFoundAndTheConnectionStays() throws {  // E23, E25
        var bench = BridgeBench.connected()
        let answers = bench.publish(gateway, "/devices/meter-1/state", "x")
        let error = try #require(errors(answers).first)
        #expect(answers.count == 1)
        #expect(error["error_type"]?.string == "GATEWAY_DEVICE_NOT_FOUND")
        #expect(
            error["description"]?.string
                == "The specified device with ID 'meter-1' is not attached to the gateway.")
        let subscribed = bench.subscribing(gateway, "/devices/meter-1/config")
        #expect(subscribed.first == .suback(Suback(PacketID(99)!, [0x80])))
        #expect(
            errors(subscribed).first?["mqtt_message_info"]?["message_type"]?.string == "SUBSCRIBE")
        #expect(bench.closed.isEmpty)
    }

    @Test func attachmentsDieWithTheConnection() {  // E26
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        bench.emulator.disconnected(gateway, at: bench.now)
        let again = bench.open()
        #expect(bench.connect(again, "gw-7") == 0)
        #expect(bench.publish(again, "/devices/meter-1/events").isEmpty)
    }

    @Test func theLastGatewayToAttachWins() {  // E27
        var bench = BridgeBench.connected()
        let other = bench.open()
        #expect(bench.connect(other, "gw-8") == 0)
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        #expect(bench.publish(other, "/devices/meter-1/attach") == puback)
        let told = errors(bench.packets(for: gateway))
        #expect(told.first?["error_type"]?.string == "GATEWAY_DETACHMENT_DEVICE_ERROR")
        #expect(bench.emulator.attachedDevices(of: "gw-8") == ["meter-1"])
        #expect(bench.emulator.attachedDevices(of: "gw-7").isEmpty)
    }

    @Test func unbindingBlockingAndDeletingDetach() {  // E27
        let deeds: [(inout BridgeEmulator, Moment) -> Void] = [
            { $0.unbind("meter-1", from: "gw-7", at: $1) },
            { $0.setBlocked("meter-1", true, at: $1) },
            { $0.delete("meter-1", at: $1) }, { _ = $0.detach("meter-1", at: $1) },
        ]
        for deed in deeds {
            var bench = BridgeBench.connected()
            #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
            deed(&bench.emulator, bench.now)
            let error = errors(bench.packets(for: gateway)).first
            #expect(error?["error_type"]?.string == "GATEWAY_DETACHMENT_DEVICE_ERROR")
            #expect(error?["description"]?.string == "Device detached because of a device error.")
            #expect(error?["device_id"]?.string == "meter-1")
            #expect(error?["mqtt_message_info"] == nil)
        }
    }

    @Test func aDeviceAloneMayNotSpeakForOthersNorAttach() {  // E11
        for topic in [
            "/devices/meter-1/events", "/devices/loner/attach", "/devices/meter-1/attach",
        ] {
            var bench = BridgeBench()
            let id = bench.open()
            #expect(bench.connect(id, "loner", token: bench.token(key: 5)) == 0)
            #expect(bench.publish(id, "/devices/loner/events/a", "x") == puback)
            #expect(bench.telemetry.first?.gateway == nil)
            #expect(bench.publish(id, topic).isEmpty)
            #expect(bench.closed[id] != nil)
        }
    }

    @Test func noMoreThanTheAllowedNumberIsAttached() {  // E14
        var bench = BridgeBench.connected { $0.attachedMax = 1 }
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        #expect(errors(bench.publish(gateway, "/devices/meter-2/attach")).count == 1)
    }
}
