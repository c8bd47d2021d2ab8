import Adapter
import Base
import Drivers
import Gateway
import Modbus
import Platform

/// A captured line through the decoder of a configuration, without a line.
enum ReplayVerb {
    static let verb = Verb(
        "replay", "FILE.pcap",
        summary: "show what a capture of a Modbus line means with a configuration",
        details: """
            Prints every exchange of the capture, and below it the values of the configured points
            that it holds: to try a register map, or to see what a gateway would have read.
            FILE.pcap is of `capture`, `sniff --pcap` or the state directory (link type 250), or has
            the bytes alone (147). No line and no gateway is needed.
              fieldgw replay bus-a.pcap --config gateway.json5 --port bus-a
            Exit code 65 if the file is no capture or holds no exchange.
            """,
        options: [
            Option("config", "FILE", "the configuration whose points are shown"),
            Option("port", "NAME", "the port that was captured; needed if there are several"),
            Option("values", nil, "only the values, not the exchanges"),
            Option("json", nil, "one JSON object a line and device"),
        ]
    ) { arguments in
        guard arguments.positional.count == 1, let path = arguments["config"] else {
            throw Arguments.Misuse(message: "one FILE.pcap and --config FILE are needed")
        }
        let configuration = try ConfigurationFile.load(path, loadsFiles: false).configuration
        let port = try port(arguments, in: configuration)
        var reader: PcapReader
        do {
            reader = try PcapReader(try FileSystem.read(arguments.positional[0], limit: 256 << 20))
        } catch let problem as PcapReader.Problem {
            Console.complain("\(arguments.positional[0]) \(problem.message)")
            return .badData
        } catch let failure as SystemFailure {
            Console.complain("\(arguments.positional[0]): \(failure.words)")
            return .noInput
        }
        var replay = Replay(port, json: arguments.has("json"), valuesOnly: arguments.has("values"))
        while let packet = reader.next(), Console.outputFailure == nil { replay.receive(packet) }
        replay.end()
        Console.complain(
            "\(Plural.text(replay.exchanges, "exchange")), \(Plural.text(replay.values, "value"))")
        return replay.exchanges > 0 ? .ok : .badData
    }

    private static func port(
        _ arguments: Arguments, in configuration: Configuration
    ) throws -> Configuration.Port {
        let ports = configuration.ports.filter { $0.driver.isModbus }
        let names = ports.map(\.name.text)
        guard let name = arguments["port"] else {
            guard ports.count == 1, let only = ports.first else {
                throw Arguments.Misuse(
                    message: "--port NAME is needed: there are \(names.joined(separator: ", "))")
            }
            return only
        }
        guard let port = ports.first(where: { $0.name.text == name }) else {
            throw Arguments.Misuse(
                message: "there is no Modbus port \"\(Notice.printable(name))\""
                    + Suggestion.clause(for: name, in: names))
        }
        return port
    }
}

/// Exchanges of a capture, and the values in them.
private struct Replay {
    private static let tables: [Table] = [.coil, .discrete, .input, .holding]

    private let port: Configuration.Port
    private let adapter: Adapter
    private let json: Bool
    private let valuesOnly: Bool
    private var sniffer: Sniffer
    private var latest: Moment?
    private(set) var exchanges = 0
    private(set) var values = 0

    init(_ port: Configuration.Port, json: Bool, valuesOnly: Bool) {
        (self.port, self.json, self.valuesOnly) = (port, json, valuesOnly)
        adapter = Adapter(port.bindings)
        sniffer = Sniffer(port.line)
    }

    mutating func receive(_ packet: PcapReader.Packet) {
        // A clock that was put back in the middle of a capture must not stop it.
        let at = max(packet.at, latest?.instant.nanoseconds ?? .min)
        let now = Moment(
            Instant(nanoseconds: at), WallTime(milliseconds: packet.at / 1_000_000))
        if latest == nil { sniffer.opened(at: now) }
        latest = now
        if let due = sniffer.deadline, due <= now.instant { sniffer.timeout(at: now.at(due)) }
        sniffer.receive(packet.bytes, at: now)
        drain()
    }

    mutating func end() {
        for _ in 0..<16 {
            guard let due = sniffer.deadline, let latest else { break }
            sniffer.timeout(at: latest.at(max(due, latest.instant)))
            drain()
        }
    }

    private mutating func drain() {
        while let event = sniffer.nextEvent() {
            guard case .heard(let said) = event else { continue }
            show(said)
        }
    }

    private mutating func show(_ said: Overheard) {
        if !json, !valuesOnly { Console.say("\(said.at.wall.timestamp)  \(said.sentence)") }
        guard case .exchange(let unit, let request, let outcome, _) = said.content else { return }
        exchanges += 1
        guard case .answer(.read(_, let bytes)) = outcome,
            case .read(let function, let address, let count) = request,
            let table = Self.tables.first(where: { FunctionCode.reading($0) == function }),
            let id = UnitID(Int(unit))
        else { return }
        let part = ReadPart(table, Int(address), Int(count), .success(bytes), at: said.at)
        for device in adapter.devices(at: Address(port: port.name, unit: id)) {
            show(device, part, Int(address)..<(Int(address) + Int(count)))
        }
    }

    private mutating func show(_ device: DeviceID, _ part: ReadPart, _ range: Range<Int>) {
        let points = (adapter.binding(of: device)?.points ?? []).filter { point in
            point.table == part.table
                && point.spans.allSatisfy {
                    range.contains($0.address) && $0.end <= range.upperBound
                }
        }
        guard !points.isEmpty else { return }
        values += points.count
        let readings = points.map { ($0, adapter.decode(part, of: device, point: $0.name)) }
        guard !json else { return Console.say(line(device, part.at, readings)) }
        for (point, reading) in readings {
            let units = point.units.map { " \($0)" } ?? ""
            let text =
                switch reading {
                case .success(let value): String(decoding: value, as: UTF8.self) + units
                case .failure(let failure): "- (\(failure.word))"
                }
            Console.say("    \(device) \(point.name) = \(Notice.printable(text))")
        }
    }

    private func line(
        _ device: DeviceID, _ at: Moment, _ readings: [(Point, Result<[UInt8], ReadFailure>)]
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("device", device.text)
            writer.member("ts", at.wall)
            writer.key("values")
            writer.object { writer in
                for case (let point, .success(let value)) in readings {
                    writer.key(point.name)
                    writer.raw(value)
                }
            }
        }
        return writer.text
    }
}
