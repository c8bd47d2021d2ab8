import Base
import Drivers
import Modbus
import TestKit
import Testing

/// Orders go first, and yet no stream of them takes more than its share of a busy line.
@Suite struct OrderShareTests {
    static func settings(
        _ nodes: [NodePlan], baud: Int, turnaround: Duration = .milliseconds(5)
    ) -> ModbusDriver.Settings {
        .init(
            port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(300),
            turnaround: turnaround,
            nodes: nodes)
    }

    static func write(
        _ id: UInt64, to number: Int, _ value: UInt16 = 1, for time: Duration = .seconds(30),
        in rig: Rig
    ) -> Order {
        Order(
            id: id, address: Address(port: PortName("bus"), unit: unit(number)), table: .holding,
            start: 0x20,
            data: .registers([value]), expires: rig.now.instant + time)
    }

    /// Unit 9 is silent, unit 2 answers damaged now and then, unit 1 is written to.
    @Test func theTimeOfTheLineIsToldByItsUse() {
        let nodes = [1, 2, 9].map { node($0, every: .milliseconds(500)) }
        var rig = Rig(Self.settings(nodes, baud: 9600)) { unit, _, count in
            if unit == 9 { return .silent }
            return unit == 2 && count % 10 == 7
                ? .flip(20, .milliseconds(5))
                : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(10))
        let start = rig.driver.statistics
        #expect(start.lineTimes[.checks] > .zero && start.lineTimes[.commands] == .zero)
        for id in 0..<10 as Range<UInt64> {
            rig.submit(Self.write(id, to: 1, in: rig))
            rig.run(for: .seconds(6))
        }
        let times = rig.driver.statistics.lineTimes
        for use in LineTimes.Use.allCases {
            #expect((times[use] > start.lineTimes[use]) == (use != .others), "\(use)")
        }
        let all = (times.total - start.busTime).secondsValue
        let silent = (times[.silent] - start.lineTimes[.silent]).secondsValue
        let polls = (times[.polls] - start.lineTimes[.polls]).secondsValue
        #expect(silent < 0.11 * 60 && polls > 0.5 * (all - silent) && all < 60)
    }

    /// 9600 baud, units that take 50 ms, ten commands a second: there was no poll at all.
    @Test func tenCommandsASecondLeaveASlowLineHalfOfItsPolls() {
        let nodes = (1...5).map { node($0, every: .milliseconds(500)) }
        func polls(commands: Bool) -> (readings: Int, done: Int, refused: Int) {
            var rig = Rig(Self.settings(nodes, baud: 9600, turnaround: .milliseconds(50))) {
                _, _, _ in
                .answer(.milliseconds(50))
            }
            rig.open()
            rig.run(for: .seconds(5))
            let before = rig.readings.count
            for id in 0..<600 as Range<UInt64> {
                if commands { rig.submit(Self.write(id, to: Int(id % 5) + 1, in: rig)) }
                rig.run(for: .milliseconds(100))
            }
            let done = rig.outcomes.count { (try? $0.result.get()) != nil }
            return (
                rig.readings.count - before, done,
                rig.outcomes.count { $0.result == .failure(.busy) }
            )
        }
        let alone = polls(commands: false)
        let shared = polls(commands: true)
        #expect(Double(shared.readings) >= 0.5 * Double(alone.readings), "\(shared) of \(alone)")
        #expect(shared.done > 100 && shared.refused > 100, "\(shared)")
    }

    /// A stream of orders on a line with its own nodes.
    private struct Stream {
        var nodes: [NodePlan]
        var baud: Int
        var turnaround: Duration
        /// Between two orders; nil: as many as the port takes.
        var gap: Duration?
        var random: RandomSource

        init(seed: UInt64) {
            random = RandomSource(seed: seed)
            baud = [9600, 19_200, 115_200][Int(random.next() % 3)]
            turnaround = .milliseconds(Int64([1, 5, 20, 50][Int(random.next() % 4)]))
            nodes = []
            for number in 1...Int(1 + random.next() % 8) {
                let every = Duration.milliseconds(
                    Int64([100, 200, 500, 1000, 3000][Int(random.next() % 5)]))
                var plan = node(number, every: every, count: Int(1 + random.next() % 40))
                if random.next() % 3 == 0 {
                    plan.spans += (200..<220).map { Span(.input, $0, 1, every: every * 3) }
                }
                nodes.append(plan)
            }
            gap = random.next() % 3 == 0 ? nil : .milliseconds(Int64(20 + random.next() % 480))
        }

        mutating func order(_ id: UInt64, in rig: Rig) -> Order {
            var order = OrderShareTests.write(
                id, to: Int(random.next() % UInt64(nodes.count)) + 1, in: rig)
            switch random.next() % 4 {
            case 0: order.data = .nothing(count: Int(1 + random.next() % 120))
            case 1:
                order.data = .registers(Array(repeating: 7, count: Int(1 + random.next() % 100)))
            case 2: order.readBack = false
            default: break
            }
            order.expires = rig.now.instant + .milliseconds(Int64(200 + random.next() % 10_000))
            return order
        }
    }

    /// Readings of every cycle in a minute; what orders were carried out with how much line time.
    private static func run(
        _ stream: Stream, orders: Bool
    ) -> (cycles: [String: Int], done: Int, wire: Duration, use: Double) {
        var stream = stream
        let turnaround = stream.turnaround
        var rig = Rig(settings(stream.nodes, baud: stream.baud, turnaround: turnaround)) {
            _, request, count in
            guard request.function == .writeSingleRegister else { return .answer(turnaround) }
            switch count % 50 {
            case 13: return .refuse(.serverDeviceBusy, turnaround)
            case 21: return .flip(20, turnaround)
            default: return .answer(turnaround)
            }
        }
        rig.open()
        rig.run(for: .seconds(10))
        let before = rig.readings.count
        let start = rig.driver.statistics.busTime
        var id: UInt64 = 0
        let end = rig.now.instant + .seconds(60)
        while rig.now.instant < end {
            let isFull = stream.gap == nil && rig.outcomes.count + 32 < Int(id)
            if orders, !isFull {
                rig.submit(stream.order(id, in: rig))
                id += 1
                if stream.gap == nil { continue }
            }
            rig.run(for: stream.gap ?? .milliseconds(10))
        }
        var cycles: [String: Int] = [:]
        for (_, reading) in rig.readings.dropFirst(before) {
            cycles["\(reading.address.unit.value) every \(reading.interval)", default: 0] += 1
        }
        let wire = rig.driver.statistics.busTime - start
        return (
            cycles, rig.outcomes.count { (try? $0.result.get()) != nil }, wire, rig.driver.plan.load
        )
    }

    @Test(arguments: Effort.cases(24)) func noStreamOfOrdersTakesMoreThanHalfOfAnyCycle(_ seed: Int)
    {
        let stream = Stream(seed: UInt64(seed) + 1)
        let alone = Self.run(stream, orders: false)
        let shared = Self.run(stream, orders: true)
        #expect(shared.done > 0)
        for (cycle, count) in alone.cycles {
            let left = shared.cycles[cycle] ?? 0
            #expect(
                Double(left) >= Double(count) * 0.5 - 1,
                "seed \(seed): \(cycle): \(left) of \(count); load \(alone.use), \(shared.done) orders"
            )
            // Half of the line is free: nothing is missing but what the last moments cost.
            if alone.use < 0.4, !cycle.hasSuffix("0.1 seconds"), !cycle.hasSuffix("0.2 seconds") {
                #expect(
                    Double(left) >= Double(count) * 0.98 - 1,
                    "seed \(seed): \(cycle): \(left) of \(count), \(alone.use)")
            }
        }
    }

    /// Below half of the line every command is the next on the wire, write and read-back.
    @Test func aSingleCommandOnABusyLineIsNext() {
        var rig = Rig(Self.settings((1...8).map { node($0, every: .milliseconds(10)) }, baud: 9600))
        { _, _, _ in
            .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(2))
        for round in 0..<50 as Range<UInt64> {
            rig.run(for: .milliseconds(333))
            let before = rig.sent.count
            rig.submit(Self.write(round, to: Int(round % 8) + 1, UInt16(round), in: rig))
            rig.run(for: .milliseconds(150))
            let next = rig.sent[before...].prefix(2)
            #expect(next.map { $0.pdu[0] } == [6, 3] && next.allSatisfy { $0.pdu[2] == 0x20 })
        }
        #expect(rig.early == 0)
    }

    /// An alarm that is read twice a second is read, whatever people order; on an idle line nothing
    /// waits.
    @Test func anAlarmIsReadOnTimeBesideAFloodAndAnIdleLineTakesAllOrders() {
        var alarm = NodePlan(
            unit: unit(1), spans: [Span(.discrete, 3, 1, every: .milliseconds(500))])
        alarm.isUrgent = true
        var rig = Rig(Self.settings([alarm], baud: 9600)) { _, _, _ in .answer(.milliseconds(20)) }
        rig.open()
        rig.run(for: .seconds(5))
        let before = rig.readings.count
        var id: UInt64 = 0
        while rig.now.instant < .zero + .seconds(65) {
            if rig.outcomes.count + 20 > Int(id) {
                rig.submit(Self.write(id, to: 1, in: rig))
                id += 1
            } else {
                rig.run(for: .milliseconds(5))
            }
        }
        let times = rig.readings.dropFirst(before).map(\.at)
        #expect((119...121).contains(times.count), "\(times.count)")
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 < .milliseconds(700) })
        // Two exchanges each, about 45 ms: the rest of the line is theirs.
        #expect(rig.outcomes.count > 500, "\(rig.outcomes.count)")
    }

    /// Setup has half of the orders' share, comes before the unit's own next poll, and does come to
    /// an end.
    @Test func aLongSetupLeavesTheOthersThreeQuartersOfABusyLine() {
        var nodes = (1...4).map { node($0, every: .milliseconds(100)) }
        let address = Address(port: PortName("bus"), unit: unit(1))
        nodes[0].setup = (0..<60).map {
            Order(
                id: UInt64($0), address: address, table: .holding, start: 0x40 + $0,
                data: .registers([1]),
                expires: .distantFuture)
        }
        func run(_ nodes: [NodePlan]) -> Rig {
            var rig = Rig(Self.settings(nodes, baud: 9600)) { _, _, _ in .answer(.milliseconds(5)) }
            rig.open()
            rig.run(for: .seconds(20))
            return rig
        }
        let rig = run(nodes)
        var others = nodes
        others.removeFirst()
        let alone = run(others)
        #expect(rig.setups.count == 60)
        let done = rig.sent.lastIndex { $0.pdu[0] == 6 }!
        let end = rig.sent[done].at
        let polls = rig.readings.count { $0.at < end && $0.reading.address.unit != unit(1) }
        let polled = alone.readings.count { $0.at < end }
        #expect(Double(polls) >= 0.7 * Double(polled), "\(polls) of \(polled) until \(end)")
        let own = rig.sent[..<done].filter { $0.unit == 1 && $0.pdu[0] == 3 && $0.pdu[2] < 0x40 }
        #expect(own.count == 1, "it is not polled before it is set up")
    }
}
