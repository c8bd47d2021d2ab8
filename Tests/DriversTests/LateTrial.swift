import Base
import Drivers
import Modbus

/// One line whose units answer in order, but some of them late or twice, and how many of the values
/// that it gave out as good are what their requests were answered with.
struct LateTrial {
    struct Unit {
        /// For each reply: that it is late, by this many response timeouts.
        var late = 0.0
        var lateness = 0.1...1.0
        /// For each reply: that it comes twice, and the pause between both.
        var twice = 0.0
        var gap = Duration.zero...Duration.zero
        /// Later replies wait for the copies, as in a converter's queue.
        var inOrder = true
        /// For each reply: that a bit of it is flipped.
        var damage = 0.0
        /// It ignores functions that it does not know, as function 8.
        var ignoresUnknown = false
    }

    /// How the points of a unit lie.
    enum Points: CaseIterable { case same, mixed, single }

    var units: [Unit]
    var points = Points.same
    var baud = 19_200
    var timeout = Duration.milliseconds(300)
    var every = Duration.seconds(1)
    var turnaround = Duration.milliseconds(5)
    var seed: UInt64 = 1
    /// Commands, closed and lent lines in between.
    var isRestless = false
    var echoesDiagnostics = true

    /// Values published as good, and those of them that are not what was asked for; parts without a
    /// value.
    struct Result {
        var good = 0
        var wrong = 0
        var bad = 0
        /// By unit.
        var goodOf: [UInt8: Int] = [:]
        var statistics = PortStatistics()
        /// What was asked and served around the first wrong value.
        var story = ""

        var share: Double { Double(good) / Double(max(1, good + bad)) }

        static func += (left: inout Result, right: Result) {
            left.good += right.good
            left.wrong += right.wrong
            left.bad += right.bad
        }
    }

    private func spans() -> [Span] {
        switch points {
        case .same: (0..<4).map { Span(.holding, 500 * $0, 2, every: every) }
        case .mixed:
            [
                Span(.holding, 0, 2, every: every), Span(.holding, 500, 3, every: every),
                Span(.input, 0, 2, every: every * 2), Span(.holding, 1000, 2, every: every),
            ]
        case .single: [Span(.holding, 0, 2, every: every)]
        }
    }

    func settings() -> ModbusDriver.Settings {
        let nodes = units.indices.map {
            NodePlan(unit: UnitID($0 + 1)!, spans: spans(), noMerge: true)
        }
        return ModbusDriver.Settings(
            port: PortName("bus"), line: line(baud, .none), responseTimeout: timeout, retries: 2,
            nodes: nodes)
    }

    func run(for time: Duration) -> Result {
        var random = RandomSource(seed: seed)
        let (units, timeout, turnaround) = (units, timeout, turnaround)
        var rig = Rig(settings(), seed: seed) { number, request, _ in
            let unit = units[Int(number) - 1]
            if unit.ignoresUnknown, request.function == .diagnostics { return .silent }
            if random.chance(unit.damage) { return .flip(Int(random.next() % 300), turnaround) }
            var wait = turnaround
            if random.chance(unit.late) {
                let times = random.uniform(unit.lateness.lowerBound, unit.lateness.upperBound)
                wait += .seconds(fraction: timeout.secondsValue * times)
            }
            guard random.chance(unit.twice) else { return .copies(wait, [], inOrder: true) }
            let gap = random.uniform(
                unit.gap.lowerBound.secondsValue, unit.gap.upperBound.secondsValue)
            return .copies(wait, [.seconds(fraction: gap)], inOrder: unit.inOrder)
        }
        rig.units.isFresh = true
        rig.units.echoesDiagnostics = echoesDiagnostics
        rig.open()
        var result = Result()
        let end = rig.now.instant + time
        var orders: [UInt64: UInt8] = [:]
        var restless = RandomSource(seed: seed ^ 77)
        while rig.now.instant < end {
            rig.run(for: min(end - rig.now.instant, .seconds(fraction: restless.uniform(1, 5))))
            if isRestless { disturb(&rig, &orders, &restless) }
            judge(&rig, orders, &result)
        }
        result.statistics = rig.driver.statistics
        return result
    }

    private func disturb(
        _ rig: inout Rig, _ orders: inout [UInt64: UInt8], _ random: inout RandomSource
    ) {
        let address = Address(
            port: PortName("bus"), unit: UnitID(Int(random.next() % UInt64(units.count)) + 1)!)
        let id = UInt64(orders.count + 1)
        orders[id] = address.unit.value
        switch random.next() % 8 {
        case 0, 1:
            rig.submit(
                Order(
                    id: id, address: address, table: .holding, start: 40,
                    data: .registers([UInt16(truncatingIfNeeded: id)]),
                    expires: rig.now.instant + .seconds(30)))
        case 2:
            rig.submit(
                Order(
                    id: id, address: address, table: .holding, start: 700, data: .nothing(count: 2),
                    expires: rig.now.instant + .seconds(30)))
        case 3:
            // A line is only lent between two exchanges.
            while rig.driver.isExchanging(at: rig.now.instant) {
                _ = rig.step(until: .distantFuture - .seconds(1))
            }
            rig.pause(keepsReplies: true)
            rig.run(for: .milliseconds(Int64(random.uniform(1, 400))))
            rig.open()
        case 4:
            rig.close(keepsReplies: true)
            rig.run(for: .milliseconds(Int64(random.uniform(1, 400))))
            rig.open()
        default: break
        }
    }

    private func story(_ rig: Rig, _ unit: UInt8, _ part: ReadPart) -> String {
        let near = (part.at.instant - .seconds(2))...(part.at.instant + .seconds(1))
        let asked = rig.sent.filter { $0.unit == unit && near.contains($0.at) }
            .map { "\($0.at.nanoseconds / 1000) asked \(Hex.encode($0.pdu))" }
        let served = rig.units.served.filter { $0.unit == unit && near.contains($0.at) }
            .map { "\($0.at.nanoseconds / 1000) serves \(Hex.encode($0.data))" }
        return ["\(self)", "\(part.at.instant.nanoseconds / 1000) \(part)"].joined(separator: "\n")
            + "\n"
            + (asked + served).sorted().joined(separator: "\n")
    }

    private func judge(_ rig: inout Rig, _ asked: [UInt64: UInt8], _ result: inout Result) {
        for (_, reading) in rig.takeReadings() {
            let unit = reading.address.unit.value
            for part in reading.parts {
                guard case .success(let data) = part.result else {
                    result.bad += 1
                    continue
                }
                result.good += 1
                result.goodOf[unit, default: 0] += 1
                if rig.units.truth(unit, part) != data {
                    result.wrong += 1
                    if result.story.isEmpty { result.story = story(rig, unit, part) }
                }
            }
        }
        for outcome in rig.takeOutcomes() {
            guard let unit = asked[outcome.id], case .success(let part?) = outcome.result,
                case .success(let data) = part.result
            else { continue }
            result.good += 1
            if rig.units.truth(unit, part) != data { result.wrong += 1 }
        }
        rig.units.forget(before: rig.now.instant - .seconds(600))
    }
}
