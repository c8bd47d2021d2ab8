import Adapter
import Base
import Gateway
import Host
import Platform

/// One round of real readings on the terminal.
enum PollVerb {
    static let verb = Verb(
        "poll", "FILE", summary: "read every point once and show it; no bridge needed",
        details: """
            Exit code 0 if every point was read, 69 if a port could not be opened, a unit was silent
            or a running gateway polls one of the lines, 65 if a unit answered with an exception,
            damaged data or an impossible value.
            """,
        options: [
            Option("node", "LIST", "only these devices: meter-1,tank-2"),
            Option("json", nil, "one JSON object a line and device"),
        ]
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one FILE is needed")
        }
        var file = try ConfigurationFile.load(arguments.positional[0], loadsFiles: false)
        if let list = arguments["node"] {
            try keep(list.split(separator: ",").map(String.init), in: &file.configuration)
        }
        try refuseBesideGateway(file)
        let poller = try Poller(PollRound(file.configuration, seed: Machine.seed())) { notice in
            Console.complain("\(notice.subject): \(notice.message)")
        }
        let round = try poller.run()
        return report(file.configuration, round, json: arguments.has("json"))
    }

    /// Two masters on one line answer each other's questions: beside a gateway that has the lines
    /// nothing is polled.
    private static func refuseBesideGateway(_ file: ConfigurationFile) throws {
        let socket = Places(file.configuration, file.path).control
        guard let answer = try? ControlClient.ask(socket, Array("{\"get\":\"status\"}".utf8)),
            let ports = (try? JSONReader.parse(answer))?["ports"]?.members
        else { return }
        let names = Set(file.configuration.ports.map(\.name.name))
        let held = ports.filter { port in
            names.contains(port.name) && port.value["state"]?.string == "open"
        }
        guard !held.isEmpty else { return }
        let list = held.map(\.name.string).joined(separator: ", ")
        let option = "--config \(file.path)"
        Console.complain(
            """
            a running gateway (\(socket)) polls \(list); instead of poll:
              fieldgw watch \(option)                           what it reads
              fieldgw read PORT UNIT TABLE:ADDRESS \(option)    one read through it
              fieldgw pause PORT 10m \(option)                  lends a line
            """)
        throw ExitCode.unavailable
    }

    /// Leaves only these devices, and the ports on which they are.
    private static func keep(
        _ names: [String], in configuration: inout Configuration
    ) throws(Arguments.Misuse) {
        let known = configuration.ports.flatMap { $0.nodes.map(\.device.text) }
        for name in names where !known.contains(name) {
            throw Arguments.Misuse(
                message:
                    "there is no device \"\(Notice.printable(name))\"\(Suggestion.clause(for: name, in: known))"
            )
        }
        guard !names.isEmpty else {
            throw Arguments.Misuse(message: "--node needs the name of a device")
        }
        for port in configuration.ports.indices {
            configuration.ports[port].nodes.removeAll { !names.contains($0.device.text) }
        }
        configuration.ports.removeAll(where: \.nodes.isEmpty)
    }

    private static func report(
        _ configuration: Configuration, _ round: PollRound, json: Bool
    ) -> ExitCode {
        var code = ExitCode.ok
        func worse(_ other: ExitCode) { if code != .unavailable { code = other } }
        var rows: [[String]] = []
        for port in configuration.ports {
            if let failure = round.failure(of: port.name) {
                Console.complain("port \(port.name): \(failure.message)")
                worse(.unavailable)
            }
            for node in port.nodes {
                let values = round.adapter.lastValues(of: node.device)
                for value in values where value.bad != nil || value.json == nil {
                    worse(
                        value.bad.map { [.timeout, .port, .offline].contains($0) } ?? true
                            ? .unavailable : .badData)
                }
                if json {
                    Console.say(line(node.device, values))
                } else {
                    rows += values.map { row(node, $0) }
                }
            }
        }
        if !json { Console.say(Self.table(rows)) }
        return code
    }

    private static func table(_ rows: [[String]]) -> String {
        let columns: [TextTable.Column] = [
            TextTable.Column("device", least: 6), .number("unit", rank: 1), "point",
            .number("value"), "",
        ]
        return TextTable(columns, rows).text
    }

    private static func row(_ node: Configuration.Node, _ value: LastValue) -> [String] {
        let shown = value.bad == nil ? value.json ?? "-" : "-"
        let note = value.bad?.word ?? (value.json == nil ? "not read" : value.units?.string ?? "")
        return [node.device.text, "\(node.unit)", value.name.string, shown, note]
    }

    private static func line(_ device: DeviceID, _ values: [LastValue]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("device", device.text)
            if let last = values.compactMap({ $0.at?.wall }).max() { writer.member("ts", last) }
            writer.key("values")
            writer.object { writer in
                for value in values where value.bad == nil {
                    guard let json = value.json else { continue }
                    writer.key(value.name)
                    writer.raw(Array(json.utf8))
                }
            }
            let bad = values.filter { $0.bad != nil || $0.json == nil }
            guard !bad.isEmpty else { return }
            writer.key("bad")
            writer.object { writer in
                for value in bad { writer.member(value.name.string, value.bad?.word ?? "port") }
            }
        }
        return writer.text
    }
}
