import Base
import MQTT
import Simulators
import Testing

@Suite struct BridgePublishTests {
    let gateway = BridgeBench.gateway

    @Test(arguments: [
        "devices/gw-7/events", "/devices/gw-7", "/devices/gw-7/event", "/devices/gw-7/events/",
        "/devices/gw-7/state/x",
        "/devices//events", "/gw-7/events", "/devices/gw-7/config", "/devices/gw-7/attach/x", "/",
        "telemetry",
    ]) func anyOtherTopicClosesTheConnection(_ topic: String) {  // E11
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, topic).isEmpty)
        #expect(bench.closed[gateway]?.contains("not allowed") == true)
        #expect(bench.telemetry.isEmpty && bench.states.isEmpty)
    }

    @Test func aSubfolderHasAtMost256Bytes() {  // E12
        let fits = String(repeating: "a", count: 256)
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/gw-7/events/" + fits) == puback)
        #expect(bench.publish(gateway, "/devices/gw-7/events/a/b") == puback)
        #expect(bench.telemetry.map(\.subfolder) == [ByteString(fits), "a/b"])
        #expect(bench.publish(gateway, "/devices/gw-7/events/a" + fits).isEmpty)
        #expect(bench.closed[gateway] != nil)
    }

    @Test func aMalformedDeviceIDIsReportedNotClosed() {  // E24
        var bench = BridgeBench.connected()
        let error = errors(bench.publish(gateway, "/devices/7up!/events")).first
        #expect(error?["error_type"]?.string == "GATEWAY_INVALID_MQTT_TOPIC")
        #expect(bench.closed.isEmpty)
    }

    @Test func quietAndRepeatedMessagesAreTakenAsTheyAre() {
        var bench = BridgeBench.connected()
        let topic = try! TopicName("/devices/gw-7/events")
        #expect(bench.exchange(gateway, .publish(Publish(topic: topic, payload: [1]))).isEmpty)
        let again = Publish(topic: topic, payload: [2], packetID: PacketID(10)!, dup: true)
        #expect(bench.exchange(gateway, .publish(again)) == puback)
        #expect(bench.telemetry.map(\.dup) == [false, true])
        #expect(bench.telemetry.map(\.qos) == [.atMostOnce, .atLeastOnce])
        let twice = Publish(topic: topic, payload: [], packetID: PacketID(1)!, qos: .exactlyOnce)
        #expect(bench.exchange(gateway, .publish(twice)).isEmpty)
        #expect(bench.closed[gateway] == "QoS 2 is not supported")
    }

    @Test func stateTooOftenClosesTheGateway() {  // E13
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/gw-7/state", "a") == puback)
        bench.wait(.milliseconds(1000))
        #expect(bench.publish(gateway, "/devices/gw-7/state", "b") == puback)
        bench.wait(.milliseconds(999))
        #expect(bench.publish(gateway, "/devices/gw-7/state", "c").isEmpty)
        #expect(bench.closed[gateway]?.contains("once every 1000 ms") == true)
        #expect(bench.states.count == 2)
    }

    @Test func stateTooOftenDetachesADeviceAndThenItIsNotFound() {  // E13
        var bench = BridgeBench.connected()
        #expect(bench.publish(gateway, "/devices/meter-1/attach") == puback)
        #expect(bench.publish(gateway, "/devices/meter-1/state", "a") == puback)
        let first = errors(bench.publish(gateway, "/devices/meter-1/state", "b"))
        #expect(first.first?["error_type"]?.string == "GATEWAY_DETACHMENT_DEVICE_ERROR")
        let second = errors(bench.publish(gateway, "/devices/meter-1/state", "c"))
        #expect(second.first?["error_type"]?.string == "GATEWAY_DEVICE_NOT_FOUND")
        #expect(bench.closed.isEmpty)
    }

    @Test func payloadsOverTheLimitClose() {  // E14
        for (topic, limit) in [("/devices/gw-7/events", 262_144), ("/devices/gw-7/state", 65_536)] {
            var bench = BridgeBench.connected()
            #expect(bench.publish(gateway, topic, String(repeating: "x", count: limit)) == puback)
            bench.wait(.seconds(2))
            #expect(bench.publish(gateway, topic, String(repeating: "x", count: limit + 1)).isEmpty)
            #expect(bench.closed[gateway]?.contains("at most \(limit)") == true)
        }
    }

    @Test func moreThanAHundredMessagesASecondClose() {  // E14
        var bench = BridgeBench.connected()
        for _ in 0..<300 {
            bench.wait(.microseconds(10_100))
            #expect(bench.publish(gateway, "/devices/gw-7/events", "x") == puback)
        }
        for _ in 0..<200 where bench.closed.isEmpty {
            bench.wait(.milliseconds(1))
            _ = bench.publish(gateway, "/devices/gw-7/events", "x")
        }
        #expect(bench.closed[gateway]?.contains("messages a second") == true)
    }

    @Test func overTheLimitMessagesCanBeDroppedInstead() {  // E14
        var bench = BridgeBench.connected { $0.overLimit = .drop }
        for _ in 0..<150 { _ = bench.publish(gateway, "/devices/gw-7/events", "x") }
        #expect(bench.closed.isEmpty)
        #expect(bench.telemetry.count < 100)
        #expect(bench.telemetry.count + bench.emulator.statistics.messagesDropped == 150)
    }

    @Test func moreThanHalfAMegabyteASecondCloses() {  // E14
        var bench = BridgeBench.connected()
        for _ in 0..<3 {
            _ = bench.publish(
                gateway, "/devices/gw-7/events", String(repeating: "x", count: 250_000))
        }
        #expect(bench.closed[gateway]?.contains("bytes a second") == true)
    }

    @Test func pubacksAreDroppedEveryNthAndTheMessageIsKept() {
        var faults = BridgeFaults()
        faults.dropPubacks = .every(3)
        var bench = BridgeBench.connected(faults: faults)
        let answered = (0..<9).map { _ in
            bench.publish(gateway, "/devices/gw-7/events", "x") == puback
        }
        #expect(answered == [true, true, false, true, true, false, true, true, false])
        #expect(bench.telemetry.count == 9)
        #expect(bench.emulator.statistics.pubacksDropped == 3)
    }

    @Test func messagesAreDroppedByChanceTheSameWayForTheSameSeed() {
        var faults = BridgeFaults()
        faults.dropMessages = .chance(0.5)
        var runs: [[Bool]] = []
        for _ in 0..<2 {
            var bench = BridgeBench.connected(faults: faults)
            runs.append(
                (0..<50).map { _ in bench.publish(gateway, "/devices/gw-7/events", "x") == puback })
        }
        #expect(runs[0] == runs[1])
        #expect((10..<40).contains(runs[0].filter { $0 }.count))
    }

    @Test func pubacksCanBeLate() {
        var faults = BridgeFaults()
        faults.delayPubacks = .seconds(3)
        var bench = BridgeBench.connected(faults: faults)
        #expect(bench.publish(gateway, "/devices/gw-7/events", "x").isEmpty)
        #expect(bench.emulator.deadline?.reason == .puback)
        bench.wait(.seconds(2))
        #expect(bench.packets(for: gateway).isEmpty)
        bench.wait(.seconds(1))
        #expect(bench.packets(for: gateway) == puback)
    }

    @Test func aConnectionEndsAfterSoManyPackets() {
        var faults = BridgeFaults()
        faults.closeAfterPackets = 3
        var bench = BridgeBench.connected(faults: faults)  // its SUBSCRIBE is the first
        for _ in 0..<2 { #expect(bench.publish(gateway, "/devices/gw-7/events") == puback) }
        #expect(bench.publish(gateway, "/devices/gw-7/events").isEmpty)
        #expect(bench.closed[gateway] == "fault: closed after 3 packets")
    }

    @Test func aMuteBridgeTakesEverythingAndAnswersNothing() {
        var bench = BridgeBench.connected()
        bench.emulator.faults.mute = true
        #expect(bench.publish(gateway, "/devices/gw-7/events").isEmpty)
        #expect(bench.exchange(gateway, .pingreq(Pingreq())).isEmpty)
        #expect(bench.emulator.deadline == nil)
        bench.wait(.seconds(3600))
        #expect(bench.closed.isEmpty)
        bench.emulator.faults.mute = false
        bench.wait(.seconds(1))
        #expect(bench.closed[gateway] != nil)
    }
}
