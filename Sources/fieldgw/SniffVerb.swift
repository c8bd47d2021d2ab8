import Base
import Drivers
import Gateway
import Host
import Modbus
import Platform

/// Listens to a line on which another master asks.
enum SniffVerb {
    static let verb = Verb(
        "sniff", "PORT",
        summary: "listen to another master's line and decode it; never sends a byte",
        details: """
            Prints every exchange: unit, function, address, values or exception, and how long the unit took (as the
            adapter tells it). The port is opened for reading only. \(ToolPort.details)
            A port that a running gateway uses is paused meanwhile, and its line is silent unless there is another master.
              fieldgw sniff /dev/ttyUSB0 --baud 19200 --parity even
            What the old master reads, and a capture for Wireshark (Decode As, RTAC Serial, Modbus RTU):
              fieldgw sniff /dev/ttyUSB0 --seconds 60 --stanza > gateway.json5
              fieldgw sniff /dev/ttyUSB0 --pcap line.pcap
            Ctrl-C ends it. Exit code 69 if nothing sound was heard or the port cannot be used.
            """,
        options: ToolPort.lineOptions + [
            Option("seconds", "N", "end after so many seconds (default: when interrupted)"),
            Option(
                "pcap", "FILE",
                "write what is heard to a capture file as well (link type 250, RTAC serial)"),
            Option(
                "summary", nil,
                "at the end, what is asked of whom and how often, instead of every exchange"),
            Option("stanza", nil, "at the end, a configuration that reads what this master reads"),
            Option("json", nil, "one JSON object a line"),
        ] + ToolPort.gatewayOptions
    ) { arguments in
        guard arguments.positional.count == 1 else {
            throw Arguments.Misuse(message: "one PORT is needed")
        }
        let seconds = try arguments.integer("seconds", in: 1...31_536_000, default: 31_536_000)
        let capture = try arguments["pcap"].map { try CaptureFile($0) }
        let lease = try LineLease(arguments.positional[0], arguments)
        defer { lease.release() }
        // Before the tool's threads, which inherit the mask; a signal before it ends the process
        // and the lease with it.
        let signals = try SignalInbox()
        var line = lease.line
        guard !line.isNetwork else {
            throw Arguments.Misuse(
                message: "\(line.device.text ?? "") is no serial port of this machine: "
                    + "the pauses between frames do not come through a connection")
        }
        line.listensOnly = true
        line.rs485 = nil
        let output = SniffOutput(
            json: arguments.has("json"),
            isQuiet: arguments.has("summary") || arguments.has("stanza"), capture: capture)
        let runner = try ToolRunner(
            Sniffer(line), signals: signals, lease: lease.descriptor,
            opened: { facts in
                for remark in facts.remarks { Console.complain(remark) }
                Console.complain("listening to \(facts.path) at \(line.describe); Ctrl-C ends it")
            }, each: { sniffer, _ in output.drain(&sniffer) })
        try runner.run(on: line, for: .seconds(seconds))
        if let failure = runner.failure {
            failure.explain(line.path)
            if output.traffic.exchanges + output.traffic.replies == 0 { return failure.exitCode }
        }
        lease.explain(runner.interruption)
        if output.traffic.noise > 0, let hint = runner.lineErrors.hint { Console.complain(hint) }
        return conclude(output, lease, line, arguments)
    }

    private static func conclude(
        _ output: SniffOutput, _ lease: LineLease, _ line: LineSettings, _ arguments: Arguments
    ) -> ExitCode {
        let traffic = output.traffic
        if arguments.has("summary") {
            Console.say(
                arguments.has("json") ? SniffSummary.json(traffic) : SniffSummary.table(traffic))
        }
        if arguments.has("stanza") {
            let text = TrafficStanza.text(
                traffic, line: line, device: lease.member, port: lease.portName)
            if text.isEmpty {
                Console.complain(
                    "no read was answered: there is nothing to make a configuration of")
            } else {
                Console.say(text)
            }
        }
        if let failure = output.captureFailure { Console.complain(failure) }
        Console.complain(
            Plural.text(traffic.exchanges, "exchange")
                + (traffic.replies > 0
                    ? ", \(Plural.text(traffic.replies, "reply", "replies")) without request" : "")
                + (traffic.noise > 0
                    ? ", \(Plural.text(traffic.noiseBytes, "byte that is", "bytes that are")) no frame"
                    : ""))
        guard traffic.exchanges + traffic.replies == 0 else {
            return output.captureFailure == nil ? .ok : .inputOutput
        }
        Console.complain(
            traffic.noiseBytes > 0
                ? "bytes came, but no sound frame: try another --baud or --parity"
                : "the line is silent: is the adapter connected to A and B, and does the other master run?"
        )
        return .unavailable
    }
}

/// Shows the traffic that a sniffer hears, as it comes.
final class SniffOutput {
    private(set) var traffic = Traffic()
    private(set) var captureFailure: String?
    private let json: Bool
    private let isQuiet: Bool
    private var capture: CaptureFile?

    init(json: Bool, isQuiet: Bool, capture: CaptureFile?) {
        self.json = json
        self.isQuiet = isQuiet
        self.capture = capture
    }

    func drain(_ sniffer: inout Sniffer) {
        while let event = sniffer.nextEvent() {
            switch event {
            case .frame(let bytes, let at): record(bytes, at)
            case .heard(let heard):
                traffic.note(heard)
                if !isQuiet { Console.say(json ? Self.document(heard) : Self.line(heard)) }
            }
        }
    }

    private func record(_ bytes: [UInt8], _ at: Moment) {
        guard let capture else { return }
        do throws(SystemFailure) { try capture.append(bytes, at: at.wall) } catch {
            captureFailure = "the capture file ends early: \(error.words)"
            self.capture = nil
        }
    }

    private static func line(_ heard: Overheard) -> String {
        "\(heard.at.wall.timestamp.dropFirst(11).dropLast())  \(heard.sentence)"
    }

    private static func document(_ heard: Overheard) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("ts", heard.at.wall)
            switch heard.content {
            case .exchange(let unit, let request, let outcome, let turnaround):
                writer.member("unit", unit)
                writer.member("function", request.function.rawValue)
                members(request, in: &writer)
                members(outcome, of: request, in: &writer)
                if let turnaround { writer.member("turnaroundMs", Text.milliseconds(turnaround)) }
            case .reply(let unit, let pdu):
                writer.member("unit", unit)
                writer.member("orphan", Hex.encode(pdu, separator: ""))
            case .noise(let bytes, let unit):
                if let unit { writer.member("perhapsUnit", unit) }
                writer.member("noise", Hex.encode(bytes, separator: ""))
            }
        }
        return writer.text
    }

    private static func members(_ request: Request, in writer: inout JSONWriter) {
        func written(_ address: UInt16, _ values: [UInt16]) {
            writer.member("address", address)
            writer.key("written")
            writer.array { writer in for value in values { writer.integer(value) } }
        }
        switch request {
        case .read(let function, let address, let count):
            if let table = Traffic.table(function) { writer.member("table", table.rawValue) }
            writer.member("address", address)
            writer.member("count", count)
        case .writeCoil(let address, let on): written(address, [on ? 1 : 0])
        case .writeRegister(let address, let value): written(address, [value])
        case .writeCoils(let address, let values): written(address, values.map { $0 ? 1 : 0 })
        case .writeRegisters(let address, let values): written(address, values)
        default: writer.member("request", Hex.encode(request.pdu, separator: ""))
        }
    }

    private static func members(
        _ outcome: Overheard.Outcome, of request: Request, in writer: inout JSONWriter
    ) {
        switch outcome {
        case .broadcast: writer.member("broadcast", true)
        case .silence: writer.member("error", "timeout")
        case .damaged(let bytes):
            writer.member("error", "checksum")
            writer.member("reply", Hex.encode(bytes, separator: ""))
        case .answer(.exception(_, let code)): writer.member("exception", code.rawValue)
        case .answer(let response):
            if let values = Overheard.values(response, request) {
                writer.key("values")
                writer.array { writer in for value in values { writer.integer(value) } }
            } else {
                writer.member("reply", Hex.encode(response.pdu, separator: ""))
            }
        }
    }
}

/// Summary of the requests on a line: unit, request and interval.
enum SniffSummary {
    static func table(_ traffic: Traffic) -> String {
        let rows = traffic.rows.sorted { $0.key < $1.key }.map { key, row in
            [
                "\(key.unit)", what(key), "\(row.asked)", row.interval.map(Text.duration) ?? "",
                "\(row.silent)", "\(row.damaged)",
                row.refused == 0 ? "0" : "\(row.refused) (code \(row.lastException ?? 0))",
                row.slowest.map(Text.duration) ?? "",
            ]
        }
        return TextTable(
            [
                .number("unit"), "request", .number("asked"), .number("every", rank: 1),
                .number("silent"), .number("damaged"), .number("exceptions"),
                .number("slowest answer", rank: 2),
            ], rows
        ).text
    }

    private static func what(_ key: Traffic.Key) -> String {
        let place = "\(key.address)" + (key.count > 1 ? " x \(key.count)" : "")
        if let table = Traffic.table(FunctionCode(rawValue: key.function)) {
            return "read \(table.rawValue) \(place)"
        }
        switch key.function {
        case 5, 15: return "write coil \(place)"
        case 6, 16: return "write holding \(place)"
        default: return "function \(key.function)"
        }
    }

    static func json(_ traffic: Traffic) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("exchanges", traffic.exchanges)
            writer.member("noiseBytes", traffic.noiseBytes)
            writer.key("requests")
            writer.array { writer in
                for (key, row) in traffic.rows.sorted(by: { $0.key < $1.key }) {
                    writer.object { writer in
                        writer.member("unit", key.unit)
                        writer.member("function", key.function)
                        writer.member("address", key.address)
                        writer.member("count", key.count)
                        writer.member("asked", row.asked)
                        if let interval = row.interval {
                            writer.member("intervalMs", Text.milliseconds(interval))
                        }
                        writer.member("answered", row.answered)
                        writer.member("silent", row.silent)
                        writer.member("damaged", row.damaged)
                        writer.member("exceptions", row.refused)
                    }
                }
            }
        }
        return writer.text
    }
}

/// A capture file that grows frame by frame.
final class CaptureFile {
    private let file: AppendFile

    init(_ path: String) throws {
        do throws(SystemFailure) {
            file = try AppendFile(path)
            try file.append(PcapWriter.header())
        } catch {
            Console.complain("\(path): \(error.words)")
            throw ExitCode.inputOutput
        }
    }

    func append(_ bytes: [UInt8], at time: WallTime) throws(SystemFailure) {
        try file.append(PcapWriter.record(at: time, .received, bytes))
    }
}
