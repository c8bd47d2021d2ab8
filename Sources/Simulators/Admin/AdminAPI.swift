import Base
import HTTP

/// Answers requests of the Cloud IoT v1 admin API on a running bridge: what it changes is in force
/// at once. Names and shapes are those of the service's discovery document.
struct AdminAPI: Sendable {
    enum Answer: Sendable {
        case done(HTTPResponse)
        /// The command's PUBACK decides.
        case waits(ticket: UInt64)
    }

    static let devicesPageMax = 500
    static let registriesMax = 1000

    var lastTicket: UInt64 = 0
    /// When a device's configuration was changed last, for the switch `configInterval`.
    private var configChanges: [ByteString: Instant] = [:]

    mutating func answer(
        _ request: HTTPRequest, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> Answer {
        guard let path = AdminPath(request.path) else {
            throw AdminFault(.notFound, "There is nothing at \(Notice.printable(request.path)).")
        }
        let method = request.method == "HEAD" ? "GET" : request.method
        switch (method, path) {
        case ("GET", .registries(let project, let region)):
            return .done(try Self.listRegistries(project, region, request, cloud))
        case ("POST", .registries(let project, let region)):
            return .done(try Self.createRegistry(project, region, request, &cloud))
        case ("GET", .registry(let name, nil)):
            return .done(Self.document(try Self.find(name, cloud)))
        case ("PATCH", .registry(let name, nil)):
            return .done(try Self.patchRegistry(name, request, &cloud))
        case ("DELETE", .registry(let name, nil)):
            return .done(try Self.deleteRegistry(name, &cloud, at: now))
        case ("POST", .registry(let name, "bindDeviceToGateway")):
            return .done(try Self.bind(name, request, &cloud, at: now))
        case ("POST", .registry(let name, "unbindDeviceFromGateway")):
            return .done(try Self.unbind(name, request, &cloud, at: now))
        case ("GET", .devices(let name)): return .done(try Self.listDevices(name, request, cloud))
        case ("POST", .devices(let name)):
            return .done(try Self.createDevice(name, request, &cloud, at: now))
        case ("GET", .device(let name, let device, nil)):
            return .done(try Self.getDevice(name, device, request, cloud))
        case ("PATCH", .device(let name, let device, nil)):
            return .done(try Self.patchDevice(name, device, request, &cloud, at: now))
        case ("DELETE", .device(let name, let device, nil)):
            return .done(try Self.deleteDevice(name, device, &cloud, at: now))
        case ("POST", .device(let name, let device, "modifyCloudToDeviceConfig")):
            return .done(try modifyConfig(name, device, request, &cloud, at: now))
        case ("POST", .device(let name, let device, "sendCommandToDevice")):
            return try sendCommand(name, device, request, &cloud, at: now)
        case ("GET", .configVersions(let name, let device)):
            return .done(try Self.listConfigs(name, device, request, cloud))
        case ("GET", .states(let name, let device)):
            return .done(try Self.listStates(name, device, request, cloud))
        default:
            throw AdminFault(.unimplemented, "\(method) is not implemented here.")
        }
    }

    // MARK: Helpers

    static let empty = HTTPResponse(200, json: Array("{}".utf8))

    static func find(
        _ name: RegistryName, _ cloud: BridgeCloud
    ) throws(AdminFault) -> BridgeRegistry {
        guard let emulator = cloud.registries[name] else { throw .notFound("registry \(name)") }
        return emulator.registry
    }

    static func find(
        _ device: ByteString, in registry: BridgeRegistry
    ) throws(AdminFault) -> (id: ByteString, device: BridgeRegistry.Device) {
        guard let id = registry.id(of: device), let found = registry.devices[id] else {
            throw .notFound("device \(registry.clientIDPrefix)\(device)")
        }
        return (id, found)
    }

    static func json(_ body: (inout JSONWriter) -> Void) -> HTTPResponse {
        var json = JSONWriter()
        body(&json)
        return HTTPResponse(200, json: json.bytes)
    }

    // MARK: Configurations, states, commands

    private mutating func modifyConfig(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest,
        _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try Self.find(name, cloud)
        let (id, entry) = try Self.find(device, in: registry)
        let body = try AdminBody(request.body, known: ["versionToUpdate", "binaryData"])
        let bytes = try body.bytes("binaryData") ?? []
        let wanted = try body.integer("versionToUpdate") ?? 0
        guard wanted == 0 || wanted == Int64(entry.config.version) else {
            throw AdminFault(
                .failedPrecondition, "The config version is \(entry.config.version), not \(wanted)."
            )
        }
        let limit = cloud.switches.configMax
        guard bytes.count <= limit else {
            throw AdminFault(
                .invalidArgument, "A config has at most \(limit) bytes, this one \(bytes.count).")
        }
        let key: ByteString = "\(registry.clientIDPrefix)\(id)"
        if let last = configChanges[key], now.instant < last + cloud.switches.configInterval {
            throw AdminFault(
                .resourceExhausted,
                "The config of a device can be updated only once every "
                    + "\(cloud.switches.configInterval.milliseconds) ms.")
        }
        if cloud.switches.configInterval > .zero { configChanges[key] = now.instant }
        cloud.change(name) { _ = $0.setConfig(id, bytes, at: now) }
        let (_, changed) = try Self.find(id, in: try Self.find(name, cloud))
        return Self.json { AdminDocuments.config(changed.config, to: &$0) }
    }

    /// With QoS 1 the answer waits for the device's PUBACK.
    private mutating func sendCommand(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest,
        _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> Answer {
        let (id, _) = try Self.find(device, in: try Self.find(name, cloud))
        let body = try AdminBody(request.body, known: ["binaryData", "subfolder"])
        let bytes = try body.bytes("binaryData") ?? []
        let subfolder = try body.text("subfolder") ?? ""
        lastTicket += 1
        let ticket = lastTicket
        let fate = cloud.change(name) {
            $0.command(id, subfolder: subfolder, bytes, ticket: ticket, at: now)
        }
        switch fate {
        case .sent(.atMostOnce): return .done(Self.empty)
        case .sent: return .waits(ticket: ticket)
        case .notConnected:
            throw AdminFault(.failedPrecondition, "Device '\(id)' is not connected.")
        case .notSubscribed:
            throw AdminFault(
                .failedPrecondition, "Device '\(id)' is not subscribed to the commands topic.")
        case .tooLarge:
            throw AdminFault(
                .invalidArgument, "A command has at most \(cloud.switches.commandMax) bytes.")
        case .badSubfolder:
            throw AdminFault(
                .invalidArgument, "A subfolder has at most 256 bytes and no +, # or NUL.")
        case .congested:
            throw AdminFault(.resourceExhausted, "Too many commands wait for this device.")
        case nil: throw .notFound("registry \(name)")
        }
    }

    private static func listConfigs(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest, _ cloud: BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let (_, entry) = try find(device, in: try find(name, cloud))
        let count = try AdminPage.number(request, "numVersions") ?? 0
        return newest(count, of: entry.configs, as: "deviceConfigs") {
            AdminDocuments.config($0, to: &$1)
        }
    }

    private static func listStates(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest, _ cloud: BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let (_, entry) = try find(device, in: try find(name, cloud))
        let count = try AdminPage.number(request, "numStates") ?? 0
        return newest(count, of: entry.states, as: "deviceStates") {
            AdminDocuments.state($0, to: &$1)
        }
    }

    /// `{"KEY":[…]}`, the latest first; 0 is all of them.
    private static func newest<Item>(
        _ count: Int, of items: [Item], as key: String, _ write: (Item, inout JSONWriter) -> Void
    ) -> HTTPResponse {
        json { json in
            json.object { json in
                json.key(key)
                json.array { json in
                    for item in items.reversed().prefix(count == 0 ? .max : count) {
                        write(item, &json)
                    }
                }
            }
        }
    }
}
