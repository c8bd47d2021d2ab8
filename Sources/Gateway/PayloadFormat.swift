import Adapter
import Base
import Bridge
import Spool

/// Form of the messages to a plain broker (`bridge.publish`). The journal holds readings in one
/// form whatever is set here; the others are made when a record is sent.
package struct PayloadFormat: Hashable, Sendable {
    package enum Form: String, Hashable, Sendable, CaseIterable {
        /// `{"ts","seq","values":{…},"bad":{…}}`
        case readings
        /// `{"ts","seq",POINT:VALUE…,"bad":{…}}`
        case flat
        /// `{POINT:VALUE…}`
        case values
    }
    package enum Time: String, Hashable, Sendable, CaseIterable { case iso, ms }
    package enum Booleans: String, Hashable, Sendable, CaseIterable {
        case json
        case digits = "01"
    }

    package var form = Form.readings
    package var time = Time.iso
    package var booleans = Booleans.json
    /// The units of the points beside their values.
    package var hasUnits = false
    /// Whether the broker is asked to keep states.
    package var retainsState = false
    /// Whether the broker is asked to keep latest values.
    package var retainsLatest = true
    /// Whether telemetry names its device in a member: its topic does not, and there are several.
    package var namesDevice = false
    /// Whether states name their device in a member: their topic does not.
    package var namesDeviceInState = false

    /// Members that a point of a flat message would hide.
    package static let reserved: [ByteString] = [
        "ts", "seq", "clock", "backfill", "device", "bad", "units",
    ]

    package init() {}

    /// Whether records leave as the journal holds them.
    var isStandard: Bool {
        form == .readings && time == .iso && booleans == .json && !hasUnits && !namesDevice
    }

    // MARK: records

    /// Most bytes that a record has beyond its envelope and its body.
    func growth(_ device: DeviceID, _ points: [Point]) -> Int {
        guard !isStandard else { return 0 }
        var bytes = namesDevice ? 16 + 6 * device.text.utf8.count : 0
        if hasUnits {
            bytes += 12
            for point in points {
                bytes += 6 * point.name.count + 6 * (point.units?.count ?? 0) + 6
            }
        }
        return bytes
    }

    /// - Parameter lead: stands before the object, as in an array.
    func bytes(of record: StoredRecord, _ points: [Point], after lead: UInt8?) -> [UInt8] {
        var out = lead.map { [$0] } ?? []
        if record.kind == .reading {
            out += reading(record, points)
        } else {
            out += head(record.at.wall, record, nameFrom: record.body)
            if !record.body.isEmpty { out.append(0x2C) }
            out += record.body + [0x7D]
        }
        return out
    }

    /// `{"ts":…,"seq":…`, open.
    private func head(_ ts: WallTime, _ record: StoredRecord, nameFrom body: [UInt8]) -> [UInt8] {
        var writer = JSONWriter()
        writer.member("seq", record.seq)
        if !record.clockTrusted { writer.member("clock", "unsynced") }
        if record.backfill { writer.member("backfill", true) }
        // Gaps and alarms name their device themselves.
        let isNamed = { (try? JSONReader.parse([0x7B] + body + [0x7D]))?["device"] != nil }
        if namesDevice, record.kind == .reading || !isNamed() {
            writer.member("device", record.device.text)
        }
        return time(ts) + [0x2C] + writer.bytes
    }

    /// `{"ts":…`, open.
    private func time(_ ts: WallTime) -> [UInt8] {
        var writer = JSONWriter()
        switch time {
        case .iso: writer.member("ts", ts)
        case .ms: writer.member("ts", ts.milliseconds)
        }
        return [0x7B] + writer.bytes
    }

    private func reading(_ record: StoredRecord, _ points: [Point]) -> [UInt8] {
        let body = try? JSONReader.parse([0x7B] + record.body + [0x7D])
        let values = body?["values"]?.members ?? []
        var writer = JSONWriter()
        if form == .readings {
            writer.key("values")
            writer.object { writer in for each in values { write(each, &writer) } }
        } else {
            for each in values { write(each, &writer) }
        }
        guard form != .values else { return [0x7B] + writer.bytes + [0x7D] }
        if let bad = body?["bad"] {
            writer.key("bad")
            Self.write(bad, digits: false, &writer)
        }
        if hasUnits { write(unitsOf: values, points, &writer) }
        let members = writer.bytes
        return head(record.at.wall, record, nameFrom: [])
            + (members.isEmpty ? [] : [0x2C]) + members + [0x7D]
    }

    private func write(_ member: JSON.Member, _ writer: inout JSONWriter) {
        writer.key(member.name)
        Self.write(member.value, digits: booleans == .digits, &writer)
    }

    private func write(
        unitsOf values: [JSON.Member], _ points: [Point], _ writer: inout JSONWriter
    ) {
        let named = Set(values.map(\.name))
        let found = points.filter { $0.units != nil && named.contains($0.name) }
        guard !found.isEmpty else { return }
        writer.key("units")
        writer.object { writer in
            for point in found {
                writer.key(point.name)
                writer.string(point.units ?? "")
            }
        }
    }

    /// - Parameter digits: whether true and false become 1 and 0.
    private static func write(_ json: JSON, digits: Bool, _ writer: inout JSONWriter) {
        switch json.kind {
        case .object(let members):
            writer.object { writer in
                for each in members {
                    writer.key(each.name)
                    write(each.value, digits: digits, &writer)
                }
            }
        case .array(let items):
            writer.array { writer in for each in items { write(each, digits: digits, &writer) } }
        case .bool(let value) where digits: writer.integer(value ? 1 : 0)
        case .bool(let value): writer.bool(value)
        case .string(let text): writer.string(text)
        case .number(let text): writer.raw(Array(text.utf8))
        case .null: writer.null()
        }
    }

    // MARK: state and latest values

    /// A state document that begins with its time.
    func state(_ document: [UInt8], of device: DeviceID, at now: WallTime) -> [UInt8] {
        guard time != .iso || namesDeviceInState else { return document }
        var writer = JSONWriter()
        writer.member("ts", now)
        let rest = document.dropFirst(1 + writer.bytes.count)
        var name = JSONWriter()
        if namesDeviceInState { name.member("device", device.text) }
        return time(now) + (namesDeviceInState ? [0x2C] : []) + name.bytes + rest
    }

    /// The points of a reading with the bare texts of their values; an empty one for a bad point.
    func latest(_ body: [UInt8]) -> [(point: ByteString, text: [UInt8])] {
        guard let json = try? JSONReader.parse([0x7B] + body + [0x7D]) else { return [] }
        let values = (json["values"]?.members ?? []).map { ($0.name, bare($0.value)) }
        return values + (json["bad"]?.members ?? []).map { ($0.name, []) }
    }

    private func bare(_ json: JSON) -> [UInt8] {
        if case .string(let text) = json.kind { return Array(text.utf8) }
        var writer = JSONWriter()
        Self.write(json, digits: booleans == .digits, &writer)
        return writer.bytes
    }
}

/// A bare value on a point's own topic, as the command that it means.
enum SetValue {
    static let sizeMax = 1024

    /// Nil if it is no value: empty, as what clears a retained message is, too long, or no UTF-8.
    ///
    /// - Parameter isBool: whether the point takes true and false, which may then be 1 and 0 or on
    ///   and off.
    static func command(
        _ payload: [UInt8], for point: ByteString, isBool: Bool, id: String
    ) -> [UInt8]? {
        var bytes = payload[...]
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
        let text = ByteString(decoding: bytes)
        guard !bytes.isEmpty, bytes.count <= sizeMax, text.utf8.elementsEqual(bytes) else {
            return nil
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", id)
            writer.key("write")
            writer.object { writer in
                writer.key(point)
                if isBool, let value = bool(text) {
                    writer.bool(value)
                } else if (try? JSONReader.parse(Array(bytes))) != nil {
                    writer.raw(bytes)
                } else {
                    writer.string(text)
                }
            }
        }
        return writer.bytes
    }

    private static func bool(_ text: ByteString) -> Bool? {
        switch text.string.lowercased() {
        case "1", "on", "true": true
        case "0", "off", "false": false
        default: nil
        }
    }
}
