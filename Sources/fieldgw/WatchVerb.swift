import Base
import Platform

/// The last good values of a running gateway, with their age.
enum WatchVerb {
    static let verb = Verb(
        "watch", "[DEVICE]",
        summary: "show the last good values of a running gateway with their age",
        details: LiveView.keys,
        options: Daemon.options + LiveView.options + [
            Option("json", nil, "the whole document as one line of JSON, once")
        ]
    ) { arguments in
        guard arguments.positional.count <= 1 else {
            throw Arguments.Misuse(message: "one DEVICE at most")
        }
        let daemon = try Daemon(arguments)
        let device = arguments.positional.first
        if arguments.has("json") {
            let text = try Daemon.complaining { () throws(Daemon.Failure) in
                try daemon.valuesText(of: device)
            }
            Console.emit(text + [0x0A])
            return .ok
        }
        try LiveView.run(arguments) { () throws(Daemon.Failure) in
            content(of: try daemon.values(of: device))
        }
        return .ok
    }

    private static let columns = [
        TextTable.Column("device", least: 8), TextTable.Column("state", rank: 3),
        TextTable.Column("point", least: 8), TextTable.Column("value", isNumber: true, least: 12),
        TextTable.Column("units", rank: 1), TextTable.Column("age", isNumber: true, rank: 2),
        TextTable.Column(""),
    ]

    static func content(of devices: [JSON.Member]) -> LiveContent {
        var rows: [LiveTable.Row] = []
        for device in devices {
            let status = device.value["status"]?.string?.string ?? "unknown"
            let mark: Colour? = status == "offline" ? .red : status == "degraded" ? .yellow : nil
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
                var row = LiveTable.Row(
                    [device.name.string, status, point.name.string] + cells, mark: mark)
                row.numbers[3] = point.value["value"]?.double
                row.numbers[5] = point.value["age"]?.double
                rows.append(row)
            }
            if points.isEmpty {
                let cells = [device.name.string, status, "-", "-", "", "", ""]
                rows.append(LiveTable.Row(cells, mark: mark))
            }
            if let error = device.value["error"]?.string?.string {
                let note = rows[first].cells[6]
                rows[first].cells[6] = note.isEmpty ? error : "\(error), \(note)"
            }
        }
        return LiveContent(head: [], columns: columns, rows: rows)
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
    fileprivate func values(of device: String?) throws(Failure) -> [JSON.Member] {
        var devices: [JSON.Member] = []
        try eachPage(of: device) { devices += $1["devices"]?.members ?? [] }
        return devices
    }

    /// `{"ts","devices":{…}}` with the devices of all pages; `ts` is the first one's.
    func valuesText(of device: String?) throws(Failure) -> [UInt8] {
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

    private func eachPage(
        of device: String?, _ body: ([UInt8], JSON) -> Void
    ) throws(Failure) {
        var from: Int64? = device == nil ? 0 : nil
        repeat {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("get", "values")
                if let device { writer.member("device", device) }
                if let from { writer.member("from", from) }
            }
            let page = try answer(writer.text)
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
