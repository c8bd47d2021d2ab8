import Base
import Bridge
import Gateway
import Testing

/// Secrets that stand in a file, in the environment or in a credential of systemd.
@Suite struct SecretSourceTests {
    private static let secret = "Qzx-correct horse"

    /// A loader with one secret at three places; whatever else is asked for is not there.
    private static func loader(_ text: String = secret + "\n") -> SecretLoader {
        { source, limit in
            switch source {
            case .file("conf/keys/mqtt"), .file("/run/mqtt"), .environment("MQTT_PASSWORD"),
                .credential("mqtt"):
                .success(Array(text.utf8.prefix(limit)))
            case .file: .failure(SecretFailure("the file that it names does not exist"))
            default: .failure(SecretFailure("there is none", isWarning: true))
            }
        }
    }

    private static func text(_ members: String, http: String) -> String {
        Samples.withBridge(members).replacing(
            "{ ports:", with: "{ http: { listen: \"127.0.0.1:1\", \(http) }, ports:")
    }

    private static func read(
        _ members: String, http: String = "", secrets: SecretLoader? = loader()
    ) -> (configuration: Configuration?, diagnostics: [Diagnostic]) {
        Configuration.read(
            Array(text(members, http: http).utf8), fileName: "conf/gw.json5", secretLoader: secrets,
            profileLoader: { _ in .failure(ProfileFailure("none")) })
    }

    private static func password(_ configuration: Configuration?) -> ByteString? {
        guard case .plain(_, _, let password) = configuration?.bridge.dialect else { return nil }
        return password
    }

    @Test(arguments: [
        "{ file: \"keys/mqtt\" }", "{ file: \"/run/mqtt\" }", "{ env: \"MQTT_PASSWORD\" }",
        "{ credential: \"mqtt\" }",
    ])
    func aSecretIsTakenFromItsPlaceWithoutTheLineEnd(_ place: String) throws {
        let (configuration, diagnostics) = Self.read(
            "username: \(place), password: \(place), "
                + "proxy: { url: \"http://u%40x@p:1\", password: \(place) }",
            http: "token: \(place)",
            secrets: Self.loader("\(Self.secret.replacing(" ", with: "-"))\r\n"))
        #expect(diagnostics == [])
        let bridge = try #require(configuration?.bridge)
        let secret = ByteString("Qzx-correct-horse")
        #expect(
            bridge.dialect == .plain(clientID: "gw-1", username: secret, password: secret))
        #expect(configuration?.door?.token == secret)
        #expect(
            bridge.endpoints.first?.proxy
                == LinkTarget.Proxy(
                    host: "p", port: 1, credentials: Base64.encode(Array("u@x:\(secret)".utf8))))
    }

    @Test func aWholeProxyMayBeASecret() throws {
        let (configuration, diagnostics) = Self.read(
            "proxy: { file: \"keys/mqtt\" }", secrets: Self.loader("http://u:p@proxy:8080\n"))
        #expect(diagnostics == [])
        #expect(configuration?.bridge.endpoints.first?.proxy?.host == "proxy")
    }

    /// Private keys are loaded by the shell; the reader says where they are.
    @Test func keysMayBeNamedTheSameWay() throws {
        let places = ["{ file: \"k.pem\" }", "{ env: \"KEY\" }", "{ credential: \"k\" }"]
        let expected = ["conf/k.pem", "env:KEY", "credential:k"]
        for (place, location) in zip(places, expected) {
            let (configuration, diagnostics) = Self.read(
                "clientCertificate: \"c.crt\", clientKey: \(place)",
                http: "certificate: \"d.crt\", key: \(place)")
            #expect(diagnostics == [])
            #expect(configuration?.bridge.clientKey?.value == location)
            #expect(configuration?.door?.key?.value == location)
            #expect(configuration?.files.filter { $0.path.value == location }.count == 2)
        }
    }

    /// Text, and what is said of it at the place of the value, which is line 2.
    @Test(arguments: [
        ("", "is empty"), ("\n", "is empty"), ("Qzx\nQzx", "more than one line"),
        ("Qzx\u{1}", "control character"), (String(repeating: "Qzx", count: 2000), "4096 bytes"),
    ])
    func aSecretThatCannotBeUsedIsToldAndNotShown(_ text: String, _ words: String) throws {
        let (configuration, diagnostics) = Self.read(
            "username: \"u\", password: { file: \"keys/mqtt\" }", secrets: Self.loader(text))
        #expect(configuration == nil)
        let error = try #require(diagnostics.first)
        #expect(diagnostics.count == 1 && error.message.contains(words), "\(diagnostics)")
        #expect(error.place.position == TextPosition(line: 2, column: 26))
        #expect(!diagnostics.contains { $0.description.contains("Qzx") })
    }

    @Test func bytesThatAreNoTextAreRefused() {
        let (configuration, diagnostics) = Self.read(
            "username: \"u\", password: { file: \"keys/mqtt\" }",
            secrets: { _, _ in .success([0x51, 0xFF, 0x80]) })
        #expect(configuration == nil)
        #expect(diagnostics.map(\.message) == ["\"password\": what stands there is no UTF-8 text"])
    }

    @Test(arguments: [
        "{}", "{ file: 1 }", "{ file: \"a\", env: \"B\" }", "{ files: \"Qzx\" }", "{ file: \"\" }",
        "{ env: \"Qzx x\" }", "{ env: \"1Qzx\" }", "{ credential: \"../Qzx\" }",
        "{ credential: \"..\" }", "{ file: \"Qzx\", file: \"Qzx\" }", "[\"Qzx\"]", "7",
    ])
    func aPlaceThatIsNoneIsAnError(_ place: String) {
        let (configuration, diagnostics) = Self.read("username: \"u\", password: \(place)")
        #expect(configuration == nil)
        #expect(diagnostics.count == 1, "\(diagnostics)")
        #expect(!diagnostics.contains { $0.description.contains("Qzx") }, "\(diagnostics)")
    }

    @Test func aSecretThatIsMissingIsAnErrorAtItsPlaceOrAWarning() {
        let absent = Self.read("username: \"u\", password: { file: \"Qzx\" }")
        #expect(absent.configuration == nil)
        #expect(
            absent.diagnostics.map(\.description) == [
                "conf/gw.json5:2:26: error: \"password\": the file that it names does not exist"
            ])
        let elsewhere = Self.read("username: \"u\", password: { credential: \"other\" }")
        #expect(elsewhere.configuration != nil)
        #expect(elsewhere.diagnostics.map(\.severity) == [.warning])
        // A verb that needs no secret does not look for one.
        let unread = Self.read(
            "username: \"u\", password: { file: \"Qzx\" }, "
                + "proxy: { url: \"http://u@p\", password: { env: \"X\" } }",
            http: "token: { env: \"NO\" }, actions: true", secrets: nil)
        #expect(unread.diagnostics == [] && unread.configuration != nil)
    }

    @Test func aProxyHasOnePassword() {
        for (proxy, words) in [
            ("{ url: \"http://u:p@h\", password: \"x\" }", "beside it"),
            ("{ url: \"http://h\", password: \"x\" }", "no user"),
            ("{ url: \"http://u@h\" }", "no password"), ("{ url: 7 }", "a string"),
        ] {
            let (configuration, diagnostics) = Self.read("proxy: \(proxy)")
            #expect(configuration == nil)
            #expect(diagnostics.count == 1 && diagnostics[0].message.contains(words), "\(proxy)")
        }
    }

    /// The shell looks whether others can read the files.
    @Test func secretsInTheClearAreNoted() throws {
        func noted(_ members: String, http: String = "") -> [String] {
            Configuration.examine(
                Array(Self.text(members, http: http).utf8), fileName: "conf/gw.json5",
                profileLoader: { _ in .failure(ProfileFailure("none")) }
            ).2.compactMap {
                switch $0.role {
                case .clearSecret(let key): "\(key) in \($0.path.value)"
                case .secretFile(let key): "\(key) from \($0.path.value)"
                default: nil
                }
            }
        }
        #expect(noted("username: \"u\", password: \"x\"") == ["password in conf/gw.json5"])
        #expect(noted("username: \"u\", password: \"\"") == [])
        // A user name alone is a token, unless a certificate says who it is.
        #expect(noted("username: \"u\"") == ["username in conf/gw.json5"])
        #expect(noted("username: \"u\", clientCertificate: \"c\", clientKey: \"k\"") == [])
        #expect(
            noted("username: \"u\", password: { file: \"keys/mqtt\" }") == [
                "password from conf/keys/mqtt"
            ])
        #expect(noted("proxy: \"http://u:p@h\"") == ["proxy in conf/gw.json5"])
        #expect(noted("proxy: \"http://h\"") == [])
        #expect(
            noted("proxy: { url: \"http://u@h\", password: \"x\" }") == [
                "password in conf/gw.json5"
            ])
        #expect(
            noted("", http: "token: \"0123456789abcdef\"") == ["token in conf/gw.json5"])
        #expect(
            noted("clientCertificate: \"c\", clientKey: \"pkcs11:object=k?pin-value=1234\"") == [
                "clientKey in conf/gw.json5"
            ])
    }

    /// A reload compares what the places hold, not how they are written.
    @Test func anotherSecretAtTheSamePlaceMeansAnotherSession() throws {
        func settings(_ secret: String) throws -> Gateway.Settings {
            let members = "username: \"u\", password: { file: \"keys/mqtt\" }"
            let read = Self.read(members, secrets: Self.loader(secret))
            return Gateway.Settings(
                try #require(read.configuration), keys: KeyAlgorithms(),
                floor: WallTime(milliseconds: 0),
                version: "1")
        }
        #expect(try settings("one").session != settings("two").session)
        #expect(try settings("one").session == settings("one\n").session)
    }
}
