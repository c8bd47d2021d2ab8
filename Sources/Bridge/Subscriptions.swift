import Base
import MQTT

/// The config and commands subscriptions of attached devices: gathered for a moment, then up to 50
/// filters a packet. A refused one is tried again after five minutes.
struct Subscriptions: Sendable {
    static let filtersMax = 50
    static let gather: Duration = .milliseconds(100)
    static let retryAfter: Duration = .seconds(300)

    private var pending: [DeviceID] = []
    private var gatherUntil: Instant?
    private var inFlight: [PacketID: [DeviceID]] = [:]
    private var refused: [(device: DeviceID, retry: Instant)] = []

    var isIdle: Bool { pending.isEmpty && inFlight.isEmpty }

    /// When `timeout` or `next` has something to do.
    var due: Instant? {
        let retry = refused.first?.retry
        guard let gatherUntil, !pending.isEmpty else { return retry }
        return min(gatherUntil, retry ?? .distantFuture)
    }

    mutating func want(_ device: DeviceID, at now: Instant) {
        guard !pending.contains(device) else { return }
        if pending.isEmpty { gatherUntil = now + Self.gather }
        pending.append(device)
    }

    mutating func forget(_ device: DeviceID) {
        pending.removeAll { $0 == device }
        refused.removeAll { $0.device == device }
    }

    /// Enough devices for a full packet wait.
    var isFull: Bool { pending.count >= Self.filtersMax / 2 }

    /// Whether a packet may leave: a full one at once, otherwise after the gathering time.
    func isReady(at now: Instant, eager: Bool) -> Bool {
        !pending.isEmpty && (isFull || eager || (gatherUntil.map { $0 <= now } ?? true))
    }

    /// The devices of the next packet.
    mutating func next(at now: Instant, eager: Bool) -> [DeviceID]? {
        guard isReady(at: now, eager: eager) else { return nil }
        let perPacket = Self.filtersMax / 2
        let batch = Array(pending.prefix(perPacket))
        pending.removeFirst(batch.count)
        return batch
    }

    mutating func sent(_ id: PacketID, _ devices: [DeviceID]) { inFlight[id] = devices }

    /// The devices for which the bridge refused a filter; two codes a device.
    mutating func answered(_ id: PacketID, _ codes: [UInt8], at now: Instant) -> [DeviceID] {
        guard let devices = inFlight.removeValue(forKey: id) else { return [] }
        var failed: [DeviceID] = []
        for (index, device) in devices.enumerated() {
            let own = codes.dropFirst(2 * index).prefix(2)
            if own.contains(Suback.failure) { failed.append(device) }
        }
        for device in failed { refused.append((device, now + Self.retryAfter)) }
        return failed
    }

    mutating func timeout(at now: Instant) {
        while let first = refused.first, first.retry <= now {
            refused.removeFirst()
            want(first.device, at: now)
        }
    }
}
