import Foundation
import Glibc
import Testing

/// A gateway whose passwords are in files, in the environment and in a credential, with a mosquitto
/// that wants a password.
@Suite(.serialized) struct SecretPeerTests {
    private let workspace = try! Workspace()

    /// - Parameter mode: of the configuration file.
    @discardableResult private func configure(
        port: Int, password: String, http: String = "", mode: Int = 0o600
    ) throws -> String {
        try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", port: \(port), tls: false, gateway: "gw-secret",
                username: "field", password: \(password) }, \(http)
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: { "bus-a": { device: "nowhere", driver: "modbus-rtu",
                nodes: { "pump-1": { unit: 1, points: { a: { holding: 3 } } } } } },
            }
            """, mode: mode)
    }

    private func broker(_ port: Int, password: String) throws -> Peer {
        let tool = try Tools.find("mosquitto_passwd", package: "mosquitto")
        let users = workspace.path("users")
        let (code, _, errors) = try Peer(tool, ["-c", "-b", users, "field", password]).finish()
        guard code == 0 else { throw MissingPeer(description: "mosquitto_passwd: \(errors)") }
        let file = try workspace.write(
            "mosquitto.conf",
            """
            listener \(port) 127.0.0.1
            allow_anonymous false
            password_file \(users)
            user root
            persistence false
            """)
        let broker = try Peer(try Tools.find("mosquitto", package: "mosquitto"), ["-c", file])
        try Tools.until("mosquitto listens on \(port)") { Tools.accepts(port) }
        return broker
    }

    private func environment(_ more: [String] = []) -> [String] {
        ["PATH=\(ProcessInfo.processInfo.environment["PATH"] ?? "")"] + more
    }

    private func check(_ file: String, _ more: [String] = []) throws -> (Int32, String) {
        let (code, _, errors) = try Peer(
            try Tools.fieldgw(), ["check", file], environment: environment(more)
        ).finish()
        return (code, errors)
    }

    @Test(.timeLimit(.minutes(3))) func aPasswordIsReadAgainByAReload() throws {
        let port = try Tools.freePort()
        var mosquitto = try broker(port, password: "Qzx-first")
        let file = try configure(port: port, password: "{ file: \"password\" }")
        try workspace.write("password", "Qzx-first\n")
        let gateway = try Peer(
            try Tools.fieldgw(), ["run", "--config", file], environment: environment())
        #expect(gateway.complaint { $0.contains("connected to 127.0.0.1") } != nil)

        mosquitto.stop()
        mosquitto = try broker(port, password: "Qzx-second")
        #expect(gateway.complaint { $0.contains("check username and password") } != nil)
        chmod(workspace.url.path, 0o755)
        try workspace.write("password", "Qzx-second", mode: 0o644)
        gateway.hangUp()
        let warning = gateway.complaint { $0.contains("every user of this machine") }
        #expect(warning?.contains("\"password\" is a secret: run `chmod o-rwx`") == true)
        #expect(gateway.complaint { $0.contains("the bridge is connected again") } != nil)
        #expect(gateway.complaint { $0.contains("connected to 127.0.0.1") } != nil)

        // A file that is gone is refused, and what is in force goes on.
        unlink(workspace.path("password"))
        gateway.hangUp()
        let refusal = gateway.complaint { $0.contains("the one before stays in force") }
        #expect(refusal?.contains("gateway.json5:3:34: error: \"password\"") == true)

        let status = try Peer(
            try Tools.fieldgw(), ["status", "--json", "--config", file], environment: environment()
        ).finish()
        #expect(status.code == 0 && !status.output.contains("Qzx"))
        #expect(gateway.stop() == 0)
        #expect(!gateway.finish().errors.contains("Qzx"))
        mosquitto.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aVariableAndACredentialAreThoseOfTheService() throws {
        let port = try Tools.freePort()
        let mosquitto = try broker(port, password: "Qzx-third")
        try workspace.write("credentials", "")
        unlink(workspace.path("credentials"))
        mkdir(workspace.path("credentials"), 0o700)
        try workspace.write("credentials/mqtt", "Qzx-third\n", mode: 0o440)
        let given = [
            ("{ env: \"FIELD_PASSWORD\" }", "FIELD_PASSWORD=Qzx-third"),
            (
                "{ credential: \"mqtt\" }",
                "CREDENTIALS_DIRECTORY=\(workspace.path("credentials"))"
            ),
        ]
        for (password, variable) in given {
            let file = try configure(port: port, password: password)
            let (code, errors) = try check(file)
            #expect(code == 0 && errors.contains("warning: \"password\":"), "\(errors)")
            #expect(errors.contains("not checked here"), "\(errors)")
            #expect(try check(file, [variable]).1.contains("\"password\":") == false)
            let refused = try Peer(
                try Tools.fieldgw(), ["run", "--config", file], environment: environment()
            ).finish()
            #expect(refused.code == 78 && refused.errors.contains(":3:34: error: \"password\":"))
            let gateway = try Peer(
                try Tools.fieldgw(), ["run", "--config", file], environment: environment([variable])
            )
            #expect(gateway.complaint { $0.contains("connected to 127.0.0.1") } != nil)
            #expect(gateway.stop() == 0)
        }
        let file = try configure(port: port, password: "{ credential: \"other\" }")
        let (code, errors) = try check(file, [given[1].1])
        #expect(code == 78 && errors.contains("LoadCredential=NAME:FILE"), "\(errors)")
        mosquitto.stop()
    }

    @Test(.timeLimit(.minutes(1))) func aSecretInTheClearThatAllCanReadIsTold() throws {
        chmod(workspace.url.path, 0o755)
        func warnings(_ mode: Int) throws -> [Substring] {
            let file = try configure(
                port: 1, password: "\"Qzx\"",
                http: "http: { listen: \"127.0.0.1:1\", token: \"Qzx0123456789abcdef\" },",
                mode: mode)
            let (code, errors) = try check(file)
            #expect(code == 0 && !errors.contains("Qzx"))
            return errors.split(separator: "\n").filter { $0.contains("every user") }
        }
        #expect(try warnings(0o640) == [])
        let told = try warnings(0o644)
        #expect(told.count == 1, "once a file: \(told)")
        #expect(told.first?.contains(":3:34: warning: ") == true, "\(told)")
        #expect(told.first?.contains("\"password\" stands here in the clear") == true)

        // An archive for support has the places and not the secrets.
        let file = try configure(
            port: 1, password: "{ file: \"password\" }",
            http: "http: { listen: \"127.0.0.1:1\", token: \"Qzx0123456789abcdef\" },")
        try workspace.write("password", "Qzx")
        let archive = workspace.path("support.tar")
        let made = try Peer(
            try Tools.fieldgw(), ["support", archive, "--config", file], environment: environment()
        ).finish()
        #expect(made.code == 0, "\(made.errors)")
        let text = String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: archive)), as: UTF8.self)
        #expect(text.contains("{ \"file\": \"password\" }") && !text.contains("Qzx"))
    }
}
