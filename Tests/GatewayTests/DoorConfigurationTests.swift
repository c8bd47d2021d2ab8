import Base
import Gateway
import Testing

/// The `http` section: what it means, and what cannot work with its place.
@Suite struct DoorConfigurationTests {
    private static func text(_ door: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, http: {\n\(door)\n}, ports: { a: { device: \"/dev/a\", nodes: { "
            + "\"dev-1\": { unit: 1, points: { x: { holding: 0 } } } } } } }"
    }

    private static func read(_ door: String) -> (door: Configuration.Door?, told: [String]) {
        let (configuration, diagnostics) = Samples.read(text(door))
        return (
            configuration?.door,
            diagnostics.map { "\($0.place.position.column) \($0.severity.rawValue) \($0.message)" }
        )
    }

    @Test func thereIsNoneByDefault() {
        #expect(
            Samples.read(Samples.withPorts("a: { device: \"/dev/a\", nodes: {} }")).0?.door == nil)
    }

    @Test func everyKeyIsRead() throws {
        let (door, told) = Self.read(
            """
            listen: "0.0.0.0:9000", token: "0123456789abcdef", certificate: "a.pem", key: "b.key", names: ["GW-7.local"],
            actions: true, history: { keep: "2h", maxBytes: "1MiB" },
            """)
        #expect(told == [])
        let found = try #require(door)
        #expect(
            found.address == "0.0.0.0" && found.port == 9000 && found.token == "0123456789abcdef")
        #expect(
            found.certificate?.value == "a.pem" && found.key?.value == "b.key"
                && found.names == ["gw-7.local"])
        #expect(
            found.actions && found.history?.keep == .seconds(7200)
                && found.history?.maxBytes == 1 << 20)
    }

    @Test func whatIsNotSaidHasItsDefault() throws {
        let (door, told) = Self.read("listen: \"127.0.0.1\"")
        #expect(told == [])
        #expect(door?.port == 8420 && door?.token == nil && door?.actions == false)
        #expect(door?.history?.keep == .seconds(86_400) && door?.history?.maxBytes == 8 << 20)
        #expect(Self.read("listen: \"[::1]:80\", history: false").door?.history == nil)
        #expect(Self.read("listen: \"localhost:81\"").door?.address == "127.0.0.1")
    }

    @Test(arguments: [
        ("token: \"0123456789abcdef\"", "error", "\"listen\" is missing in \"http\""),
        ("listen: \"gw-7.local:80\"", "9 error", "a numeric address and a port"),
        ("listen: \"127.0.0.1:0\"", "9 error", "whose port is not from 1 to 65535"),
        ("listen: \"127.0.0.999:80\"", "9 error", "a numeric address"),
        ("listen: \"0.0.0.0:80\", certificate: \"a\", key: \"b\"", "9 error", "give \"token\""),
        (
            "listen: \"192.168.1.7:80\", token: \"0123456789abcdef\"", "9 warning",
            "go over the network readable"
        ),
        ("listen: \"127.0.0.1:80\", token: \"short\"", "32 error", "8 to 256 printable ASCII"),
        ("listen: \"127.0.0.1:80\", token: \"0123456789\"", "32 warning", "may be guessed"),
        ("listen: \"127.0.0.1:80\", token: 4711", "32 error", "must be a string"),
        ("listen: \"127.0.0.1:80\", actions: true", "25 error", "\"actions\" needs \"token\""),
        (
            "listen: \"127.0.0.1:80\", certificate: \"a\"", "25 error",
            "\"certificate\" needs \"key\""
        ),
        ("listen: \"127.0.0.1:80\", names: [\"a:1\"]", "33 error", "no host name"),
        (
            "listen: \"127.0.0.1:80\", history: true", "34 error",
            "must be false or { keep, maxBytes }"
        ),
        (
            "listen: \"127.0.0.1:80\", history: { keep: \"1s\" }", "42 error",
            "it must be from 1h to 7d"
        ),
        ("listen: \"127.0.0.1:80\", tokens: 1", "25 error", "did you mean \"token\"?"),
    ]) func whatCannotWorkIsToldWithItsPlace(_ door: String, _ place: String, _ part: String) {
        let told = Self.read(door).told
        #expect(told.contains { $0.contains(place) && $0.contains(part) }, "\(told)")
    }

    /// A message never quotes a token, however broken it stands there.
    @Test(arguments: [
        "\"Qzx 1\"", "\"Qzx", "Qzx1", "[\"Qzx1\"]", "{ a: \"Qzx1\" }", "\"Qzx\u{7}12345678\"",
    ])
    func theTokenIsInNoMessage(_ token: String) {
        let told = Samples.read(Self.text("listen: \"127.0.0.1:80\", token: \(token)")).1
        #expect(!told.isEmpty && !told.contains { $0.message.contains("Qzx") }, "\(told)")
    }
}
