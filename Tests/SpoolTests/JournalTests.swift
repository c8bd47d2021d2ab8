import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")

@Suite struct JournalTests {
    @Test func offersARecordOnlyAfterItsSync() {
        var rig = Rig()
        rig.append(meter, "one")
        #expect(rig.spool.readyDevices.isEmpty)
        #expect(rig.spool.take(meter, at: rig.now) == nil)
        rig.holdsBack = true
        rig.advance(.seconds(1))
        #expect(!rig.held.isEmpty)
        #expect(rig.spool.readyDevices.isEmpty)
        rig.release()
        #expect(Array(rig.spool.readyDevices) == [meter])
        #expect(rig.spool.take(meter, at: rig.now)?.text == "one")
    }

    @Test func commitsAPriorityRecordWithinFiftyMilliseconds() {
        var rig = Rig()
        rig.append(meter, "alarm", priority: true)
        rig.advance(.milliseconds(50))
        #expect(rig.spool.take(meter, at: rig.now)?.text == "alarm")
    }

    @Test func commitsAtSixtyFourKiBWithoutWaiting() {
        var rig = Rig()
        for _ in 0..<70 { rig.append(meter, String(repeating: "x", count: 1000)) }
        #expect(rig.spool.take(meter, at: rig.now) != nil)
    }

    @Test func keepsOrderPerDeviceAndOffersTheOldestFirst() {
        var rig = Rig()
        for index in 0..<10 { rig.append(index % 2 == 0 ? meter : tank, "\(index)") }
        rig.advance(.seconds(1))
        #expect(Array(rig.spool.readyDevices) == [meter, tank])
        let all = rig.drainAll()
        #expect(all.map { $0.text } == (0..<10).map { "\($0)" })
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.seq + 1 == $1.seq })
        #expect(rig.spool.waiting == 0 && rig.spool.waitingBytes == 0)
    }

    @Test func givesBackInOrder() {
        var rig = Rig()
        for index in 0..<6 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        let taken = (0..<4).compactMap { _ in rig.spool.take(meter, at: rig.now) }
        rig.spool.settle(taken[1].seq, at: rig.now)
        rig.spool.giveBack(taken[3].seq, at: rig.now)
        rig.spool.giveBack(meter, at: rig.now)
        #expect(rig.drainAll().map { $0.text } == ["0", "2", "3", "4", "5"])
    }

    @Test func settledRecordsStaySettledAfterARestart() {
        var rig = Rig()
        for index in 0..<6 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        for _ in 0..<3 {
            if let record = rig.spool.take(meter, at: rig.now) {
                rig.spool.settle(record.seq, at: rig.now)
            }
        }
        _ = rig.spool.take(meter, at: rig.now)
        rig.advance(.seconds(5))
        var again = rig.killed()
        #expect(again.drainAll().map { $0.text } == ["3", "4", "5"])
    }

    @Test func ignoresAnAcknowledgementOfANumberThatIsNotInFlight() {
        var rig = Rig()
        let seq = rig.append(meter, "one") ?? 0
        rig.advance(.seconds(1))
        rig.spool.settle(seq, at: rig.now)
        rig.spool.settle(seq + 7, at: rig.now)
        #expect(rig.spool.waiting == 1)
        #expect(rig.drainAll().count == 1)
    }

    @Test func acceptsEntriesBeforeAndDuringRecovery() {
        var rig = Rig(starts: false)
        #expect(rig.append(meter, "early") == nil)
        rig.spool.start(at: rig.now)
        rig.pump()
        rig.advance(.seconds(1))
        #expect(rig.drainAll().map { $0.text } == ["early"])
    }

    @Test func neverUsesANumberTwiceOverRestartsEvenWhenDrained() {
        var rig = Rig()
        var seen: Set<UInt64> = []
        for round in 0..<20 {
            let seq = rig.append(meter, "\(round)") ?? 0
            #expect(seen.insert(seq).inserted)
            rig.advance(.seconds(1))
            _ = rig.drainAll()
            rig.spool.drain(at: rig.now)
            rig.pump()
            #expect(rig.spool.isIdle)
            rig = round % 2 == 0 ? rig.killed() : rig.powerCut(seed: UInt64(round))
        }
        #expect(seen.max().map { $0 - (seen.min() ?? 0) } == 19)
    }

    /// The clock's number; without a floor from elsewhere a random one below 2⁴¹ comes on top.
    @Test func startsNumbersAtSecondsSince2020InANewDirectory() {
        let clock = UInt64(Rig.start.wall.seconds - 1_577_836_800) << 20
        var known = Rig(floor: 1)
        #expect(known.append(meter, "one") == clock)
        for seed in 0..<20 {
            var rig = Rig(seed: UInt64(seed))
            let first = rig.append(meter, "one") ?? 0
            #expect((clock..<clock + 1 << 41).contains(first))
        }
    }

    @Test func removesSettledSegmentsAndKeepsTheNewest() {
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        for _ in 0..<400 { rig.append(meter, String(repeating: "x", count: 1000)) }
        rig.advance(.seconds(1))
        #expect(rig.disk.names().count > 3)
        #expect(rig.drainAll().count == 400)
        rig.advance(.seconds(6))
        #expect(rig.disk.names().count == 1)
        rig.spool.drain(at: rig.now)
        rig.pump()
        #expect(rig.spool.isIdle)
        #expect(rig.killed(settings: Rig.settings(maxBytes: 1 << 20)).spool.waiting == 0)
    }

    @Test func dropsTheOldestAtItsBoundAndTellsIt() {
        var rig = Rig(Rig.settings(maxBytes: 1 << 20))
        for index in 0..<2000 {
            rig.append(meter, "\(index) " + String(repeating: "x", count: 1000))
        }
        rig.advance(.seconds(30))
        #expect(rig.disk.used <= 1 << 20)
        let all = rig.drainAll()
        let kept = all.filter { $0.kind == .reading }
        let told = all.filter { $0.kind == .gap }.compactMap { Gap(body: $0.body) }
        #expect(told.allSatisfy { $0.device == meter && $0.reason == .full })
        #expect(kept.count + told.reduce(0) { $0 + $1.count } == 2000)
        #expect(kept.last?.text.hasPrefix("1999 ") == true)
    }

    @Test func keepsADeviceToItsShare() {
        var rig = Rig(Rig.settings(maxBytes: 2 << 20, share: 0.25))
        rig.append(tank, "mine")
        for index in 0..<1500 {
            rig.append(meter, "\(index) " + String(repeating: "x", count: 1000))
        }
        rig.advance(.seconds(30))
        #expect(rig.spool.waiting(of: tank) == 1)
        let all = rig.drainAll()
        let told = all.filter { $0.kind == .gap }.compactMap { Gap(body: $0.body) }
        #expect(told.allSatisfy { $0.reason == .share && $0.device == meter })
        let kept = all.filter { $0.kind == .reading && $0.device == meter }
        #expect(kept.count + told.reduce(0) { $0 + $1.count } == 1500)
        #expect(kept.reduce(0) { $0 + $1.storedSize } <= 512 << 10)
    }

    @Test func tellsWhatWasTooLong() {
        var rig = Rig()
        #expect(rig.append(meter, String(repeating: "x", count: 70_000)) == nil)
        rig.advance(.seconds(1))
        let gap = rig.drainAll().first
        #expect(gap?.kind == .gap && gap?.device == Rig.gateway && gap?.subfolder == "gaps")
        #expect(gap.flatMap { Gap(body: $0.body) }?.reason == .oversize)
    }

    @Test func refusesAnotherIdentityAndALockedDirectory() {
        var rig = Rig()
        rig.append(meter, "one")
        rig.advance(.seconds(1))
        var other = Rig.settings()
        other.identity = "acme/plant/gw-8"
        #expect(rig.killed(settings: other).failed?.contains("acme/plant/gw-7") == true)
        rig.disk.isLocked = true
        #expect(rig.killed().failed?.contains("another process") == true)
    }

    @Test func aQuarantinedDeviceStopsNobody() {
        var rig = Rig(Rig.settings(loadMax: 64 << 10))
        let long = String(repeating: "x", count: 200)
        for index in 0..<2000 { rig.append(index % 2 == 0 ? meter : tank, "\(index) " + long) }
        rig.advance(.seconds(2))
        var got = 0
        while let record = rig.spool.take(tank, at: rig.now) {
            rig.spool.settle(record.seq, at: rig.now)
            rig.pump()
            got += 1
        }
        #expect(got == 1000)
        #expect(rig.spool.statistics.loadedBytes <= 80 << 10)
        let rest = rig.drainAll().map { String($0.text.prefix { $0 != " " }) }
        #expect(rest == stride(from: 0, to: 2000, by: 2).map { String($0) })
    }

    @Test func correctsTheTimeOfRecordsFromBeforeTheClockWasTrusted() {
        var rig = Rig()
        rig.append(meter, "early", trusted: false)
        let appended = rig.now
        rig.advance(.seconds(10))
        rig.now.wall = rig.now.wall + .seconds(86_400)
        rig.spool.anchor(at: rig.now)
        rig.advance(.seconds(2))
        var again = rig.killed()
        for var journal in [rig, again] {
            let record = journal.spool.take(meter, at: journal.now)
            #expect(record?.at.wall == appended.wall + .seconds(86_400))
            #expect(record?.clockTrusted == true)
        }
        again = rig.killed(boot: 9)
        #expect(again.spool.take(meter, at: again.now)?.at.wall == appended.wall + .seconds(86_400))
    }
}

@Suite struct AgeTests {
    @Test func dropsWhatIsTooOldAndTellsIt() {
        var settings = Rig.settings()
        settings.maxAge = .seconds(3600)
        var rig = Rig(settings)
        rig.spool.anchor(at: rig.now)
        rig.append(meter, "old")
        rig.advance(.seconds(7200))
        rig.append(meter, "new")
        rig.advance(.seconds(1))
        let all = rig.drainAll()
        #expect(all.filter { $0.kind == .reading }.map { $0.text } == ["new"])
        rig.advance(.seconds(2))
        let gap = rig.drainAll().first.flatMap { Gap(body: $0.body) }
        #expect(gap?.reason == .age && gap?.count == 1)
    }

    /// It was rewritten again and again until the bridge had acknowledged what is in flight.
    @Test func aSegmentWithARecordInFlightIsAgedOnceInARoundOfUpkeep() {
        var settings = Rig.settings()
        settings.maxAge = .seconds(3600)
        var rig = Rig(settings)
        rig.spool.anchor(at: rig.now)
        for index in 0..<4 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        // A file of an earlier run is never appended to.
        rig = rig.killed(settings: settings)
        rig.spool.anchor(at: rig.now)
        let sent = rig.spool.take(meter, at: rig.now)
        #expect(sent?.text == "0")
        let written = rig.spool.statistics.bytesWritten
        rig.advance(.seconds(7200))
        #expect(rig.spool.waiting(of: meter) == 1)
        // A file of a page and one record each minute at most, and a gap record.
        #expect(rig.spool.statistics.bytesWritten - written < 61 * (16 << 10))
        if let seq = sent?.seq { rig.spool.settle(seq, at: rig.now) }
        rig.advance(.seconds(120))
        #expect(rig.spool.waiting(of: meter) == 0)
    }

    @Test func aDamagedRecordIsToldAsAGap() {
        var rig = Rig()
        for index in 0..<9 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        let name = rig.disk.names()[0]
        rig.disk.flip(name, byte: Segment.dataStart + 56 * 4 + 40, bit: 3)
        var again = rig.killed(boot: 2)
        #expect(again.spool.waiting(of: meter) == 8)
        again.advance(.seconds(1))
        let all = again.drainAll()
        let gap = all.first { $0.kind == .gap }.flatMap { Gap(body: $0.body) }
        #expect(gap?.reason == .damage && gap?.count == 1 && gap?.device == nil)
        #expect(
            gap?.from == gap?.to && !all.contains { $0.kind == .reading && $0.seq == gap?.from })
    }
}
