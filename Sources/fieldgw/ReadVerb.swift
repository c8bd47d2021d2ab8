import Base
import Platform

/// One read of one unit.
enum ReadVerb {
    static let verb = Verb(
        "read", "PORT UNIT TABLE:ADDRESS[:COUNT] | PORT DEVICE POINT",
        summary: "read registers or bits of one unit, once",
        details: """
            TABLE is coil, discrete, input or holding; ADDRESS is the zero-based protocol address, decimal or 0x…;
            COUNT is registers or bits (default: one value). --type auto shows everything that the
            registers can mean; --every reads again and again until Ctrl-C, a line each time.
            \(ToolPort.details)
              fieldgw read /dev/ttyUSB0 1 holding:0:4 --baud 19200 --parity even
              fieldgw read bus-a tank-2 level --config gateway.json5
              fieldgw read bus-a 17 input:0x10 --type float32 --order CDAB
            Exit code 69 if the unit is silent or the port cannot be used, 65 for an exception or a damaged answer.
            """,
        options: RegisterExchange.options + [
            Option("every", "TIME", "read again and again, a line each time: 1s, 200ms")
        ]
    ) { arguments in
        let interval = try ToolPort.duration("every", arguments).map { max($0, leastInterval) }
        if NamedExchange.isMeant(arguments) {
            let exchange = try NamedExchange(arguments, isWrite: false)
            guard let interval else { return try exchange.read() }
            return try repeatedly(every: interval) { try exchange.read(at: $0) }
        }
        guard arguments["type"] != "auto" || interval == nil && !arguments.has("json") else {
            throw Arguments.Misuse(message: "--type auto is a table: without --every and --json")
        }
        let exchange = try RegisterExchange(arguments, isWrite: false)
        if let interval {
            let isJSON = arguments.has("json")
            return try repeatedly(every: interval) { try line(exchange, at: $0, isJSON: isJSON) }
        }
        switch try exchange.read() {
        case .failure(let trouble): return exchange.report(trouble, json: arguments.has("json"))
        case .success(let read):
            if arguments.has("json") {
                var writer = JSONWriter()
                writer.object { exchange.describe(read, in: &$0) }
                Console.say(writer.text)
            } else {
                Console.say(
                    arguments["type"] == "auto"
                        ? RegisterMeanings.table(exchange, read)
                        : exchange.table(read, isTyped: arguments["type"] != nil))
                if let time = read.turnaround {
                    Console.complain("unit \(exchange.unit) answered after \(Text.duration(time))")
                }
            }
            return .ok
        }
    }

    private static let leastInterval = Duration.milliseconds(100)

    /// Repeats `body` until the output or the process ends. A failure ends it only if it would be
    /// the same the next time.
    private static func repeatedly(
        every interval: Duration, _ body: (WallTime) throws -> ExitCode
    ) throws -> ExitCode {
        var due = Clock.instant
        while Console.outputFailure == nil {
            let code = try body(Clock.now().wall)
            guard ![.usage, .noPermission].contains(code) else { return code }
            due = max(due + interval, Clock.instant)
            Console.wait(due - Clock.instant)
        }
        return .ok
    }

    /// Prints one read as one line.
    private static func line(
        _ exchange: RegisterExchange, at time: WallTime, isJSON: Bool
    ) throws -> ExitCode {
        switch try exchange.read() {
        case .failure(let trouble): return exchange.report(trouble, json: isJSON)
        case .success(let read) where isJSON:
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("ts", time)
                exchange.describe(read, in: &writer)
            }
            Console.say(writer.text)
        case .success(let read): Console.say("\(time.timestamp)  \(exchange.line(read))")
        }
        return .ok
    }
}
