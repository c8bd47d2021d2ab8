import Base
import Drivers
import Gateway
import Platform

/// One write to one unit, read back.
enum WriteVerb {
    static let verb = Verb(
        "write", "PORT UNIT TABLE:ADDRESS VALUE… | PORT DEVICE POINT VALUE",
        summary: "write registers or coils of one unit, and read them back",
        details: """
            TABLE is coil or holding; VALUE is a number (0x… too), for coils on or off; with --type a value of that type.
            One value goes out with function 5 or 6, several with 15 or 16. Unit 0 is a broadcast. \(ToolPort.details)
            A point by its name takes its value as a command does, scaled and within what
            `writable` allows.
            At a configured point (a named port, with --config or held by a running gateway) a value has the point's type
            and order, unscaled, unless --type says otherwise, and keeps to what `writable` allows unless --force.
              fieldgw write /dev/ttyUSB0 3 holding:6 42
              fieldgw write /dev/ttyUSB0 3 holding:0x20 21.5 --type float32
              fieldgw write bus-a tank-2 setpoint 42 --config gateway.json5
              fieldgw write bus-a 7 coil:0 on off on --config gateway.json5
            Exit code 69 if the unit is silent or the port cannot be used, 65 for an exception, a damaged answer, or a
            register that reads back differently.
            """,
        options: RegisterExchange.options + [
            Option(
                "force", nil,
                "write what a configured point does not allow: its limits, a part of it, one not writable"
            ),
            Option("multiple", nil, "function 15 or 16 for one value too"),
            Option(
                "no-readback", nil, "for coils that are pulses and registers that cannot be read"),
        ]
    ) { arguments in
        if NamedExchange.isMeant(arguments) {
            return try NamedExchange(arguments, isWrite: true).write()
        }
        let exchange = try RegisterExchange(arguments, isWrite: true)
        let data = try encode(exchange, Array(arguments.positional.dropFirst(3)))
        let outcome = try exchange.write(
            data, readsBack: !arguments.has("no-readback"), multiple: arguments.has("multiple"))
        switch outcome {
        case .failure(let trouble): return exchange.report(trouble, json: arguments.has("json"))
        case .success(let written):
            return show(exchange, data, written, json: arguments.has("json"))
        }
    }

    private static func encode(
        _ exchange: RegisterExchange, _ words: [String]
    ) throws -> RegisterValues {
        guard exchange.place.table == .coil || exchange.place.table == .holding else {
            throw Arguments.Misuse(
                message:
                    "the table \(exchange.place.table.rawValue) cannot be written: coil and holding can"
            )
        }
        guard exchange.place.count == nil || exchange.codec.table == .holding else {
            throw Arguments.Misuse(
                message: "the values tell how many there are: leave out the count")
        }
        let data: RegisterValues
        do throws(RegisterPlace.Problem) {
            data = try exchange.codec.encode(words, at: Clock.now())
        } catch {
            throw Arguments.Misuse(message: error.message)
        }
        let limit = exchange.codec.table.isBits ? 1968 : 123
        guard data.count <= limit else {
            throw Arguments.Misuse(
                message: "one request writes at most \(limit), not \(data.count)")
        }
        return data
    }

    private static func show(
        _ exchange: RegisterExchange, _ data: RegisterValues, _ written: RegisterExchange.Written,
        json: Bool
    ) -> ExitCode {
        var held: RegisterValues?
        var remark: String?
        switch written.readBack {
        case .success(let read): held = decode(read.bytes, as: data)
        case .failure(let trouble):
            remark = "written and confirmed, but it could not be read back: \(trouble.message)"
        case nil:
            remark = exchange.unit == 0 ? "sent to every unit; nobody answers a broadcast" : nil
        }
        let differs = held != nil && held != data
        if let remark { Console.complain(remark) }
        if differs {
            Console.complain(
                "unit \(exchange.unit) confirmed the write but holds \(shown(exchange, held)), not \(shown(exchange, data)): "
                    + "it limits or ignores this value")
        }
        if json {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("port", exchange.port.name)
                writer.member("unit", exchange.unit)
                writer.member("table", exchange.codec.table.rawValue)
                writer.member("address", exchange.codec.address)
                writer.member("ok", !differs)
                writer.key("written")
                append(data, to: &writer)
                if let held {
                    writer.key("readBack")
                    append(held, to: &writer)
                }
            }
            Console.say(writer.text)
        } else if !differs {
            let target = exchange.unit == 0 ? "every unit" : "unit \(exchange.unit)"
            Console.say(
                "\(exchange.place.table.rawValue):\(exchange.place.address) of \(target) = \(shown(exchange, data))"
                    + (held == nil ? "" : ", read back"))
        }
        return differs ? .badData : .ok
    }

    private static func decode(_ bytes: [UInt8], as data: RegisterValues) -> RegisterValues {
        switch data {
        case .registers(let words):
            .registers(
                words.indices.map { index in
                    guard 2 * index + 1 < bytes.count else { return 0 }
                    return UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1])
                })
        case .bits(let flags):
            .bits(
                flags.indices.map {
                    $0 / 8 < bytes.count && bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1
                })
        }
    }

    /// The values as they were given: with a type, of that type.
    private static func shown(_ exchange: RegisterExchange, _ data: RegisterValues?) -> String {
        switch data {
        case .registers(let words):
            exchange.codec.texts(words, at: Clock.now()).joined(separator: " ")
        case .bits(let flags): flags.map { $0 ? "on" : "off" }.joined(separator: " ")
        case nil: ""
        }
    }

    private static func append(_ data: RegisterValues, to writer: inout JSONWriter) {
        writer.array { writer in
            switch data {
            case .registers(let words): for word in words { writer.integer(word) }
            case .bits(let flags): for flag in flags { writer.bool(flag) }
            }
        }
    }
}
