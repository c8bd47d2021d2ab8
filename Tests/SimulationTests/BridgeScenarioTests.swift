import Base
import Gateway
import Simulators
import Testing

/// What a restart must not forget.
@Suite struct RestartTests {
    /// A gateway that its service manager starts again and again calls a bridge that refuses it no
    /// more often than one that runs on.
    @Test func killedAgainAndAgainItKeepsItsBackOff() throws {
        let world = try SimulatedWorld(seed: 9)
        world.bridge.faults.refuse = (5, .zero + .seconds(3600))
        world.boot()
        for _ in 0..<120 {
            world.run(for: .seconds(5))
            world.stopGateway(.killed)
            world.startGateway()
        }
        // Without a memory every start would try at once: 120 times in these ten minutes.
        #expect(
            (5...30).contains(world.bridge.statistics.refused), "\(world.bridge.statistics.refused)"
        )
        world.bridge.faults.refuse = nil
        #expect(world.run(until: world.now + .seconds(70)) { $0.bridge.statistics.accepted > 0 })
    }
}

/// Outside check 1: each misfortune of the bridge costs no reading of a healthy device, and no
/// storm of attempts follows.
@Suite struct BridgeMisfortuneTests {
    private func started(
        _ options: Site.Options = Site.Options(), switches: BridgeSwitches = BridgeSwitches(),
        seed: UInt64 = 3
    ) throws -> SimulatedWorld {
        let world = try SimulatedWorld(options, switches: switches, seed: seed)
        world.boot()
        world.run(for: .seconds(60))
        return world
    }

    /// Everything the devices said until `since` has arrived, each once or with the same content
    /// (the oracle looks at order and repeats all the time), and the gateway has not hammered.
    private func expectEverything(
        _ world: SimulatedWorld, attempts: ClosedRange<Int>,
        _ location: SourceLocation = #_sourceLocation
    ) {
        world.run(for: .seconds(240))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(70), at: world.now)
        world.close()
        for violation in world.oracle.violations {
            Issue.record("\(violation)", sourceLocation: location)
        }
        #expect(
            attempts.contains(world.attempts), "\(world.attempts) attempts",
            sourceLocation: location)
    }

    @Test(
        "Fault 39, one attach refused: in every way the bridge may fail",
        arguments: BridgeSwitches.AttachFailure.allCases)
    func anUnboundDeviceInEveryWayTheBridgeMayFail(_ way: BridgeSwitches.AttachFailure) throws {
        var switches = BridgeSwitches()
        switches.attachFailure = way
        let world = try started(Site.Options(unbound: ["meter-2"]), switches: switches)
        world.run(for: .seconds(600))
        #expect(
            world.bridge.statistics.attachFailures <= 12,
            "\(world.bridge.statistics.attachFailures)")
        #expect((1...12).contains(world.attempts), "\(world.attempts) attempts")
        world.oracle.expectFresh(
            world.site.devices.filter { $0 != "meter-2" }, since: world.now - .seconds(70),
            at: world.now)
        // Bound at last, it is tried again within about an hour, and what has waited arrives.
        world.bridge.bind("meter-2", to: ByteString(Site.gateway), at: world.worldNow)
        world.run(for: .seconds(4200))
        expectEverything(world, attempts: 1...16)
    }

    @Test func closedEveryFewSecondsForAQuarterOfAnHour() throws {
        let world = try started()
        for _ in 0..<150 {
            world.run(for: .seconds(6))
            world.befall(.closeAll)
        }
        expectEverything(world, attempts: 10...80)
    }

    @Test("Fault 26, a missing PUBACK: one in fifty") func onePubackInFiftyIsLost() throws {
        let world = try started()
        var faults = BridgeFaults()
        faults.dropPubacks = .every(50)
        world.befall(.bridge(faults))
        world.run(for: .seconds(900))
        world.befall(.bridge(BridgeFaults()))
        expectEverything(world, attempts: 1...2)
    }

    /// Fewer messages, and nothing else is different: the same misfortunes with `batch`.
    @Test(arguments: UInt64(1)...3) func batchesLoseNothingAndSaveMessages(seed: UInt64) throws {
        let options = Site.Options(bridge: #"batch: { maxDelay: "30s", maxBytes: "4KiB" },"#)
        let world = try started(options, seed: seed)
        world.run(for: .seconds(600))
        let records = world.oracle.received.count
        #expect(
            world.oracle.messages * 2 < records,
            "\(world.oracle.messages) messages for \(records) records")
        var faults = BridgeFaults()
        faults.dropPubacks = .every(20)
        world.befall(.bridge(faults))
        for _ in 0..<40 {
            world.run(for: .seconds(15))
            world.befall(.closeAll)
        }
        world.befall(.bridge(BridgeFaults()))
        world.stopGateway(.powerCut)
        world.boot()
        world.run(for: .seconds(60))
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(3600))
        world.befall(.weather(.fair))
        expectEverything(world, attempts: 10...160)
    }

    /// A live reading does not wait for its batch while a backlog goes out.
    @Test func batchesHoldUpNoLiveReadingBesideABacklog() throws {
        let world = try started(
            Site.Options(bridge: #"batch: { maxDelay: "5m", maxBytes: "1KiB" },"#))
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(12 * 3600))
        world.befall(.weather(.fair))
        #expect(world.run(until: world.now + .seconds(70)) { $0.bridge.statistics.accepted > 1 })
        world.run(for: .seconds(26))
        for _ in 0..<3 {
            world.run(for: .seconds(10))
            let behind = world.site.devices.filter {
                world.status("devices", $0)?["waiting"]?.integer ?? 0 > 100
            }
            #expect(behind.count > 2, "\(behind)")
            world.oracle.expectFresh(behind, since: world.now - .seconds(26), at: world.now)
        }
        #expect(world.status("spool", "waiting")?.integer ?? 0 > 300, "there must be a backlog")
        #expect(world.oracle.backfilled > 100, "\(world.oracle.backfilled)")
        world.run(for: .seconds(900))
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }

    @Test("Fault 25, a half-open link: noticed within two minutes")
    func aHalfOpenLinkIsNoticedWithinTwoMinutes() throws {
        let world = try started()
        world.befall(.blackHole(true))
        world.run(for: .seconds(120))
        #expect(world.status("bridge", "online")?.bool == false)
        world.befall(.blackHole(false))
        expectEverything(world, attempts: 2...12)
    }
}

@Suite struct ConfigScenarioTests {
    /// The bridge sends a config until it has its PUBACK; the device is read more rarely from then
    /// on, also after a power cut, and nothing else is disturbed.
    @Test func aConfigFromTheBridgeSlowsItsDeviceAlsoAfterAPowerCut() throws {
        let world = try SimulatedWorld(seed: 4)
        world.boot()
        world.run(for: .seconds(60))
        func readings(_ device: String) -> Int {
            world.oracle.received.values.count { $0.device == device }
        }
        func in300(_ device: String) -> Int {
            let before = readings(device)
            world.run(for: .seconds(300))
            return readings(device) - before
        }
        let usual = (in300("meter-1"), in300("meter-2"))
        let isSet = world.bridge.setConfig(
            "meter-1", Array(#"{"every":"60s"}"#.utf8), at: world.worldNow)
        #expect(isSet)
        world.hearBridge()
        world.run(for: .seconds(30))
        #expect(world.bridge.registry.devices["meter-1"]?.acknowledgedVersion == 2)
        #expect((4...6).contains(in300("meter-1")))
        #expect((usual.1 - 3...usual.1 + 3).contains(in300("meter-2")), "as before")
        world.stopGateway(.powerCut)
        world.run(for: .seconds(5))
        world.boot()
        world.run(for: .seconds(30))
        #expect((4...6).contains(in300("meter-1")))
        let isTakenBack = world.bridge.setConfig("meter-1", [], at: world.worldNow)
        #expect(isTakenBack)
        world.hearBridge()
        world.run(for: .seconds(30))
        #expect((usual.0 - 3...usual.0 + 3).contains(in300("meter-1")), "as before")
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }
}
