import Base
import Platform
import Simulators

/// Plant of the demo: two lines, seven units that answer and one that does not. It gives each
/// line's part of the gateway's configuration.
struct DemoSite {
    struct Unit {
        var number: UInt8
        var device: String
        var points: String
        var cells: [Int: CellDescription]
        var isDead = false
    }

    struct Line {
        var name: String
        var baud: Int
        var parity: LineSettings.Parity
        var every: Int
        var units: [Unit]
    }

    static let gateway = "gw-demo"
    /// The command writes here.
    static let pump = (device: "pump-3", unit: UInt8(3), register: 6, value: 42)

    static let lines = [
        Line(
            name: "bus-a", baud: 19_200, parity: .even, every: 1,
            units: [
                meter(1), meter(2), pump(3), meter(4),
            ]),
        Line(
            name: "bus-b", baud: 9_600, parity: .none, every: 2,
            units: [
                weather(11), weather(12), weather(13),
                Unit(
                    number: 14, device: "valve-14", points: "position: { holding: 0 }", cells: [:],
                    isDead: true),
            ]),
    ]

    static var living: [Unit] { lines.flatMap(\.units).filter { !$0.isDead } }
    static var devices: [String] { lines.flatMap(\.units).map(\.device) }

    /// Register 0 of every unit counts its own replies: a reading that is lost or repeated shows.
    private static let counted = CellDescription(.reads)

    private static func meter(_ unit: UInt8) -> Unit {
        Unit(
            number: unit, device: "meter-\(unit)",
            points: """
                count: { holding: 0 }, power: { holding: 1, type: "float32", units: "W" },
                          voltage: { holding: 3, scale: 0.1, units: "V" }, current: { holding: 4, scale: 0.01, units: "A" },
                          state: { holding: 5, map: { 0: "off", 1: "on" } }, energy: { holding: 6, type: "uint32", units: "Wh" }
                """,
            cells: [
                0: counted,
                1: CellDescription(
                    .sine(mean: 1500, amplitude: 400, period: .seconds(20)), type: .float32),
                3: CellDescription(
                    .walk(start: 2300, step: 4, every: .milliseconds(500), low: 2200, high: 2400)),
                4: CellDescription(.ramp(from: 100, to: 900, period: .seconds(30))),
                5: CellDescription(.constant(1)),
                6: CellDescription(
                    .counter(start: 100_000, step: 3, every: .seconds(1)), type: .uint32),
            ])
    }

    private static func pump(_ unit: UInt8) -> Unit {
        Unit(
            number: unit, device: "pump-\(unit)",
            points: """
                count: { holding: 0 }, flow: { holding: 1, type: "float32", units: "m3/h" },
                          pressure: { holding: 3, scale: 0.01, units: "bar" }, speed: { holding: 4, units: "rpm" },
                          temperature: { holding: 5, type: "int16", scale: 0.1, units: "C" },
                          setpoint: { holding: 6, writable: { min: 0, max: 100 } }
                """,
            cells: [
                0: counted,
                1: CellDescription(
                    .sine(mean: 12, amplitude: 3, period: .seconds(15)), type: .float32),
                3: CellDescription(
                    .walk(start: 350, step: 3, every: .milliseconds(500), low: 300, high: 400)),
                4: CellDescription(.constant(1450)),
                5: CellDescription(
                    .sine(mean: 210, amplitude: 30, period: .seconds(60)), type: .int16),
                6: CellDescription(.constant(10)),
            ])
    }

    private static func weather(_ unit: UInt8) -> Unit {
        Unit(
            number: unit, device: "weather-\(unit)",
            points: """
                count: { holding: 0 }, temperature: { holding: 1, type: "int16", scale: 0.1, units: "C" },
                          humidity: { holding: 2, scale: 0.1, units: "%" }, wind: { holding: 3, scale: 0.1, units: "m/s" },
                          rain: { holding: 4, units: "mm" }, light: { holding: 5, units: "lx" }
                """,
            cells: [
                0: counted,
                1: CellDescription(
                    .sine(mean: 150, amplitude: 80, period: .seconds(60)), type: .int16),
                2: CellDescription(
                    .walk(start: 600, step: 5, every: .seconds(1), low: 300, high: 900)),
                3: CellDescription(
                    .walk(start: 30, step: 3, every: .seconds(1), low: 0, high: 200)),
                4: CellDescription(.counter(start: 0, step: 1, every: .seconds(10))),
                5: CellDescription(.ramp(from: 100, to: 50_000, period: .seconds(60))),
            ])
    }
}

extension DemoSite.Line {
    func description() -> BusDescription {
        var bus = BusDescription(
            baud: baud, parity: parity, jitter: .milliseconds(2), logLimit: 20_000)
        for unit in units {
            bus.units[unit.number] = BusUnitDescription(
                cells: [.holding: unit.cells], faults: BusFaults(dead: unit.isDead))
        }
        return bus
    }

    /// This line's part of the gateway's configuration.
    func configuration(device: String) -> String {
        let nodes = units.map { unit in
            "      \"\(unit.device)\": { unit: \(unit.number), points: {\n          \(unit.points) } },"
        }
        return """
                "\(name)": {
                  device: "\(device)", driver: "modbus-rtu", baud: \(baud), parity: "\(parity.rawValue)",
                  responseTimeout: "300ms", every: "\(every)s",
                  nodes: {
            \(nodes.joined(separator: "\n"))
                  },
                },
            """
    }
}

/// The demo's folder: keys, certificates, configuration, journal and log.
struct DemoFolder {
    let path: String
    let isKept: Bool

    init(kept: String?) throws {
        if let kept {
            path = kept
            isKept = true
            try FileSystem.makeDirectories(kept)
        } else {
            path = try FileSystem.makeTemporaryDirectory("fieldgw-demo")
            isKept = false
        }
    }

    /// The gateway's key pair; the answer is the public half, for the registry.
    func makeKey() throws -> String {
        let key = try PrivateKey.generate(.ec)
        let file = path + "/gateway.pem"
        if FileSystem.exists(file) { return try PrivateKey.load(file).publicPEM }
        try FileSystem.create(file, Array(try key.privatePEM().utf8))
        return key.publicPEM
    }

    func writeConfiguration(port: Int, lines: [(DemoSite.Line, String)]) throws -> String {
        let text = """
            // Written by `fieldsim demo`.
            {
              bridge: {
                host: "localhost", port: \(port), ca: "certificates/ca.pem",
                project: "demo", region: "nowhere1", registry: "plant", gateway: "\(DemoSite.gateway)",
                privateKey: "gateway.pem",
              },
              spool: { directory: "spool" }, state: "state", clock: "trust",
              ports: {
            \(lines.map { $0.0.configuration(device: $0.1) }.joined(separator: "\n"))
              },
            }

            """
        let file = path + "/gateway.json5"
        try FileSystem.replace(file, Array(text.utf8))
        return file
    }

    func remove() {
        if !isKept { FileSystem.removeTree(path) }
    }
}
