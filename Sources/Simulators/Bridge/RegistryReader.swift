import Base

/// Everything that is wrong with a registry file, each with its place.
package struct RegistryError: Error, Hashable, Sendable {
    package struct Problem: Hashable, Sendable, CustomStringConvertible {
        package var position: TextPosition
        package var message: String

        package var description: String { "\(position.line):\(position.column): error: \(message)" }
    }

    package var problems: [Problem]
}

extension BridgeRegistry {
    /// Reads a registry file, JSON5:
    /// ```json5
    /// { project: "acme", region: "us-central1", registry: "plant",
    ///   gateways: {
    ///     "gw-7": { keys: ["gw-7.pub.pem"], authMethod: "ASSOCIATION_ONLY", bound: ["meter-1"] } },
    ///   devices: { "meter-1": { config: "{}" } } }
    /// ```
    /// A key is PEM text, the path of a PEM file, or `{ key, expires }` with seconds since 1970.
    /// More keys: `eventTopics: { "": "projects/p/topics/t", subfolder: … }`, `stateTopic`,
    /// `logLevel`; a device's `metadata` and `logLevel`; and `switches`, which the emulator's
    /// options are too.
    package init(json5 bytes: [UInt8]) throws(RegistryError) {
        self = try Self.read(bytes).registry
    }

    /// The registry and the switches that its file sets.
    package static func read(
        _ bytes: [UInt8]
    ) throws(RegistryError) -> (registry: BridgeRegistry, switches: BridgeSwitches) {
        let json: JSON
        do {
            json = try JSONReader.parse(bytes, .json5)
        } catch {
            throw RegistryError(problems: [.init(position: error.position, message: error.message)])
        }
        var reader = RegistryReader()
        let registry = reader.registry(json)
        let switches = reader.switches(json)
        guard reader.problems.isEmpty else {
            throw RegistryError(problems: reader.problems.sorted { $0.position < $1.position })
        }
        return (registry, switches)
    }
}

private struct RegistryReader {
    var problems: [RegistryError.Problem] = []

    mutating func complain(_ position: TextPosition, _ message: String) {
        problems.append(.init(position: position, message: message))
    }

    mutating func registry(_ json: JSON) -> BridgeRegistry {
        let members = self.members(
            json, of: "the registry",
            [
                "project", "region", "registry", "gateways", "devices", "eventTopics", "stateTopic",
                "logLevel", "switches",
            ])
        var registry = BridgeRegistry(
            project: name(members["project"], "project", json),
            region: name(members["region"], "region", json),
            registry: name(members["registry"], "registry", json))
        for (subfolder, topic) in texts(members["eventTopics"], "eventTopics") {
            registry.eventTopics.append(.init(topic, subfolder: subfolder))
        }
        // One that takes everything must come last.
        registry.eventTopics.sort { !$0.subfolder.isEmpty && $1.subfolder.isEmpty }
        registry.stateTopic = members["stateTopic"].map { text($0, "stateTopic") }
        registry.logLevel = logLevel(members["logLevel"])
        var bindings: [(device: ByteString, position: TextPosition)] = []
        for (section, isGateway) in [("gateways", true), ("devices", false)] as [(ByteString, Bool)]
        {
            guard let value = members[section] else { continue }
            guard let entries = value.members else {
                complain(
                    value.position,
                    "\(section) must be an object keyed by device ID, not \(value.describe)")
                continue
            }
            for entry in entries {
                if !BridgeRegistry.isValidID(entry.name) {
                    complain(entry.position, "\"\(entry.name.prefix(80))\" is not a device ID")
                }
                let device = self.device(entry, isGateway: isGateway, &bindings)
                if registry.devices.updateValue(device, forKey: entry.name) != nil {
                    complain(
                        entry.position, "the device \"\(entry.name.prefix(80))\" is given twice")
                }
            }
        }
        check(bindings, in: registry)
        return registry
    }

    private mutating func check(
        _ bindings: [(device: ByteString, position: TextPosition)], in registry: BridgeRegistry
    ) {
        var gateways: [ByteString: Int] = [:]
        for (device, position) in bindings {
            if registry.devices[device] == nil {
                complain(
                    position, "\"\(device.prefix(80))\" is bound here but is not among the devices")
            }
            gateways[device, default: 0] += 1
            if gateways[device] == BridgeRegistry.gatewaysPerDeviceMax + 1 {
                complain(position, "\"\(device.prefix(80))\" is bound to more than 10 gateways")
            }
        }
    }

    private mutating func device(
        _ entry: JSON.Member, isGateway: Bool,
        _ bindings: inout [(device: ByteString, position: TextPosition)]
    ) -> BridgeRegistry.Device {
        let ofGateways: [ByteString] = isGateway ? ["authMethod", "bound"] : []
        let known = ["keys", "blocked", "config", "metadata", "logLevel"] + ofGateways
        let members = self.members(entry.value, of: "\"\(entry.name.prefix(80))\"", known)
        let config = members["config"].map { Array(text($0, "config").utf8) }
        var device = BridgeRegistry.Device(config: config ?? [])
        for item in array(members["keys"], "keys") { key(item).map { device.keys.append($0) } }
        if device.keys.count > BridgeRegistry.keysMax, let keys = members["keys"] {
            complain(keys.position, "\(device.keys.count) keys; a device has at most 3")
        }
        if let blocked = members["blocked"] {
            if let value = blocked.bool {
                device.blocked = value
            } else {
                complain(blocked.position, "blocked must be true or false, not \(blocked.describe)")
            }
        }
        device.logLevel = logLevel(members["logLevel"])
        for (name, value) in texts(members["metadata"], "metadata") {
            device.metadata[name] = value
        }
        guard isGateway else { return device }
        var role = BridgeRegistry.GatewayRole()
        if let method = members["authMethod"] {
            let word = text(method, "authMethod")
            if let known = BridgeRegistry.AuthMethod(word: word) {
                role.authMethod = known
            } else {
                let all = BridgeRegistry.AuthMethod.allCases.map(\.rawValue).joined(separator: ", ")
                complain(method.position, "authMethod \"\(word.prefix(80))\" is not one of \(all)")
            }
        }
        for item in array(members["bound"], "bound") {
            let id = text(item, "a bound device")
            role.bound.insert(id)
            bindings.append((id, item.position))
        }
        device.gateway = role
        return device
    }

    private mutating func key(_ json: JSON) -> BridgeRegistry.Key? {
        if let text = json.string { return BridgeRegistry.Key(text) }
        guard json.members != nil else {
            complain(json.position, "a key must be a string or an object, not \(json.describe)")
            return nil
        }
        let members = self.members(json, of: "a key", ["key", "expires"])
        guard let text = members["key"]?.string else {
            complain(json.position, "the key's text or path is missing")
            return nil
        }
        guard let expires = members["expires"] else { return BridgeRegistry.Key(text) }
        guard let seconds = expires.integer else {
            complain(
                expires.position, "expires must be seconds since 1970, not \(expires.describe)")
            return nil
        }
        return BridgeRegistry.Key(text, expires: seconds)
    }

    private mutating func members(
        _ json: JSON, of what: String, _ known: [ByteString]
    ) -> [ByteString: JSON] {
        guard let members = json.members else {
            complain(json.position, "\(what) must be an object, not \(json.describe)")
            return [:]
        }
        var found: [ByteString: JSON] = [:]
        for member in members {
            if !known.contains(member.name) {
                complain(
                    member.position,
                    "unknown key \"\(member.name.prefix(80))\"; known are \(known.map(\.string).joined(separator: ", "))"
                )
            } else if found.updateValue(member.value, forKey: member.name) != nil {
                complain(member.position, "the key \"\(member.name.prefix(80))\" is given twice")
            }
        }
        return found
    }

    private mutating func logLevel(_ json: JSON?) -> BridgeRegistry.LogLevel {
        guard let json else { return .unspecified }
        let word = text(json, "logLevel")
        if let level = BridgeRegistry.LogLevel(word: word) { return level }
        let all = BridgeRegistry.LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
        complain(json.position, "logLevel \"\(word.prefix(80))\" is not one of \(all)")
        return .unspecified
    }

    /// An object of strings.
    private mutating func texts(_ json: JSON?, _ what: String) -> [(ByteString, ByteString)] {
        guard let json else { return [] }
        guard let members = json.members else {
            complain(json.position, "\(what) must be an object, not \(json.describe)")
            return []
        }
        return members.map { ($0.name, text($0.value, "\(what).\($0.name)")) }
    }

    mutating func switches(_ json: JSON) -> BridgeSwitches {
        var switches = BridgeSwitches()
        guard let value = json["switches"] else { return switches }
        guard let members = value.members else {
            complain(value.position, "switches must be an object, not \(value.describe)")
            return switches
        }
        for member in members {
            let text: ByteString
            switch member.value.kind {
            case .string(let word): text = word
            case .number(let word): text = ByteString(word)
            case .bool(let bool): text = bool ? "true" : "false"
            default: text = ""
            }
            do {
                try BridgeKnob.set(member.name, to: text, in: &switches)
            } catch {
                complain(member.position, error.message)
            }
        }
        return switches
    }

    private mutating func array(_ json: JSON?, _ what: String) -> [JSON] {
        guard let json else { return [] }
        guard let items = json.array else {
            complain(json.position, "\(what) must be an array, not \(json.describe)")
            return []
        }
        return items
    }

    private mutating func text(_ json: JSON, _ what: String) -> ByteString {
        guard let text = json.string else {
            complain(json.position, "\(what) must be a string, not \(json.describe)")
            return ""
        }
        return text
    }

    private mutating func name(_ json: JSON?, _ what: String, _ parent: JSON) -> ByteString {
        guard let json else {
            complain(parent.position, "\(what) is missing")
            return ""
        }
        let text = self.text(json, what)
        if json.string != nil, text.isEmpty || text.contains("/") {
            complain(json.position, "\(what) must not be empty or contain a slash")
        }
        return text
    }
}
