import Base
import Gateway
import Spool
import TestKit
import Testing

/// A gateway without a bridge, whose one unit never answers: each cycle is a record all the same.
private struct SilentWorld: ComposedWorld {
    var gateway: Gateway
    var disk: VirtualDisk
    var now: Moment

    init(_ disk: VirtualDisk, at now: Moment) throws {
        let ports = """
            a: { device: "/dev/a", driver: "modbus-rtu", every: "1s", nodes: { "meter-1": { unit: 1, points: { a: { holding: 0 } } } } }
            """
        gateway = Self.gateway(try #require(Samples.read(Samples.withPorts(ports)).0))
        self.disk = disk
        self.now = now
        start()
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {}

    /// The first number of each file of the journal.
    var firsts: [UInt64] { disk.names().compactMap { Segment.firstSeq(named: $0) } }
}

/// The same second, and the same chance: only the state directory knows that there was a journal.
@Test func aWipedJournalBeginsAboveTheNumbersOfTheOneBefore() throws {
    var disk = VirtualDisk()
    var last: UInt64 = 0
    for _ in 0..<5 {
        var world = try SilentWorld(disk, at: SilentWorld.epoch)
        world.run(for: .seconds(30))
        let first = try #require(world.firsts.first)
        #expect(first > last)
        let kept = try #require(world.disk.contents("numbers.doc", .state))
        last = try #require(try JSONReader.parse(kept)["below"]?.unsigned) - 1
        #expect(last >= first + 10)
        disk = world.disk
        for name in disk.names() { disk.delete(name) }
    }
}

@Test func theFloorOfAnotherJournalCountsForNothing() throws {
    var disk = VirtualDisk()
    disk.put("numbers.doc", Array(#"{"journal":"another","below":9000000000000000}"#.utf8), .state)
    var world = try SilentWorld(disk, at: SilentWorld.epoch)
    world.run(for: .seconds(30))
    #expect(try #require(world.firsts.first) < 1 << 52)
}
