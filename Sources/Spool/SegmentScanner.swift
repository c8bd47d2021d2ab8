import Base

/// Walks over the records of one segment, in windows of the file that the caller supplies, and
/// tells torn from damaged: what is invalid and followed by a valid record of a higher seq is
/// damage, what is followed by nothing is the torn end of the last write.
package struct SegmentScanner: Sendable {
    package struct Found: Hashable, Sendable {
        /// Where the record begins in the file, and its header.
        package var offset: Int
        package var header: Record.Header
        /// The payload's place in the buffer that was given.
        package var payload: Range<Int>
    }

    package enum Step: Hashable, Sendable {
        case record(Found)
        /// Invalid bytes between two valid records. `lost` data records began there, less those
        /// that the settled bits know.
        case damage(Range<Int>, lost: Int)
        /// Give a buffer of at least `count` bytes that starts at `offset`, or ends at the file's end.
        case more(offset: Int, count: Int)
        /// No valid record follows `offset`. `torn`: something other than zeros does.
        case end(offset: Int, torn: Bool)
    }

    package static let chunkSize = 64 << 10

    private let seed: UInt32
    private let size: Int
    private let sparse: Bool
    /// Records from this seq on belong to a later segment: the file was given up before they were synced.
    private let limit: UInt64
    package private(set) var offset = Segment.dataStart
    package private(set) var lastSeq: UInt64
    private var damagedFrom: Int?
    private var sawBytes = false
    /// The end of the last valid record.
    private var end = Segment.dataStart

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
            guard offset + Record.headerSize <= size else { return .end(offset: end, torn: sawBytes) }
            guard offset >= base, offset + Record.headerSize <= bufferEnd else {
                return .more(offset: offset, count: Self.chunkSize)
            }
            if damagedFrom != nil, isZero(buffer, offset - base) { skipZeros(buffer, base); continue }
            guard let header = Record.header(in: buffer, at: offset - base, seed: seed),
                header.seq > lastSeq, offset + header.size <= size
            else {
                if !isZero(buffer, offset - base) { sawBytes = true }
                if damagedFrom == nil { damagedFrom = offset }
                offset += Record.alignment
                continue
            }
            if header.seq >= limit, header.type == Record.RecordType.data.rawValue {
                return .end(offset: end, torn: false)
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
        guard CRC32C.checksum(buffer[payload]) == header.payloadCRC else {
            // The header vouches for the length: exactly this record is lost, if another follows.
            if damagedFrom == nil { damagedFrom = offset }
            sawBytes = true
            offset += header.size
            return nil
        }
        if let from = damagedFrom {
            let lost = missing(before: header.seq, from: from, settled: settled)
            damagedFrom = nil
            sawBytes = false
            lastSeq = header.seq &- 1
            return .damage(from..<offset, lost: lost)
        }
        let found = Found(offset: offset, header: header, payload: payload)
        offset += header.size
        end = offset
        lastSeq = header.type == Record.RecordType.data.rawValue ? header.seq : header.seq &- 1
        return .record(found)
    }

    private func missing(before seq: UInt64, from: Int, settled: Settled) -> Int {
        let known = settled.count(in: from..<offset)
        let hole = Int(clamping: seq &- 1 &- lastSeq)
        let most = (offset - from) / Record.headerSize
        if sparse { return known == 0 && hole > 0 ? 1 : 0 }
        return max(min(hole, most) - known, 0)
    }

    /// Preallocated ends are long: this is the loop that passes them.
    private mutating func skipZeros(_ buffer: [UInt8], _ base: Int) {
        var index = offset - base
        buffer.withUnsafeBytes { raw in
            while index + 8 <= raw.count, raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) == 0 {
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
