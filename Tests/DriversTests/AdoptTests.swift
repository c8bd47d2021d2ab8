import Base
import Drivers
import Modbus
import TestKit
import Testing

/// A plan that changes while the line is in use touches nothing but what differs.
@Suite struct AdoptTests {
    static func settings(
        _ nodes: [NodePlan], timeout: Duration = .milliseconds(300)
    ) -> ModbusDriver.Settings {
        .init(port: PortName("bus"), line: line(19_200), responseTimeout: timeout, nodes: nodes)
    }

    /// Releases at which a unit's registers from `address` on were asked for.
    static func polls(
        _ rig: Rig, _ number: Int, at address: UInt8 = 0, from start: Instant = .zero
    ) -> [Instant] {
        rig.sent.filter {
            Int($0.unit) == number && $0.pdu[0] == 3 && $0.pdu[2] == address && $0.at >= start
        }.map(\.at)
    }

    /// Documents for unit 1 every two seconds: the others had no poll any more.
    @Test func aStreamOfPlansForOneUnitStarvesNobody() {
        var nodes = (1...5).map { node($0, every: .seconds(10)) }
        var rig = Rig(Self.settings(nodes)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(20))
        let start = rig.now.instant
        for round in 0..<20 {
            nodes[0] = node(1, every: .seconds(round % 2 == 0 ? 20 : 10))
            rig.adopt(Self.settings(nodes))
            rig.run(for: .seconds(2))
        }
        for number in 2...5 {
            let polls = Self.polls(rig, number, from: start)
            #expect(polls.count == 4, "unit \(number): \(polls)")
        }
        let polls = Self.polls(rig, 1, from: start)
        #expect(
            zip(polls, polls.dropFirst()).allSatisfy { $1 - $0 > .milliseconds(9800) }
                && polls.count >= 2, "\(polls)")
        #expect(rig.states.count == 5, "nobody is told anything anew")
    }

    /// Random plans at random times, one to three nodes changed in each.
    @Test(arguments: Effort.cases(24)) func anyStreamOfPlansKeepsEveryGridAndReadsNobodyTooOften(
        _ seed: Int
    ) {
        var random = RandomSource(seed: UInt64(seed) + 11)
        let intervals: [Int64] = [500, 1000, 2000, 5000, 10_000]
        func any(_ random: inout RandomSource) -> Int64 { intervals[Int(random.next() % 5)] }
        let count = 8
        // Units 1 to 4 never change.
        var plan: [Int: NodePlan] = [:]
        for number in 1...count {
            plan[number] = node(number, every: .milliseconds(any(&random)), count: 4)
        }
        func settings() -> ModbusDriver.Settings {
            Self.settings(plan.keys.sorted().map { plan[$0]! })
        }
        var rig = Rig(settings(), canSchedule: seed % 2 == 0) { _, _, _ in .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(11))
        let start = rig.now.instant
        var shortest: [Int: Duration] = [:]
        for (number, node) in plan { shortest[number] = node.spans[0].interval }
        while rig.now.instant < start + .seconds(120) {
            for _ in 0...Int(random.next() % 2) {
                let number = 5 + Int(random.next() % 4)
                switch random.next() % 5 {
                case 0: plan[number] = nil
                default:
                    let every = any(&random)
                    plan[number] = node(
                        number, every: .milliseconds(every), count: 1 + Int(random.next() % 4))
                    shortest[number] = min(
                        shortest[number] ?? .milliseconds(every), .milliseconds(every))
                }
            }
            rig.adopt(settings())
            rig.run(for: .milliseconds(100 + Int64(random.next() % (seed % 3 == 0 ? 200 : 9900))))
        }
        let slack = Duration.milliseconds(300)
        for number in 1...4 {
            let every = plan[number]!.spans[0].interval
            let times = Self.polls(rig, number, from: start)
            let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
            #expect(
                gaps.allSatisfy { $0 <= every + slack && $0 + slack >= every },
                "seed \(seed): unit \(number) every \(every): \(gaps)")
            let wanted = Int((rig.now.instant - start).secondsValue / every.secondsValue)
            #expect(
                abs(times.count - wanted) <= 1,
                "seed \(seed): unit \(number): \(times.count) of \(wanted)")
        }
        for number in 5...count {
            let times = Self.polls(rig, number)
            let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
            #expect(
                gaps.allSatisfy { $0 + slack >= shortest[number]! },
                "seed \(seed): unit \(number): \(gaps)")
        }
    }

    /// Several reads a cycle, spans that move between intervals, retries under way.
    @Test(arguments: Effort.cases(16)) func spansThatMoveBetweenIntervalsAreNeverReadTooOften(
        _ seed: Int
    ) {
        var random = RandomSource(seed: UInt64(seed) + 77)
        let intervals: [Int64] = [1000, 2000, 5000]
        var every = (0..<6).map { _ in intervals[Int(random.next() % 3)] }
        func settings() -> ModbusDriver.Settings {
            // Far apart: one read for each span and interval.
            let spans = every.enumerated().map {
                Span(.holding, $0 * 40, 2, every: .milliseconds($1))
            }
            return Self.settings([NodePlan(unit: unit(1), spans: spans, noMerge: true), node(2)])
        }
        var rig = Rig(settings()) { unit, _, count in
            unit == 1 && count % 9 == 4 ? .flip(20, .milliseconds(5)) : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(6))
        let start = rig.now.instant
        var shortest = every
        while rig.now.instant < start + .seconds(60) {
            let place = Int(random.next() % 5)  // the sixth span never changes
            every[place] = intervals[Int(random.next() % 3)]
            shortest[place] = min(shortest[place], every[place])
            rig.adopt(settings())
            rig.run(for: .milliseconds(100 + Int64(random.next() % 2000)))
        }
        for place in every.indices {
            let good = rig.readings.filter { reading in
                reading.reading.address.unit == unit(1)
                    && reading.reading.parts.contains {
                        $0.address == place * 40 && (try? $0.result.get()) != nil
                    }
            }.map(\.at)
            let gaps = zip(good, good.dropFirst()).map { $1 - $0 }
            let limit = Duration.milliseconds(shortest[place]) - .milliseconds(400)
            #expect(gaps.allSatisfy { $0 >= limit }, "seed \(seed): span \(place): \(gaps)")
            #expect(
                gaps.allSatisfy { $0 <= .seconds(10) + .milliseconds(900) },
                "seed \(seed): span \(place): \(gaps)")
        }
        let fixed = Duration.milliseconds(every[5])
        let times = rig.readings.filter {
            $0.reading.parts.contains { $0.address == 200 } && $0.at > start
        }.map(\.at)
        let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(gaps.allSatisfy { $0 <= fixed * 2 + .milliseconds(400) }, "seed \(seed): \(gaps)")
    }

    /// A span that was read 0.67 s ago joins a cycle whose own spans have been put off once: they
    /// are read at their time, and it waits for the next.
    @Test func aSpanThatJoinsACycleIsNotReadWithIt() {
        func settings(_ third: Int64, _ second: Int64) -> ModbusDriver.Settings {
            let every: [Int64] = [2000, second, third, 1000]
            let spans = every.enumerated().map {
                Span(.holding, $0 * 40, 2, every: .milliseconds($1))
            }
            return Self.settings([NodePlan(unit: unit(1), spans: spans, noMerge: true)])
        }
        var rig = Rig(settings(1000, 1000)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(20))
        for round in 0..<40 {
            rig.adopt(settings(round % 2 == 0 ? 2000 : 1000, round % 4 < 2 ? 2000 : 1000))
            rig.run(for: .milliseconds(630))
        }
        for (place, least) in [1900, 900, 900, 900].enumerated() {
            let polls = Self.polls(rig, 1, at: UInt8(place * 40))
            let gaps = zip(polls, polls.dropFirst()).map { $1 - $0 }
            #expect(
                gaps.allSatisfy { $0 >= .milliseconds(least) && $0 <= .milliseconds(4100) },
                "\(place): \(gaps)")
        }
    }

    @Test func aPlanThatDiffersInNothingHasNoEffect() {
        let nodes = (1...3).map { node($0) }
        var rig = Rig(Self.settings(nodes)) { _, _, _ in .answer(.milliseconds(5)) }
        var other = rig
        rig.open()
        other.open()
        for _ in 0..<100 {
            rig.run(for: .milliseconds(100))
            rig.adopt(Self.settings(nodes))
            // What was under way has been carried out to its end.
            other.run(for: rig.now.instant - other.now.instant)
            // Before the same exchange: what was scheduled is scheduled again.
            #expect(rig.sent.map(\.unit) == other.sent.map(\.unit))
        }
        #expect(rig.notices == other.notices)
    }

    /// What is known of a unit that was given up, what was counted, and orders that wait.
    @Test func healthCountersAndOrdersOfOthersSurvive() throws {
        var nodes = (1...3).map { node($0) }
        var rig = Rig(Self.settings(nodes)) { unit, _, _ in
            unit == 3 ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(60))
        let before = rig.driver.statistics
        let (states, asked) = (rig.states.count, rig.sent.count { $0.unit == 3 })
        let order = Order(
            id: 9, address: Address(port: PortName("bus"), unit: unit(2)), table: .holding,
            start: 0x20,
            data: .registers([5]), expires: .distantFuture)
        for round in 0..<100 {
            nodes[0] = node(1, every: .milliseconds(round % 2 == 0 ? 1500 : 1000))
            if round == 50 { rig.submit(order) }
            rig.adopt(Self.settings(nodes))
            rig.run(for: .milliseconds(100))
        }
        #expect(rig.states.count == states, "online stays online, offline offline")
        #expect(rig.sent.count { $0.unit == 3 } - asked <= 2, "its pauses go on")
        #expect(try rig.outcomes.first { $0.id == 9 }?.result.get()?.result.get() == [0, 5])
        let after = rig.driver.statistics
        #expect(
            after.requests > before.requests && after.units[1].replies > before.units[1].replies)
        #expect(after.skipped == before.skipped)
        // Out and in again: it goes on with its numbers, and an order for it fails in between.
        let third = nodes.remove(at: 1)
        rig.submit(order)
        rig.adopt(Self.settings(nodes))
        #expect(rig.outcomes.last?.result == .failure(.unknownUnit))
        nodes.insert(third, at: 1)
        rig.adopt(Self.settings(nodes))
        // The order's own exchange may have begun before the unit was taken out.
        #expect((0...1).contains(rig.driver.statistics.units[1].replies - after.units[1].replies))
    }

    @Test func onlyAUnitWhoseSetupDiffersIsSetUpAgain() {
        func setUp(_ number: Int, _ value: UInt16) -> NodePlan {
            var plan = node(number)
            plan.setup = [
                Order(
                    id: 0, address: Address(port: PortName("bus"), unit: unit(number)),
                    table: .holding, start: 0x40,
                    data: .registers([value]), readBack: false, expires: .distantFuture)
            ]
            return plan
        }
        var nodes = [setUp(1, 1), setUp(2, 2), node(3)]
        var rig = Rig(Self.settings(nodes)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(5))
        func writes() -> [UInt8] { rig.sent.filter { $0.pdu[0] == 6 }.map(\.unit) }
        #expect(writes().sorted() == [1, 2])
        nodes[2] = node(3, every: .seconds(5))
        rig.adopt(Self.settings(nodes))
        rig.run(for: .seconds(3))
        #expect(writes().count == 2)
        nodes[0] = setUp(1, 7)
        rig.adopt(Self.settings(nodes))
        rig.run(for: .seconds(3))
        #expect(writes().dropFirst(2) == [1] && rig.value(1, 0x40) == 7)
    }

    @Test func newUnitsGoIntoTheGaps() {
        var nodes = (1...4).map { node($0, every: .seconds(4)) }
        var rig = Rig(Self.settings(nodes)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(8))
        let start = rig.now.instant
        nodes += [node(9, every: .seconds(4))]
        rig.adopt(Self.settings(nodes))
        rig.run(for: .seconds(20))
        let first = Self.polls(rig, 9, from: start)
        #expect((4...5).contains(first.count))
        let others = rig.sent.filter { $0.unit != 9 && $0.at >= start }.map(\.at)
        #expect(
            first.allSatisfy { one in
                others.allSatisfy { one - $0 > .milliseconds(300) || $0 - one > .milliseconds(300) }
            })
    }
}

/// The same on a line with a plain protocol.
@Suite struct UARTAdoptTests {
    static func talker(
        _ number: Int, every interval: Duration = .seconds(1), start: String = "$"
    ) -> UARTDriver.Node {
        let frame = UARTProtocol.Frame(
            start: Array(start.utf8), end: .terminator(Array("\r\n".utf8)), max: 64)
        return .init(unit: unit(number), format: UARTProtocol(frame: frame), intervals: [interval])
    }

    static func settings(_ nodes: [UARTDriver.Node]) -> LineDriverSettings {
        .uart(UARTDriver.Settings(port: PortName("u"), line: line(9600, .none), nodes: nodes))
    }

    /// A frame that takes a second to come, documents every tenth of it for a neighbour.
    @Test func halfReceivedFramesAndIntervalsOutliveAStreamOfPlans() {
        guard case .uart(let first) = Self.settings([Self.talker(1), Self.talker(2, start: "#")])
        else { return }
        var driver = UARTDriver(first, seed: 1)
        var now = Moment(.zero, WallTime(milliseconds: 0))
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: true), at: now)
        var readings: [Duration] = []
        func drain() {
            while let output = driver.next() {
                if case .reading(let reading) = output, reading.address.unit == unit(1) {
                    readings.append(now.instant - .zero)
                    #expect((try? reading.parts[0].result.get()) == Array("$12345678\r\n".utf8))
                }
            }
        }
        let text = Array("$12345678\r\n".utf8)
        for step in 0..<300 {
            if let due = driver.deadline?.due, due <= now.instant { driver.timeout(at: now) }
            driver.receive([text[step % text.count]], at: now)
            drain()
            let other = Self.talker(
                2, every: .seconds(step % 2 == 0 ? 3 : 1), start: step % 5 == 0 ? "!" : "#")
            let plan = Self.settings(step % 7 == 0 ? [Self.talker(1)] : [Self.talker(1), other])
            let isAdopted = driver.adopt(plan, at: now)
            #expect(isAdopted)
            drain()
            now = now + .milliseconds(90)
        }
        #expect((23...28).contains(readings.count), "\(readings)")
        #expect(driver.statistics.checksumErrors == 0)
    }
}
