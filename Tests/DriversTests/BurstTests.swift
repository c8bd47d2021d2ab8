import Base
import Drivers
import Modbus
import Testing

/// Reads that a line carries out by itself, one behind the other.
@Suite struct BurstTests {
    private static let port = PortName("bus")

    private func settings(
        _ nodes: [NodePlan], baud: Int = 115_200, parity: LineSettings.Parity = .none
    ) -> ModbusDriver.Settings {
        ModbusDriver.Settings(
            port: Self.port, line: line(baud, parity), responseTimeout: .milliseconds(300),
            retries: 1, nodes: nodes)
    }

    private func crowd(_ count: Int = 8, every interval: Duration = .milliseconds(10)) -> [NodePlan]
    {
        (1...count).map { node($0, every: interval) }
    }

    private func write(_ unit: Int, id: UInt64, at now: Moment) -> Order {
        Order(
            id: id, address: Address(port: Self.port, unit: DriversTests.unit(unit)),
            table: .holding, start: 0,
            data: .registers([7]), readBack: false, expires: now.instant + .seconds(60))
    }

    /// A rig whose units' pace is known, in the middle of a burst that has had `count` replies.
    private func underWay(_ rig: inout Rig, after count: Int) {
        for _ in 0..<10_000 {
            if let burst = rig.burst, case .look = burst.step, burst.log.count == count + 1 {
                return
            }
            _ = rig.step(until: .distantFuture - .seconds(1))
        }
        Issue.record("no burst got so far")
    }

    /// The same line with and without bursts.
    private func both(
        _ settings: ModbusDriver.Settings, for time: Duration,
        script: @escaping (UInt8, Request, Int) -> Behaviour
    ) -> (bursts: Rig, single: Rig) {
        func run(_ span: Duration) -> Rig {
            var rig = Rig(settings, script: script)
            rig.driver.autonomy.burstSpan = span
            rig.open()
            rig.run(for: time)
            return rig
        }
        return (run(.milliseconds(250)), run(.zero))
    }

    /// With and without: as much is read, each unit as often, and it is told no later than a burst
    /// is long.
    @Test(arguments: [(9600, 4), (19_200, 5), (115_200, 6)])
    func asMuchIsRead(_ baud: Int, _ atLeast: Int) {
        let (bursts, single) = both(settings(crowd(), baud: baud), for: .seconds(30)) { _, _, _ in
            .answer(.milliseconds(2))
        }
        #expect(single.bursts.begun == 0 && bursts.early == 0)
        #expect(abs(bursts.readings.count - single.readings.count) <= single.readings.count / 100)
        for unit in 1...8 {
            #expect(abs(bursts.readings(of: unit).count - single.readings(of: unit).count) <= 2)
        }
        for (told, reading) in bursts.readings {
            #expect(told - reading.parts[0].at.instant <= .milliseconds(251))
        }
        #expect(bursts.bursts.exchanges > bursts.bursts.begun * atLeast)
        #expect(bursts.bursts.broken * 10 < bursts.bursts.begun + 10)
        let statistics = bursts.driver.statistics
        #expect(
            statistics.timeouts == 0 && statistics.strayBytes == 0
                && statistics.skipped == single.driver.statistics.skipped)
    }

    /// Each value is what its unit had, under the time at which it came.
    @Test func whatIsToldIsWhatWasRead() {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(5))
        #expect(rig.bursts.exchanges > 400)
        var latest: [UnitID: Instant] = [:]
        for (_, reading) in rig.readings {
            let part = reading.parts[0]
            let values = (0..<10).flatMap { index -> [UInt8] in
                let value = rig.value(reading.address.unit.value, index)
                return [UInt8(value >> 8), UInt8(value & 0xFF)]
            }
            #expect(part.result == .success(values))
            if let before = latest[reading.address.unit] { #expect(part.at.instant > before) }
            latest[reading.address.unit] = part.at.instant
        }
        // Where each reply ends is known from when it was asked for.
        let times = rig.sent.map(\.at)
        for (_, reading) in rig.readings.dropLast(8) {
            let read = reading.parts[0].at.instant
            let asked = times.last { $0 < read } ?? .zero
            let took = rig.timing.time(of: 33) + .milliseconds(2)
            #expect(read - asked >= took && read - asked < took + .microseconds(200))
        }
    }

    /// On a line with time to spare each cycle keeps its grid, burst or not.
    @Test func theGridIsKept() {
        var rig = Rig(settings(crowd(4, every: .milliseconds(100)))) { _, _, _ in
            .answer(.milliseconds(1))
        }
        rig.open()
        rig.run(for: .seconds(20))
        for unit in 1...4 { #expect((199...201).contains(rig.readings(of: unit).count)) }
        #expect(rig.driver.statistics.skipped == 0 && rig.driver.statistics.late == 0)
    }

    @Test(arguments: [0, 1, 5])
    func aCommandIsNextOnTheWire(_ replies: Int) {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(1))
        for id in 1...20 {
            underWay(&rig, after: replies)
            let (sent, asked) = (rig.sent.count, rig.now.instant)
            rig.submit(write(id % 8 + 1, id: UInt64(id), at: rig.now))
            #expect(rig.burst == nil && rig.driver.isExchanging(at: rig.now.instant))
            while rig.sent.count == sent { _ = rig.step(until: .distantFuture - .seconds(1)) }
            #expect(rig.sent.last?.pdu.first == 6)
            #expect(rig.now.instant - asked < .milliseconds(8))
            rig.run(for: .milliseconds(100))
        }
        #expect(rig.outcomes.count == 20 && rig.early == 0)
        #expect(rig.driver.statistics.timeouts == 0)
        for unit in 1...8 {
            #expect(abs(rig.readings(of: unit).count - rig.readings(of: 1).count) <= 3)
        }
    }

    /// A reply that is not whole and good: the driver judges it, as if there were no bursts.
    @Test(arguments: [
        Behaviour.silent, .flip(30, .milliseconds(2)),
        .refuse(.serverDeviceFailure, .milliseconds(2)),
        .answer(.milliseconds(40)), .say([3, 3, 2], .milliseconds(2)),
        .say([4, 3, 2, 0, 0, 0x74, 0x44], .milliseconds(2)),
    ])
    func anythingElseEndsIt(_ trouble: Behaviour) {
        let (bursts, single) = both(settings(crowd()), for: .seconds(30)) { unit, _, count in
            unit == 3 && count % 20 == 19 ? trouble : .answer(.milliseconds(2))
        }
        #expect(bursts.bursts.broken > 5 && bursts.early == 0)
        let (with, without) = (bursts.driver.statistics, single.driver.statistics)
        for (one, other) in [
            (with.timeouts, without.timeouts), (with.checksumErrors, without.checksumErrors),
            (with.exceptions, without.exceptions), (with.wrongUnit, without.wrongUnit),
            (with.lateReplies, without.lateReplies), (with.replies, without.replies),
            (with.requests, without.requests),
        ] {
            #expect(abs(one - other) <= 2 + other / 50)
        }
        #expect(abs(bursts.readings.count - single.readings.count) <= single.readings.count / 50)
    }

    /// A byte in the silence between two of them.
    @Test func whoeverSpeaksInBetweenIsHeardOut() {
        var rig = Rig(settings(crowd())) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(1))
        var disturbed = 0
        while disturbed < 20 {
            underWay(&rig, after: 2)
            _ = rig.step(until: .distantFuture - .seconds(1))
            // Of those that were over with this reply, nothing is in between.
            guard let burst = rig.burst, burst.log.count == 3, !burst.next.isEmpty else { continue }
            disturbed += 1
            let sent = rig.sent.count
            rig.inject([0x55, 0xAA, 0x33], after: .microseconds(300))
            _ = rig.step(until: .distantFuture - .seconds(1))
            #expect(rig.burst == nil && rig.sent.count == sent)
            #expect(rig.driver.deadline?.due == rig.now.instant + rig.timing.silence)
            rig.run(for: .milliseconds(200))
        }
        #expect(
            rig.driver.statistics.strayBytes == 60 && rig.driver.statistics.timeouts == 0
                && rig.early == 0)
    }

    /// A reply that is there a moment after it was looked for is no trouble.
    @Test func aLittleLateIsNotTooLate() {
        var rig = Rig(settings(crowd())) { _, _, count in
            .answer(count > 10 && count % 3 == 0 ? .microseconds(2100) : .milliseconds(2))
        }
        rig.open()
        rig.run(for: .seconds(30))
        #expect(rig.bursts.broken * 20 < rig.bursts.begun)
        #expect(rig.bursts.exchanges > rig.bursts.begun * 5)
    }

    /// A unit with points that wait for nobody is told of at once.
    @Test func whatIsUrgentIsNotHeldBack() {
        var nodes = crowd()
        nodes[2].isUrgent = true
        var rig = Rig(settings(nodes)) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.bursts.exchanges > 500)
        let waits = rig.readings.filter { $0.reading.address.unit.value == 3 }
            .map { $0.at - $0.reading.parts[0].at.instant }
        // Before a unit has answered well for a while it may turn out to answer twice.
        #expect(waits.allSatisfy { $0 <= .milliseconds(25) })
        #expect(
            waits.dropFirst(70).count > 100
                && waits.dropFirst(70).allSatisfy { $0 < .milliseconds(1) })
    }

    /// Several reads of one unit, some of which slower ones share.
    @Test func aUnitsReadsAreOneBurst() {
        func plan(_ number: Int) -> NodePlan {
            NodePlan(
                unit: unit(number),
                spans: (0..<3).map { Span(.holding, $0 * 1000, 4, every: .milliseconds(200)) }
                    + [
                        Span(.holding, 1, 1, every: .seconds(1)),
                        Span(.coil, 5, 3, every: .milliseconds(500)),
                    ])
        }
        let (bursts, single) = both(settings([plan(1), plan(2)]), for: .seconds(20)) { _, _, _ in
            .answer(.milliseconds(2))
        }
        #expect(bursts.bursts.exchanges > 250 && bursts.early == 0)
        #expect(bursts.driver.statistics.skipped == 0 && bursts.driver.statistics.late == 0)
        #expect(
            bursts.sent.count == single.sent.count && bursts.readings.count == single.readings.count
        )
    }

    /// Noise, commands, closing, silent and broken units at any moment of a burst.
    @Test(arguments: UInt64(1)...20)
    func atAnyMoment(_ seed: UInt64) {
        var random = RandomSource(seed: seed)
        var rig = Rig(settings(crowd(6), baud: [19_200, 115_200][Int(seed % 2)]), seed: seed) {
            unit, _, count in
            switch (Int(unit) * 5 + count + Int(seed)) % 101 {
            case 0: .silent
            case 1: .flip(count % 200, .milliseconds(2))
            case 2: .refuse(.serverDeviceBusy, .milliseconds(2))
            case 3: .answer(.milliseconds(1))
            case 4: .answer(.milliseconds(6))
            default: .answer(.milliseconds(2))
            }
        }
        rig.open()
        var orders = 0
        for step in 0..<600 {
            rig.run(for: .microseconds(Int64(random.uniform(1000, 90_000))))
            switch step % 6 {
            case 0:
                orders += 1
                rig.submit(write(step / 6 % 6 + 1, id: UInt64(step), at: rig.now))
            case 1:
                rig.inject(
                    [0, 0xFF, UInt8(step & 0xFF)],
                    after: .microseconds(Int64(random.uniform(0, 5000))))
            case 2 where step % 60 == 2:
                // A line is only lent between two exchanges.
                while rig.driver.isExchanging(at: rig.now.instant) {
                    _ = rig.step(until: .distantFuture - .seconds(1))
                }
                rig.pause()
                rig.open()
            default: break
            }
        }
        rig.run(for: .seconds(30))
        #expect(rig.outcomes.count == orders && rig.bursts.exchanges > 300, "seed \(seed)")
        #expect(rig.early == 0, "seed \(seed)")
        let counts = (1...6).map { rig.readings(of: $0).count }
        #expect((counts.max() ?? 0) < 2 * (counts.min() ?? 0), "seed \(seed): \(counts)")
        let statistics = rig.driver.statistics
        #expect(statistics.units.map(\.requests).reduce(0, +) == statistics.requests)
    }
}
