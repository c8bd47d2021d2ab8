import Foundation
import Testing

/// Other masters on the real daemon's line: Debian's mbpoll and pymodbus, while we poll it.
@Suite(.serialized) struct ServePeerTests {
    /// A daemon on fieldsim's bus, without a bridge. Register n of unit u holds 100 * u + n.
    private final class Site {
        let workspace = try! Workspace()
        let port: Int
        private let file: String
        private let bus: Peer
        private let gateway: Peer

        /// - Parameters:
        ///   - serve: keys of the section beside `listen`.
        ///   - timeout: how long a unit may be silent.
        init(_ serve: String = "", timeout: String = "200ms") throws {
            port = try Tools.freePort()
            let units = (1...3).map { unit in
                let registers = (0..<50).map { "\($0): \(100 * unit + $0)" }.joined(separator: ", ")
                return "\(unit): { holding: { \(registers) } }"
            }.joined(separator: ", ")
            let description = try workspace.write(
                "bus.json5", "{ baud: 115200, parity: \"none\", units: { \(units) } }")
            bus = try Peer(
                try Tools.fieldsim(),
                ["bus", "--config", description, "--link", workspace.path("bus")], quiet: true)
            let workspace = workspace
            try Tools.until("the bus is there") {
                FileManager.default.fileExists(atPath: workspace.path("bus"))
            }
            file = try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: {
                    host: "127.0.0.1", port: \(try Tools.freePort()), tls: false,
                    gateway: "gw-serve",
                  },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  ports: { "bus-a": {
                    device: "\(workspace.path("bus"))", baud: 115200, parity: "none",
                    every: "1s", responseTimeout: "\(timeout)",
                    serve: {
                      listen: "127.0.0.1:\(port)", allow: { "*": "read", "2": "write" },
                      budget: 0.6, \(serve) },
                    nodes: {
                      "meter-1": { unit: 1, points: { a: { holding: 0 }, b: { holding: 1 } } },
                      "meter-2": { unit: 2, every: "30s", points: { setpoint: { holding: 30 } } },
                    } } },
                }
                """)
            gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
            let port = port
            try Tools.until("the line is served") { Tools.accepts(port) }
            try Tools.until("the line is polled") { try self.line("replies") > 6 }
        }

        func fieldgw(_ words: [String]) throws -> (code: Int32, output: String, errors: String) {
            try Peer(try Tools.fieldgw(), words + ["--config", file]).finish()
        }

        func port(_ key: String) throws -> Any? {
            let output = try fieldgw(["status", "--json"]).output
            let document = try JSONSerialization.jsonObject(with: Data(output.utf8))
            let ports = (document as? [String: Any])?["ports"] as? [String: Any]
            return (ports?["bus-a"] as? [String: Any])?[key]
        }

        func line(_ key: String) throws -> Int { try port(key) as? Int ?? -1 }

        func serve(_ key: String) throws -> Int {
            (try port("serve") as? [String: Any])?[key] as? Int ?? -1
        }

        /// - Returns: the daemon's log.
        @discardableResult func stop() -> String {
            let end = gateway.end()
            #expect(end.code == 0, "\(end.errors)")
            bus.stop()
            return end.errors
        }
    }

    private func script(_ words: [String]) throws {
        let peer = try Peer(try Tools.python(), [Tools.peer("serve.py")] + words)
        var output = ""
        while let line = peer.line(within: .seconds(90)) { output += line + "\n" }
        let (code, _, errors) = peer.finish()
        #expect(code == 0 && output.hasSuffix("ok\n"), "\(output)\(errors)")
    }

    private func mbpoll(_ site: Site, _ words: [String]) throws -> (code: Int32, output: String) {
        let (code, output, errors) = try Peer(
            try Tools.find("mbpoll", package: "mbpoll"),
            ["-m", "tcp", "-p", "\(site.port)", "-0", "-1", "-o", "3"] + words
        ).finish()
        return (code, output + errors)
    }

    @Test(.timeLimit(.minutes(5))) func mbpollReadsAndWrites() throws {
        // Within mbpoll's own; a busy machine is no silent unit.
        let site = try Site(timeout: "1s")
        let read = try mbpoll(site, ["-a", "3", "-t", "4", "-r", "5", "-c", "4", "127.0.0.1"])
        #expect(read.code == 0, "\(read.output)")
        for place in 5..<9 { #expect(read.output.contains("[\(place)]: \t\(300 + place)")) }
        let write = try mbpoll(site, ["-a", "2", "-t", "4", "-r", "30", "127.0.0.1", "4711"])
        #expect(write.code == 0 && write.output.contains("Written 1 references"), "\(write.output)")
        // Our next cycle, half a minute away, reads it at once.
        try Tools.until("the written value is read", within: 10) {
            try site.fieldgw(["watch", "meter-2", "--once"]).output.contains("4711")
        }
        let refused = try mbpoll(site, ["-a", "1", "-t", "4", "-r", "0", "127.0.0.1", "1"])
        #expect(refused.output.contains("Illegal function"), "\(refused.output)")
        let log = site.stop()
        #expect(log.contains("has written 1 item from holding 30 of unit 2"), "\(log)")
        #expect(log.contains("127.0.0.1:"))
    }

    @Test(.timeLimit(.minutes(5))) func pymodbusGetsWhatTheUnitsHold() throws {
        let site = try Site()
        try script(["values", "\(site.port)"])
        try script(["pipeline", "\(site.port)"])
        #expect(try site.serve("answered") > 25)
        #expect(try site.serve("writes") == 1)
        #expect(try site.serve("refused") == 1)
        #expect(try site.serve("silent") == 1)
        site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func pymodbusSpeaksRTUOverTCP() throws {
        let site = try Site("protocol: \"rtu-over-tcp\"")
        try script(["rtu", "\(site.port)"])
        site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func aFloodOfClientsMakesNoCycleLate() throws {
        let site = try Site("maxAge: \"200ms\"")
        let before = try (late: site.line("late"), skipped: site.line("skipped"))
        try script(["flood", "\(site.port)", "8"])
        #expect(try site.line("late") == before.late)
        #expect(try site.line("skipped") == before.skipped)
        #expect(try site.fieldgw(["top", "--once"]).output.contains("requests/s of theirs"))
        site.stop()
    }
}
