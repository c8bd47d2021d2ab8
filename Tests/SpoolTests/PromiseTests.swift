import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let long = String(repeating: "x", count: 1000)

/// What the README promises of the journal and no other test says in so many words.
@Suite struct PromiseTests {
    @Test func itLeavesTheLastTwentiethOfTheFileSystemToOthers() {
        var settings = Rig.settings(maxBytes: 64 << 20)
        settings.minFree = 64 << 20
        let twentieth = (20 << 20) / 20
        var disk = VirtualDisk(capacity: 20 << 20)
        disk.foreignBytes = 6 << 20
        var rig = Rig(settings, disk: disk)
        for index in 0..<20_000 {
            rig.append(meter, "\(index) " + long)
            if index % 1000 == 0 { rig.advance(.seconds(1)) }
        }
        rig.advance(.seconds(10))
        #expect(rig.disk.used <= (20 << 20) - twentieth)
        #expect(rig.disk.used > 18 << 20)
        // Somebody takes of that twentieth: the journal does not grow any more, and loses no more
        // than it gains.
        let before = rig.disk.used - rig.disk.foreignBytes
        rig.disk.foreignBytes += twentieth / 2
        for index in 20_000..<30_000 { rig.append(meter, "\(index) " + long) }
        rig.advance(.seconds(10))
        #expect(rig.disk.used - rig.disk.foreignBytes <= before && !rig.spool.isMemoryOnly)
        let all = rig.drainAll()
        let told = all.compactMap { Gap(body: $0.body) }.reduce(0) { $0 + $1.count }
        #expect(all.filter { $0.kind == .reading }.count + told == 30_000)
        #expect(all.last { $0.kind == .reading }?.text.hasPrefix("29999 ") == true)
    }

    @Test func aSyncOfThirtySecondsDelaysAndLosesNothing() {
        var rig = Rig()
        rig.append(meter, "0")
        let synced = rig.spool.syncedSeq
        rig.holdsBack = true
        for index in 1..<300 {
            rig.append(meter, "\(index)")
            rig.advance(.milliseconds(100))
            #expect(rig.spool.readyDevices.isEmpty && rig.spool.syncedSeq == synced)
        }
        #expect(rig.held.count == 1)
        rig.release()
        rig.advance(.seconds(1))
        #expect(rig.spool.syncedSeq == synced.map { $0 + 300 })
        #expect(rig.drainAll().map { $0.text } == (0..<300).map { "\($0)" })
        #expect(!rig.spool.isMemoryOnly && rig.spool.statistics.lost.isZero)
    }

    @Test func aSyncThatTakesForEverIsBoundedInMemoryAndTold() {
        var settings = Rig.settings()
        settings.memoryMax = 200_000
        var rig = Rig(settings)
        rig.append(meter, "0")
        rig.holdsBack = true
        rig.advance(.seconds(1))
        for index in 1..<1000 { rig.append(meter, "\(index) " + long) }
        #expect(rig.spool.waitingBytes < 201_000 && rig.held.count == 1)
        rig.release()
        rig.advance(.seconds(20))
        let all = rig.drainAll()
        let told = all.compactMap { Gap(body: $0.body) }
        #expect(told.allSatisfy { $0.reason == .memory })
        #expect(all.filter { $0.kind == .reading }.count + told.reduce(0) { $0 + $1.count } == 1000)
    }

    @Test func withBothSettledPagesBadEverythingComesAgainAndNothingIsLost() {
        var rig = Rig()
        for index in 0..<20 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        let first = rig.drainAll(limit: 7)
        rig.advance(.seconds(6))
        _ = rig.drainAll(limit: 3)
        rig.spool.drain(at: rig.now)
        rig.pump()
        var disk = rig.disk
        for page in [4096, 8192] {
            for byte in 0..<4096 { disk.flip(disk.names()[0], byte: page + byte, bit: byte % 8) }
        }
        var again = Rig(disk: disk, boot: 2, seed: 2, now: rig.now)
        let all = again.drainAll()
        #expect(all.map { $0.text } == (0..<20).map { "\($0)" })
        #expect(all.prefix(7).map { $0.seq } == first.map { $0.seq })
        #expect(again.spool.statistics.lost.isZero && again.failed == nil)
    }

    /// The floor was kept elsewhere; without it only chance keeps them apart, see `NumberTests`.
    @Test func numbersGoOnAboveTheOldOnesInAWipedDirectory() {
        var rig = Rig()
        for index in 0..<100 { rig.append(meter, "\(index)") }
        rig.advance(.seconds(1))
        let last = rig.drainAll().last?.seq ?? .max
        var wiped = Rig(
            disk: VirtualDisk(), seed: 3, now: rig.now + .seconds(1), floor: rig.spool.numberFloor)
        #expect((wiped.append(meter, "next") ?? 0) > last)
    }
}
