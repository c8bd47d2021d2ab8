import Base
import Gateway
import Platform

/// Lends a line of the running gateway to a technician's laptop, and takes it back.
enum PauseVerb {
    static let pause = Verb(
        "pause", "PORT [TIME]",
        summary: "lend a port of a running gateway to another program for a while",
        details: """
            The gateway ends the exchange under way, closes the port and answers; then the line is yours. It opens
            the port again by itself after TIME (10m unless given; 1s to 24h), or at once with `fieldgw resume PORT`.
            The devices of the port say so in their state; nothing is read, and nothing counts as their failure.
            """,
        options: Daemon.options + [Option("json", nil, "the answer as one line of JSON")]
    ) { arguments in
        guard (1...2).contains(arguments.positional.count) else {
            throw Arguments.Misuse(message: "one PORT is needed, and perhaps a TIME such as 10m")
        }
        let time = arguments.positional.count > 1 ? arguments.positional[1] : "10m"
        guard Quantity.duration(time) != nil else {
            throw Arguments.Misuse(message: "\"\(time)\" is no time; \(Quantity.durationHint)")
        }
        // Closing may take the driver half a minute.
        let answer = try Daemon(arguments).ask(within: .seconds(40)) { writer in
            writer.key("pause")
            writer.object { writer in
                writer.member("port", arguments.positional[0])
                writer.member("for", time)
            }
        }
        if arguments.has("json") {
            Console.emit(answer.bytes + [0x0A])
        } else {
            Console.say(
                "\(answer.document["device"]?.string ?? "the line") is yours until "
                    + "\(answer.document["until"]?.string ?? "?"); `fieldgw resume \(arguments.positional[0])` gives it back"
            )
        }
        return .ok
    }

    static let resume = Verb(
        "resume", "PORT", summary: "give a paused port back to the gateway",
        options: Daemon.options + [Option("json", nil, "the answer as one line of JSON")]
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one PORT is needed")
        }
        let answer = try Daemon(arguments).ask { writer in
            writer.key("resume")
            writer.object { $0.member("port", arguments.positional[0]) }
        }
        if arguments.has("json") {
            Console.emit(answer.bytes + [0x0A])
        } else {
            let wasPaused = answer.document["wasPaused"]?.bool ?? true
            Console.say(
                arguments.positional[0] + (wasPaused ? " is polled again" : " was not paused"))
        }
        return .ok
    }
}
