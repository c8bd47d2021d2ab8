import Base
import Gateway
import Platform

/// Shows the state that the running gateway reports over its control socket.
enum StatusVerb {
    static let verb = Verb(
        "status", "", summary: "show the state of a running gateway",
        details: """
            --check prints one line and ends with 0 (in order), 1 (warning), 2 (critical) or 3 (no gateway answers), as
            Nagios, Icinga and their like expect it. --metrics prints what the HTTP door serves at /metrics, for the
            textfile collector of a node exporter on a machine without a door.
            """,
        options: Daemon.options + [
            Option("json", nil, "the whole document as one line of JSON"),
            Option("metrics", nil, "all counters and values in Prometheus' text format"),
            Option("check", nil, "one line for a monitoring program, and its exit code"),
        ]
    ) { arguments in
        guard ["json", "metrics", "check"].count(where: arguments.has) <= 1 else {
            throw Arguments.Misuse(message: "--json, --metrics and --check exclude each other")
        }
        if arguments.has("check") { return MonitoringCheck.run(arguments) }
        let daemon = try Daemon(arguments, configuration: arguments.positional.first)
        if arguments.has("metrics") {
            let text = try daemon.ask("{\"get\":\"metrics\"}", within: .seconds(10)).document[
                "metrics"]?.string
            Console.emit(Array((text ?? "").utf8))
            return .ok
        }
        let answer = try daemon.ask("{\"get\":\"status\"}")
        if arguments.has("json") {
            Console.emit(answer.bytes + [0x0A])
        } else {
            show(answer.document)
        }
        return .ok
    }

    private static func show(_ document: JSON) {
        let bridge = document["bridge"]
        Console.say(
            "gateway \(document["gateway"]?.string?.string ?? "?"), "
                + "fieldgw \(document["version"]?.string?.string ?? "?"), "
                + "up \(Text.duration(.seconds(document["uptime"]?.integer ?? 0)))")
        Console.say(
            "bridge: \(bridge?["state"]?.string?.string ?? "?"), "
                + "\(Plural.text(bridge?["attached"]?.integer ?? 0, "device")) attached, "
                + "clock \(bridge?["clock"]?.string?.string ?? "?")")
        showOutage(document)
        if let trouble = document["bridgeTrouble"], bridge?["online"]?.bool == true {
            Console.say(
                "bridge, before this connection (\(trouble["ts"]?.string?.string ?? "?")): "
                    + (trouble["reason"]?.string?.string ?? "?"))
        }
        for alarm in document["alarms"]?.array ?? [] {
            func text(_ name: ByteString) -> String { alarm[name]?.string?.string ?? "" }
            let device = alarm["device"]?.string.map { " of \($0)" } ?? ""
            Console.say(
                "alarm \(text("alarm"))\(device), since \(text("since")): "
                    + Notice.printable(text("text")))
        }
        let tally = document["tally"]
        Console.say(
            "records: \(tally?["recorded"]?.integer ?? 0) journaled since the start, "
                + "\(tally?["acknowledged"]?.integer ?? 0) acknowledged, \(document["spool"]?["waiting"]?.integer ?? 0) waiting"
        )
        Console.say("")
        var rows: [[String]] = []
        for port in document["ports"]?.members ?? [] {
            let figures = port.value
            func count(_ name: ByteString) -> String { "\(figures[name]?.integer ?? 0)" }
            rows.append([
                port.name.string, figures["state"]?.string?.string ?? "?", count("requests"),
                count("replies"),
                count("timeouts"), count("checksum"), count("exceptions"),
                figures["trouble"]?.string?.string ?? Text.pause(of: figures) ?? "",
            ])
        }
        show(
            [
                TextTable.Column("port"), TextTable.Column("line"),
                TextTable.Column("requests", isNumber: true, rank: 3),
                TextTable.Column("replies", isNumber: true, rank: 4),
                TextTable.Column("timeouts", isNumber: true, rank: 1),
                TextTable.Column("crc errors", isNumber: true, rank: 2),
                TextTable.Column("exceptions", isNumber: true, rank: 5), TextTable.Column(""),
            ], rows)
        showDiagnoses(document)
        Console.say("")
        rows = (document["devices"]?.members ?? []).map { device in
            [
                device.name.string, device.value["address"]?.string?.string ?? "",
                device.value["status"]?.string?.string ?? "unknown",
                device.value["attached"]?.string?.string ?? "",
                "\(device.value["waiting"]?.integer ?? 0)",
            ]
        }
        show(
            [
                TextTable.Column("device"), TextTable.Column("address", rank: 2),
                TextTable.Column("status"), TextTable.Column("bridge", rank: 1),
                TextTable.Column("waiting", isNumber: true, rank: 3),
            ], rows)
    }

    /// A table that is not wider than the terminal.
    private static func show(_ columns: [TextTable.Column], _ rows: [[String]]) {
        Console.say(TextTable(columns, rows).text)
    }

    /// Shows why there is no bridge, since when, and when the next try is.
    private static func showOutage(_ document: JSON) {
        guard let bridge = document["bridge"], bridge["online"]?.bool != true else { return }
        let since = (bridge["awaySince"]?.string).map { ", since \($0)" } ?? ""
        let reason = (document["bridgeTrouble"]?["reason"]?.string).map {
            ": \(Notice.printable($0.string))"
        }
        let next = bridge["nextTrySeconds"]?.double.map {
            $0 < 0.5
                ? "; next try now"
                : "; next try in \(Text.duration(.seconds(fraction: $0.rounded())))"
        }
        Console.say("bridge away\(since)\(reason ?? "")\(next ?? "")")
    }

    /// Shows the troubles of the lines and units, one sentence each.
    private static func showDiagnoses(_ document: JSON) {
        for port in document["ports"]?.members ?? [] {
            if let sentence = port.value["diagnosis"]?.string?.string {
                Console.say("\(port.name): \(sentence)")
            }
            for unit in port.value["units"]?.members ?? [] {
                guard let sentence = unit.value["diagnosis"]?.string?.string else { continue }
                Console.say("\(port.name), unit \(unit.name): \(sentence)")
            }
        }
    }
}
