import Foundation
import Glibc
import Testing

/// However a tool ends, the line is the gateway's again: with its terminal, its reader, its
/// process.
@Suite(.serialized) struct ToolEndTests {
    /// A gateway with one unit on its only port, and nobody at the bridge.
    final class Site {
        let workspace = try! Workspace()
        let file: String
        let device: String
        private let bus: Peer
        let gateway: Peer

        init() throws {
            device = workspace.path("bus")
            bus = try Peer(
                try Tools.fieldsim(), ["bus", "--units", "1", "--baud", "19200", "--link", device])
            _ = try #require(bus.line())
            file = try workspace.write(
                "gateway.json5",
                """
                {
                  bridge: { host: "127.0.0.1", port: \(try Tools.freePort()), tls: false, gateway: "gw-peer" },
                  spool: { directory: "spool" }, state: "state", clock: "trust",
                  ports: { "bus-a": { device: "\(device)", driver: "modbus-rtu", baud: 19200, every: "200ms",
                    nodes: { "unit-1": { unit: 1, points: { a: { holding: 0 },
                      trim: { holding: 5, type: "int16", writable: { min: -100, max: 100 } },
                      level: { holding: 9, writable: { perMinute: 2 } } } } } } },
                }
                """)
            gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true)
            try wait(for: "open")
        }

        func port() throws -> [String: Any] {
            let said = try Peer(try Tools.fieldgw(), ["status", "--config", file, "--json"])
                .finish().output
            let document =
                (try? JSONSerialization.jsonObject(with: Data(said.utf8))) as? [String: Any]
            return (document?["ports"] as? [String: Any])?["bus-a"] as? [String: Any] ?? [:]
        }

        func wait(for state: String) throws {
            try Tools.until("the port is \(state)") { try port()["state"] as? String == state }
        }

        func stop() {
            #expect(gateway.stop() == 0)
            bus.stop()
        }
    }

    private static let tools = [
        ["sniff", "bus-a"], ["scan", "bus-a", "--units", "100-247", "--timeout", "1s"],
    ]

    @Test(.timeLimit(.minutes(5)), arguments: [SIGKILL, SIGHUP, SIGINT, SIGTERM])
    func aToolThatEndsGivesThePortBack(_ signal: Int32) throws {
        let site = try Site()
        for words in Self.tools {
            let tool = try Peer(try Tools.fieldgw(), words + ["--config", site.file])
            #expect(tool.complaint { $0.contains("the gateway pauses bus-a") } != nil)
            #expect(try site.port()["lentTo"] as? [Int] != nil)
            // It is at work: the line is open in it.
            #expect(tool.complaint { $0.contains("listening") || $0.contains("trying") } != nil)
            tool.signal(signal)
            let end = tool.finish()
            #expect(end.code != -1, "\(words) lives on")
            try site.wait(for: "open")
        }
        site.stop()
    }

    /// `fieldgw sniff … | head`: the reader is gone and the line is silent, so no write would ever
    /// fail.
    @Test(.timeLimit(.minutes(5))) func aToolWhoseReaderIsGoneEnds() throws {
        let site = try Site()
        for words in Self.tools {
            let shell = try Peer(
                "/bin/sh",
                ["-c", "\"$0\" \"$@\" | true", try Tools.fieldgw()] + words + [
                    "--config", site.file,
                ])
            #expect(shell.finish().code == 0, "\(words) lives on")
            try site.wait(for: "open")
        }
        site.stop()
    }

    @Test(.timeLimit(.minutes(5))) func aToolEndsWhenTheGatewayTakesThePortBack() throws {
        let site = try Site()
        let tool = try Peer(try Tools.fieldgw(), ["sniff", "bus-a", "--config", site.file])
        #expect(tool.complaint { $0.contains("listening") } != nil)
        #expect(
            try Peer(try Tools.fieldgw(), ["resume", "bus-a", "--config", site.file]).finish().code
                == 0)
        let end = tool.finish()
        #expect(end.errors.contains("the gateway takes bus-a back: the pause has ended"), "\(end)")
        try site.wait(for: "open")
        let orphan = try Peer(try Tools.fieldgw(), ["sniff", "bus-a", "--config", site.file])
        #expect(orphan.complaint { $0.contains("listening") } != nil)
        site.stop()
        #expect(orphan.finish().errors.contains("the gateway takes bus-a back: it has ended"))
    }

    /// A person's pause is a promise that needs no process.
    @Test(.timeLimit(.minutes(5))) func aPauseOutlivesTheVerbThatAskedForIt() throws {
        let site = try Site()
        #expect(
            try Peer(try Tools.fieldgw(), ["pause", "bus-a", "1h", "--config", site.file]).finish()
                .code == 0)
        let tool = try Peer(
            try Tools.fieldgw(), ["sniff", "bus-a", "--config", site.file, "--seconds", "1"]
        ).finish()
        #expect(tool.code == 69 && tool.errors.contains("the line is silent"), "\(tool)")
        #expect(try site.port()["state"] as? String == "paused")
        #expect(
            try Peer(try Tools.fieldgw(), ["status", "--config", site.file]).finish().output
                .contains("paused until"))
        #expect(
            try Peer(try Tools.fieldgw(), ["resume", "bus-a", "--config", site.file]).finish().code
                == 0)
        try site.wait(for: "open")
        site.stop()
    }

    /// The far ends end with their terminal too.
    @Test(.timeLimit(.minutes(5)), arguments: [SIGHUP, SIGTERM]) func aSimulatorEndsWithItsTerminal(
        _ signal: Int32
    ) throws {
        let bus = try Peer(try Tools.fieldsim(), ["bus", "--units", "1"])
        _ = try #require(bus.line())
        bus.signal(signal)
        #expect(bus.finish().code == 0)
    }

    /// Results that did not arrive are not a success.
    @Test(.timeLimit(.minutes(5))) func resultsThatCannotBeWrittenAreToldUnlessTheReaderLeft()
        throws
    {
        let full = try Peer(
            "/bin/sh", ["-c", "\"$0\" help --man > /dev/full", try Tools.fieldgw()]
        ).finish()
        #expect(full.code == 74 && full.errors.contains("No space left"), "\(full)")
        let script = "{ \"$0\" help --man; echo $? >&2; } | true"
        let gone = try Peer("/bin/sh", ["-c", script, try Tools.fieldgw()]).finish()
        #expect(gone.errors == "74\n" || gone.errors == "0\n", "\(gone)")
    }
}
