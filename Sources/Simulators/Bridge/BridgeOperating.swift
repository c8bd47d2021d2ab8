import Base
import MQTT

/// What an operator, an administrator or a fault script does to a running bridge, and what a test
/// wants to know about it.
extension BridgeEmulator {
    /// Takes a device away from its gateway as after a device error (E23); false if not attached.
    @discardableResult
    package mutating func detach(_ device: String, at now: Moment) -> Bool {
        guard let id = owners[device] else { return false }
        detachWithError(device, on: id)
        return true
    }

    /// Closes every connection, as a restart of the server does (E8).
    package mutating func closeAll(_ reason: String, at now: Moment) {
        for id in connections.keys.sorted() { close(id, reason) }
    }

    /// E27: takes effect on an attachment at once.
    package mutating func unbind(_ device: String, from gateway: String, at now: Moment) {
        registry.devices[gateway]?.gateway?.bound.remove(device)
        if let id = owners[device], connections[id]?.device == gateway { detachWithError(device, on: id) }
    }

    package mutating func bind(_ device: String, to gateway: String, at now: Moment) {
        registry.devices[gateway]?.gateway?.bound.insert(device)
    }

    /// E27: a blocked device is detached, a blocked client is closed.
    package mutating func setBlocked(_ device: String, _ isBlocked: Bool, at now: Moment) {
        registry.devices[device]?.blocked = isBlocked
        if isBlocked { expel(device, "it was blocked") }
    }

    package mutating func delete(_ device: String, at now: Moment) {
        registry.devices[device] = nil
        for id in registry.devices.keys { registry.devices[id]?.gateway?.bound.remove(device) }
        expel(device, "it was deleted")
    }

    private mutating func expel(_ device: String, _ reason: String) {
        if let id = owners[device] { detachWithError(device, on: id) }
        if let id = online[device] { close(id, reason) }
    }

    // MARK: Questions

    /// Clients with an accepted CONNECT, by device ID.
    package var onlineDevices: [String] { online.keys.sorted() }

    package func isAttached(_ device: String) -> Bool { owners[device] != nil }

    package func attachedDevices(of gateway: String) -> Set<String> {
        online[gateway].flatMap { connections[$0]?.attached } ?? []
    }

    package func subscriptions(of client: String) -> [String: QoS] {
        online[client].flatMap { connections[$0]?.subscriptions } ?? [:]
    }
}
