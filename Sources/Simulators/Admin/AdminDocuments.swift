import Base

/// Devices, registries, configurations and states as the admin API's JSON: 64-bit integers as
/// strings, bytes as base64, times in RFC 3339.
enum AdminDocuments {
    /// - Parameter mask: top-level fields in camelCase; nil is all of them.
    static func device(
        _ id: ByteString, _ device: BridgeRegistry.Device, in registry: BridgeRegistry,
        mask: Set<ByteString>?,
        to json: inout JSONWriter
    ) {
        let number = String(registry.numericID(of: id))
        let fields = mask.map { Set($0.map { $0.split(0x2E, limit: 2)[0] }) }
        func wants(_ field: ByteString) -> Bool { fields?.contains(field) ?? true }
        json.object { json in
            json.member("id", id)
            if wants("name") { json.member("name", "\(registry.clientIDPrefix)\(number)") }
            json.member("numId", number)
            if wants("credentials") { credentials(device.keys, to: &json) }
            if wants("blocked") { json.member("blocked", device.blocked) }
            if wants("config") {
                json.key("config")
                config(device.config, to: &json)
            }
            if wants("state"), let latest = device.states.last {
                json.key("state")
                state(latest, to: &json)
            }
            if wants("logLevel"), device.logLevel != .unspecified {
                json.member("logLevel", device.logLevel.rawValue)
            }
            if wants("metadata"), !device.metadata.isEmpty {
                json.key("metadata")
                json.object { json in
                    for (name, value) in device.metadata.sorted(by: { $0.key < $1.key }) {
                        json.key(name)
                        json.string(value)
                    }
                }
            }
            if wants("gatewayConfig") { gatewayConfig(device, to: &json) }
            let traces = device.traces
            let times: [(ByteString, WallTime?)] = [
                ("lastHeartbeatTime", traces.heartbeat), ("lastEventTime", traces.event),
                ("lastStateTime", traces.state), ("lastConfigAckTime", traces.configAcknowledged),
                ("lastConfigSendTime", traces.configSent), ("lastErrorTime", traces.error?.at),
            ]
            for (name, time) in times where wants(name) {
                if let time { json.member(name.string, time) }
            }
            if wants("lastErrorStatus"), let error = traces.error {
                json.key("lastErrorStatus")
                json.object { json in
                    json.member("code", error.code.rawValue)
                    json.member("message", "mqtt: \(error.message)")
                }
            }
        }
    }

    private static func credentials(_ keys: [BridgeRegistry.Key], to json: inout JSONWriter) {
        json.key("credentials")
        json.array { json in
            for key in keys {
                json.object { json in
                    if let expires = key.expires, let seconds = Int64(exactly: expires),
                        seconds < 253_402_300_800
                    {
                        json.member("expirationTime", WallTime(milliseconds: seconds * 1000))
                    }
                    json.key("publicKey")
                    json.object { json in
                        json.member("format", key.format?.string ?? key.guessedFormat)
                        json.member("key", key.text)
                    }
                }
            }
        }
    }

    private static func gatewayConfig(_ device: BridgeRegistry.Device, to json: inout JSONWriter) {
        json.key("gatewayConfig")
        json.object { json in
            json.member("gatewayType", device.gateway == nil ? "NON_GATEWAY" : "GATEWAY")
            if let role = device.gateway {
                json.member("gatewayAuthMethod", role.authMethod.rawValue)
            }
            if let gateway = device.traces.gateway { json.member("lastAccessedGatewayId", gateway) }
            if let time = device.traces.gatewayAt { json.member("lastAccessedGatewayTime", time) }
        }
    }

    static func config(_ config: BridgeRegistry.Config, to json: inout JSONWriter) {
        json.object { json in
            json.member("version", String(config.version))
            if let time = config.updated { json.member("cloudUpdateTime", time) }
            if let time = config.acknowledged { json.member("deviceAckTime", time) }
            json.member("binaryData", Base64.encode(config.bytes))
        }
    }

    static func state(_ state: BridgeRegistry.StateReport, to json: inout JSONWriter) {
        json.object { json in
            json.member("updateTime", state.updated)
            json.member("binaryData", Base64.encode(state.bytes))
        }
    }

    static func registry(_ registry: BridgeRegistry, to json: inout JSONWriter) {
        json.object { json in
            json.member("id", registry.name.registry)
            json.member("name", registry.name.description)
            json.key("eventNotificationConfigs")
            json.array { json in
                for topic in registry.eventTopics {
                    json.object { json in
                        json.member("pubsubTopicName", topic.topic)
                        if !topic.subfolder.isEmpty {
                            json.member("subfolderMatches", topic.subfolder)
                        }
                    }
                }
            }
            json.key("stateNotificationConfig")
            json.object { json in
                if let topic = registry.stateTopic { json.member("pubsubTopicName", topic) }
            }
            json.key("mqttConfig")
            json.object {
                $0.member(
                    "mqttEnabledState", registry.isMQTTEnabled ? "MQTT_ENABLED" : "MQTT_DISABLED")
            }
            json.key("httpConfig")
            json.object {
                $0.member(
                    "httpEnabledState", registry.isHTTPEnabled ? "HTTP_ENABLED" : "HTTP_DISABLED")
            }
            if registry.logLevel != .unspecified {
                json.member("logLevel", registry.logLevel.rawValue)
            }
        }
    }
}

extension BridgeRegistry.Key {
    var guessedFormat: String {
        let isCertificate = text.contains("-----BEGIN CERTIFICATE")
        switch algorithm {
        case .rs256: return isCertificate ? "RSA_X509_PEM" : "RSA_PEM"
        case .es256: return isCertificate ? "ES256_X509_PEM" : "ES256_PEM"
        case nil: return "UNSPECIFIED_PUBLIC_KEY_FORMAT"
        }
    }
}
