import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")
private let quarantined = Rig.device("valve-3")

private let long = String(repeating: "x", count: 1000)

/// Bounds, and who pays for them.
@Suite struct BoundTests {
    private func gaps(_ records: [StoredRecord]) -> [Gap] {
        records.compactMap { Gap(body: $0.body) }
    }

    @Test func survivorsAreCopiedForwardWhenSpaceIsShort() {
        // One device in a hundred records is never sent: it must not pin a segment for each of
        // them.
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        var kept: [String] = []
        for index in 0..<6000 {
            if index % 100 == 0 { kept.append("\(index)"); rig.append(quarantined, "\(index)") }
            rig.append(meter, "\(index) " + long)
            if index % 50 == 0 {
                rig.advance(.seconds(1))
                while let record = rig.spool.take(meter, at: rig.now) {
                    rig.spool.settle(record.seq, at: rig.now)
                    rig.pump()
                }
            }
        }
        rig.advance(.seconds(6))
        #expect(rig.disk.peak <= 1 << 20)
        #expect(rig.spool.statistics.dropped == 0)
        var again = rig.powerCut(seed: 3, settings: Rig.settings(maxBytes: 1 << 20))
        for var journal in [rig, again] {
            let all = journal.drainAll().filter { $0.device == quarantined }
            #expect(all.map { $0.text } == kept)
            #expect(zip(all, all.dropFirst()).allSatisfy { $0.seq < $1.seq })
        }
        #expect((again.append(meter, "next") ?? 0) > (rig.append(meter, "next") ?? 0) - 2)
    }

    @Test func priorityRecordsOutliveTelemetryWithinTheirReserve() {
        var settings = Rig.settings(maxBytes: 1 << 20)
        settings.priorityReserve = 256 << 10
        var rig = Rig(settings)
        for index in 0..<4000 {
            if index % 100 == 0 { rig.append(tank, "alarm \(index)", priority: true) }
            rig.append(meter, "\(index) " + long)
        }
        rig.advance(.seconds(10))
        #expect(rig.disk.peak <= 1 << 20)
        let all = rig.drainAll()
        #expect(
            all.filter { $0.device == tank }.map { $0.text }
                == stride(from: 0, to: 4000, by: 100).map { "alarm \($0)" })
        let told = gaps(all).reduce(0) { $0 + $1.count }
        #expect(all.filter { $0.device == meter }.count + told == 4000)
    }

    @Test func theReserveIsABoundToo() {
        var settings = Rig.settings(maxBytes: 1 << 20)
        settings.priorityReserve = 128 << 10
        var rig = Rig(settings)
        for index in 0..<3000 { rig.append(tank, "\(index) " + long, priority: true) }
        rig.advance(.seconds(10))
        #expect(rig.disk.peak <= 1 << 20)
        let all = rig.drainAll()
        #expect(
            all.filter { $0.device == tank }.count + gaps(all).reduce(0) { $0 + $1.count } == 3000)
        #expect(all.last { $0.device == tank }?.text.hasPrefix("2999 ") == true)
    }

    @Test func theDeviceThatHoldsMostPaysFirst() {
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        for index in 0..<3000 {
            if index % 50 == 0 { rig.append(tank, "\(index)") }
            rig.append(meter, "\(index) " + long)
        }
        rig.advance(.seconds(10))
        #expect(rig.spool.waiting(of: tank) == 60)
        let told = gaps(rig.drainAll())
        #expect(!told.isEmpty && told.allSatisfy { $0.device == meter && $0.reason == .full })
    }

    @Test func aLossIsToldThoughTheMachineDiesBetweenAnyTwoOperations() {
        let settings = Rig.settings(maxBytes: 1 << 20)
        func filled(stopBefore: Int?) -> Rig {
            var rig = Rig(settings, starts: false)
            rig.stopBefore = stopBefore
            rig.spool.start(at: rig.now)
            rig.pump()
            for index in 0..<1300 where !rig.isStopped { rig.append(meter, "\(index) " + long) }
            rig.advance(.seconds(2))
            return rig
        }
        let whole = filled(stopBefore: nil).disk.operations
        for stop in stride(from: whole / 2, to: whole, by: 1) {
            let rig = filled(stopBefore: stop)
            var again = rig.killed(boot: 2, settings: settings)
            again.advance(.seconds(2))
            let all = again.drainAll()
            let kept = all.filter { $0.kind == .reading }.compactMap {
                Int($0.text.prefix { $0 != " " })
            }
            let told = gaps(all).reduce(0) { $0 + $1.count }
            // All below the last one that is there were on disk once.
            guard let last = kept.max() else { continue }
            if kept.count + told < last + 1 {
                Issue.record(
                    "stopped before \(stop): \(kept.count) kept, \(told) told, last \(last)")
            }
        }
    }

    @Test func totalsOfLossesSurviveRestartsAndWholeSegments() {
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        rig.append(meter, String(repeating: "x", count: 70_000))
        for index in 0..<2000 { rig.append(meter, "\(index) " + long) }
        rig.advance(.seconds(5))
        _ = rig.drainAll()
        let lost = rig.spool.statistics.lost
        #expect(
            lost[.oversize] == 1 && lost[.full] > 0
                && lost.sum == UInt64(rig.spool.statistics.dropped))
        for round in 0..<3 {
            for index in 0..<200 { rig.append(meter, "\(round) \(index) " + long) }
            rig.advance(.seconds(5))
            _ = rig.drainAll()
            rig.spool.drain(at: rig.now)
            rig.pump()
            rig = rig.killed(settings: Rig.settings(maxBytes: 1 << 20))
            #expect(rig.spool.statistics.lost == lost)
        }
    }

    @Test func aDamagedHeaderCostsNothing() {
        var rig = Rig()
        for index in 0..<20 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        var disk = rig.disk
        for byte in 0..<4096 { disk.flip(disk.names()[0], byte: byte, bit: 2) }
        var again = Rig(disk: disk, boot: 2, now: rig.now)
        again.advance(.seconds(2))
        #expect(again.drainAll().map { $0.text } == (0..<20).map { "\($0)" })
    }

    @Test func aFileThatCannotBeReadAtAllIsCounted() {
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        for index in 0..<300 { rig.append(meter, "\(index) " + long) }
        rig.advance(.seconds(1))
        var disk = rig.disk
        let first = disk.names()[0]
        disk.put(first, [UInt8](repeating: 0, count: 128 << 10))
        var again = Rig(Rig.settings(maxBytes: 1 << 20), disk: disk, boot: 2, now: rig.now)
        again.advance(.seconds(2))
        let all = again.drainAll()
        #expect(
            all.filter { $0.kind == .reading }.count + gaps(all).reduce(0) { $0 + $1.count } == 300)
    }

    @Test func filesOfANewerVersionAreLeftAlone() {
        var rig = Rig()
        rig.append(meter, "one")
        rig.advance(.seconds(1))
        var disk = rig.disk
        var newer = [UInt8](repeating: 0xAB, count: 200_000)
        newer.replaceSubrange(0..<10, with: Array("FGWSPOOL".utf8) + [2, 0])
        for seq in 7..<12 { disk.put(Segment.name(UInt64(seq)), newer) }
        var again = Rig(disk: disk, boot: 2, now: rig.now)
        again.append(meter, "two")
        again.advance(.seconds(2))
        #expect(again.drainAll().map { $0.text } == ["one", "two"])
        for seq in 7..<12 { #expect(again.disk.contents(Segment.name(UInt64(seq))) == newer) }
    }

    @Test func aDeadClockNeverStartsNumbersWhereTheyWere() {
        var seen: Set<UInt64> = []
        let dead = Moment(Instant(nanoseconds: 1), WallTime(milliseconds: 5000))
        for seed in 0..<50 {
            var rig = Rig(seed: UInt64(seed), now: dead)
            let first = rig.append(meter, "one") ?? 0
            #expect(first > 1 << 40 && first < UInt64(Rig.start.wall.seconds - 1_577_836_800) << 20)
            #expect(seen.insert(first >> 20).inserted)
            rig.disk.outage = DiskFailure(.readOnly, "EROFS")
            rig.advance(.seconds(2))
            let memory = rig.append(meter, "two") ?? 0
            #expect(memory > first + 1 << 30)
        }
    }

    @Test func aClockThatJumpsYearsDropsNothingOfThisBoot() {
        var rig = Rig()
        rig.spool.anchor(at: rig.now)
        rig.append(meter, "one")
        rig.advance(.seconds(2))
        rig.now.wall = rig.now.wall + .seconds(86_400 * 4000)
        rig.advance(.seconds(120))
        #expect(rig.drainAll().map { $0.text } == ["one"])
    }

    @Test func aDirectoryThatVanishesIsOpenedAnewWhenItIsBack() {
        var rig = Rig()
        rig.append(meter, "one")
        rig.disk.outage = DiskFailure(.missing, "ENOENT")
        rig.advance(.seconds(2))
        #expect(rig.spool.isMemoryOnly)
        rig.disk.outage = nil
        for name in rig.disk.names() { rig.disk.delete(name) }
        rig.advance(.seconds(15))
        #expect(!rig.spool.isMemoryOnly)
        #expect(rig.killed(boot: 2).spool.waiting == 1)
    }
}
