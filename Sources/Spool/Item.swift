import Base

/// A record in memory, and its place on disk.
struct Item: Sendable {
    var record: StoredRecord
    /// Place of its queue in the device table.
    var queue: Int
    /// First seq of its segment; 0 if it is in memory only.
    var segment: UInt64 = 0
    var offset = 0
    var size: Int
    /// Whether memory-only mode leaves its number as it is: it may have been published.
    var keepsNumber = false
    /// Whether it waits for its commit and may be sent before that (see `PendingRecords`).
    var isPending = false
    /// Its segment was dropped while it was in flight: the loss is reported already.
    var isTold = false
    /// Of a gap record: what it reports, so that dropping it loses no count.
    var gap: Gap? { report?.gap }
    private var report: Report?

    /// A gap on the heap: few items have one, and all are moved around.
    private final class Report: Sendable {
        let gap: Gap
        init(_ gap: Gap) { self.gap = gap }
    }

    init(
        record: StoredRecord, queue: Int, segment: UInt64 = 0, offset: Int = 0, size: Int,
        gap: Gap? = nil
    ) {
        self.record = record
        self.queue = queue
        self.segment = segment
        self.offset = offset
        self.size = size
        report = gap.map(Report.init)
    }

    /// The record of a header and payload; this is where a loaded body is copied.
    init(
        _ header: Record.Header, _ parts: Record.Parts, of device: DeviceID, _ queue: Int,
        in bytes: [UInt8],
        at place: Position, thisBoot: Bool
    ) {
        let record = StoredRecord(
            seq: header.seq, device: device,
            subfolder: parts.subfolder.isEmpty
                ? "" : String(decoding: bytes[parts.subfolder], as: UTF8.self),
            kind: parts.kind, priority: header.flags.contains(.priority),
            body: Array(bytes[parts.body]),
            at: Moment(header.instant, parts.wall),
            clockTrusted: header.flags.contains(.clockTrusted),
            thisBoot: thisBoot)
        self.init(
            record: record, queue: queue, segment: place.segment, offset: place.offset,
            size: header.size,
            gap: parts.kind == .gap ? Gap(body: record.body) : nil)
    }

    /// A new record without a number.
    init(_ entry: Entry, queue: Int, gap: Gap?) {
        self.init(
            record: StoredRecord(entry, seq: 0), queue: queue,
            size: Record.size(
                device: entry.device.text.utf8.count, subfolder: entry.subfolder.utf8.count,
                body: entry.body.count),
            gap: gap)
    }
}
