import Base
import MQTT
import Simulators
import TestKit

/// Watches a simulated world from outside and objects when a promise is broken. It knows what the
/// buses served, what the disk has synced, what was handed to the link and what the bridge has
/// taken; it asks the gateway nothing.
struct Oracle {
    /// A value may be this old when its reading is closed: the retries of one cycle.
    private static let ageMax = Duration.seconds(60)
    /// From the wire to the stamp: the adapter's delay, and milliseconds cut off.
    private static let stampMax = Duration.milliseconds(5)

    private(set) var violations: [String] = []
    private(set) var ledger = Ledger()
    private(set) var received: [UInt64: Message] = [:]
    /// That the bridge has taken, however many records are in them.
    private(set) var messages = 0
    private(set) var gaps: [(device: String?, from: UInt64, to: UInt64, count: Int64)] = []
    /// The latest reading of each device that the bridge has taken, by the bus's time.
    private(set) var lastValue: [String: Instant] = [:]
    private(set) var results: [String: (ok: Bool, payload: String)] = [:]
    /// The status in each device's latest state document.
    private(set) var status: [String: String] = [:]
    /// What it says since when, and why it is not well.
    private(set) var since: [String: String] = [:]
    private(set) var errors: [String: String] = [:]
    /// What its last state document says of its firmware.
    private(set) var firmware: [String: String] = [:]
    /// From the bus's last answer in a reading to its arrival at the bridge.
    private(set) var latencies: [Duration] = []
    private(set) var repeats = 0
    private(set) var backfilled = 0
    private var backfillSent = false
    /// Then the journal may live in memory for a while: what it sends is not durable, its numbers
    /// jump, and what a failed write has left is found after a crash and sent again under its first
    /// number.
    var diskHasFailed = false
    /// Every difference that there was between the gateway's wall clock and the world's time.
    var clocks: [Int64] = []

    private let site: Site
    private var decoder = PacketDecoder()
    private var sent: [UInt64: Message] = [:]
    private var lastFirst: [String: UInt64] = [:]
    private var lastTaken: [String: UInt64] = [:]
    private var unique: [String: UInt64] = [:]
    /// What this run of the process has sent: a repeat is the same to the byte.
    private var sentInThisLife: [UInt64: [UInt8]] = [:]
    /// When records that were not durable were sent first.
    private var sentEarly: [UInt64: Instant] = [:]
    /// Records that were sent, and long after that neither acknowledged nor durable when the
    /// gateway stopped.
    private(set) var forsaken: [UInt64] = []
    /// Time after which what was sent is durable or acknowledged: `sync`, and a slow disk.
    private static let syncMax = Duration.seconds(15)

    init(_ site: Site) { self.site = site }

    mutating func object(_ words: String, at now: Instant) {
        guard violations.count < 10 else { return }
        violations.append("at \(now.nanoseconds / 1_000_000) ms: \(words)")
    }

    // MARK: Disk

    mutating func observe(
        _ request: DiskRequest, _ result: Result<DiskAnswer, DiskFailure>, _ disk: VirtualDisk,
        at now: Instant
    ) {
        guard case .success = result else { return }
        if let complaint = ledger.observe(request, disk, at: now) { object(complaint, at: now) }
        for record in ledger.takeNews() {
            guard let message = sent[record.seq], !message.carries(record), !diskHasFailed else {
                continue
            }
            object("seq \(record.seq) was sent and is on the disk with other content", at: now)
        }
    }

    mutating func stopped(at now: Instant) {
        ledger.stopped()
        for (seq, at) in sentEarly where now - at > Self.syncMax && !diskHasFailed {
            if ledger.durable(seq) == nil, received[seq] == nil { forsaken.append(seq) }
        }
        sentEarly = [:]
        // A crash forgets which of two lanes had been ahead, if the acknowledgements were not
        // synced yet.
        if backfillSent { (lastFirst, lastTaken) = ([:], [:]) }
        sentInThisLife = [:]
    }

    // MARK: Link

    mutating func linkOpened() { decoder = PacketDecoder() }

    mutating func handedToLink(_ bytes: [UInt8], at now: Instant) {
        decoder.receive(bytes[...])
        do {
            while let packet = try decoder.next() {
                if case .publish(let publish) = packet { handed(publish, at: now) }
            }
        } catch { object("what is sent is no MQTT: \(error)", at: now) }
    }

    private mutating func handed(_ publish: Publish, at now: Instant) {
        guard let (device, subfolder) = Message.topic(publish.topic.text) else { return }
        for payload in Message.records(publish.payload) {
            handed(device, subfolder, payload, at: now)
        }
    }

    private mutating func handed(
        _ device: String, _ subfolder: String, _ payload: [UInt8], at now: Instant
    ) {
        guard let message = Message(device: device, subfolder: subfolder, payload) else {
            return object(
                "\(device): a payload without ts and seq: \(Notice.printable(payload))", at: now)
        }
        let seq = message.seq
        if let record = ledger.durable(seq) {
            if record.device != device || record.subfolder != subfolder || !message.carries(record)
            {
                object(
                    "\(device): seq \(seq) is sent with other content than the disk has", at: now)
            }
        } else {
            if diskHasFailed { return }
            let mayBeEarly = site.sendsEarly && !["gaps", "commands"].contains(subfolder)
            guard mayBeEarly, seq < ledger.reserved else {
                return object("\(device): seq \(seq) is sent and not durable", at: now)
            }
            if sentEarly[seq] == nil { sentEarly[seq] = now }
        }
        if let old = sentInThisLife.updateValue(payload, forKey: seq), old != payload {
            object("\(device): seq \(seq) is sent again with other bytes", at: now)
        }
        if let old = sent[seq] {
            if old.device != device || old.subfolder != subfolder {
                object("seq \(seq) belongs to \(old.device) and to \(device)", at: now)
            }
            if old.content != message.content, !diskHasFailed {
                object("seq \(seq) of \(device) is sent with two contents", at: now)
            }
        } else {
            if let last = lastFirst[message.lane], last >= seq, !diskHasFailed {
                object("\(message.lane): seq \(seq) is sent first after \(last)", at: now)
            }
            lastFirst[message.lane] = seq
            if message.backfill { backfillSent = true }
            sent[seq] = message
        }
    }

    // MARK: Bridge

    mutating func taken(_ event: BridgeEmulator.Received, _ lines: [SimulatedLine], at now: Instant)
    {
        messages += 1
        for payload in Message.records(event.payload) { taken(event, payload, lines, at: now) }
    }

    private mutating func taken(
        _ event: BridgeEmulator.Received, _ payload: [UInt8], _ lines: [SimulatedLine],
        at now: Instant
    ) {
        guard
            let message = Message(
                device: event.device.string, subfolder: event.subfolder.string, payload)
        else {
            return object("\(event.device): a payload without ts and seq", at: now)
        }
        if let old = received[message.seq] {
            repeats += 1
            let isSame =
                old.device == message.device
                && ledger.durable(message.seq).map(message.carries)
                    ?? (diskHasFailed || old.content == message.content)
            if !isSame {
                object(
                    "seq \(message.seq) of \(message.device) came twice with different content",
                    at: now)
            }
            return
        }
        received[message.seq] = message
        if let last = lastTaken[message.lane], last >= message.seq, !diskHasFailed {
            object("\(message.lane): seq \(message.seq) arrives first after \(last)", at: now)
        }
        lastTaken[message.lane] = message.seq
        if message.backfill { backfilled += 1 }
        guard let json = try? JSONReader.parse(message.payload) else {
            return object("\(message.device): seq \(message.seq) is no JSON", at: now)
        }
        switch (message.device, message.subfolder) {
        case (Site.gateway, "gaps"): gap(json)
        case (Site.gateway, _): break
        case (_, "commands"): result(json, message)
        default: reading(json, message, lines, at: now)
        }
    }

    mutating func takenState(_ event: BridgeEmulator.Received) {
        let document = try? JSONReader.parse(event.payload)
        status[event.device.string] = document?["status"]?.string?.string
        since[event.device.string] = document?["since"]?.string?.string
        errors[event.device.string] = document?["error"]?.string?.string
        firmware[event.device.string] = document?["firmware"]?.string?.string
    }

    private mutating func gap(_ json: JSON) {
        gaps.append(
            (
                json["device"]?.string?.string, json["from"]?.unsigned ?? 0,
                json["to"]?.unsigned ?? 0,
                json["count"]?.integer ?? 0
            ))
    }

    private mutating func result(_ json: JSON, _ message: Message) {
        guard let id = json["id"]?.string else { return }
        results[id.string] = (
            json["ok"]?.bool ?? false, String(decoding: message.payload, as: UTF8.self)
        )
    }

    private mutating func reading(
        _ json: JSON, _ message: Message, _ lines: [SimulatedLine], at now: Instant
    ) {
        guard let unit = site.unit(of: message.device), let values = json["values"]?.members else {
            return object(
                "\(message.device): seq \(message.seq) is no reading of a known device", at: now)
        }
        var newest: Instant?
        defer { if let newest { latencies.append(now - newest) } }
        for value in values {
            guard let point = Site.pointsByName[value.name.string] else {
                object("\(message.device): unknown point \(value.name)", at: now)
                continue
            }
            guard let served = served(point, value.value, unit, message.ts, lines[unit.line].bus)
            else {
                object(
                    "\(message.device): seq \(message.seq): the bus did not serve that \(point.name)",
                    at: now)
                continue
            }
            lastValue[message.device] = max(served, lastValue[message.device] ?? served)
            newest = max(served, newest ?? served)
            guard point.isUnique, let number = value.value.integer else { continue }
            let name = "\(message.device) \(point.name) \(number)"
            if let other = unique.updateValue(message.seq, forKey: name), !diskHasFailed {
                object("\(name) is in seq \(other) and again in \(message.seq)", at: now)
            }
        }
    }

    /// When the bus gave this value to the wire; nil if it never did, or not near that time stamp.
    private func served(
        _ point: Site.Point, _ value: JSON, _ unit: Site.Unit, _ ts: WallTime, _ bus: BusSimulator
    ) -> Instant? {
        let log = bus.served
        for clock in clocks {
            let stamp = Instant(nanoseconds: (ts.milliseconds - clock) * 1_000_000)
            var index = Self.firstIndex(in: log) { $0.at > stamp + Self.stampMax }
            while index > log.startIndex {
                index -= 1
                let entry = log[index]
                if entry.at < stamp - Self.ageMax { break }
                guard entry.unit == unit.number, entry.content.table == point.table, entry.intact,
                    !entry.content.isWrite
                else { continue }
                let offset = point.address - entry.content.address
                guard offset >= 0, offset + point.words <= entry.content.values.count else {
                    continue
                }
                if point.isMeant(by: value, entry.content.values[offset..<(offset + point.words)]) {
                    return entry.at
                }
            }
        }
        return nil
    }

    private static func firstIndex(
        in log: ArraySlice<Served>, where isBehind: (Served) -> Bool
    ) -> Int {
        var (low, high) = (log.startIndex, log.endIndex)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(log[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
