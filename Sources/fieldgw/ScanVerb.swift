import Base
import Drivers
import Gateway
import Host
import Modbus
import Platform

/// Finds out which units are on a line, and at which setting.
enum ScanVerb {
    static let verb = Verb(
        "scan", "PORT",
        summary: "find the units on a line, with its speed and parity, and what they are",
        details: """
            Asks every unit id at every setting for one register (--probe), which changes nothing; a refusal counts as an
            answer. The first 16 ids are tried at every setting before the rest. After a setting has answered, the others
            are left out unless --all. Whoever is found is asked what it is (functions 43/14 and 17)
            and for the registers by which profiles tell their device.
            \(ToolPort.details)
            Standard output is a configuration for what was found, ready for `fieldgw check`, with a table of the
            units as comments; progress goes to standard error. Ctrl-C ends with what was found so far.
              fieldgw scan /dev/ttyUSB0 > gateway.json5
              fieldgw scan /dev/ttyUSB0 --units 1-32 --baud 9600 --parity none
            Exit code 69 if no unit was found or the port cannot be used.
            """,
        options: [
            Option("units", "LIST", "unit ids: 1-247, or 1,5,10-20 (default 1-247)"),
            Option(
                "baud", "LIST",
                "speeds (default 9600,19200,38400,57600,115200; a configured port: its own)"),
            Option(
                "parity", "LIST",
                "of none, even, odd (default none,even; a configured port: its own)"),
            Option("stop-bits", "1|2", "stop bits (default 1)"),
            ToolPort.driverOption,
            Option(
                "probe", "LIST",
                "what to ask for (default holding:0); several are asked until one is answered"),
            Option(
                "timeout", "TIME",
                "patience with a silent unit (default 200ms, on a network 1s; less once units have answered)"
            ),
            Option("first", nil, "stop at the first unit"),
            Option("all", nil, "go through every speed and parity, whatever answers"),
            Option("no-identify", nil, "do not ask units what they are"),
            Option("json", nil, "one JSON object, the configuration a member of it"),
        ] + ToolPort.gatewayOptions
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one PORT is needed")
        }
        let lease = try LineLease(arguments.positional[0], arguments, adjusts: false)
        defer { lease.release() }
        // Before the tool's threads, which inherit the mask; a signal before it ends the process
        // and the lease with it.
        let signals = try SignalInbox()
        var settings = try settings(on: lease.line, isNamed: lease.isNamed, arguments)
        let matcher = ProfileMatcher(ProfileLibrary(beside: arguments["config"] ?? "").all())
        settings.followUps = matcher.reads
        let progress = ScanProgress(settings)
        let runner = try ToolRunner(
            Scanner(settings), signals: signals, lease: lease.descriptor,
            opened: { facts in
                progress.opened(facts)
            }, each: { scanner, now in progress.show(scanner, at: now.instant) })
        try runner.run(on: settings.lines[0])
        progress.end()
        if let failure = runner.failure {
            failure.explain(lease.line.path)
            if runner.tool.findings.isEmpty { return failure.exitCode }
        }
        lease.explain(runner.interruption)
        let isComplete = runner.interruption == nil
        if !isComplete { Console.complain("interrupted: this is what was found so far") }
        return report(
            runner.tool, lease, matcher, json: arguments.has("json"), complete: isComplete)
    }

    // MARK: What is asked for

    private static func settings(
        on line: LineSettings, isNamed: Bool, _ arguments: Arguments
    ) throws -> ScanSettings {
        let bauds =
            try list("baud", arguments).map { words in
                try words.map { word -> Int in
                    guard let baud = Int(word), (50...12_000_000).contains(baud) else {
                        throw Arguments.Misuse(
                            message: "--baud takes speeds such as 9600,19200, not \(word)")
                    }
                    return baud
                }
            } ?? (isNamed || !line.isSet ? [line.baud] : [9600, 19_200, 38_400, 57_600, 115_200])
        let parities =
            try list("parity", arguments).map { try $0.map { try ToolPort.parity($0) } }
            ?? (isNamed || !line.isSet
                ? [line.parity] : line.framing == .ascii ? [.even, .none] : [.none, .even])
        let stopBits = try arguments.integer("stop-bits", in: 1...2, default: line.stopBits)
        var lines: [LineSettings] = []
        for baud in bauds {
            for parity in parities {
                var one = line
                (one.baud, one.parity, one.stopBits) = (baud, parity, stopBits)
                if !lines.contains(one) { lines.append(one) }
            }
        }
        let patience =
            try ToolPort.duration("timeout", arguments)
            ?? .milliseconds(line.isNetwork ? 1000 : 200)
        guard patience <= .seconds(10) else {
            throw Arguments.Misuse(message: "--timeout is at most 10s here")
        }
        return ScanSettings(
            lines: lines, units: try units(arguments, isModbusTCP: line.framing == .mbap),
            probes: try probes(arguments), patience: patience, first: arguments.has("first"),
            all: arguments.has("all"), identifies: !arguments.has("no-identify"))
    }

    private static func list(_ name: String, _ arguments: Arguments) throws -> [String]? {
        guard let text = arguments[name] else { return nil }
        let words = text.split(separator: ",").map(String.init)
        guard !words.isEmpty else { throw Arguments.Misuse(message: "--\(name) needs a value") }
        return words
    }

    /// On Modbus TCP also 255 and 0, by which a device that needs no unit id is asked.
    private static func units(_ arguments: Arguments, isModbusTCP: Bool) throws -> [UInt8] {
        let text = arguments["units"] ?? (isModbusTCP ? "255,0,1-247" : "1-247")
        let lowest: UInt8 = isModbusTCP ? 0 : 1
        var units: [UInt8] = []
        for word in text.split(separator: ",") {
            let ends = word.split(separator: "-", omittingEmptySubsequences: false).map {
                UInt8($0)
            }
            guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1],
                low >= lowest, low <= high
            else {
                throw Arguments.Misuse(
                    message:
                        "--units takes ids from \(lowest) to 247 such as 1-32 or 1,5,9, not \(text)"
                )
            }
            for unit in low...high where !units.contains(unit) { units.append(unit) }
        }
        guard !units.isEmpty else { throw Arguments.Misuse(message: "--units is empty") }
        return units
    }

    private static func probes(_ arguments: Arguments) throws -> [Request] {
        guard let words = try list("probe", arguments) else { return [ScanSettings.standardProbe] }
        return try words.map { word in
            do throws(RegisterPlace.Problem) {
                let place = try RegisterPlace(word)
                guard let function = FunctionCode.reading(place.table) else {
                    throw RegisterPlace.Problem(message: "--probe cannot read \(word)")
                }
                return .read(
                    function, address: UInt16(clamping: place.address),
                    count: UInt16(clamping: place.count ?? 1))
            } catch {
                throw Arguments.Misuse(message: error.message)
            }
        }
    }

    // MARK: What was found

    private static func report(
        _ scanner: Scanner, _ lease: LineLease, _ matcher: ProfileMatcher, json: Bool,
        complete: Bool
    ) -> ExitCode {
        let found = scanner.findings
        var profiles: [UInt8: [String]] = [:]
        for unit in found { profiles[unit.unit] = matcher.matches(unit) }
        // It goes into a comment of the configuration.
        let width = Machine.terminalWidth(1).map { max(20, $0 - "// ".count) }
        let table = TextTable(
            [
                "unit", "line", TextTable.Column("answered", rank: 1),
                .number("after", rank: 2), "what it is",
            ], found.map { row($0, profiles[$0.unit] ?? []) }
        ).lines(within: width).joined(separator: "\n")
        let configuration = ScanStanza.text(
            found, device: lease.member, port: lease.portName,
            profiles: profiles.compactMapValues(\.first),
            hints: scanner.hints, table: table)
        if json {
            Console.say(document(scanner, lease, profiles, configuration, complete: complete))
        } else if !found.isEmpty {
            Console.say(configuration)
            if Set(found.map(\.line)).count > 1 {
                Console.complain(
                    "units answer at several settings; one line can have only one: the configuration has "
                        + "those at \(found[0].line.describe)")
            }
        }
        if json || found.isEmpty { for hint in scanner.hints { Console.complain(hint) } }
        guard found.isEmpty else {
            Console.complain("\(found.count) \(found.count == 1 ? "unit" : "units") found")
            return .ok
        }
        let settings = scanner.settings
        Console.complain(
            "nobody answered: \(settings.units.count) unit ids at \(settings.lines.count) "
                + "\(settings.lines.count == 1 ? "setting" : "settings")\(complete ? "" : " (interrupted)"); look at A and B "
                + "(swapped?), power and termination, or try --probe input:0, --parity odd, --stop-bits 2, --timeout 1s"
        )
        return .unavailable
    }

    private static func row(_ unit: Finding, _ profiles: [String]) -> [String] {
        let names = ([Notice.printable(unit.identity.text)] + [profiles.joined(separator: " or ")])
            .filter { !$0.isEmpty }
        return [
            "\(unit.unit)", unit.line.describe, answer(unit), Text.duration(unit.turnaround),
            names.joined(separator: ", "),
        ]
    }

    private static func answer(_ unit: Finding) -> String {
        guard case .read(let function, let address, _) = unit.probe else { return "" }
        let place = "\(Traffic.table(function)?.rawValue ?? ""):\(address)"
        if let code = unit.exception { return "\(place) refused, exception \(code.rawValue)" }
        guard case .read(_, let bytes) = unit.answer else { return place }
        if function.readsBits { return "\(place) = \(bytes.first.map { $0 & 1 } ?? 0)" }
        guard bytes.count >= 2 else { return place }
        return "\(place) = \(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))"
    }

    private static func document(
        _ scanner: Scanner, _ lease: LineLease, _ profiles: [UInt8: [String]],
        _ configuration: String, complete: Bool
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", lease.name)
            writer.member("complete", complete)
            writer.key("units")
            writer.array { writer in
                for unit in scanner.findings {
                    append(unit, profiles[unit.unit] ?? [], to: &writer)
                }
            }
            writer.key("garbled")
            writer.array { writer in
                for each in scanner.notes.garbled {
                    writer.object { writer in
                        writer.member("unit", each.unit)
                        writer.member("baud", each.line.baud)
                        writer.member("parity", each.line.parity.rawValue)
                    }
                }
            }
            writer.key("hints")
            writer.array { writer in for hint in scanner.hints { writer.string(hint) } }
            if !configuration.isEmpty { writer.member("configuration", configuration) }
        }
        return writer.text
    }

    private static func append(_ unit: Finding, _ profiles: [String], to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("unit", unit.unit)
            writer.member("baud", unit.line.baud)
            writer.member("parity", unit.line.parity.rawValue)
            writer.member("stopBits", unit.line.stopBits)
            writer.member("turnaroundMs", Text.milliseconds(unit.turnaround))
            if let code = unit.exception { writer.member("exception", code.rawValue) }
            if let text = unit.identity.vendor { writer.member("vendor", text) }
            if let text = unit.identity.product { writer.member("product", text) }
            if let text = unit.identity.revision { writer.member("revision", text) }
            if let text = unit.identity.server { writer.member("server", text) }
            if !profiles.isEmpty {
                writer.key("profiles")
                writer.array { writer in for name in profiles { writer.string(name) } }
            }
            if unit.answersTwice { writer.member("answersTwice", true) }
        }
    }
}
