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
        if let trouble = document["bridgeTrouble"] {
            let when = bridge?["online"]?.bool == true ? "before this connection" : "last failure"
            Console.say(
                "bridge, \(when) (\(trouble["ts"]?.string?.string ?? "?")): "
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
        Console.say(
            Console.table(
                [
                    "port", "line", "requests", "replies", "timeouts", "crc errors", "exceptions",
                    "",
                ], rows))
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
        Console.say(Console.table(["device", "address", "status", "bridge", "waiting"], rows))
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
