import Base

/// The fields of devices and registries that a client may set, read from JSON and checked.
enum AdminFields {
    static let device: [ByteString] = [
        "id", "name", "numId", "credentials", "lastHeartbeatTime", "lastEventTime", "lastStateTime",
        "lastConfigAckTime", "lastConfigSendTime", "blocked", "lastErrorTime", "lastErrorStatus",
        "config",
        "state", "logLevel", "metadata", "gatewayConfig",
    ]
    static let registry: [ByteString] = [
        "id", "name", "eventNotificationConfigs", "stateNotificationConfig", "mqttConfig",
        "httpConfig",
        "logLevel", "credentials",
    ]
    private static let metadataMax = 500
    private static let metadataBytesMax = 256 << 10

    static func credentials(_ body: AdminBody) throws(AdminFault) -> [BridgeRegistry.Key] {
        let items = try body.array("credentials") ?? []
        guard items.count <= BridgeRegistry.keysMax else {
            throw AdminFault(
                .invalidArgument, "A device has at most \(BridgeRegistry.keysMax) credentials.")
        }
        var keys: [BridgeRegistry.Key] = []
        for item in items {
            let fields = try AdminBody(item, known: ["publicKey", "expirationTime"], "credentials")
            guard let inner = fields["publicKey"] else {
                throw AdminFault(.invalidArgument, "A credential needs a publicKey.")
            }
            let key = try AdminBody(inner, known: ["format", "key"], "publicKey")
            var expires: Int64?
            if let text = try fields.text("expirationTime") {
                guard let time = WallTime(timestamp: text.string) else {
                    throw AdminFault(
                        .invalidArgument, "Invalid value for expirationTime: RFC 3339 is needed.")
                }
                // The epoch is how some clients say "never".
                expires = time.seconds == 0 ? nil : time.seconds
            }
            keys.append(
                try self.key(try key.text("key") ?? "", try key.text("format") ?? "", expires))
        }
        return keys
    }

    private static func key(
        _ text: ByteString, _ format: ByteString, _ expires: Int64?
    ) throws(AdminFault) -> BridgeRegistry.Key {
        let formats: [ByteString: (algorithm: SigningAlgorithm, isCertificate: Bool)] = [
            "RSA_PEM": (.rs256, false), "RSA_X509_PEM": (.rs256, true),
            "ES256_PEM": (.es256, false),
            "ES256_X509_PEM": (.es256, true),
        ]
        guard let wanted = formats[format] else {
            throw AdminFault(
                .invalidArgument,
                "Invalid public key format \"\(Notice.printable(format))\": one of "
                    + formats.keys.sorted().map(\.string).joined(separator: ", ") + " is needed.")
        }
        let pem = ByteString(Substring(text.utf8.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }))
        let key = BridgeRegistry.Key(pem, expires: expires, format: format)
        let begin: ByteString =
            wanted.isCertificate ? "-----BEGIN CERTIFICATE-----" : "-----BEGIN PUBLIC KEY-----"
        guard pem.utf8.count <= 16 << 10, pem.hasPrefix(begin), pem.contains("-----END "),
            wanted.isCertificate || key.algorithm == wanted.algorithm
        else {
            throw AdminFault(
                .invalidArgument, "The key is no \(format): \(begin) and a matching key are needed."
            )
        }
        return key
    }

    /// nil: no gateway.
    static func gateway(_ body: AdminBody) throws(AdminFault) -> BridgeRegistry.GatewayRole? {
        guard let json = body["gatewayConfig"] else { return nil }
        let fields = try AdminBody(
            json,
            known: [
                "gatewayType", "gatewayAuthMethod", "lastAccessedGatewayId",
                "lastAccessedGatewayTime",
            ],
            "gatewayConfig")
        switch try fields.text("gatewayType") {
        case "GATEWAY":
            return BridgeRegistry.GatewayRole(authMethod: try authMethod(fields))
        case nil, "NON_GATEWAY", "GATEWAY_TYPE_UNSPECIFIED": return nil
        case let other?:
            throw AdminFault(
                .invalidArgument, "Invalid gatewayType \"\(Notice.printable(other))\".")
        }
    }

    static func authMethod(_ fields: AdminBody) throws(AdminFault) -> BridgeRegistry.AuthMethod {
        guard let word = try fields.text("gatewayAuthMethod") else { return .unspecified }
        guard let method = BridgeRegistry.AuthMethod(word: word) else {
            throw AdminFault(
                .invalidArgument, "Invalid gatewayAuthMethod \"\(Notice.printable(word))\".")
        }
        return method
    }

    static func logLevel(_ body: AdminBody) throws(AdminFault) -> BridgeRegistry.LogLevel {
        guard let word = try body.text("logLevel") else { return .unspecified }
        guard let level = BridgeRegistry.LogLevel(word: word) else {
            throw AdminFault(.invalidArgument, "Invalid logLevel \"\(Notice.printable(word))\".")
        }
        return level
    }

    static func metadata(_ body: AdminBody) throws(AdminFault) -> [ByteString: ByteString] {
        guard let json = body["metadata"] else { return [:] }
        guard let members = json.members else { throw body.wrong("metadata", "an object", json) }
        var metadata: [ByteString: ByteString] = [:]
        var size = 0
        for member in members {
            guard let value = member.value.string else {
                throw body.wrong("metadata", "an object of strings", json)
            }
            guard (1..<128).contains(member.name.utf8.count), value.utf8.count <= 32 << 10 else {
                throw AdminFault(
                    .invalidArgument, "Metadata keys have 1 to 127 bytes, values at most 32 KiB.")
            }
            size += member.name.utf8.count + value.utf8.count
            metadata[member.name] = value
        }
        guard metadata.count <= metadataMax, size <= metadataBytesMax else {
            throw AdminFault(
                .invalidArgument, "A device has at most 500 metadata pairs of 256 KiB together.")
        }
        return metadata
    }

    static func eventTopics(_ body: AdminBody) throws(AdminFault) -> [BridgeRegistry.EventTopic] {
        let items = try body.array("eventNotificationConfigs") ?? []
        guard items.count <= BridgeRegistry.eventTopicsMax else {
            throw AdminFault(
                .invalidArgument, "A registry has at most 10 event notification configs.")
        }
        var topics: [BridgeRegistry.EventTopic] = []
        for (index, item) in items.enumerated() {
            let fields = try AdminBody(
                item, known: ["pubsubTopicName", "subfolderMatches"], "eventNotificationConfigs")
            let subfolder = try fields.text("subfolderMatches") ?? ""
            guard let name = try fields.text("pubsubTopicName"), !name.isEmpty else {
                throw AdminFault(
                    .invalidArgument, "An event notification config needs a pubsubTopicName.")
            }
            guard !subfolder.isEmpty || index == items.count - 1 else {
                throw AdminFault(
                    .invalidArgument,
                    "Only the last event notification config may match every subfolder.")
            }
            topics.append(.init(name, subfolder: subfolder))
        }
        return topics
    }

    static func stateTopic(_ body: AdminBody) throws(AdminFault) -> ByteString? {
        guard let json = body["stateNotificationConfig"] else { return nil }
        let name = try AdminBody(json, known: ["pubsubTopicName"], "stateNotificationConfig").text(
            "pubsubTopicName")
        return name?.isEmpty == true ? nil : name
    }

    /// `{"mqttEnabledState":"MQTT_DISABLED"}`; everything else is enabled.
    static func isEnabled(
        _ body: AdminBody, _ section: ByteString, _ key: ByteString, _ word: String
    ) throws(AdminFault) -> Bool {
        guard let json = body[section] else { return true }
        return try AdminBody(json, known: [key], section).text(key) != "\(word)_DISABLED"
    }
}
