import Base
import MQTT

/// Data that `status` shows, and the changes that a person or a reload makes while it runs.
extension Session {
    /// One phrase: "connected to …", "waiting to connect again".
    package var state: String {
        switch phase {
        case .idle: "not started"
        case .waiting:
            timers.due(.clock) != nil ? "waiting for a possible clock" : "waiting to connect again"
        case .connecting: "connecting to \(target.describe)"
        case .signing: "signing a token"
        case .handshaking: "waiting for the bridge to accept us"
        case .settingUp, .open: "connected to \(target.describe)"
        case .draining(stop: false): "connecting again with a new token"
        case .draining(stop: true): "stopping"
        case .stopped: "stopped"
        }
    }

    package var isOnline: Bool { connectedAt != nil }
    package var connectedSince: Moment? { connectedAt }
    /// When the next try is due, while waiting.
    package var nextTry: Instant? { timers.due(.reconnect) }
    /// The wall clock's last good time, to be kept and given back at the next start.
    package var clockFloor: WallTime { guardian.floor }
    package var attachedCount: Int { attachments.attachedCount }
    package var attachedDevices: [DeviceID] {
        attachments.devices.filter { attachments.isAttached($0) }
    }
    package var inFlight: Int { flights.records }
    /// Messages that may have closed the connection and wait to be sent alone.
    package var suspectCount: Int { suspects.count }
    /// A message or a state document of this device waits here or is on its way.
    package func holdsAnything(of device: DeviceID) -> Bool {
        states.holds(device) || !flights.ids(of: device, where: { _ in true }).isEmpty
    }

    /// Packets for which the broker closes the connection, and which are therefore left out.
    package var leftOut: [String] { suspects.topics.left }

    package func status(of device: DeviceID) -> Attachments.Status? {
        attachments.status(of: device)
    }

    package struct Quarantined: Hashable, Sendable {
        package var device: DeviceID
        package var reason: String
        /// When it is tried again by itself.
        package var retry: Instant?
    }

    /// Devices that the bridge refused, or that made it close the connection.
    package var quarantined: [Quarantined] {
        attachments.devices.compactMap { device in
            switch attachments.status(of: device) {
            case .refused(let reason), .quarantined(let reason):
                Quarantined(device: device, reason: reason, retry: attachments.retry(of: device))
            default: nil
            }
        }
    }

    mutating func sendDetach(_ device: DeviceID, at now: Instant) -> Bool {
        let topic = settings.layout.detach?.topic(device)
        return publish(topic, [], .detach, device, .detach, at: now)
    }

    /// Devices whose records have waited longest; they are attached first after the next connect.
    package mutating func attachFirst(_ devices: [DeviceID]) { attachFirst = devices }

    /// A new device; attached at once if the connection stands.
    package mutating func attach(_ device: DeviceID, at now: Moment) {
        see(now)
        guard device != settings.gateway, attachments.add(device) else { return }
        if case .open = phase { attachments.enqueue(device) }
        settle(at: now)
    }

    /// A device that is gone: its messages in flight are given back, and the bridge is told.
    package mutating func detach(_ device: DeviceID, at now: Moment) {
        see(now)
        guard attachments.contains(device) else { return }
        let wasAttached = attachments.isAttached(device)
        for id in flights.ids(of: device, where: { _ in true }) {
            guard let flight = abandon(id) else { continue }
            for seq in flight.seqs {
                counters.returned += 1
                emit(.returned(seq))
            }
        }
        attachments.remove(device)
        states.forget(device)
        states.latest.forget(device)
        subscriptions.forget(device)
        suspects.clearAll(of: device)
        holds[device] = nil
        announcer.forget("attach \(device)")
        if turn?.key.device == device { turn = nil }
        let told = wasAttached && settings.attachesByMessage && sendDetach(device, at: now.instant)
        if wasAttached, !told { emit(.detached(device, reason: "removed")) }
        settle(at: now)
    }

    /// A person says that a refused or quarantined device is worth another try.
    package mutating func release(_ device: DeviceID, at now: Moment) {
        see(now)
        suspects.clear(Suspects.Key(device, .attach))
        holds[device] = nil
        attachments.release(device)
        if case .open = phase { attachments.enqueue(device) }
        settle(at: now)
    }
}
