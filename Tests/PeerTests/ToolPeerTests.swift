import Foundation
import Testing

/// The field tools against slaves that other people wrote, as a person would use them.
@Suite(.serialized) struct ToolPeerTests {
    private func run(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String)
    {
        try Peer(try Tools.fieldgw(), arguments).finish()
    }

    private func object(_ text: String) -> [String: Any] {
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        return (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any] ?? [:]
    }

    @Test(.timeLimit(.minutes(5))) func readsAndWritesALibmodbusSlave() throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(try Tools.libmodbusSlave(in: workspace), [theirs, "115200", "N", "7"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")
        let line = ["--baud", "115200"]

        let holding = try run(["read", ours, "7", "holding:0x2:3", "--json"] + line)
        #expect(holding.code == 0, "\(holding.errors)")
        #expect(object(holding.output)["registers"] as? [Int] == [702, 703, 704])
        let bits = try run(["read", ours, "7", "coil:0:4", "--json"] + line)
        #expect(object(bits.output)["bits"] as? [Bool] == [true, false, false, true])
        let shown = try run(["read", ours, "7", "input:1"] + line)
        #expect(shown.output.contains("0x03E9") && shown.output.contains("1001"))

        // 6, 16, 5 and 15, each read back.
        #expect(
            try run(["write", ours, "7", "holding:5", "0x2A"] + line).output.contains(
                "holding:5 of unit 7 = 42, read back"))
        let real = try run(
            ["write", ours, "7", "holding:8", "-21.5", "3", "--type", "float32", "--order", "CDAB"]
                + line)
        #expect(real.output.contains("= -21.5 3, read back"), "\(real.errors)")
        let back = try run(
            ["read", ours, "7", "holding:8:4", "--type", "float32", "--order", "CDAB", "--json"]
                + line)
        #expect(object(back.output)["values"] as? [Double] == [-21.5, 3])
        #expect(try run(["write", ours, "7", "coil:1", "on"] + line).code == 0)
        let coils = try run(["write", ours, "7", "coil:10", "on", "off", "on", "--json"] + line)
        #expect(object(coils.output)["readBack"] as? [Bool] == [true, false, true])
        #expect(try run(["write", ours, "7", "holding:3", "1", "--multiple"] + line).code == 0)
        let refused = try run(["read", ours, "7", "holding:5000", "--json"] + line)
        #expect(refused.code == 65)
        #expect(object(refused.output)["exception"] as? Int == 2)
        #expect(
            refused.errors.contains("ILLEGAL DATA ADDRESS")
                && refused.errors.contains("count from 1"))
    }

    @Test(.timeLimit(.minutes(5))) func saysWhyThereIsNoValue() throws {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(
            try Tools.python(), [Tools.peer("pymodbus-slave.py"), theirs, "115200", "N", "3"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")
        let refused = try run(["read", ours, "3", "holding:5000", "--baud", "115200", "--json"])
        #expect(refused.code == 65)
        // pymodbus answers with no register at all where it has none.
        #expect(refused.errors.contains("brings 0 instead of 2 bytes"), "\(refused.errors)")
        let silent = try run([
            "read", ours, "4", "holding:0", "--baud", "115200", "--timeout", "200ms", "--json",
        ])
        #expect(silent.code == 69)
        #expect(object(silent.output)["kind"] as? String == "timeout")
        #expect(silent.errors.contains("200 ms at 115200 8N1"))
    }

    @Test(.timeLimit(.minutes(5))) func scansAPymodbusLineIntoAConfigurationThatItsCheckAccepts()
        throws
    {
        let workspace = try Workspace()
        let (socat, ours, theirs) = try Tools.serialPair(in: workspace)
        let slave = try Peer(
            try Tools.python(),
            [Tools.peer("pymodbus-slave.py"), theirs, "19200", "N", "2", "9", "12"])
        defer { slave.stop(); socat.stop() }
        #expect(slave.line() == "ready")
        let scan = try run([
            "scan", ours, "--units", "1-13", "--baud", "19200", "--parity", "none", "--timeout",
            "150ms",
        ])
        #expect(scan.code == 0, "\(scan.errors)")
        #expect(scan.errors.contains("3 units found"), "\(scan.errors)")
        // What pymodbus says about itself by default.
        #expect(scan.output.contains("// 9 "))
        let file = try workspace.write("gateway.json5", scan.output)
        let check = try run(["check", file])
        #expect(check.code == 0, "\(check.errors)\n\(scan.output)")
        let poll = try run(["poll", file, "--json"])
        let line =
            poll.output.split(separator: "\n").first { $0.contains("unit-9") }.map(String.init)
            ?? ""
        #expect((object(line)["values"] as? [String: Any])?["holding0"] as? Int == 900)
        let one = try run(["poll", file, "--json", "--node", "unit-12"])
        #expect(
            one.code == 0 && one.output.split(separator: "\n").count == 1
                && one.output.contains("unit-12"))
        let none = try run(["poll", file, "--node", "unit-21"])
        #expect(none.code == 64 && none.errors.contains("did you mean"))
        let nobody = try run([
            "scan", ours, "--units", "20-22", "--baud", "19200", "--parity", "none", "--timeout",
            "100ms",
        ])
        #expect(
            nobody.code == 69 && nobody.errors.contains("nobody answered") && nobody.output.isEmpty)
    }

    /// Who has a profile's fingerprint, or its maker's name, is written down with that profile.
    @Test(.timeLimit(.minutes(5))) func aScanNamesTheProfileThatFits() throws {
        let workspace = try Workspace()
        let bus = try workspace.write(
            "bus.json5",
            """
            { baud: 19200, parity: "none", units: {
              1: { input: { 70: { kind: "constant", value: 50, type: "float32" } }, holding: { 64514: 32 } },
              2: { holding: { 0: 7 } },
              3: { identification: { vendor: "EPsolar Tech", product: "Tracer", revision: "1" } } } }
            """)
        let line = try Peer(try Tools.fieldsim(), ["bus", "--config", bus])
        defer { line.stop() }
        let path = try #require(line.line())
        let scan = try run(["scan", path, "--units", "1-4", "--baud", "19200", "--parity", "none"])
        #expect(scan.code == 0, "\(scan.errors)")
        #expect(scan.output.contains("{ unit: 1, profile: \"eastron-sdm120\" }"), "\(scan.output)")
        #expect(scan.output.contains("{ unit: 2, points:"))
        #expect(scan.output.contains("{ unit: 3, profile: \"epever-tracer\" }"))
        #expect(scan.output.contains("EPsolar Tech Tracer 1"))
        #expect(try run(["check", try workspace.write("gateway.json5", scan.output)]).code == 0)
    }

    /// A line on which libmodbus answers another master, with our ear on it: nothing is missed, and
    /// not a byte is said.
    @Test(.timeLimit(.minutes(5))) func sniffsAnothersLineWithoutAWord() throws {
        let workspace = try Workspace()
        let line = try TappedLine()
        let slave = try Peer(
            try Tools.libmodbusSlave(in: workspace), [line.slave, "115200", "N", "7"])
        defer { slave.stop() }
        #expect(slave.line() == "ready")
        let capture = workspace.path("line.pcap")
        let sniffer = try Peer(
            try Tools.fieldgw(),
            [
                "sniff", line.ear, "--baud", "115200", "--json", "--seconds", "4", "--pcap",
                capture,
            ])
        #expect(sniffer.complaint { $0.contains("listening to") } != nil)
        let speed = ["--baud", "115200"]
        #expect(try run(["read", line.master, "7", "holding:2:3"] + speed).code == 0)
        #expect(try run(["write", line.master, "7", "holding:5", "42"] + speed).code == 0)
        #expect(try run(["read", line.master, "7", "holding:500"] + speed).code == 65)
        #expect(
            try run(["read", line.master, "8", "coil:1", "--timeout", "100ms"] + speed).code == 69)

        let (code, output, errors) = sniffer.finish()
        #expect(line.heardFromEar == 0, "the sniffer spoke")
        #expect(code == 0, "\(errors)\n\(output)")
        let heard = output.split(separator: "\n").map { object(String($0)) }
        #expect(heard.count == 5, "\(output)")
        #expect(heard.first?["values"] as? [Int] == [702, 703, 704])
        #expect(heard.contains { $0["function"] as? Int == 6 && $0["written"] as? [Int] == [42] })
        #expect(heard.contains { $0["exception"] as? Int == 2 && $0["address"] as? Int == 500 })
        #expect(heard.contains { $0["unit"] as? Int == 8 && $0["error"] as? String == "timeout" })
        let bytes = try Data(contentsOf: URL(fileURLWithPath: capture))
        #expect(
            Array(bytes.prefix(4)) == [0xD4, 0xC3, 0xB2, 0xA1] && bytes.count > 24
                && bytes[20] == 250)
        // Request and reply of the first read: two packets of a 16-byte header, 12 bytes of line
        // state, the frame.
        #expect(
            Array(bytes[(24 + 28)..<(24 + 36)]) == [0x07, 0x03, 0x00, 0x02, 0x00, 0x03, 0xA4, 0x6D])
    }
}
