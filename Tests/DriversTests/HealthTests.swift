import Base
import Drivers
import Modbus
import Testing

/// What sick units may cost those that are well: simulated minutes at 19,200 baud, 8E1, one reading
/// of ten registers a second, 300 ms of response timeout.
@Suite struct HealthTests {
    func settings(
        _ units: ClosedRange<Int>, port: String = "bus", every interval: Duration = .seconds(1)
    ) -> ModbusDriver.Settings {
        .init(
            port: PortName(port), line: line(19_200), responseTimeout: .milliseconds(300),
            nodes: units.map { node($0, every: interval) })
    }

    func good(_ rig: Rig, _ unit: Int) -> Int {
        rig.readings(of: unit).count { (try? $0.parts[0].result.get()) != nil }
    }

    /// Readings that came within their interval, of those that were due.
    func onTime(_ rig: Rig, _ unit: Int, from start: Instant = .zero, _ seconds: Int) -> Double {
        let times = rig.readings.filter {
            Int($0.reading.address.unit.value) == unit && $0.at > start
                && (try? $0.reading.parts[0].result.get()) != nil
        }.map(\.at)
        let gaps = zip(times, times.dropFirst()).count { $1 - $0 > .milliseconds(1900) }
        return Double(times.count - gaps) / Double(seconds)
    }

    /// Every poller that retries at once: the whole round waits for its dead.
    func naive(living: Int, dead: Int, attempts: Int, seconds: Double) -> Int {
        let timing = RTUTiming(line(19_200))
        let exchange = timing.time(of: 8 + 25) + timing.silence + .milliseconds(5)
        let silence = timing.time(of: 8) + timing.silence + .milliseconds(300)
        let round =
            exchange.secondsValue * Double(living) + silence.secondsValue * Double(dead * attempts)
        return Int(seconds / max(1, round))
    }

    @Test func withTwoOfEightDeadTheOthersKeepEveryReadingWhereRetriesAtOnceKeepHalf() {
        #expect((29...32).contains(naive(living: 6, dead: 2, attempts: 3, seconds: 60)))
        var rig = Rig(settings(1...8)) { unit, _, _ in
            unit == 2 || unit == 7 ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(60))
        for unit in [1, 3, 4, 5, 6, 8] {
            #expect(good(rig, unit) >= 59, "unit \(unit): \(good(rig, unit)) of 60")
            #expect(onTime(rig, unit, 60) >= 0.98)
        }
        #expect(
            rig.driver.statistics.units.filter { $0.unit != unit(2) && $0.unit != unit(7) }
                .allSatisfy { $0.skipped == 0 })
    }

    /// It is there, but it has nothing of what is wanted from it; not well, and not silent either.
    @Test(arguments: [ExceptionCode.illegalFunction, .illegalDataAddress, .serverDeviceFailure])
    func aUnitThatRefusesEveryPointIsDegraded(_ code: ExceptionCode) {
        var rig = Rig(settings(1...1)) { _, _, _ in .refuse(code, .milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(20))
        #expect(
            rig.states.last?.1 == .degraded && !rig.states.contains { $0.1 == .offline },
            "\(rig.states)")
        rig.script = { _, _, _ in .answer(.milliseconds(5)) }
        rig.run(for: .seconds(5))
        #expect(rig.states.last?.1 == .online)
    }

    @Test func aUnitThatRefusesSomePointsIsOnline() {
        let node = NodePlan(
            unit: unit(1),
            spans: [
                Span(.holding, 0, 2, every: .seconds(1)),
                Span(.holding, 5000, 1, every: .seconds(2)),
            ])
        let settings = ModbusDriver.Settings(
            port: PortName("bus"), line: line(19_200), responseTimeout: .milliseconds(300),
            nodes: [node])
        var rig = Rig(settings) { _, request, _ in
            if case .read(_, let address, _) = request, address >= 5000 {
                .refuse(.illegalDataAddress, .milliseconds(5))
            } else {
                .answer(.milliseconds(5))
            }
        }
        rig.open()
        rig.run(for: .seconds(20))
        #expect(rig.states.map(\.1) == [.online], "\(rig.states)")
    }

    @Test(arguments: [[1, 2], [16, 17], [31, 32], [9, 24]])
    func withThirtyOf32DeadTheTwoOthersAreFoundInSecondsAndThenKeepEverything(_ living: [Int]) {
        var rig = Rig(settings(1...32)) { unit, _, _ in
            living.contains(Int(unit)) ? .answer(.milliseconds(5)) : .silent
        }
        rig.open()
        rig.run(for: .seconds(60))
        for unit in living {
            #expect(good(rig, unit) >= 56, "unit \(unit): \(good(rig, unit)) of 60")
        }
        let start = rig.now.instant
        rig.run(for: .seconds(240))
        for unit in living {
            let share = onTime(rig, unit, from: start, 240)
            #expect(share >= 0.98, "unit \(unit): \(share)")
        }
        #expect(rig.early == 0)
    }

    @Test func aSlowUnitAmongTheDeadIsRecognisedByItsLateReply() {
        // 200 ms: more than the short first look, less than the timeout.
        var rig = Rig(settings(1...32)) { unit, _, _ in
            unit == 31 ? .answer(.milliseconds(200)) : .silent
        }
        rig.open()
        rig.run(for: .seconds(120))
        #expect(good(rig, 31) >= 95, "\(good(rig, 31)) of 120")
        #expect(rig.states.last { $0.0.unit == unit(31) }?.1 == .online)
    }

    @Test func theSameUnitIdOnAnotherPortIsAnotherUnit() {
        var sick = Rig(settings(1...4, port: "a")) { unit, _, _ in
            unit == 3 ? .silent : .answer(.milliseconds(5))
        }
        var well = Rig(settings(1...4, port: "b")) { _, _, _ in .answer(.milliseconds(5)) }
        sick.open()
        well.open()
        for _ in 0..<60 {
            sick.run(for: .seconds(1))
            well.run(for: .seconds(1))
        }
        #expect(sick.states.last { $0.0.unit == unit(3) }?.1 == .offline)
        for unit in 1...4 { #expect(good(well, unit) >= 59) }
        #expect(well.states.allSatisfy { $0.0.port == PortName("b") && $0.1 == .online })
    }

    /// As fast as the line allows, one reply in ten with a flipped bit.
    @Test func damageCostsItsRetriesAndNothingElse() {
        func readings(_ chance: Double) -> (count: Int, rig: Rig) {
            var random = RandomSource(seed: 5)
            var rig = Rig(settings(1...4, every: .milliseconds(10))) { _, _, _ in
                random.chance(chance)
                    ? .flip(Int(random.next() % 200), .milliseconds(5)) : .answer(.milliseconds(5))
            }
            rig.open()
            rig.run(for: .seconds(300))
            return ((1...4).reduce(0) { $0 + good(rig, $1) }, rig)
        }
        let (clean, _) = readings(0)
        let (noisy, rig) = readings(0.1)
        var wrong = 0
        for reading in rig.readings.map(\.reading) {
            guard let data = try? reading.parts[0].result.get() else { continue }
            for index in 0..<10
            where UInt16(data[2 * index]) << 8 | UInt16(data[2 * index + 1])
                != rig.value(reading.address.unit.value, index)
            { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(!rig.states.contains { $0.1 == .offline })
        let damaged = rig.driver.statistics.checksumErrors
        #expect(damaged > noisy / 20)
        // A retry costs an exchange; a length that was damaged costs the wait for bytes that never
        // come.
        #expect(Double(noisy) >= Double(clean) * 0.88, "\(noisy) of \(clean)")
        #expect(rig.early == 0)
    }

    @Test func aUnitThatFlapsIsReadWheneverItIsThereAndHurtsNobody() {
        // Ten seconds there, ten seconds gone.
        var now = Instant.zero
        var rig = Rig(settings(1...6)) { unit, _, _ in
            unit == 4 && (now.nanoseconds / 10_000_000_000) % 2 == 1
                ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        for _ in 0..<2000 {
            rig.run(for: .milliseconds(100))
            now = rig.now.instant
        }
        for unit in [1, 2, 3, 5, 6] { #expect(onTime(rig, unit, 200) >= 0.98, "\(unit)") }
        // The pauses have grown to some seconds when it comes back, so part of its time is lost.
        let found = good(rig, 4)
        #expect((30...105).contains(found), "\(found)")
        let changes = rig.states.filter { $0.0.unit == unit(4) }.map(\.1)
        for (before, after) in zip(changes, changes.dropFirst()) { #expect(before != after) }
        #expect(changes.count { $0 == .offline } >= 8)
    }

    @Test func aUnitThatBecomesSlowerIsStillReadAndOneThatIsAlwaysTooLateIsOffline() {
        var wait = Duration.milliseconds(5)
        var rig = Rig(settings(1...4)) { unit, _, _ in .answer(unit == 2 ? wait : .milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(30))
        wait = .milliseconds(250)
        rig.run(for: .seconds(30))
        #expect(good(rig, 2) >= 58)
        #expect(rig.driver.statistics.units[1].timeouts == 0)
        // A unit that is known to be late is waited for up to twice and a quarter of the response
        // timeout.
        wait = .milliseconds(450)
        let known = good(rig, 2)
        rig.run(for: .seconds(60))
        // The others leave it no time, so it is paid for from what a silent one may cost: a tenth
        // of the line.
        #expect(good(rig, 2) - known >= 10, "\(good(rig, 2) - known)")
        #expect(rig.readings(of: 2).allSatisfy { $0.parts[0].result != .failure(.timeout) })
        #expect(rig.driver.statistics.units[1].lateReplies >= 1)
        wait = .milliseconds(900)
        rig.run(for: .seconds(60))
        #expect(rig.states.last { $0.0.unit == unit(2) }?.1 == .offline)
        #expect(rig.driver.statistics.units[1].lateReplies >= 2)
        for unit in [1, 3, 4] {
            #expect(onTime(rig, unit, 180) >= 0.97, "\(unit): \(onTime(rig, unit, 180))")
        }
        wait = .milliseconds(5)
        rig.run(for: .seconds(80))
        #expect(rig.states.last { $0.0.unit == unit(2) }?.1 == .online)
        for (_, reading) in rig.readings {
            guard let data = try? reading.parts[0].result.get() else { continue }
            #expect(
                UInt16(data[2]) << 8 | UInt16(data[3]) == rig.value(reading.address.unit.value, 1))
        }
    }

    @Test func pausesGrowWithJitterToAMinuteAndEndAtTheFirstGoodAnswer() {
        func probes(_ seed: UInt64) -> [Duration] {
            var rig = Rig(settings(1...2), seed: seed) { unit, _, _ in
                unit == 2 ? .silent : .answer(.milliseconds(5))
            }
            rig.open()
            rig.run(for: .seconds(600))
            let times = rig.sent.filter { $0.unit == 2 }.map(\.at)
            return zip(times, times.dropFirst()).map { $1 - $0 }.dropFirst(2).map { $0 }
        }
        let pauses = probes(1)
        #expect(pauses.count < 20 && pauses.max()! <= .seconds(77))
        // 1, 2, 4, 8, 16, 32 s and then a minute, a quarter more or less.
        for (pause, expected) in zip(pauses, [1.0, 2, 4, 8, 16, 32, 60, 60, 60]) {
            #expect(abs(pause.secondsValue - expected) <= expected * 0.25 + 1.2, "\(pauses)")
        }
        #expect(probes(2) != pauses)
    }

    @Test func statesGoOverDegradedToOfflineAndBack() {
        var behaviour = 0
        var rig = Rig(settings(1...1)) { _, _, _ in
            behaviour == 0 ? .answer(.zero) : behaviour == 1 ? .flip(99, .zero) : .silent
        }
        rig.open()
        for next in [1, 2, 0] {
            rig.run(for: .seconds(5))
            behaviour = next
        }
        rig.run(for: .seconds(20))
        #expect(rig.states.map(\.1) == [.online, .degraded, .offline, .online])
    }

    @Test func whatIsLateAndWhatIsSkippedIsCounted() {
        // Three requests a cycle and a line that has time for one: overload by other traffic, not
        // by plan.
        var slow = Duration.milliseconds(5)
        var rig = Rig(settings(1...2, every: .milliseconds(200))) { _, _, _ in .answer(slow) }
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.driver.statistics.late == 0 && rig.driver.statistics.skipped == 0)
        slow = .milliseconds(250)
        rig.run(for: .seconds(10))
        let counted = rig.driver.statistics
        #expect(counted.late >= 20 && counted.skipped >= 20, "\(counted.late) \(counted.skipped)")
        #expect(counted.units.reduce(0) { $0 + $1.late } == counted.late)
        #expect(counted.lateReplies == 0)
    }
}
