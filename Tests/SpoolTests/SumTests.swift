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
}
