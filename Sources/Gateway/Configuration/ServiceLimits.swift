/// The most that one gateway serves. What `check` accepts fits into the bounds of
/// board/debian/fieldgw.service, and a test compares the two.
package enum ServiceLimits {
    package static let portsMax = 256
    package static let devicesMax = 4096
    /// Points of all devices together.
    package static let pointsMax = 131_072
    /// Helpers that open, set and close lines at one time; a close can wait in its driver for 30 s.
    package static let portHelpersMax = 16
    /// Helpers that connect lines at the other end of a network, each for 2.5 s at most.
    package static let lineConnectorsMax = 16
    /// The loop, disk, keys, network, log, ports, reload and scan; two look-ups of names.
    package static let otherTasks = 10
    /// A scan of an adapter that nobody has configured runs in a process of its own.
    package static let scanTasks = 4
    /// Descriptors beside those of the ports: journal, bridge, control clients, mailboxes, and what
    /// a reload reads.
    package static let otherDescriptors = 128
    /// The HTTP door's socket and clients, those included that are being turned away.
    package static let doorDescriptors = 49
    /// A line that is opened again while the one before is being closed.
    package static let descriptorsPerPort = 2

    /// Bytes that a point takes while a reload has the old and the new configuration. Measured with
    /// 256 ports of 16 devices of 30 points each: 193 MB in operation, 328 MB in a reload.
    package static let bytesPerPoint = 3 << 10
    /// Bytes that all but points, history and the HTTP door's clients take at the same time.
    package static let otherBytes = 64 << 20
    /// Largest `history.maxBytes`; a reload has the old and the new one for a moment.
    package static let historyBytesMax = 24 << 20
    /// Bytes that the HTTP door's clients may leave unread, together.
    package static let doorBytes = 12 << 20

    package static var memory: Int {
        pointsMax * bytesPerPoint + otherBytes + 2 * historyBytesMax + doorBytes
    }
    package static var tasks: Int { portHelpersMax + lineConnectorsMax + otherTasks + scanTasks }
    package static var descriptors: Int {
        portsMax * descriptorsPerPort + otherDescriptors + doorDescriptors
    }
}

extension ConfigurationReader {
    /// The points of a node that has been read.
    mutating func count(_ node: Configuration.Node) {
        pointsRead += node.points.count
        guard pointsRead > ServiceLimits.pointsMax else { return }
        problems.error(
            node.place,
            "more than \(ServiceLimits.pointsMax) points with this device's; one gateway serves no more: divide them among "
                + "several. What follows was not read")
    }

    /// Told once each, where the first that is too many stands.
    func checkSize(_ ports: [Configuration.Port]) {
        if ports.count > ServiceLimits.portsMax {
            problems.error(
                ports[ServiceLimits.portsMax].place,
                "\(ports.count) ports; one gateway serves \(ServiceLimits.portsMax): divide them among several"
            )
        }
        let nodes = ports.flatMap(\.nodes)
        if nodes.count > ServiceLimits.devicesMax {
            problems.error(
                nodes[ServiceLimits.devicesMax].place,
                "\(nodes.count) devices; one gateway serves \(ServiceLimits.devicesMax): divide them among several"
            )
        }
    }
}
