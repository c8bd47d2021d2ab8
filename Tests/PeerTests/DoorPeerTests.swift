import Foundation
import Testing

/// The HTTP door of the real daemon: with curl's manners and without them, scraped by a real
/// Prometheus, over TLS, and under abuse while the line is polled.
@Suite(.serialized) struct DoorPeerTests {
    /// A daemon on fieldsim's bus, without a bridge.
    private final class Site {
        static let token = "0123456789abcdef0123"

        let workspace = try! Workspace()
        let port: Int
        let file: String
        private let bus: Peer
        private let gateway: Peer

        /// - Parameter door: keys of the section beside `listen`.
        init(_ door: String = "", every: String = "100ms") throws {
            port = try Tools.freePort()
            bus = try Peer(
                try Tools.fieldsim(),
                [
                    "bus", "--units", "2", "--baud", "115200", "--parity", "none", "--link",
                    workspace.path("bus"),
                ], quiet: true)
            let workspace = workspace
            try Tools.until("the bus is there") {
                FileManager.default.fileExists(atPath: workspace.path("bus"))
            }
            file = try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: { host: "127.0.0.1", port: \(try Tools.freePort()), tls: false, gateway: "gw-door" },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  http: { listen: "127.0.0.1:\(port)", \(door) },
                  ports: { "bus-a": { device: "\(workspace.path("bus"))", driver: "modbus-rtu", baud: 115200, parity: "none",
                    every: "\(every)", nodes: {
                      "meter-1": { unit: 1, points: { count: { holding: 0, units: "W" } } },
                      "meter-2": { unit: 2, points: { count: { holding: 0 } } },
                    } } },
                }
                """)
            gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
            let port = port
            try Tools.until("the door is open") { Tools.accepts(port) }
        }

        func fieldgw(_ words: [String]) throws -> (code: Int32, output: String, errors: String) {
            try Peer(try Tools.fieldgw(), words + ["--config", file]).finish()
        }

        func document() throws -> [String: Any] {
            let output = try fieldgw(["status", "--json"]).output
            return try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
                ?? [:]
        }

        func line(_ key: String) throws -> Int {
            let line = (try document()["ports"] as? [String: Any])?["bus-a"] as? [String: Any]
            return line?[key] as? Int ?? -1
        }

        func hangUp() { gateway.hangUp() }

        @discardableResult func stop() -> String {
            let end = gateway.end()
            #expect(end.code == 0, "\(end.errors)")
            bus.stop()
            return end.errors
        }
    }

    private func script(_ words: [String]) throws -> (code: Int32, output: String) {
        let peer = try Peer(try Tools.python(), [Tools.peer("door.py")] + words)
        var output = ""
        while let line = peer.line(within: .seconds(90)) { output += line + "\n" }
        let (code, _, errors) = peer.finish()
        return (code, output + errors)
    }

    private func log(_ site: Site) throws -> String {
        try script(["get", "\(site.port)", "/api/v1/log"]).output
    }

    @Test(.timeLimit(.minutes(3))) func abuseCostsTheLineNothing() throws {
        // A second is what a busy machine never holds a line up for; an answer of the door must not
        // either.
        let site = try Site("token: \"\(Site.token)\", actions: true", every: "1s")
        try Tools.until("the line is polled") { try site.line("replies") > 6 }
        let before = try (late: site.line("late"), skipped: site.line("skipped"))
        let abuse = try script(["abuse", "\(site.port)", Site.token])
        #expect(abuse.code == 0, "\(abuse.output)")
        #expect(abuse.output.contains("ok: 100 connections"), "\(abuse.output)")
        #expect(try site.line("timeouts") == 0)
        let after = try (late: site.line("late"), skipped: site.line("skipped"))
        #expect(
            after.late == before.late && after.skipped == before.skipped,
            "\(before) became \(after)")
        let log = site.stop()
        #expect(!log.contains(Site.token))
    }

    @Test(.timeLimit(.minutes(3))) func aStreamTellsValuesWithinASecond() throws {
        let site = try Site()
        let stream = try script(["stream", "\(site.port)"])
        #expect(stream.code == 0, "\(stream.output)")
        site.stop()
    }

    @Test(.timeLimit(.minutes(3))) func tlsIsServedWithTheConfiguredCertificate() throws {
        let workspace = try Workspace()
        func makeCertificate() throws {
            let made = try Peer(
                try Tools.find("openssl", package: "openssl"),
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                    workspace.path("door.key"), "-out",
                    workspace.path("door.pem"),
                ]
            ).finish()
            #expect(made.code == 0, "\(made.errors)")
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o600], ofItemAtPath: workspace.path("door.key"))
        }
        try makeCertificate()
        let site = try Site(
            "certificate: \"\(workspace.path("door.pem"))\", key: \"\(workspace.path("door.key"))\""
        )
        let fetched = try script(["tls", "\(site.port)", workspace.path("door.pem")])
        #expect(fetched.code == 0, "\(fetched.output)")
        // A renewed one under the same name is taken up, and whoever came by the old one comes
        // again.
        let before = try Data(contentsOf: URL(fileURLWithPath: workspace.path("door.pem")))
        try makeCertificate()
        #expect(try Data(contentsOf: URL(fileURLWithPath: workspace.path("door.pem"))) != before)
        site.hangUp()
        let renewed = try script(["renewed", "\(site.port)", workspace.path("door.pem")])
        #expect(renewed.code == 0, "\(renewed.output)")
        site.stop()
    }

    @Test(.timeLimit(.minutes(3))) func certificateAndKeyAreChecked() throws {
        let workspace = try Workspace()
        try workspace.write("door.key", "no key")
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", tls: false, gateway: "gw-door" },
              http: { listen: "127.0.0.1:8420",
                certificate: "door.pem",
                key: "door.key" },
              ports: {},
            }
            """)
        let (code, _, errors) = try Peer(try Tools.fieldgw(), ["check", file]).finish()
        #expect(
            code == 78 && errors.contains("gateway.json5:5:") && errors.contains("door.key"),
            "\(errors)")
    }

    @Test(.timeLimit(.minutes(3))) func statusSpeaksTheLanguageOfMonitoring() throws {
        let site = try Site()
        try Tools.until("both units answer") {
            try site.fieldgw(["status", "--metrics"]).output.contains(
                "device=\"meter-2\",point=\"count\"")
        }
        let check = try site.fieldgw(["status", "--check"])
        #expect(check.code == 1 && check.output.hasPrefix("WARNING: gw-door: bridge: "), "\(check)")
        #expect(
            check.output.split(separator: "\n").count == 1
                && check.output.contains(" | devices_online=2;;;0;2 "))
        #expect(try site.fieldgw(["status", "--check", "--json"]).code == 64)
        site.stop()
        let nobody = try site.fieldgw(["status", "--check"])
        #expect(nobody.code == 3 && nobody.output.hasPrefix("UNKNOWN: "), "\(nobody)")
    }

    @Test(.timeLimit(.minutes(1))) func alertsDoWhatTheirTestsSay() throws {
        let promtool = try Tools.find("promtool", package: "prometheus")
        let folder = Tools.root.appendingPathComponent("board/monitoring").path
        let check = try Peer(promtool, ["check", "rules", "\(folder)/fieldgw.rules.yml"]).finish()
        #expect(check.code == 0 && check.output.contains("13 rules found"), "\(check)")
        let tests = try Peer(promtool, ["test", "rules", "\(folder)/fieldgw.rules.test.yml"])
            .finish()
        #expect(tests.code == 0, "\(tests)")
    }

    /// promtool finds nothing to complain about, Prometheus scrapes it, and no counter falls when
    /// the file is read again.
    @Test(.timeLimit(.minutes(4))) func prometheusScrapesIt() throws {
        let site = try Site()
        try Tools.until("the line is polled") { try site.line("replies") > 20 }
        let promtool = try Tools.find("promtool", package: "prometheus")
        let metrics = try site.workspace.write(
            "metrics.txt", try site.fieldgw(["status", "--metrics"]).output)
        let lint = try Peer("/bin/sh", ["-c", "\(promtool) check metrics <'\(metrics)'"]).finish()
        #expect(lint.code == 0, "\(lint.output)\(lint.errors)")

        let web = try Tools.freePort()
        let config = try site.workspace.write(
            "prometheus.yml",
            """
            global: { scrape_interval: 1s }
            scrape_configs:
              - { job_name: fieldgw, static_configs: [{ targets: ["127.0.0.1:\(site.port)"] }] }
            """)
        let prometheus = try Peer(
            try Tools.find("prometheus", package: "prometheus"),
            [
                "--config.file=\(config)", "--storage.tsdb.path=\(site.workspace.path("tsdb"))",
                "--web.listen-address=127.0.0.1:\(web)",
            ], quiet: true)
        defer { prometheus.stop() }
        let query = try script([
            "prometheus", "\(web)",
            "fieldgw_point_value{device=\"meter-1\",point=\"count\",units=\"W\"}",
        ])
        #expect(query.code == 0, "\(query.output)")
        // Every query of the dashboard is one, of metrics that are there.
        let dashboard = try script([
            "dashboard", "\(web)", Tools.root.appendingPathComponent("board/monitoring").path,
            metrics,
        ])
        #expect(dashboard.code == 0, "\(dashboard.output)")
        site.hangUp()
        try Tools.until("the file is in force again") {
            try self.log(site).contains("the new configuration is in force")
        }
        // A scrape of after the reload, then: no counter has begun anew.
        let seen = try script([
            "prometheus", "\(web)", "fieldgw_port_requests_total > \(try site.line("requests"))",
        ])
        #expect(seen.code == 0, "\(seen.output)")
        for name in [
            "port_requests", "unit_requests", "unit_failures", "spool_appended", "bridge_connects",
            "port_bus_seconds",
        ] {
            let resets = try script([
                "prometheus", "\(web)", "sum(resets(fieldgw_\(name)_total[5m]))", "0",
            ])
            #expect(resets.code == 0, "\(resets.output)")
        }
        site.stop()
    }
}
