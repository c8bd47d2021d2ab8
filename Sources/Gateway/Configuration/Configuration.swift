import Adapter
import Base
import Drivers

/// Content of one configuration file, checked and with every default filled in. Paths are resolved
/// against the directory of the file as it was named; everything else is a plain value.
package struct Configuration: Hashable, Sendable {
    package enum ClockTrust: String, Hashable, Sendable, CaseIterable { case auto, trust }
    /// Lines of the log that are wanted, from few to many; `wire`: every frame of the lines too.
    package enum LogLevel: String, Hashable, Sendable, CaseIterable {
        case error, warning, info, debug, wire
    }

    package var bridge: Bridge
    package var spool: Spool
    package var clock: ClockTrust
    package var logLevel: LogLevel
    /// Look who is on the line of an adapter that no port means.
    package var scansAdapters = false
    /// The HTTP door; nil: none.
    package var door: Door?
    package var alarms = Alarms.Settings()
    package var health = HealthSettings()
    /// The state directory; nil: `$STATE_DIRECTORY`.
    package var state: Located<String>?
    /// The control socket; nil: `$RUNTIME_DIRECTORY/control.sock`.
    package var control: Located<String>?
    /// In the order of the file.
    package var ports: [Port]
    /// Every file and device that the configuration names, for checks against the file system.
    package var files: [FileReference]

    /// A path that the configuration names and what it is for.
    package struct FileReference: Hashable, Sendable {
        package enum Role: Hashable, Sendable {
            case certificateAuthority, privateKey, clientCertificate, clientKey
            /// The HTTP door's.
            case serverCertificate, serverKey
            case device(PortName)
            /// The configuration itself, in which this key's secret stands in the clear.
            case clearSecret(ByteString)
            /// A file that holds the secret of this key.
            case secretFile(ByteString)
        }
        package var role: Role
        package var path: Located<String>

        package init(_ role: Role, _ path: Located<String>) {
            self.role = role
            self.path = path
        }
    }

    /// How records are kept until the bridge has them.
    package struct Spool: Hashable, Sendable {
        package enum WhenFull: String, Hashable, Sendable, CaseIterable { case dropOldest }
        /// When a reading is published: at once, or when it is durable.
        package enum Publish: String, Hashable, Sendable, CaseIterable { case live, durable }

        /// Nil: `spool` in the state directory.
        package var directory: Located<String>? = nil
        package var maxBytes = 64 << 20
        package var minFree = 64 << 20
        package var maxAge: Duration = .seconds(30 * 86_400)
        package var maxRecord = 64 << 10
        /// Of `maxBytes`, what one device may hold before its own oldest records go first.
        package var share = 0.25
        /// Of `maxBytes`, what is kept for priority points and command results.
        package var priorityReserve = 4 << 20
        package var whenFull = WhenFull.dropOldest
        package var sync: Duration = .seconds(1)
        package var publish = Publish.live

        package init() {}
    }

    /// One serial line.
    package struct Port: Hashable, Sendable {
        package enum Driver: String, Hashable, Sendable, CaseIterable {
            case modbusRTU = "modbus-rtu"
            case modbusTCP = "modbus-tcp"
            case modbusASCII = "modbus-ascii"
            case uart

            package var isModbus: Bool { self != .uart }
            /// The driver that a profile is for, whatever form the frames have.
            var family: Driver { isModbus ? .modbusRTU : .uart }
            package var framing: LineSettings.Framing {
                switch self {
                case .modbusRTU, .uart: .plain
                case .modbusTCP: .mbap
                case .modbusASCII: .ascii
                }
            }
        }

        package var name: PortName
        package var place: FilePlace
        package var driver: Driver
        package var line: LineSettings
        package var responseTimeout: Duration
        package var retries: Int
        package var turnaround: Duration
        package var every: Duration
        package var maxLoad: Double
        /// How long its line may be gone before its devices are detached.
        package var detachAfter: Duration
        package var nodes: [Node]
        /// The server for other masters of the line; nil: none.
        package var serve: LineServiceSettings?
    }

    /// One device and how it is read.
    package struct Node: Hashable, Sendable {
        package var device: DeviceID
        package var place: FilePlace
        /// On a UART port the node's place in the file, from 1.
        package var unit: UnitID
        /// Whether another device may have the same unit.
        package var share: Bool
        package var every: Duration
        package var profile: ByteString?
        package var points: [Point]
        package var actions: [Action]
        package var setup: [SetupStep]
        /// How the unit is recognised while it is polled; empty: not at all.
        package var identify: [Fingerprint] = []
        /// Longest read in registers and in bits.
        package var maxRegisters: Int
        package var maxBits: Int
        /// Reads touch nothing that no point asked for.
        package var noMerge: Bool
        /// Addresses that one request may span, by table; a table without any is readable
        /// everywhere.
        package var ranges: [Table: [ClosedRange<Int>]]
        /// Nil: the port's.
        package var turnaround: Duration?
        package var responseTimeout: Duration?
        /// Its own key, for bridges that want a token of each device.
        package var privateKey: Located<String>?
        /// The least silence on the line before a request to it.
        package var delay: Duration = .zero
        package var manners = UnitManners()
        /// Present on a UART port only.
        package var uart: UARTProtocol?
    }

    /// Bindings that the adapter needs: one per device.
    package var bindings: [Binding] { ports.flatMap(\.bindings) }
}

extension Configuration.Port {
    /// The same wherever it stands in its file: for comparing two files.
    var withoutPlaces: Configuration.Port {
        let nowhere = FilePlace("", TextPosition(line: 0, column: 0))
        var port = self
        port.place = nowhere
        port.serve?.place = nowhere
        for index in port.nodes.indices {
            port.nodes[index].place = nowhere
            port.nodes[index].privateKey?.place = nowhere
        }
        return port
    }

    package var bindings: [Binding] {
        nodes.map { node in
            Binding(
                device: node.device, address: Address(port: name, unit: node.unit),
                points: node.points,
                actions: node.actions, setup: node.setup)
        }
    }
}
