import Base

/// The latest state document of each device, paced: the bridge refuses more than one a second and
/// detaches the device for it. Never in the journal; a newer document replaces a waiting one.
package struct StateDocuments: Sendable {
    package static let intervalMin: Duration = .seconds(2)

    private struct Item: Sendable {
        var pending: [UInt8]?
        var sending: [UInt8]?
        var last: Instant?
    }

    private let interval: Duration
    private var items: [DeviceID: Item] = [:]
    private var waiting: [DeviceID] = []
    /// The earliest time at which looking again can find something.
    private var lookAgain: Instant = .distantFuture

    package init(interval: Duration = .seconds(10)) { self.interval = max(interval, Self.intervalMin) }

    package var isWaiting: Bool { !waiting.isEmpty }
    /// When `next` may have something; nil while nothing waits but for an attachment or a PUBACK.
    package var due: Instant? { waiting.isEmpty || lookAgain == .distantFuture ? nil : lookAgain }

    package mutating func submit(_ device: DeviceID, _ document: [UInt8]) {
        if items[device]?.pending == nil { waiting.append(device) }
        items[device, default: Item()].pending = document
        wake()
    }

    /// Something about a device changed that may let its document go.
    package mutating func wake() { lookAgain = Instant(nanoseconds: .min) }

    /// The next document that may go now; it counts as sent.
    package mutating func next(
        at now: Instant, eligible: (DeviceID) -> Bool
    ) -> (device: DeviceID, document: [UInt8])? {
        guard !waiting.isEmpty, lookAgain <= now else { return nil }
        var earliest = Instant.distantFuture
        for (index, device) in waiting.enumerated() {
            guard var item = items[device], let document = item.pending, item.sending == nil,
                eligible(device)
            else { continue }
            if let last = item.last, last + interval > now {
                earliest = min(earliest, last + interval)
                continue
            }
            item.pending = nil
            item.sending = document
            item.last = now
            items[device] = item
            waiting.remove(at: index)
            return (device, document)
        }
        lookAgain = earliest
        return nil
    }

    package mutating func acknowledged(_ device: DeviceID) {
        items[device]?.sending = nil
        wake()
    }

    /// Sent but not acknowledged on a connection that is gone: waits again, unless a newer one does.
    package mutating func returned(_ device: DeviceID) {
        guard let document = items[device]?.sending else { return }
        items[device]?.sending = nil
        if items[device]?.pending == nil {
            items[device]?.pending = document
            waiting.append(device)
        }
        wake()
    }

    package mutating func forget(_ device: DeviceID) {
        items[device] = nil
        waiting.removeAll { $0 == device }
    }
}
