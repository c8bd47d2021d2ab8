import Base
import Drivers
import Modbus
import Testing

/// What a node may say about how it wants to be read, and what was learned about it.
@Suite struct PlanRangeTests {
    func spans(_ places: [(Int, Int)], _ table: Table = .holding) -> [Span] {
        places.map { Span(table, $0.0, $0.1, every: .seconds(60)) }
    }

    func plan(_ node: NodePlan, turnaround: Duration = .milliseconds(5)) -> ReadPlan {
        ReadPlan.make(line: line(9600), turnaround: turnaround, nodes: [node])
    }

    @Test func aRequestNeverLeavesTheReadableRanges() {
        var one = NodePlan(unit: unit(1), spans: spans([(0, 2), (3, 2), (6, 2), (9, 2)]))
        #expect(plan(one).reads.map(\.count) == [11])
        one.ranges = [.holding: [0...4, 5...99]]
        #expect(
            plan(one).reads.map(\.address) == [0, 6] && plan(one).reads.map(\.count) == [5, 5])
        // A value across the border, and one outside of all: each by itself.
        one.spans += spans([(4, 2), (200, 1), (201, 1)])
        #expect(plan(one).reads.map(\.address) == [0, 4, 6, 200, 201])
        one.ranges = [.input: [0...1]]
        #expect(plan(one).reads.map(\.address) == [0, 200])
    }

    // MARK: proof against brute force

    /// The least wire time over all ways to share the spans of one table out to requests.
    func bruteForce(
        _ spans: [Span], _ isAllowed: (Int, Int) -> Bool, _ price: (Int) -> Int64
    ) -> Int64 {
        var best = Int64.max
        func place(_ index: Int, _ groups: [[Span]]) {
            guard index < spans.count else {
                best = min(
                    best,
                    groups.reduce(0) { sum, group in
                        let low = group.map(\.address).min()!, high = group.map(\.end).max()!
                        let isSingle = group.contains { $0.address == low && $0.end == high }
                        if sum == .max || !(isSingle || isAllowed(low, high)) { return .max }
                        return sum + price(high - low)
                    })
                return
            }
            for group in groups.indices {
                var grown = groups
                grown[group].append(spans[index])
                place(index + 1, grown)
            }
            place(index + 1, groups + [[spans[index]]])
        }
        place(0, [])
        return best
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func thePlanIsTheCheapestWithRangesCountsCapAndAllTables(_ seed: UInt64) {
        var random = RandomSource(seed: seed &* 77 &+ 5)
        for round in 0..<60 {
            let tables: [Table] = [.holding, .input, .coil, .discrete]
            let all = (0..<Int(random.uniform(1, 12))).map { _ -> Span in
                let table = tables[Int(random.next() % 4)]
                let reach = table.isBits ? 700.0 : 70
                return Span(
                    table, Int(random.uniform(0, reach)), Int(random.uniform(1, 5)),
                    every: .seconds(60))
            }
            var node = NodePlan(
                unit: unit(1), spans: all, maxRegisters: Int(random.uniform(4, 70)),
                maxBits: Int(random.uniform(8, 700)))
            for table in tables where random.chance(0.5) {
                let step = Int(random.uniform(5, table.isBits ? 400 : 40))
                node.ranges[table] = stride(from: 0, to: 700, by: step).map { $0...($0 + step - 1) }
            }
            // The second unit's interval caps every exchange at half of it.
            let shortest = Duration.milliseconds(Int(random.uniform(80, 400)))
            let other = NodePlan(unit: unit(2), spans: [Span(.coil, 0, 1, every: shortest)])
            let turnaround = Duration.milliseconds(Int(random.uniform(0, 10)))
            let result = ReadPlan.make(
                line: line(9600), turnaround: turnaround, nodes: [node, other])
            guard result.load <= 1 else { continue }
            let timing = RTUTiming(line(9600))
            for table in tables {
                func price(_ count: Int) -> Int64 {
                    let data = table.isBits ? (count + 7) / 8 : 2 * count
                    return (timing.time(of: 13 + data) + timing.silence + turnaround).nanoseconds
                }
                let most = table.isBits ? node.maxBits : node.maxRegisters
                let own = all.filter { $0.table == table }
                let best = bruteForce(
                    own,
                    { low, high in
                        high - low <= most && price(high - low) <= (shortest / 2).nanoseconds
                            && (node.ranges[table]?.contains {
                                $0.lowerBound <= low && high - 1 <= $0.upperBound
                            } ?? true)
                    }, price)
                let reads = result.reads.filter { $0.unit == unit(1) && $0.table == table }
                #expect(
                    reads.reduce(0) { $0 + $1.wireTime.nanoseconds } == best,
                    "seed \(seed), round \(round), \(table): \(own)")
                for span in own { #expect(reads.contains { $0.spans.contains(span) }) }
            }
        }
    }

    @Test func theComparisonIsWhatTheOtherWaysCost() {
        let node = NodePlan(unit: unit(1), spans: spans([(0, 2), (2, 2), (6, 2), (100, 1)]))
        let result = plan(node)
        let compared = PlanComparison(result)
        let timing = RTUTiming(line(9600))
        func share(_ counts: [Int]) -> Double {
            counts.reduce(0) {
                $0 + (timing.time(of: 13 + 2 * $1) + timing.silence + .milliseconds(5)).secondsValue
                    / 60
            }
        }
        #expect(abs(compared.single - share([2, 2, 2, 1])) < 1e-12)
        #expect(abs(compared.adjacent - share([4, 2, 1])) < 1e-12)
        #expect(abs(compared.planned - share([8, 1])) < 1e-12 && compared.planned == result.load)
        #expect(
            abs(compared.saving(of: compared.single) - (1 - compared.planned / compared.single))
                < 1e-12)
    }

    // MARK: what was learned

    static func rig(_ spans: [Span], forbidden: Int) -> Rig {
        let settings = ModbusDriver.Settings(
            port: PortName("bus"), line: line(19_200),
            nodes: [NodePlan(unit: unit(1), spans: spans)])
        return Rig(settings) { _, request, _ in
            guard case .read(_, let address, let count) = request else { return .silent }
            let asked = Int(address)..<Int(address) + Int(count)
            return asked.contains(forbidden) ? .refuse(.illegalDataAddress, .zero) : .answer(.zero)
        }
    }

    @Test func aRefusedRangeIsRememberedOverARestartForItsDay() throws {
        let map = spans([(0, 1), (1, 1), (5, 1), (6, 1)])
        var first = Self.rig(map, forbidden: 3)
        first.open()
        first.run(for: .seconds(120))
        #expect(first.driver.statistics.exceptions == 1)
        let document = try #require(first.learned.last)
        #expect(RefusedRanges(document).document == document)

        var second = Self.rig(map, forbidden: 3)
        second.driver.restore(document, at: first.now)
        second.now = first.now
        second.open()
        second.run(for: .seconds(23 * 3600))
        #expect(second.driver.statistics.exceptions == 0)
        second.run(for: .seconds(2 * 3600))
        #expect(second.driver.statistics.exceptions == 1 && second.learned.count == 1)

        // Another day, or another map: it is forgotten.
        var third = Self.rig(map, forbidden: 3)
        third.now = first.now + .seconds(25 * 3600)
        third.driver.restore(document, at: third.now)
        third.open()
        third.run(for: .seconds(120))
        #expect(third.driver.statistics.exceptions == 1)
        var fourth = Self.rig(map + spans([(2, 1)]), forbidden: 3)
        fourth.driver.restore(document, at: first.now)
        fourth.now = first.now
        fourth.open()
        fourth.run(for: .seconds(120))
        #expect(fourth.driver.statistics.exceptions == 1)
    }

    @Test func aDocumentFromAnywhereCannotHurt() {
        var random = RandomSource(seed: 3)
        let good = Array(
            """
            {"refused":[{"unit":1,"plan":"0","table":"holding","address":-9223372036854775808,"count":9223372036854775807,
            "until":9223372036854775807},{"unit":0},{"unit":300,"plan":1},7]}
            """.utf8)
        for round in 0..<500 {
            var bytes = good
            if round > 0 {
                for _ in 0..<3 {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                        truncatingIfNeeded: random.next())
                }
            }
            var rig = Self.rig(spans([(0, 1), (5, 1)]), forbidden: 99)
            rig.driver.restore(bytes, at: rig.now)
            rig.open()
            rig.run(for: .seconds(61))
            #expect(
                rig.readings.count >= 1
                    && rig.readings.allSatisfy { (try? $0.reading.parts[0].result.get()) != nil })
        }
        #expect(RefusedRanges(good).entries.count == 1)
        var many = RefusedRanges()
        for address in 0..<5000 {
            many.append(
                .init(
                    unit: unit(1), plan: 1, table: .holding, address: address, count: 1,
                    until: WallTime(milliseconds: 0)))
        }
        #expect(many.entries.count == RefusedRanges.limit)
    }
}
