import Base
import Spool
import TestKit
import Testing

/// Golden bytes: a change here is a change of the format, and needs a new version number.
@Suite struct FormatTests {
    static let moment = Moment(
        Instant(nanoseconds: 0x0102_0304_0506), WallTime(milliseconds: 0x0198_7654_3210))
    static let header = Segment.Header(
        salt: 0xDEAD_BEEF, firstSeq: 0x1234, previous: 0x1000, bootID: Array(1...16),
        created: moment,
        clockTrusted: true, identity: "acme/plant/gw-7")
    static let record = StoredRecord(
        seq: 0x1234, device: Rig.device("meter-1"), subfolder: "sub", kind: .reading,
        priority: true,
        body: Array("\"values\":{}".utf8), at: moment, clockTrusted: true)

    @Test func segmentHeader() throws {
        #expect(
            Hex.encode(Self.header.encoded, separator: "") == """
                46475753504F4F4C01005700EFBEADDE34120000000000000010000000000000\
                0102030405060708090A0B0C0D0E0F1006050403020100001032547698010000\
                01000F0061636D652F706C616E742F67772D37
                """.replacingNewlines + Self.hex(CRC32C.checksum(Self.header.encoded.dropLast(4))))
        #expect(try Segment.header(Self.header.encoded) == Self.header)
        #expect(Segment.name(0x1234) == "seg-0000000000001234.log")
        #expect(Segment.firstSeq(named: "seg-0000000000001234.log.bad") == 0x1234)
        #expect(Segment.firstSeq(named: "seg-1234.log") == nil)
    }

    @Test func dataRecord() {
        var bytes: [UInt8] = []
        Record.append(Self.record, seed: Record.seed(salt: 0xDEAD_BEEF), to: &bytes)
        let payload =
            "0101070310325476980100006D657465722D31737562"
            + Hex.encode(Array("\"values\":{}".utf8), separator: "")
        let payloadCRC = CRC32C.checksum(Hex.decode(payload) ?? [])
        let start =
            "46520103" + "21000000" + "3412000000000000" + "0605040302010000" + Self.hex(payloadCRC)
        let salted = [0xEF, 0xBE, 0xAD, 0xDE] + (Hex.decode(start) ?? [])
        #expect(
            Hex.encode(bytes, separator: "")
                == start + Self.hex(CRC32C.checksum(salted)) + payload + "00000000000000")
        #expect(bytes.count == Self.record.storedSize && bytes.count == 72)
    }

    @Test func clockAnchor() {
        var bytes: [UInt8] = []
        Record.appendAnchor(Self.moment, nextSeq: 0x1234, seed: Record.seed(salt: 1), to: &bytes)
        #expect(bytes.count == 48)
        #expect(
            Hex.encode(bytes[..<24], separator: "")
                == "465202021000000034120000000000000605040302010000")
        #expect(Hex.encode(bytes[32...], separator: "") == "0100000000000000" + "1032547698010000")
    }

    @Test func settledPage() {
        var settled = Settled()
        settled.insert(offset: Segment.dataStart)
        settled.insert(offset: Segment.dataStart + 72)
        settled.insert(offset: Segment.sizeMax - 32)
        let seed = Record.seed(salt: 7)
        let page = settled.page(generation: 3, seed: seed)
        #expect(page.count == 4096)
        #expect(Hex.encode(page[..<17], separator: "") == "5345544C00000000030000000000000005")
        #expect(page[16 + 32_383 / 8] == 0x80)
        #expect(Settled.offset(generation: 3) == 8192 && Settled.offset(generation: 4) == 4096)
        var file = [UInt8](repeating: 0, count: Segment.dataStart)
        file.replaceSubrange(8192..., with: page)
        let read = Settled.newest(in: file, seed: seed)
        #expect(read.generation == 3 && read.settled == settled && read.damaged == 0)
        #expect(settled.count(in: Segment.dataStart..<Segment.dataStart + 72) == 1)
        #expect(settled.count(in: Segment.dataStart..<Segment.sizeMax) == 3)
        file[8200] ^= 1
        #expect(Settled.newest(in: file, seed: seed).damaged == 1)
    }

    private static func hex(_ value: UInt32) -> String {
        var bytes: [UInt8] = []
        bytes.appendLittle(value)
        return Hex.encode(bytes, separator: "")
    }
}

extension String {
    fileprivate var replacingNewlines: String { filter { $0 != "\n" } }
}

/// A segment with six records, two of them settled.
struct Sample {
    var bytes: [UInt8]
    var offsets: [Int] = []
    var records: [StoredRecord] = []

    init(size: Int = 16 << 10) {
        let header = FormatTests.header
        let seed = Record.seed(salt: header.salt)
        bytes = header.encoded
        bytes.append(contentsOf: repeatElement(0, count: Segment.dataStart - bytes.count))
        for index in 0..<6 {
            if index == 3 {
                Record.appendAnchor(FormatTests.moment, nextSeq: 0x1237, seed: seed, to: &bytes)
            }
            var record = FormatTests.record
            record.seq += UInt64(index)
            record.body = Array("\"values\":{\"a\":\(index)}".utf8)
            offsets.append(bytes.count)
            records.append(record)
            Record.append(record, seed: seed, to: &bytes)
        }
        var settled = Settled()
        settled.insert(offset: offsets[0])
        settled.insert(offset: offsets[2])
        bytes.replaceSubrange(
            8192..<Segment.dataStart, with: settled.page(generation: 1, seed: seed))
        bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
    }
}

@Suite struct DamageTests {
    let sample = Sample()

    private func isTrue(_ item: SegmentReader.Item) -> Bool {
        sample.records.contains {
            $0.seq == item.record.seq && $0.body == item.record.body
                && $0.device == item.record.device
                && $0.at == item.record.at && $0.kind == item.record.kind
                && $0.subfolder == item.record.subfolder
        }
    }

    @Test func readsAWholeSegment() throws {
        let reader = try SegmentReader(sample.bytes)
        #expect(reader.items.map { $0.record.seq } == sample.records.map { $0.seq })
        #expect(reader.items.map { $0.settled } == [true, false, true, false, false, false])
        #expect(reader.items.map { $0.offset } == sample.offsets)
        #expect(reader.anchors == [FormatTests.moment])
        #expect(reader.damage.isEmpty && !reader.torn && reader.waiting == 4)
    }

    @Test func aFileCutAtAnyByteKeepsTheRecordsBefore() {
        let last = sample.offsets[5] + sample.records[5].storedSize
        for cut in 0...last {
            let file = Array(sample.bytes[..<cut])
            guard let reader = try? SegmentReader(file) else {
                #expect(cut < FormatTests.header.encoded.count)
                continue
            }
            let whole = zip(sample.offsets, sample.records).filter { $0 + $1.storedSize <= cut }
                .count
            if reader.items.count != whole || !reader.damage.isEmpty {
                Issue.record("cut at \(cut)")
            }
        }
    }

    @Test func aFlippedBitCostsAtMostOneRecordAndIsCounted() {
        for bit in Segment.dataStart * 8..<(sample.offsets[5] + sample.records[5].storedSize) * 8 {
            var file = sample.bytes
            file[bit / 8] ^= 1 << UInt8(bit % 8)
            guard let reader = try? SegmentReader(file) else { Issue.record("bit \(bit)"); return }
            let lost = 6 - reader.items.count
            let counted = reader.damage.reduce(0) { $0 + $1.lost }
            // The settled records 0 and 2 are no loss. All of the last one's sector was written: it
            // is not torn.
            let missing = Set(sample.records.map { $0.seq }).subtracting(
                reader.items.map { $0.record.seq })
            let excused = missing.intersection([0x1234, 0x1236]).count
            if !reader.items.allSatisfy(isTrue) || lost > 1 || reader.torn
                || counted != lost - excused
            {
                Issue.record("bit \(bit): lost \(lost), counted \(counted)")
            }
        }
    }

    @Test func aFlippedBitBeforeTheRecordsInventsNothing() {
        for bit in 0..<FormatTests.header.encoded.count * 8 {
            var file = sample.bytes
            file[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect((try? SegmentReader(file)) == nil)
        }
        for byte in Segment.headerSize..<Segment.dataStart {
            var file = sample.bytes
            file[byte] ^= 0x10
            let reader = try? SegmentReader(file)
            if reader?.items.count != 6 { Issue.record("byte \(byte)") }
            if byte >= 8192, reader?.generation != 0 {
                Issue.record("byte \(byte) of the page is believed")
            }
        }
    }

    @Test func aZeroedRangeIsDamageOnlyIfRecordsFollow() {
        var file = sample.bytes
        for index in sample.offsets[1]..<sample.offsets[4] { file[index] = 0 }
        let middle = try? SegmentReader(file)
        #expect(middle?.items.map { $0.record.seq } == [0x1234, 0x1238, 0x1239])
        #expect(middle?.damage.map { $0.lost } == [2])
        for index in sample.offsets[4]..<file.count { file[index] = 0 }
        let end = try? SegmentReader(file)
        #expect(end?.items.count == 1 && end?.damage.isEmpty == true && end?.torn == false)
    }

    @Test func bytesOfAnOlderFileAreNotBelieved() {
        var file = sample.bytes
        var other = FormatTests.header
        other.salt ^= 1
        file.replaceSubrange(0..<other.encoded.count, with: other.encoded)
        let reader = try? SegmentReader(file)
        #expect(reader?.items.isEmpty == true && reader?.waiting == 0 && reader?.generation == 0)
    }
}
