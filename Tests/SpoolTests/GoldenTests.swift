import Base
import Foundation
import Spool
import TestKit
import Testing

/// A file of format version 1 as it was written once, kept beside the tests. Every later version of
/// this program reads it. FIELDGW_GOLDEN=write writes it anew: only together with a new version
/// number. In the first file of version 1 the settled pages did not say yet how many records there
/// are.
@Suite struct GoldenTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let today = "format-1"
    private static let all = ["format-1-first", today]
    /// The same version with readings that are offered early: reserve records, and numbers that
    /// skip.
    private static let early = "format-1-early"

    private static let meter = Rig.device("meter-1")
    private static let tank = Rig.device("tank-2")

    /// Twelve records, an anchor, three of them settled; every kind of record that a segment holds.
    private static func write() -> [UInt8] {
        var rig = Rig(floor: 1)
        for index in 0..<12 {
            rig.append(
                index % 3 == 0 ? tank : meter, "\"values\":{\"n\":\(index)}", priority: index == 7,
                trusted: index > 4)
        }
        rig.advance(.seconds(1))
        rig.spool.anchor(at: rig.now)
        // Too long: told in a gap, counted in the totals.
        rig.append(tank, String(repeating: "x", count: 70_000))
        rig.advance(.seconds(1))
        for _ in 0..<3 {
            if let record = rig.spool.take(meter, at: rig.now) {
                rig.spool.settle(record.seq, at: rig.now)
            }
        }
        rig.advance(.seconds(10))
        guard let name = rig.disk.names().first, let bytes = rig.disk.contents(name) else {
            return []
        }
        return Array(bytes[..<((try? SegmentReader(bytes))?.end ?? 0)])
    }

    /// Six readings, of which the even ones were acknowledged in time, and an orderly end.
    private static func writeEarly() -> [UInt8] {
        var settings = Rig.settings()
        settings.offersEarly = true
        var rig = Rig(settings, floor: 1)
        for index in 0..<6 {
            rig.append(meter, "\"values\":{\"n\":\(index)}")
            let record = rig.spool.take(meter, at: rig.now)
            if let record, index % 2 == 0 { rig.spool.settle(record.seq, at: rig.now) }
        }
        rig.advance(.seconds(2))
        rig.spool.drain(at: rig.now)
        rig.pump()
        guard let name = rig.disk.names().first, let bytes = rig.disk.contents(name) else {
            return []
        }
        return Array(bytes[..<((try? SegmentReader(bytes))?.end ?? 0)])
    }

    @Test func whatIsOfferedEarlyIsWrittenAsEver() throws {
        let bytes = try golden(Self.early)
        #expect(bytes == Self.writeEarly(), "the format has changed: it needs a new version number")
        let reader = try SegmentReader(bytes)
        #expect(reader.header.sparse && reader.damage.isEmpty && reader.unknown == 0)
        #expect(reader.items.map(\.record.text) == [1, 3, 5].map { "\"values\":{\"n\":\($0)}" })
        let first = reader.header.firstSeq
        #expect(reader.items.map(\.record.seq) == [first + 1, first + 3, first + 5])
        #expect(reader.reserve == first + 6)
    }

    private func golden(_ name: String) throws -> [UInt8] {
        let file = Self.folder.appendingPathComponent("Golden/\(name).segment")
        if name == Self.early, ProcessInfo.processInfo.environment["FIELDGW_GOLDEN"] == "write" {
            try Data(Self.writeEarly()).write(to: file)
        }
        if name == Self.today, ProcessInfo.processInfo.environment["FIELDGW_GOLDEN"] == "write" {
            try Data(Self.write()).write(to: file)
        }
        return Array(try Data(contentsOf: file))
    }

    @Test func whatIsWrittenTodayIsVersionOne() throws {
        #expect(
            try golden(Self.today) == Self.write(),
            "the format has changed: it needs a new version number")
    }

    @Test(arguments: all) func whatWasWrittenThenIsRead(name: String) throws {
        let reader = try SegmentReader(try golden(name))
        let readings = reader.items.filter { $0.record.kind == .reading }
        #expect(readings.map { $0.record.text } == (0..<12).map { "\"values\":{\"n\":\($0)}" })
        #expect(
            readings.map { $0.record.device }
                == (0..<12).map { $0 % 3 == 0 ? Self.tank : Self.meter })
        #expect(
            readings.filter { $0.settled }.map { $0.record.text }
                == [1, 2, 4].map { "\"values\":{\"n\":\($0)}" })
        #expect(readings.map { $0.record.priority } == (0..<12).map { $0 == 7 })
        #expect(reader.items.count == 13 && reader.items[12].record.kind == .gap)
        #expect(
            reader.anchors.count == 1 && reader.totals[.oversize] == 1
                && reader.header.identity == "acme/plant/gw-7")
        #expect(
            reader.damage.isEmpty && !reader.torn && reader.unknown == 0 && reader.damagedPages == 0
        )
    }

    private func recovered(
        _ bytes: [UInt8]
    ) -> (records: [StoredRecord], spool: Journal, failed: String?) {
        var disk = VirtualDisk()
        disk.put(Segment.name(UInt64(Rig.start.wall.seconds - 1_577_836_800) << 20), bytes)
        var rig = Rig(disk: disk, boot: 5, seed: 5)
        rig.advance(.seconds(2))
        return (rig.drainAll(), rig.spool, rig.failed)
    }

    @Test(arguments: all + [early]) func cutAtAnyByteItStartsAndKeepsWhatWasWhole(
        name: String
    ) throws {
        let golden = try golden(name)
        for cut in 0...golden.count {
            let (records, _, failed) = recovered(Array(golden[..<cut]))
            let whole =
                (try? SegmentReader(Array(golden[..<cut])))?.items.filter { !$0.settled }.count ?? 0
            let readings = records.filter {
                $0.device != Rig.gateway
                    || !$0.text.contains("damage") && !$0.text.contains("restart")
            }
            if failed != nil || readings.count != whole {
                Issue.record("cut at \(cut): \(readings.count) of \(whole)")
            }
        }
    }

    @Test(arguments: all + [early]) func anyFlippedBitCostsOneRecordAtMostAndIsTold(
        name: String
    ) throws {
        let golden = try golden(name)
        let all = Set(try SegmentReader(golden).items.filter { !$0.settled }.map { $0.record.text })
        for byte in golden.indices where golden[byte] != 0 || byte % 16 == 0 {
            var file = golden
            file[byte] ^= 1 << UInt8(byte % 8)
            let (records, _, failed) = recovered(file)
            let texts = Set(records.map { $0.text })
            let lost = all.subtracting(texts).count
            let told = records.compactMap { Gap(body: $0.body) }.filter { $0.reason == .damage }
                .reduce(0) { $0 + $1.count }
            if failed != nil || lost > 1 || told < lost {
                Issue.record("byte \(byte): \(lost) lost, \(told) told")
            }
        }
    }
}
