import Base

/// A whole segment file decoded at once, read-only: for looking into a spool without the daemon,
/// also one that is in use, copied or damaged.
package struct SegmentReader: Sendable {
    package struct Item: Sendable {
        package var record: StoredRecord
        package var settled: Bool
        package var offset: Int
    }

    package struct Damage: Hashable, Sendable {
        package var range: Range<Int>
        /// Data records that were lost there and were not settled.
        package var lost: Int
    }

    package var header: Segment.Header
    /// Generation of the settled page in force; 0: none was valid, or none was written yet.
    package var generation: UInt64
    package var damagedPages: Int
    /// The first block is damaged; the header is from its copy.
    package var isHeaderDamaged = false
    package var items: [Item] = []
    package var anchors: [Moment] = []
    package var damage: [Damage] = []
    /// The end of the last valid record, and whether torn bytes follow it.
    package var end = Segment.dataStart
    package var torn = false
    /// Valid records of a type, version or device name that this version does not know.
    package var unknown = 0
    /// Records lost since the journal was made, as far as this file knows.
    package var totals = LossTotals()
    /// Numbers below are reserved by the file's last reserve record; nil if it has none.
    package var reserve: UInt64?
    /// Losses that no gap record tells yet.
    package var notes: [Gap] = []

    package var waiting: Int { items.reduce(0) { $0 + ($1.settled ? 0 : 1) } }

    private var readSeq: UInt64 = 0
    private var settledBeyond = 0

    /// - Parameter limit: the first seq of the next file, if there is one.
    package init(_ bytes: [UInt8], limit: UInt64 = .max) throws(Segment.HeaderError) {
        (header, isHeaderDamaged) = try Segment.anyHeader(bytes)
        let newest = Settled.newest(in: bytes, seed: Record.seed(salt: header.salt))
        generation = newest.generation
        damagedPages = newest.damaged
        var scanner = SegmentScanner(header, size: bytes.count, limit: limit)
        scan: while true {
            switch scanner.next(in: bytes, base: 0, settled: newest.settled) {
            case .record(let found): take(found, bytes, newest.settled)
            case .damage(let range, let lost): damage.append(Damage(range: range, lost: lost))
            case .end(let last):
                (end, torn, readSeq) = (last.offset, last.torn, last.readSeq)
                settledBeyond = newest.settled.count(in: end..<max(Segment.sizeMax, end))
                if !last.damage.isEmpty {
                    damage.append(Damage(range: last.damage, lost: last.lost))
                }
                break scan
            case .more: break scan
            }
        }
        correct()
    }

    /// Records that this file must have had behind the last one that was read.
    package func missing(before next: Segment.Header) -> Int {
        guard next.previous == header.firstSeq, !header.sparse, next.firstSeq > readSeq &+ 1 else {
            return 0
        }
        let told = damage.last.map { $0.range.lowerBound >= end ? $0.lost : 0 } ?? 0
        return max(Int(clamping: next.firstSeq - readSeq - 1) - settledBeyond - told, 0)
    }

    private mutating func take(_ found: SegmentScanner.Found, _ bytes: [UInt8], _ settled: Settled)
    {
        let at = Instant(nanoseconds: Int64(bitPattern: found.header.bootTime))
        switch Record.RecordType(rawValue: found.header.type) {
        case .anchor where found.payload.count >= 16:
            let wall = Record.little(bytes, found.payload.lowerBound + 8, Int64.self)
            return anchors.append(Moment(at, WallTime(milliseconds: wall)))
        case .totals:
            if let counts = LossTotals(bytes, found.payload) { totals.raise(to: counts) }
            return
        case .note:
            guard !settled.contains(offset: found.offset) else { return }
            if let gap = Gap(note: bytes, found.payload) { notes.append(gap) }
            return
        case .reserve:
            if let found = Record.Reserve(bytes, found.payload) { reserve = found.bound }
            return
        case .header: return
        case .data, .anchor, nil: break
        }
        guard found.header.type == Record.RecordType.data.rawValue,
            let parts = Record.Parts(bytes, found.payload),
            let device = try? DeviceID(String(decoding: bytes[parts.device], as: UTF8.self))
        else { unknown += 1; return }
        let record = StoredRecord(
            seq: found.header.seq, device: device,
            subfolder: String(decoding: bytes[parts.subfolder], as: UTF8.self), kind: parts.kind,
            priority: found.header.flags.contains(.priority), body: Array(bytes[parts.body]),
            at: Moment(at, parts.wall), clockTrusted: found.header.flags.contains(.clockTrusted),
            thisBoot: false)
        let isSettled = settled.contains(offset: found.offset)
        items.append(Item(record: record, settled: isSettled, offset: found.offset))
    }

    /// Gives records that were written before the clock was trusted the time an anchor knows.
    private mutating func correct() {
        guard let anchor = anchors.last ?? (header.clockTrusted ? header.created : nil) else {
            return
        }
        for index in items.indices where !items[index].record.clockTrusted {
            let at = items[index].record.at.instant
            items[index].record.at.wall = anchor.wall + (at - anchor.instant)
            items[index].record.clockTrusted = true
        }
    }
}
