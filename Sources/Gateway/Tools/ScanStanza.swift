import Base
import Drivers
import Modbus

/// Result of a scan as a configuration that `fieldgw check` accepts, with the table of the units in
/// comments above it.
package enum ScanStanza {
    /// `device` is the configuration's `device` or `match` member, whole.
    package static func text(
        _ findings: [Finding], device: String, port: String, profiles: [UInt8: String] = [:],
        hints: [String] = [],
        table: String
    ) -> String {
        guard let first = findings.first else { return "" }
        let line = first.line
        // Two devices at two settings cannot be on one port: the first setting's are written down.
        let units = findings.filter { $0.line == line }.sorted { $0.unit < $1.unit }
        var text = table.split(separator: "\n").map { "// \($0)\n" }.joined()
        for hint in hints { text += "// note: \(Notice.printable(hint))\n" }
        text += """
            {
              bridge: { host: "localhost", gateway: "gw-1" },   // yours instead
              spool: { directory: "spool" },
              ports: {
                "\(port)": {
                  \(device), driver: "\(driver(line))",\(speed(line))
                  responseTimeout: "\(timeout(units))", turnaround: "\(turnaround(units))",
                  nodes: {

            """
        for unit in units { text += "        " + node(unit, profile: profiles[unit.unit]) + "\n" }
        return text + "      },\n    },\n  },\n}"
    }

    private static func driver(_ line: LineSettings) -> String {
        let driver: Configuration.Port.Driver =
            switch line.framing {
            case .plain: .modbusRTU
            case .mbap: .modbusTCP
            case .ascii: .modbusASCII
            }
        return driver.rawValue
    }

    private static func speed(_ line: LineSettings) -> String {
        guard line.isSet else { return "" }
        return " baud: \(line.baud), parity: \"\(line.parity.rawValue)\","
            + (line.stopBits == 1 ? "" : " stopBits: \(line.stopBits),")
    }

    private static func node(_ unit: Finding, profile: String?) -> String {
        let name = "\"unit-\(unit.unit)\": { unit: \(unit.unit), "
        let remark = unit.identity.isEmpty ? "" : "   // \(Notice.printable(unit.identity.text))"
        if let profile { return name + "profile: \"\(profile)\" }," + remark }
        guard case .read(let function, let address, _) = unit.probe, unit.exception == nil else {
            // A node needs a point, and only its manual knows one.
            return "// " + name + "points: { … } }," + (remark.isEmpty ? "   //" : remark + ";")
                + " refuses \(Overheard.words(unit.probe)): its manual tells what it has"
        }
        let table = Traffic.table(function) ?? .holding
        return name
            + "points: { \(table.rawValue)\(address): { \(table.rawValue): \(address) } } },"
            + remark
    }

    /// Ten times what the slowest needed, and never so short that a busy moment counts as silence.
    private static func timeout(_ units: [Finding]) -> String {
        let slowest = units.map(\.turnaround).max() ?? .zero
        let milliseconds = min(max(slowest.milliseconds * 10, 200), 1000)
        return "\((milliseconds + 99) / 100 * 100)ms"
    }

    private static func turnaround(_ units: [Finding]) -> String {
        "\(max(1, (units.map(\.turnaround).max() ?? .zero).milliseconds + 1))ms"
    }
}
