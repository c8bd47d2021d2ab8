import Adapter
import Base
import Drivers
import Gateway
import Platform

/// A configured point that is read or written by its name: `bus-a tank-2 level`.
struct NamedExchange {
    private let port: ToolPort
    private let device: String
    private let point: String
    private let arguments: Arguments

    /// Whether the words name a device where a unit id would stand.
    static func isMeant(_ arguments: Arguments) -> Bool {
        arguments.positional.count > 1 && Int(arguments.positional[1]) == nil
    }

    init(_ arguments: Arguments, isWrite: Bool) throws {
        let words = arguments.positional
        guard words.count == (isWrite ? 4 : 3) else {
            throw Arguments.Misuse(
                message: isWrite
                    ? "PORT DEVICE POINT VALUE are needed" : "PORT DEVICE POINT are needed")
        }
        for option in ["type", "order", "sign", "layout", "encoding", "force", "multiple"]
        where arguments.has(option) {
            throw Arguments.Misuse(
                message: "--\(option) has no effect on a point that is named: it is as configured")
        }
        guard !words[0].contains("/") else {
            throw Arguments.Misuse(
                message: "\(words[0]) is a device, and points are named on a configured port")
        }
        port = try ToolPort(words[0], arguments)
        try port.refuseWithoutEffect(ToolPort.lineWords + ["no-readback"], arguments)
        (device, point) = (words[1], words[2])
        self.arguments = arguments
    }

    // MARK: Reading

    /// - Parameter time: is told in front of the value; nil: the value alone.
    func read(at time: WallTime? = nil) throws -> ExitCode {
        switch try answer() {
        case .failure(let trouble): return report(trouble)
        case .success(let document): return show(document, at: time)
        }
    }

    private func answer() throws -> Result<JSON, Trouble> {
        switch port.way {
        case .gateway(let socket, _):
            return GatewayExchange(socket: socket, port: port.name).ask { writer in
                writer.key("read")
                writer.object { name(in: &$0) }
            }
        case .device:
            let (adapter, named) = try local()
            let exchange = try exchange(named)
            return try exchange.read().map { read in
                let part = ReadPart(
                    named.point.table, named.point.address, named.point.count,
                    .success(read.bytes), at: Clock.now())
                return document(adapter, named, part)
            }
        }
    }

    private func document(_ adapter: Adapter, _ named: Named, _ part: ReadPart) -> JSON {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("device", device)
            writer.member("point", point)
            if let units = named.point.units { writer.member("units", units) }
            switch adapter.decode(part, of: named.device, point: named.point.name) {
            case .success(let value):
                writer.key("value")
                writer.raw(value)
            case .failure(let failure): writer.member("bad", failure.word)
            }
        }
        return (try? JSONReader.parse(writer.bytes)) ?? JSON(.null)
    }

    private func show(_ document: JSON, at time: WallTime?) -> ExitCode {
        let moment = time.map { "\($0.timestamp)  " } ?? ""
        if arguments.has("json") {
            var writer = JSONWriter()
            writer.object { writer in
                if let time { writer.member("ts", time) }
                for member in document.members ?? [] {
                    writer.key(member.name)
                    writer.raw(Array(member.value.text.utf8))
                }
            }
            Console.say(writer.text)
        } else {
            let units = (document["units"]?.string).map { " \($0)" } ?? ""
            let value = document["value"].map { $0.string?.string ?? $0.text }
            let bad = "- (\(document["bad"]?.string?.string ?? "format"))"
            Console.say(
                "\(moment)\(device) \(point) = \(value.map { Notice.printable($0) + units } ?? bad)"
            )
        }
        return document["value"] == nil ? .badData : .ok
    }

    // MARK: Writing

    func write() throws -> ExitCode {
        let value = Self.value(arguments.positional[3])
        switch port.way {
        case .gateway(let socket, _):
            let answer = GatewayExchange(socket: socket, port: port.name).ask { writer in
                writer.key("write")
                writer.object { writer in
                    name(in: &writer)
                    writer.key("value")
                    writer.raw(Array(value.text.utf8))
                }
            }
            if case .failure(let trouble) = answer { return report(trouble) }
        case .device:
            if let trouble = try writeHere(value) { return report(trouble) }
        }
        if arguments.has("json") {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("device", device)
                writer.member("point", point)
                writer.key("written")
                writer.raw(Array(value.text.utf8))
                writer.member("ok", true)
            }
            Console.say(writer.text)
        } else {
            Console.say(
                "\(device) \(point) = \(Notice.printable(arguments.positional[3])), written")
        }
        return .ok
    }

    /// Writes on a line that is opened here, as a command does; nil if the point has the value.
    private func writeHere(_ value: JSON) throws -> Trouble? {
        var (adapter, named) = try local()
        let orders: [Order]
        do throws(WriteRefusal) {
            orders = try adapter.orders(
                [(named.point.name, value)], of: named.device, firstID: 0,
                expires: .distantFuture, at: Clock.now())
        } catch {
            return Trouble(.usage, "\(error.message); nothing was written")
        }
        guard orders.count == 1, let order = orders.first, let data = RegisterValues(order.data)
        else {
            return Trouble(
                .usage, "\(point) is a part of a register: a gateway must write it by name")
        }
        let outcome = try exchange(named).write(
            data, readsBack: order.readBack && !arguments.has("no-readback"),
            multiple: order.function.map { $0 > 6 } ?? false)
        switch outcome {
        case .failure(let trouble): return trouble
        case .success(let written):
            switch written.readBack {
            case .success(let read) where order.compare:
                let part = ReadPart(
                    named.point.table, named.point.address, named.point.count,
                    .success(read.bytes), at: Clock.now())
                guard adapter.confirms(part, order, of: named.device, point: named.point.name)
                else {
                    return Trouble(
                        .checksum,
                        "\(device) confirmed the write, and \(point) reads back differently: "
                            + "it limits or ignores this value")
                }
            case .failure(let trouble):
                return Trouble(
                    trouble.kind,
                    "written and confirmed, but it could not be read back: \(trouble.message)")
            case .success, nil: break
            }
        }
        return nil
    }

    private static func value(_ text: String) -> JSON {
        switch text.lowercased() {
        case "on", "true": return JSON(.bool(true))
        case "off", "false": return JSON(.bool(false))
        default:
            if let json = try? JSONReader.parse(Array(text.utf8)), json.double != nil {
                return json
            }
            return JSON(.string(ByteString(text)))
        }
    }

    // MARK: Names

    private struct Named {
        var device: DeviceID
        var unit: UnitID
        var point: Point
    }

    private func name(in writer: inout JSONWriter) {
        writer.member("port", port.name)
        writer.member("device", device)
        writer.member("point", point)
    }

    /// The point in the configuration, for a line that is opened here.
    private func local() throws -> (Adapter, Named) {
        let nodes = port.configured?.nodes ?? []
        guard let node = nodes.first(where: { $0.device.text == device }) else {
            let near = Suggestion.clause(for: device, in: nodes.map(\.device.text))
            throw Arguments.Misuse(
                message: "\(port.name) has no device \"\(Notice.printable(device))\"\(near)")
        }
        guard let found = node.points.first(where: { $0.name == ByteString(point) }) else {
            let near = Suggestion.clause(for: point, in: node.points.map(\.name.string))
            throw Arguments.Misuse(
                message: "\(device) has no point \"\(Notice.printable(point))\"\(near)")
        }
        guard found.table != .frame, found.spans.count == 1 else {
            throw Arguments.Misuse(
                message:
                    "\(point) cannot be read or written by one request: `fieldgw poll` reads it")
        }
        let adapter = Adapter(port.configured?.bindings ?? [])
        return (adapter, Named(device: node.device, unit: node.unit, point: found))
    }

    private func exchange(_ named: Named) throws -> RegisterExchange {
        let point = named.point
        return try RegisterExchange(
            arguments, port, unit: named.unit.value,
            RegisterPlace(table: point.table, address: point.address, count: point.count))
    }

    private func report(_ trouble: Trouble) -> ExitCode {
        Console.complain(trouble.message)
        if arguments.has("json") {
            var writer = JSONWriter()
            writer.object { writer in
                writer.member("device", device)
                writer.member("point", point)
                writer.member("error", trouble.message)
                writer.member("kind", trouble.kind.rawValue)
            }
            Console.say(writer.text)
        }
        return trouble.exitCode
    }
}
