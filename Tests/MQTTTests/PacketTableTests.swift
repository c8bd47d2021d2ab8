import Base
import MQTT
import Testing

/// The table of messages in flight does what a dictionary does, whatever ids meet in it.
@Suite struct PacketTableTests {
    @Test func idsInARowAreFoundAndGo() {
        var table = PacketTable<Int>()
        for id in 1...UInt16(1000) { table.insert(Int(id), for: id) }
        #expect(table.count == 1000 && table[1] == 1 && table[1000] == 1000 && table[1001] == nil)
        for id in 1...UInt16(999) { #expect(table.remove(id) == Int(id)) }
        #expect(table.count == 1 && table.elements.map(\.id) == [1000] && table.remove(1) == nil)
    }

    @Test(arguments: 0..<20) func agreesWithADictionary(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var table = PacketTable<UInt64>()
        var model: [UInt16: UInt64] = [:]
        // A few of many ids, so that several want the same place, and the run wraps round.
        let step = UInt64([1, 16, 64, 4096][Int(seed % 4)])
        for turn in 0..<4000 {
            let id = UInt16(truncatingIfNeeded: random.next() % 97 &* step &+ 65_500)
            if random.next() % 3 == 0 {
                #expect(table.remove(id) == model.removeValue(forKey: id))
            } else {
                table.insert(UInt64(turn), for: id)
                model[id] = UInt64(turn)
            }
            let other = UInt16(truncatingIfNeeded: random.next() % 97 &* step &+ 65_500)
            #expect(table[other] == model[other] && table.contains(other) == (model[other] != nil))
        }
        #expect(table.count == model.count && table.isEmpty == model.isEmpty)
        #expect(Dictionary(table.elements, uniquingKeysWith: { $1 }) == model)
    }
}
