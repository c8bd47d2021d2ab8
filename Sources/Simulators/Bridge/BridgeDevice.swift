import Base

extension BridgeRegistry {
    package struct Key: Hashable, Sendable {
        /// PEM, or the path of a PEM file until `resolve` has replaced it.
        package var text: ByteString
        /// Seconds since 1970; not used for new connections after that.
        package var expires: Int64?
        /// RSA_PEM, RSA_X509_PEM, ES256_PEM or ES256_X509_PEM; nil if nobody has said it.
        package var format: ByteString?

        package init(_ text: ByteString, expires: Int64? = nil, format: ByteString? = nil) {
            self.text = text
            self.expires = expires
            self.format = format
        }

        package var isPEM: Bool { text.hasPrefix("-----BEGIN ") }
    }

    package struct GatewayRole: Hashable, Sendable {
        package var authMethod: AuthMethod
        package var bound: Set<ByteString>

        package init(authMethod: AuthMethod = .associationOnly, bound: Set<ByteString> = []) {
            self.authMethod = authMethod
            self.bound = bound
        }
    }

    /// One version of a device's configuration.
    package struct Config: Hashable, Sendable {
        package var version: Int
        package var bytes: [UInt8]
        package var updated: WallTime?
        /// When its PUBACK came.
        package var acknowledged: WallTime?
    }

    package struct StateReport: Hashable, Sendable {
        package var bytes: [UInt8]
        package var updated: WallTime
    }

    /// Latest events of a device; nil is never.
    package struct Traces: Hashable, Sendable {
        package var heartbeat: WallTime?
        package var event: WallTime?
        package var state: WallTime?
        package var configSent: WallTime?
        package var configAcknowledged: WallTime?
        package var error: (at: WallTime, code: StatusCode, message: String)? {
            get { errorAt.map { ($0, errorCode, errorMessage) } }
            set {
                (errorAt, errorCode, errorMessage) = (
                    newValue?.at, newValue?.code ?? .ok, newValue?.message ?? ""
                )
            }
        }
        package var gateway: ByteString?
        package var gatewayAt: WallTime?
        private var errorAt: WallTime?
        private var errorCode = StatusCode.ok
        private var errorMessage = ""
    }

    package struct Device: Hashable, Sendable {
        /// How many versions of the configuration and how many states are kept.
        package static let historyMax = 10

        package var keys: [Key]
        package var blocked: Bool
        package var gateway: GatewayRole?
        package var metadata: [ByteString: ByteString] = [:]
        package var logLevel = LogLevel.unspecified
        package var traces = Traces()
        /// Oldest first, never empty: versions count from 1, and a new device has version 1, empty.
        package private(set) var configs: [Config]
        /// Oldest first.
        package private(set) var states: [StateReport] = []

        package init(
            keys: [Key] = [], blocked: Bool = false, config: [UInt8] = [],
            gateway: GatewayRole? = nil,
            created: WallTime? = nil
        ) {
            self.keys = keys
            self.blocked = blocked
            self.gateway = gateway
            configs = [Config(version: 1, bytes: config, updated: created)]
        }

        package var config: Config { configs[configs.count - 1] }

        /// The last version for which a PUBACK came.
        package var acknowledgedVersion: Int? { configs.last { $0.acknowledged != nil }?.version }

        mutating func setConfig(_ bytes: [UInt8], at now: WallTime) {
            configs.append(Config(version: config.version + 1, bytes: bytes, updated: now))
            if configs.count > Self.historyMax { configs.removeFirst() }
        }

        mutating func acknowledge(config version: Int, at now: WallTime) {
            traces.configAcknowledged = now
            guard let index = configs.firstIndex(where: { $0.version == version }) else { return }
            configs[index].acknowledged = now
        }

        mutating func addState(_ bytes: [UInt8], at now: WallTime) {
            states.append(StateReport(bytes: bytes, updated: now))
            if states.count > Self.historyMax { states.removeFirst() }
            traces.state = now
        }
    }
}

extension BridgeRegistry {
    /// A device's numeric id: the same for the same name, below 2⁵³, in the range of real ones.
    package func numericID(of device: ByteString) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "\(clientIDPrefix)\(device)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return 2_500_000_000_000_000 + hash % 500_000_000_000_000
    }

    /// The device's own id; a numeric id (admin API only) is looked up. Nil if there is none.
    package func id(of name: ByteString) -> ByteString? {
        if devices[name] != nil { return name }
        guard let number = UInt64(name.string) else { return nil }
        return devices.keys.first { numericID(of: $0) == number }
    }
}
