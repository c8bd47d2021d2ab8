import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")
private let io = DiskFailure(.io, "EIO")

/// Appends, commits, settles and restarts a little of everything; the same operations every time.
private struct Scenario {
    var rig: Rig
    var synced: [String] = []
    var settled: Set<String> = []
    var told = 0

    init(stopBefore: Int? = nil, inside: Bool = false, failAt: [Int: DiskFailure] = [:]) {
        var disk = VirtualDisk()
        disk.failAt = failAt
        rig = Rig(Rig.settings(maxBytes: 2 << 20), disk: disk, starts: false)
        rig.stopBefore = stopBefore
        rig.stopsInside = inside
        rig.spool.start(at: rig.now)
        rig.pump()
    }

    mutating func run() {
        for round in 0..<6 {
            var texts: [String] = []
            for index in 0..<8 {
                let text =
                    "\(round).\(index)" + String(repeating: "x", count: index == 3 ? 12_000 : 50)
                texts.append(text)
                rig.append(index % 2 == 0 ? meter : tank, text)
            }
            let long = String(repeating: "y", count: 9000)
            for index in 8..<20 { texts.append("\(round).big.\(index)" + long) }
            for text in texts[8...] { rig.append(meter, text) }
            rig.advance(.seconds(2))
            if rig.isStopped { return }
            synced += texts
            for _ in 0..<15 {
                guard let device = rig.spool.readyDevices.first,
                    let record = rig.spool.take(device, at: rig.now)
                else { break }
                rig.spool.settle(record.seq, at: rig.now)
                rig.pump()
                if record.kind == .gap { told += Gap(body: record.body)?.count ?? 0 }
                settled.insert(record.text)
            }
            rig.advance(.seconds(6))
        }
    }
}

@Suite struct FaultTests {
    @Test func aPowerCutBetweenAnyTwoOperationsLosesNothingSynced() {
        var whole = Scenario()
        whole.run()
        let operations = whole.rig.disk.operations
        #expect(operations > 30)
        for stop in 0..<operations {
            for inside in [false, true] {
                var scenario = Scenario(stopBefore: stop, inside: inside)
                scenario.run()
                var again = scenario.rig.powerCut(
                    seed: UInt64(stop * 2 + (inside ? 1 : 0)),
                    settings: Rig.settings(maxBytes: 2 << 20))
                let records = again.drainAll()
                let texts = Set(records.map { $0.text })
                let lost = scenario.synced.filter {
                    !texts.contains($0) && !scenario.settled.contains($0)
                }
                if !lost.isEmpty || again.failed != nil || texts.count != records.count {
                    Issue.record(
                        "stopped before \(stop) \(inside): lost \(lost.map { $0.prefix(8) })")
                }
                for device in [meter, tank] {
                    let seqs = records.filter { $0.device == device }.map { $0.seq }
                    if seqs != seqs.sorted() { Issue.record("order of \(device) after \(stop)") }
                }
            }
        }
    }

    @Test(arguments: [DiskFailure.Kind.io, .noSpace, .readOnly, .missing])
    func anyOneFailureLosesNothing(kind: DiskFailure.Kind) {
        var whole = Scenario()
        whole.run()
        for failing in 1..<whole.rig.disk.operations {
            var scenario = Scenario(failAt: [failing: DiskFailure(kind, "operation \(failing)")])
            scenario.run()
            scenario.rig.advance(.seconds(60))
            let rest = scenario.rig.drainAll()
            let told = rest.filter { $0.kind == .gap }.compactMap { Gap(body: $0.body)?.count }
                .reduce(scenario.told, +)
            let texts = scenario.settled.union(rest.map { $0.text })
            let lost = scenario.synced.filter { !texts.contains($0) }
            // No space drops the oldest, and says so; nothing else loses anything.
            if lost.count > (kind == .noSpace || told > 0 ? told : 0) {
                Issue.record("\(kind) at \(failing): \(lost.count) lost, \(told) told")
            }
            if scenario.rig.spool.isMemoryOnly {
                Issue.record("\(kind) at \(failing): never returned")
            }
            if scenario.rig.spool.waiting != 0 { Issue.record("\(kind) at \(failing): sums") }
        }
    }

    @Test func afterAFailedSyncTheRecordsGoToANewFile() {
        var rig = Rig()
        rig.append(meter, "one")
        rig.advance(.seconds(1))
        rig.append(meter, "two")
        rig.disk.failAt[rig.disk.operations] = io
        rig.advance(.seconds(1))
        #expect(rig.disk.names().count == 2)
        #expect(!rig.spool.isMemoryOnly)
        var cut = rig.powerCut(seed: 4)
        #expect(cut.drainAll().map { $0.text } == ["one", "two"])
        #expect(rig.drainAll().map { $0.text } == ["one", "two"])
    }

    @Test func aDeadDiskMeansMemoryOnlyLoudlyAndReturnsByItself() {
        var rig = Rig()
        rig.append(meter, "on disk")
        rig.advance(.seconds(1))
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        let before = rig.append(meter, "in memory") ?? 0
        rig.advance(.seconds(1))
        #expect(rig.spool.isMemoryOnly)
        #expect(rig.notices.contains { $0.level == .error })
        let seq = rig.append(meter, "later") ?? 0
        #expect(seq > before + 1 << 10)
        #expect(rig.spool.take(meter, at: rig.now)?.text == "on disk")
        rig.disk.outage = nil
        rig.advance(.seconds(15))
        #expect(!rig.spool.isMemoryOnly)
        var again = rig.powerCut(seed: 5)
        #expect(again.drainAll().map { $0.text } == ["on disk", "in memory", "later"])
    }

    @Test func theRingInMemoryIsBoundedAndTellsWhatItDropped() {
        var settings = Rig.settings()
        settings.memoryMax = 100_000
        var rig = Rig(settings)
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        for index in 0..<1000 {
            rig.append(meter, "\(index) " + String(repeating: "x", count: 1000))
            rig.advance(.milliseconds(100))
        }
        #expect(rig.spool.waitingBytes < 120_000)
        rig.disk.outage = nil
        rig.advance(.seconds(320))
        let all = rig.drainAll()
        let told = all.compactMap { Gap(body: $0.body) }
        #expect(told.allSatisfy { $0.reason == .memory && $0.device == meter })
        #expect(told.reduce(0) { $0 + $1.count } + all.filter { $0.kind == .reading }.count == 1000)
        #expect(rig.spool.waiting == 0 && rig.spool.waitingBytes == 0)
    }

    @Test func aFullDiskDropsTheOldestAndGoesOn() {
        var rig = Rig(Rig.settings(maxBytes: 4 << 20), disk: VirtualDisk(capacity: 3 << 20))
        for index in 0..<2000 {
            rig.append(meter, "\(index) " + String(repeating: "x", count: 1000))
        }
        rig.disk.foreignBytes = 1 << 20
        for index in 2000..<4000 {
            rig.append(meter, "\(index) " + String(repeating: "x", count: 1000))
        }
        rig.advance(.seconds(20))
        #expect(!rig.spool.isMemoryOnly)
        let all = rig.drainAll()
        let told = all.compactMap { Gap(body: $0.body) }.reduce(0) { $0 + $1.count }
        #expect(told + all.filter { $0.kind == .reading }.count == 4000)
        #expect(all.last { $0.kind == .reading }?.text.hasPrefix("3999") == true)
    }

    @Test func damagedFilesNeverBlockAStart() {
        var rig = Rig()
        for index in 0..<50 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        let name = rig.disk.names()[0]
        var random = RandomSource(seed: 11)
        for round in 0..<60 {
            var disk = rig.disk
            for _ in 0..<1 + round % 4 {
                let range = round % 2 == 0 ? 4096 * 3 + 4000 : 96
                disk.flip(
                    name, byte: Int(random.next() % UInt64(range)), bit: Int(random.next() % 8))
            }
            var again = Rig(disk: disk, boot: 2, seed: 9, now: rig.now)
            #expect(again.failed == nil)
            again.append(tank, "after")
            again.advance(.seconds(2))
            let all = again.drainAll()
            #expect(all.contains { $0.text == "after" })
            #expect(all.filter { $0.device == meter }.allSatisfy { Int($0.text) != nil })
            #expect(again.disk.names().filter { $0.hasSuffix(".bad") }.count <= 2)
        }
    }

    @Test func foreignAndEmptyFilesAreNoJournal() {
        var disk = VirtualDisk()
        disk.put("notes.txt", Array("hello".utf8))
        disk.put(Segment.name(77), [UInt8](repeating: 0, count: 100_000))
        disk.put(Segment.name(99), [])
        disk.put(Segment.name(1 << 40), [UInt8](repeating: 0xAA, count: 50_000))
        var rig = Rig(disk: disk)
        #expect(rig.failed == nil)
        rig.append(meter, "one")
        rig.advance(.seconds(1))
        let all = rig.drainAll()
        #expect(all.filter { $0.kind == .reading }.map { $0.text } == ["one"])
        // The file of our own name that is not empty had records, nobody knows how many.
        #expect(all.compactMap { Gap(body: $0.body)?.reason } == [.damage])
        #expect(rig.disk.names().contains("notes.txt"))
        #expect(rig.disk.names().contains(Segment.name(1 << 40) + ".bad"))
    }

    @Test func aLargeBacklogIsNeverLoadedAsAWhole() {
        let settings = Rig.settings(maxBytes: 32 << 20)
        var rig = Rig(settings)
        let body = String(repeating: "x", count: 180)
        for index in 0..<20_000 { rig.append(index % 2 == 0 ? meter : tank, "\(index) " + body) }
        rig.advance(.seconds(2))
        #expect(rig.spool.statistics.loadedBytes <= 3 << 20)
        var again = rig.killed(boot: 2, settings: settings)
        #expect(again.spool.waiting == 20_000)
        #expect(again.spool.statistics.loadedBytes <= 3 << 20)
        let all = again.drainAll()
        #expect(all.count == 20_000)
        let seqs = all.filter { $0.device == meter }.map { $0.seq }
        #expect(seqs == seqs.sorted())
    }
}
