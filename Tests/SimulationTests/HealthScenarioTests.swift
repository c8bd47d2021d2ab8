import Base
import Gateway
import Simulators
import Testing

/// Health records of the whole gateway, as they arrive at the bridge.
@Suite struct HealthScenarioTests {
    private func records(_ world: SimulatedWorld) -> [JSON] {
        world.oracle.received.values
            .filter { $0.device == Site.gateway && $0.subfolder == "health" }
            .sorted { $0.seq < $1.seq }.compactMap { try? JSONReader.parse($0.payload) }
    }

    private func started(_ keys: String = "") throws -> SimulatedWorld {
        var options = Site.Options()
        options.top = keys
        let world = try SimulatedWorld(options, seed: 3)
        world.boot()
        world.run(for: .seconds(120))
        return world
    }

    @Test func aRecordSaysWhatIsWrongAndWhichRunItIs() throws {
        let world = try started()
        world.befall(.lineLost(0, for: .seconds(300)))
        var figures = MachineFigures()
        figures.take(loadavg: "0.5 0.6 0.7 1/2 3")
        world.receive(.measured(figures))
        world.run(for: .seconds(70))
        let record = try #require(records(world).last)
        #expect(record["schema"]?.integer == 1)
        #expect(record["start"]?["reason"]?.string == "first")
        #expect(record["start"]?["count"]?.integer == 1 && record["start"]?["ts"]?.string != nil)
        #expect(record["host"]?["load"]?.array?.count == 3)
        let problem = try #require(record["problems"]?.array?.first)
        #expect(problem["severity"]?.string == "critical" && problem["subject"]?.string == "bus-a")
        #expect(record["spool"]?["maxBytes"]?.integer == 64 << 20)
        let port = try #require(record["ports"]?["bus-a"])
        #expect(port["requests"]?.integer ?? 0 > 10 && port["units"] == nil)
        #expect(record["bridgeTrouble"] == nil)
        world.befall(.cut)
        world.run(for: .seconds(120))
        #expect(records(world).last?["bridgeTrouble"]?["reason"]?.string != nil)
    }

    @Test func intervalAndUnitsAreKeys() throws {
        let world = try started("health: { every: \"10m\", units: true },")
        world.run(for: .seconds(3000))
        #expect((5...6).contains(records(world).count), "\(records(world).count)")
        let unit = records(world).last?["ports"]?["bus-a"]?["units"]?["1"]
        #expect(unit?["requests"]?.integer ?? 0 > 10 && unit?["replySeconds"] == nil)
    }

    @Test func theOldestRecordThatWaitsIsToldWithItsTime() throws {
        let world = try started()
        world.befall(.weather(.refused))
        world.befall(.cut)
        let cut = world.worldNow.wall
        world.run(for: .seconds(300))
        let oldest = try #require(
            (world.status("spool", "oldestWaiting")?.string).flatMap {
                WallTime(timestamp: $0.string)
            })
        #expect(oldest - cut < .seconds(10) && cut - oldest < .seconds(10))
        world.befall(.weather(.fair))
        world.run(for: .seconds(300))
        #expect((world.status("spool", "waiting")?.integer ?? 99) < 20)
    }

    @Test func startsAreCountedAndSayWhatWasBefore() throws {
        let world = try started()
        func start() -> (String?, Int64?) {
            world.run(for: .seconds(60))
            let start = records(world).last?["start"]
            return (start?["reason"]?.string?.string, start?["count"]?.integer)
        }
        world.stopGateway(.killed)
        world.startGateway()
        #expect(start() == ("crash", 2))
        world.stopGateway(.powerCut)
        world.boot()
        #expect(start() == ("power", 3))
        world.terminate()
        #expect(world.run(until: world.now + .seconds(10)) { $0.exit != nil })
        world.startGateway()
        #expect(start() == ("restart", 4))
        world.terminate()
        #expect(world.run(until: world.now + .seconds(10)) { $0.exit != nil })
        world.boot()
        #expect(start() == ("boot", 5))
    }
}
