import Base
import Gateway
import Simulators
import Testing

/// A meter that is exchanged while the gateway runs gives no reading to the wrong device.
@Suite struct MeterIdentityTests {
    private func started(_ identify: String) throws -> SimulatedWorld {
        var options = Site.Options()
        options.keys["meter-1"] = "identify: \(identify),"
        let world = try SimulatedWorld(options, seed: 11)
        world.boot()
        return world
    }

    private func readings(_ world: SimulatedWorld, _ device: String) -> Int {
        world.oracle.received.values.count { $0.device == device && $0.subfolder.isEmpty }
    }

    private func identity(_ world: SimulatedWorld) -> String? {
        world.status("devices", "meter-1")?["identity"]?.string
    }

    private func refusals(_ world: SimulatedWorld) -> Int {
        world.oracle.received.values.count { String(decoding: $0.payload, as: UTF8.self).contains("\"identity\"") }
    }

    @Test func anotherMeterUnderTheSameUnitIsHeldUntilTheRightOneIsBack() throws {
        // 4711 for the first ten minutes, then a stranger for ten, then the meter that was meant as its successor.
        let world = try started("{ holding: 20, equals: [4711, 4713] }")
        world.run(for: .seconds(560))
        #expect(identity(world) == "recognised")
        #expect(readings(world, "meter-1") > 100)
        world.befall(.units(0, 1, { var faults = BusFaults(); faults.dead = true; return faults }()))
        world.run(for: .seconds(60))
        world.befall(.units(0, 1, BusFaults()))
        world.run(for: .seconds(120))
        #expect(identity(world)?.contains("holding 20 is 12 68") == true, "\(identity(world) ?? "")")
        #expect(world.oracle.status["meter-1"] == "degraded")
        #expect(refusals(world) == 1, "said once, not at every cycle")
        let before = readings(world, "meter-1")
        _ = world.sendCommand("meter-1", id: "c-9", setpoint: 7)
        world.run(for: .seconds(300))
        #expect(readings(world, "meter-1") == before)
        let result = try #require(world.oracle.results["c-9"])
        #expect(!result.ok && result.payload.contains("another device answers there"))
        #expect(readings(world, "meter-2") > 80, "the others are not concerned")

        world.run(for: .seconds(250))
        #expect(identity(world) == "recognised")
        world.oracle.expectFresh(["meter-1"], since: world.now - .seconds(15), at: world.now)
        world.oracle.expectOnline(world.site.devices, at: world.now)
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }

    @Test func aMeterThatNeverFellSilentIsAskedAgainAllTheSame() throws {
        let world = try started("{ holding: 20, equals: 4711 }")
        world.run(for: .seconds(590))
        #expect(identity(world) == "recognised")
        world.run(for: .seconds(60))
        #expect(identity(world)?.contains("another device") == true)
    }

    @Test func aUnitThatCannotSayWhoItIsIsHeld() throws {
        let world = try started("{ vendor: \"Eastron\" }")
        world.run(for: .seconds(120))
        #expect(identity(world)?.contains("exception 1") == true, "\(identity(world) ?? "")")
        #expect(readings(world, "meter-1") == 1 && readings(world, "meter-2") > 5)
    }

    @Test func theStateDocumentTellsTheFirmwareOfAUnitThatIsRecognised() throws {
        var options = Site.Options()
        options.keys["meter-1"] = "identify: { vendor: \"Eastron\" },"
        options.keys["meter-2"] = "identify: { vendor: \"Carlo\" },"
        for (device, revision) in [("meter-1", "V1.02"), ("meter-2", "V2.0")] {
            options.functions[device] = BusUnitFunctions()
            options.functions[device]?.identification = [
                0: Array("Eastron".utf8), 1: Array("SDM120".utf8), 2: Array(revision.utf8)
            ]
        }
        let world = try SimulatedWorld(options, seed: 11)
        world.boot()
        world.run(for: .seconds(120))
        #expect(world.oracle.status["meter-1"] == "online" && world.oracle.firmware["meter-1"] == "V1.02")
        #expect(world.oracle.status["meter-2"] == "degraded" && world.oracle.firmware["meter-2"] == nil)
    }

    @Test func withoutTheKeyNothingIsAsked() throws {
        let world = try SimulatedWorld(seed: 11)
        world.boot()
        world.run(for: .seconds(60))
        #expect(identity(world) == nil)
        #expect(!world.lines[0].bus.served.contains { $0.content.address == Site.serial })
    }
}
