import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")

/// What damage to the newest file costs is counted to the record: a settled page knows how many
/// were there, should the damage take the end of the last commit too.
@Suite struct EndDamageTests {
    enum Harm: CaseIterable, Sendable { case rubbish, zeros, cut }

    /// Its newest file from `start` on is harmed.
    private func harmed(_ rig: Rig, from start: Int, _ harm: Harm) -> VirtualDisk {
        var disk = rig.disk
        guard let name = disk.names().last, var bytes = disk.contents(name) else { return disk }
        switch harm {
        case .cut: bytes.removeLast(bytes.count - start)
        case .zeros: for index in start..<bytes.count { bytes[index] = 0 }
        case .rubbish:
            var random = RandomSource(seed: UInt64(start))
            for index in start..<min(bytes.count, start + 6000) {
                bytes[index] = UInt8(truncatingIfNeeded: random.next())
            }
        }
        disk.put(name, bytes)
        return disk
    }

    private func end(_ rig: Rig) -> Int {
        rig.disk.names().last.flatMap { rig.disk.contents($0) }.flatMap {
            try? SegmentReader($0).end
        } ?? 0
    }

    /// Recovers it, twice: what is lost is told, once.
    private func check(
        _ disk: VirtualDisk, of expected: Set<String>, _ highest: UInt64, now: Moment,
        _ what: String
    ) {
        var again = Rig(disk: disk, boot: 7, seed: 7, now: now)
        again.append(tank, "after")
        again.advance(.seconds(2))
        let found = again.drainAll()
        let lost = expected.subtracting(found.map { $0.text }).count
        let told = found.compactMap { $0.kind == .gap ? Gap(body: $0.body) : nil }
        let count = told.filter { $0.reason == .damage }.reduce(0) { $0 + $1.count }
        if count != lost { Issue.record("\(what): \(lost) lost, \(count) told") }
        if let new = found.last(where: { $0.text == "after" })?.seq, new <= highest {
            Issue.record("\(what): \(new) may have been used before")
        }
        again.spool.drain(at: again.now)
        again.pump()
        var third = Rig(disk: again.disk, boot: 8, seed: 8, now: again.now)
        third.advance(.seconds(2))
        if third.drainAll().contains(where: { $0.kind == .gap }) {
            Issue.record("\(what): told again")
        }
    }

    private func filled() -> (rig: Rig, texts: Set<String>, highest: UInt64) {
        var rig = Rig()
        var (texts, highest): (Set<String>, UInt64) = ([], 0)
        for commit in 0..<6 {
            for index in 0..<6 {
                let text = "\(commit).\(index)" + String(repeating: "x", count: index * 60)
                texts.insert(text)
                highest = rig.append(index % 2 == 0 ? meter : tank, text) ?? highest
            }
            rig.advance(.seconds(1))
        }
        return (rig, texts, highest)
    }

    @Test(arguments: Harm.allCases) func afterACleanStopTheEndOfTheNewestFileIsCountedToTheRecord(
        harm: Harm
    ) {
        var (rig, texts, highest) = filled()
        for _ in 0..<5 {
            guard let record = rig.spool.take(meter, at: rig.now) else { continue }
            rig.spool.settle(record.seq, at: rig.now)
            texts.remove(record.text)
        }
        rig.spool.drain(at: rig.now)
        rig.pump()
        for start in stride(from: Segment.dataStart + 128, to: end(rig), by: 24) {
            check(harmed(rig, from: start, harm), of: texts, highest, now: rig.now, "from \(start)")
        }
    }

    @Test func afterACrashItIsCountedUpToTheLastSeconds() {
        var (rig, noted, _) = filled()
        rig.advance(.seconds(4))
        rig.append(meter, "a commit takes the page along")
        rig.advance(.seconds(1))
        rig.append(meter, "later")
        rig.advance(.seconds(1))
        for start in stride(from: Segment.dataStart + 128, to: end(rig), by: 128) {
            var again = Rig(
                disk: harmed(rig, from: start, .rubbish), boot: 7, seed: 7, now: rig.now)
            again.append(tank, "after")
            again.advance(.seconds(2))
            let found = again.drainAll()
            let lost = noted.subtracting(found.map { $0.text }).count
            let told = found.compactMap { $0.kind == .gap ? Gap(body: $0.body)?.count : nil }
                .reduce(0, +)
            if told < lost { Issue.record("from \(start): \(lost) lost, \(told) told") }
        }
    }

    /// Numbers skip in a file that was saved from memory; the page counts records, not numbers.
    @Test(arguments: Harm.allCases) func aFileSavedFromMemoryIsCountedToTheRecord(harm: Harm) {
        var settings = Rig.settings()
        settings.memoryMax = 6000
        var rig = Rig(settings)
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        var (texts, highest): (Set<String>, UInt64) = ([], 0)
        for index in 0..<80 {
            let text = "\(index)" + String(repeating: "x", count: index % 7 * 50)
            texts.insert(text)
            highest = rig.append(index % 2 == 0 ? meter : tank, text) ?? highest
            rig.advance(.milliseconds(50))
        }
        rig.disk.outage = nil
        rig.advance(.seconds(30))
        rig.spool.drain(at: rig.now)
        rig.pump()
        var copy = rig
        let kept = Set(copy.drainAll().map { $0.text })
        // Gap records may be hit as well; what they told goes with them and is told as one lost
        // record.
        for start in stride(from: Segment.dataStart + 128, to: end(rig), by: 24) {
            check(harmed(rig, from: start, harm), of: kept, highest, now: rig.now, "from \(start)")
        }
    }
}
