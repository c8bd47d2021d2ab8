import Base

/// Items that may have made the bridge close the connection. MQTT 3.1.1 gives no reason, so every
/// item that was not acknowledged at such a close is suspected. Later it is sent while nothing else
/// is on the wire. It is given up after three closes while alone, if something of its kind was
/// acknowledged between them. A bridge that takes no record at all proves nothing about any one
/// record.
///
/// Alone costs a round trip each. After a plain broker's restart there may be a thousand suspects:
/// while there are more than 64, those not yet tried go out a few of one device at a time, and only
/// what was in flight at another close goes out alone.
///
/// One mechanism for records, attaches and state documents.
package struct Suspects: Sendable {
    package enum Item: Hashable, Sendable {
        case record(UInt64)
        case attach
        case state
    }

    package struct Key: Hashable, Sendable {
        package var device: DeviceID
        package var item: Item

        package init(_ device: DeviceID, _ item: Item) {
            self.device = device
            self.item = item
        }
    }

    private struct Entry: Sendable {
        var closes = 0
        /// The bridge closed again while this was on the wire, alone or with a few others.
        var triedBefore = false
        /// The count of acknowledgements of its kind at its last close while alone.
        var marker = 0
        var place: UInt64
        var unused = 0
    }

    package static let closesMax = 3
    private static let unusedMax = 3

    /// Whole kinds of topics, on a plain broker.
    var topics = TopicTrust()
    private var entries: [Key: Entry] = [:]
    private var places: UInt64 = 0
    private var heldRecords: [DeviceID: Int] = [:]
    private var acknowledgedRecords = 0
    private var acknowledgedAttaches = 0

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }
    package var count: Int { entries.count }
    package func contains(_ key: Key) -> Bool { entries[key] != nil }
    /// Its records wait for their turn alone.
    package func holds(_ device: DeviceID) -> Bool {
        !heldRecords.isEmpty && heldRecords[device] != nil
    }
    package func closes(of key: Key) -> Int { entries[key]?.closes ?? 0 }

    /// The bridge closed while these were not acknowledged, oldest first. `alone` is the one that
    /// was on the wire by itself. True if that one is given up now.
    package mutating func closed(_ unacknowledged: [Key], alone: Key?) -> Bool {
        for key in unacknowledged {
            if entries[key] == nil { insert(key) } else { entries[key]?.triedBefore = true }
        }
        guard let alone, var entry = entries[alone] else { return false }
        let acknowledged = acknowledgements(of: alone.item)
        if entry.closes == 0 || acknowledged > entry.marker { entry.closes += 1 }
        entry.marker = acknowledged
        places += 1
        entry.place = places
        entries[alone] = entry
        guard entry.closes >= Self.closesMax else { return false }
        clear(alone)
        return true
    }

    /// How many of this one's device may be on the wire together in its turn.
    package func window(of key: Key) -> Int {
        guard count > 64, case .record = key.item, entries[key]?.triedBefore == false else {
            return 1
        }
        return count / 32
    }

    package mutating func acknowledged(_ key: Key) {
        switch key.item {
        case .record: acknowledgedRecords += 1
        case .attach: acknowledgedAttaches += 1
        case .state: break
        }
        if !entries.isEmpty { clear(key) }
    }

    package mutating func clear(_ key: Key) {
        guard entries.removeValue(forKey: key) != nil, case .record = key.item else { return }
        let left = (heldRecords[key.device] ?? 1) - 1
        heldRecords[key.device] = left > 0 ? left : nil
    }

    /// A device's records below `seq` are no longer in the journal.
    package mutating func clearRecords(of device: DeviceID, below seq: UInt64) {
        guard holds(device) else { return }
        for key in Array(entries.keys) where key.device == device {
            if case .record(let other) = key.item, other < seq { clear(key) }
        }
    }

    package mutating func clearAll(of device: DeviceID) {
        for key in Array(entries.keys) where key.device == device { clear(key) }
    }

    /// The next to be sent alone: those that never closed a connection while alone come first, then
    /// in the order they came. One that did waits until something of its kind was acknowledged
    /// since. A device's records keep their order: only its oldest suspect can be next.
    package func next(where eligible: (Key) -> Bool, patient: Bool) -> Key? {
        var oldest: [DeviceID: UInt64] = [:]
        for key in entries.keys {
            if case .record(let seq) = key.item {
                oldest[key.device] = min(oldest[key.device] ?? seq, seq)
            }
        }
        var best: (key: Key, entry: Entry)?
        for (key, entry) in entries {
            if case .record(let seq) = key.item, oldest[key.device] != seq { continue }
            if let best, (best.entry.closes, best.entry.place) < (entry.closes, entry.place) {
                continue
            }
            if entry.closes > 0, patient, acknowledgements(of: key.item) <= entry.marker {
                continue
            }
            if eligible(key) { best = (key, entry) }
        }
        return best?.key
    }

    /// Its turn passed without it being sent: to the end, and after three such turns forgotten.
    package mutating func unused(_ key: Key) {
        guard var entry = entries[key] else { return }
        entry.unused += 1
        places += 1
        entry.place = places
        entries[key] = entry
        if entry.unused >= Self.unusedMax { clear(key) }
    }

    private mutating func insert(_ key: Key) {
        places += 1
        entries[key] = Entry(place: places)
        if case .record = key.item { heldRecords[key.device, default: 0] += 1 }
    }

    /// Any acknowledged record shows that the bridge takes records; for an attach either kind does.
    private func acknowledgements(of item: Item) -> Int {
        switch item {
        case .record, .state: acknowledgedRecords
        case .attach: acknowledgedRecords + acknowledgedAttaches
        }
    }
}
