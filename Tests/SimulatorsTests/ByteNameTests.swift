import Base
import MQTT
import Simulators
import Testing

/// What peers name is known by its bytes, over HTTP as over MQTT.
@Suite struct ByteNameTests {
    private static let marks = String(repeating: "\u{301}\u{316}", count: 5000)

    @Test func metadataThatLooksAlikeIsTwoPairs() {
        var bench = AdminBench()
        let made = bench.ask(
            "POST", "\(AdminBench.plant)/devices",
            #"{"id":"new-1","metadata":{"\u00e9":"1","e\u0301":"2"}}"#)
        #expect(made.status == 200)
        let got = bench.ask("GET", "\(AdminBench.plant)/devices/new-1")
        #expect(got.json["metadata"]?.members?.count == 2)
        #expect(
            got.json["metadata"]?["\u{e9}"]?.string == "1"
                && got.json["metadata"]?["e\u{301}"]?.string == "2")
    }

    @Test func longRunsOfMarksAreOrdinaryText() {
        var bench = AdminBench()
        let encoded = String(repeating: "%CC%81%CC%96", count: 2000)
        #expect(bench.ask("GET", "\(AdminBench.plant)/devices/\(encoded)").status == 404)
        #expect(bench.ask("GET", "\(AdminBench.plant)/devices?\(encoded)=\(encoded)").status == 200)
        #expect(bench.ask("GET", "\(AdminBench.plant)/devices?fieldMask=\(encoded)").status == 200)
        #expect(
            bench.ask("POST", "\(AdminBench.plant)/devices", "{\"\(Self.marks)\":1}").status == 400)
        #expect(
            bench.ask("POST", "\(AdminBench.plant)/devices", "{\"id\":\"\(Self.marks)\"}").status
                == 400)
        #expect(bench.ask("POST", "/emulator/orders", "close \(Self.marks)").status == 400)
        #expect(bench.ask("POST", "/emulator/orders", Self.marks).status == 400)
        #expect(bench.ask("GET", "\(AdminBench.plant)/devices/gw-7").status == 200)
    }

    /// The parts are joined in one pass: one copy for each part was 125 GB for a megabyte of
    /// underscores.
    @Test func snakeCaseIsReadAsCamelCase() {
        var bench = AdminBench()
        let made = bench.ask(
            "POST", "\(AdminBench.plant)/devices",
            #"{"id":"new-1","gateway_config":{"gateway_type":"GATEWAY","gateway_auth_method":"ASSOCIATION_ONLY"}}"#
        )
        #expect(made.json["gatewayConfig"]?["gatewayAuthMethod"]?.string == "ASSOCIATION_ONLY")
        let masked = bench.ask(
            "GET", "\(AdminBench.plant)/devices/new-1?fieldMask=gateway_config.gateway_type,%20name"
        )
        #expect(
            masked.json["gatewayConfig"] != nil && masked.json["name"] != nil
                && masked.json["blocked"] == nil)
        let wrong = bench.ask(
            "POST", "\(AdminBench.plant)/devices",
            "{\"\(String(repeating: "_", count: 900_000))\":1}")
        #expect(wrong.status == 400)
    }

    @Test func topicsAndClientIDsAreBytes() throws {
        var bench = AdminBench()
        let id = bench.client()
        let packet = Connect(
            clientID: "projects/acme/locations/us-central1/registries/plant/devices/\(Self.marks)",
            username: Self.marks, password: [])
        #expect(bench.exchange(id, .connect(packet)) == [.connack(Connack(code: 2))])
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        #expect(
            bench.subscribe(gateway, "/devices/\(Self.marks)/config") == [
                .suback(Suback(PacketID(99)!, [0x80]))
            ])
        // Kelvin's K is no K: there is no such device.
        let topic = try TopicName("/devices/\u{212A}-1/events")
        let answers = bench.exchange(
            gateway, .publish(Publish(topic: topic, payload: [], packetID: PacketID(5)!)))
        #expect(!answers.contains(.puback(Puback(PacketID(5)!))))
    }

    /// A CONNECT that comes byte by byte is kept once, not once for each byte.
    @Test func aConnectMayComeByteByByte() {
        var bench = AdminBench()
        let id = bench.client()
        let token = BridgeBench().token(key: 1)
        let packet = Connect(
            clientID: "projects/acme/locations/us-central1/registries/plant/devices/gw-7",
            username: "unused",
            password: Array(token.utf8))
        var answers: [Packet] = []
        for byte in Packet.connect(packet).bytes {
            bench.cloud.received(id, [byte][...], at: bench.now)
            answers += bench.packets(for: id)
        }
        #expect(answers == [.connack(Connack(code: 0))])
    }
}
