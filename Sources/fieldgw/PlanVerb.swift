import Base
import Drivers
import Gateway
import Platform

/// The requests that the planner will put on each line.
enum PlanVerb {
    static let verb = Verb(
        "plan", "FILE", summary: "show the reads that will go out, with their time on the wire",
        options: [Option("json", nil, "one JSON object a line")]
    ) { arguments in
        guard arguments.positional.count == 1 else { throw Arguments.Misuse(message: "one FILE is needed") }
        let file = try ConfigurationFile.load(arguments.positional[0], checksFiles: false)
        for port in file.configuration.ports {
            if port.driver == .uart {
                showUART(port, json: arguments.has("json"))
                continue
            }
            let plan = port.readPlan
            if arguments.has("json") {
                for read in plan.reads { Console.say(json(port.name, read)) }
            } else {
                show(port, plan)
            }
        }
        return .ok
    }

    private static func show(_ port: Configuration.Port, _ plan: ReadPlan) {
        Console.say("port \(port.name), \(port.line.describe): load \(Text.percent(plan.load)), "
            + "worst blocking \(Text.duration(plan.worstBlocking))")
        let rows = plan.reads.map { read in
            [
                "\(read.unit)", read.table.rawValue, "\(read.address)", "\(read.count)", Text.duration(read.interval),
                Text.duration(read.wireTime), "\(read.spans.count)",
            ]
        }
        Console.say(Console.table(["unit", "table", "address", "count", "every", "wire time", "points"], rows))
        for (unit, span) in plan.unreadable {
            Console.say("unit \(unit): \(span.table.rawValue) \(span.address) cannot be read in one request")
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
        Console.say("port \(port.name), \(port.line.describe): load \(Text.percent(plan.load)), "
            + "worst blocking \(Text.duration(plan.worstBlocking))")
        let rows = plan.rows.map { row in
            [
                "\(row.unit)", "uart", row.device.text, row.isAsked ? "asked" : "listens", "\(row.bytesMax)",
                Text.duration(row.interval), Text.duration(row.wireTime), "\(row.points)",
            ]
        }
        Console.say(
            Console.table(
                ["unit", "table", "device", "how", "bytes at most", "every", "wire time", "points"], rows))
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
