import Base

/// Data of the emulated bridge: one registry with its devices, gateways among them. A gateway is a
/// device with a `GatewayRole`.
package struct BridgeRegistry: Sendable {
    /// How a gateway's attach requests are judged (Cloud IoT's GatewayAuthMethod).
    package enum AuthMethod: String, Hashable, Sendable, CaseIterable {
        case associationOnly = "ASSOCIATION_ONLY"
        case deviceTokenOnly = "DEVICE_AUTH_TOKEN_ONLY"
        case associationAndDeviceToken = "ASSOCIATION_AND_DEVICE_AUTH_TOKEN"
        case unspecified = "GATEWAY_AUTH_METHOD_UNSPECIFIED"

        var needsBinding: Bool { self == .associationOnly || self == .associationAndDeviceToken }
        var needsToken: Bool { self == .deviceTokenOnly || self == .associationAndDeviceToken }
    }

    /// Level of the activity log; a device's own level goes before its registry's.
    package enum LogLevel: String, Hashable, Sendable, CaseIterable {
        case unspecified = "LOG_LEVEL_UNSPECIFIED"
        case none = "NONE"
        case error = "ERROR"
        case info = "INFO"
        case debug = "DEBUG"

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        func covers(_ level: LogLevel) -> Bool { rank >= level.rank }
    }

    /// Where telemetry goes: the first whose subfolder matches; one without a subfolder takes all.
    package struct EventTopic: Hashable, Sendable {
        package var topic: ByteString
        package var subfolder: ByteString

        package init(_ topic: ByteString, subfolder: ByteString = "") {
            self.topic = topic
            self.subfolder = subfolder
        }
    }

    package static let keysMax = 3
    package static let boundMax = 10_000
    package static let gatewaysPerDeviceMax = 10
    package static let eventTopicsMax = 10

    package var name: RegistryName
    package var devices: [ByteString: Device]
    /// Empty: telemetry is taken all the same, unless the switch `noTopic` closes.
    package var eventTopics: [EventTopic] = []
    package var stateTopic: ByteString?
    package var isMQTTEnabled = true
    package var isHTTPEnabled = true
    package var logLevel = LogLevel.unspecified

    package init(
        project: ByteString, region: ByteString, registry: ByteString,
        devices: [ByteString: Device] = [:]
    ) {
        name = RegistryName(project: project, region: region, registry: registry)
        self.devices = devices
    }

    package var project: ByteString { name.project }

    /// Prefix of a client id, before the device's id.
    package var clientIDPrefix: ByteString { "\(name)/devices/" }

    /// Pub/Sub topic for telemetry with that subfolder; nil if no configuration matches.
    package func topic(for subfolder: ByteString) -> ByteString? {
        eventTopics.first { $0.subfolder.isEmpty || $0.subfolder == subfolder }?.topic
    }

    package func gateways(of device: ByteString) -> [ByteString] {
        devices.filter { $0.value.gateway?.bound.contains(device) == true }.map(\.key).sorted()
    }

    /// Key files that the shell has to read, each once, in order of name.
    package var keyFiles: [ByteString] {
        Set(devices.values.flatMap(\.keys).filter { !$0.isPEM }.map(\.text)).sorted()
    }

    /// Puts the contents of a key file in its place.
    package mutating func resolve(_ path: ByteString, pem: ByteString) {
        for (id, device) in devices {
            for (index, key) in device.keys.enumerated() where key.text == path {
                devices[id]?.keys[index].text = pem
            }
        }
    }

    /// E3: `[a-zA-Z][-a-zA-Z0-9._+~%]+`, 3–255 characters, not starting with "goog". `+` is refused
    /// all the same: no MQTT topic name may hold it, so such a device could never speak.
    package static func isValidID(_ id: ByteString) -> Bool {
        guard (3...255).contains(id.utf8.count), !id.hasPrefix("goog"), let first = id.utf8.first
        else {
            return false
        }
        func isLetter(_ byte: UInt8) -> Bool {
            (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        }
        return isLetter(first)
            && id.utf8.allSatisfy {
                isLetter($0) || (0x30...0x39).contains($0) || "-._~%".utf8.contains($0)
            }
    }
}

/// `projects/{project}/locations/{region}/registries/{registry}`: what client ids and the admin
/// API's resource names begin with.
package struct RegistryName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var project: ByteString
    package var region: ByteString
    package var registry: ByteString

    package init(project: ByteString, region: ByteString, registry: ByteString) {
        self.project = project
        self.region = region
        self.registry = registry
    }

    /// The registry of a client id, whatever its device is; nil if it is not of that shape.
    package init?(clientID: ByteString) {
        let parts = clientID.split(0x2F, limit: 8)
        guard parts.count == 8, parts[0] == "projects", parts[2] == "locations",
            parts[4] == "registries",
            parts[6] == "devices", !parts[1].isEmpty, !parts[3].isEmpty, !parts[5].isEmpty
        else { return nil }
        self.init(project: parts[1], region: parts[3], registry: parts[5])
    }

    package var description: String {
        "projects/\(project)/locations/\(region)/registries/\(registry)"
    }
    package static func < (left: RegistryName, right: RegistryName) -> Bool {
        (left.project, left.region, left.registry) < (right.project, right.region, right.registry)
    }
}
