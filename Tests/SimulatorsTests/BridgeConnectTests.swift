import Base
import MQTT
import Simulators
import Testing

@Suite struct BridgeConnectTests {
    @Test func aGenuineTokenOfAnyOfTheKeysConnects() {
        var bench = BridgeBench()
        for key in [1, 2] as [UInt8] {
            let id = bench.open()
            #expect(bench.connect(id, "gw-7", token: bench.token(key: key)) == 0)
        }
        #expect(bench.emulator.onlineDevices == ["gw-7"])
    }

    @Test(arguments: [
        ("gw-9", "unknown"), ("meter-3", "blocked"), ("loner", "no ES256 key verifies"),
    ]) func connackFiveForWhomTheRegistryDoesNotLetIn(_ device: String, _ reason: String) {
        var bench = BridgeBench()
        let id = bench.open()
        #expect(bench.connect(id, device) == 5)
        #expect(bench.closed[id]?.contains(reason) == true)
    }

    @Test(arguments: ["", "gw", "goog-x", "gw 7", "7gw", "gw/7"]) func malformedClientIDsAreRefused(
        _ device: String
    ) {
        var bench = BridgeBench()
        let id = bench.open()
        #expect(bench.connect(id, device) == 2)
        #expect(bench.closed[id] != nil)
    }

    @Test func malformedTokensAreRefusedWithFour() {
        let fine = BridgeBench().token()
        let parts = fine.split(separator: ".").map(String.init)
        let tokens = [
            "", "x", "a.b", fine + ".x", fine + "=", parts[0] + "." + parts[1] + ".",
            parts[0] + "=." + parts[1] + "." + parts[2],
            BridgeBench().token(header: "{\"alg\":\"none\"}"), BridgeBench().token(header: "{}"),
            BridgeBench().token(header: "[]"), BridgeBench().token(header: "{\"alg\":\"HS256\"}"),
            fine.replacing("-", with: "+").replacing("_", with: "/") + "+/",
        ]
        for token in tokens {
            var bench = BridgeBench()
            #expect(bench.connect(bench.open(), "gw-7", token: token) == 4, "\(token)")
        }
    }

    /// E4: issued, lifetime in seconds relative to now; the code of CONNACK.
    @Test(
        arguments: [
            (0, 3600, 0), (599, 3600, 0), (601, 3600, 5), (-86_400, 86_400, 0), (0, 86_401, 5),
            (-3600, 3001, 0),
            (-4200, 3600, 5), (-4199, 3600, 0), (0, 0, 5), (0, -5, 5),
        ] as [(Int64, Int64, UInt8)]) func claimsAreChecked(
            _ issued: Int64, _ lifetime: Int64, _ code: UInt8
        )
    {
        var bench = BridgeBench()
        let token = bench.token(issued: issued, lifetime: lifetime)
        #expect(bench.connect(bench.open(), "gw-7", token: token) == code)
    }

    @Test func claimsAtTheEndsOfTheNumbersDoNotCrash() {
        for (iat, exp) in [
            (Int64.min, Int64.min + 1), (Int64.max - 1, Int64.max), (Int64.min, Int64.max),
            (0, Int64.min),
        ] {
            var bench = BridgeBench()
            let claims = "{\"iat\":\(iat),\"exp\":\(exp),\"aud\":\"acme\"}"
            let parts = ["{\"alg\":\"ES256\"}", claims].map { Base64.encodeURL(Array($0.utf8)) }
            let token =
                parts.joined(separator: ".") + "."
                + Base64.encodeURL([UInt8](repeating: 1, count: 64))
            #expect(bench.connect(bench.open(), "gw-7", token: token) == 5)
        }
    }

    @Test func aTokenForAnotherProjectIsRefused() {
        var bench = BridgeBench()
        #expect(bench.connect(bench.open(), "gw-7", token: bench.token(audience: "other")) == 5)
    }

    @Test func aKeyOfTheWrongKindOrExpiredIsNotTried() {
        let rsa = """
            -----BEGIN PUBLIC KEY-----
            MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo
            -----END PUBLIC KEY-----
            """
        let ec = """
            -----BEGIN PUBLIC KEY-----
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
            -----END PUBLIC KEY-----
            """
        #expect(BridgeRegistry.Key(ByteString(rsa)).algorithm == .rs256)
        #expect(BridgeRegistry.Key(ByteString(ec)).algorithm == .es256)
        var registry = BridgeBench.registry()
        registry.devices["gw-7"]?.keys = [
            .init(ByteString(rsa)), .init("-----BEGIN TEST KEY 1", expires: 1_700_000_000),
        ]
        var bench = BridgeBench(registry)
        #expect(bench.connect(bench.open(), "gw-7") == 5)
    }

    @Test func aSecondConnectionClosesTheFirst() {  // E7
        var bench = BridgeBench.connected()
        let second = bench.open()
        #expect(bench.connect(second, "gw-7") == 0)
        #expect(bench.closed[BridgeBench.gateway]?.contains("same device ID") == true)
        #expect(bench.closed[second] == nil)
        #expect(bench.emulator.subscriptions(of: "gw-7").isEmpty)
    }

    @Test func theConnectionEndsTenMinutesAfterTheToken() {  // E6
        var bench = BridgeBench()
        let id = bench.open()
        #expect(
            bench.connect(id, "gw-7", token: bench.token(issued: 0, lifetime: 1200), keepAlive: 0)
                == 0)
        bench.wait(.seconds(700))
        #expect(bench.exchange(id, .pingreq(Pingreq())) == [.pingresp(Pingresp())])
        bench.wait(.seconds(1099))
        #expect(bench.closed[id] == nil)
        bench.wait(.seconds(2))
        #expect(bench.closed[id] == "The authorization token expired.")
    }

    @Test func silenceBeyondOneAndAHalfKeepAlivesCloses() {  // E8
        var bench = BridgeBench()
        let id = bench.open()
        #expect(bench.connect(id, "gw-7", keepAlive: 60) == 0)
        bench.wait(.seconds(89))
        #expect(bench.exchange(id, .pingreq(Pingreq())) == [.pingresp(Pingresp())])
        bench.wait(.milliseconds(89_999))
        #expect(bench.closed[id] == nil)
        bench.wait(.milliseconds(2))
        #expect(bench.closed[id]?.contains("keep alive") == true)
    }

    @Test func withoutKeepAliveAnIdleConnectionEndsAfterTwentyMinutes() {  // E8
        var bench = BridgeBench()
        let id = bench.open()
        #expect(bench.connect(id, "gw-7", keepAlive: 0) == 0)
        bench.wait(.seconds(1199))
        #expect(bench.closed[id] == nil)
        bench.wait(.seconds(2))
        #expect(bench.closed[id]?.contains("idle") == true)
    }

    @Test func whatIsNotSupportedIsIgnoredOrClosesByTheSwitch() {  // E9
        let will = Connect.Will(topic: try! TopicName("a"), payload: [])
        for unsupported in BridgeSwitches.Unsupported.allCases {
            var bench = BridgeBench { $0.unsupported = unsupported }
            let expected: UInt8? = unsupported == .ignore ? 0 : nil
            #expect(bench.connect(bench.open(), "gw-7", change: { $0.will = will }) == expected)
            #expect(
                bench.connect(bench.open(), "gw-7", change: { $0.cleanSession = false }) == expected
            )
        }
    }

    @Test func whateverIsNotMQTT311ClosesAtOnce() {  // E1
        for bytes in [
            [0x10, 12, 0, 4, 0x4D, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0], [0xC0, 0], [0x16, 3, 1],
        ]
            as [[UInt8]]
        {
            var bench = BridgeBench()
            let id = bench.open()
            bench.emulator.received(id, bytes[...], at: bench.now)
            #expect(bench.packets(for: id).isEmpty)
            #expect(bench.closed[id]?.hasPrefix("protocol fault") == true)
        }
    }

    @Test func aConnectionThatSaysNothingIsClosed() {
        var bench = BridgeBench()
        let id = bench.open()
        bench.wait(.seconds(31))
        #expect(bench.closed[id] == "no CONNECT in time")
        #expect(bench.emulator.deadline == nil)
    }

    @Test func packetsBehindAConnectWaitForTheSignature() {
        var bench = BridgeBench()
        let id = bench.open()
        let connect = Connect(
            clientID: "\(bench.emulator.registry.clientIDPrefix)gw-7", username: "unused",
            password: Array(bench.token().utf8))
        let bytes = Packet.connect(connect).bytes + Packet.pingreq(Pingreq()).bytes
        bench.emulator.received(id, bytes[...], at: bench.now)
        #expect(bench.packets(for: id) == [.connack(Connack(code: 0)), .pingresp(Pingresp())])
    }

    @Test func refusalsByTheFaultScriptEndAtTheirTime() {
        var faults = BridgeFaults()
        let bench0 = BridgeBench()
        faults.refuse = (code: 0x13, until: bench0.now.instant + .seconds(60))
        var bench = BridgeBench(faults: faults)
        #expect(bench.connect(bench.open(), "gw-7") == 0x13)
        bench.wait(.seconds(61))
        #expect(bench.connect(bench.open(), "gw-7") == 0)
    }
}
