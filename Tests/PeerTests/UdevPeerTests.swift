import Foundation
import Testing

/// udev's rules and the kernel's events, on adapters that are drawn by umockdev.
@Suite(.serialized) struct UdevPeerTests {
    private struct Verdict: Decodable {
        var code: Int
        var error: String
        var links: [String]
        var group: String
        var mode: String
        var writes: [[String]]
        var tags: String
        var properties: [String: String]
        var complaints: [String]
    }

    private static let rules = Tools.root.appendingPathComponent("udev/70-fieldgw.rules").path

    /// The Python that Debian's bindings are for, with the test bed before the C library.
    private func inTestBed(
        _ script: String, _ arguments: [String], before: String = ""
    ) throws -> Peer {
        let preload = [before, "libumockdev-preload.so.0"].filter { !$0.isEmpty }.joined(
            separator: ":")
        return try Peer(
            try Tools.find("env", package: "coreutils"),
            ["LD_PRELOAD=\(preload)", "/usr/bin/python3", Tools.peer(script)] + arguments)
    }

    /// What stands before the C library, compiled.
    private func shim(in workspace: Workspace) throws -> String {
        let shim = workspace.path("pty-ioctl.so")
        let compiler = try Peer(
            try Tools.find("cc", package: "gcc"),
            ["-shared", "-fPIC", "-O1", "-o", shim, Tools.peer("pty-ioctl.c")])
        let compiled = compiler.finish()
        #expect(compiled.code == 0, "\(compiled.errors)")
        return shim
    }

    /// Emulators of a processor (qemu-user) know the older calls only, and with them the usual
    /// speeds.
    @Test(.timeLimit(.minutes(5))) func aSystemWithoutTermios2SetsTheUsualSpeeds() throws {
        let workspace = try Workspace()
        let shim = try self.shim(in: workspace)
        let bus = try Peer(
            try Tools.fieldsim(),
            ["bus", "--units", "1", "--baud", "19200", "--link", workspace.path("bus")])
        #expect(bus.line() != nil)
        func read(_ baud: String) throws -> (code: Int32, output: String, errors: String) {
            try Peer(
                try Tools.find("env", package: "coreutils"),
                [
                    "LD_PRELOAD=\(shim)", "NO_TERMIOS2=1", try Tools.fieldgw(), "read",
                    workspace.path("bus"), "1", "holding:0",
                    "--baud", baud,
                ]
            ).finish()
        }
        let usual = try read("19200")
        #expect(usual.code == 0, "\(usual.errors)")
        let odd = try read("19201")
        #expect(odd.code != 0 && odd.errors.contains("does not accept 19201"), "\(odd.errors)")
        bus.stop()
    }

    @Test(.timeLimit(.minutes(5))) func everyKindOfAdapterGetsItsNamesAndIsLeftInPeace() throws {
        _ = try Tools.find("udevadm", package: "udev")
        let workspace = try Workspace()
        let (code, output, errors) = try inTestBed(
            "udev-rules.py", [Self.rules, workspace.path("")]
        ).finish()
        #expect(code == 0, "\(errors)")
        let verdicts = try JSONDecoder().decode([String: Verdict].self, from: Data(output.utf8))
        let path = "fieldgw/by-path/pci-0000:00:14.0-usb-0:"
        let links = [
            "ftdi": [path + "1:1.0", "fieldgw/by-serial/A50285BI"],
            "ftdi-dual": [path + "2:1.1", "fieldgw/by-serial/FT4XYZ-01"],
            "cp210x": [path + "3:1.0", "fieldgw/by-serial/02A7C3F1"],
            // Every one of them says 0001: two would take the name from each other.
            "cp210x-clone": [path + "4:1.0"],
            "ch340": [path + "5:1.0"],
            "pl2303": [path + "6:1.0"],
            "cdc-acm": [path + "7:1.0", "fieldgw/by-serial/7543932383"],
            "pl011": ["fieldgw/by-path/platform-fe201000.serial", "fieldgw/uart0"],
            "mini-uart": ["fieldgw/by-path/platform-fe215040.serial"],
        ]
        for (kind, expected) in links {
            let verdict = try #require(verdicts[kind], "\(kind)")
            #expect(
                verdict.code == 0 && verdict.complaints.isEmpty,
                "\(kind): \(verdict.error)\(verdict.complaints)")
            #expect(verdict.links == expected, "\(kind)")
            #expect(
                !verdict.group.isEmpty && verdict.mode == "0660"
                    && verdict.tags.contains(":systemd:"), "\(kind)")
            guard kind != "pl011", kind != "mini-uart" else { continue }
            #expect(
                verdict.properties["ID_MM_PORT_IGNORE"] == "1"
                    && verdict.properties["ID_MM_DEVICE_IGNORE"] == "1", "\(kind)")
            #expect((verdict.properties["BRLTTY_BRAILLE_DRIVER"] ?? "").isEmpty, "\(kind)")
        }
        #expect(try #require(verdicts["pc"]).links.isEmpty, "a PC's ttyS1 is always the same one")
        let modem = try #require(verdicts["modem"])
        #expect(
            modem.links.isEmpty && modem.mode.isEmpty
                && modem.properties["ID_MM_PORT_IGNORE"] == nil, "not ours")
        #expect(verdicts["ftdi-port"]?.writes == [["latency_timer", "1"]])
    }

    /// `udevadm verify` is there from systemd 254; board/package runs it in Debian 13.
    @Test(.timeLimit(.minutes(5))) func theRulesAreVerified() throws {
        let udevadm = try Tools.find("udevadm", package: "udev")
        let version = try Peer(udevadm, ["--version"]).finish().output.trimmingCharacters(
            in: .whitespacesAndNewlines)
        guard let number = Int(version.prefix { $0.isNumber }), number >= 254 else { return }
        let (code, output, errors) = try Peer(udevadm, ["verify", Self.rules]).finish()
        #expect(code == 0, "\(output)\(errors)")
    }

    /// Adapters come, go and change their names 500 times, some of them within a millisecond.
    @Test(.timeLimit(.minutes(2))) func aStormOfAdaptersLeaksNothingMissesNoneAndMixesNoneUp()
        throws
    {
        let workspace = try Workspace()
        let shim = try self.shim(in: workspace)
        let storm = try inTestBed(
            "udev-storm.py", [try Tools.fieldgw(), workspace.path(""), "500"], before: shim)
        let line = try #require(storm.line(within: .seconds(90)), "\(storm.finish().errors)")
        let result = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect((result["wrong"] as? [String]) == [], "\(line)")
        #expect((result["opened"] as? Int ?? 0) > 100, "\(line)")
        #expect((result["allOpenAfterSeconds"] as? Double ?? 99) < 2.5, "\(line)")
        #expect(storm.finish().code == 0)
    }

    /// `scanAdapters`: who is on the line of an adapter that nobody has configured, and that a port
    /// gets it at once.
    @Test(.timeLimit(.minutes(5))) func anUnknownAdapterIsScannedAndLetGoOfForAPort() throws {
        let workspace = try Workspace()
        let newcomer = try inTestBed(
            "udev-newcomer.py", [try Tools.fieldgw(), workspace.path("")],
            before: try shim(in: workspace))
        let line = try #require(newcomer.line(within: .seconds(200)), "\(newcomer.finish().errors)")
        let result = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect((result["wrong"] as? [String]) == [], "\(line)")
        #expect((result["units"] as? [[Int]]) == [[1]], "\(line)")
        #expect((result["letGo"] as? Double ?? 99) < 4, "\(line)")
        let text = try #require((result["configuration"] as? [String])?.first)
        // In a place of its own: the journal beside it belongs to the gateway that has scanned.
        let other = try Workspace()
        let checked = try Peer(
            try Tools.fieldgw(), ["check", try other.write("found.json5", text)]
        ).finish()
        #expect(checked.code == 0 && text.contains("unit: 1"), "\(checked.errors) \(text)")
        #expect(newcomer.finish().code == 0)
    }
}
