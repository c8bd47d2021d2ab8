import Base

/// One line of the device-activity log, in the shape that Cloud Logging gave it. Refused
/// connections are not among them: nobody knows whose they were.
package struct Activity: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case connect = "CONNECT"
        case disconnect = "DISCONNECT"
        case attach = "ATTACH_TO_GATEWAY"
        /// This name is ours: that of the real service is not known.
        case detach = "DETACH_FROM_GATEWAY"
        case subscribe = "SUBSCRIBE"
        case unsubscribe = "UNSUBSCRIBE"
        case publish = "PUBLISH"
        case puback = "PUBACK"
        case pingreq = "PINGREQ"

        var level: BridgeRegistry.LogLevel {
            switch self {
            case .connect, .disconnect, .attach, .detach: .info
            case .subscribe, .unsubscribe, .publish, .puback, .pingreq: .debug
            }
        }
    }

    package var kind: Kind
    package var device: ByteString
    package var at: WallTime
    package var code = StatusCode.ok
    package var message = ""
    package var topic: ByteString?
    /// EVENTS or STATE.
    package var fromDevice: String?
    /// CONFIG or COMMANDS.
    package var toDevice: String?
    package var gateway: ByteString?
    /// Of a disconnection: whose doing it was.
    package var isByServer: Bool?

    package init(_ kind: Kind, _ device: ByteString, at: WallTime) {
        self.kind = kind
        self.device = device
        self.at = at
    }

    var level: BridgeRegistry.LogLevel { code == .ok ? kind.level : .error }

    /// Without a line break.
    package func line(in registry: BridgeRegistry) -> String {
        let number = String(registry.numericID(of: device))
        var json = JSONWriter()
        json.object { json in
            json.member(
                "logName",
                "projects/\(registry.project)/logs/cloudiot.googleapis.com%2Fdevice_activity")
            json.member("timestamp", at)
            json.member(
                "severity", code == .ok ? (kind.level == .debug ? "DEBUG" : "INFO") : "ERROR")
            json.key("resource")
            json.object { json in
                json.member("type", "cloudiot_device")
                json.key("labels")
                json.object { json in
                    json.member("project_id", registry.project)
                    json.member("location", registry.name.region)
                    json.member("device_registry_id", registry.name.registry)
                    json.member("device_num_id", number)
                }
            }
            json.key("labels")
            json.object { $0.member("device_id", device) }
            json.key("jsonPayload")
            json.object { payload(&$0, "\(registry.clientIDPrefix)\(number)") }
        }
        return json.text
    }

    private func payload(_ json: inout JSONWriter, _ resource: String) {
        json.member("eventType", kind.rawValue)
        json.member("protocol", "MQTT")
        json.member("serviceName", "cloudiot.googleapis.com")
        json.member("resourceName", resource)
        json.key("status")
        json.object { json in
            json.member("code", code.rawValue)
            json.member("description", code.name)
            json.member("message", message)
        }
        if let isByServer { json.member("disconnectType", isByServer ? "SERVER" : "CLIENT") }
        if let topic { json.member("mqttTopic", topic) }
        if let fromDevice { json.member("publishFromDeviceTopicType", fromDevice) }
        if let toDevice { json.member("publishToDeviceTopicType", toDevice) }
        if let gateway {
            json.key("gateway")
            json.object { $0.member("id", gateway) }
        }
    }
}

extension BridgeEmulator {
    /// To the activity log, if the device's level or its registry's asks for it; an error is also
    /// the device's last one.
    mutating func note(
        _ kind: Activity.Kind, _ device: ByteString, _ change: (inout Activity) -> Void = { _ in }
    ) {
        guard let entry = registry.devices[device] else { return }
        var activity = Activity(kind, device, at: now.wall)
        change(&activity)
        if activity.code != .ok {
            registry.devices[device]?.traces.error = (now.wall, activity.code, activity.message)
        }
        let own = entry.logLevel == .unspecified ? registry.logLevel : entry.logLevel
        let level = own == .unspecified ? switches.activityLevel : own
        if level.covers(activity.level) { emit(.activity(activity)) }
    }
}
