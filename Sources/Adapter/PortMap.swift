import Base

/// The devices of one port and the units they hang at.
struct PortMap: Sendable {
    /// Points that are read at one unit, and the devices for which they are read.
    struct Route: Sendable {
        var unit: UnitID
        /// Places in the port's `devices`.
        var devices: [Int] = []
        var groups: [(interval: Duration, lists: [(device: Int, points: [Int])])] = []
    }

    let name: PortName
    var devices: [Device]
    let routes: [Route]

    /// - Parameters:
    ///   - bindings: of this port, each device once.
    ///   - make: the device of a binding.
    init(
        _ name: PortName, _ bindings: [Binding], unread: [DeviceID: Set<ByteString>],
        _ make: (Binding) -> Device
    ) {
        self.name = name
        devices = bindings.map(make)
        var routes: [Route] = []
        for (index, binding) in bindings.enumerated() {
            let route =
                routes.firstIndex { $0.unit == binding.address.unit }
                ?? {
                    routes.append(Route(unit: binding.address.unit))
                    return routes.count - 1
                }()
            routes[route].add(index, binding, unread: unread[binding.device] ?? [])
        }
        self.routes = routes
    }

    func holds(_ bindings: [Binding]) -> Bool {
        devices.count == bindings.count && zip(devices, bindings).allSatisfy { $0.binding == $1 }
    }

    /// Few units: searching them is cheaper than hashing.
    func route(_ unit: UnitID) -> Route? { routes.first { $0.unit == unit } }

    mutating func receive(_ reading: Reading) -> [Telemetry] {
        guard
            let group = route(reading.address.unit)?.groups.first(where: {
                $0.interval == reading.interval
            })
        else {
            return []
        }
        var all: [Telemetry] = []
        all.reserveCapacity(group.lists.count)
        for list in group.lists {
            if let telemetry = devices[list.device].receive(reading, list.points) {
                all.append(telemetry)
            }
        }
        return all
    }
}

extension PortMap.Route {
    mutating func add(_ device: Int, _ binding: Binding, unread: Set<ByteString>) {
        devices.append(device)
        let factors = Set(binding.points.compactMap(\.scaleFrom))
        // Scale factors come first, so that they are known when a value needs them.
        let order =
            binding.points.indices.filter { factors.contains(binding.points[$0].name) }
            + binding.points.indices.filter { !factors.contains(binding.points[$0].name) }
        for point in order
        where binding.points[point].isRead && !unread.contains(binding.points[point].name) {
            let interval = binding.points[point].interval
            let group =
                groups.firstIndex { $0.interval == interval }
                ?? {
                    groups.append((interval, []))
                    return groups.count - 1
                }()
            if groups[group].lists.last?.device != device {
                groups[group].lists.append((device, []))
            }
            groups[group].lists[groups[group].lists.count - 1].points.append(point)
        }
    }
}
