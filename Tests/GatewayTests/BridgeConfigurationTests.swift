import Base
import Bridge
import Gateway
import Testing

/// The parts of `bridge` for plain brokers, proxies and several keys.
@Suite struct BridgeConfigurationTests {
    /// One warning for a host that is known not to answer any more, however often it is named.
    @Test(arguments: [
        (
            "us-central1-mqtt.clearblade.com",
            "is being retired, and the root of its certificate with it"
        ),
        (
            "EUROPE-WEST1-mqtt.clearblade.com",
            "\"Targeting devices\" in ClearBlade's IoT Core documentation"
        ),
        ("mqtt.googleapis.com", "is retired: Google switched Cloud IoT Core off in August 2023"),
        ("mqtt.2030.ltsapis.goog", "is retired"),
        ("mqtt.your-region.example", "is a placeholder: put your bridge's host there"),
    ])
    func aHostThatIsRetiredOrAPlaceholderIsWarnedOf(_ host: String, _ words: String) {
        let text =
            "{ bridge: { host: \"\(host)\", fallback: [\"\(host):443\"], gateway: \"gw-7\" }, ports: {} }"
        let found = Configuration.read(Array(text.utf8), fileName: "x") { _ in
            .failure(ProfileFailure("none"))
        }.1
            .filter { $0.message.contains(host) }
        #expect(
            found.count == 1
                && found.allSatisfy { $0.severity == .warning && $0.message.contains(words) },
            "\(found)")
    }

    @Test(arguments: [
        "us-central1-g5-mqtt.clearblade.com", "acme-mqtt.clearblade.com", "mqtt.example.com",
    ])
    func otherHostsAreNot(_ host: String) {
        let text = "{ bridge: { host: \"\(host)\", gateway: \"gw-7\" }, ports: {} }"
        let found = Configuration.read(Array(text.utf8), fileName: "x") { _ in
            .failure(ProfileFailure("none"))
        }.1
        #expect(!found.contains { $0.message.contains(host) })
    }

    private let gateway = try! DeviceID("gw-1")
    private let meter = try! DeviceID("dev-1")

    @Test func aPlainBrokerMayHaveTopicsOfAnyForm() throws {
        let (configuration, diagnostics) = Samples.read(
            Samples.withBridge(
                """
                telemetryTopic: "plant/{gateway}/{device}/data", commandTopic: "do/{device}", attachMessages: true,
                availabilityTopic: "plant/{gateway}/available",
                """))
        #expect(diagnostics == [])
        let bridge = try #require(configuration?.bridge)
        #expect(bridge.layout.events(meter, "gaps") == "plant/gw-1/dev-1/data/gaps")
        let filters = bridge.layout.filters(of: meter).map(\.filter)
        #expect(filters == ["/devices/dev-1/config", "do/dev-1/#"])
        #expect(bridge.layout.availability == "plant/gw-1/available")
        #expect(bridge.attachMessages)
        let settings = Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
            version: "test")
        #expect(settings.session.layout == bridge.layout && settings.session.attachesByMessage)
    }

    static let complaints = [
        Complaint(
            .bridge, "stateTopic: \"{device}/{device}\"", "2:13", "says {device} more than once"),
        Complaint(.bridge, "stateTopic: \"{device}/#\"", "2:13", "has a wildcard"),
        Complaint(
            .bridge, "stateTopic: \"{node}/{device}\"", "2:13",
            "a brace that belongs to no {device}"),
        Complaint(
            .bridge, "availabilityTopic: \"a//b\"", "2:20", "is no topic: it has an empty level"),
        Complaint(
            .bridge, "configTopic: \"x/{device}\", commandTopic: \"x/{device}\"", "1:111",
            "cannot be told apart"),
        Complaint(
            .bridge,
            "setTopic: \"p/{device}/{point}\", publish: { latestTopic: \"p/{device}/{point}\" }",
            "1:111", "would come back as a command"),
        Complaint(
            .bridge, "commandTopic: \"p/{device}\", telemetryTopic: \"p/{device}/data\"", "1:111",
            "published to \"telemetryTopic\" would come back"),
        Complaint(.bridge, "proxy: \"proxy.lan:3128\"", "2:8", "does not begin with http://"),
        Complaint(.bridge, "proxy: \"https://proxy.lan\"", "2:8", "must be an http:// proxy"),
        Complaint(
            .bridge, "proxy: \"http://user@proxy.lan\"", "2:8", "has no password behind its user"),
        Complaint(.bridge, "proxy: \"http://a b:1\"", "2:8", "has no host name and port"),
        Complaint(
            .nodes, "\"d-1\": { unit: 1, privateKey: \"k.pem\", points: { x: { coil: 0 } } }",
            "3:31",
            "is not used", warning: true),
    ]

    @Test(arguments: complaints)
    func eachMistakeIsToldAtItsPlace(_ complaint: Complaint) {
        let (configuration, diagnostics) = Samples.read(complaint.text)
        #expect((configuration == nil) == !complaint.warning)
        #expect(
            diagnostics.contains {
                "\($0.place.position.line):\($0.place.position.column)" == complaint.at
                    && $0.message.contains(complaint.part)
                    && $0.severity == (complaint.warning ? .warning : .error)
            }, "\(diagnostics.map(\.description))")
    }

    @Test(
        arguments: [
            ("http://proxy.lan", "proxy.lan", 3128, nil),
            ("http://10.0.0.1:8080/", "10.0.0.1", 8080, nil),
            ("http://[fd00::1]:80", "fd00::1", 80, nil),
            ("http://u:p%40ss@proxy.lan:1", "proxy.lan", 1, "dTpwQHNz"),
        ] as [(String, String, Int, String?)])
    func aProxyIsForEveryEndpoint(
        _ text: String, _ host: String, _ port: Int, _ credentials: String?
    ) throws {
        let snippet = "proxy: \"\(text)\", fallback: [\"other:443\"]"
        let bridge = try #require(Samples.read(Samples.withBridge(snippet)).0?.bridge)
        #expect(bridge.endpoints.count == 2)
        let wanted = LinkTarget.Proxy(host: host, port: port, credentials: credentials)
        #expect(bridge.endpoints.allSatisfy { $0.proxy == wanted })
    }

    @Test func theBridgeTakesTwoKeysAndIgnoresTopics() throws {
        let text = Samples.design
            .replacing(
                "privateKey: \"gw-7.pem\"",
                with: "privateKey: [\"new.pem\", \"old.pem\"], stateTopic: \"x/{device}\""
            )
            .replacing("unit: 17,", with: "unit: 17, privateKey: \"tank-2.pem\",")
        let (configuration, diagnostics) = Samples.read(text, fileName: "/etc/gw.json5")
        let read = try #require(configuration)
        #expect(read.bridge.privateKeys.map(\.value) == ["/etc/new.pem", "/etc/old.pem"])
        #expect(read.ports[0].nodes[1].privateKey?.value == "/etc/tank-2.pem")
        #expect(read.files.filter { $0.role == .privateKey }.count == 3)
        #expect(diagnostics.map(\.severity) == [.warning])
        #expect(diagnostics[0].message.contains("the topics of Cloud IoT are fixed"))
        #expect(read.bridge.layout == .standard)
        let three = text.replacing("\"old.pem\"]", with: "\"old.pem\", \"older.pem\"]")
        #expect(Samples.read(three).0 == nil)
    }
}
