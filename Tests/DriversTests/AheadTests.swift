import Base
import Drivers
import Modbus
import Testing

/// Reads that are given out with the reply before them, to go out when the line has been silent.
@Suite struct AheadTests {
    private func settings(_ nodes: [NodePlan], baud: Int = 19_200) -> ModbusDriver.Settings {
        ModbusDriver.Settings(
            port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(300),
            retries: 1, nodes: nodes)
    }

    private func crowd(_ count: Int = 8) -> [NodePlan] {
        (1...count).map { node($0, every: .milliseconds(10)) }
    }

    private func write(_ unit: Int, id: UInt64, at now: Moment) -> Order {
        Order(
            id: id, address: Address(port: PortName("bus"), unit: DriversTests.unit(unit)),
            table: .holding, start: 0,
            data: .registers([7]), readBack: false, expires: now.instant + .seconds(60))
    }

    /// Every count of the driver is that of the wire. A request that left by itself is counted when
    /// the driver hears of what came after it.
    private func expectTruth(_ rig: Rig, _ words: Comment = "") {
        let statistics = rig.driver.statistics
        var unheard = rig.burst?.log.map(\.frame.count) ?? []
        if rig.burst == nil, rig.scheduled == nil, rig.driver.hasScheduled(at: .zero) {
            unheard = [rig.sent.last.map { $0.pdu.count + 3 } ?? 0]
        }
        #expect(rig.early == 0, words)
        #expect(statistics.requests == rig.sent.count - unheard.count, words)
        #expect(statistics.units.map(\.requests).reduce(0, +) == statistics.requests, words)
        #expect(
            statistics.bytesSent
                == rig.sent.reduce(0) { $0 + $1.pdu.count + 3 } - unheard.reduce(0, +),
            words)
    }

    @Test func itLeavesExactlyAfterTheSilence() {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.runUntilScheduled()
        #expect(rig.scheduled?.at == rig.now.instant + rig.timing.silence)
        #expect(
            !rig.driver.isExchanging(at: rig.now.instant)
                && rig.driver.hasScheduled(at: rig.now.instant))
        #expect(rig.driver.isExchanging(at: rig.now.instant + rig.timing.silence))
        expectTruth(rig)
    }

    /// The same line, with and without: the same requests at the same moments.
    @Test func nothingElseChanges() {
        func run(_ canSchedule: Bool) -> Rig {
            // With time to spare: on a stretched schedule a cycle may come due during the silence
            // of the line.
            let nodes = (1...8).map { node($0, every: .milliseconds(250)) }
            var rig = Rig(settings(nodes), canSchedule: canSchedule) { unit, _, count in
                unit == 3 && count % 5 == 0 ? .silent : .answer(.milliseconds(2))
            }
            rig.driver.autonomy.burstSpan = .zero
            rig.open()
            rig.run(for: .seconds(60))
            return rig
        }
        let (ahead, direct) = (run(true), run(false))
        #expect(ahead.schedules > 500 && direct.schedules == 0)
        #expect(ahead.sent == direct.sent)
        #expect(ahead.readings.map(\.reading) == direct.readings.map(\.reading))
        expectTruth(ahead)
    }

    @Test func aCommandThatComesBeforeItsTimeGoesFirst() {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(1))
        for id in 1...20 {
            rig.runUntilScheduled()
            let (due, sent) = (rig.scheduled?.at, rig.sent.count)
            rig.submit(write(id % 8 + 1, id: UInt64(id), at: rig.now))
            #expect(rig.scheduled == nil && !rig.driver.isExchanging(at: rig.now.instant))
            _ = rig.step(until: .distantFuture - .seconds(1))
            #expect(rig.sent.count == sent + 1 && rig.sent.last?.at == due)
            #expect(rig.sent.last?.pdu.first == 6)
            rig.run(for: .milliseconds(200))
        }
        #expect(rig.outcomes.count == 20 && rig.cancelled == 20)
        expectTruth(rig)
    }

    /// Whoever speaks before its time is heard out.
    @Test func whatIsSaidMeanwhileHoldsItBack() {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(1))
        let before = rig.driver.statistics
        for _ in 0..<20 {
            // Early enough that the first byte is there before the request leaves.
            while (rig.scheduled?.at ?? .zero) < rig.now.instant + .milliseconds(1) {
                _ = rig.step(until: .distantFuture - .seconds(1))
            }
            let sent = rig.sent.count
            rig.inject([0x55, 0xAA, 0x33], after: .microseconds(300))
            _ = rig.step(until: .distantFuture - .seconds(1))
            #expect(rig.sent.count == sent && rig.scheduled == nil)
            #expect(rig.driver.deadline?.due == rig.now.instant + rig.timing.silence)
            rig.run(for: .milliseconds(200))
        }
        let after = rig.driver.statistics
        #expect(after.strayBytes - before.strayBytes == 60 && rig.cancelled == 20)
        #expect(after.timeouts == 0 && after.checksumErrors == 0)
        expectTruth(rig)
    }

    /// The time for an answer runs from when the request was sent.
    @Test func aLateOneWaitsAsLong() {
        var rig = Rig(settings([node(1, every: .milliseconds(10))])) { _, _, count in
            count < 20 ? .answer(.milliseconds(2)) : .silent
        }
        rig.open()
        while rig.sent.count < 20 { _ = rig.step(until: .distantFuture - .seconds(1)) }
        rig.runUntilScheduled()
        rig.sendLate(by: .milliseconds(40))
        let sent = rig.now.instant
        #expect(rig.driver.deadline?.reason == .reply)
        #expect(rig.driver.deadline?.due == sent + rig.timing.time(of: 8) + .milliseconds(300))
        _ = rig.step(until: .distantFuture - .seconds(1))
        #expect(rig.now.instant == sent + rig.timing.time(of: 8) + .milliseconds(300))
        #expect(rig.driver.statistics.timeouts == 1)
        expectTruth(rig)
    }

    @Test(arguments: [true, false])
    func withTheLineItIsGone(_ isClosed: Bool) {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        for _ in 0..<10 {
            rig.run(for: .milliseconds(300))
            rig.runUntilScheduled()
            if isClosed { rig.close() } else { rig.pause() }
            #expect(rig.scheduled == nil && !rig.driver.isExchanging(at: rig.now.instant))
            expectTruth(rig)
            rig.open()
        }
        rig.run(for: .seconds(1))
        #expect(rig.cancelled == 10 && rig.driver.statistics.timeouts == 0)
    }

    /// Noise, commands, silent and broken units at any moment.
    @Test(arguments: UInt64(1)...20)
    func atAnyMoment(_ seed: UInt64) {
        var random = RandomSource(seed: seed)
        var rig = Rig(settings(crowd(5), baud: [9600, 19_200, 115_200][Int(seed % 3)]), seed: seed)
        { unit, _, count in
            switch (Int(unit) + count * 7 + Int(seed)) % 31 {
            case 0: .silent
            case 1: .flip(count % 40, .milliseconds(3))
            case 2: .refuse(.serverDeviceBusy, .milliseconds(3))
            default: .answer(.microseconds(Int64(500 + count % 7 * 400)))
            }
        }
        rig.open()
        var orders = 0
        for step in 0..<400 {
            rig.run(for: .microseconds(Int64(random.uniform(1000, 60_000))))
            switch step % 4 {
            case 0:
                orders += 1
                rig.submit(write(step % 5 + 1, id: UInt64(step), at: rig.now))
            case 1:
                rig.inject(
                    [0, 0xFF, UInt8(step & 0xFF)],
                    after: .microseconds(Int64(random.uniform(0, 5000))))
            default: break
            }
        }
        rig.run(for: .seconds(30))
        #expect(rig.outcomes.count == orders && rig.schedules > 300)
        #expect(rig.readings.count > 400)
        expectTruth(rig, "seed \(seed)")
    }
}
