import Base

/// The latest value of each point, on a topic of its own, and the retained messages that are to be
/// cleared. Never in the journal: a newer value replaces one that waits.
struct LatestValues: Sendable {
    struct Key: Hashable, Sendable {
        var device: DeviceID
        var point: ByteString
    }

    /// Values without a PUBACK at one time.
    static let flyingMax = 256

    private var pending: [Key: [UInt8]] = [:]
    private var flying: [Key: [UInt8]] = [:]
    private var order = Fifo<Key>()
    private var stale = Fifo<ByteString>()

    var hasNext: Bool { flying.count < Self.flyingMax && (!order.isEmpty || !stale.isEmpty) }

    mutating func set(_ key: Key, _ value: [UInt8]) {
        if pending.updateValue(value, forKey: key) == nil, flying[key] == nil { order.append(key) }
    }

    /// The next value of a device that may send; it counts as sent.
    mutating func next(where isReady: (DeviceID) -> Bool) -> (key: Key, value: [UInt8])? {
        guard flying.count < Self.flyingMax else { return nil }
        while let key = order.popFirst() {
            guard let value = pending[key] else { continue }
            // A newer one is set when the device is read again.
            guard isReady(key.device) else {
                pending[key] = nil
                continue
            }
            pending[key] = nil
            flying[key] = value
            return (key, value)
        }
        return nil
    }

    mutating func acknowledged(_ key: Key) {
        if flying.removeValue(forKey: key) != nil, pending[key] != nil { order.append(key) }
    }

    /// Takes a value back: its connection is gone, or it did not leave.
    mutating func returned(_ key: Key) {
        guard let value = flying.removeValue(forKey: key) else { return }
        if pending[key] == nil { pending[key] = value }
        order.append(key)
    }

    mutating func forget(_ device: DeviceID) {
        for key in pending.keys where key.device == device { pending[key] = nil }
        for key in flying.keys where key.device == device { flying[key] = nil }
    }

    mutating func forgetAll() {
        (pending, flying) = ([:], [:])
        order.removeAll()
    }

    mutating func clear(_ topics: [ByteString]) { for topic in topics { stale.append(topic) } }

    mutating func nextStale() -> ByteString? { stale.popFirst() }
}
