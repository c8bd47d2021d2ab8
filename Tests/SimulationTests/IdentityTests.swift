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
        world.status("devices", "meter-1")?["identity"]?.string?.string
    }

    private func refusals(_ world: SimulatedWorld) -> Int {
        world.oracle.received.values.count {
            String(decoding: $0.payload, as: UTF8.self).contains("\"identity\"")
        }
    }

    @Test func anotherMeterUnderTheSameUnitIsHeldUntilTheRightOneIsBack() throws {
        // 4711 for the first ten minutes, then a stranger for ten, then the meter that was meant as
        // its successor.
        let world = try started("{ holding: 20, equals: [4711, 4713] }")
        world.run(for: .seconds(560))
        #expect(identity(world) == "recognised")
        #expect(readings(world, "meter-1") > 100)
        world.befall(
            .units(
                0, 1,
                {
                    var faults = BusFaults(); faults.dead = true; return faults
                }()))
        world.run(for: .seconds(60))
        world.befall(.units(0, 1, BusFaults()))
        world.run(for: .seconds(120))
        #expect(
            identity(world)?.contains("holding 20 is 12 68") == true, "\(identity(world) ?? "")")
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

    /// Function 17 and function 43/14, each with the meter that is meant and the one that takes its
    /// place.
    static let meters: [(identify: String, answer: @Sendable (String) -> BusUnitFunctions)] = [
        (
            "{ serverId: \"SDM120-0815\" }",
            { name in
                var functions = BusUnitFunctions()
                functions.serverID = [1] + Array("SDM120-\(name)".utf8) + [0xFF]
                return functions
            }
        ),
        (
            "{ vendor: \"Eastron\", product: \"SDM120-0815\" }",
            { name in
                var functions = BusUnitFunctions()
                functions.identification = [
                    0: Array("Eastron".utf8), 1: Array("SDM120-\(name)".utf8), 2: Array("1".utf8),
                ]
                return functions
            }
        ),
    ]

    @Test(arguments: meters.indices) func aMeterExchangedDuringAnOutageGivesTheDeviceNoReading(
        _ way: Int
    ) throws {
        let (identify, meter) = Self.meters[way]
        var options = Site.Options()
        options.keys["meter-1"] = "identify: \(identify),"
        options.functions["meter-1"] = meter("0815")
        let world = try SimulatedWorld(options, seed: 12)
        world.boot()
        world.run(for: .seconds(120))
        #expect(identity(world) == "recognised")
        #expect(readings(world, "meter-1") > 15)

        // Taken off, and another one of the same make put on: only its name tells.
        var dead = BusFaults()
        dead.dead = true
        world.befall(.units(0, 1, dead))
        world.run(for: .seconds(20))
        world.befall(.exchanged(0, 1, meter("4711")))
        world.befall(.units(0, 1, BusFaults()))
        let exchangedAt = world.now
        world.run(for: .seconds(60))
        #expect(identity(world)?.contains("SDM120-4711") == true, "\(identity(world) ?? "")")
        #expect(world.oracle.status["meter-1"] == "degraded")
        let before = readings(world, "meter-1")
        let served = world.lines[0].bus.served.filter {
            $0.unit == 1 && $0.at > exchangedAt && $0.content.table == .holding
        }
        #expect(served.count > 5, "the stranger is read, so that it could be mistaken")
        world.run(for: .seconds(120))
        #expect(readings(world, "meter-1") == before && refusals(world) == 1)
        for reading in world.oracle.received.values
        where reading.device == "meter-1" && reading.subfolder.isEmpty {
            let text = String(decoding: reading.payload, as: UTF8.self)
            guard let reads = (try? JSONReader.parse(text))?["values"]?["reads"]?.integer else {
                continue
            }
            #expect(!served.contains { Int64($0.content.values.first ?? 0) == reads }, "\(text)")
        }

        world.befall(.exchanged(0, 1, meter("0815")))
        world.run(for: .seconds(60))
        #expect(identity(world) == "recognised")
        world.oracle.expectFresh(["meter-1"], since: world.now - .seconds(15), at: world.now)
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }

    @Test func nobodyWritesToAStrangerFromTheControlSocketEither() throws {
        let world = try started("{ holding: 20, equals: 4711 }")
        func write(to unit: Int) -> JSON? {
            let request =
                "{\"write\":{\"port\":\"bus-a\",\"unit\":\(unit),\"table\":\"holding\",\"address\":10,\"values\":[77]}}"
            if let refusal = world.ask(request, mayWrite: true) { return refusal }
            world.run(for: .seconds(2))
            return world.lastAnswer
        }
        func setpoint() -> UInt16? { world.lines[0].bus.value(of: 1, .holding, 10, at: world.now) }
        // Nobody has said yet who it is.
        #expect(write(to: 1)?["error"]?.string?.contains("not been recognised yet") == true)
        #expect(setpoint() == 0)
        world.run(for: .seconds(60))
        #expect(identity(world) == "recognised")
        #expect(write(to: 1)?["ok"]?.bool == true && setpoint() == 77)

        // Ten minutes after the start another meter is there.
        world.run(for: .seconds(700))
        #expect(identity(world)?.contains("another device") == true)
        let before = world.lines[0].bus.served.count { $0.content.isWrite }
        let refusal = write(to: 1)
        #expect(
            refusal?["error"]?.string?.contains("nothing was written: another device answers there")
                == true)
        #expect(refusal?["kind"]?.string == "unavailable")
        #expect(write(to: 2)?["ok"]?.bool == true, "the others are not concerned")
        #expect(world.lines[0].bus.served.count { $0.content.isWrite } == before + 1)
        // To look is allowed: that is how one finds out who it is.
        _ = world.ask(#"{"read":{"port":"bus-a","unit":1,"table":"holding","address":20}}"#)
        world.run(for: .seconds(2))
        #expect(world.lastAnswer?["registers"]?.array?.first?.integer == 4712)
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
                0: Array("Eastron".utf8), 1: Array("SDM120".utf8), 2: Array(revision.utf8),
            ]
        }
        let world = try SimulatedWorld(options, seed: 11)
        world.boot()
        world.run(for: .seconds(120))
        #expect(
            world.oracle.status["meter-1"] == "online"
                && world.oracle.firmware["meter-1"] == "V1.02")
        #expect(
            world.oracle.status["meter-2"] == "degraded" && world.oracle.firmware["meter-2"] == nil)
    }

    @Test func withoutTheKeyNothingIsAsked() throws {
        let world = try SimulatedWorld(seed: 11)
        world.boot()
        world.run(for: .seconds(60))
        #expect(identity(world) == nil)
        #expect(!world.lines[0].bus.served.contains { $0.content.address == Site.serial })
    }
}
