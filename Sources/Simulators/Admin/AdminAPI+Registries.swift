import Base
import HTTP

/// projects.locations.registries.
extension AdminAPI {
    static func document(_ registry: BridgeRegistry) -> HTTPResponse {
        json { AdminDocuments.registry(registry, to: &$0) }
    }

    static func listRegistries(
        _ project: ByteString, _ region: ByteString, _ request: HTTPRequest, _ cloud: BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let found = cloud.registries.keys.filter { $0.project == project && $0.region == region }
            .map(\.registry).sorted()
        let (page, next) = try AdminPage.cut(found, request, sizeMax: registriesMax)
        return json { json in
            json.object { json in
                json.key("deviceRegistries")
                json.array { json in
                    for id in page {
                        let name = RegistryName(project: project, region: region, registry: id)
                        if let emulator = cloud.registries[name] {
                            AdminDocuments.registry(emulator.registry, to: &json)
                        }
                    }
                }
                if let next { json.member("nextPageToken", next) }
            }
        }
    }

    static func createRegistry(
        _ project: ByteString, _ region: ByteString, _ request: HTTPRequest,
        _ cloud: inout BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let body = try AdminBody(request.body, known: AdminFields.registry)
        let id = try body.text("id") ?? ""
        guard BridgeRegistry.isValidID(id) else {
            throw AdminFault(.invalidArgument, "Invalid registry id '\(Notice.printable(id))'.")
        }
        var registry = BridgeRegistry(project: project, region: region, registry: id)
        guard cloud.registries[registry.name] == nil else {
            throw AdminFault(.alreadyExists, "The registry \(registry.name) exists already.")
        }
        guard cloud.registries.count < registriesMax else {
            throw AdminFault(.resourceExhausted, "There are \(registriesMax) registries already.")
        }
        try set(Set(AdminFields.registry), of: &registry, to: body)
        cloud.add(registry)
        return document(registry)
    }

    static func patchRegistry(
        _ name: RegistryName, _ request: HTTPRequest, _ cloud: inout BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        var registry = try find(name, cloud)
        guard let mask = SnakeCase.mask(request.query("updateMask")) else {
            throw AdminFault(.invalidArgument, "updateMask must name the fields to be updated.")
        }
        let fields = Set(
            mask.map { field in
                let first = field.split(0x2E, limit: 2)[0]
                // The discovery document's own text names it without its s.
                return first == "eventNotificationConfig" ? "eventNotificationConfigs" : first
            })
        let mutable: Set<ByteString> = [
            "eventNotificationConfigs", "stateNotificationConfig", "mqttConfig", "httpConfig",
            "logLevel", "credentials",
        ]
        if let other = fields.subtracting(mutable).sorted().first {
            throw AdminFault(
                .invalidArgument,
                "The field '\(Notice.printable(other))' of a registry cannot be updated.")
        }
        let body = try AdminBody(request.body, known: AdminFields.registry)
        try set(fields, of: &registry, to: body)
        cloud.change(name) { $0.configure(registry) }
        return document(registry)
    }

    private static func set(
        _ fields: Set<ByteString>, of registry: inout BridgeRegistry, to body: AdminBody
    ) throws(AdminFault) {
        if fields.contains("credentials"), try body.array("credentials")?.isEmpty == false {
            throw AdminFault(
                .unimplemented, "Registry credentials are not implemented by this emulator.")
        }
        if fields.contains("eventNotificationConfigs") {
            registry.eventTopics = try AdminFields.eventTopics(body)
        }
        if fields.contains("stateNotificationConfig") {
            registry.stateTopic = try AdminFields.stateTopic(body)
        }
        if fields.contains("mqttConfig") {
            registry.isMQTTEnabled = try AdminFields.isEnabled(
                body, "mqttConfig", "mqttEnabledState", "MQTT")
        }
        if fields.contains("httpConfig") {
            registry.isHTTPEnabled = try AdminFields.isEnabled(
                body, "httpConfig", "httpEnabledState", "HTTP")
        }
        if fields.contains("logLevel") { registry.logLevel = try AdminFields.logLevel(body) }
    }

    static func deleteRegistry(
        _ name: RegistryName, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        guard try find(name, cloud).devices.isEmpty else {
            throw AdminFault(
                .failedPrecondition, "The registry can't be deleted because it has devices.")
        }
        cloud.remove(name, at: now)
        return empty
    }

    // MARK: Bindings

    static func bind(
        _ name: RegistryName, _ request: HTTPRequest, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        let (gateway, device) = try pair(request, registry)
        let others = registry.gateways(of: device)
        guard !others.contains(gateway) else { return empty }
        guard others.count < BridgeRegistry.gatewaysPerDeviceMax else {
            throw AdminFault(.failedPrecondition, "A device can be bound to at most 10 gateways.")
        }
        guard registry.devices[gateway]?.gateway?.bound.count ?? 0 < BridgeRegistry.boundMax else {
            throw AdminFault(.failedPrecondition, "A gateway can have at most 10000 bound devices.")
        }
        cloud.change(name) { $0.bind(device, to: gateway, at: now) }
        return empty
    }

    static func unbind(
        _ name: RegistryName, _ request: HTTPRequest, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        let (gateway, device) = try pair(request, registry)
        cloud.change(name) { $0.unbind(device, from: gateway, at: now) }
        return empty
    }

    private static func pair(
        _ request: HTTPRequest, _ registry: BridgeRegistry
    ) throws(AdminFault) -> (gateway: ByteString, device: ByteString) {
        let body = try AdminBody(request.body, known: ["gatewayId", "deviceId", "parent"])
        let (gateway, role) = try find(try body.text("gatewayId") ?? "", in: registry)
        let (device, entry) = try find(try body.text("deviceId") ?? "", in: registry)
        guard role.gateway != nil else {
            throw AdminFault(.invalidArgument, "'\(gateway)' is not a gateway.")
        }
        guard entry.gateway == nil else {
            throw AdminFault(
                .invalidArgument, "'\(device)' is a gateway and cannot be bound to one.")
        }
        return (gateway, device)
    }
}
