import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let tank = Rig.device("tank-2")

@Suite struct SumTests {
    /// What could not be read went out of the sums with the mean size of its segment's records.
    @Test func nothingIsLeftOfRecordsThatCannotBeRead() {
        var rig = Rig(Rig.settings(loadMax: 16 << 10))
        for index in 0..<400 {
            let size = index % 100 < 50 ? 20 : 1500
            let text = "\(index)." + String(repeating: "x", count: size)
            rig.append(index % 3 == 0 ? tank : meter, text)
        }
        rig.advance(.seconds(2))
        rig.disk.unreadable = 200_000..<201_000
        for _ in 0..<10 {
            _ = rig.drainAll()
            rig.advance(.seconds(10))
        }
        #expect(rig.spool.statistics.damaged > 0)
        #expect(rig.spool.waiting == 0)
        #expect(rig.spool.waitingBytes == 0)
    }

    /// A live record came back after its lane had joined a backlog of which a part was not loaded.
    /// It went out before older ones, and again when the reader had come to its place.
    @Test func aLiveRecordThatComesBackAfterTheJoinGoesOutOnceAndInOrder() {
        var rig = Rig(Rig.settings(loadMax: 16 << 10))
        let filler = String(repeating: "x", count: 200)
        for index in 0..<200 { rig.append(meter, "\(index)." + filler) }
        rig.advance(.seconds(2))
        rig.spool.split(meter)
        for index in 200..<220 { rig.append(meter, "\(index)." + filler) }
        rig.advance(.seconds(2))
        let live = (0..<3).compactMap { _ in rig.spool.take(meter, .live, at: rig.now) }
        #expect(live.count == 3)
        rig.spool.join(meter)
        for record in live { rig.spool.giveBack(record.seq, at: rig.now) }
        rig.pump()
        let seqs = rig.drainAll().map { $0.seq }
        #expect(seqs == Array(Set(seqs)).sorted())
        #expect(seqs.count == 220)
        #expect(rig.spool.waiting == 0)
    }

    /// A part of the disk could not be read for a moment when the journal started. Records that
    /// were reported as lost went out in place of newer ones, which were never read.
    @Test func whatRecoveryHasReportedAsLostStaysLost() {
        var rig = Rig(Rig.settings(loadMax: 16 << 10))
        let filler = String(repeating: "x", count: 300)
        for index in 0..<400 { rig.append(meter, "\(index)." + filler) }
        rig.advance(.seconds(2))
        var disk = rig.disk
        disk.unreadable = 80_000..<81_000
        var again = Rig(Rig.settings(loadMax: 16 << 10), disk: disk, seed: 2, now: rig.now)
        again.disk.unreadable = nil
        again.advance(.seconds(2))
        let found = again.drainAll()
        again.advance(.seconds(20))
        let all = found + again.drainAll()
        let told = all.compactMap { $0.kind == .gap ? Gap(body: $0.body)?.count : nil }.reduce(0, +)
        let texts = all.filter { $0.kind == .reading }.map { $0.text }
        #expect(told > 0)
        #expect(Set(texts).count == texts.count)
        #expect(texts.count + told == 400)
        #expect(texts.last?.hasPrefix("399.") == true)
        #expect(again.spool.waiting == 0 && again.spool.waitingBytes == 0)
    }
}
