import Base
import MQTT
import Simulators
import Testing

@Suite struct BridgeDeliveryTests {
    let gateway = BridgeBench.gateway

    @Test func onlyTheDocumentedFiltersAreGranted() {  // E15
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        for device in ["gw-7", "meter-1"] {
            for topic in ["config", "commands/#", "errors"] {
                #expect(
                    bench.subscribe(gateway, "/devices/\(device)/\(topic)", .atLeastOnce) == [1])
                #expect(
                    bench.subscribe(gateway, "/devices/\(device)/\(topic)", .exactlyOnce) == [1])
                #expect(bench.subscribe(gateway, "/devices/\(device)/\(topic)", .atMostOnce) == [0])
            }
            for topic in [
                "events", "state", "commands", "commands/a", "commands/+", "#", "config/#", "+",
            ] {
                #expect(bench.subscribe(gateway, "/devices/\(device)/\(topic)") == [0x80])
            }
        }
        for filter in ["#", "/devices/+/config", "+/devices/gw-7/config", "devices/gw-7/config"] {
            #expect(bench.subscribe(gateway, filter) == [0x80])
        }
        #expect(bench.closed.isEmpty)
    }

    @Test func everySubscribePushesTheLatestConfiguration() throws {  // E16
        var bench = BridgeBench.connected()
        for _ in 0..<2 {
            let message = try #require(
                messages(bench.subscribing(gateway, "/devices/gw-7/config")).first)
            #expect(message.payload == Array("{}".utf8))
            #expect(message.topic.text == "/devices/gw-7/config")
            #expect(message.qos == .atLeastOnce && !message.dup)
        }
    }

    @Test func aNewDeviceHasAnEmptyConfiguration() throws {  // E16
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/meter-2/attach") == puback)
        let message = try #require(
            messages(bench.subscribing(gateway, "/devices/meter-2/config", .atMostOnce)).first)
        #expect(message.payload.isEmpty)
        #expect(message.qos == .atMostOnce)
        bench.wait(.seconds(60))
        #expect(messages(bench.packets(for: gateway)).isEmpty)
    }

    @Test func aConfigurationIsRepeatedUntilItsPuback() throws {  // E16
        var bench = BridgeBench.connected()
        let first = try #require(messages(bench.subscribing(gateway, "/devices/gw-7/config")).first)
        bench.wait(.seconds(25))
        let again = messages(bench.packets(for: gateway))
        #expect(again.map(\.packetID) == [first.packetID, first.packetID])
        #expect(again.map(\.dup) == [true, true])
        let id = try #require(first.packetID)
        #expect(bench.exchange(gateway, .puback(Puback(id))).isEmpty)
        #expect(bench.exchange(gateway, .puback(Puback(id))).isEmpty)  // the answers to the repeats
        bench.wait(.seconds(25))
        #expect(messages(bench.packets(for: gateway)).isEmpty)
        #expect(bench.emulator.registry.devices["gw-7"]?.acknowledgedVersion == 1)
    }

    @Test func aNewerVersionReplacesTheOneWithoutPuback() throws {  // E16
        var bench = BridgeBench.connected()
        let old = try #require(
            messages(bench.subscribing(gateway, "/devices/gw-7/config")).first?.packetID)
        #expect(bench.emulator.setConfig("gw-7", Array("new".utf8), at: bench.now) == true)
        let new = try #require(messages(bench.packets(for: gateway)).first)
        #expect(new.payload == Array("new".utf8))
        #expect(new.packetID != old)
        #expect(errors(bench.exchange(gateway, .puback(Puback(old)))).isEmpty)
        bench.wait(.seconds(11))
        #expect(messages(bench.packets(for: gateway)).map(\.payload) == [Array("new".utf8)])
        #expect(bench.exchange(gateway, .puback(Puback(new.packetID!))).isEmpty)
        #expect(bench.emulator.registry.devices["gw-7"]?.acknowledgedVersion == 2)
        #expect(
            bench.emulator.setConfig("gw-7", [UInt8](repeating: 0, count: 65_537), at: bench.now)
                == false)
        #expect(bench.emulator.setConfig("ghost", [], at: bench.now) == false)
    }

    @Test func subscribingAgainWithQoS0EndsTheRepeats() {  // E16
        var bench = BridgeBench.connected()
        #expect(
            messages(bench.subscribing(gateway, "/devices/gw-7/config")).map(\.qos) == [
                .atLeastOnce
            ])
        let again = messages(bench.subscribing(gateway, "/devices/gw-7/config", .atMostOnce))
        #expect(again.map(\.qos) == [.atMostOnce])
        bench.wait(.seconds(60))
        #expect(messages(bench.packets(for: gateway)).isEmpty)
    }

    @Test func aConfigurationCanFollowItsSubscribeLater() {  // E16
        for qos in [QoS.atMostOnce, .atLeastOnce] {
            var bench = BridgeBench.connected { $0.configDelay = .milliseconds(800) }
            #expect(messages(bench.subscribing(gateway, "/devices/gw-7/config", qos)).isEmpty)
            bench.wait(.milliseconds(799))
            #expect(messages(bench.packets(for: gateway)).isEmpty)
            bench.wait(.milliseconds(1))
            #expect(messages(bench.packets(for: gateway)).map(\.dup) == [false])
        }
    }

    @Test func aCommandReachesOnlyASubscribedDeviceAndIsNotStored() throws {  // E17
        var bench = BridgeBench.connected()
        #expect(bench.emulator.sendCommand("meter-1", [1], at: bench.now) == false)
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        #expect(bench.emulator.sendCommand("meter-1", [1], at: bench.now) == false)
        #expect(messages(bench.subscribing(gateway, "/devices/meter-1/commands/#")).isEmpty)
        #expect(bench.emulator.sendCommand("meter-1", subfolder: "a/b", [2], at: bench.now) == true)
        #expect(bench.emulator.sendCommand("meter-1", [3], at: bench.now) == true)
        let got = messages(bench.packets(for: gateway))
        #expect(
            got.map(\.topic.text) == ["/devices/meter-1/commands/a/b", "/devices/meter-1/commands"])
        #expect(got.map(\.payload) == [[2], [3]])
        #expect(bench.emulator.sendCommand("meter-1", subfolder: "+", [3], at: bench.now) == false)
        #expect(bench.publish(gateway, "/devices/meter-1/detach") == puback)
        #expect(bench.emulator.sendCommand("meter-1", [1], at: bench.now) == false)
    }

    @Test func aCommandWithoutPubackIsRepeatedAFewTimesOnly() {  // E17
        var bench = BridgeBench.connected()
        #expect(bench.subscribe(gateway, "/devices/gw-7/commands/#") == [1])
        #expect(bench.emulator.sendCommand("gw-7", [1], at: bench.now) == true)
        bench.wait(.seconds(80))
        #expect(messages(bench.packets(for: gateway)).map(\.dup) == [false, true, true])
    }

    @Test func deliveriesCanBeDoubledOnPurpose() {  // E17
        var faults = BridgeFaults()
        faults.duplicateDeliveries = .every(1)
        var bench = BridgeBench.connected(faults: faults)
        #expect(bench.subscribe(gateway, "/devices/gw-7/commands/#") == [1])
        #expect(bench.emulator.sendCommand("gw-7", [1], at: bench.now) == true)
        let got = messages(bench.packets(for: gateway))
        #expect(got.map(\.dup) == [false, true])
        #expect(got.first?.packetID == got.last?.packetID)
    }

    @Test func aThousandDevicesAreAttachedAndConfigured() {  // E14
        var registry = BridgeBench.registry()
        for number in 1000..<2000 {
            registry.devices["dev-\(number)"] = .init()
            registry.devices["gw-7"]?.gateway?.bound.insert("dev-\(number)")
        }
        var bench = BridgeBench.connected(registry) { $0.messagesPerSecond = nil }
        for number in 1000..<2000 { _ = bench.publish(gateway, "/devices/dev-\(number)/attach") }
        #expect(bench.emulator.attachedDevices(of: "gw-7").count == 1000)
        var ids: Set<PacketID> = []
        for number in 1000..<2000 {
            let pushed = messages(bench.subscribing(gateway, "/devices/dev-\(number)/config"))
            ids.formUnion(pushed.compactMap(\.packetID))
        }
        #expect(ids.count == 1000)
        for id in ids { #expect(bench.exchange(gateway, .puback(Puback(id))).isEmpty) }
        let acknowledged = bench.emulator.registry.devices.values.filter {
            $0.acknowledgedVersion == 1
        }
        #expect(acknowledged.count == 1000)
        #expect(bench.closed.isEmpty)
    }

    @Test func unexpectedPacketsAreReportedToTheGateway() {  // E24
        var bench = BridgeBench.connected()
        let unknown = errors(bench.exchange(gateway, .puback(Puback(PacketID(500)!))))
        #expect(unknown.first?["error_type"]?.string == "GATEWAY_UNEXPECTED_PACKET_ID")
        let wrong = errors(bench.exchange(gateway, .pubrel(Pubrel(PacketID(500)!))))
        #expect(wrong.first?["error_type"]?.string == "GATEWAY_UNEXPECTED_MESSAGE_TYPE")
        #expect(bench.closed.isEmpty)
    }

    @Test func theClientMachineWorksWithTheEmulator() throws {
        var bench = BridgeBench()
        let link = bench.open()
        var client = Client(
            Client.Settings(
                clientID: "\(bench.emulator.registry.clientIDPrefix)gw-7", username: "unused",
                password: Array(bench.token().utf8)))
        var seen: [Client.Output] = []
        func run() {
            for _ in 0..<100 {
                var isQuiet = true
                while let output = client.next() {
                    isQuiet = false
                    if case .send(let bytes) = output {
                        bench.emulator.received(link, bytes[...], at: bench.now)
                    } else {
                        seen.append(output)
                    }
                }
                for packet in bench.packets(for: link) {
                    isQuiet = false
                    client.receive(packet.bytes[...], at: bench.now.instant)
                }
                if isQuiet { return }
            }
            Issue.record("client and emulator never stop")
        }
        client.connect(at: bench.now.instant)
        run()
        let asked = client.subscribe(
            [(try TopicFilter("/devices/gw-7/config"), .atLeastOnce)], at: bench.now.instant)
        run()
        let topic = try TopicName("/devices/gw-7/events")
        let published = client.publish(
            topic: topic, payload: [1], qos: .atLeastOnce, at: bench.now.instant)
        let sent = try #require(published)
        run()
        #expect(seen.first == .connected(sessionPresent: false))
        #expect(seen.contains(.subscribed(asked, [1])))
        #expect(seen.last == .published(sent))
        #expect(bench.telemetry.count == 1)
        client.disconnect()
        run()
        #expect(bench.closed[link] == "DISCONNECT received")
    }
}
