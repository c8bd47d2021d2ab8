import Base
import FuzzKit
import Spool

/// `fieldgw spool verify` and `export` read a segment file that is not theirs: any bytes, or a
/// sound file after some edits.
package enum SegmentFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        var choices = Choices(input)
        let isForeign = choices.byte() & 7 == 0
        var file = isForeign ? choices.bytes(4096) : edited(&choices)
        if isForeign, choices.bool() { file = Segment.opening(header) + file }
        let limit = choices.bool() ? UInt64(choices.short()) : .max
        guard let reader = try? SegmentReader(file, limit: limit) else { return }
        check(reader, file, limit)
    }

    private static func check(_ reader: SegmentReader, _ file: [UInt8], _ limit: UInt64) {
        var last: (offset: Int, seq: UInt64)?
        for item in reader.items {
            demand(
                item.offset >= Segment.dataStart && item.offset < file.count,
                "a record at \(item.offset)")
            demand(
                item.record.seq < Record.seqMax && item.record.seq < limit,
                "a record with seq \(item.record.seq)")
            if let last {
                demand(
                    item.offset > last.offset && item.record.seq > last.seq, "records out of order")
            }
            last = (item.offset, item.record.seq)
        }
        for damage in reader.damage {
            demand(damage.range.lowerBound >= Segment.dataStart, "damage at \(damage.range)")
            demand(
                damage.lost >= 0 && damage.lost <= Segment.sizeMax / Record.headerSize,
                "\(damage.lost) records lost")
        }
        demand(
            (0...reader.items.count).contains(reader.waiting),
            "\(reader.waiting) of \(reader.items.count) wait")
        demand((0...2).contains(reader.damagedPages) && reader.unknown >= 0, "counts below zero")
        demand(
            (Segment.dataStart...max(file.count, Segment.dataStart)).contains(reader.end),
            "the end is at \(reader.end)")
        var next = header
        for first in [0, reader.header.firstSeq &+ 40, .max] as [UInt64] {
            (next.previous, next.firstSeq) = (reader.header.firstSeq, first)
            demand(reader.missing(before: next) >= 0, "fewer than no records are missing")
        }
    }

    // MARK: A sound file

    private static let header = Segment.Header(
        salt: 7, firstSeq: 10, bootID: [UInt8](repeating: 1, count: 16),
        created: Moment(Instant(nanoseconds: 5), WallTime(milliseconds: 1_790_000_000_000)),
        clockTrusted: true,
        identity: "acme/plant/gw-7")

    private static let sound: (bytes: [UInt8], offsets: [Int]) = {
        var bytes = Segment.opening(header)
        let seed = Record.seed(salt: header.salt)
        var offsets: [Int] = []
        var settled = Settled()
        guard let device = try? DeviceID("meter-1") else { fatalError("no device ID") }
        for index in 0..<24 {
            offsets.append(bytes.count)
            let at = Moment(
                Instant(nanoseconds: Int64(index)), WallTime(milliseconds: 1_790_000_000_000))
            if index % 6 == 5 {
                Record.appendAnchor(at, nextSeq: UInt64(11 + index), seed: seed, to: &bytes)
                continue
            }
            if index % 3 == 0 { settled.insert(offset: bytes.count) }
            Record.append(
                StoredRecord(
                    seq: UInt64(10 + index), device: device, subfolder: index % 2 == 0 ? "" : "x",
                    kind: .reading,
                    priority: index % 4 == 0, body: Array("\"values\":{\"n\":\(index)}".utf8),
                    at: at,
                    clockTrusted: index % 5 != 0, thisBoot: false),
                seed: seed, to: &bytes)
        }
        settled.records = 20
        for (index, byte) in settled.page(generation: 3, seed: seed).enumerated() {
            bytes[Settled.offset(generation: 3) + index] = byte
        }
        return (bytes, offsets)
    }()

    private static func edited(_ choices: inout Choices) -> [UInt8] {
        var bytes = sound.bytes
        let seed = Record.seed(salt: header.salt)
        for _ in 0..<32 {
            guard !choices.isAtEnd, !bytes.isEmpty else { break }
            let kind = choices.byte()
            let record = choices.pick(sound.offsets)
            let place = kind & 8 == 0 ? record + choices.below(64) : choices.below(bytes.count)
            guard place < bytes.count, record + Record.headerSize <= bytes.count else { continue }
            switch kind & 7 {
            case 0: bytes[place] = choices.byte()
            case 1: bytes[place] ^= 1 << (choices.byte() & 7)
            case 2: bytes.removeLast(bytes.count - place)
            case 3: for index in place..<min(place + 512, bytes.count) { bytes[index] = 0 }
            case 4:
                for (index, byte) in choices.block().enumerated() where place + index < bytes.count
                { bytes[place + index] = byte }
            case 5: bytes += choices.block()
            default:
                // The record's own checksums, made right again.
                guard
                    let found = Record.header(in: bytes, at: record, seed: seed)
                        ?? forged(&bytes, record, seed),
                    record + Record.headerSize + found.payloadLength <= bytes.count
                else { continue }
                let start = record + Record.headerSize
                let payload = bytes[start..<start + found.payloadLength]
                bytes.storeLittle(CRC32C.checksum(payload), at: record + 24)
                bytes.storeLittle(
                    CRC32C.checksum(bytes[record..<record + 28], continuing: seed), at: record + 28)
            }
        }
        return bytes
    }

    private static func forged(
        _ bytes: inout [UInt8], _ record: Int, _ seed: UInt32
    ) -> Record.Header? {
        bytes.storeLittle(
            CRC32C.checksum(bytes[record..<record + 28], continuing: seed), at: record + 28)
        return Record.header(in: bytes, at: record, seed: seed)
    }
}
