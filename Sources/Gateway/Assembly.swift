import Adapter
import Base
import Bridge
import Drivers
import Spool

/// From what the file says to what the machines want.
extension Gateway.Settings {
    /// - Parameter keys: how the private keys sign; none where none is configured.
    package init(
        _ configuration: Configuration, keys: KeyAlgorithms, floor: WallTime, version: String
    ) {
        let bridge = configuration.bridge
        self.init(
            gateway: bridge.gateway,
            ports: configuration.ports.map(Gateway.Settings.Port.init),
            configured: configuration.ports.map(\.withoutPlaces),
            bindings: configuration.bindings,
            spool: Journal.Settings(configuration),
            session: Session.Settings(configuration, keys: keys, floor: floor),
            topics: Gateway.Topics(bridge),
            liveWithin: bridge.liveWithin, batch: bridge.batch, version: version,
            credentials: ([bridge.ca, bridge.clientCertificate, bridge.clientKey].map {
                $0?.value ?? ""
            })
                + bridge.privateKeys.map(\.value), logLevel: configuration.logLevel,
            scansAdapters: configuration.scansAdapters, door: configuration.door?.withoutPlaces,
            alarms: configuration.alarms,
            health: configuration.health)
        publish = bridge.publish
    }
}

extension Gateway.Topics {
    /// Without telemetry there is no topic that a report could be below.
    fileprivate init(_ bridge: Configuration.Bridge) {
        let topics = bridge.layout.telemetry == nil ? nil : bridge.topics
        self.init(
            health: topics?.health, gaps: topics?.gaps, commands: topics?.commands,
            alarms: topics?.alarms)
    }
}

/// How the private keys of a configuration sign: the gateway's, and those of devices that have one.
package struct KeyAlgorithms: Hashable, Sendable {
    package var gateway: [SigningAlgorithm]
    package var devices: [DeviceID: SigningAlgorithm]

    package init(gateway: [SigningAlgorithm] = [], devices: [DeviceID: SigningAlgorithm] = [:]) {
        self.gateway = gateway
        self.devices = devices
    }
}

extension Gateway.Settings.Port {
    package init(_ port: Configuration.Port) {
        self.init(
            name: port.name, line: port.line, driver: port.driverSettings,
            service: port.withoutPlaces.serve)
    }
}

extension Configuration.Port {
    package var driverSettings: Gateway.Settings.Driver {
        switch driver {
        case .modbusRTU, .modbusTCP, .modbusASCII:
            .modbus(modbusSettings)
        case .uart:
            .uart(
                UARTDriver.Settings(
                    port: name, line: line, responseTimeout: responseTimeout, retries: retries,
                    nodes: nodes.compactMap(UARTDriver.Node.init)))
        }
    }

    private var modbusSettings: ModbusDriver.Settings {
        var settings = ModbusDriver.Settings(
            port: name, line: line, responseTimeout: responseTimeout, retries: retries,
            turnaround: turnaround, maxLoad: maxLoad, nodes: nodePlans)
        settings.serve = serve?.driver
        return settings
    }

    /// One plan per unit: devices that share a unit are read together, by the more careful of their
    /// limits.
    package var nodePlans: [NodePlan] {
        var plans: [NodePlan] = []
        var places: [UnitID: Int] = [:]
        for node in nodes {
            // Nobody answers a broadcast: its points are written only.
            let spans = node.unit.isBroadcast ? [] : node.points.spans
            guard let place = places[node.unit] else {
                places[node.unit] = plans.count
                plans.append(
                    NodePlan(
                        unit: node.unit, spans: spans, maxRegisters: node.maxRegisters,
                        maxBits: node.maxBits,
                        noMerge: node.noMerge, turnaround: node.turnaround,
                        responseTimeout: node.responseTimeout,
                        delay: node.delay, setup: node.setup.map(\.order)))
                plans[plans.count - 1].ranges = node.ranges
                plans[plans.count - 1].manners = node.manners
                plans[plans.count - 1].isUrgent = node.hasPriority
                continue
            }
            plans[place].spans += spans
            plans[place].setup += node.setup.map(\.order)
            plans[place].maxRegisters = min(plans[place].maxRegisters, node.maxRegisters)
            plans[place].maxBits = min(plans[place].maxBits, node.maxBits)
            plans[place].manners.answersAs =
                plans[place].manners.answersAs ?? node.manners.answersAs
            plans[place].manners.isLenient =
                plans[place].manners.isLenient || node.manners.isLenient
            plans[place].noMerge = plans[place].noMerge || node.noMerge
            plans[place].delay = max(plans[place].delay, node.delay)
            plans[place].ranges.merge(node.ranges) { $0 + $1 }
            plans[place].isUrgent = plans[place].isUrgent || node.hasPriority
        }
        for index in plans.indices {
            var seen: Set<Span> = []
            plans[index].spans.removeAll { !seen.insert($0).inserted }
        }
        return plans
    }

    /// Plan that the planner makes for this port: for `plan` and `check`.
    package var readPlan: ReadPlan {
        ReadPlan.make(
            line: line, turnaround: turnaround, responseTimeout: responseTimeout, nodes: nodePlans)
    }
}

extension Configuration.Node {
    /// A port reads a unit with such points by itself and gives its readings out at once.
    fileprivate var hasPriority: Bool { points.contains(where: \.priority) }
}

extension UARTDriver.Node {
    /// Nil for a node of a Modbus port.
    package init?(_ node: Configuration.Node) {
        guard let format = node.uart else { return nil }
        self.init(
            unit: node.unit, format: format, intervals: Set(node.points.map(\.interval)).sorted(),
            responseTimeout: node.responseTimeout, isUrgent: node.hasPriority)
    }
}

extension Journal.Settings {
    package init(_ configuration: Configuration) {
        let (bridge, spool) = (configuration.bridge, configuration.spool)
        let identity =
            switch bridge.dialect {
            case .cloudIoT(let project, _, let registry): "\(project)/\(registry)/\(bridge.gateway)"
            case .plain: "//\(bridge.gateway)"
            }
        self.init(
            identity: identity, gateway: bridge.gateway,
            gapSubfolder: bridge.layout.telemetry == nil ? nil : bridge.topics.gaps,
            maxBytes: spool.maxBytes, minFree: spool.minFree, maxAge: spool.maxAge,
            maxRecord: spool.maxRecord,
            share: spool.share, priorityReserve: spool.priorityReserve, sync: spool.sync,
            offersEarly: spool.publish == .live)
    }
}
