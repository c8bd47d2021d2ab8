import Base

/// Which records of a segment are settled (acknowledged or dropped), one bit each. A record's bit
/// is (offset − 12288) / 32: every record is at least 32 bytes long, so no two share a bit, and
/// damage between two records moves nobody's bit. 32,384 bits cover a segment of 1 MiB.
///
/// The bits go to disk in two 4 KiB pages that are written in turn, so that a torn write leaves
/// the other one. Losing a page means duplicates, never loss. All integers are little endian.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic "SETL" |
/// | 4 | 4 | data records that were durable in the file before this page was, 0 not known; bit 31: all there are |
/// | 8 | 8 | generation, from 1; generation g is written to page g mod 2 |
/// | 16 | 4076 | bits, the lowest bit of a byte first |
/// | 4092 | 4 | CRC-32C of the segment's salt (4 bytes) followed by bytes 0–4091 |
package struct Settled: Hashable, Sendable {
    package static let pageSize = 4096
    package static let granule = 32
    static let magic: UInt32 = 0x4C54_4553
    static let bitsStart = 16
    package static let bitCount = (pageSize - bitsStart - 4) * 8

    /// Grown to the highest bit that is set: a backlog costs nothing.
    private var bytes: [UInt8] = []
    /// Data records in the file, settled or not: should its end be damaged, this many were there.
    package var records = 0
    /// Nothing was written behind them.
    package var isComplete = false

    package init() {}

    package static func bit(of offset: Int) -> Int { (offset - Segment.dataStart) / granule }

    package func contains(offset: Int) -> Bool {
        let bit = Self.bit(of: offset)
        return bit >= 0 && bit >> 3 < bytes.count && bytes[bit >> 3] >> UInt8(bit & 7) & 1 == 1
    }

    package mutating func insert(offset: Int) {
        let bit = Self.bit(of: offset)
        guard (0..<Self.bitCount).contains(bit) else { return }
        if bit >> 3 >= bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: (bit >> 3) + 1 - bytes.count))
        }
        bytes[bit >> 3] |= 1 << UInt8(bit & 7)
    }

    /// How many records that begin in `offsets` are settled; both ends lie between records.
    package func count(in offsets: Range<Int>) -> Int {
        var count = 0
        var bit = max(Self.bit(of: offsets.lowerBound), 0)
        let end = min(Self.bit(of: offsets.upperBound), bytes.count * 8)
        while bit < end {
            if bit & 7 == 0, bytes[bit >> 3] == 0 { bit += 8; continue }
            if bytes[bit >> 3] >> UInt8(bit & 7) & 1 == 1 { count += 1 }
            bit += 1
        }
        return count
    }

    package func page(generation: UInt64, seed: UInt32) -> [UInt8] {
        var page: [UInt8] = []
        page.reserveCapacity(Self.pageSize)
        page.appendLittle(Self.magic)
        page.appendLittle(
            UInt32(clamping: min(records, Self.bitCount)) | (isComplete ? 1 << 31 : 0))
        page.appendLittle(generation)
        page.append(contentsOf: bytes)
        page.append(contentsOf: repeatElement(0, count: Self.pageSize - 4 - page.count))
        page.appendLittle(CRC32C.checksum(page[...], continuing: seed))
        return page
    }

    package static func offset(generation: UInt64) -> Int {
        Segment.headerSize + Int(generation & 1) * pageSize
    }

    private static func decode(_ page: ArraySlice<UInt8>, seed: UInt32) -> (UInt64, Settled)? {
        guard page.count == pageSize else { return nil }
        let bytes = Array(page)
        guard Record.little(bytes, 0, UInt32.self) == magic,
            CRC32C.checksum(bytes[..<(pageSize - 4)], continuing: seed)
                == Record.little(bytes, pageSize - 4, UInt32.self)
        else { return nil }
        var settled = Settled()
        let records = Record.little(bytes, 4, UInt32.self)
        (settled.records, settled.isComplete) = (
            min(Int(records & ~(1 << 31)), bitCount), records >> 31 == 1
        )
        let bits = bytes[bitsStart..<pageSize - 4]
        if let last = bits.lastIndex(where: { $0 != 0 }) { settled.bytes = Array(bits[...last]) }
        return (Record.little(bytes, 8, UInt64.self), settled)
    }

    /// The newer valid page of a segment's first 12 KiB; none valid is generation 0, nothing
    /// settled. `damaged` counts pages that hold something but are not valid.
    package static func newest(
        in bytes: [UInt8], seed: UInt32
    ) -> (generation: UInt64, settled: Settled, damaged: Int) {
        var best = (generation: UInt64(0), settled: Settled(), damaged: 0)
        for index in 0..<2 {
            let start = Segment.headerSize + index * pageSize
            guard start < bytes.count else { continue }
            let page = bytes[start..<min(start + pageSize, bytes.count)]
            if let (generation, settled) = decode(page, seed: seed) {
                if generation > best.generation {
                    (best.generation, best.settled) = (generation, settled)
                }
            } else if page.contains(where: { $0 != 0 }) {
                best.damaged += 1
            }
        }
        return best
    }
}
