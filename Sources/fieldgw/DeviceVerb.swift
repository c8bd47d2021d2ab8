import Base
import Platform

/// Devices at the bridge: which are attached, which are set aside and why, and another try for one.
enum DeviceVerb {
    static let verb = Verb(
        "device", "list | release ID",
        summary: "show the devices of a running gateway at the bridge; let one be tried again",
        details: """
            The bridge may refuse a device, or close the connection because of it: such a device is set aside and
            tried again after an hour at most. `release ID` has it tried now, after you have mended the cause.
            """,
        options: Daemon.options + [Option("json", nil, "the answer as one line of JSON")]
    ) { arguments in
        let words = arguments.positional
        switch (words.first, words.count) {
        case ("list", 1): return try list(arguments)
        case ("release", 2): return try release(words[1], arguments)
        case ("release", 1): throw Arguments.Misuse(message: "release needs the device's ID")
        case (nil, _):
            throw Arguments.Misuse(
                message: "`device list` and `device release ID` are what there is")
        case (let word?, _):
            let guess = Suggestion.clause(for: word, in: ["list", "release"])
            throw Arguments.Misuse(
                message: "`device list` and `device release ID` are what there is\(guess)")
        }
    }

    private static func list(_ arguments: Arguments) throws -> ExitCode {
        let answer = try Daemon(arguments).ask("{\"device\":{\"list\":true}}")
        if arguments.has("json") {
            Console.emit(answer.bytes + [0x0A])
            return .ok
        }
        let rows = (answer.document["devices"]?.members ?? []).map { device in
            let retry = device.value["retrySeconds"]?.double.map {
                "tried again in \(Text.duration(.seconds(fraction: $0)))"
            }
            return [
                device.name.string, device.value["address"]?.string?.string ?? "",
                device.value["status"]?.string?.string ?? "unknown",
                device.value["attached"]?.string?.string ?? "",
                "\(device.value["waiting"]?.integer ?? 0)", retry ?? "",
            ]
        }
        let columns: [TextTable.Column] = [
            "device", TextTable.Column("address", rank: 2), "status",
            TextTable.Column("bridge", rank: 1), .number("waiting"), TextTable.Column("", rank: 3),
        ]
        Console.say(TextTable(columns, rows).text)
        return .ok
    }

    private static func release(_ device: String, _ arguments: Arguments) throws -> ExitCode {
        let answer = try Daemon(arguments).ask { $0.member("release", device) }
        if arguments.has("json") {
            Console.emit(answer.bytes + [0x0A])
        } else {
            Console.say(
                "\(device) was \(answer.document["was"]?.string?.string ?? "unknown"); it is tried now"
            )
        }
        return .ok
    }
}
