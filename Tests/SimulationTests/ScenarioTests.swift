import Base
import Gateway
import Simulators
import Testing

/// Single misfortunes, each with what a site's owner would want to be true of it.
@Suite struct ScenarioTests {
    private func started(
        _ options: Site.Options = Site.Options(), switches: BridgeSwitches = BridgeSwitches(),
        seed: UInt64 = 1,
        for duration: Duration = .seconds(120)
    ) throws -> SimulatedWorld {
        let world = try SimulatedWorld(options, switches: switches, seed: seed)
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

    @Test func aHealthyHourHasOneConnectionNoRepeatAndNoHurryOnTheLine() throws {
        let world = try started(for: .seconds(3600))
        let statistics = world.bridge.statistics
        #expect(
            statistics.accepted == 2, "one planned reconnect before the token of an hour is over")
        #expect(world.oracle.repeats == 0)
        for line in world.lines {
            #expect(line.bus.statistics.earlyStarts == 0)
            #expect(line.bus.statistics.collisions == 0)
            #expect(line.bus.statistics.badFrames == 0)
        }
        #expect(world.oracle.received.count > 2000)
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test("Fault 40, a long backlog: everything afterwards, in order")
    func aBridgeAwayForTenMinutesGetsEverythingAfterwardsInOrder() throws {
        let world = try started()
        let before = world.oracle.received.count
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(600))
        #expect(world.oracle.received.count <= before + 2)
        let waiting = try #require(world.status("spool", "waiting")?.integer)
        #expect(waiting > 300)
        world.befall(.weather(.fair))
        // The longest back-off; then one device's records go one by one, each a round trip of up to
        // 0.3 s.
        world.run(for: .seconds(65 + 75))
        #expect(world.oracle.received.count >= before + Int(waiting))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(60), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func killedTenTimesInAMinuteItLosesNothingThatWasSynced() throws {
        let world = try started()
        for index in 0..<10 {
            world.run(for: .seconds(5))
            world.stopGateway(index % 2 == 0 ? .killed : .powerCut)
            world.run(for: .seconds(1))
            if index % 2 == 0 { world.startGateway() } else { world.boot() }
        }
        world.run(for: .seconds(180))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func anUnboundDeviceAmongBoundOnesCostsTheOthersNothing() throws {
        let healthy = try started(for: .seconds(900))
        let world = try started(Site.Options(unbound: ["meter-2"]), for: .seconds(900))
        #expect(world.bridge.statistics.accepted == 1)
        #expect((1...10).contains(world.bridge.statistics.attachFailures))
        for device in world.site.devices {
            func count(_ world: SimulatedWorld) -> Int {
                world.oracle.received.values.reduce(0) { $0 + ($1.device == device ? 1 : 0) }
            }
            if device == "meter-2" {
                #expect(count(world) == 0)
            } else {
                #expect((count(healthy) - count(world)).magnitude <= 2, "\(device)")
            }
        }
        // Bound at last: what has waited arrives.
        world.bridge.bind("meter-2", to: ByteString(Site.gateway), at: world.worldNow)
        world.befall(.cut)
        world.run(for: .seconds(120))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(30), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func aDeviceThatTheBridgeLetsGoIsAttachedAgainAndTheOthersGoOn() throws {
        let world = try started()
        world.bridge.detach("meter-1", at: world.worldNow)
        world.hearBridge()
        world.run(for: .seconds(90))
        #expect(world.bridge.isAttached("meter-1"))
        #expect(world.bridge.statistics.accepted == 1)
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.oracle.expectOnline(world.site.devices, at: world.now)
        world.close()
        // What was on its way in that moment may meet a device that is not attached.
        for violation in world.oracle.violations
        where !violation.contains("GATEWAY_DEVICE_NOT_FOUND") {
            Issue.record("\(violation)")
        }
    }

    @Test func devicesOfAnUnpluggedAdapterAreDetachedAfterAWhileAndAttachedWhenItIsBack() throws {
        let world = try started(Site.Options(port: "detachAfter: \"1m\","))
        let devices = ["meter-1", "meter-2", "meter-3"]
        var told: [String] = []
        world.onNotice = { if $0.message.contains("stays away") { told.append($0.message) } }
        world.befall(.lineLost(0, for: .seconds(180)))
        world.run(for: .seconds(55))
        #expect(devices.allSatisfy { world.bridge.isAttached(ByteString($0)) })
        #expect(
            devices.allSatisfy {
                world.oracle.status[$0] == "offline" && world.oracle.errors[$0] == "port"
            })
        world.run(for: .seconds(15))
        #expect(devices.allSatisfy { !world.bridge.isAttached(ByteString($0)) })
        #expect(devices.allSatisfy { device in told.count { $0.contains(device) } == 1 }, "\(told)")
        #expect(world.bridge.isAttached("tank-1") && world.bridge.isAttached("pump-7"))
        world.run(for: .seconds(120))
        #expect(devices.allSatisfy { world.bridge.isAttached(ByteString($0)) })
        #expect(world.bridge.statistics.accepted == 1)
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    /// The first run on an emulated board without an RTC: states went out with the date of the C
    /// library's build.
    @Test func whatBeganBeforeTheClockWasSetIsToldWithItsRightTime() throws {
        let world = try SimulatedWorld(seed: 3)
        let begun = world.worldNow.wall
        world.befall(
            .wall(
                error: .seconds(-4 * 365 * 86_400), ClockFacts(synchronised: false, hasRTC: false)))
        world.boot()
        world.run(for: .seconds(60))
        #expect(world.bridge.statistics.accepted == 0 && world.oracle.since.isEmpty)
        world.befall(.wall(error: .zero, ClockFacts(synchronised: true, hasRTC: false)))
        world.run(for: .seconds(120))
        for device in [Site.gateway] + world.site.devices {
            let since = try #require(world.oracle.since[device])
            #expect(
                since >= begun.timestamp && since < (begun + .seconds(60)).timestamp, "\(device)")
        }
        world.close()
        expectNoViolation(world)
    }

    /// An RTC whose battery is empty says 1970, and the kernel believes it: no better than no RTC
    /// at all. Readings go to the journal, no token is signed; once the clock is set, all go out
    /// with the time at which they were taken.
    @Test(arguments: [false, true]) func aClockOf1970IsHandledLikeOneThatWasNeverSet(
        _ hasRTC: Bool
    ) throws {
        let world = try SimulatedWorld(seed: 6)
        let begun = world.worldNow.wall
        world.befall(
            .wall(
                error: .milliseconds(-SimulatedWorld.epoch),
                ClockFacts(synchronised: false, hasRTC: hasRTC)))
        world.boot()
        world.run(for: .seconds(300))
        #expect(world.attempts == 0 && world.oracle.received.isEmpty)
        #expect(world.status("bridge", "clock")?.string == "impossible")
        let waiting = try #require(world.status("spool", "waiting")?.integer)
        #expect(waiting > 100)
        let reading = world.ask(#"{"get":"values","device":"meter-1"}"#)?["devices"]?["meter-1"]
        #expect(reading?["values"]?["reads"] != nil, "polling goes on")

        world.befall(.wall(error: .zero, ClockFacts(synchronised: true, hasRTC: hasRTC)))
        world.run(for: .seconds(180))
        #expect(world.oracle.received.count >= Int(waiting))
        for message in world.oracle.received.values {
            let text = String(decoding: message.payload, as: UTF8.self)
            #expect(!text.contains("1970-") && !text.contains("unsynced"), "\(text)")
        }
        let first = world.oracle.received.values.map { String(decoding: $0.payload, as: UTF8.self) }
            .compactMap { (try? JSONReader.parse($0))?["ts"]?.string }.min()
        #expect(try #require(first).string < (begun + .seconds(15)).timestamp)
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    /// The power fails while the clock is still of 1970: the next boot may or may not learn what
    /// time it was then.
    @Test func readingsOfABootIn1970ThatWasCutAreMarkedUnsynced() throws {
        let world = try SimulatedWorld(seed: 7)
        world.befall(
            .wall(
                error: .milliseconds(-SimulatedWorld.epoch),
                ClockFacts(synchronised: false, hasRTC: true)))
        world.boot()
        world.run(for: .seconds(120))
        world.stopGateway(.powerCut)
        world.run(for: .seconds(10))
        world.befall(.wall(error: .zero, ClockFacts(synchronised: true, hasRTC: true)))
        let second = world.worldNow.wall
        world.boot()
        world.run(for: .seconds(180))
        var old = 0
        for message in world.oracle.received.values where message.subfolder.isEmpty {
            let text = String(decoding: message.payload, as: UTF8.self)
            guard let ts = (try? JSONReader.parse(text))?["ts"]?.string?.string,
                ts < second.timestamp
            else { continue }
            old += 1
            #expect(text.contains("\"clock\":\"unsynced\""), "\(text)")
        }
        #expect(old > 40)
        world.close()
        expectNoViolation(world)
    }

    @Test("Fault 23, CONNACK 4 or 5: for a minute")
    func refusedForAMinuteItNeitherHammersNorGivesUp() throws {
        let world = try SimulatedWorld(seed: 5)
        world.bridge.faults.refuse = (5, .zero + .seconds(60))
        world.boot()
        #expect(world.run(until: .zero + .seconds(60 + 70)) { $0.bridge.statistics.accepted > 0 })
        // Five within the first 19 s, then one more at most before the minute is over.
        #expect((4...6).contains(world.bridge.statistics.refused))
        world.run(for: .seconds(60))
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(25), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func aTokenOfTwentySecondsIsRenewedBeforeTheBridgeCloses() throws {
        var switches = BridgeSwitches()
        switches.skew = .zero
        switches.expiryGrace = .zero
        let world = try started(
            Site.Options(tokenLifetime: "20s"), switches: switches, for: .seconds(600))
        #expect(!world.closings.contains { $0.contains("token expired") })
        #expect(
            (30...80).contains(world.bridge.statistics.accepted),
            "\(world.bridge.statistics.accepted)")
        world.oracle.expectFresh(world.site.devices, since: world.now - .seconds(30), at: world.now)
        world.close()
        expectNoViolation(world)
    }

    @Test func aCommandWritesARegisterAndItsResultArrives() throws {
        let world = try started()
        #expect(world.sendCommand("pump-7", id: "order-1", setpoint: 42))
        #expect(world.run(until: world.now + .seconds(5)) { $0.oracle.results["order-1"] != nil })
        let result = try #require(world.oracle.results["order-1"])
        #expect(
            result.ok && result.payload.contains("\"values\":{\"setpoint\":42}"),
            "\(result.payload)")
        #expect(world.lines[1].bus.value(of: 7, .holding, Site.setpoint, at: world.now) == 42)
        // The same id again is answered, not carried out again.
        let writes = world.lines[1].bus.statistics(of: 7)?.writes
        #expect(world.sendCommand("pump-7", id: "order-1", setpoint: 43))
        world.run(for: .seconds(5))
        #expect(world.lines[1].bus.statistics(of: 7)?.writes == writes)
        // Out of its range: refused, and the register stays.
        #expect(world.sendCommand("pump-7", id: "order-2", setpoint: 5000))
        #expect(world.run(until: world.now + .seconds(5)) { $0.oracle.results["order-2"] != nil })
        #expect(world.oracle.results["order-2"]?.ok == false)
        #expect(world.lines[1].bus.value(of: 7, .holding, Site.setpoint, at: world.now) == 42)
        world.close()
        expectNoViolation(world)
    }

    @Test func sigtermDrainsAndNothingAcknowledgedIsSentAgain() throws {
        let world = try started()
        world.terminate()
        #expect(world.run(until: world.now + .seconds(4)) { $0.exit != nil })
        #expect(world.exit == .drained)
        #expect(world.oracle.losses.missing == 0)
        world.close()
        #expect(world.oracle.repeats == 0)
        expectNoViolation(world)
    }

    @Test func aJournalThatIsTooSmallOwnsUpToEveryLoss() throws {
        let world = try started(Site.Options(maxBytes: "1MiB"))
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(5 * 3600))
        world.befall(.weather(.fair))
        world.run(for: .seconds(600))
        world.close()
        let losses = world.oracle.losses
        #expect(losses.missing > 0 && losses.told == losses.missing, "\(losses)")
        expectNoViolation(world)
    }

    @Test("Fault 40, a long backlog: live readings beside it")
    func afterALongOutageLiveReadingsArriveWithinFiveSecondsBesideTheBacklog() throws {
        let world = try started()
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(2 * 3600))
        let waiting = try #require(world.status("spool", "waiting")?.integer)
        world.befall(.weather(.fair))
        #expect(world.run(until: world.now + .seconds(70)) { $0.bridge.statistics.accepted > 1 })
        world.run(for: .seconds(5))
        let start = world.now
        // Every device is read at least every 20 s, and what is read is there 5 s later. What was
        // read before the bridge was back belongs to the backlog.
        world.run(for: .seconds(21))
        for _ in 0..<6 {
            world.run(for: .seconds(10))
            world.oracle.expectFresh(
                world.site.devices, since: world.now - .seconds(26), at: world.now)
        }
        #expect(
            world.oracle.backfilled > 100,
            "\(world.oracle.backfilled) of \(waiting) waiting, from \(start)")
        world.run(for: .seconds(1200))
        #expect(world.status("spool", "waiting")?.integer ?? 99 < 20)
        world.close()
        expectNoViolation(world)
    }

    @Test func whatAFailedDiskTakesWithItIsToldByTheNextStart() throws {
        let world = try started()
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(10))
        let before = try #require(world.status("spool", "waiting")?.integer)
        world.disk.disk.outageVolume = .spool
        world.befall(.disk(DiskFailure(.readOnly, "EROFS")))
        world.run(for: .seconds(60))
        let waiting = try #require(world.status("spool", "waiting")?.integer)
        #expect(world.status("spool", "memoryOnly")?.bool == true && waiting > before + 30)
        world.terminate()
        #expect(world.run(until: world.now + .seconds(10)) { $0.exit != nil })
        #expect(world.exit == .drained && world.disk.disk.names(.state).contains("losses.doc"))
        world.befall(.disk(nil))
        world.befall(.weather(.fair))
        world.boot()
        world.run(for: .seconds(180))
        // A few readings were made between the last look and the end.
        let told = world.oracle.gaps.reduce(0) { $0 + $1.count }
        #expect(
            (waiting - before...waiting - before + 10).contains(told),
            "\(told) told, \(waiting - before) were in memory")
        #expect(!world.disk.disk.names(.state).contains("losses.doc"))
        #expect(world.status("spool", "lost")?["memory"]?.integer == told)
        world.close()
        expectNoViolation(world)
    }

    @Test func anyOneOperationOfTheDiskMayFail() throws {
        let kinds: [DiskFailure.Kind] = [.io, .noSpace, .readOnly, .missing]
        for index in 0..<48 {
            let world = try SimulatedWorld(seed: UInt64(index))
            world.oracle.diskHasFailed = true
            world.disk.disk.failAt[index] = DiskFailure(
                kinds[index % kinds.count], "operation \(index)")
            world.boot()
            world.run(for: .seconds(60))
            world.close()
            for violation in world.oracle.violations {
                Issue.record("operation \(index): \(violation)")
            }
        }
    }

    @Test func aCrashInAnyOperationOfRecoveryCostsNothing() throws {
        for index in 0..<24 {
            let world = try started(seed: UInt64(index), for: .seconds(40))
            world.stopGateway(.killed)
            world.startGateway()
            let before = world.disk.disk.operations
            world.run(until: world.now + .seconds(5)) {
                $0.disk.disk.operations >= before + index % 12
            }
            world.stopGateway(index % 2 == 0 ? .killed : .powerCut)
            if index % 2 == 0 { world.startGateway() } else { world.boot() }
            world.run(for: .seconds(30))
            world.close()
            for violation in world.oracle.violations {
                Issue.record("after \(index): \(violation)")
            }
        }
    }
}
