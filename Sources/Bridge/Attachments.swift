import Base

/// Which devices are attached, which are on their way, and which the bridge will not have. A device
/// that fails costs the others nothing: it has its own timer, and devices that have failed before
/// come after all others.
///
/// | status | becomes |
/// |---|---|
/// | detached | attaching, in its turn or when its back-off is over |
/// | attaching | attached at the PUBACK; refused; detached with a back-off |
/// | attached | detached when the bridge says so or the connection is lost |
/// | refused | detached, when the slow timer is over or a person releases it |
/// | quarantined | the same; it made the bridge close the connection three times |
package struct Attachments: Sendable {
    package enum Status: Hashable, Sendable {
        case detached
        case attaching
        case attached
        case refused(reason: String)
        case quarantined(reason: String)
    }

    package enum Failure: Hashable, Sendable {
        /// The bridge refused the attach: slow timer, 5 min doubling to 1 h.
        case refused(reason: String)
        /// Three closes while its attach was alone on the wire: 1 h.
        case closesConnection(reason: String)
        /// The bridge does not know it: at once if it had not failed lately, else back-off.
        case notFound
        /// Detached, no answer, or an unknown error: back-off, 64 s at most.
        case lost
    }

    private struct Item: Sendable {
        var status = Status.detached
        var failures = 0
        var since: Instant?
        var queued = false
    }

    private static let refusedFirst: Duration = .seconds(300)
    private static let refusedMax: Duration = .seconds(3600)
    /// Attached this long without an error, a device counts as never having failed.
    private static let healthyAfter: Duration = .seconds(60)

    private var items: [DeviceID: Item] = [:]
    private var order: [DeviceID] = []
    private var fresh = Fifo<DeviceID>()
    private var failedBefore = Fifo<DeviceID>()
    private var waiting: [DeviceID: Instant] = [:]
    private var random: RandomSource
    package private(set) var attachedCount = 0

    /// When `timeout` has something to do.
    package private(set) var due: Instant?

    package init(_ devices: [DeviceID], seed: UInt64) {
        random = RandomSource(seed: seed)
        for device in devices { add(device) }
    }

    package var devices: [DeviceID] { order }
    package var count: Int { order.count }
    package func contains(_ device: DeviceID) -> Bool { items[device] != nil }
    package func status(of device: DeviceID) -> Status? { items[device]?.status }
    package func isAttached(_ device: DeviceID) -> Bool { items[device]?.status == .attached }
    package func failures(of device: DeviceID) -> Int { items[device]?.failures ?? 0 }
    /// When a device that waits is tried again.
    package func retry(of device: DeviceID) -> Instant? { waiting[device] }
    package var hasQueued: Bool { !fresh.isEmpty || !failedBefore.isEmpty }

    /// A new device waits for its turn; false if it was there already.
    @discardableResult
    package mutating func add(_ device: DeviceID) -> Bool {
        guard items[device] == nil else { return false }
        items[device] = Item()
        order.append(device)
        return true
    }

    package mutating func remove(_ device: DeviceID) {
        if items.removeValue(forKey: device)?.status == .attached { attachedCount -= 1 }
        order.removeAll { $0 == device }
        stopWaiting(device)
    }

    /// A new connection: everything is attached anew, except what is refused or quarantined. Those
    /// in `first` go before the others.
    package mutating func connected(first: [DeviceID] = []) {
        disconnected()
        for device in first + order {
            switch items[device]?.status {
            case .refused, .quarantined: if waiting[device] == nil { enqueue(device) }
            default:
                stopWaiting(device)
                enqueue(device)
            }
        }
    }

    /// Attachments die with the connection.
    package mutating func disconnected() {
        fresh.removeAll()
        failedBefore.removeAll()
        attachedCount = 0
        for device in order {
            items[device]?.queued = false
            switch items[device]?.status {
            case .attaching, .attached: items[device]?.status = .detached
            default: break
            }
        }
    }

    /// Queues one device that `connected` has not seen, or that is to be tried before its timer.
    package mutating func enqueue(_ device: DeviceID) {
        guard var item = items[device], !item.queued, item.status != .attached,
            item.status != .attaching
        else { return }
        item.queued = true
        item.status = .detached
        items[device] = item
        stopWaiting(device)
        if item.failures == 0 { fresh.append(device) } else { failedBefore.append(device) }
    }

    /// As if it had never failed; `enqueue` sends it.
    package mutating func release(_ device: DeviceID) {
        guard let status = items[device]?.status else { return }
        items[device]?.failures = 0
        stopWaiting(device)
        switch status {
        case .refused, .quarantined: items[device]?.status = .detached
        default: break
        }
    }

    /// The next device whose attach may leave; it counts as attaching from now on.
    package mutating func next() -> DeviceID? {
        while let device = fresh.popFirst() ?? failedBefore.popFirst() {
            guard items[device]?.queued == true else { continue }
            items[device]?.queued = false
            items[device]?.status = .attaching
            return device
        }
        return nil
    }

    /// Back to detached without a queue place: the caller attaches it alone later, with `begin`.
    package mutating func setAside(_ device: DeviceID) { items[device]?.status = .detached }

    package mutating func begin(_ device: DeviceID) {
        items[device]?.queued = false
        items[device]?.status = .attaching
    }

    /// PUBACK of the attach. False if nobody waits for it any more.
    package mutating func accepted(_ device: DeviceID, at now: Instant) -> Bool {
        guard var item = items[device], item.status != .attached else { return false }
        item.status = .attached
        item.queued = false
        item.since = now
        items[device] = item
        stopWaiting(device)
        attachedCount += 1
        return true
    }

    /// Returns how long the device now waits; zero means that it is in the queue again.
    @discardableResult
    package mutating func failed(
        _ device: DeviceID, _ failure: Failure, at now: Instant
    ) -> Duration {
        guard var item = items[device] else { return .zero }
        if item.status == .attached {
            attachedCount -= 1
            if let since = item.since, now - since >= Self.healthyAfter { item.failures = 0 }
        }
        let failures = item.failures
        item.failures = min(failures + 1, 16)
        item.queued = false
        let wait: Duration
        switch failure {
        case .refused(let reason):
            item.status = .refused(reason: reason)
            let slow = min(Self.refusedFirst * (1 << min(failures, 4)), Self.refusedMax)
            wait = .seconds(fraction: slow.secondsValue * random.uniform(0.9, 1.1))
        case .closesConnection(let reason):
            item.status = .quarantined(reason: reason)
            wait = .seconds(fraction: Self.refusedMax.secondsValue * random.uniform(0.9, 1.1))
        case .notFound where failures == 0:
            item.status = .detached
            wait = .zero
        case .notFound, .lost:
            item.status = .detached
            let ceiling = Double(min(1 << min(failures + 1, 6), 64))
            wait = .seconds(fraction: ceiling * random.uniform(0.5, 1) + random.uniform(0, 1))
        }
        items[device] = item
        if wait == .zero { enqueue(device) } else { startWaiting(device, until: now + wait) }
        return wait
    }

    /// Puts the devices whose wait is over into the queue.
    package mutating func timeout(at now: Instant) {
        guard let due, due <= now else { return }
        for device in order where waiting[device].map({ $0 <= now }) ?? false { enqueue(device) }
        self.due = waiting.values.min()
    }

    private mutating func startWaiting(_ device: DeviceID, until: Instant) {
        waiting[device] = until
        due = min(due ?? until, until)
    }

    private mutating func stopWaiting(_ device: DeviceID) {
        guard let until = waiting.removeValue(forKey: device) else { return }
        if until == due { due = waiting.values.min() }
    }
}
