import Base
import MQTT

/// The object around a record's body, added when the record is first sent:
/// `{"ts":"2026-11-22T09:00:00.123Z","seq":4711,"clock":"unsynced","backfill":true,` body `}`.
///
/// `clock` is there only while the record's clock was not trusted, `backfill` only in the
/// backfill lane. The body is one or more members without braces, and may be empty.
package struct Envelope: Hashable, Sendable {
    package var ts: WallTime
    package var seq: UInt64
    package var clockTrusted: Bool
    package var backfill: Bool

    package init(ts: WallTime, seq: UInt64, clockTrusted: Bool = true, backfill: Bool = false) {
        self.ts = ts
        self.seq = seq
        self.clockTrusted = clockTrusted
        self.backfill = backfill
    }

    /// Most bytes that `bytes(around:)` adds to a body.
    package static let overheadMax = 7 + 24 + 8 + 20 + 19 + 16 + 2

    private static let start = Array("{\"ts\":\"".utf8)
    private static let sequence = Array("\",\"seq\":".utf8)
    private static let unsynced = Array(",\"clock\":\"unsynced\"".utf8)
    private static let lane = Array(",\"backfill\":true".utf8)

    private static let end: [UInt8] = [0x7D]

    package func bytes(around body: [UInt8]) -> [UInt8] {
        var payload = Payload()
        append(to: &payload, body: body)
        return payload.bytes
    }

    /// - Parameter lead: stands before the object, as in an array.
    package func append(to payload: inout Payload, body: [UInt8], after lead: UInt8? = nil) {
        var out: [UInt8] = []
        out.reserveCapacity(96)
        if let lead { out.append(lead) }
        out.append(contentsOf: Self.start)
        ts.appendTimestamp(to: &out)
        out.append(contentsOf: Self.sequence)
        Digits.append(seq, to: &out)
        if !clockTrusted { out.append(contentsOf: Self.unsynced) }
        if backfill { out.append(contentsOf: Self.lane) }
        if !body.isEmpty { out.append(0x2C) }
        payload.append(out)
        if !body.isEmpty { payload.append(body) }
        payload.append(Self.end)
    }
}
