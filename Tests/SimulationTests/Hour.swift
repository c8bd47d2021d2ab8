import Base
import Gateway
import Simulators

extension SimulatedWorld {
    /// The hour of a seed, from boot to the last verdict.
    static func hour(
        seed: UInt64, sabotage: Sabotage? = nil, traces: Bool = false
    ) throws -> SimulatedWorld {
        var options = Site.Options()
        if seed % 4 == 3 { options.publish = "durable" }
        let world = try SimulatedWorld(options, seed: seed)
        world.sabotage = sabotage
        world.traces = traces
        for (fault, at) in Script.faults(world.site, seed: seed ^ 0x5C21_7000) {
            world.plan(fault, at: at)
        }
        world.befallDue()
        world.boot()
        world.run(until: Script.healAt)
        if sabotage == .wipesJournal { world.wipe() }
        world.run(until: Script.healAt + Script.recovery)
        if sabotage == .forgetsAttachment { world.forgetAttachment() }
        world.oracle.expectFresh(world.site.devices, since: Script.healAt, at: world.now)
        world.run(until: Script.end)
        world.oracle.expectFresh(
            world.site.devices, since: Script.end - .seconds(80), at: world.now)
        world.oracle.expectOnline(world.site.devices, at: world.now)
        world.close()
        return world
    }

    /// What is planned for the first moment, before the gateway is there.
    private func befallDue() {
        run(until: .zero)
    }

    /// SIGTERM, then one more start without any line: what is left must arrive from the disk alone.
    func close() {
        terminate()
        if !run(until: now + .seconds(15), or: { $0.exit != nil }) {
            oracle.object("SIGTERM did not end it within 15 s", at: now)
            stopGateway(.killed)
        } else if exit != .drained {
            oracle.object("it ended with \(exit.map { "\($0)" } ?? "nothing")", at: now)
        }
        for index in lines.indices { lines[index].missingUntil = .distantFuture }
        let restart = now
        startGateway()
        run(for: .seconds(20))
        if !run(until: now + .seconds(300), or: { $0.isEmpty }) {
            oracle.object(
                "\(status("spool", "waiting")?.integer ?? -1) records still wait", at: now)
        }
        run(for: .seconds(5))
        oracle.expectAllDelivered(except: restart, at: now)
        oracle.expectNoHoles(at: now)
        oracle.expectResultsTrue(setpoints, lines, at: now)
        oracle.expectAttached(bridge.statistics, at: now)
    }

    private var isEmpty: Bool {
        guard nextQuestion <= now else { return false }
        nextQuestion = now + .seconds(1)
        return status("spool", "waiting")?.integer == 0
    }

    private func wipe() {
        stopGateway(.killed)
        for name in disk.disk.names() { disk.disk.delete(name) }
        startGateway()
    }

    private func forgetAttachment() {
        bridge.detach(ByteString(site.devices[0]), at: worldNow)
        while bridge.next() != nil {}
    }
}
