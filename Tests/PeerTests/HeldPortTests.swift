import Foundation
import Testing

/// Reads and writes by hand on a port that a running gateway holds, and looking at it beside a file
/// that is broken.
@Suite(.serialized) struct HeldPortTests {
    private func run(
        _ site: ToolEndTests.Site, _ words: [String]
    ) throws -> (code: Int32, output: String, errors: String) {
        try Peer(try Tools.fieldgw(), words + ["--config", site.file]).finish()
    }

    @Test(.timeLimit(.minutes(5))) func aWriteKeepsToSignAndLimitsOfThePoint() throws {
        let site = try ToolEndTests.Site()
        func write(_ words: String...) throws -> (code: Int32, output: String, errors: String) {
            try run(site, ["write", "bus-a", "1"] + words)
        }
        func trim() throws -> String {
            try run(site, ["read", "bus-a", "1", "holding:5", "--type", "int16"]).output
        }

        let good = try write("holding:5", "-5")
        #expect(good.code == 0, "\(good)")
        #expect(try trim().contains("-5"))
        let high = try write("holding:5", "500")
        #expect(high.code != 0 && high.errors.contains("at most 100"), "\(high)")
        let wide = try write("holding:5", "70000")
        #expect(wide.code != 0, "\(wide)")
        let both = try write("holding:4", "1", "2")
        #expect(both.code == 0 || both.errors.contains("trim"), "\(both)")
        let plain = try write("holding:0", "7")
        #expect(plain.code != 0 && plain.errors.contains("a of unit-1 is not writable"), "\(plain)")
        #expect(try write("holding:0", "7", "--force").code == 0)
        #expect(try write("holding:5", "500", "--force").code == 0)
        #expect(try trim().contains("500"))
        site.stop()
    }

    /// What is written by hand counts like what a command writes.
    @Test(.timeLimit(.minutes(5))) func aWriteCountsAgainstTheBudgetOfThePoint() throws {
        let site = try ToolEndTests.Site()
        func write(_ more: String...) throws -> (code: Int32, output: String, errors: String) {
            try run(site, ["write", "bus-a", "1", "holding:9", "7"] + more)
        }
        #expect(try write().code == 0)
        #expect(try write().code == 0)
        let third = try write()
        #expect(
            third.code != 0 && third.errors.contains("level takes 2 writes a minute"), "\(third)")
        #expect(try write("--force").code == 0)
        site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func aSocketThatIsAFileIsSaidSo() throws {
        let workspace = try Workspace()
        let file = try workspace.write("control.sock", "somebody's")
        let result = try Peer(
            try Tools.fieldgw(), ["read", "bus-a", "1", "holding:0", "--control", file]
        ).finish()
        #expect(
            result.code == 69 && result.errors.contains("a file is there that is no socket"),
            "\(result)")
    }

    @Test(
        .timeLimit(.minutes(5)),
        arguments: ["--baud 9600", "--parity even", "--stop-bits 2", "--timeout 2s", "--retries 3"])
    func anOptionWithoutEffectIsRefused(_ option: String) throws {
        let site = try ToolEndTests.Site()
        let words = option.split(separator: " ").map(String.init)
        for verb in [
            ["read", "bus-a", "1", "holding:0"], ["write", "bus-a", "1", "holding:5", "7"],
        ] {
            let result = try run(site, verb + words)
            #expect(
                result.code == 64 && result.errors.contains("\(words[0]) has no effect"),
                "\(result)")
        }
        site.stop()
    }

    /// The gateway runs on with what it has; whoever looks at it sees it, whatever stands in the
    /// file meanwhile.
    @Test(.timeLimit(.minutes(5)), arguments: ["{", "\u{0}\u{1}", "{ ports: { }, nonsense: 1 }"])
    func aBrokenFileHidesNoGateway(_ text: String) throws {
        let site = try ToolEndTests.Site()
        let state = ["--state", site.workspace.path("state")]
        _ = try site.workspace.write("gateway.json5", text)
        for verb in [["status"], ["top", "--once"], ["device", "list"]] {
            let result = try Peer(try Tools.fieldgw(), verb + ["--config", site.file]).finish()
            #expect(result.code == 0, "\(verb): \(result)")
        }
        let read = try Peer(try Tools.fieldgw(), ["read", "bus-a", "1", "holding:0"] + state)
            .finish()
        #expect(read.code == 0, "\(read)")
        #expect(try Peer(try Tools.fieldgw(), ["check", site.file]).finish().code == 78)
        site.stop()
    }

    /// The socket is where a file that says nothing of it would have it.
    @Test(.timeLimit(.minutes(5))) func aMissingFileHidesNoGateway() throws {
        let site = try ToolEndTests.Site()
        try FileManager.default.removeItem(atPath: site.file)
        let missing = try run(site, ["status"])
        #expect(missing.code == 0 && missing.errors.contains("asking the gateway at"), "\(missing)")
        try FileManager.default.createDirectory(
            atPath: site.file, withIntermediateDirectories: false)
        let folder = try run(site, ["top", "--once"])
        #expect(folder.code == 0, "\(folder)")
        site.stop()
        #expect(try run(site, ["status"]).code == 66)
    }

    /// Nobody answers at 77: who asked is told, and the gateway has no trouble with it.
    @Test(.timeLimit(.minutes(5))) func aUnitThatIsAskedByHandIsNoUnitOfTheGateway() throws {
        let site = try ToolEndTests.Site()
        let read = try run(site, ["read", "bus-a", "77", "holding:0"])
        #expect(read.code == 69, "\(read)")
        let status =
            try JSONSerialization.jsonObject(
                with: Data(try run(site, ["status", "--json"]).output.utf8)) as? [String: Any]
        let ports = status?["ports"] as? [String: Any]
        let units = (ports?["bus-a"] as? [String: Any])?["units"] as? [String: [String: Any]]
        let guest = try #require(units?["77"])
        #expect(
            guest["configured"] as? Bool == false && guest["state"] == nil
                && guest["requests"] as? Int == 1, "\(guest)")
        #expect(units?["1"]?["configured"] == nil)
        let top = try run(site, ["top", "--once"]).output
        #expect(top.contains("bus-a") && !top.contains(" 77 "), "\(top)")
        let end = site.gateway.end()
        #expect(end.code == 0 && !end.errors.contains(":77"), "\(end)")
        site.stop()
    }
}
