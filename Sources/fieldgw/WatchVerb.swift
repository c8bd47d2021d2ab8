import Base
import Platform

/// The last good values of a running gateway, with their age.
enum WatchVerb {
    static let verb = Verb(
        "watch", "[DEVICE]",
        summary: "show the last good values of a running gateway with their age",
        details:
            "On a terminal the table is drawn anew every second; elsewhere it is printed once.",
        options: Daemon.options + [
            Option("once", nil, "print one table and end, also on a terminal"),
            Option("json", nil, "the whole document as one line of JSON, once"),
        ]
    ) { arguments in
        guard arguments.positional.count <= 1 else {
            throw Arguments.Misuse(message: "one DEVICE at most")
        }
        let daemon = try Daemon(arguments)
        let device = arguments.positional.first
        if arguments.has("json") {
            Console.emit(try daemon.valuesText(of: device) + [0x0A])
            return .ok
        }
        try Daemon.live(arguments) { text(of: try daemon.values(of: device)) }
        return .ok
    }

    static func text(of devices: [JSON.Member]) -> String {
        var rows: [[String]] = []
        for device in devices {
            let status = device.value["status"]?.string?.string ?? "unknown"
            let points = device.value["values"]?.members ?? []
            // A reason is told where it begins, and not again at every point that has the same.
            var told = device.value["error"]?.string?.string ?? ""
            let first = rows.count
            for point in points {
                var cells = cells(point.value)
                if let bad = cells.last, bad == told {
                    cells[cells.count - 1] = ""
                } else {
                    told = cells.last ?? ""
                }
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
        return [
            Notice.printable(value), point["units"]?.string?.string ?? "", age,
            point["bad"]?.string?.string ?? "",
        ]
    }
}

extension Daemon {
    /// The members of `devices`; of all devices page by page, for their values may be too much for
    /// one answer.
    fileprivate func values(of device: String?) throws -> [JSON.Member] {
        var devices: [JSON.Member] = []
        try eachPage(of: device) { devices += $1["devices"]?.members ?? [] }
        return devices
    }

    /// `{"ts","devices":{…}}` with the devices of all pages; `ts` is the first one's.
    fileprivate func valuesText(of device: String?) throws -> [UInt8] {
        var whole: [UInt8] = []
        let ending = Array("}}".utf8)
        try eachPage(of: device) { bytes, document in
            let tail = document["next"]?.integer.map { Array("},\"next\":\($0)}".utf8) } ?? ending
            let devices = bytes.dropLast(tail.count)
            if whole.isEmpty {
                whole += devices
            } else if let start = document["ts"].map({
                "{\"ts\":\($0.text),\"devices\":{".utf8.count
            }), start < devices.count {
                whole.append(0x2C)
                whole += devices.dropFirst(start)
            }
        }
        return whole + ending
    }

    private func eachPage(of device: String?, _ body: ([UInt8], JSON) -> Void) throws {
        var from: Int64? = device == nil ? 0 : nil
        repeat {
            let page = try ask { writer in
                writer.member("get", "values")
                if let device { writer.member("device", device) }
                if let from { writer.member("from", from) }
            }
            body(page.bytes, page.document)
            from = page.document["next"]?.integer
        } while from != nil
    }
}

extension Text {
    /// Since when: no more digits than a person needs.
    static func age(_ seconds: Double) -> String {
        seconds < 1
            ? "now" : duration(.seconds(fraction: seconds < 120 ? seconds.rounded() : seconds))
    }
}
