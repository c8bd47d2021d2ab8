import Foundation
import Testing

/// The whole road with two real ends: a libmodbus slave on a pseudo-terminal, `fieldgw run`, and
/// mosquitto over TLS, read back with mosquitto_sub.
@Suite(.serialized) struct BrokerPeerTests {
    private struct Broker {
        var process: Peer
        var port: Int
    }

    /// A CA and a server certificate for "localhost", made by the openssl command.
    private func certificates(in workspace: Workspace) throws {
        let openssl = try Tools.find("openssl", package: "openssl")
        func run(_ arguments: [String]) throws {
            let (code, _, errors) = try Peer(openssl, arguments).finish()
            guard code == 0 else {
                throw MissingPeer(description: "openssl \(arguments[0]): \(errors)")
            }
        }
        try run([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2",
            "-subj", "/CN=peer test CA", "-keyout", workspace.path("ca.key"), "-out",
            workspace.path("ca.pem"),
        ])
        try run([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=localhost",
            "-keyout", workspace.path("server.key"), "-out", workspace.path("server.csr"),
        ])
        try workspace.write("server.ext", "subjectAltName=DNS:localhost\n")
        try run([
            "x509", "-req", "-in", workspace.path("server.csr"), "-CA", workspace.path("ca.pem"),
            "-CAkey", workspace.path("ca.key"), "-CAcreateserial", "-days", "2",
            "-extfile", workspace.path("server.ext"), "-out", workspace.path("server.pem"),
        ])
    }

    private func mosquitto(in workspace: Workspace) throws -> Broker {
        let port = try Tools.freePort()
        let file = try workspace.write(
            "mosquitto.conf",
            """
            listener \(port) 127.0.0.1
            allow_anonymous true
            user root
            cafile \(workspace.path("ca.pem"))
            certfile \(workspace.path("server.pem"))
            keyfile \(workspace.path("server.key"))
            persistence false
            """)
        let broker = try Peer(try Tools.find("mosquitto", package: "mosquitto"), ["-c", file])
        try Tools.until("mosquitto listens on \(port)") { Tools.accepts(port) }
        return Broker(process: broker, port: port)
    }

    @Test(.timeLimit(.minutes(5))) func publishesThroughMosquittoOverTLS() throws {
        let workspace = try Workspace()
        try certificates(in: workspace)
        let broker = try mosquitto(in: workspace)
        defer { broker.process.stop() }
        // A pipe would make its output wait for a full buffer.
        let subscriber = try Peer(
            try Tools.find("stdbuf", package: "coreutils"),
            [
                "-oL", try Tools.find("mosquitto_sub", package: "mosquitto-clients"), "-h",
                "localhost", "-p", "\(broker.port)", "--cafile", workspace.path("ca.pem"), "-q",
                "1",
                "-t", "/devices/+/events/#", "-F", "%t %p", "-d",
            ])
        defer { subscriber.stop() }
        #expect(subscriber.line { $0.contains("SUBACK") } != nil, "mosquitto_sub did not subscribe")

        let binary = try Tools.libmodbusSlave(in: workspace)
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(binary, [theirs, "115200", "N", "7"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")

        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "localhost", port: \(broker.port), ca: "ca.pem", gateway: "gw-peer" },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: { line: { device: "\(ours)", driver: "modbus-rtu", baud: 115200, parity: "none",
                responseTimeout: "2s", nodes: {
                "node-7": { unit: 7, every: "200ms", points: { a: { holding: 3 }, b: { input: 4 } } } } } },
            }
            """)
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file])
        defer { gateway.stop() }
        var sequence: [Int] = []
        while sequence.count < 5 {
            let line = try #require(subscriber.line { $0.hasPrefix("/devices/node-7/events ") })
            let payload = Data(line.drop { $0 != "{" }.utf8)
            let document = try #require(
                try JSONSerialization.jsonObject(with: payload) as? [String: Any])
            let values = try #require(document["values"] as? [String: Any])
            #expect(values["a"] as? Int == 703, "\(line)")
            #expect(values["b"] as? Int == 1004, "\(line)")
            sequence.append(try #require(document["seq"] as? Int))
        }
        #expect(Set(sequence).count == 5, "a seq came twice: \(sequence)")
        #expect(sequence == sequence.sorted(), "out of order: \(sequence)")
        #expect(gateway.stop() == 0, "SIGTERM drains and leaves with 0")
    }

    /// A broker that wants to know who comes: one listener asks for a client certificate, the other
    /// for user and password. The gateway uses topics of the plant's own form and says whether it
    /// is there.
    @Test(.timeLimit(.minutes(5))) func provesItselfAndUsesThePlantsTopicsAndSaysWhenItIsGone()
        throws
    {
        let workspace = try Workspace()
        try certificates(in: workspace)
        let (safe, open) = (try Tools.freePort(), try Tools.freePort())
        let passwords = workspace.path("passwords")
        let made = try Peer(
            try Tools.find("mosquitto_passwd", package: "mosquitto"),
            ["-c", "-b", passwords, "plant", "s3cret"])
        #expect(made.finish().code == 0)
        let file = try workspace.write(
            "mosquitto.conf",
            """
            per_listener_settings true
            user root
            persistence false
            listener \(safe) 127.0.0.1
            allow_anonymous true
            cafile \(workspace.path("ca.pem"))
            certfile \(workspace.path("server.pem"))
            keyfile \(workspace.path("server.key"))
            require_certificate true
            listener \(open) 127.0.0.1
            allow_anonymous false
            password_file \(passwords)
            """)
        let broker = try Peer(try Tools.find("mosquitto", package: "mosquitto"), ["-c", file])
        defer { broker.stop() }
        try Tools.until("mosquitto listens on \(open)") { Tools.accepts(open) }
        let subscriber = try Peer(
            try Tools.find("stdbuf", package: "coreutils"),
            [
                "-oL", try Tools.find("mosquitto_sub", package: "mosquitto-clients"), "-h",
                "localhost", "-p", "\(open)",
                "-u", "plant", "-P", "s3cret", "-q", "1", "-t", "plant/#", "-F", "%t %p", "-d",
            ])
        defer { subscriber.stop() }
        #expect(subscriber.line { $0.contains("SUBACK") } != nil, "mosquitto_sub did not subscribe")
        let line = workspace.path("line")
        let bus = try Peer(
            try Tools.fieldsim(),
            ["bus", "--units", "2", "--baud", "115200", "--parity", "none", "--link", line])
        defer { bus.stop() }
        #expect(bus.line() != nil)

        func gateway(_ name: String, _ unit: Int, _ bridge: String) throws -> Peer {
            let path = try workspace.write(
                "\(name).json5",
                """
                { bridge: { host: "localhost", \(bridge), gateway: "\(name)", topics: { health: false },
                    telemetryTopic: "plant/{gateway}/{device}/data", stateTopic: "plant/{gateway}/{device}/state",
                    availabilityTopic: "plant/{gateway}/available" },
                  state: "state-\(name)", clock: "trust",
                  ports: { line: { device: "\(line)", driver: "modbus-rtu", baud: 115200, parity: "none", nodes: {
                    "node-\(unit)": { unit: \(unit), every: "200ms", points: { a: { holding: 0 } } } } } } }
                """)
            return try Peer(try Tools.fieldgw(), ["run", "--config", path], quiet: true)
        }
        // The server's certificate does as a client's: the same CA signed it.
        let first = try gateway(
            "gw-cert", 1,
            """
            port: \(safe), ca: "ca.pem", clientCertificate: "server.pem", clientKey: "server.key"
            """)
        #expect(subscriber.line { $0 == "plant/gw-cert/available online" } != nil)
        #expect(
            subscriber.line {
                $0.hasPrefix("plant/gw-cert/node-1/data {") && $0.contains("\"values\":{\"a\":")
            } != nil)
        #expect(first.end().code == 0)
        #expect(
            subscriber.line { $0 == "plant/gw-cert/available offline" } != nil,
            "said at an orderly end")
        let second = try gateway(
            "gw-pass", 2, "port: \(open), tls: false, username: \"plant\", password: \"s3cret\"")
        #expect(subscriber.line { $0.hasPrefix("plant/gw-pass/node-2/data {") } != nil)
        second.kill()
        #expect(
            subscriber.line { $0 == "plant/gw-pass/available offline" } != nil,
            "the broker says it after kill -9")
    }
}
