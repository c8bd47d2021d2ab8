import Base

/// Records of one device that were lost, and why: what `events/gaps` reports. At most one is open
/// per device; later losses are merged into it until it is appended to the journal.
package struct Gap: Hashable, Sendable {
    package enum Reason: String, Hashable, Sendable {
        case full, age, share, damage, oversize, rejected, memory
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

    /// Reads a body back: a gap record that is dropped adds its count to the next. The times are left out.
    package init?(body: [UInt8]) {
        guard let json = try? JSONReader.parse(Array("{".utf8) + body + Array("}".utf8)),
            let count = json["count"]?.integer.flatMap({ Int(exactly: $0) }), count > 0,
            let reason = (json["reason"]?.string).flatMap(Reason.init(rawValue:))
        else { return nil }
        let device = (json["device"]?.string).flatMap { try? DeviceID($0) }
        self.init(
            device: device, from: json["from"]?.unsigned ?? 0, to: json["to"]?.unsigned ?? 0,
            count: count, reason: reason)
    }
}
