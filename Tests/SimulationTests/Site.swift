import Base
import Gateway
import Simulators

/// What is simulated: two lines with five units, the configuration that reads them, the registry
/// that knows them, and what every point must read as when the bus has served certain words.
struct Site {
    struct Point {
        enum Meaning { case whole, hundredths, float, bit }

        var name: String
        var table: Table
        var address: Int
        var meaning: Meaning
        /// Every read of it gives another value.
        var isUnique = false

        var words: Int { meaning == .float ? 2 : 1 }

        /// Whether `value`, as it stands in a payload, is what these words mean.
        func isMeant(by value: JSON, _ words: ArraySlice<UInt16>) -> Bool {
            guard let first = words.first else { return false }
            switch meaning {
            case .bit: return value.bool == (first != 0)
            case .whole: return value.integer == Int64(first)
            case .hundredths:
                return value.double.map { ($0 * 100 - Double(first)).magnitude < 1e-6 } ?? false
            case .float:
                guard words.count == 2, let last = words.last, case .number(let text) = value.kind
                else { return false }
                return Float(text)?.bitPattern == UInt32(first) << 16 | UInt32(last)
            }
        }
    }

    struct Unit {
        var line: Int
        var number: UInt8
        var device: String
        var every: Int
        var points: [Point]
    }

    /// Changes of the configuration for one scenario.
    struct Options {
        var tokenLifetime = "1h"
        var unbound: Set<String> = []
        var maxBytes = "64MiB"
        /// Whether readings are sent at once, or when they are durable.
        var publish = "live"
        var clock = "auto"
        /// More keys of the setpoint.
        var safe = ""
        /// Devices that the file does not have; a port without any is not there either.
        var without: Set<String> = []
        /// Other intervals than the usual ones, in seconds.
        var every: [String: Int] = [:]
        var responseTimeout = "300ms"
        /// More keys of the bridge.
        var bridge = ""
        /// More keys of the top level.
        var top = ""
        /// More keys of a port.
        var port = ""
        /// More keys of a node.
        var keys: [String: String] = [:]
        /// What units answer to the functions beyond their tables.
        var functions: [String: BusUnitFunctions] = [:]
    }

    static let gateway = "gw-7"
    static let lineNames = [PortName("bus-a"), PortName("bus-b")]
    static let setpoint = 10
    /// Their alarms wait for nobody; the others' reads go in bursts.
    static let urgent: Set = ["meter-1", "pump-7"]
    /// A serial number; every ten minutes it is that of another meter.
    static let serial = 20

    let options: Options
    let units: [Unit]
    /// Whether readings may be sent before they are durable.
    var sendsEarly: Bool { options.publish == "live" }

    init(_ options: Options = Options()) {
        self.options = options
        let places: [(Int, UInt8, String, Int)] = [
            (0, 1, "meter-1", 5), (0, 2, "meter-2", 10), (0, 17, "meter-3", 10),
            (1, 1, "tank-1", 10), (1, 7, "pump-7", 20),
        ]
        units = places.map { line, number, device, every in
            Unit(line: line, number: number, device: device, every: every, points: Self.points)
        }
    }

    static let points = [
        Point(name: "reads", table: .holding, address: 0, meaning: .whole, isUnique: true),
        Point(name: "level", table: .holding, address: 1, meaning: .hundredths),
        Point(name: "flow", table: .holding, address: 2, meaning: .float),
        Point(name: "setpoint", table: .holding, address: setpoint, meaning: .whole),
        Point(name: "count", table: .input, address: 4, meaning: .whole, isUnique: true),
        Point(name: "alarm", table: .discrete, address: 3, meaning: .bit),
    ]

    static let pointsByName = Dictionary(uniqueKeysWithValues: points.map { ($0.name, $0) })

    var devices: [String] { units.map(\.device) }
    func unit(of device: String) -> Unit? { units.first { $0.device == device } }

    var registry: BridgeRegistry {
        let role = BridgeRegistry.GatewayRole(
            authMethod: .associationOnly,
            bound: Set(Set(devices).subtracting(options.unbound).map { ByteString($0) }))
        var registry = BridgeRegistry(project: "acme", region: "us-central1", registry: "plant")
        registry.devices[ByteString(Self.gateway)] = .init(
            keys: [.init("-----BEGIN TEST KEY")], gateway: role)
        for device in devices { registry.devices[ByteString(device)] = .init() }
        return registry
    }

    func bus(_ line: Int) -> BusDescription {
        var bus = BusDescription(
            baud: line == 0 ? 19_200 : 9600, parity: line == 0 ? .even : .none, logLimit: 200_000)
        for unit in units where unit.line == line {
            let base = Double(unit.number) * 10
            bus.units[unit.number] = BusUnitDescription(
                cells: [
                    .holding: [
                        0: CellDescription(.reads),
                        1: CellDescription(
                            .walk(
                                start: 1000 + base, step: 7, every: .seconds(1), low: 0, high: 9999)
                        ),
                        2: CellDescription(
                            .sine(mean: base, amplitude: 3.7, period: .seconds(91)), type: .float32),
                        Self.setpoint: CellDescription(.constant(0)),
                        Self.serial: CellDescription(
                            .counter(start: 4711, step: 1, every: .seconds(600))),
                    ],
                    .input: [4: CellDescription(.reads)],
                    .discrete: [
                        3: CellDescription(.counter(start: 0, step: 1, every: .seconds(37)))
                    ],
                ],
                turnaround: .milliseconds(Int64(4 + unit.number)))
            if let functions = options.functions[unit.device] {
                bus.units[unit.number]?.functions = functions
            }
        }
        return bus
    }

    var configuration: String {
        let present = units.filter { !options.without.contains($0.device) }
        let lines = Self.lineNames.indices.filter { line in present.contains { $0.line == line } }
            .map { line in
                let nodes = present.filter { $0.line == line }.map { unit in
                    """
                          "\(unit.device)": { unit: \(unit.number), every: "\(options.every[unit.device] ?? unit.every)s", \(options.keys[unit.device] ?? "") points: {
                            reads: { holding: 0 }, level: { holding: 1, scale: 0.01 }, flow: { holding: 2, type: "float32" },
                            setpoint: { holding: \(Self.setpoint), every: "60s", \(options.safe) writable: { min: 0, max: 1000, perMinute: 60, perDay: 5000 } },
                            count: { input: 4, every: "60s" }, alarm: { discrete: 3, every: "60s", priority: \(Self.urgent.contains(unit.device)) },
                          } },
                    """
                }
                let description = bus(line)
                return """
                        "\(Self.lineNames[line])": {
                          device: "/dev/\(Self.lineNames[line])", driver: "modbus-rtu", baud: \(description.baud),
                          parity: "\(description.parity.rawValue)", responseTimeout: "\(options.responseTimeout)", every: "10s",
                          \(options.port)
                          nodes: {
                    \(nodes.joined(separator: "\n"))
                          },
                        },
                    """
            }
        return """
            {
              bridge: {
                host: "bridge.example", port: 8883, project: "acme", region: "us-central1", registry: "plant",
                gateway: "\(Self.gateway)", privateKey: "gw-7.pem", tokenLifetime: "\(options.tokenLifetime)",
                \(options.bridge)
              },
              spool: {
                maxBytes: "\(options.maxBytes)", minFree: "0MiB", publish: "\(options.publish)"
              },
              clock: "\(options.clock)", \(options.top)
              ports: {
            \(lines.joined(separator: "\n"))
              },
            }
            """
    }

    /// The way that `fieldgw run` takes from a text to settings.
    func settings() throws -> Gateway.Settings {
        let (read, diagnostics) = Configuration.read(
            Array(configuration.utf8), fileName: "gw.json5"
        ) { _ in
            .failure(ProfileFailure("does not exist"))
        }
        guard let read else { throw Unreadable(reasons: diagnostics.map { "\($0)" }) }
        return Gateway.Settings(
            read, keys: KeyAlgorithms(gateway: [.es256]),
            floor: WallTime(milliseconds: 1_760_000_000_000), version: "simulated")
    }

    struct Unreadable: Error { var reasons: [String] }
}
