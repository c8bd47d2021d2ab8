import Base
import Platform
import Simulators

/// Modbus units on a pseudo-terminal, timed like a real line.
enum BusVerb {
    static let verb = Verb(
        "bus", "", summary: "Modbus-RTU units on a pseudo-terminal, timed like a real line",
        details: """
            Prints the pseudo-terminal's path, serves until SIGTERM and then prints what it has counted.
            A description (JSON5) has the line's settings and per unit its registers, how they change, and faults:
              { baud: 19200, parity: "even", units: { 1: {
                  holding: { 0: { kind: "ramp", from: 0, to: 1000, period: "30s" } }, turnaround: "5ms",
                  faults: { noise: 0.01 } } } }
            Faults, as shares of the replies: noise (of the bytes), silence, wrongUnit, truncated, late with lateBy:
            "1s", twice with twiceAfter: "5ms"; and dead: true, exceptions: [{ table, at: "5-6", code }].
            A unit may also have
              identification: { vendor: "Acme", product: "M1", revision: "1.2", url, name, model, application,
                  128: "hex:01 02" }                    function 43/14
              serverID: "hex:41 42 FF"                  function 17: text or bytes
              exceptionStatus: 0x6D                     function 7
              files: { 4: { 1: [0x0DFE, 32] } }         functions 20, 21: file, first record, registers
              fifo: { 1246: [440, 4740] }               function 24: pointer address, at most 31 registers
              custom: { 100: "hex:01 02" }              the reply's data to a maker's own function
              diagnostics: false                        no functions 8, 11, 12 (they are answered otherwise)
            Functions 1-6, 15, 16, 22 and 23 work on its registers and bits. Without a description
            there are as many sample units as asked for.
            """,
        options: [
            Option("config", "FILE", "the description of the line"),
            Option("units", "N", "sample units 1 to N (default 4)"),
            Option("registers", "N", "registers of each (default 10)"),
            Option("baud", "N", "speed of the sample line (default 19200)"),
            Option("parity", "none|even|odd", "parity of the sample line (default even)"),
            Option("dead", "LIST", "units that never answer: 3,5"),
            Option("noise", "LIST", "units whose replies are damaged one time in ten"),
            Option("late", "LIST", "units that answer one time in ten a second late, and in order"),
            Option(
                "twice", "LIST",
                "units whose replies come twice, 5 ms apart, as from a bad repeater"),
            Option("slow", "LIST", "units that take 100 ms to answer"),
            Option("exception", "LIST", "units that refuse every request with exception 2"),
            Option("link", "PATH", "a symbolic link to the pseudo-terminal, replaced if it is one"),
            Option("seed", "N", "of noise and random walks (default 1)"),
        ]
    ) { arguments in
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "no arguments, only options")
        }
        var description = try describe(arguments)
        // A pseudo-terminal delivers when the scheduler pleases.
        if description.jitter == .zero { description.jitter = .milliseconds(1) }
        let loop = try SimulatorLoop()
        let seed = try arguments.integer("seed", in: 0...Int.max, default: 1)
        let shell = try BusShell(description, seed: UInt64(seed), on: loop)
        if let link = arguments["link"] {
            do throws(SystemFailure) { try FileSystem.link(shell.path, at: link) } catch {
                Console.complain("\(link): \(error.words)")
                return .inputOutput
            }
        }
        Console.say(shell.path)
        try loop.run()
        report(shell.bus)
        return .ok
    }

    private static func describe(_ arguments: Arguments) throws -> BusDescription {
        var description: BusDescription
        if let path = arguments["config"] {
            do { description = try BusDescription.parse(try FileSystem.read(path)) } catch let error
                as BusDescriptionError
            {
                Console.complain(
                    "\(path):\(error.position.line):\(error.position.column): error: \(error.message)"
                )
                throw ExitCode.configuration
            } catch {
                Console.complain("\(path): \((error as? SystemFailure)?.words ?? "\(error)")")
                throw ExitCode.noInput
            }
        } else {
            guard let parity = LineSettings.Parity(rawValue: arguments["parity"] ?? "even") else {
                throw Arguments.Misuse(message: "--parity is none, even or odd")
            }
            description = BusDescription.sample(
                units: try arguments.integer("units", in: 1...247, default: 4),
                registers: try arguments.integer("registers", in: 1...1000, default: 10),
                baud: try arguments.integer("baud", in: 50...4_000_000, default: 19_200),
                parity: parity)
        }
        try apply("dead", arguments, to: &description) { $0.faults.dead = true }
        try apply("noise", arguments, to: &description) { $0.faults.noise = 0.1 }
        try apply("late", arguments, to: &description) {
            ($0.faults.late, $0.faults.lateBy) = (0.1, .seconds(1))
        }
        try apply("twice", arguments, to: &description) { $0.faults.twice = 1 }
        try apply("slow", arguments, to: &description) { $0.turnaround = .milliseconds(100) }
        try apply("exception", arguments, to: &description) {
            $0.faults.refusals = [BusFaults.Refusal(addresses: 0...65_535, code: 2)]
        }
        return description
    }

    private static func apply(
        _ option: String, _ arguments: Arguments, to description: inout BusDescription,
        _ change: (inout BusUnitDescription) -> Void
    ) throws {
        guard let list = arguments[option] else { return }
        for word in list.split(separator: ",") {
            guard let unit = UInt8(word), description.units[unit] != nil else {
                throw Arguments.Misuse(
                    message: "--\(option): there is no unit \(word) on this line")
            }
            change(&description.units[unit]!)
        }
    }

    private static func report(_ bus: BusSimulator) {
        let rows = bus.description.units.keys.sorted().compactMap { unit -> [String]? in
            guard let figures = bus.statistics(of: unit) else { return nil }
            return [
                "\(unit)", "\(figures.requests)", "\(figures.replies)", "\(figures.exceptions)",
            ]
        }
        Console.say(
            TextTable(
                [
                    .number("unit"), .number("requests"), .number("replies"), .number("exceptions"),
                ], rows
            ).text)
        Console.say(
            "frames \(bus.statistics.frames), early starts \(bus.statistics.earlyStarts), "
                + "line in use for \(JSONWriter.number(bus.statistics.busTime.secondsValue)) s")
    }
}
