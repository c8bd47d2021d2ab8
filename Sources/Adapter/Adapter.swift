import Base

/// Maps physical addresses to devices: tells what to read, turns readings into telemetry and
/// commands into orders. Knows value types, but neither wire nor bridge.
package struct Adapter: Sendable {
    private var ports: [PortMap] = []
    private var places: [DeviceID: Place] = [:]
    /// Points that are neither read nor written for now.
    private var unread: [DeviceID: Set<ByteString>]
    /// Devices that are gone, for when they come back: on another port, or with the next
    /// configuration.
    private var former: [DeviceID: Device] = [:]
    private static let formerMax = 1024
    /// The writes that count against `perMinute` and `perDay`.
    package var budgets = WriteBudgets()

    /// Where a device is found in `ports`.
    private struct Place: Sendable {
        var port: Int
        var device: Int
    }

    /// Several bindings may share an address; a device bound twice keeps its first place.
    package init(_ bindings: [Binding], unread: [DeviceID: Set<ByteString>] = [:]) {
        self.unread = unread
        for (name, bindings) in Self.byPort(bindings) {
            add(PortMap(name, bindings, unread: unread) { Device($0) })
        }
    }

    private mutating func add(_ port: PortMap) {
        for (index, device) in port.devices.enumerated() {
            places[device.binding.device] = Place(port: ports.count, device: index)
        }
        ports.append(port)
    }

    /// The ports in the order of their first binding; a device's second binding is left out.
    private static func byPort(_ bindings: [Binding]) -> [(name: PortName, bindings: [Binding])] {
        var found: [(name: PortName, bindings: [Binding])] = []
        var indexes: [PortName: Int] = [:]
        var seen: Set<DeviceID> = []
        for binding in bindings where seen.insert(binding.device).inserted {
            if let index = indexes[binding.address.port] {
                found[index].bindings.append(binding)
            } else {
                indexes[binding.address.port] = found.count
                found.append((binding.address.port, [binding]))
            }
        }
        return found
    }

    /// Other intervals for the same points, and some that are not read at all. What is known of a
    /// point stays: its last value, its dead band, and what was written in the last minute and day.
    /// A port of which nothing differs costs next to nothing.
    package mutating func rebind(_ bindings: [Binding], unread: [DeviceID: Set<ByteString>]) {
        var new = Adapter([], unread: unread)
        let old = Dictionary(uniqueKeysWithValues: ports.enumerated().map { ($1.name, $0) })
        for (name, bindings) in Self.byPort(bindings) {
            let isSame = old[name].map { index in
                ports[index].holds(bindings)
                    && bindings.allSatisfy { unread[$0.device] == self.unread[$0.device] }
            }
            if let index = old[name], isSame == true {
                new.add(ports[index])
            } else {
                new.add(
                    PortMap(name, bindings, unread: unread) {
                        Device($0, inheriting: self.known($0.device))
                    })
            }
        }
        new.budgets = budgets
        new.former = former.filter { new.places[$0.key] == nil }
        for (device, place) in places
        where new.places[device] == nil && new.former.count < Self.formerMax {
            new.former[device] = self[place]
        }
        self = new
    }

    private subscript(place: Place) -> Device {
        get { ports[place.port].devices[place.device] }
        _modify { yield &ports[place.port].devices[place.device] }
    }

    private func device(_ id: DeviceID) -> Device? { places[id].map { self[$0] } }

    /// Bound now or before.
    private func known(_ id: DeviceID) -> Device? { device(id) ?? former[id] }

    package var bindings: [Binding] { ports.flatMap { $0.devices.map(\.binding) } }

    package func binding(of device: DeviceID) -> Binding? { self.device(device)?.binding }

    /// The devices that hang there, in the order of the configuration; more than one only if
    /// shared.
    package func devices(at address: Address) -> [DeviceID] {
        guard let port = port(address.port), let route = port.route(address.unit) else { return [] }
        return route.devices.map { port.devices[$0].binding.device }
    }

    /// The spans that a port's driver must read, by unit: those of all points that are read, of
    /// every device there. Each span comes once, in the order table, address, count, interval.
    package func spans(of port: PortName) -> [(unit: UnitID, spans: [Span])] {
        guard let port = self.port(port) else { return [] }
        return port.routes.sorted { $0.unit < $1.unit }.map { route in
            let all = Set(route.devices.flatMap { port.devices[$0].binding.points.spans })
            let order = Table.allCases
            return (
                route.unit,
                all.sorted { left, right in
                    let tables = (
                        order.firstIndex(of: left.table) ?? 0,
                        order.firstIndex(of: right.table) ?? 0
                    )
                    return (tables.0, left.address, left.count, left.interval)
                        < (tables.1, right.address, right.count, right.interval)
                }
            )
        }
    }

    /// Few ports: searching them is cheaper than hashing a name.
    private func port(_ name: PortName) -> PortMap? { ports.first { $0.name == name } }

    /// One cycle of one unit: a telemetry for every device there that has points in this interval
    /// and something to say (dead bands may leave nothing).
    package mutating func receive(_ reading: Reading) -> [Telemetry] {
        guard let port = ports.firstIndex(where: { $0.name == reading.address.port }) else {
            return []
        }
        return ports[port].receive(reading)
    }

    /// The last known value of every point, in the order of the configuration.
    package func lastValues(of device: DeviceID) -> [LastValue] {
        self.device(device).map { $0.lastValues } ?? []
    }

    /// How many points were good and bad when last read; points never read count as neither.
    package func health(of device: DeviceID) -> (good: Int, bad: Int) {
        self.device(device).map { $0.health } ?? (0, 0)
    }

    /// Decodes the JSON text of that point from a part that was read back after a write.
    package func decode(
        _ part: ReadPart, of device: DeviceID, point name: ByteString
    ) -> Result<[UInt8], ReadFailure> {
        guard let bound = self.device(device), let point = bound.place(of: name) else {
            return .failure(.identity)
        }
        return bound.decode(part, point)
    }

    /// Checks a command against the allow-list and makes the orders that carry it out, numbered
    /// from `firstID`, fewer than writes where some are written together. All or none: a command
    /// with one point that may not be written is refused whole. Accepted orders count against the
    /// points' rates whether or not they reach the wire.
    package mutating func steps(
        _ writes: [(name: ByteString, value: JSON)], of device: DeviceID, firstID: UInt64,
        expires: Instant,
        at now: Moment
    ) throws(WriteRefusal) -> [WriteStep] {
        guard let place = places[device] else {
            throw WriteRefusal(.unknownDevice, "there is no device \(device) here")
        }
        for (name, _) in writes where unread[device]?.contains(name) == true {
            throw WriteRefusal(.notWritable, "\(name) is switched off by a config document")
        }
        return try self[place].steps(writes, firstID: firstID, expires: expires, at: now, &budgets)
    }

    /// As `steps`, without the points.
    package mutating func orders(
        _ writes: [(name: ByteString, value: JSON)], of device: DeviceID, firstID: UInt64,
        expires: Instant,
        at now: Moment
    ) throws(WriteRefusal) -> [Order] {
        try steps(writes, of: device, firstID: firstID, expires: expires, at: now).map(\.order)
    }

    /// The allow-list entry of a point or an action; nil if it cannot be written by command.
    package func rule(of name: ByteString, of device: DeviceID) -> WriteRule? {
        self.device(device)?.rule(name)
    }

    /// The order that sets a point because a rule of the configuration says so.
    package func order(
        setting point: ByteString, of device: DeviceID, to value: JSON, id: UInt64, expires: Instant
    ) throws(WriteRefusal) -> Order {
        guard let place = places[device] else {
            throw WriteRefusal(.unknownDevice, "there is no device \(device) here")
        }
        return try self[place].order(setting: point, to: value, id: id, expires: expires)
    }

    /// The value that an order writes to that point, as it would be read.
    package func written(
        _ order: Order, of device: DeviceID, point name: ByteString
    ) -> Result<[UInt8], ReadFailure> {
        guard let bound = self.device(device), let point = bound.place(of: name) else {
            return .failure(.identity)
        }
        return bound.written(order, point)
    }

    /// Whether the part that was read back after a write says that the point holds what was
    /// written.
    package func confirms(
        _ part: ReadPart, _ order: Order, of device: DeviceID, point name: ByteString
    ) -> Bool {
        guard let bound = self.device(device), let point = bound.place(of: name) else {
            return part.result.isSuccess { order.isConfirmed(by: $0) }
        }
        return bound.confirms(part, order, point)
    }
}

extension Result where Success == [UInt8] {
    fileprivate func isSuccess(_ holds: ([UInt8]) -> Bool) -> Bool {
        if case .success(let bytes) = self { holds(bytes) } else { false }
    }
}

/// A point as status and poll show it.
package struct LastValue: Hashable, Sendable {
    package var name: ByteString
    package var units: ByteString?
    /// The last good value as JSON text and when it was read; nil before the first.
    package var json: String?
    package var at: Moment?
    /// Registers that it came from; nil for points that are no registers, or more than four.
    package var registers: [UInt16]?
    /// Why the latest reading was bad, nil if it was good.
    package var bad: ReadFailure?

    package init(
        name: ByteString, units: ByteString? = nil, json: String? = nil, at: Moment? = nil,
        registers: [UInt16]? = nil, bad: ReadFailure? = nil
    ) {
        self.name = name
        self.units = units
        self.json = json
        self.at = at
        self.registers = registers
        self.bad = bad
    }
}
