import Base
import MQTT

/// Actions of an operator, an administrator or a fault script on a running bridge, and questions of
/// a test about it.
extension BridgeEmulator {
    /// Takes a device away from its gateway as after a device error (E23); false if not attached.
    @discardableResult
    package mutating func detach(_ device: ByteString, at now: Moment) -> Bool {
        see(now)
        guard let id = owners[device] else { return false }
        detachWithError(device, on: id)
        return true
    }

    /// Closes every connection, as a restart of the server does (E8).
    package mutating func closeAll(_ reason: String, at now: Moment) {
        see(now)
        for id in connections.keys.sorted() { close(id, reason, .unavailable) }
    }

    /// The connection of one client; false if it has none.
    @discardableResult
    package mutating func close(_ device: ByteString, _ reason: String, at now: Moment) -> Bool {
        see(now)
        guard let id = online[device] else { return false }
        close(id, reason, .unavailable)
        return true
    }

    /// E27: takes effect on an attachment at once.
    package mutating func unbind(_ device: ByteString, from gateway: ByteString, at now: Moment) {
        see(now)
        registry.devices[gateway]?.gateway?.bound.remove(device)
        if let id = owners[device], connections[id]?.device == gateway {
            remove(device, on: id, "it was unbound")
        }
    }

    package mutating func bind(_ device: ByteString, to gateway: ByteString, at now: Moment) {
        registry.devices[gateway]?.gateway?.bound.insert(device)
    }

    /// A new device, or new data of one; what it no longer allows ends at once. Its history stays
    /// with it.
    package mutating func setDevice(
        _ id: ByteString, _ device: BridgeRegistry.Device, at now: Moment
    ) {
        let wasBlocked = registry.devices[id]?.blocked ?? false
        registry.devices[id] = device
        if device.blocked != wasBlocked { setBlocked(id, device.blocked, at: now) }
    }

    /// Takes over everything but the devices.
    package mutating func configure(_ changed: BridgeRegistry) {
        let devices = registry.devices
        registry = changed
        registry.devices = devices
        if !registry.isMQTTEnabled { closeAll("MQTT was disabled for the registry", at: now) }
    }

    /// E27: a blocked device is detached, a blocked client is closed.
    package mutating func setBlocked(_ device: ByteString, _ isBlocked: Bool, at now: Moment) {
        see(now)
        registry.devices[device]?.blocked = isBlocked
        if isBlocked { expel(device, "it was blocked") }
    }

    package mutating func delete(_ device: ByteString, at now: Moment) {
        see(now)
        expel(device, "it was deleted")
        registry.devices[device] = nil
        for id in registry.devices.keys { registry.devices[id]?.gateway?.bound.remove(device) }
    }

    private mutating func expel(_ device: ByteString, _ reason: String) {
        if let id = owners[device] { remove(device, on: id, reason) }
        if let id = online[device] { close(id, reason, .permissionDenied) }
    }

    /// E27: what an attachment that is no longer allowed comes to.
    private mutating func remove(_ device: ByteString, on id: ConnectionID, _ reason: String) {
        switch switches.whenRemoved {
        case .detach: detachWithError(device, on: id)
        case .keep: log("\(device): \(reason), but stays attached")
        case .close: close(id, "\(device): \(reason)", .permissionDenied)
        }
    }

    // MARK: Questions

    /// Clients with an accepted CONNECT, by device ID.
    package var onlineDevices: [ByteString] { online.keys.sorted() }

    package func isAttached(_ device: ByteString) -> Bool { owners[device] != nil }

    package func attachedDevices(of gateway: ByteString) -> Set<ByteString> {
        online[gateway].flatMap { connections[$0]?.attached } ?? []
    }

    package func subscriptions(of client: ByteString) -> [ByteString: QoS] {
        online[client].flatMap { connections[$0]?.subscriptions } ?? [:]
    }
}
