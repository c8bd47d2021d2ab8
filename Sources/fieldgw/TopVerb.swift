import Base
import Platform

/// Ports and units of a running gateway, those with trouble first.
enum TopVerb {
    static let verb = Verb(
        "top", "",
        summary: "show the ports and units of a running gateway, those with trouble first",
        details: """
            Rates are those of the last second (of the time since the start with --once or --json); load is the
            share of the time in which a request was out or its reply awaited.
            """,
        options: Daemon.options + [
            Option("once", nil, "print one table and end, also on a terminal"),
            Option("json", nil, "one JSON object a line and unit, once"),
        ]
    ) { arguments in
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "it takes no arguments but options")
        }
        let daemon = try Daemon(arguments)
        var before: Sample?
        func sample() throws -> Sample { Sample(try daemon.ask("{\"get\":\"status\"}").document) }
        if arguments.has("json") {
            for row in try sample().rows(since: nil) { Console.say(row.json) }
            return .ok
        }
        try Daemon.live(arguments) {
            let now = try sample()
            defer { before = now }
            return now.text(since: before)
        }
        return .ok
    }

    /// One status document as figures.
    struct Sample {
        let document: JSON
        let at = Clock.instant

        init(_ document: JSON) { self.document = document }

        private func figure(_ place: JSON?, _ name: ByteString) -> Double {
            place?[name]?.double ?? 0
        }

        func rows(since before: Sample?) -> [Row] {
            let uptime = max(1, document["uptime"]?.double ?? 1)
            let time = before.map { max(0.001, (at - $0.at).secondsValue) } ?? uptime
            var rows: [Row] = []
            for port in document["ports"]?.members ?? [] {
                let earlier = before?.document["ports"]?[port.name]
                func rate(_ now: JSON, _ old: JSON?, _ name: ByteString) -> Double {
                    max(0, figure(now, name) - figure(old, name)) / time
                }
                var row = Row(
                    port: port.name.string, unit: "",
                    state: port.value["state"]?.string?.string ?? "?")
                row.load = rate(port.value, earlier, "busTimeSeconds")
                fill(&row, port.value, earlier, rate)
                row.note =
                    port.value["trouble"]?.string?.string
                    ?? Text.pause(of: port.value) ?? port.value["diagnosis"]?.string?.string ?? ""
                if port.value["state"]?.string != "open" { row.rank = 3 }
                rows.append(row)
                for unit in port.value["units"]?.members ?? []
                where unit.value["configured"]?.bool != false {
                    let old = earlier?["units"]?[unit.name]
                    let state = unit.value["state"]?.string?.string ?? "unknown"
                    var row = Row(port: port.name.string, unit: unit.name.string, state: state)
                    fill(&row, unit.value, old, rate)
                    let age = unit.value["lastGoodSecondsAgo"]?.double
                    let heard =
                        age.map { "last answer \(Text.age($0))" + ($0 < 1 ? "" : " ago") }
                        ?? "never answered"
                    row.note = unit.value["diagnosis"]?.string?.string ?? heard
                    rows.append(row)
                }
            }
            return rows.enumerated().sorted { left, right in
                (-left.element.rank, -left.element.troubles, left.offset)
                    < (-right.element.rank, -right.element.troubles, right.offset)
            }.map(\.element)
        }

        private func fill(
            _ row: inout Row, _ now: JSON, _ old: JSON?, _ rate: (JSON, JSON?, ByteString) -> Double
        ) {
            row.requests = rate(now, old, "requests")
            row.timeouts = rate(now, old, "timeouts")
            row.damaged = rate(now, old, "checksum")
            row.exceptions = rate(now, old, "exceptions")
            switch row.state {
            case "offline": row.rank = 2
            case "degraded": row.rank = 1
            default: break
            }
        }

        func text(since before: Sample?) -> String {
            let rows = rows(since: before).map { row in
                [
                    row.port, row.unit, row.state, Text.decimal(row.requests, 1),
                    Text.decimal(row.timeouts, 2),
                    Text.decimal(row.damaged, 2), Text.decimal(row.exceptions, 2),
                    row.load.map { Text.percent($0) } ?? "", row.note,
                ]
            }
            let spool = document["spool"]
            return "gateway \(document["gateway"]?.string?.string ?? "?"): "
                + "bridge \(document["bridge"]?["state"]?.string?.string ?? "?"), "
                + "\(Plural.text(spool?["waiting"]?.integer ?? 0, "record waits", "records wait"))\n\n"
                + Console.table(
                    [
                        "port", "unit", "state", "requests/s", "timeouts/s", "damaged/s",
                        "exceptions/s", "load", "",
                    ], rows)
        }
    }

    struct Row {
        var port: String
        var unit: String
        var state: String
        var requests = 0.0
        var timeouts = 0.0
        var damaged = 0.0
        var exceptions = 0.0
        var load: Double?
        var note = ""
        /// How bad its state is; within that, how often something went wrong.
        var rank = 0

        init(port: String, unit: String, state: String) {
            self.port = port
            self.unit = unit
            self.state = state
        }

        var troubles: Double { timeouts + damaged + exceptions }

        var json: String {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("port", port)
                if !unit.isEmpty { writer.member("unit", unit) }
                writer.member("state", state)
                writer.member("requestsPerSecond", requests)
                writer.member("timeoutsPerSecond", timeouts)
                writer.member("damagedPerSecond", damaged)
                writer.member("exceptionsPerSecond", exceptions)
                if let load { writer.member("load", load) }
                if !note.isEmpty { writer.member("note", note) }
            }
            return writer.text
        }
    }
}
