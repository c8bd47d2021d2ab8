import Base
import Gateway
import Simulators
import Testing

/// Alarm records of the whole gateway, as they arrive at the bridge.
@Suite struct AlarmScenarioTests {
    private func started(
        _ options: Site.Options = Site.Options(), seed: UInt64 = 3
    ) throws -> SimulatedWorld {
        let world = try SimulatedWorld(options, seed: seed)
        world.boot()
        world.run(for: .seconds(120))
        #expect(told(world) == [], "a site that is well has no alarm")
        return world
    }

    /// The records in the order of their numbers: `+` raised, `-` cleared.
    private func told(_ world: SimulatedWorld) -> [String] {
        records(world).map { record in
            let device = record["device"]?.string.map { " \($0)" } ?? ""
            return (record["active"]?.bool == true ? "+" : "-")
                + (record["alarm"]?.string?.string ?? "?") + device
        }
    }

    private func records(_ world: SimulatedWorld) -> [JSON] {
        world.oracle.received.values
            .filter { $0.device == Site.gateway && $0.subfolder == "alarms" }
            .sorted { $0.seq < $1.seq }.compactMap { try? JSONReader.parse($0.payload) }
    }

    private func end(_ world: SimulatedWorld, _ location: SourceLocation = #_sourceLocation) {
        world.close()
        for violation in world.oracle.violations {
            Issue.record("\(violation)", sourceLocation: location)
        }
    }

    @Test func aRecordHasTheMembersOfTheContractAndNoOthers() throws {
        let world = try started()
        var faults = BusFaults()
        faults.dead = true
        world.befall(.units(0, 2, faults))
        world.run(for: .seconds(180))
        let record = try #require(records(world).first)
        let members = (record.members ?? []).map(\.name.string)
        #expect(
            Set(members) == ["ts", "seq", "alarm", "device", "since", "active", "text"],
            "\(members)")
        #expect(record["text"]?.string?.contains("offline") == true)
        let since = (record["since"]?.string).flatMap { WallTime(timestamp: $0.string) }
        #expect(try #require(since) < world.worldNow.wall)
        world.befall(.units(0, 2, BusFaults()))
        world.run(for: .seconds(240))
        #expect(told(world) == ["+device-offline meter-2", "-device-offline meter-2"])
        #expect(records(world)[0]["since"]?.string == records(world)[1]["since"]?.string)
        end(world)
    }

    @Test func aPulledAdapterIsOneAlarmAndItsUnitsAreNone() throws {
        let world = try started()
        world.befall(.lineLost(0, for: .seconds(120)))
        world.run(for: .seconds(400))
        #expect(told(world) == ["+port-gone:bus-a", "-port-gone:bus-a"])
        end(world)
    }

    /// The outage is told afterwards, both its beginning and its end.
    @Test func aBridgeThatIsAwayIsToldWhenItIsBack() throws {
        var options = Site.Options()
        options.bridge = ""
        let world = try started(options)
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(900))
        #expect(
            world.ask(#"{"get":"status"}"#)?["alarms"]?.array?.first?["alarm"]?.string
                == "bridge-away")
        world.befall(.weather(.fair))
        world.run(for: .seconds(300))
        #expect(told(world) == ["+bridge-away", "-bridge-away"])
        let lasted = try #require(records(world).first?["since"]?.string?.string)
        #expect(records(world).last?["since"]?.string?.string == lasted)
        end(world)
    }

    /// The process that raised it is gone: the next one neither raises it again nor forgets to
    /// clear it.
    @Test func anAlarmOutlivesTheProcessThatRaisedIt() throws {
        let world = try started()
        var faults = BusFaults()
        faults.dead = true
        world.befall(.units(0, 2, faults))
        world.run(for: .seconds(180))
        world.stopGateway(.powerCut)
        world.boot()
        world.run(for: .seconds(300))
        #expect(told(world) == ["+device-offline meter-2"])
        world.stopGateway(.killed)
        world.befall(.units(0, 2, BusFaults()))
        world.startGateway()
        world.run(for: .seconds(120))
        #expect(told(world) == ["+device-offline meter-2", "-device-offline meter-2"])
        end(world)
    }

    @Test func aFailingDiskIsToldFromMemory() throws {
        // Online, nothing is written otherwise, and no failure seen.
        var options = Site.Options()
        options.publish = "durable"
        let world = try started(options)
        world.disk.disk.outageVolume = .spool
        world.befall(.disk(DiskFailure(.io, "EIO")))
        world.run(for: .seconds(120))
        #expect(told(world) == ["+disk-failing"])
        world.befall(.disk(nil))
        world.run(for: .seconds(300))
        #expect(told(world).prefix(2) == ["+disk-failing", "-disk-failing"], "\(told(world))")
    }

    @Test func aUnitThatComesAndGoesForAnHourIsOneAlarm() throws {
        let world = try started()
        var faults = BusFaults()
        faults.dead = true
        for _ in 0..<45 {
            world.befall(.units(1, 1, faults))
            world.run(for: .seconds(40))
            world.befall(.units(1, 1, BusFaults()))
            world.run(for: .seconds(40))
        }
        #expect(told(world).last == "+device-flapping tank-1", "\(told(world))")
        #expect(told(world).count <= 7, "\(told(world))")
        end(world)
    }

    @Test func withoutATopicNothingIsPublished() throws {
        var options = Site.Options()
        options.bridge = "topics: { alarms: false },"
        let world = try started(options)
        world.befall(.lineLost(0, for: .seconds(120)))
        world.run(for: .seconds(60))
        #expect(
            world.ask(#"{"get":"status"}"#)?["alarms"]?.array?.first?["alarm"]?.string
                == "port-gone:bus-a")
        world.run(for: .seconds(300))
        #expect(told(world) == [])
        end(world)
    }
}
