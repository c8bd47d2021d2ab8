import Adapter
import Base

/// Single exchanges for a person at this machine, between the polls of the port.
extension Gateway {
    /// A read whose outcome somebody waits for.
    struct WireRead: Sendable {
        var ticket: ControlTicket
        var isBits: Bool
        var count: Int
        /// Note for the person, added to the message of a failure.
        var note: String
        /// The point that was asked for by its name.
        var point: NamedPoint?
    }

    /// A configured point, and where it is.
    struct NamedPoint: Sendable {
        var device: DeviceID
        var point: Point
        var address: Address
    }

    static let wireReadsMax = 64

    mutating func read(
        _ ticket: ControlTicket, _ request: JSON, at now: Moment
    ) throws(Control.Misuse) {
        guard wireReads.count < Self.wireReadsMax else {
            throw Control.Misuse(reason: "too many reads wait already", kind: "unavailable")
        }
        if request["device"] != nil { return try readPoint(ticket, request, at: now) }
        let place = try wirePlace(request, tables: [.coil, .discrete, .input, .holding])
        let count = try number(request["count"] ?? JSON(.number("1")), "count", 1...2000)
        let id = commands.takeIDs(1)
        wireReads[id] = WireRead(
            ticket: ticket, isBits: place.table.isBits, count: count, note: note(place.address))
        ports[place.port].driver.submit(
            Order(
                id: id, address: place.address, table: place.table, start: place.start,
                data: .nothing(count: count),
                isManual: true, expires: now.instant + Command.expiryDefault),
            at: now)
    }

    mutating func write(
        _ ticket: ControlTicket, _ request: JSON, at now: Moment
    ) throws(Control.Misuse) {
        guard ticket.mayWrite else {
            throw Control.Misuse(
                reason: "only root and the gateway's own user may write", kind: "denied")
        }
        if request["device"] != nil { return try writePoint(ticket, request, at: now) }
        let place = try wirePlace(request, tables: [.coil, .holding])
        guard let values = request["values"]?.array, (1...1968).contains(values.count) else {
            throw Control.Misuse(reason: "\"values\" must be an array of what to write")
        }
        var registers: [UInt16] = []
        for value in values {
            if let bool = value.bool, place.table == .coil {
                registers.append(bool ? 1 : 0)
                continue
            }
            let top = place.table == .coil ? 1 : 65_535
            registers.append(UInt16(try number(value, "values", 0...top)))
        }
        let data: Order.Data =
            place.table == .coil ? .bits(registers.map { $0 != 0 }) : .registers(registers)
        let isForced = request["force"]?.bool == true
        do throws(WriteRefusal) {
            if !isForced,
                let refusal = adapter.refusal(of: data, at: place.address, place.table, place.start)
            {
                throw refusal
            }
            let counted = try adapter.countWrite(
                of: data, at: place.address, place.table, place.start, isForced: isForced,
                at: now.instant)
            for (key, spent) in counted { commands.keep(spent, key) }
        } catch {
            throw Control.Misuse(
                reason: "\(error.message); nothing was written, --force would do it all the same")
        }
        let isMultiple = request["multiple"]?.bool ?? false
        let order = Order(
            id: commands.takeIDs(1), address: place.address, table: place.table, start: place.start,
            data: data,
            function: isMultiple ? (place.table == .coil ? 15 : 16) : nil, readBack: false,
            isManual: true,
            expires: now.instant + Command.expiryDefault)
        let device = adapter.devices(at: place.address).first ?? settings.gateway
        commands.run(
            CommandDesk.Open(
                device: device, id: "socket-\(now.wall.milliseconds)-\(order.id)", origin: .socket,
                ticket: ticket,
                note: note(place.address),
                orders: [
                    WriteStep(order, ["\(place.address) \(place.table.rawValue):\(place.start)"])
                ]))
    }

    /// The point that a request names by device and point.
    private func namedPoint(_ request: JSON) throws(Control.Misuse) -> NamedPoint {
        let (device, binding) = try binding(named: request["device"] ?? JSON(.null))
        if let port = request["port"]?.string, PortName(port) != binding.address.port {
            throw Control.Misuse(
                reason: "\(device) is on \(binding.address.port), not on \(Notice.printable(port))")
        }
        let name = request["point"]?.string ?? ""
        guard let point = binding.points.first(where: { $0.name == name }) else {
            let near = Suggestion.clause(for: name, in: binding.points.map(\.name))
            throw Control.Misuse(
                reason: "\(device) has no point \"\(Notice.printable(name))\"\(near)")
        }
        return NamedPoint(device: device, point: point, address: binding.address)
    }

    private mutating func readPoint(
        _ ticket: ControlTicket, _ request: JSON, at now: Moment
    ) throws(Control.Misuse) {
        let named = try namedPoint(request)
        let point = named.point
        guard let port = index(of: named.address.port), point.table != .frame, point.isRead,
            point.spans.count == 1
        else {
            throw Control.Misuse(
                reason:
                    "\(point.name) cannot be read by one request: see `fieldgw watch`"
            )
        }
        let id = commands.takeIDs(1)
        wireReads[id] = WireRead(
            ticket: ticket, isBits: point.table.isBits, count: point.count, note: "", point: named)
        ports[port].driver.submit(
            Order(
                id: id, address: named.address, table: point.table, start: point.address,
                data: .nothing(count: point.count), isManual: true,
                expires: now.instant + Command.expiryDefault),
            at: now)
    }

    private mutating func writePoint(
        _ ticket: ControlTicket, _ request: JSON, at now: Moment
    ) throws(Control.Misuse) {
        let named = try namedPoint(request)
        guard let value = request["value"] else {
            throw Control.Misuse(reason: "\"value\" is missing")
        }
        let steps = try steps([(named.point.name, value)], of: named.device, at: now)
        run(steps, of: named.device, origin: .socket, ticket: ticket, at: now)
    }

    /// Writes to points as a command has them: within their limits, and counted.
    mutating func steps(
        _ points: [(name: ByteString, value: JSON)], of device: DeviceID, at now: Moment
    ) throws(Control.Misuse) -> [WriteStep] {
        let steps: [WriteStep]
        do throws(WriteRefusal) {
            steps = try adapter.steps(
                points, of: device, firstID: commands.takeIDs(points.count),
                expires: now.instant + Command.expiryDefault, at: now)
        } catch {
            throw Control.Misuse(reason: error.message)
        }
        let names = Set(points.map(\.name))
        for (key, spent) in adapter.budgets.all(at: now.instant)
        where key.device == device && names.contains(key.point) {
            commands.keep(spent, key)
        }
        return steps
    }

    /// Carries out what `steps` has made; the answer goes to the ticket.
    mutating func run(
        _ steps: [WriteStep], of device: DeviceID, origin: CommandOrigin,
        ticket: ControlTicket, at now: Moment
    ) {
        commands.run(
            CommandDesk.Open(
                device: device,
                id: "\(origin)-\(now.wall.milliseconds)-\(steps.first?.order.id ?? 0)",
                origin: origin, ticket: ticket, orders: steps))
    }

    /// `{"device","point","value","units"}`, or with `bad` in place of a value.
    private func describe(
        _ named: NamedPoint, _ part: ReadPart?, in writer: inout JSONWriter
    ) {
        writer.member("device", named.device.text)
        writer.member("point", named.point.name)
        if let units = named.point.units { writer.member("units", units) }
        guard let part else { return writer.member("bad", "format") }
        switch adapter.decode(part, of: named.device, point: named.point.name) {
        case .success(let value):
            writer.key("value")
            writer.raw(value)
        case .failure(let failure): writer.member("bad", failure.word)
        }
    }

    /// Facts that a tool needs to write a value of the type that the configuration gives.
    func pointFacts(_ request: JSON) throws(Control.Misuse) -> [UInt8] {
        let place = try wirePlace(request, tables: [.coil, .discrete, .input, .holding])
        return Self.document { writer in
            guard let point = adapter.point(at: place.address, place.table, place.start) else {
                return
            }
            writer.member("point", point.name)
            writer.member("type", point.type.rawValue)
            if let order = point.order { writer.member("order", order.description) }
            if point.coding.sign != .complement {
                writer.member("sign", point.coding.sign.rawValue)
            }
        }
    }

    /// The outcome of a read for the socket.
    mutating func answerRead(_ outcome: Outcome) {
        guard let read = wireReads.removeValue(forKey: outcome.id) else { return }
        let bytes: [UInt8]
        switch outcome.result {
        case .failure(let failure):
            var code: UInt8?
            if case .read(.exception(let number)) = failure { code = number }
            let words = failure.sentence + read.note
            effects.append(
                .answer(read.ticket, Control.error(words, failure.kind, exception: code)))
            return
        case .success(let part): bytes = (try? part?.result.get()) ?? []
        }
        effects.append(
            .answer(
                read.ticket,
                Self.document { writer in
                    if let named = read.point {
                        describe(named, try? outcome.result.get(), in: &writer)
                    }
                    writer.key(read.isBits ? "bits" : "registers")
                    writer.array { writer in
                        for index in 0..<read.count {
                            if read.isBits {
                                guard index / 8 < bytes.count else { return }
                                writer.integer(bytes[index / 8] >> UInt8(index % 8) & 1)
                            } else {
                                guard 2 * index + 1 < bytes.count else { return }
                                writer.integer(
                                    UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1]))
                            }
                        }
                    }
                }))
    }

    /// An address that no node has is asked all the same: a unit that is being put into operation.
    private func note(_ address: Address) -> String {
        guard adapter.devices(at: address).isEmpty else { return "" }
        let known = Set(
            adapter.bindings.map(\.address).filter { $0.port == address.port }.map(\.unit)
        ).sorted()
        let list =
            known.prefix(20).map(\.description).joined(separator: ", ")
            + (known.count > 20 ? " …" : "")
        return "; no node of \(address.port) has unit \(address.unit)"
            + (known.isEmpty ? "" : " (it has \(Plural.form(known.count, "unit")) \(list))")
    }

    private func wirePlace(
        _ request: JSON, tables: [Table]
    ) throws(Control.Misuse) -> (port: Int, address: Address, table: Table, start: Int) {
        let index = try port(named: request["port"] ?? JSON(.null))
        guard settings.configured[index].driver.isModbus else {
            throw Control.Misuse(
                reason:
                    "port \(ports[index].name) is a uart port: only Modbus units have registers that can be read and written"
            )
        }
        let least = settings.configured[index].driver == .modbusTCP ? 0 : 1
        let unitID = try number(request["unit"] ?? JSON(.null), "unit", least...255)
        let unit = UnitID(unitID) ?? .zero
        let word = request["table"]?.string ?? "nothing"
        guard let table = Table(word: word), tables.contains(table) else {
            let known = tables.map { ByteString($0.rawValue) }
            throw Control.Misuse(
                reason:
                    "\"table\" is one of \(known.map(\.string).joined(separator: ", ")), not \(Notice.printable(word))"
                    + Suggestion.clause(for: word, in: known))
        }
        let start = try number(request["address"] ?? JSON(.null), "address", 0...65_535)
        return (index, Address(port: ports[index].name, unit: unit), table, start)
    }

    private func number(
        _ value: JSON, _ name: String, _ range: ClosedRange<Int>
    ) throws(Control.Misuse) -> Int {
        guard let number = value.integer.flatMap({ Int(exactly: $0) }), range.contains(number)
        else {
            throw Control.Misuse(
                reason:
                    "\"\(name)\" must be a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }
}
