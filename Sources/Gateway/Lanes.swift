import Base
import Bridge
import Spool

/// Order in which records are sent. A short backlog is sent in order, before new records. A backlog
/// that would delay a live reading by more than `liveWithin` becomes a lane of its own when its
/// device is attached. Then three of four messages belong to live records as long as there are any.
struct Lanes: Sendable {
    struct Settings: Sendable {
        var liveWithin: Duration = .seconds(5)
        var rate: Rate = .unlimited
        /// Records of one device that may wait for their PUBACK at one time, and of all.
        var perDevice = 1
        var total = 64
        /// Readings of one device that travel together fill a message up to this; nil: each goes by
        /// itself.
        var batchBytes: Int?

        init() {}
        init(liveWithin: Duration, batch: Configuration.Bridge.Batch?, _ session: Session.Settings)
        {
            self.liveWithin = liveWithin
            batchBytes = batch?.maxBytes
            rate = session.rate
            perDevice = max(session.inFlight.perDevice, 1)
            total = max(session.inFlight.total, 1)
        }
    }

    /// Live messages in a row before one of the backlog.
    static let liveRun = 3
    /// Where the bridge sets no rate: what a small machine and a broker near it are good for.
    static let assumedRate = 2000
    /// A sample of round trips, not all of them.
    static let samplesMax = 16

    var settings: Settings
    private var run = 0
    /// From PUBLISH to PUBACK, smoothed.
    private(set) var roundTrip = Duration.milliseconds(100)
    private var sent: [UInt64: Instant] = [:]

    init(_ settings: Settings) { self.settings = settings }

    /// Whether the records that wait now would keep a new one of this device waiting for too long.
    func isLong(waiting: Int, bytes: Int, ofDevice own: Int) -> Bool {
        guard own > 0 else { return false }
        let limit = settings.liveWithin.secondsValue
        let size = Double(max(bytes, 1)) / Double(max(waiting, 1))
        let together = settings.batchBytes.map { max(1, Double($0) / size) } ?? 1
        let byMessages =
            Double(waiting) / together / Double(settings.rate.messages ?? Self.assumedRate)
        let byBytes = settings.rate.bytes.map { Double(bytes) / Double(max($0, 1)) } ?? 0
        let byDevice = Double(own) / together / Double(settings.perDevice) * roundTrip.secondsValue
        return max(byMessages, byBytes, byDevice) > limit
    }

    func next(hasLive: Bool, hasBacklog: Bool) -> Lane? {
        guard hasLive || hasBacklog else { return nil }
        return hasLive && (run < Self.liveRun || !hasBacklog) ? .live : .backlog
    }

    mutating func published(_ seq: UInt64, _ lane: Lane, at now: Instant) {
        run = lane == .live ? run + 1 : 0
        if sent.count < Self.samplesMax { sent[seq] = now }
    }

    mutating func acknowledged(_ seq: UInt64, at now: Instant) {
        guard let before = sent.removeValue(forKey: seq) else { return }
        roundTrip = (roundTrip * 7 + (now - before)) / 8
    }

    /// The connection is gone, and the acknowledgements with it.
    mutating func disconnected() { sent = [:] }
}

extension Gateway {
    /// A device may send from now on: what has waited for that may be too much to go before what
    /// comes.
    mutating func attached(_ device: DeviceID, at now: Moment) {
        let isLong = lanes.isLong(
            waiting: spool.waiting, bytes: spool.waitingBytes, ofDevice: spool.waiting(of: device))
        if isLong || spool.isOvertaken(device) { spool.split(device) } else { spool.join(device) }
    }

    /// Gives the session every durable record that it may send now: devices with something urgent
    /// first, then the oldest device of its lane. The session's own messages leave in between.
    mutating func feed(at now: Moment) -> Bool {
        batching?.look()
        guard phase != .fresh, phase != .done, session.isOnline else { return false }
        var offers = Offers(spool)
        var any = false
        while let slot = session.nextSlot(
            urgent: offers.hasUrgent, records: offers.hasRecords, at: now)
        {
            guard let (device, lane) = offers.next(slot, lanes) else { break }
            if isDue(device, lane, at: now), session.accepts(device, at: now),
                let record = spool.take(device, lane, at: now)
            {
                publish(record, lane, at: now)
                any = true
            } else {
                offers.remove(slot, lane)
            }
        }
        return any || session.hasOutputs
    }

    private mutating func publish(_ record: StoredRecord, _ lane: Lane, at now: Moment) {
        lanes.published(record.seq, lane, at: now.instant)
        var outgoing = Outgoing(
            seq: record.seq, device: record.device, subfolder: record.subfolder)
        gather(into: &outgoing, record, lane, at: now)
        session.publish(outgoing, at: now)
    }
}

/// The devices that have records, in the order in which they are asked.
private struct Offers {
    private var urgent: (live: Slice<ReadyDevices>, backlog: Slice<ReadyDevices>)
    private var records: (live: Slice<ReadyDevices>, backlog: Slice<ReadyDevices>)

    /// - Parameter spool: is borrowed: to copy it would cost more than all that follows.
    init(_ spool: borrowing Journal) {
        urgent = (spool.urgentDevices(.live)[...], spool.urgentDevices(.backlog)[...])
        records = (spool.readyLiveDevices[...], spool.readyDevices[...])
    }

    var hasUrgent: Bool { !urgent.live.isEmpty || !urgent.backlog.isEmpty }
    var hasRecords: Bool { !records.live.isEmpty || !records.backlog.isEmpty }

    /// Among urgent devices a live one goes first; else the lanes take turns.
    func next(_ slot: Session.Slot, _ lanes: Lanes) -> (DeviceID, Lane)? {
        let from = slot == .urgent ? urgent : records
        let lane =
            slot == .urgent
            ? (from.live.isEmpty ? Lane.backlog : .live)
            : lanes.next(hasLive: !from.live.isEmpty, hasBacklog: !from.backlog.isEmpty) ?? .backlog
        return (lane == .live ? from.live.first : from.backlog.first).map { ($0, lane) }
    }

    /// The first device of that list has nothing that may leave now.
    mutating func remove(_ slot: Session.Slot, _ lane: Lane) {
        switch (slot, lane) {
        case (.urgent, .live): urgent.live.removeFirst()
        case (.urgent, .backlog): urgent.backlog.removeFirst()
        case (.record, .live): records.live.removeFirst()
        case (.record, .backlog): records.backlog.removeFirst()
        }
    }
}
