import Base
import Drivers

/// Checks that are possible only when the whole file has been read.
extension ConfigurationReader {
    /// The bridge's limit of attached devices per gateway.
    static let attachedMax = 1000

    /// One line, one port.
    func checkLines(_ ports: [Configuration.Port]) {
        var first: [LineSettings.Device: PortName] = [:]
        for port in ports {
            guard let other = first.updateValue(port.name, forKey: port.line.device) else {
                continue
            }
            first[port.line.device] = other
            let place = files.first { $0.role == .device(port.name) }?.path.place ?? port.place
            problems.error(place, "port \"\(port.name)\" has the same device as port \"\(other)\"")
        }
    }

    /// One address, one server.
    func checkServices(_ ports: [Configuration.Port]) {
        var first: [ByteString: PortName] = [:]
        for port in ports {
            guard let serve = port.serve,
                let other = first.updateValue(port.name, forKey: ByteString(serve.describe))
            else { continue }
            problems.error(
                serve.place,
                "port \"\(port.name)\" listens on \(serve.describe), as port \"\(other)\" does: "
                    + "every line needs a TCP port of its own")
        }
    }

    /// One device at one address, one address for one device (unless it is shared).
    func checkDevices(_ ports: [Configuration.Port], gateway: DeviceID?) {
        var byDevice: [DeviceID: (node: Configuration.Node, port: PortName)] = [:]
        var byAddress: [Address: Configuration.Node] = [:]
        for port in ports {
            for node in port.nodes {
                if node.device == gateway {
                    problems.error(
                        node.place,
                        "\"\(node.device)\" is the gateway's own ID; a gateway cannot attach itself"
                    )
                }
                if let other = byDevice[node.device] {
                    problems.error(
                        node.place,
                        "device \"\(node.device)\" has two addresses: it is at port \"\(other.port)\" "
                            + "already (line \(other.node.place.position.line))")
                } else {
                    byDevice[node.device] = (node, port.name)
                }
                let address = Address(port: port.name, unit: node.unit)
                guard let other = byAddress[address] else {
                    byAddress[address] = node
                    continue
                }
                guard !node.share, !other.share, node.device != other.device else { continue }
                problems.error(
                    node.place,
                    "devices \"\(other.device)\" and \"\(node.device)\" are both at unit \(node.unit) of "
                        + "port \"\(port.name)\"; if one unit really is several devices, say share: true"
                )
            }
        }
    }

    /// Nodes that speak by themselves must differ in their frames or have an address.
    func checkStreams(_ ports: [Configuration.Port]) {
        for port in ports {
            var first: [UARTProtocol.Frame: Configuration.Node] = [:]
            for node in port.nodes {
                guard let uart = node.uart, uart.request == nil, uart.address == nil else {
                    continue
                }
                guard let other = first[uart.frame] else {
                    first[uart.frame] = node
                    continue
                }
                guard !node.share, !other.share else { continue }
                problems.error(
                    node.place,
                    "nothing tells the frames of \"\(node.device)\" from those of \"\(other.device)\": give "
                        + "\"address\" or \"request\", or say share: true if each is to have all of them"
                )
            }
        }
    }

    /// A device proves itself with a token, which a plain broker knows nothing of.
    func checkDeviceKeys(_ ports: [Configuration.Port], of bridge: Configuration.Bridge) {
        guard !bridge.isCloudIoT else { return }
        for key in ports.flatMap(\.nodes).compactMap(\.privateKey) {
            problems.warning(
                key.place,
                "\"privateKey\" is not used: without project, region and registry this is a plain broker"
            )
        }
    }

    /// Whether the memory for the past is enough for the time that is asked for.
    func checkHistory(_ door: Configuration.Door, _ ports: [Configuration.Port]) {
        let points = ports.flatMap(\.nodes).reduce(0) { $0 + $1.points.count }
        guard let settings = door.history, points > 0 else { return }
        let plan = History.Plan(settings, points: points)
        guard plan.map({ $0.span < settings.keep }) ?? true else { return }
        let kept =
            plan.map { plan in
                let unit: Int64 = plan.span < .seconds(7200) ? 60 : 3600
                return "the last \(Quantity.describe(.seconds(plan.span.seconds / unit * unit)))"
            } ?? "nothing"
        problems.warning(
            door.place,
            "the history of \(Plural.text(points, "point")) for \(Quantity.describe(settings.keep)) does not fit into "
                + "\(Quantity.describe(bytes: settings.maxBytes)): \(kept) is kept; give `history.maxBytes` more"
        )
    }

    /// Told once, at the bridge.
    func checkCount(_ ports: [Configuration.Port], of bridge: Configuration.Bridge) {
        let count = ports.reduce(0) { $0 + $1.nodes.count }
        guard bridge.isCloudIoT, count > Self.attachedMax else { return }
        problems.warning(
            bridge.place,
            "\(count) devices; a Cloud IoT gateway may have \(Self.attachedMax) attached at a time")
    }
}
