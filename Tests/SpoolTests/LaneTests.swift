import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")

/// The backlog beside what is live.
@Suite struct LaneTests {
    private func filled(_ count: Int, loadMax: Int = 2 << 20) -> Rig {
        var rig = Rig(Rig.settings(loadMax: loadMax))
        for index in 0..<count { rig.append(meter, "old \(index)") }
        rig.advance(.seconds(1))
        return rig
    }

    @Test func aSplitDeviceOffersBothLanesEachInOrder() {
        var rig = filled(500, loadMax: 16 << 10)
        rig.spool.split(meter)
        for index in 0..<200 { rig.append(meter, "new \(index)") }
        rig.advance(.seconds(1))
        let live = (0..<200).compactMap { _ -> StoredRecord? in
            let record = rig.spool.take(meter, .live, at: rig.now)
            if let record { rig.spool.settle(record.seq, at: rig.now) }
            rig.pump()
            return record
        }
        #expect(live.map { $0.text } == (0..<200).map { "new \($0)" })
        #expect(live.allSatisfy { !$0.backfill })
        let old = rig.drainAll()
        #expect(old.map { $0.text } == (0..<500).map { "old \($0)" })
        #expect(old.allSatisfy { $0.backfill })
        #expect(rig.spool.waiting == 0 && rig.spool.waitingBytes == 0)
    }

    @Test func whenTheBacklogIsGoneThereIsOneLaneAgain() {
        var rig = filled(10)
        rig.spool.split(meter)
        rig.append(meter, "new")
        rig.advance(.seconds(1))
        #expect(rig.drainAll(limit: 10).count == 10)
        #expect(rig.spool.readyLiveDevices.isEmpty)
        let last = rig.spool.take(meter, at: rig.now)
        #expect(last?.text == "new" && last?.backfill == false)
    }

    @Test func aSecondBreakMakesOneBacklogOfBothLanes() {
        var rig = filled(300, loadMax: 16 << 10)
        rig.spool.split(meter)
        for index in 0..<300 { rig.append(meter, "new \(index)") }
        rig.advance(.seconds(1))
        let taken = rig.spool.take(meter, .live, at: rig.now)
        let old = rig.spool.take(meter, at: rig.now)
        rig.spool.giveBack(taken?.seq ?? 0, at: rig.now)
        rig.spool.giveBack(old?.seq ?? 0, at: rig.now)
        rig.spool.split(meter)
        rig.append(meter, "newest")
        rig.advance(.seconds(1))
        #expect(rig.spool.take(meter, .live, at: rig.now)?.text == "newest")
        let all = rig.drainAll()
        #expect(
            all.map { $0.text } == (0..<300).map { "old \($0)" } + (0..<300).map { "new \($0)" })
        // What went out once goes out the same way again.
        #expect(all.first { $0.seq == taken?.seq }?.backfill == false)
        #expect(all.filter { $0.seq != taken?.seq }.allSatisfy { $0.backfill })
    }

    @Test func memoryOnlyModeKnowsNoLanes() {
        var rig = filled(100)
        rig.spool.split(meter)
        rig.append(meter, "new")
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        rig.advance(.seconds(2))
        #expect(rig.spool.isMemoryOnly && rig.spool.readyLiveDevices.isEmpty)
        rig.append(meter, "newer")
        rig.disk.outage = nil
        rig.advance(.seconds(15))
        #expect(rig.drainAll().map { $0.text } == (0..<100).map { "old \($0)" } + ["new", "newer"])
    }

    @Test func aRestartFindsEverythingInOneLane() {
        var rig = filled(100)
        rig.append(tank, "other")
        rig.spool.split(meter)
        for index in 0..<50 { rig.append(meter, "new \(index)") }
        rig.advance(.seconds(1))
        var again = rig.killed()
        #expect(again.spool.waiting == 151)
        #expect(again.drainAll().filter { $0.device == meter }.count == 150)
    }
}
