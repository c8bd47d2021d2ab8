import Base
import Platform

/// One read of one unit.
enum ReadVerb {
    static let verb = Verb(
        "read", "PORT UNIT TABLE:ADDRESS[:COUNT]",
        summary: "read registers or bits of one unit, once",
        details: """
            TABLE is coil, discrete, input or holding; ADDRESS is the zero-based protocol address, decimal or 0x…;
            COUNT is registers or bits (default: one value). \(ToolPort.details)
              fieldgw read /dev/ttyUSB0 1 holding:0:4 --baud 19200 --parity even
              fieldgw read bus-a 17 input:0x10 --type float32 --order CDAB --config gateway.json5
            Exit code 69 if the unit is silent or the port cannot be used, 65 for an exception or a damaged answer.
            """,
        options: RegisterExchange.options
    ) { arguments in
        let exchange = try RegisterExchange(arguments, isWrite: false)
        switch try exchange.read() {
        case .failure(let trouble): return exchange.report(trouble, json: arguments.has("json"))
        case .success(let read):
            if arguments.has("json") {
                var writer = JSONWriter()
                writer.object { exchange.describe(read, in: &$0) }
                Console.say(writer.text)
            } else {
                Console.say(exchange.table(read, isTyped: arguments["type"] != nil))
                if let time = read.turnaround {
                    Console.complain("unit \(exchange.unit) answered after \(Text.duration(time))")
                }
            }
            return .ok
        }
    }
}
