import Base
import Gateway
import Simulators
import Testing

/// A new configuration in the middle of everything.
@Suite struct ReloadTests {
    private func started(
        seed: UInt64 = 3, for duration: Duration = .seconds(120)
    ) throws -> SimulatedWorld {
        let world = try SimulatedWorld(seed: seed)
        world.boot()
        world.run(for: duration)
        return world
    }

    private func expectNoViolation(
        _ world: SimulatedWorld, _ location: SourceLocation = #_sourceLocation
    ) {
        for violation in world.oracle.violations {
            Issue.record("\(violation)", sourceLocation: location)
        }
    }

    private func replies(_ world: SimulatedWorld, _ port: String, _ unit: String) -> Int64 {
        world.status("ports", port)?["units"]?[ByteString(unit)]?["replies"]?.integer ?? -1
    }

    /// A driver that had begun anew would have read the slow points too soon.
    private func expectPace(
        _ world: SimulatedWorld, _ line: Int, unit: UInt8,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let reads = world.lines[line].bus.served
            .filter {
                $0.unit == unit && $0.content.address == Site.setpoint && !$0.content.isWrite
            }.map(\.at)
        let gaps = zip(reads, reads.dropFirst()).map { $1 - $0 }
        #expect(
            gaps.count >= 2 && gaps.allSatisfy { $0 > .seconds(58) }, "\(gaps)",
            sourceLocation: location)
    }

    @Test func theSameFileAgainIsNoticedByNobody() throws {
        let world = try started()
        let attempts = world.lines.map(\.attempt)
        world.reload(world.site.options)
        #expect(world.reloads == [true])
        world.run(for: .seconds(60))
        expectPace(world, 0, unit: 1)
        #expect(world.lines.map(\.attempt) == attempts)
        #expect(world.bridge.statistics.accepted == 1)
        world.close()
        expectNoViolation(world)
    }

    @Test func otherIntervalsOfOnePortLeaveItOpenAndTheOtherAlone() throws {
        let world = try started()
        let (replies, attempts) = (replies(world, "bus-a", "1"), world.lines.map(\.attempt))
        var options = world.site.options
        options.every["meter-2"] = 1
        world.reload(options)
        let before = world.oracle.received.values.count { $0.device == "meter-2" }
        world.run(for: .seconds(60))
        let after = world.oracle.received.values.count { $0.device == "meter-2" }
        #expect(after - before > 50)
        #expect(world.lines.map(\.attempt) == attempts)
        #expect(
            self.replies(world, "bus-a", "1") > replies, "what was counted before is still counted")
        expectPace(world, 1, unit: 7)
        #expect(world.bridge.statistics.accepted == 1)
        world.close()
        expectNoViolation(world)
    }

    /// A unit that is taken out and comes back, another speed, other intervals: the port's numbers
    /// only grow, so that no timeout or damaged reply that was counted is ever gone.
    @Test func whatAPortHasCountedOutlivesEveryReload() throws {
        let world = try SimulatedWorld(seed: 3)
        var faults = BusFaults()
        (faults.noise, faults.silence) = (0.01, 0.3)
        world.befall(.units(0, 2, faults))
        world.boot()
        world.run(for: .seconds(300))
        func counted(_ key: String) -> Int64 {
            world.status("ports", "bus-a")?[ByteString(key)]?.integer ?? -1
        }
        func ofUnit(_ key: String) -> Int64 {
            world.status("ports", "bus-a")?["units"]?["2"]?[ByteString(key)]?.integer ?? -1
        }
        let keys = ["requests", "replies", "timeouts", "checksum"]
        #expect(keys.allSatisfy { counted($0) > 0 })
        func expectGrowth(
            _ change: (inout Site.Options) -> Void, _ location: SourceLocation = #_sourceLocation
        ) {
            let before = keys.map(counted)
            var options = world.site.options
            change(&options)
            world.reload(options)
            world.run(for: .seconds(60))
            for (key, old) in zip(keys, before) {
                #expect(counted(key) >= old, "\(key)", sourceLocation: location)
            }
            #expect(counted("requests") > before[0], sourceLocation: location)
        }
        let ofUnitBefore = keys.map(ofUnit)
        expectGrowth { $0.every["meter-1"] = 2 }
        expectGrowth { $0.without = ["meter-2"] }
        #expect(world.status("ports", "bus-a")?["units"]?["2"] == nil)
        expectGrowth { $0.responseTimeout = "200ms" }
        expectGrowth { _ in }
        for (key, old) in zip(keys, ofUnitBefore) { #expect(ofUnit(key) > old, "\(key)") }
        // The port itself is taken out: whoever puts it back begins at nothing.
        var options = world.site.options
        options.without = ["meter-1", "meter-2", "meter-3"]
        world.reload(options)
        world.run(for: .seconds(5))
        world.reload(world.site.options)
        world.run(for: .seconds(5))
        #expect((0...60).contains(counted("requests")))
        world.close()
        expectNoViolation(world)
    }

    @Test func whatIsTakenOutIsDetachedOnceTheBridgeHasAllOfIt() throws {
        let world = try started()
        let attempts = world.lines.map(\.attempt)
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(300))
        var options = world.site.options
        options.without = ["tank-1", "pump-7", "meter-2"]
        world.reload(options)
        world.run(for: .seconds(1))
        #expect(world.lines[1].state == .closed && world.lines[0].attempt == attempts[0])
        let recorded = world.oracle.ledger.synced.values.count { $0.record.device == "tank-1" }
        #expect(recorded > 30)
        world.befall(.weather(.fair))
        world.run(for: .seconds(180))
        #expect(world.oracle.received.values.count { $0.device == "tank-1" } >= recorded)
        for device in options.without {
            #expect(!world.bridge.isAttached(ByteString(device)), "\(device)")
            #expect(world.oracle.status[device] == "offline", "\(device)")
        }
        #expect(world.bridge.isAttached("meter-1"))

        // And back again.
        world.reload(world.site.options)
        world.run(for: .seconds(60))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(45), at: world.now)
        world.oracle.expectOnline(world.site.devices, at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func anotherBridgeSectionIsConnectedInGoodOrder() throws {
        let world = try started()
        var options = world.site.options
        options.tokenLifetime = "30m"
        world.reload(options)
        world.run(for: .seconds(60))
        #expect(world.bridge.statistics.accepted == 2)
        #expect(world.oracle.repeats == 0, "what was on its way is acknowledged first")
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(30), at: world.now)
        world.oracle.expectOnline(world.site.devices, at: world.now)
        // Twice within the goodbye: the last one counts.
        world.reload(world.site.options)
        world.reload(options)
        world.run(for: .seconds(60))
        #expect(world.bridge.statistics.accepted == 3)
        world.close()
        expectNoViolation(world)
    }

    /// Once, the bridge was connected again for settings that the connection does not know.
    @Test func otherSubfoldersHoldAtOnceOnTheSameConnection() throws {
        let world = try started(for: .seconds(150))
        func health(_ subfolder: String) -> Int {
            world.oracle.received.values.count {
                $0.device == Site.gateway && $0.subfolder == subfolder
            }
        }
        let before = health("health")
        #expect(before > 0)
        var options = world.site.options
        options.bridge = "topics: { health: \"pulse\", gaps: \"losses\", commands: \"results\" },"
        world.reload(options)
        world.run(for: .seconds(150))
        #expect(health("pulse") >= 2 && health("health") == before)
        #expect(world.bridge.statistics.accepted == 1)
        options.bridge = "topics: { health: false, gaps: false },"
        world.reload(options)
        world.run(for: .seconds(5))
        let last = health("pulse")
        world.run(for: .seconds(150))
        #expect(health("pulse") == last && world.bridge.statistics.accepted == 1)
        world.close()
        expectNoViolation(world)
    }

    @Test func anotherKeyIsAnotherConnection() throws {
        let world = try started()
        var settings = try world.site.settings()
        settings.credentials.append("gw-7.pem with another content")
        world.receive(.reload(settings, needRestart: []))
        world.run(for: .seconds(60))
        #expect(world.bridge.statistics.accepted == 2)
        world.close()
        expectNoViolation(world)
    }

    @Test func aFileOfAnotherGatewayIsRefusedAndEverythingStays() throws {
        let world = try started()
        let settings = try world.site.settings()
        var other = settings
        other.spool.identity = "acme/plant/gw-8"
        other.configured = []
        other.ports = []
        world.receive(.reload(other, needRestart: []))
        #expect(world.reloads == [false])
        world.run(for: .seconds(60))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(30), at: world.now)
        #expect(world.bridge.statistics.accepted == 1)
        world.close()
        expectNoViolation(world)
    }

    @Test func aReloadBeforeTheJournalIsThereWaitsForIt() throws {
        let world = try SimulatedWorld(seed: 4)
        world.befall(.diskPace(.seconds(2)))
        world.boot()
        var options = world.site.options
        options.without = ["pump-7"]
        world.reload(options)
        #expect(world.reloads.isEmpty)
        world.befall(.diskPace(.milliseconds(20)))
        world.run(for: .seconds(120))
        #expect(world.reloads == [true])
        #expect(world.oracle.lastValue["pump-7"] == nil && !world.bridge.isAttached("pump-7"))
        world.oracle.expectFresh(
            ["meter-1", "tank-1"], since: world.now - .seconds(30), at: world.now)
    }
}
