import Base

/// The latest state document of each device, paced: the bridge refuses more than one a second and
/// detaches the device for it. Never in the journal; a newer document replaces a waiting one.
package struct StateDocuments: Sendable {
    package static let intervalMin: Duration = .seconds(2)

    private struct Item: Sendable {
        var pending: [UInt8]?
        var sending: [UInt8]?
        var last: Instant?
        /// Mark that the maker of `pending` gave to its content; nil is different from everything.
        var pendingMark: Int?
        /// Mark of `sending`, likewise.
        var sendingMark: Int?
        /// Mark of the document that was acknowledged last, likewise.
        var acknowledgedMark: Int?
    }

    /// The other messages of which only the latest counts.
    var latest = LatestValues()
    private let interval: Duration
    private var items: [DeviceID: Item] = [:]
    private var waiting: [DeviceID] = []
    /// The earliest time at which looking again can find something.
    private var lookAgain: Instant = .distantFuture

    package init(interval: Duration = .seconds(10)) {
        self.interval = max(interval, Self.intervalMin)
    }

    package var isWaiting: Bool { !waiting.isEmpty }
    /// When `next` may have something; nil while nothing waits but for an attachment or a PUBACK.
    package var due: Instant? { waiting.isEmpty || lookAgain == .distantFuture ? nil : lookAgain }

    /// A document with the mark of the one that the bridge has last acknowledged says nothing new:
    /// after a reconnect of a thousand devices that is ten seconds of rate.
    package mutating func submit(_ device: DeviceID, _ document: [UInt8], mark: Int? = nil) {
        if let mark, let item = items[device] {
            let latest =
                item.pending != nil
                ? item.pendingMark : item.sending != nil ? item.sendingMark : item.acknowledgedMark
            if latest == mark { return }
        }
        if items[device]?.pending == nil { waiting.append(device) }
        items[device, default: Item()].pending = document
        items[device]?.pendingMark = mark
        wake()
    }

    /// Something of this device waits or is on its way.
    package func holds(_ device: DeviceID) -> Bool {
        items[device].map { $0.pending != nil || $0.sending != nil } ?? false
    }

    /// Of another session with the same bridge: only when each device's last document left.
    package mutating func inherit(_ old: StateDocuments) {
        for (device, item) in old.items { items[device] = Item(last: item.last) }
    }

    /// Something about a device changed that may let its document go.
    package mutating func wake() { lookAgain = Instant(nanoseconds: .min) }

    /// Whether `next` may find something.
    package func mayHaveNext(at now: Instant) -> Bool { !waiting.isEmpty && lookAgain <= now }

    /// The next document that may go now; it counts as sent.
    package mutating func next(
        at now: Instant, eligible: (DeviceID) -> Bool
    ) -> (device: DeviceID, document: [UInt8])? {
        guard !waiting.isEmpty, lookAgain <= now else { return nil }
        var earliest = Instant.distantFuture
        for device in waiting {
            guard let item = items[device], item.sending == nil, eligible(device) else { continue }
            if let document = take(device, at: now) { return (device, document) }
            if let last = item.last { earliest = min(earliest, last + interval) }
        }
        lookAgain = earliest
        return nil
    }

    /// Whether this device's document may go now, by its pace.
    package func isDue(_ device: DeviceID, at now: Instant) -> Bool {
        guard let item = items[device], item.pending != nil, item.sending == nil else {
            return false
        }
        return item.last.map { $0 + interval <= now } ?? true
    }

    /// This device's document, if it may go now; it counts as sent.
    package mutating func take(_ device: DeviceID, at now: Instant) -> [UInt8]? {
        guard isDue(device, at: now), var item = items[device], let document = item.pending else {
            return nil
        }
        item.pending = nil
        item.sending = document
        item.sendingMark = item.pendingMark
        item.last = now
        items[device] = item
        if let index = waiting.firstIndex(of: device) { waiting.remove(at: index) }
        return document
    }

    package mutating func acknowledged(_ device: DeviceID, at now: Instant) {
        if var item = items[device] {
            item.sending = nil
            item.acknowledgedMark = item.sendingMark
            items[device] = item
        }
        leaveRoom(after: now, device)
        wake()
    }

    /// The client may have sent the document again just now: the bridge counts that one too.
    private mutating func leaveRoom(after now: Instant, _ device: DeviceID) {
        guard let last = items[device]?.last else { return }
        items[device]?.last = max(last, now + Self.intervalMin - interval)
    }

    /// Sent but not acknowledged on a connection that is gone: waits again, unless a newer one
    /// does.
    package mutating func returned(_ device: DeviceID, at now: Instant? = nil) {
        guard let document = items[device]?.sending else { return }
        let mark = items[device]?.sendingMark
        items[device]?.sending = nil
        if let now { leaveRoom(after: now, device) }
        if items[device]?.pending == nil {
            items[device]?.pending = document
            items[device]?.pendingMark = mark
            waiting.append(device)
        }
        wake()
    }

    /// Its documents; not when the last one left, because the bridge goes on counting.
    package mutating func forget(_ device: DeviceID) {
        items[device] = items[device].map { Item(last: $0.last) }
        waiting.removeAll { $0 == device }
    }
}
