import Base
import Platform

/// The last good values of a running gateway, with their age.
enum WatchVerb {
    static let verb = Verb(
        "watch", "[DEVICE]", summary: "show the last good values of a running gateway with their age",
        details: "On a terminal the table is drawn anew every second; elsewhere it is printed once.",
        options: Daemon.options + [
            Option("once", nil, "print one table and end, also on a terminal"),
            Option("json", nil, "the whole document as one line of JSON, once"),
        ]
    ) { arguments in
        guard arguments.positional.count <= 1 else { throw Arguments.Misuse(message: "one DEVICE at most") }
        let daemon = try Daemon(arguments)
        func ask() throws -> (bytes: [UInt8], document: JSON) {
            try daemon.ask { writer in
                writer.member("get", "values")
                if let device = arguments.positional.first { writer.member("device", device) }
            }
        }
        if arguments.has("json") {
            Console.emit(try ask().bytes + [0x0A])
            return .ok
        }
        try Daemon.live(arguments) { text(of: try ask().document) }
        return .ok
    }

    static func text(of document: JSON) -> String {
        var rows: [[String]] = []
        for device in document["devices"]?.members ?? [] {
            let status = device.value["status"]?.string?.string ?? "unknown"
            let points = device.value["values"]?.members ?? []
            // A reason is told where it begins, and not again at every point that has the same.
            var told = device.value["error"]?.string?.string ?? ""
            let first = rows.count
            for point in points {
                var cells = cells(point.value)
                if let bad = cells.last, bad == told { cells[cells.count - 1] = "" } else { told = cells.last ?? "" }
                rows.append([device.name.string, status, point.name.string] + cells)
            }
            if points.isEmpty { rows.append([device.name.string, status, "-", "-", "", "", ""]) }
            if let error = device.value["error"]?.string?.string {
                rows[first][6] = rows[first][6].isEmpty ? error : "\(error), \(rows[first][6])"
            }
        }
        return Console.table(["device", "state", "point", "value", "units", "age", ""], rows)
    }

    private static func cells(_ point: JSON) -> [String] {
        let value = point["value"].map { $0.string?.string ?? $0.text } ?? "-"
        let age = point["age"]?.double.map { Text.age($0) } ?? ""
        return [Notice.printable(value), point["units"]?.string?.string ?? "", age, point["bad"]?.string?.string ?? ""]
    }
}

extension Text {
    /// Since when: no more digits than a person needs.
    static func age(_ seconds: Double) -> String {
        seconds < 1 ? "now" : duration(.seconds(fraction: seconds < 120 ? seconds.rounded() : seconds))
    }
}
