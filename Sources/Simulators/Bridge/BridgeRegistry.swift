/// What the emulated bridge knows: one registry with its devices, gateways among them. A gateway is
/// a device with a `GatewayRole`.
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

    package struct Key: Hashable, Sendable {
        /// PEM, or the path of a PEM file until `resolve` has replaced it.
        package var text: String
        /// Seconds since 1970; not used for new connections after that.
        package var expires: Int64?

        package init(_ text: String, expires: Int64? = nil) {
            self.text = text
            self.expires = expires
        }

        package var isPEM: Bool { text.hasPrefix("-----BEGIN ") }
    }

    package struct GatewayRole: Hashable, Sendable {
        package var authMethod: AuthMethod
        package var bound: Set<String>

        package init(authMethod: AuthMethod = .associationOnly, bound: Set<String> = []) {
            self.authMethod = authMethod
            self.bound = bound
        }
    }

    package struct Device: Hashable, Sendable {
        package var keys: [Key]
        package var blocked: Bool
        /// Configuration versions count from 1; a new device has version 1, empty.
        package var config: [UInt8]
        package var configVersion = 1
        /// The last version for which a PUBACK came.
        package var acknowledgedVersion: Int?
        package var gateway: GatewayRole?

        package init(
            keys: [Key] = [], blocked: Bool = false, config: [UInt8] = [], gateway: GatewayRole? = nil
        ) {
            self.keys = keys
            self.blocked = blocked
            self.config = config
            self.gateway = gateway
        }
    }

    package static let keysMax = 3
    package static let boundMax = 10_000
    package static let gatewaysPerDeviceMax = 10

    package var project: String
    package var region: String
    package var registry: String
    package var devices: [String: Device]

    package init(project: String, region: String, registry: String, devices: [String: Device] = [:]) {
        self.project = project
        self.region = region
        self.registry = registry
        self.devices = devices
    }

    /// What stands before a device's id in its client id.
    package var clientIDPrefix: String {
        "projects/\(project)/locations/\(region)/registries/\(registry)/devices/"
    }

    /// Key files that the shell has to read, each once, in order of name.
    package var keyFiles: [String] {
        Set(devices.values.flatMap(\.keys).filter { !$0.isPEM }.map(\.text)).sorted()
    }

    /// Puts the contents of a key file in its place.
    package mutating func resolve(_ path: String, pem: String) {
        for (id, device) in devices {
            for (index, key) in device.keys.enumerated() where key.text == path {
                devices[id]?.keys[index].text = pem
            }
        }
    }

    /// E3: `[a-zA-Z][-a-zA-Z0-9._+~%]+`, 3–255 characters, not starting with "goog".
    package static func isValidID(_ id: some StringProtocol) -> Bool {
        guard (3...255).contains(id.utf8.count), !id.hasPrefix("goog"), let first = id.utf8.first else {
            return false
        }
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
        return isLetter(first)
            && id.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || "-._+~%".utf8.contains($0) }
    }
}
