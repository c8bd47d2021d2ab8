import Foundation
import Testing

/// Verbs for the first days with a line: names in place of addresses, all readings of a register, a
/// first configuration, a capture without its line, and an archive for somebody who helps.
@Suite(.serialized) struct FirstStepsPeerTests {
    private func run(
        _ words: [String], environment: [String]? = nil
    ) throws -> (code: Int32, output: String, errors: String) {
        try Peer(try Tools.fieldgw(), words, environment: environment).finish()
    }

    private func document(_ text: String) throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }

    @Test(.timeLimit(.minutes(5))) func pointsAreReadAndWrittenByTheirNames() throws {
        let site = try ToolEndTests.Site()
        let config = ["--config", site.file]
        // Through the gateway first, then on a line of our own.
        for isHeld in [true, false] {
            if !isHeld { #expect(site.gateway.stop() == 0) }
            let written = try run(["write", "bus-a", "unit-1", "trim", "-42"] + config)
            #expect(written.code == 0, "\(written)")
            let read = try run(["read", "bus-a", "unit-1", "trim"] + config)
            #expect(read.code == 0 && read.output == "unit-1 trim = -42\n", "\(read)")
            let json = try run(["read", "bus-a", "unit-1", "trim", "--json"] + config)
            #expect(try document(json.output)["value"] as? Int == -42, "\(json)")

            let beyond = try run(["write", "bus-a", "unit-1", "trim", "101"] + config)
            #expect(beyond.code == 64 && beyond.errors.contains("100"), "\(beyond)")
            let closed = try run(["write", "bus-a", "unit-1", "a", "1"] + config)
            #expect(closed.code == 64, "\(closed)")
            #expect(try run(["read", "bus-a", "1", "holding:5"] + config).output.contains("65494"))
            for (words, hint) in [
                (["unit-2", "trim"], "unit-1"), (["unit-1", "trin"], "did you mean \"trim\"?"),
            ] {
                let wrong = try run(["read", "bus-a"] + words + config)
                #expect(wrong.code == 64 && wrong.errors.contains(hint), "\(wrong)")
            }
            #expect(
                try run(["read", "bus-a", "unit-1", "trim", "--type", "int16"] + config).code == 64)
        }
        site.stop()
    }

    /// As a command is: what the unit confirmed and does not hold was not written.
    @Test(.timeLimit(.minutes(5))) func aNamedWriteIsComparedWithWhatTheUnitHolds() throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(
            try Tools.python(), [Tools.peer("pymodbus-slave.py"), theirs, "19200", "N", "7"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "127.0.0.1", port: 1, tls: false, gateway: "gw" }, state: "state",
              ports: { bus: { device: "\(ours)", driver: "modbus-rtu", baud: 19200, parity: "none",
                responseTimeout: "2s", nodes: { pump: { unit: 7, points: {
                  limit: { holding: 60, writable: { function: 16, min: 0, max: 1000 } },
                  pulse: { holding: 60, writable: { function: 16, readback: false } } } } } } },
            }
            """)
        for (words, code, part) in [
            (["limit", "90"], 0, ""), (["limit", "500"], 65, "reads back differently"),
            (["limit", "500", "--no-readback"], 0, ""), (["pulse", "500"], 0, ""),
        ] as [([String], Int32, String)] {
            let written = try run(["write", "bus", "pump"] + words + ["--config", file])
            #expect(
                written.code == code && (part.isEmpty || written.errors.contains(part)),
                "\(words): \(written)")
        }
    }

    @Test(.timeLimit(.minutes(5))) func aRegisterIsReadAgainAndAgainAndInEveryWay() throws {
        let site = try ToolEndTests.Site()
        let config = ["--config", site.file]
        let auto = try run(["read", "bus-a", "1", "holding:0", "--type", "auto"] + config)
        #expect(auto.code == 0, "\(auto)")
        for word in ["uint16", "int32", "float32", "CDAB", "BA"] {
            #expect(auto.output.contains(word), "\(auto)")
        }
        let every = try Peer(
            try Tools.fieldgw(), ["read", "bus-a", "1", "holding:0", "--every", "100ms"] + config)
        for _ in 0..<3 {
            let line = try #require(every.line())
            #expect(line.contains("Z  ") && line.split(separator: " ").count == 2, "\(line)")
        }
        every.stop()
        let named = try Peer(
            try Tools.fieldgw(), ["read", "bus-a", "unit-1", "a", "--every", "100ms"] + config)
        for _ in 0..<3 {
            let line = try #require(named.line())
            #expect(line.contains("Z  unit-1 a = "), "\(line)")
        }
        named.stop()

        let poll = try run(["poll", site.file])
        #expect(poll.code == 69 && poll.errors.contains("fieldgw watch --config"), "\(poll)")
        let requests = try site.port()["timeouts"] as? Int
        #expect(requests == 0, "nothing was asked beside the gateway")
        site.stop()
        #expect(try Peer(try Tools.fieldgw(), ["poll", site.file]).finish().code == 69, "no bus")
    }

    @Test(.timeLimit(.minutes(5))) func aCaptureIsReplayedWithoutItsLine() throws {
        let site = try ToolEndTests.Site()
        let capture = site.workspace.path("bus.pcap")
        try Tools.until("there is traffic") { try site.port()["replies"] as? Int ?? 0 > 10 }
        #expect(try run(["capture", "bus-a", capture, "--config", site.file]).code == 0)
        site.stop()
        let replay = try run(["replay", capture, "--config", site.file])
        #expect(replay.code == 0 && replay.output.contains("read holding"), "\(replay)")
        #expect(replay.output.contains("    unit-1 a = "), "\(replay)")
        let json = try run(["replay", capture, "--config", site.file, "--json"])
        let first = try #require(json.output.split(separator: "\n").first)
        #expect(try document(String(first))["device"] as? String == "unit-1", "\(first)")
        let none = try run(["replay", site.file, "--config", site.file])
        #expect(none.code == 65 && none.errors.contains("is no pcap file"), "\(none)")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: capture))
        for length in [0, 23, 24, 30, bytes.count / 2] {
            try bytes.prefix(length).write(to: URL(fileURLWithPath: capture))
            let cut = try run(["replay", capture, "--config", site.file])
            #expect([0, 65].contains(cut.code), "\(length): \(cut)")
        }
    }

    /// `--log wire` and, by a reload, `logLevel: "wire"`.
    @Test(.timeLimit(.minutes(5))) func framesAreLoggedOnRequest() throws {
        let site = try ToolEndTests.Site()
        #expect(site.gateway.stop() == 0)
        let wrong = try run(["run", "--config", site.file, "--log", "wires"])
        #expect(wrong.code == 64 && wrong.errors.contains("debug or wire"), "\(wrong)")

        let loud = try Peer(
            try Tools.fieldgw(), ["run", "--config", site.file, "--log", "wire"])
        let asked = try #require(loud.complaint { $0.contains(" wire bus-a: ") })
        #expect(asked.contains(" > unit 1  read holding 0"), "\(asked)")
        let answered = loud.complaint { $0.contains(" < unit 1  read holding 0") }
        #expect(answered?.contains(" ms)  [01 03 ") == true, "\(answered ?? "nothing")")
        #expect(loud.stop() == 0)

        let text = try String(contentsOfFile: site.file, encoding: .utf8)
        let quiet = try Peer(try Tools.fieldgw(), ["run", "--config", site.file])
        #expect(quiet.complaint { $0.contains("opened ") } != nil)
        try Tools.until("it has read") { try site.port()["replies"] as? Int ?? 0 > 10 }
        try text.replacingOccurrences(of: "clock:", with: "logLevel: \"wire\", clock:").write(
            toFile: site.file, atomically: true, encoding: .utf8)
        quiet.hangUp()
        var before: [String] = []
        let first = quiet.complaint { line in
            before.append(line)
            return line.contains(" wire bus-a: ")
        }
        #expect(first != nil && before.contains { $0.contains("is in force") }, "\(before)")
        #expect(quiet.stop() == 0)
        site.stop()
    }

    /// What must stay secret is in no file of the archive.
    @Test(.timeLimit(.minutes(5))) func anArchiveHoldsWhatHelpsAndNoSecret() throws {
        let site = try ToolEndTests.Site()
        let secret = "s3cr3t-word-0123456789"
        let text = try String(contentsOfFile: site.file, encoding: .utf8)
        let file = try site.workspace.write(
            "with.json5",
            text.replacingOccurrences(
                of: "gateway: \"gw-peer\"",
                with: """
                    gateway: "gw-peer", username: "\(secret)1", password: "\(secret)2",
                    proxy: "http://u:\(secret)3@127.0.0.1:1"
                    """
            ).replacingOccurrences(
                of: "clock: \"trust\",",
                with: """
                    clock: "trust", /* \(secret)4 */
                    http: { listen: "127.0.0.1:8420", token: "\(secret)5" },
                    """
            ))
        let archive = site.workspace.path("help.tar")
        let made = try run(["support", archive, "--config", file])
        #expect(made.code == 0, "\(made)")
        for name in ["configuration.json", "check.txt", "status.json", "bus-a.pcap", "values.json"]
        {
            #expect(made.output.contains(name), "\(made)")
        }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: archive))
        #expect(bytes.range(of: Data(secret.utf8)) == nil)
        let listed = try Peer(try Tools.find("tar", package: "tar"), ["-tvf", archive]).finish()
        #expect(
            listed.code == 0 && listed.output.contains("fieldgw-support/status.json"), "\(listed)")
        let config = try Peer(
            "/bin/sh", ["-c", "tar -xOf \"$0\" fieldgw-support/configuration.json", archive]
        ).finish()
        #expect(try document(config.output)["ports"] != nil && config.output.contains("***"))
        #expect(try run(["support", archive, "--config", file]).code == 74, "it is there already")
        site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func questionsMakeAConfigurationThatWorks() throws {
        let workspace = try Workspace()
        let file = workspace.path("first.json5")
        let answers = """
            broker.lan
            no
            plant 7
            no
            /dev/ttyUSB9
            fast
            19200
            even
            tank-2
            300
            17
            40001
            input:16

            """
        let path = try workspace.write("answers", answers)
        let made = try Peer(
            "/bin/sh", ["-c", "exec \"$0\" init \"$1\" < \"$2\"", try Tools.fieldgw(), file, path]
        ).finish()
        #expect(made.code == 0 && made.output.contains("fieldgw check"), "\(made)")
        #expect(made.errors.contains("not \"fast\""), "\(made)")
        let check = try run(["check", file])
        #expect(check.code == 0, "\(check)")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        for part in ["gateway: \"plant 7\"", "baud: 19200", "unit: 17", "input: 16", "tls: false"] {
            #expect(text.contains(part), "\(text)")
        }
        let again = try run(["init", file])
        #expect(again.code == 64 && again.errors.contains("is there already"), "\(again)")
        let ended = try Peer(
            "/bin/sh",
            ["-c", "exec \"$0\" init \"$1\" < /dev/null", try Tools.fieldgw(), workspace.path("x")]
        ).finish()
        #expect(ended.code == 66 && !FileManager.default.fileExists(atPath: workspace.path("x")))
    }
}
