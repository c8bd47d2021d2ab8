import Base
import Drivers
import Gateway
import Platform

/// The requests that the planner will put on each line.
enum PlanVerb {
    static let verb = Verb(
        "plan", "FILE", summary: "show the reads that will go out, with their time on the wire",
        details: """
            The wire time of a read is that of request, the unit's turnaround, reply and the silence after it.
            The last line of a port compares the plan with one request for each point, and with merging only
            values that touch each other. With --json it is an object with the key "load".
            """,
        options: [Option("json", nil, "one JSON object a line: a read, or a port's summary")]
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one FILE is needed")
        }
        let file = try ConfigurationFile.load(arguments.positional[0], loadsFiles: false)
        for port in file.configuration.ports {
            if port.driver == .uart {
                showUART(port, json: arguments.has("json"))
                continue
            }
            let plan = port.readPlan
            if arguments.has("json") {
                for read in plan.reads { Console.say(json(port.name, read)) }
                Console.say(json(port.name, plan))
            } else {
                show(port, plan)
            }
        }
        return .ok
    }

    private static func show(_ port: Configuration.Port, _ plan: ReadPlan) {
        Console.say(
            "port \(port.name), \(port.line.describe): load \(Text.percent(plan.load)), "
                + "worst blocking \(Text.duration(plan.worstBlocking))")
        let rows = plan.reads.map { read in
            [
                "\(read.unit)", read.table.rawValue, "\(read.address)", "\(read.count)",
                Text.duration(read.interval),
                Text.duration(read.wireTime), "\(read.spans.count)",
            ]
        }
        Console.say(
            TextTable(
                [
                    .number("unit"), "table", .number("address"), .number("count"),
                    .number("every", rank: 1), .number("wire time", rank: 2),
                    .number("points", rank: 3),
                ], rows
            ).text)
        for (unit, span) in plan.unreadable {
            Console.say(
                "unit \(unit): \(span.table.rawValue) \(span.address) cannot be read in one request"
            )
        }
        let compared = PlanComparison(plan)
        if !plan.reads.isEmpty {
            Console.say(
                "one request for each point would need \(Text.percent(compared.single)): "
                    + "\(Text.percent(compared.saving(of: compared.single))) saved; "
                    + "merging neighbours only \(Text.percent(compared.adjacent)): "
                    + "\(Text.percent(compared.saving(of: compared.adjacent))) saved")
        }
        Console.say("")
    }

    /// Nothing is planned where nothing can be merged: the nodes, as they are asked or listened to.
    private static func showUART(_ port: Configuration.Port, json: Bool) {
        let plan = UARTPlan(port)
        if json {
            for row in plan.rows { Console.say(Self.json(port.name, row)) }
            return
        }
        Console.say(
            "port \(port.name), \(port.line.describe): load \(Text.percent(plan.load)), "
                + "worst blocking \(Text.duration(plan.worstBlocking))")
        let rows = plan.rows.map { row in
            [
                "\(row.unit)", "uart", row.device.text, row.isAsked ? "asked" : "listens",
                "\(row.bytesMax)",
                Text.duration(row.interval), Text.duration(row.wireTime), "\(row.points)",
            ]
        }
        Console.say(
            TextTable(
                [
                    .number("unit"), TextTable.Column("table", rank: 5), "device",
                    TextTable.Column("how", rank: 4), .number("bytes at most", rank: 3),
                    .number("every"), .number("wire time", rank: 1), .number("points", rank: 2),
                ], rows
            ).text)
        Console.say("")
    }

    private static func json(_ port: PortName, _ row: UARTPlan.Row) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port.text)
            writer.member("unit", row.unit.value)
            writer.member("table", "uart")
            writer.member("device", row.device.text)
            writer.member("asked", row.isAsked)
            writer.member("bytesMax", row.bytesMax)
            writer.member("everyMs", row.interval.milliseconds)
            writer.member("wireTimeMs", row.wireTime.secondsValue * 1000)
        }
        return writer.text
    }

    private static func json(_ port: PortName, _ plan: ReadPlan) -> String {
        let compared = PlanComparison(plan)
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port.text)
            writer.member("load", plan.load)
            writer.member("worstBlockingMs", plan.worstBlocking.secondsValue * 1000)
            writer.member("loadOfSingleReads", compared.single)
            writer.member("loadOfNeighbours", compared.adjacent)
            writer.member("savedOfSingleReads", compared.saving(of: compared.single))
            writer.member("savedOfNeighbours", compared.saving(of: compared.adjacent))
        }
        return writer.text
    }

    private static func json(_ port: PortName, _ read: PlannedRead) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port.text)
            writer.member("unit", read.unit.value)
            writer.member("table", read.table.rawValue)
            writer.member("address", read.address)
            writer.member("count", read.count)
            writer.member("everyMs", read.interval.milliseconds)
            writer.member("wireTimeMs", read.wireTime.secondsValue * 1000)
        }
        return writer.text
    }
}
