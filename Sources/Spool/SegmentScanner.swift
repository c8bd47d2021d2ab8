import Base

/// Walks over the records of one segment, in windows of the file that the caller supplies, and
/// tells torn from damaged. What is invalid and followed by a valid record is damage. At the end of
/// the file a 512-byte sector decides: disks write whole sectors and the file was zeros before, so
/// a record with a sector that is still zero was torn, and one that is all there was written to its
/// end and damaged later.
package struct SegmentScanner: Sendable {
    package struct Found: Hashable, Sendable {
        /// Where the record begins in the file, and its header.
        package var offset: Int
        package var header: Record.Header
        /// The payload's place in the buffer that was given.
        package var payload: Range<Int>
    }

    package struct End: Hashable, Sendable {
        /// The end of the last valid record.
        package var offset: Int
        /// Something other than zeros follows.
        package var torn = false
        /// Of what follows, records that were written whole and are damaged, less those settled;
        /// the bytes in which they lie, and the highest seq that one of them can have had.
        package var lost = 0
        package var damage: Range<Int>
        package var lastSeq: UInt64
        /// The highest that was read.
        package var readSeq: UInt64
        /// Data records that the file had: read, lost, or known by their settled bits.
        package var records = 0
    }

    package enum Step: Hashable, Sendable {
        case record(Found)
        /// Invalid bytes between two valid records. `lost` data records began there, less those
        /// that the settled bits know. The same range comes again if a later count of the records
        /// shows that more were lost there.
        case damage(Range<Int>, lost: Int)
        /// Give a buffer of at least `count` bytes that starts at `offset`, or ends at the file's
        /// end.
        case more(offset: Int, count: Int)
        /// No valid record follows.
        case end(End)
    }

    package static let chunkSize = 64 << 10
    static let sector = 512

    private let seed: UInt32
    private let size: Int
    private let sparse: Bool
    /// Records from this seq on belong to a later segment: the file was given up before they were
    /// synced.
    private let limit: UInt64
    package private(set) var offset = Segment.dataStart
    package private(set) var lastSeq: UInt64
    private var damagedFrom: Int?
    /// Whether something other than zeros was found since `damagedFrom`.
    private var sawBytes = false
    /// Records since `damagedFrom` that were written whole and are damaged: see `End`.
    private var whole = 0
    /// Data records since `damagedFrom` that have a valid header and a damaged payload.
    private var unread = 0
    private var inRubbish = false
    /// A record would begin here.
    private var isAtRecord = true
    private var rubbish = 0
    private var seenSeq: UInt64 = 0
    /// The end of the last valid record.
    private var end = Segment.dataStart
    /// Data records up to there.
    private var records = 0
    /// The last damage that was told.
    private var lastDamage: Range<Int>?

    package init(_ header: Segment.Header, size: Int, limit: UInt64 = .max) {
        seed = Record.seed(salt: header.salt)
        self.size = size
        sparse = header.sparse
        self.limit = limit
        lastSeq = header.firstSeq &- 1
    }

    /// The next step in `buffer`, which holds the file from `base` on.
    package mutating func next(in buffer: [UInt8], base: Int, settled: Settled) -> Step {
        let bufferEnd = base + buffer.count
        while true {
            guard offset + Record.headerSize <= size else { return finished(settled) }
            guard offset >= base, offset + Record.headerSize <= bufferEnd else {
                return .more(offset: offset, count: Self.chunkSize)
            }
            if damagedFrom != nil, isZero(buffer, offset - base) {
                (inRubbish, isAtRecord) = (false, false)
                skipZeros(buffer, base)
                continue
            }
            guard let header = Record.header(in: buffer, at: offset - base, seed: seed),
                header.seq > lastSeq
            else {
                passRubbish(buffer, offset - base)
                continue
            }
            guard offset + header.size <= size else {
                // The file was cut in it.
                beginDamage()
                offset = size
                continue
            }
            if header.seq >= limit, header.type == Record.RecordType.data.rawValue {
                return .end(
                    End(
                        offset: end, damage: end..<end, lastSeq: lastSeq, readSeq: lastSeq,
                        records: records))
            }
            guard offset + header.size <= bufferEnd else {
                return .more(offset: offset, count: max(header.size, Self.chunkSize))
            }
            if let step = accept(header, buffer, base: base, settled: settled) { return step }
        }
    }

    private mutating func accept(
        _ header: Record.Header, _ buffer: [UInt8], base: Int, settled: Settled
    ) -> Step? {
        let start = offset - base + Record.headerSize
        let payload = start..<start + header.payloadLength
        (inRubbish, isAtRecord) = (false, true)
        guard CRC32C.checksum(buffer[payload]) == header.payloadCRC else {
            passDamaged(header, buffer, start - Record.headerSize..<payload.upperBound)
            return nil
        }
        if let from = damagedFrom {
            let lost = missing(before: header.seq, from: from, settled: settled)
            records += lost + settled.count(in: from..<offset)
            damagedFrom = nil
            forgetDamage()
            lastSeq = header.seq &- 1
            lastDamage = from..<offset
            return .damage(from..<offset, lost: lost)
        }
        if let more = unseen(header, buffer, payload) { return more }
        let found = Found(offset: offset, header: header, payload: payload)
        offset += header.size
        end = offset
        let isData = header.type == Record.RecordType.data.rawValue
        lastSeq = isData ? header.seq : header.seq &- 1
        if isData { records += 1 }
        return .record(found)
    }

    // MARK: - Damage

    /// Data records that a reserve record counts and nothing else told of: they were where the last
    /// damage is.
    private mutating func unseen(
        _ header: Record.Header, _ buffer: [UInt8], _ payload: Range<Int>
    ) -> Step? {
        guard header.type == Record.RecordType.reserve.rawValue, let range = lastDamage,
            let told = Record.Reserve(buffer, payload), told.records > records
        else { return nil }
        let most = range.count / Record.headerSize
        let lost = min(told.records - records, most)
        (records, lastDamage) = (told.records, nil)
        return lost > 0 ? .damage(range, lost: lost) : nil
    }

    private mutating func beginDamage() {
        sawBytes = true
        if damagedFrom == nil { damagedFrom = offset }
    }

    private mutating func forgetDamage() {
        sawBytes = false
        (whole, unread, rubbish, seenSeq) = (0, 0, 0, 0)
    }

    /// The header vouches for the length: exactly this record is lost, if it ever was there whole.
    private mutating func passDamaged(
        _ header: Record.Header, _ buffer: [UInt8], _ bytes: Range<Int>
    ) {
        beginDamage()
        if header.type == Record.RecordType.data.rawValue {
            unread += 1
            seenSeq = max(seenSeq, header.seq)
            if isWhole(buffer, bytes) { whole += 1 }
        }
        offset += header.size
    }

    /// No header here. Such bytes held a record or more if they begin where a record would; a
    /// header with a part that is zero was torn.
    private mutating func passRubbish(_ buffer: [UInt8], _ index: Int) {
        defer { isAtRecord = false; offset += Record.alignment }
        guard !isZero(buffer, index) else {
            if damagedFrom == nil { damagedFrom = offset }
            return
        }
        beginDamage()
        guard isAtRecord || inRubbish else { return }
        if isAtRecord, (1..<4).allSatisfy({ !isZero(buffer, index + $0 * 8) }) { whole += 1 }
        inRubbish = true
        rubbish += Record.alignment
    }

    /// Whether every sector of it holds something: padding aside, neither headers nor text have
    /// zeros.
    private func isWhole(_ buffer: [UInt8], _ bytes: Range<Int>) -> Bool {
        var start = bytes.lowerBound
        // `offset` is the file's place of `bytes.lowerBound`.
        var place = offset
        while start < bytes.upperBound {
            let next = min(start + Self.sector - place % Self.sector, bytes.upperBound)
            if buffer[start..<next].allSatisfy({ $0 == 0 }) { return false }
            place += next - start
            start = next
        }
        return true
    }

    private func finished(_ settled: Settled) -> Step {
        var all = End(
            offset: end, torn: sawBytes && whole == 0, damage: end..<end, lastSeq: lastSeq,
            readSeq: lastSeq)
        if let from = damagedFrom, whole > 0 {
            all.damage = from..<max(from, min(offset, size))
            // Bits of records that were sent, and of damage that was told.
            all.lost = max(whole - settled.count(in: all.damage), 0)
            let most = UInt64((rubbish + Record.headerSize - 1) / Record.headerSize)
            all.lastSeq = max(lastSeq, seenSeq) &+ most
        }
        let beyond = end..<max(Segment.sizeMax, end)
        all.records = records + all.lost + settled.count(in: beyond)
        if settled.isComplete, settled.records < all.records {
            // What is damaged there was no data record: the totals that end a commit.
            let fewer = min(all.records - settled.records, all.lost)
            all.lost -= fewer
            all.records -= fewer
        }
        guard settled.records > all.records else { return .end(all) }
        // More were durable than are left to be seen.
        all.lost += settled.records - all.records
        (all.damage, all.torn, all.records) = (beyond, false, settled.records)
        all.lastSeq = max(all.lastSeq, lastSeq &+ UInt64(all.lost))
        return .end(all)
    }

    private func missing(before seq: UInt64, from: Int, settled: Settled) -> Int {
        let known = settled.count(in: from..<offset)
        let hole = Int(clamping: seq &- 1 &- lastSeq)
        let most = (offset - from) / Record.headerSize
        guard sparse else { return max(min(hole, most) - known, 0) }
        // Numbers may skip: what was read of the headers counts, and a stretch without one for one.
        let seen = unread + (rubbish > 0 ? 1 : 0)
        return max(min(seen, hole) - known, 0)
    }

    /// Preallocated ends are long: this is the loop that passes them.
    private mutating func skipZeros(_ buffer: [UInt8], _ base: Int) {
        var index = offset - base
        buffer.withUnsafeBytes { raw in
            while index + 8 <= raw.count,
                raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) == 0
            {
                index += 8
            }
        }
        offset = max(base + index, offset + Record.alignment)
    }

    private func isZero(_ buffer: [UInt8], _ index: Int) -> Bool {
        guard index + 8 <= buffer.count else { return buffer[index...].allSatisfy { $0 == 0 } }
        return Record.little(buffer, index, UInt64.self) == 0
    }
}
