import Base
import HTTP

/// projects.locations.registries.devices.
extension AdminAPI {
    private static func document(
        _ id: ByteString, _ device: BridgeRegistry.Device, _ registry: BridgeRegistry,
        mask: Set<ByteString>? = nil
    ) -> HTTPResponse {
        json { AdminDocuments.device(id, device, in: registry, mask: mask, to: &$0) }
    }

    static func listDevices(
        _ name: RegistryName, _ request: HTTPRequest, _ cloud: BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        var ids = try wanted(request, registry)
        let wishes = request.query.compactMap { pair in
            pair.name.dropping(prefix: "gatewayListOptions.").map { (name: $0, value: pair.value) }
        }
        guard wishes.count <= 1 else {
            throw AdminFault(.invalidArgument, "Only one of the gatewayListOptions can be given.")
        }
        switch (wishes.first?.name, wishes.first?.value ?? "") {
        case (nil, _), ("gatewayType", "GATEWAY_TYPE_UNSPECIFIED"): break
        case ("gatewayType", "GATEWAY"): ids.removeAll { registry.devices[$0]?.gateway == nil }
        case ("gatewayType", "NON_GATEWAY"): ids.removeAll { registry.devices[$0]?.gateway != nil }
        case ("associationsGatewayId", let gateway):
            let bound = try find(gateway, in: registry).device.gateway?.bound ?? []
            ids.removeAll { !bound.contains($0) }
        case ("associationsDeviceId", let device):
            let id = try find(device, in: registry).id
            ids.removeAll { registry.devices[$0]?.gateway?.bound.contains(id) != true }
        default: throw AdminFault(.invalidArgument, "Invalid gatewayListOptions.")
        }
        let (page, next) = try AdminPage.cut(ids, request, sizeMax: devicesPageMax)
        let mask = SnakeCase.mask(request.query("fieldMask")) ?? []
        return json { json in
            json.object { json in
                json.key("devices")
                json.array { json in
                    for id in page {
                        guard let device = registry.devices[id] else { continue }
                        AdminDocuments.device(id, device, in: registry, mask: mask, to: &json)
                    }
                }
                if let next { json.member("nextPageToken", next) }
            }
        }
    }

    /// All of them, or those of deviceIds and deviceNumIds; sorted.
    private static func wanted(
        _ request: HTTPRequest, _ registry: BridgeRegistry
    ) throws(AdminFault) -> [ByteString] {
        let names = request.queries("deviceIds")
        let numbers = request.queries("deviceNumIds")
        guard !names.isEmpty || !numbers.isEmpty else { return registry.devices.keys.sorted() }
        guard names.isEmpty || numbers.isEmpty else {
            throw AdminFault(
                .invalidArgument, "Only one of deviceIds and deviceNumIds can be given.")
        }
        let wanted = Set(names), wantedNumbers = Set(numbers)
        return registry.devices.keys.filter { id in
            names.isEmpty
                ? wantedNumbers.contains("\(registry.numericID(of: id))") : wanted.contains(id)
        }.sorted()
    }

    static func createDevice(
        _ name: RegistryName, _ request: HTTPRequest, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        let body = try AdminBody(request.body, known: AdminFields.device)
        let id = try body.text("id") ?? ""
        guard BridgeRegistry.isValidID(id) else {
            throw AdminFault(.invalidArgument, "Invalid device id '\(Notice.printable(id))'.")
        }
        guard registry.devices[id] == nil else {
            throw AdminFault(
                .alreadyExists, "The device \(registry.clientIDPrefix)\(id) exists already.")
        }
        guard registry.devices.count < 1_000_000 else {
            throw AdminFault(.resourceExhausted, "The registry has a million devices already.")
        }
        var config: [UInt8] = []
        if let json = body["config"] {
            let fields = try AdminBody(
                json, known: ["version", "binaryData", "cloudUpdateTime", "deviceAckTime"], "config"
            )
            config = try fields.bytes("binaryData") ?? []
            guard try fields.integer("version") ?? 0 == 0 else {
                throw AdminFault(
                    .invalidArgument, "The version of a new device's config must be 0.")
            }
            guard config.count <= cloud.switches.configMax else {
                throw AdminFault(
                    .invalidArgument, "A config has at most \(cloud.switches.configMax) bytes.")
            }
        }
        var device = BridgeRegistry.Device(
            keys: try AdminFields.credentials(body), blocked: try body.bool("blocked") ?? false,
            config: config,
            gateway: try AdminFields.gateway(body), created: now.wall)
        device.metadata = try AdminFields.metadata(body)
        device.logLevel = try AdminFields.logLevel(body)
        cloud.change(name) { $0.setDevice(id, device, at: now) }
        return document(id, device, registry)
    }

    static func getDevice(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest, _ cloud: BridgeCloud
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        let (id, entry) = try find(device, in: registry)
        return document(id, entry, registry, mask: SnakeCase.mask(request.query("fieldMask")))
    }

    static func patchDevice(
        _ name: RegistryName, _ device: ByteString, _ request: HTTPRequest,
        _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        var (id, entry) = try find(device, in: registry)
        guard let mask = SnakeCase.mask(request.query("updateMask")) else {
            throw AdminFault(.invalidArgument, "updateMask must name the fields to be updated.")
        }
        let body = try AdminBody(request.body, known: AdminFields.device)
        for field in mask.sorted() {
            switch field {
            case "credentials": entry.keys = try AdminFields.credentials(body)
            case "blocked": entry.blocked = try body.bool("blocked") ?? false
            case "metadata": entry.metadata = try AdminFields.metadata(body)
            case "logLevel": entry.logLevel = try AdminFields.logLevel(body)
            case "gatewayConfig", "gatewayConfig.gatewayAuthMethod":
                guard entry.gateway != nil, let json = body["gatewayConfig"] else {
                    throw AdminFault(
                        .invalidArgument, "Only the auth method of a gateway can be updated.")
                }
                let fields = try AdminBody(
                    json, known: ["gatewayType", "gatewayAuthMethod"], "gatewayConfig")
                entry.gateway?.authMethod = try AdminFields.authMethod(fields)
            default:
                throw AdminFault(
                    .invalidArgument,
                    "The field '\(Notice.printable(field))' of a device cannot be updated.")
            }
        }
        cloud.change(name) { $0.setDevice(id, entry, at: now) }
        return document(id, entry, registry)
    }

    static func deleteDevice(
        _ name: RegistryName, _ device: ByteString, _ cloud: inout BridgeCloud, at now: Moment
    ) throws(AdminFault) -> HTTPResponse {
        let registry = try find(name, cloud)
        let (id, entry) = try find(device, in: registry)
        guard entry.gateway?.bound.isEmpty ?? true else {
            throw AdminFault(
                .failedPrecondition,
                "The gateway can't be deleted because it has associated devices.")
        }
        guard registry.gateways(of: id).isEmpty else {
            throw AdminFault(
                .failedPrecondition,
                "The device can't be deleted because it's associated with a gateway.")
        }
        cloud.change(name) { $0.delete(id, at: now) }
        return empty
    }
}
