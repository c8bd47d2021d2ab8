import Foundation
import Glibc
import Testing

/// Lines at the other end of a connection: pymodbus, ser2net, and converters that misbehave.
@Suite(.serialized) struct NetworkLinePeerTests {
    private func run(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String)
    {
        try Peer(try Tools.fieldgw(), arguments).finish()
    }

    private func object(_ text: String) -> [String: Any] {
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        return (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any] ?? [:]
    }

    private func configuration(_ port: String, nodes: String) -> String {
        """
        {
          bridge: { host: "127.0.0.1", port: 1, tls: false, gateway: "gw-1" },
          spool: { directory: "spool", sync: "100ms" }, state: "state", clock: "trust",
          ports: { line: { \(port), nodes: { \(nodes) } } },
        }
        """
    }

    private func slave(_ device: String, _ words: [String]) throws -> Peer {
        let slave = try Peer(
            try Tools.python(), [Tools.peer("pymodbus-slave.py"), device, "9600", "N"] + words)
        #expect(slave.line() == "ready")
        return slave
    }

    /// Every tool at once on one line: PORT with its options, and as it stands in a file.
    private func useEveryTool(_ device: String, _ driver: String, unit: Int) throws {
        let workspace = try Workspace()
        let line = ["--driver", driver]
        let read = try run(["read", device, "\(unit)", "holding:2:3", "--json"] + line)
        #expect(read.code == 0, "\(read.errors)")
        #expect(
            object(read.output)["registers"] as? [Int] == (2..<5).map { 100 * unit + $0 })
        let write = try run(["write", device, "\(unit)", "holding:5", "42"] + line)
        #expect(write.output.contains("= 42, read back"), "\(write.errors)")
        let scan = try run(["scan", device, "--units", "\(unit)-\(unit + 1)"] + line)
        #expect(scan.code == 0 && scan.output.contains("driver: \"\(driver)\""), "\(scan)")
        #expect(scan.errors.contains("1 unit found"), "\(scan.errors)")
        #expect(try run(["check", workspace.write("scanned.json5", scan.output)]).code == 0)

        let file = try workspace.write(
            "gateway.json5",
            configuration(
                "device: \"\(device)\", driver: \"\(driver)\", responseTimeout: \"500ms\"",
                nodes: """
                    "node-a": { unit: \(unit), every: "200ms", identify: { vendor: "Acme" },
                      points: { r: { holding: 3 }, c: { coil: 3 }, i: { input: 7 } } },
                    "dead": { unit: \(unit + 1), points: { r: { holding: 3 } } },
                    """))
        let check = try run(["check", file])
        #expect(check.code == 0 && check.output.contains("line"), "\(check)")
        #expect(try run(["plan", file]).output.contains("holding"))
        let poll = try run(["poll", file, "--json"])
        let documents = poll.output.split(separator: "\n").map { object(String($0)) }
        let alive = documents.first { $0["device"] as? String == "node-a" }?["values"]
        #expect((alive as? [String: Any])?["r"] as? Int == 100 * unit + 3, "\(poll)")
        #expect((alive as? [String: Any])?["i"] as? Int == 1007)
        let dead = documents.first { $0["device"] as? String == "dead" }?["bad"]
        #expect((dead as? [String: Any])?["r"] as? String == "timeout", "\(poll)")

        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
        try Tools.until("readings are recorded", within: 20) {
            try self.records(workspace).count > 10
        }
        #expect(try run(["read", "line", "\(unit)", "holding:4", "--config", file]).code == 0)
        let status = object(try run(["status", "--json", "--config", file]).output)
        let port = (status["ports"] as? [String: Any])?["line"] as? [String: Any]
        #expect(port?["state"] as? String == "open", "\(status)")
        let end = gateway.end()
        #expect(end.code == 0 && end.errors.contains("opened \(device)"), "\(end.errors)")
    }

    private func records(_ workspace: Workspace) throws -> [[String: Any]] {
        let export = try run(["spool", "export", workspace.path("spool")])
        return export.output.split(separator: "\n").map { line in
            let row = object(String(line))
            let payload = row["payload"] as? [String: Any] ?? [:]
            return payload.merging(row) { $1 }
        }
    }

    @Test(.timeLimit(.minutes(5))) func pymodbusOnModbusTCP() throws {
        let port = try Tools.freePort()
        let slave = try slave("tcp:\(port)", ["name=Acme", "3"])
        defer { slave.stop() }
        try useEveryTool("tcp://127.0.0.1:\(port)", "modbus-tcp", unit: 3)
    }

    @Test(.timeLimit(.minutes(5))) func aDeviceOnModbusTCPIsUnitZeroOr255() throws {
        let port = try Tools.freePort()
        let slave = try slave("tcp:\(port)", ["0", "255"])
        defer { slave.stop() }
        let device = "tcp://127.0.0.1:\(port)"
        for unit in [0, 255] {
            let read = try run(
                ["read", device, "\(unit)", "holding:2", "--driver", "modbus-tcp", "--json"])
            #expect(object(read.output)["registers"] as? [Int] == [100 * unit + 2], "\(read)")
        }
        let workspace = try Workspace()
        let file = try workspace.write(
            "gateway.json5",
            configuration(
                "device: \"\(device)\", driver: \"modbus-tcp\"",
                nodes: """
                    "zero": { unit: 0, points: { r: { holding: 1 } } },
                    "full": { unit: 255, points: { r: { holding: 1 } } },
                    """))
        let poll = try run(["poll", file, "--json"])
        #expect(poll.code == 0, "\(poll)")
        #expect(poll.output.contains("25501") && poll.output.contains("\"r\":1}"), "\(poll.output)")
    }

    @Test(.timeLimit(.minutes(5))) func pymodbusOnRTUOverTCP() throws {
        let port = try Tools.freePort()
        let slave = try slave("rtu:\(port)", ["name=Acme", "3"])
        defer { slave.stop() }
        try useEveryTool("tcp://127.0.0.1:\(port)", "modbus-rtu", unit: 3)
    }

    @Test(.timeLimit(.minutes(5))) func pymodbusOnModbusASCII() throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try slave("ascii:\(theirs)", ["name=Acme", "3"])
        defer { slave.stop(); socat.stop() }
        try useEveryTool(ours, "modbus-ascii", unit: 3)
    }

    /// ser2net before a serial line with a pymodbus unit, once as plain TCP and once with RFC 2217.
    @Test(.timeLimit(.minutes(5)), arguments: ["tcp", "rfc2217"])
    func ser2netBeforeALine(_ scheme: String) throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try slave(theirs, ["name=Acme", "3"])
        defer { slave.stop(); socat.stop() }
        let port = try Tools.freePort()
        let telnet = scheme == "tcp" ? "" : "telnet(rfc2217=true),"
        let file = try workspace.write(
            "ser2net.yaml",
            """
            connection: &line
              accepter: \(telnet)tcp,127.0.0.1,\(port)
              connector: serialdev,\(ours),9600n81,local
              options:
                kickolduser: true
            """)
        let ser2net = try Peer(
            try Tools.find("ser2net", package: "ser2net"), ["-n", "-u", "-c", file], quiet: true)
        defer { ser2net.end() }
        try Tools.until("ser2net listens") { Tools.accepts(port) }
        try useEveryTool("\(scheme)://127.0.0.1:\(port)", "modbus-rtu", unit: 3)
    }

    @Test(.timeLimit(.minutes(5))) func aPlainConverterIsNoRFC2217() throws {
        let port = try Tools.freePort()
        let slave = try slave("rtu:\(port)", ["3"])
        defer { slave.stop() }
        let read = try run(["read", "rfc2217://127.0.0.1:\(port)", "3", "holding:0"])
        #expect(read.code == 69 && read.errors.contains("write tcp://"), "\(read)")
    }

    /// Whatever the converter does, a value belongs to its register, and no good unit is lost.
    @Test(.timeLimit(.minutes(5)), arguments: ["pieces", "silent", "late", "merge", "close"])
    func convertersThatMisbehaveGiveNoWrongValue(_ mode: String) throws {
        let workspace = try Workspace()
        let tcp = try Tools.freePort()
        let converter = try Peer(
            try Tools.python(), [Tools.peer("converter.py"), "\(tcp)", mode])
        defer { converter.stop() }
        #expect(converter.line() == "ready")
        let nodes = (1...3).map { unit in
            "\"u\(unit)\": { unit: \(unit), every: \"\(90 + 20 * unit)ms\", noMerge: true, "
                + "points: { r0: { holding: 0 }, r7: { holding: 7 }, r50: { holding: 50 } } }, "
        }.joined()
        let file = try workspace.write(
            "gateway.json5",
            configuration("device: \"tcp://127.0.0.1:\(tcp)\"", nodes: nodes))
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
        try Tools.until("there are readings", within: 60) {
            // A record of bad points has empty values.
            try self.records(workspace).count {
                ($0["values"] as? [String: Any])?.isEmpty == false
            } >= 10
        }
        #expect(gateway.end().code == 0)
        var good = 0
        for record in try records(workspace) {
            guard let device = record["device"] as? String, device.hasPrefix("u"),
                let values = record["values"] as? [String: Any]
            else { continue }
            for (name, value) in values {
                let unit = Int(device.dropFirst()) ?? 0
                let place = Int(name.dropFirst()) ?? 0
                #expect((value as? Int).map { $0 / 10 } == 100 * unit + place, "\(record)")
                good += 1
            }
        }
        #expect(good >= 24)
    }

    /// A cable that is cut for a while: what was read is kept, and polling is back within 5 s.
    @Test(.timeLimit(.minutes(5))) func aCutCableLosesNothingThatWasRead() throws {
        guard getuid() == 0 else {
            print("not run: network namespaces need root")
            return
        }
        let workspace = try Workspace()
        let isLong = ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1"
        let peer = try Peer(
            try Tools.find("unshare", package: "util-linux"),
            [
                "-n", try Tools.python(), Tools.peer("network-cut.py"), try Tools.fieldgw(),
                Tools.peer("converter.py"), workspace.url.path, isLong ? "60" : "12",
            ])
        var output = ""
        while let line = peer.line(within: .seconds(120)) { output += line + "\n" }
        let (code, _, errors) = peer.finish()
        if let reason = output.split(separator: "\n").first(where: { $0.hasPrefix("cannot: ") }) {
            print("not run: \(reason)")
            return
        }
        #expect(code == 0 && output.hasSuffix("ok\n"), "\(output)\(errors)")
        print(output)
    }
}
