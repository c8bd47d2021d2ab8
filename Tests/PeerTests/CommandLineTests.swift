import Foundation
import Testing

/// What a person sees who types something wrong, and the exit code that a script gets.
@Suite(.serialized) struct CommandLineTests {
    private func run(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String)
    {
        try Peer(try Tools.fieldgw(), arguments).finish()
    }

    @Test(
        .timeLimit(.minutes(5)),
        arguments: [
            (["chek", "x"], 64, "did you mean \"check\"?"),
            (["run", "--confg", "x"], 64, "did you mean --config?"),
            (["run"], 64, "--config FILE is needed"),
            (["check"], 64, "one FILE is needed"),
            (["check", "/nonexistent/gateway.json5"], 66, "No such file"),
            (["key", "public", "/nonexistent/key.pem"], 66, "/nonexistent/key.pem"),
            (["profile", "lst"], 64, "did you mean \"list\"?"),
            (["profile"], 64, "list, show or check"),
            (["profile", "list", "epver"], 66, "did you mean \"epever-tracer\"?"),
            (["profile", "show", "eastron-sdm121"], 66, "did you mean \"eastron-sdm120\"?"),
            (["profile", "show", "sdm120", "phases"], 64, "PARAMETER=VALUE"),
            (["profile", "show", "sdm120", "phases=1"], 78, "no parameter \"phases\""),
            (["profile", "check", "/nonexistent/p.json5"], 66, "No such file"),
            (["spool", "list", "/nonexistent"], 66, "/nonexistent"),
            (["status", "--control", "/nonexistent/control.sock"], 69, "is the gateway running"),
            (["read", "/dev/x", "1"], 64, "TABLE:ADDRESS are needed"),
            (["read", "/dev/x", "0", "holding:0"], 64, "UNIT is a unit id"),
            (["read", "/dev/x", "1", "holding:40001"], 64, "zero-based address holding:0"),
            (
                ["read", "/dev/x", "1", "holding:0", "--type", "flaot32"], 64,
                "did you mean \"float32\"?"
            ),
            (["read", "/nonexistent/tty", "1", "holding:0"], 69, "does not exist"),
            (["read", "/etc/passwd", "1", "holding:0"], 69, "not a serial port"),
            (
                ["read", "bus-a", "1", "holding:0", "--control", "/nonexistent/c.sock"], 69,
                "no --config FILE says what it is"
            ),
            (["write", "/dev/x", "1", "input:0", "7"], 64, "cannot be written"),
            (["write", "/dev/x", "1", "holding:0", "70000"], 64, "does not fit"),
            (["scan", "/dev/x", "--units", "0-3"], 64, "ids from 1 to 247"),
            (["scan", "/nonexistent/tty"], 69, "does not exist"),
            (["sniff", "/nonexistent/tty"], 69, "does not exist"),
            (["watch", "--control", "/nonexistent/control.sock"], 69, "is the gateway running"),
            (
                ["top", "--once", "--control", "/nonexistent/control.sock"], 69,
                "--control SOCKET says where"
            ),
            (
                ["pause", "bus-a", "--control", "/nonexistent/control.sock"], 69,
                "is the gateway running"
            ),
            (["pause", "bus-a", "10"], 64, "\"10m\""),
            (["pause"], 64, "one PORT is needed"),
            (["capture", "bus-a"], 64, "a FILE are needed"),
            (["device", "lst"], 64, "did you mean \"list\"?"),
            (["import", "csv"], 64, "a format and one FILE are needed"),
            (["import", "xml", "x"], 64, "csv, modpoll or sunspec, not xml"),
            (["import", "csv", "/nonexistent/t.csv"], 66, "No such file"),
        ] as [([String], Int32, String)])
    func aMistakeIsNamedWithWhatToDo(_ arguments: [String], _ code: Int32, _ words: String) throws {
        let result = try run(arguments)
        #expect(result.code == code)
        #expect(result.errors.contains(words), "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    @Test(.timeLimit(.minutes(5))) func everyVerbHasHelp() throws {
        let overview = try run(["--help"])
        #expect(overview.code == 0)
        for verb in [
            "run", "check", "plan", "profile", "poll", "scan", "read", "write", "sniff", "ports",
            "status",
            "top", "watch", "pause",
            "resume", "device", "capture", "spool", "key",
        ] {
            #expect(overview.output.contains("  \(verb)"))
            let help = try run([verb, "--help"])
            #expect(help.code == 0 && help.output.contains("usage: fieldgw \(verb)"))
        }
    }

    @Test(.timeLimit(.minutes(5))) func aProfileIsFoundShownAndChecked() throws {
        let list = try run(["profile", "list", "SDM", "12"])
        #expect(list.code == 0 && list.output.contains("eastron-sdm120"), "\(list)")
        #expect(!list.output.contains("eastron-sdm630"))
        let json = try JSONSerialization.jsonObject(
            with: Data(try run(["profile", "list", "--json"]).output.utf8))
        let names = ((json as? [String: Any])?["profiles"] as? [[String: Any]] ?? []).compactMap {
            $0["name"] as? String
        }
        #expect(names.count > 50 && names.contains("sdi12"))

        // A part of the name is enough where only one has it.
        let page = try run(["profile", "show", "sdm120"])
        #expect(page.code == 0 && page.output.hasPrefix("eastron-sdm120: Eastron SDM120\n"))
        let row = page.output.split(separator: "\n").first { $0.hasPrefix("frequency ") }
        let cells = row?.split(separator: " ").map(String.init)
        #expect(cells == ["frequency", "input", "0x0046", "float32", "Hz"], "\(page.output)")
        let relays = try run(["profile", "show", "waveshare-relay", "channels=2"])
        #expect(relays.output.contains("relay2 ") && !relays.output.contains("relay3 "))

        let workspace = try Workspace()
        let path = workspace.path("p.json5")
        let text = """
            { name: "A", manual: "B",
              parameters: { channels: { min: 1, max: 40 } },
              points: { "value{n}": { input: 0xFFE0, repeat: "chanels" },
                x: { input: 1, unit: "V" } } }
            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let check = try run(["profile", "check", path])
        #expect(check.code == 78 && check.output.isEmpty)
        #expect(
            check.errors.contains(
                "p.json5:3:50: error: this profile has no parameter \"chanels\"; did you mean"),
            "\(check.errors)")
        #expect(
            check.errors.contains("p.json5:4:20: error: unknown key \"unit\""), "\(check.errors)")
        try text.replacingOccurrences(of: "chanels", with: "channels")
            .replacingOccurrences(of: "unit:", with: "units:")
            .write(toFile: path, atomically: true, encoding: .utf8)
        let far = try run(["profile", "check", path, "--json"])
        #expect(far.code == 78 && far.output.contains("above the last address"), "\(far.output)")
    }

    @Test(.timeLimit(.minutes(5))) func anUnknownProfileIsToldWithTheNearest() throws {
        let workspace = try Workspace()
        let path = workspace.path("gw.json5")
        let text = """
            { bridge: { host: "localhost", gateway: "gw-1" }, spool: { directory: "spool" },
              ports: { a: { device: "/dev/ttyS0",
                nodes: { "m-1": { unit: 1, profile: "sdm120" } } } } }
            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let check = try run(["check", path])
        #expect(check.code == 78)
        #expect(check.errors.contains("did you mean \"eastron-sdm120\"?"), "\(check.errors)")
    }

    @Test(.timeLimit(.minutes(5))) func aKeyIsPrivateAndNeverOverwritten() throws {
        let workspace = try Workspace()
        let path = workspace.path("gw.pem")
        for type in ["ec", "rsa"] {
            try? FileManager.default.removeItem(atPath: path)
            let made = try run(["key", "generate", "--type", type, path])
            #expect(made.code == 0 && made.output.hasPrefix("-----BEGIN PUBLIC KEY-----"))
            #expect(try run(["key", "public", path]).output == made.output)
            let mode =
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
        #expect(try run(["key", "generate", path]).code == 74)
    }

    @Test(.timeLimit(.minutes(5))) func checkTellsEveryProblemAtOnceAndWarnsAboutAMissingPort()
        throws
    {
        let workspace = try Workspace()
        try workspace.write("open.pem", "nothing", mode: 0o644)
        let file = try workspace.write(
            "gateway.json5",
            """
            {
              bridge: { host: "localhost", project: "p", region: "r", registry: "g", gateway: "gw-1",
                privateKey: "open.pem", ca: "missing.pem" },
              ports: { a: { device: "nowhere", driver: "modbus-rtu", nodes: { "node-1": { unit: 1, points: {
                a: { holding: 40001 } } } } } },
            }
            """)
        let broken = try run(["check", file])
        #expect(broken.code == 78)
        #expect(broken.errors.contains("\(file):5:"))
        try workspace.write(
            "gateway.json5",
            try String(contentsOfFile: file, encoding: .utf8)
                .replacingOccurrences(of: "40001", with: "0"))
        let files = try run(["check", file])
        #expect(files.code == 78)
        #expect(
            files.errors.contains(":3:") && files.errors.contains("chmod 600")
                && files.errors.contains("missing.pem"))
        #expect(files.errors.contains("warning") && files.errors.contains("nowhere"))
        #expect(files.output.contains("load"))
    }

    /// Each takes the lock of its directory: in one they would keep each other out.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("same", "same", true), ("same/", "./same", true), ("link", "same", true),
            ("same", "link/", true), ("new", "new/.", true),
            ("new", "same/../new", true), (nil, "state", true), ("same", "same/spool", false),
            ("same/inner", "same", false),
            ("same", nil, false),
        ] as [(String?, String?, Bool)])
    func stateAndJournalNeedADirectoryEach(
        _ state: String?, _ spool: String?, _ areOne: Bool
    ) throws {
        let workspace = try Workspace()
        try FileManager.default.createDirectory(
            atPath: workspace.path("same"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: workspace.path("link"), withDestinationPath: "same")
        let file = try workspace.write(
            "gateway.json5",
            """
            { bridge: { host: "localhost", gateway: "gw-1" }, \(state.map { "state: \"\($0)\"," } ?? "")
              \(spool.map { "spool: { directory: \"\($0)\" }," } ?? "")
              ports: { a: { device: "nowhere", nodes: { "node-1": { unit: 1, points: { a: { holding: 0 } } } } } },
            }
            """)
        let checked = try run(["check", file])
        #expect(checked.code == (areOne ? 78 : 0), "\(checked.errors)")
        #expect(
            checked.errors.contains("\(file):2:") == areOne
                && checked.errors.contains("is the state directory") == areOne)
        #expect(checked.errors.contains("is inside the journal's") == (state == "same/inner"))
        if areOne { #expect(try run(["run", "--config", file]).code == 78) }
        guard state == "same", spool == "same/spool" else { return }
        let other = try run(["run", "--config", file, "--state", workspace.path("link/spool")])
        #expect(other.code == 78 && other.errors.contains("one of its own"))
    }

    /// Included files, a repeated node and the machine's name, with nothing secret in it.
    @Test(.timeLimit(.minutes(5))) func checkPrintsWhatComesOfItsFiles() throws {
        let workspace = try Workspace()
        try FileManager.default.createDirectory(
            atPath: workspace.path("site"), withIntermediateDirectories: true)
        try workspace.write(
            "site/common.json5",
            """
            { bridge: { host: "127.0.0.1", gateway: "gw-{hostname}", tls: false,
                username: "plant", password: "geheim" },
              state: "state", ports: { a: { device: "nowhere", nodes: {
                "meter-{unit}": { unit: "1-3", points: {
                  x: { holding: 0x9C41 }, bypass: { holding: 7 } } } } } } }
            """)
        let file = try workspace.write("gateway.json5", "{ include: [\"site/common.json5\"] }")
        let shown = try run(["check", "--print", file])
        #expect(shown.code == 0, "\(shown)")
        let name = ProcessInfo.processInfo.hostName.split(separator: ".").first ?? ""
        for part in ["\"meter-1\"", "\"meter-3\"", "***", "\"gw-\(name)\"", "0x9C41"]
            + ["\"bypass\": { \"holding\": 7 }"]
        {
            #expect(shown.output.contains(part), "\(shown)")
        }
        for part in ["geheim", "plant", "include", "{unit}"] {
            #expect(!shown.output.contains(part), "\(shown)")
        }
        // It is a configuration itself, and the problems of the parts have their own files.
        let again = try run(["check", try workspace.write("printed.json5", shown.output)])
        #expect(again.code == 0, "\(again)")
        #expect(shown.errors.contains("site/common.json5:3:"), "\(shown)")
        #expect(shown.errors.contains("site/nowhere does not exist now"), "\(shown)")
    }

    @Test(.timeLimit(.minutes(5))) func anImportedTableIsAConfiguration() throws {
        let workspace = try Workspace()
        let table = try workspace.write(
            "map.csv", "name,address,type,unit\nvoltage,6,float,V\nbroken,x,uint16,\n")
        let asked = try run(["import", "csv", table, "--table", "input"])
        #expect(asked.code == 64 && asked.errors.contains("--base 0 or"), "\(asked)")
        let made = try run(["import", "csv", table, "--table", "input", "--base", "1"])
        #expect(
            made.code == 0
                && made.output.hasPrefix(
                    "voltage: { input: 5, type: \"float32\", units: \"V\" },\n"),
            "\(made)")
        #expect(made.errors.contains("\(table):3:1: warning: dropped: \"x\""), "\(made)")
        #expect(made.errors.contains("1 point, 1 row dropped"), "\(made)")
        let file = try workspace.write(
            "gateway.json5",
            """
            { bridge: { host: "127.0.0.1", gateway: "gw-1", tls: false }, state: "state",
              ports: { a: { device: "nowhere", nodes: { d: { unit: 1, points: {
            \(made.output) } } } } } }
            """)
        #expect(try run(["check", file]).code == 0)
    }
}
