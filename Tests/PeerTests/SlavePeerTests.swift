import Foundation
import Glibc
import Platform
import Testing

/// Our master against slaves that other people wrote, over pseudo-terminals.
@Suite(.serialized) struct SlavePeerTests {
    private func poll(
        _ configuration: String
    ) throws -> (code: Int32, documents: [[String: Any]], errors: String) {
        let gateway = try Peer(try Tools.fieldgw(), ["poll", configuration, "--json"])
        let (code, output, errors) = gateway.finish()
        let documents = output.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        return (code, documents, errors)
    }

    private func configuration(device: String, nodes: String) -> String {
        """
        {
          bridge: { host: "127.0.0.1", tls: false, gateway: "gw-1" },
          spool: { directory: "spool" }, state: "state",
          ports: { line: {
            device: "\(device)", driver: "modbus-rtu", baud: 115200, parity: "none", responseTimeout: "1s",
            nodes: { \(nodes) },
          } },
        }
        """
    }

    @Test(.timeLimit(.minutes(5))) func readsEveryTableOfALibmodbusSlave() throws {
        let workspace = try Workspace()
        let binary = try Tools.libmodbusSlave(in: workspace)
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(binary, [theirs, "115200", "N", "7"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")

        let points = (0..<10).map { "r\($0): { holding: \($0) }" }.joined(separator: ", ")
        let file = try workspace.write(
            "gateway.json5",
            configuration(
                device: ours,
                nodes: """
                    "node-7": { unit: 7, points: { \(points), input5: { input: 5 }, coil3: { coil: 3 }, coil4: { coil: 4 },
                        bit2: { discrete: 2 }, wide: { holding: 10, type: "uint32" } } }
                    """))
        let (code, documents, errors) = try poll(file)
        #expect(code == 0, "\(errors)")
        let values = documents.first?["values"] as? [String: Any] ?? [:]
        for n in 0..<10 { #expect(values["r\(n)"] as? Int == 700 + n) }
        #expect(values["input5"] as? Int == 1005)
        #expect(values["coil3"] as? Bool == true)
        #expect(values["coil4"] as? Bool == false)
        #expect(values["bit2"] as? Bool == true)
        #expect(values["wide"] as? Int == 710 << 16 + 711)
    }

    @Test(.timeLimit(.minutes(5))) func readsThreeUnitsOfAPymodbusLine() throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(
            try Tools.python(),
            [Tools.peer("pymodbus-slave.py"), theirs, "115200", "N", "1", "2", "9"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")

        let nodes = [1, 2, 9].map {
            "\"node-\($0)\": { unit: \($0), points: { first: { holding: 0 }, real: { holding: 40, type: \"float32\" } } }"
        }.joined(separator: ", ")
        let (code, documents, errors) = try poll(
            try workspace.write("gateway.json5", configuration(device: ours, nodes: nodes)))
        #expect(code == 0, "\(errors)")
        for unit in [1, 2, 9] {
            let document = documents.first { $0["device"] as? String == "node-\(unit)" }
            let values = document?["values"] as? [String: Any] ?? [:]
            #expect(values["first"] as? Int == 100 * unit)
            #expect(values["real"] as? Double == 12.5)
        }
    }

    /// A unit that is not there is named, the others are read, and the exit code says that
    /// something is amiss.
    @Test(.timeLimit(.minutes(5))) func namesTheUnitThatDoesNotAnswer() throws {
        let workspace = try Workspace()
        // Not libmodbus: its slave takes the next request for the silent unit's reply.
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(
            try Tools.python(), [Tools.peer("pymodbus-slave.py"), theirs, "115200", "N", "3"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")
        let file = try workspace.write(
            "gateway.json5",
            configuration(
                device: ours,
                nodes: """
                    "alive-3": { unit: 3, points: { a: { holding: 1 } } },
                    "dead-4": { unit: 4, points: { a: { holding: 1 } } },
                    """))
        let (code, documents, _) = try poll(file)
        #expect(code == 69)
        let alive = documents.first { $0["device"] as? String == "alive-3" }
        #expect((alive?["values"] as? [String: Any])?["a"] as? Int == 301)
        let dead = documents.first { $0["device"] as? String == "dead-4" }
        #expect((dead?["bad"] as? [String: Any])?["a"] as? String == "timeout")
    }

    /// The driver keeps what it is given, as a stuck adapter's does: the line is closed and opened
    /// again until it moves, and the gateway says so instead of waiting.
    @Test(.timeLimit(.minutes(5))) func aLineThatTakesNothingAnyMoreIsClosedAndOpenedAgain() throws
    {
        let workspace = try Workspace()
        let line = try PseudoTerminal()
        let stopper = Glibc.open(line.path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(stopper >= 0)
        defer { close(stopper) }
        let file = try workspace.write(
            "gateway.json5",
            configuration(
                device: line.path,
                nodes: """
                    "node-7": { unit: 7, every: "100ms", points: { a: { holding: 0 } } }
                    """
            ).replacingOccurrences(of: "responseTimeout: \"1s\"", with: "responseTimeout: \"50ms\"")
        )
        let gateway = try Peer(try Tools.fieldgw(), ["run", "--config", file])
        defer { gateway.stop() }
        var asked = pollfd(fd: line.master.number, events: Int16(POLLIN), revents: 0)
        #expect(Glibc.poll(&asked, 1, 20_000) == 1, "nothing was asked")

        #expect(tcflow(stopper, TCOOFF) == 0)
        #expect(gateway.complaint { $0.contains("the line takes no bytes any more") } != nil)
        #expect(gateway.complaint { $0.contains("opened \(line.path)") } != nil)
        #expect(tcflow(stopper, TCOON) == 0)
        #expect(tcflush(stopper, TCOFLUSH) == 0)
        var old = [UInt8](repeating: 0, count: 4096)
        while read(line.master.number, &old, old.count) > 0 {}
        #expect(
            Glibc.poll(&asked, 1, 20_000) == 1, "nothing was asked after the line was opened again")
    }
}
