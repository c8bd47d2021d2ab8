import Base

/// Records of one device that were lost, and why: what `events/gaps` reports. At most one is open
/// per device; later losses are merged into it until it is appended to the journal.
package struct Gap: Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        case full, age, share, damage, oversize, rejected, memory
        /// The process ended without notice: numbers that were reserved are skipped. Nothing is
        /// known to be lost.
        case restart

        /// Reasons for which records are lost and counted.
        package static let counted = allCases.filter { $0 != .restart }

        /// Of these the settled bits are on disk, or the records gone from it: a crash must not
        /// make it silent.
        var isOnDisk: Bool { self == .full || self == .age || self == .share }
    }

    /// nil: not known whose, the damage took that too.
    package var device: DeviceID?
    package var from: UInt64
    package var to: UInt64
    package var count: Int
    package var fromTime: WallTime?
    package var toTime: WallTime?
    package var reason: Reason

    package init(
        device: DeviceID?, from: UInt64, to: UInt64, count: Int,
        fromTime: WallTime? = nil, toTime: WallTime? = nil, reason: Reason
    ) {
        self.device = device
        self.from = from
        self.to = to
        self.count = count
        self.fromTime = fromTime
        self.toTime = toTime
        self.reason = reason
    }

    /// The merged gap spans both, with the reason of the greater count.
    package mutating func merge(_ other: Gap) {
        if other.count > count { reason = other.reason }
        // Records that never got a number (too long, refused) have from = to = 0.
        if from == 0 { from = other.from } else if other.from != 0 { from = min(from, other.from) }
        to = max(to, other.to)
        count = count.addingReportingOverflow(other.count).partialValue
        if let time = other.fromTime { fromTime = min(fromTime ?? time, time) }
        if let time = other.toTime { toTime = max(toTime ?? time, time) }
    }

    /// The members of the payload without `ts` and `seq`.
    package var body: [UInt8] {
        var json = JSONWriter()
        json.key("device")
        if let device { json.string(device.text) } else { json.null() }
        json.member("from", from)
        json.member("to", to)
        json.member("count", count)
        json.key("fromTs")
        if let fromTime { json.timestamp(fromTime) } else { json.null() }
        json.key("toTs")
        if let toTime { json.timestamp(toTime) } else { json.null() }
        json.member("reason", reason.rawValue)
        return json.bytes
    }

    /// The same as an object of its own.
    var object: [UInt8] { Array("{".utf8) + body + Array("}".utf8) }

    /// The payload of a loss note.
    var note: [UInt8] { Record.versioned + body }

    init?(note bytes: [UInt8], _ payload: Range<Int>) {
        guard payload.count > 8, payload.upperBound <= bytes.count,
            bytes[payload.lowerBound] == Record.payloadVersion
        else { return nil }
        self.init(body: Array(bytes[(payload.lowerBound + 8)..<payload.upperBound]))
    }

    /// Reads a body back: a gap record that is dropped adds its count to the next.
    package init?(body: [UInt8]) {
        guard let json = try? JSONReader.parse(Array("{".utf8) + body + Array("}".utf8)) else {
            return nil
        }
        self.init(json)
    }

    init?(_ json: JSON) {
        guard let count = json["count"]?.integer.flatMap({ Int(exactly: $0) }),
            let reason = (json["reason"]?.string).flatMap(Reason.init(word:)),
            count > 0 || count == 0 && reason == .restart
        else { return nil }
        let device = (json["device"]?.string).flatMap { try? DeviceID($0) }
        self.init(
            device: device, from: json["from"]?.unsigned ?? 0, to: json["to"]?.unsigned ?? 0,
            count: count,
            fromTime: (json["fromTs"]?.string).flatMap { WallTime(timestamp: $0.string) },
            toTime: (json["toTs"]?.string).flatMap { WallTime(timestamp: $0.string) },
            reason: reason)
    }
}

/// How many records were ever lost, by reason: they only grow, over restarts too.
package struct LossTotals: Hashable, Sendable {
    private var counts = [UInt64](repeating: 0, count: Gap.Reason.counted.count)

    package init() {}

    package subscript(reason: Gap.Reason) -> UInt64 { Self.place(reason).map { counts[$0] } ?? 0 }
    package var sum: UInt64 { counts.reduce(0) { $0.addingReportingOverflow($1).partialValue } }
    package var isZero: Bool { counts.allSatisfy { $0 == 0 } }

    private static func place(_ reason: Gap.Reason) -> Int? {
        Gap.Reason.counted.firstIndex(of: reason)
    }

    mutating func add(_ count: Int, _ reason: Gap.Reason) {
        guard count > 0, let place = Self.place(reason) else { return }
        counts[place] &+= UInt64(count)
    }

    /// Takes in what an older run has counted.
    mutating func raise(to other: LossTotals) {
        for index in counts.indices { counts[index] = max(counts[index], other.counts[index]) }
    }

    /// On top of what an older run has counted, what this one has lost since.
    mutating func add(_ other: LossTotals) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
    }

    /// Counts by which this exceeds `other`.
    func beyond(_ other: LossTotals) -> LossTotals {
        var rest = self
        for index in counts.indices {
            rest.counts[index] -= min(other.counts[index], counts[index])
        }
        return rest
    }

    static let recordSize = Record.size(payload: 8 + 8 * Gap.Reason.counted.count)

    var payload: [UInt8] {
        var bytes = Record.versioned
        for count in counts { bytes.appendLittle(count) }
        return bytes
    }

    /// nil if it is not of this version.
    init?(_ bytes: [UInt8], _ payload: Range<Int>) {
        guard payload.count >= 8 + counts.count * 8, payload.upperBound <= bytes.count,
            bytes[payload.lowerBound] == Record.payloadVersion
        else { return nil }
        for index in counts.indices {
            counts[index] = Record.little(bytes, payload.lowerBound + 8 + index * 8, UInt64.self)
        }
    }
}
