import Foundation
import Testing

/// A running gateway as people use it: pymodbus units on the line, mosquitto as the broker,
/// commands from mosquitto_pub, and the verbs that talk to the control socket.
@Suite(.serialized) struct DaemonPeerTests {
    /// Everything that one test runs; ended in the order in which it depends on each other.
    private final class Site {
        let workspace: Workspace
        let file: String
        let port: Int
        private let broker: Peer
        private let socat: Peer
        private let slave: Peer
        let subscriber: Peer
        private(set) var gateway: Peer

        init() throws {
            workspace = try Workspace()
            port = try Tools.freePort()
            let conf = try workspace.write(
                "mosquitto.conf",
                "listener \(port) 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n")
            broker = try Peer(try Tools.find("mosquitto", package: "mosquitto"), ["-c", conf])
            let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
            self.socat = socat
            slave = try Peer(
                try Tools.python(),
                [Tools.peer("pymodbus-slave.py"), theirs, "115200", "N", "1", "2"])
            #expect(slave.line() == "ready")
            let listen = [
                try Tools.find("mosquitto_sub", package: "mosquitto-clients"), "-h", "127.0.0.1",
                "-p", "\(port)",
            ]
            subscriber = try Peer(
                try Tools.find("stdbuf", package: "coreutils"),
                ["-oL"] + listen + [
                    "-q", "1", "-t", "/devices/+/events/commands", "-F", "%t %p", "-d",
                ])
            #expect(subscriber.line { $0.contains("SUBACK") } != nil)
            file = try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: { host: "127.0.0.1", port: \(port), tls: false, gateway: "gw-peer" },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  ports: { "bus-a": { device: "\(ours)", driver: "modbus-rtu", baud: 115200, responseTimeout: "300ms",
                    every: "20ms", nodes: {
                      "pump-1": { unit: 1, setup: [{ "holding:50": 4711 }], points: {
                        a: { holding: 3 },
                        setpoint: { holding: 6, every: "1s", writable: { min: 0, max: 100 } },
                        flags: { holding: 8, every: "1s", bits: { run: 0, speed: [4, 6] }, writable: { function: 6 } },
                        level: { holding: 40, every: "1s", type: "float32", writable: true },
                        pulse: { coil: 5, every: "1s", writable: { readback: false, compare: false } },
                      } },
                      "tank-2": { unit: 2, points: { a: { holding: 3 } } },
                      "dead-9": { unit: 9, every: "1s", points: { a: { holding: 3 } } },
                    } } },
                }
                """)
            gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file])
            try Tools.until("the gateway answers") { [file] in
                try Peer(try Tools.fieldgw(), ["status", "--config", file]).finish().code == 0
            }
        }

        func fieldgw(_ words: [String]) throws -> (code: Int32, output: String, errors: String) {
            try Peer(try Tools.fieldgw(), words + ["--config", file]).finish()
        }

        func document(_ words: [String]) throws -> [String: Any] {
            let (code, output, errors) = try fieldgw(words)
            #expect(code == 0, "\(words): \(errors)")
            return try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
                ?? [:]
        }

        func command(_ text: String) throws {
            let (code, _, errors) = try Peer(
                try Tools.find("mosquitto_pub", package: "mosquitto-clients"),
                [
                    "-h", "127.0.0.1", "-p", "\(port)", "-q", "1", "-t", "/devices/pump-1/commands",
                    "-m", text,
                ]
            ).finish()
            #expect(code == 0, "\(errors)")
        }

        /// The next result under this id.
        func result(_ id: String) throws -> [String: Any] {
            let line = try #require(
                subscriber.line { $0.contains("\"id\":\"\(id)") }, "no result for \(id)")
            return try JSONSerialization.jsonObject(with: Data(line.drop { $0 != "{" }.utf8))
                as? [String: Any] ?? [:]
        }

        /// kill -9, and a new gateway on the same directories.
        func crash() throws {
            gateway.kill()
            gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file])
            try Tools.until("the gateway is back") { [file] in
                try Peer(try Tools.fieldgw(), ["status", "--config", file]).finish().output
                    .contains("connected")
            }
        }

        func stop() {
            #expect(gateway.stop() == 0)
            subscriber.stop()
            slave.stop()
            socat.stop()
            broker.stop()
        }
    }

    @Test(.timeLimit(.minutes(5))) func commandsReachTheWireAndEveryOneHasItsResult() throws {
        let site = try Site()
        let setup = try site.result("setup-")
        #expect(setup["ok"] as? Bool == true && setup["by"] as? String == "setup")
        try Tools.until("the gateway is connected") {
            try site.fieldgw(["status"]).output.contains("connected to")
        }

        try site.command(#"{"id":"c-1","write":{"setpoint":42,"level":1.5}}"#)
        let first = try site.result("c-1")
        #expect(first["ok"] as? Bool == true && first["seq"] is Int && first["ts"] is String)
        #expect((first["values"] as? [String: Any])?["setpoint"] as? Int == 42)
        #expect((first["values"] as? [String: Any])?["level"] as? Double == 1.5)
        try site.command(#"{"id":"c-2","write":{"flags":{"run":true,"speed":5}}}"#)
        let flags = (try site.result("c-2")["values"] as? [String: Any])?["flags"] as? [String: Any]
        #expect(flags?["run"] as? Bool == true && flags?["speed"] as? Int == 5)
        try site.command(#"{"id":"c-3","write":{"pulse":true}}"#)
        #expect(try site.result("c-3")["ok"] as? Bool == true)
        try site.command(#"{"id":"c-4","write":{"setpoint":1000}}"#)
        #expect((try site.result("c-4")["error"] as? String)?.contains("at most 100") == true)

        // After a crash the same command again: answered with the same words, not carried out.
        try site.crash()
        try site.command(#"{"id":"c-1","write":{"setpoint":7}}"#)
        let again = try site.result("c-1")
        #expect((again["values"] as? [String: Any])?["setpoint"] as? Int == 42)
        let commands = try site.document(["status", "--json"])["commands"] as? [String: Any]
        #expect(commands?["repeated"] as? Int == 1 && commands?["accepted"] as? Int == 0)
        site.stop()
    }

    /// pymodbus as the meter that is meant, then as another one at the same unit id: by function
    /// 43/14 and by 17.
    @Test(
        .timeLimit(.minutes(5)),
        arguments: [#"{ vendor: "Eastron" }"#, #"{ serverId: "Eastron" }"#])
    func aSwappedMeterIsHeldAndNothingIsWrittenToIt(_ identify: String) throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        func meter(_ name: String) throws -> Peer {
            let words = [
                Tools.peer("pymodbus-slave.py"), theirs, "115200", "N", "name=\(name)", "1",
            ]
            let meter = try Peer(try Tools.python(), words)
            #expect(meter.line() == "ready")
            return meter
        }
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", port: \(try Tools.freePort()), tls: false, gateway: "gw-peer" },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: { "bus-a": { device: "\(ours)", driver: "modbus-rtu", baud: 115200, responseTimeout: "300ms",
                every: "50ms", nodes: { "meter-1": { unit: 1, identify: \(identify), points: { a: { holding: 3 } } } } } },
            }
            """)
        let right = try meter("Eastron Europe")
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file])
        func fieldgw(_ words: [String]) throws -> (code: Int32, output: String, errors: String) {
            try Peer(try Tools.fieldgw(), words + ["--config", file]).finish()
        }
        func status(says words: String) throws -> Bool {
            try fieldgw(["status", "--json"]).output.contains(words)
        }
        let write = ["write", "bus-a", "1", "holding:6", "42"]
        try Tools.until("the meter is recognised") {
            try status(says: "\"identity\":\"recognised\"")
        }
        #expect(try fieldgw(write).code == 0)

        right.kill()
        try Tools.until("the meter is missed") { try status(says: "\"status\":\"offline\"") }
        let wrong = try meter("Stranger Ltd")
        try Tools.until("the stranger is seen") {
            try status(says: "another device answers: it says \\\"Stranger")
        }
        let refused = try fieldgw(write)
        #expect(
            refused.code == 69 && refused.errors.contains("nothing was written: another device"),
            "\(refused)")
        let look = try fieldgw(["read", "bus-a", "1", "holding:6"])
        #expect(look.code == 0 && look.output.contains("106"), "\(look)")
        #expect(gateway.stop() == 0)
        wrong.stop()
        socat.stop()

        let export = try Peer(try Tools.fieldgw(), ["spool", "export", workspace.path("spool")])
            .finish()
        let records = export.output.split(separator: "\n").filter { $0.contains("meter-1") }
        let exchanged = try #require(
            records.firstIndex { $0.contains("\"identity\"") }, "\(export)")
        #expect(records[..<exchanged].contains { $0.contains("\"a\":103") })
        #expect(
            !records[exchanged...].contains { $0.contains("103") },
            "a stranger's value became the meter's")
    }

    @Test(.timeLimit(.minutes(5))) func aLineIsLentWatchedAndCaptured() throws {
        let site = try Site()
        try Tools.until("values are there") {
            let watched = try site.fieldgw(["watch", "--once"])
            return watched.output.contains("103") && watched.output.contains("203")
        }
        let watched = try site.fieldgw(["watch", "pump-1"])
        #expect(
            watched.output.contains("device") && watched.output.contains("setpoint")
                && !watched.output.contains("tank-2"))
        let near = try site.fieldgw(["watch", "pump-2"])
        #expect(near.code == 64 && near.errors.contains("did you mean"), "\(near.errors)")

        // Trouble first.
        try Tools.until("the dead unit is found out") {
            try site.fieldgw(["top", "--once"]).output.contains("offline")
        }
        let rows = try site.fieldgw(["top", "--once"]).output.split(separator: "\n").dropFirst(2)
        #expect(rows.first?.contains("offline") == true, "\(rows)")
        #expect(try site.fieldgw(["device", "list"]).output.contains("tank-2"))
        #expect(
            try site.fieldgw(["device", "relase", "x"]).errors.contains("did you mean \"release\"?")
        )

        let capture = site.workspace.path("bus.pcap")
        #expect(try site.fieldgw(["capture", "bus-a", capture]).code == 0)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: capture))
        #expect(
            bytes.count > 1000 && bytes.prefix(4) == Data([0xD4, 0xC3, 0xB2, 0xA1])
                && bytes[20] == 250)

        let paused = try site.document(["pause", "bus-a", "1h", "--json"])
        let device = try #require(paused["device"] as? String)
        // Ours alone now: TIOCEXCL would refuse us while the gateway had it.
        let descriptor = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK)
        #expect(descriptor >= 0, "\(device) is not free")
        close(descriptor)
        let port =
            (try site.document(["status", "--json"])["ports"] as? [String: Any])?["bus-a"]
            as? [String: Any]
        #expect(port?["state"] as? String == "paused")
        #expect(try site.fieldgw(["watch", "--once"]).output.contains("paused until"))
        #expect(try site.fieldgw(["resume", "bus-a"]).output.contains("polled again"))
        try Tools.until("it is polled again") {
            let rows = try site.fieldgw(["watch", "pump-1"]).output.split(separator: "\n")
            return rows.contains {
                $0.contains("online") && $0.contains("103") && $0.contains("now")
            }
        }
        site.stop()
    }
}
