import Base

/// Maps physical addresses to devices: tells what to read, turns readings into telemetry and
/// commands into orders. Knows value types, but neither wire nor bridge.
package struct Adapter: Sendable {
    fileprivate struct Route: Sendable {
        var unit: UnitID
        var devices: [Int]
        /// One of its points has priority.
        var hasPriority = false
        var groups: [(interval: Duration, lists: [(device: Int, points: [Int])])]
    }

    private var devices: [Device]
    private var indexes: [DeviceID: Int] = [:]
    /// Few ports and few units each: searching them is cheaper than hashing a name.
    private var ports: [(name: PortName, routes: [Route])] = []
    private var priorityExists = false
    /// Points that are neither read nor written for now.
    private var unread: [DeviceID: Set<ByteString>]
    /// Devices that are gone, for when they come back: on another port, or with the next configuration.
    private var former: [DeviceID: Device] = [:]
    private static let formerMax = 1024
    /// The writes that count against `perMinute` and `perDay`.
    package var budgets = WriteBudgets()

    /// Several bindings may share an address; a device bound twice keeps its first place.
    package init(_ bindings: [Binding], unread: [DeviceID: Set<ByteString>] = [:]) {
        self.init(bindings, unread: unread) { Device($0) }
    }

    /// - Parameter make: the device of a binding.
    private init(
        _ bindings: [Binding], unread: [DeviceID: Set<ByteString>], _ make: (Binding) -> Device
    ) {
        self.unread = unread
        devices = []
        devices.reserveCapacity(bindings.count)
        for binding in bindings where indexes[binding.device] == nil {
            let index = devices.count
            indexes[binding.device] = index
            devices.append(make(binding))
            let port =
                ports.firstIndex { $0.name == binding.address.port }
                ?? {
                    ports.append((binding.address.port, []))
                    return ports.count - 1
                }()
            let route =
                ports[port].routes.firstIndex { $0.unit == binding.address.unit }
                ?? {
                    ports[port].routes.append(Route(unit: binding.address.unit, devices: [], groups: []))
                    return ports[port].routes.count - 1
                }()
            ports[port].routes[route].add(index, binding, unread: unread[binding.device] ?? [])
            if ports[port].routes[route].hasPriority { priorityExists = true }
        }
    }

    /// Other intervals for the same points, and some that are not read at all. What is known of a point
    /// stays: its last value, its dead band, and what was written in the last minute and day.
    package mutating func rebind(_ bindings: [Binding], unread: [DeviceID: Set<ByteString>]) {
        var new = Adapter(bindings, unread: unread) { binding in
            guard let old = indexes[binding.device].map({ devices[$0] }) ?? former[binding.device] else {
                return Device(binding)
            }
            if old.binding == binding { return old }
            var changed = Device(binding)
            changed.inherit(old)
            return changed
        }
        new.budgets = budgets
        new.former = former.filter { new.indexes[$0.key] == nil }
        for (device, index) in indexes where new.indexes[device] == nil && new.former.count < Self.formerMax {
            new.former[device] = devices[index]
        }
        self = new
    }

    package var bindings: [Binding] { devices.map(\.binding) }

    package func binding(of device: DeviceID) -> Binding? { indexes[device].map { devices[$0].binding } }

    /// The devices that hang there, in the order of the configuration; more than one only if shared.
    package func devices(at address: Address) -> [DeviceID] {
        route(address)?.devices.map { devices[$0].binding.device } ?? []
    }

    /// What a port's driver has to read: per unit one span for every point of every device there,
    /// each once, in the order table, address, count, interval.
    package func spans(of port: PortName) -> [(unit: UnitID, spans: [Span])] {
        guard let routes = ports.first(where: { $0.name == port })?.routes else { return [] }
        return routes.sorted { $0.unit < $1.unit }.map { route in
            let all = Set(route.devices.flatMap { devices[$0].binding.points.map(\.span) })
            let order = Table.allCases
            return (
                route.unit,
                all.sorted { left, right in
                    let tables = (
                        order.firstIndex(of: left.table) ?? 0, order.firstIndex(of: right.table) ?? 0
                    )
                    return (tables.0, left.address, left.count, left.interval)
                        < (tables.1, right.address, right.count, right.interval)
                }
            )
        }
    }

    /// Readings from there may have to be durable at once.
    package func hasPriority(_ address: Address) -> Bool {
        guard priorityExists else { return false }
        return route(address)?.hasPriority ?? false
    }

    private func route(_ address: Address) -> Route? {
        ports.first { $0.name == address.port }?.routes.first { $0.unit == address.unit }
    }

    /// One cycle of one unit: a telemetry for every device there that has points in this interval
    /// and something to say (dead bands may leave nothing).
    package mutating func receive(_ reading: Reading) -> [Telemetry] {
        guard let group = route(reading.address)?.groups.first(where: { $0.interval == reading.interval })
        else {
            return []
        }
        var all: [Telemetry] = []
        all.reserveCapacity(group.lists.count)
        for list in group.lists {
            if let telemetry = devices[list.device].receive(reading, list.points) { all.append(telemetry) }
        }
        return all
    }

    /// The last known value of every point, in the order of the configuration.
    package func lastValues(of device: DeviceID) -> [LastValue] {
        indexes[device].map { devices[$0].lastValues } ?? []
    }

    /// How many points were good and bad when last read; points never read count as neither.
    package func health(of device: DeviceID) -> (good: Int, bad: Int) {
        indexes[device].map { devices[$0].health } ?? (0, 0)
    }

    /// What a part that was read back after a write says about that point: its JSON text.
    package func decode(
        _ part: ReadPart, of device: DeviceID, point name: ByteString
    ) -> Result<[UInt8], ReadFailure> {
        guard let index = indexes[device], let point = devices[index].place(of: name) else {
            return .failure(.identity)
        }
        return devices[index].decode(part, point)
    }

    /// Checks a command against the allow-list and makes the orders that carry it out, numbered from
    /// `firstID`. All or none: a command with one point that may not be written is refused whole.
    /// Accepted orders count against the points' rates whether or not they reach the wire.
    package mutating func orders(
        _ writes: [(name: ByteString, value: JSON)], of device: DeviceID, firstID: UInt64, expires: Instant,
        at now: Moment
    ) throws(WriteRefusal) -> [Order] {
        guard let index = indexes[device] else {
            throw WriteRefusal(.unknownDevice, "there is no device \(device) here")
        }
        for (name, _) in writes where unread[device]?.contains(name) == true {
            throw WriteRefusal(.notWritable, "\(name) is switched off by a config document")
        }
        return try devices[index].orders(writes, firstID: firstID, expires: expires, at: now, &budgets)
    }

    /// The allow-list entry of a point or an action; nil if it cannot be written by command.
    package func rule(of name: ByteString, of device: DeviceID) -> WriteRule? {
        indexes[device].flatMap { devices[$0].rule(name) }
    }

    /// The order that sets a point because a rule of the configuration says so.
    package func order(
        setting point: ByteString, of device: DeviceID, to value: JSON, id: UInt64, expires: Instant
    ) throws(WriteRefusal) -> Order {
        guard let index = indexes[device] else {
            throw WriteRefusal(.unknownDevice, "there is no device \(device) here")
        }
        return try devices[index].order(setting: point, to: value, id: id, expires: expires)
    }

    /// What an order writes to that point, as it would be read.
    package func written(_ order: Order, of device: DeviceID, point name: ByteString) -> Result<[UInt8], ReadFailure> {
        guard let index = indexes[device], let point = devices[index].place(of: name) else {
            return .failure(.identity)
        }
        return devices[index].written(order, point)
    }

    /// Whether the part that was read back after a write says that the point holds what was written.
    package func confirms(_ part: ReadPart, _ order: Order, of device: DeviceID, point name: ByteString) -> Bool {
        guard let index = indexes[device], let point = devices[index].place(of: name) else {
            return part.result.isSuccess { order.isConfirmed(by: $0) }
        }
        return devices[index].confirms(part, order, point)
    }
}

extension Result where Success == [UInt8] {
    fileprivate func isSuccess(_ holds: ([UInt8]) -> Bool) -> Bool {
        if case .success(let bytes) = self { holds(bytes) } else { false }
    }
}

extension Adapter.Route {
    mutating func add(_ device: Int, _ binding: Binding, unread: Set<ByteString>) {
        devices.append(device)
        hasPriority = hasPriority || binding.points.contains(where: \.priority)
        let factors = Set(binding.points.compactMap(\.scaleFrom))
        // Scale factors come first, so that they are known when a value needs them.
        let order =
            binding.points.indices.filter { factors.contains(binding.points[$0].name) }
            + binding.points.indices.filter { !factors.contains(binding.points[$0].name) }
        for point in order where !unread.contains(binding.points[point].name) {
            let interval = binding.points[point].interval
            let group =
                groups.firstIndex { $0.interval == interval }
                ?? {
                    groups.append((interval, []))
                    return groups.count - 1
                }()
            if groups[group].lists.last?.device != device { groups[group].lists.append((device, [])) }
            groups[group].lists[groups[group].lists.count - 1].points.append(point)
        }
    }
}

/// A point as status and poll show it.
package struct LastValue: Hashable, Sendable {
    package var name: ByteString
    package var units: ByteString?
    /// The last good value as JSON text and when it was read; nil before the first.
    package var json: String?
    package var at: Moment?
    /// Why the latest reading was bad, nil if it was good.
    package var bad: ReadFailure?

    package init(
        name: ByteString, units: ByteString? = nil, json: String? = nil, at: Moment? = nil, bad: ReadFailure? = nil
    ) {
        self.name = name
        self.units = units
        self.json = json
        self.at = at
        self.bad = bad
    }
}
