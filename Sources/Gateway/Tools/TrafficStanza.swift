import Base
import Drivers
import Modbus

/// Reads of another master as a configuration that `fieldgw check` accepts. It has every register
/// or bit that was asked for and answered, at the master's pace, at most 500 per unit. Types cannot
/// be seen on a wire; they are for a person with the manual.
package enum TrafficStanza {
    private static let pointsMax = 500

    package static func text(
        _ traffic: Traffic, line: LineSettings, device: String, port: String
    ) -> String {
        let units = Set(reads(traffic).map(\.key.unit)).sorted()
        guard !units.isEmpty else { return "" }
        var text = """
            {
              bridge: { host: "localhost", gateway: "gw-1" },   // yours instead
              spool: { directory: "spool" },
              ports: {
                "\(port)": {
                  \(device), driver: "modbus-rtu", baud: \(line.baud), parity: "\(line.parity.rawValue)",\
            \(line.stopBits == 1 ? "" : " stopBits: \(line.stopBits),")
                  nodes: {

            """
        for unit in units { text += node(unit, traffic) }
        return text + "      },\n    },\n  },\n}"
    }

    private static func reads(
        _ traffic: Traffic
    ) -> [(key: Traffic.Key, table: Table, row: Traffic.Row)] {
        traffic.rows.sorted { $0.key < $1.key }.compactMap { key, row in
            guard row.answered > 0, (1...247).contains(key.unit),
                let table = Traffic.table(FunctionCode(rawValue: key.function))
            else { return nil }
            return (key, table, row)
        }
    }

    private static func node(_ unit: UInt8, _ traffic: Traffic) -> String {
        var text = "        \"unit-\(unit)\": { unit: \(unit), points: {\n"
        var seen: Set<String> = []
        for (key, table, row) in reads(traffic) where key.unit == unit {
            let every = row.interval.map { ", every: \"\(pace($0))\"" } ?? ""
            text += "          // \(table.rawValue) \(key.address) x \(key.count)\n"
            for address in Int(key.address)..<min(Int(key.address) + Int(key.count), 65_536) {
                let name = "\(table.rawValue)\(address)"
                guard seen.count < pointsMax, seen.insert(name).inserted else { continue }
                let shown =
                    RegisterReference.mistaken(Int64(address), in: table) == nil
                    ? "\(address)" : "0x" + String(address, radix: 16, uppercase: true)
                text += "          \(name): { \(table.rawValue): \(shown)\(every) },\n"
            }
        }
        for (key, row) in traffic.rows.sorted(by: { $0.key < $1.key }) where key.unit == unit {
            guard [5, 6, 15, 16, 22, 23].contains(key.function) else { continue }
            text +=
                "          // function \(key.function) writes \(key.address) x \(key.count), "
                + "\(Plural.text(row.asked, "time"))\n"
        }
        return text + "        } },\n"
    }

    /// As people would have configured it: the slower the rounder.
    static func pace(_ interval: Duration) -> String {
        let milliseconds = max(interval.milliseconds, 10)
        let steps: [(below: Int64, step: Int64)] = [
            (900, 50), (9000, 500), (30_000, 1000), (300_000, 5000),
        ]
        let step = steps.first { milliseconds < $0.below }?.step ?? 60_000
        return Quantity.describe(.milliseconds(max(10, (milliseconds + step / 2) / step * step)))
    }
}
