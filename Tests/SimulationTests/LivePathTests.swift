import Base
import Simulators
import TestKit
import Testing

/// Readings are at the bridge at once, and the disk is written to only for those that are not.
@Suite struct LivePathTests {
    private func quiet(_ publish: String, seed: UInt64 = 5) throws -> SimulatedWorld {
        var options = Site.Options()
        options.publish = publish
        let world = try SimulatedWorld(options, seed: seed)
        world.boot()
        world.run(for: .seconds(120))
        return world
    }

    private func commits(_ world: SimulatedWorld) -> Int {
        Int(world.status("spool", "commits")?.integer ?? -1)
    }

    /// Of the readings that come from now on.
    private func latencies(_ world: SimulatedWorld, for time: Duration) -> [Duration] {
        let before = world.oracle.latencies.count
        world.run(for: time)
        return world.oracle.latencies[before...].sorted()
    }

    /// A reply may be held for 25 ms in case it is contradicted, and the simulated network takes
    /// up to 140 ms.
    @Test func aReadingIsAtTheBridgeWithinMilliseconds() throws {
        let world = try quiet("live")
        let live = latencies(world, for: .seconds(300))
        #expect(live.count > 100)
        #expect(live[live.count / 2] < .milliseconds(200))
        #expect(live[live.count * 99 / 100] < .milliseconds(300))
        let durable = latencies(try quiet("durable"), for: .seconds(300))
        #expect(durable[durable.count / 2] > .milliseconds(400))
        #expect(world.oracle.violations == [])
    }

    @Test func theDiskSleepsWhileTheBridgeAnswers() throws {
        let world = try quiet("live")
        let before = (commits(world), world.disk.disk.operations)
        world.run(for: .seconds(1800))
        #expect(commits(world) - before.0 <= 15)
        #expect(world.disk.disk.operations - before.1 <= 60)
        #expect(world.status("spool", "neverWritten")?.integer ?? 0 > 1000)
        #expect(world.oracle.violations == [])
    }

    /// What no answer comes for is on the disk in its time.
    @Test func whatIsNotAcknowledgedSurvivesAPowerCut() throws {
        let world = try quiet("live", seed: 6)
        world.befall(.blackHole(true))
        world.run(for: .seconds(20))
        world.stopGateway(.powerCut)
        world.befall(.blackHole(false))
        world.run(for: .seconds(10))
        world.boot()
        world.run(for: .seconds(120))
        world.close()
        #expect(world.oracle.violations == [])
    }

    /// Each PUBACK takes five seconds: what waits for one is on the disk in its time.
    @Test(arguments: [7, 8, 9] as [UInt64]) func aSlowBridgeCostsCommitsAndNoReading(
        seed: UInt64
    ) throws {
        let world = try quiet("live", seed: seed)
        var faults = BridgeFaults()
        faults.delayPubacks = .seconds(5)
        world.befall(.bridge(faults))
        world.run(for: .seconds(60))
        let before = commits(world)
        world.run(for: .seconds(60))
        #expect(commits(world) - before > 20)
        #expect(world.status("spool", "waiting")?.integer ?? .max < 200)
        world.run(for: .milliseconds(1_345 * Int64(seed)))
        world.stopGateway(.powerCut)
        world.befall(.bridge(BridgeFaults()))
        world.run(for: .seconds(2))
        world.boot()
        world.run(for: .seconds(120))
        world.close()
        #expect(world.oracle.violations == [])
    }

    /// Killed or cut off at random moments, at work with a bridge that comes and goes.
    @Test(arguments: Effort.cases(4)) func noNumberHasTwoContentsAndNothingOldIsLost(
        seed: Int
    ) throws {
        var random = RandomSource(seed: UInt64(seed) &+ 71)
        let world = try SimulatedWorld(seed: UInt64(seed) &+ 300)
        world.boot()
        for _ in 0..<25 {
            world.run(for: .milliseconds(Int64(random.next() % 40_000)))
            let isAway = random.chance(0.3)
            world.befall(.weather(isAway ? .refused : .fair))
            if isAway { world.befall(.cut) }
            world.run(for: .milliseconds(Int64(random.next() % 9000)))
            let end = random.chance(0.5) ? SimulatedDisk.End.killed : .powerCut
            world.stopGateway(end)
            world.run(for: .seconds(1))
            if end == .killed { world.startGateway() } else { world.boot() }
        }
        world.befall(.weather(.fair))
        world.run(for: .seconds(200))
        world.close()
        #expect(world.oracle.violations == [])
        #expect(world.oracle.gaps.contains { $0.count == 0 })
    }
}
