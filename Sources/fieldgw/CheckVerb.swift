import Base
import Drivers
import Gateway
import Platform

/// Every problem of a configuration in one run, and whether the lines have time for it.
enum CheckVerb {
    static let verb = Verb(
        "check", "FILE", summary: "tell every problem of a configuration, and the bus-time budget",
        details: """
            Problems go to standard error as file:line:col: error|warning: message, the budget per port to
            standard output. Exit code 0 without errors, 78 with errors, 66 if the file cannot be read.
            """,
        options: [
            Option("json", nil, "the budget and the problems as one JSON document"),
            Option(
                "print", nil,
                "instead of the budget the configuration itself: included files merged, repeated "
                    + "nodes written out, secrets masked"),
        ]
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one FILE is needed")
        }
        let found = try ConfigurationFile.examine(
            arguments.positional[0], loadsFiles: true, for: .check)
        let configuration = found.configuration
        var diagnostics = found.diagnostics
        if let configuration {
            diagnostics += overload(configuration) + crowds(configuration)
            diagnostics += JournalCheck.problems(
                of: configuration, Places(configuration, arguments.positional[0], arguments))
        }
        for each in diagnostics { Console.complain(each.description) }
        if arguments.has("print") {
            let path = arguments.positional[0]
            let document = (try? FileSystem.read(path)).map { ConfigurationFile.document($0, path) }
            if let root = document?.root {
                Console.say(PrintedConfiguration.text(root, isStrict: false))
            }
        } else if configuration == nil, arguments.has("json") {
            Console.say(json(nil, diagnostics))
        } else if let configuration {
            Console.say(
                arguments.has("json") ? json(configuration, diagnostics) : budget(configuration))
        }
        return diagnostics.contains { $0.severity == .error } ? .configuration : .ok
    }

    /// Warnings about lines that are asked for more than `maxLoad`.
    private static func overload(_ configuration: Configuration) -> [Diagnostic] {
        configuration.ports.compactMap { port in
            let load = port.budget.load
            guard load > port.maxLoad else { return nil }
            let hint = port.driver.isModbus ? modbusHint(port) : ""
            return Diagnostic(
                port.place, .warning,
                "port \(port.name) needs \(Text.percent(load)) of the line's time, more than maxLoad "
                    + "\(Text.percent(port.maxLoad))\(hint)")
        }
    }

    /// Warnings about lines on which other masters get less than their budget.
    private static func crowds(_ configuration: Configuration) -> [Diagnostic] {
        configuration.ports.compactMap { port in
            guard let serve = port.serve, port.budget.load + serve.driver.budget > 1 else {
                return nil
            }
            let (own, left) = (port.budget.load, max(0, 1 - port.budget.load))
            let budget = Text.percent(serve.driver.budget)
            return Diagnostic(
                serve.place, .warning,
                "our own reads need \(Text.percent(own)) of the line: other masters get at most "
                    + "\(Text.percent(left)) of it, not their budget of \(budget)"
            )
        }
    }

    /// Consequences of the load, the reads that cause it, and changes that would help.
    private static func modbusHint(_ port: Configuration.Port) -> String {
        let plan = port.readPlan
        var hint =
            plan.load > 1 ? ": every interval will stretch by \(Text.decimal(plan.load, 2))" : ""
        if let read = plan.worstRead {
            hint +=
                "; the worst blocking is \(describe(read)): \(Text.duration(read.wireTime)) on the wire, "
                + "\(Text.duration(plan.worstBlocking)) if the unit is silent"
        }
        if let read = plan.reads.max(by: { $0.wireTime / $0.interval < $1.wireTime / $1.interval })
        {
            hint +=
                "; the most costly is \(describe(read)) every \(Text.duration(read.interval)): "
                + Text.percent(read.wireTime / read.interval)
        }
        hint +=
            "; it would fit if everything were read \(Text.decimal((plan.load / port.maxLoad * 100).rounded(.up) / 100, 2)) "
            + "times less often (`every`)"
        guard port.line.isSet else { return hint + ", or on two lines" }
        var faster = port
        for baud in [9600, 19_200, 38_400, 57_600, 115_200] where baud > port.line.baud {
            faster.line.baud = baud
            let load = faster.readPlan.load
            if load <= port.maxLoad { return hint + ", or at \(baud) baud (\(Text.percent(load)))" }
        }
        return hint + ", or on two lines"
    }

    private static func describe(_ read: PlannedRead) -> String {
        "unit \(read.unit) \(read.table.rawValue) \(read.address), \(Plural.text(read.count, "item"))"
    }

    private static func budget(_ configuration: Configuration) -> String {
        let isServed = configuration.ports.contains { $0.serve != nil }
        let rows = configuration.ports.map { port -> [String] in
            let plan = port.budget
            let points = port.nodes.reduce(0) { $0 + $1.points.count }
            let serve = port.serve.map { Text.percent($0.driver.budget) } ?? ""
            return [
                port.name.text, port.line.describe, "\(port.nodes.count)", "\(points)",
                "\(plan.reads)",
                Text.percent(plan.load), Text.duration(plan.worstBlocking),
            ] + (isServed ? [serve] : [])
        }
        let columns: [TextTable.Column] = [
            "port", TextTable.Column("line", rank: 4), .number("nodes", rank: 3),
            .number("points", rank: 2), .number("reads", rank: 2), .number("load"),
            .number("worst blocking", rank: 1),
        ]
        return TextTable(columns + (isServed ? [.number("others")] : []), rows).text
    }

    private static func json(_ configuration: Configuration?, _ diagnostics: [Diagnostic]) -> String
    {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("ports")
            writer.array { writer in
                for port in configuration?.ports ?? [] {
                    let plan = port.budget
                    writer.object { writer in
                        writer.member("port", port.name.text)
                        writer.member("line", port.line.describe)
                        writer.member("nodes", port.nodes.count)
                        writer.member("reads", plan.reads)
                        writer.member("load", plan.load)
                        writer.member("maxLoad", port.maxLoad)
                        if let serve = port.serve {
                            writer.member("serveBudget", serve.driver.budget)
                        }
                        writer.member("worstBlockingMs", plan.worstBlocking.secondsValue * 1000)
                        if port.driver.isModbus, let read = port.readPlan.worstRead {
                            writer.key("worstRead")
                            writer.object { writer in
                                writer.member("unit", read.unit.value)
                                writer.member("table", read.table.rawValue)
                                writer.member("address", read.address)
                                writer.member("count", read.count)
                                writer.member("wireTimeMs", read.wireTime.secondsValue * 1000)
                            }
                        }
                    }
                }
            }
            writer.key("problems")
            writer.array { writer in
                for each in diagnostics {
                    writer.object { writer in
                        writer.member("file", each.place.file)
                        writer.member("line", each.place.position.line)
                        writer.member("column", each.place.position.column)
                        writer.member("severity", each.severity.rawValue)
                        writer.member("message", each.message)
                    }
                }
            }
        }
        return writer.text
    }
}
