import Base
import Drivers
import Modbus
import Testing

@Suite struct PlannerTests {
    func plan(
        _ spans: [Span], baud: Int = 9600, turnaround: Duration = .milliseconds(5)
    ) -> ReadPlan {
        ReadPlan.make(
            line: line(baud), turnaround: turnaround, nodes: [NodePlan(unit: unit(1), spans: spans)]
        )
    }

    func holding(_ places: [(Int, Int)], every interval: Duration = .seconds(10)) -> [Span] {
        places.map { Span(.holding, $0.0, $0.1, every: interval) }
    }

    @Test func neighboursAreReadTogetherAndHolesWhenTheyAreCheaper() {
        // 8 + 5 characters, 3.5 of silence and 5 ms are worth 20.9 characters: ten registers.
        #expect(plan(holding([(0, 2), (2, 2), (14, 1)])).reads.map(\.count) == [15])
        #expect(plan(holding([(0, 2), (2, 2), (15, 1)])).reads.map(\.count) == [4, 1])
        // On a fast line a turnaround buys more registers.
        #expect(plan(holding([(0, 1), (40, 1)]), baud: 115_200).reads.count == 1)
    }

    @Test func aValueIsNeverSplitAndTheProtocolsLimitsHold() {
        let reads = plan(holding((0..<100).map { ($0 * 4, 4) })).reads
        #expect(reads.allSatisfy { $0.count <= 125 && $0.count % 4 == 0 })
        #expect(reads.count == 4)
        let bits = plan((0..<300).map { Span(.coil, $0 * 10, 10, every: .seconds(10)) }).reads
        #expect(bits.map(\.count).max()! <= 2000 && bits.count == 2)
    }

    @Test func aNodeMayLimitOrForbidMerging() {
        var one = NodePlan(unit: unit(1), spans: holding((0..<20).map { ($0, 1) }), maxRegisters: 8)
        func reads() -> [PlannedRead] {
            ReadPlan.make(line: line(9600), turnaround: .milliseconds(5), nodes: [one]).reads
        }
        #expect(reads().count == 3 && reads().allSatisfy { $0.count <= 8 })
        one.noMerge = true
        #expect(reads().count == 20)
        one = NodePlan(unit: unit(1), spans: holding([(0, 20)]), maxRegisters: 8)
        #expect(reads().map(\.count) == [20])
    }

    @Test func pointsThatAFasterReadCoversLeaveTheirSlowerGroup() {
        let fast = holding([(0, 4), (6, 2)], every: .seconds(1))
        let slow = holding([(4, 2), (1, 1), (200, 1)], every: .seconds(5))
        let reads = plan(fast + slow).reads
        #expect(reads.map(\.address) == [0, 200])
        #expect(reads[0].count == 8 && reads[0].interval == .seconds(1))
        #expect(reads[0].spans.count == 4)
    }

    @Test func whatNoRequestCanNameIsSaid() {
        let bad = [
            Span(.holding, 65_530, 7, every: .seconds(1)),
            Span(.holding, -1, 1, every: .seconds(1)),
            Span(.holding, 0, 126, every: .seconds(1)), Span(.frame, 0, 4, every: .seconds(1)),
            Span(.coil, 0, 0, every: .seconds(1)), Span(.input, .max, .max, every: .zero),
        ]
        let result = plan(bad + holding([(3, 1)], every: .seconds(1)))
        #expect(result.unreadable.count == bad.count)
        #expect(result.reads.count == 1)
    }

    @Test func loadAndBlockingAreWhatTheLineWillSee() {
        let result = ReadPlan.make(
            line: line(19_200), turnaround: .milliseconds(5),
            nodes: (1...8).map { node($0) })
        let timing = RTUTiming(line(19_200))
        let one = timing.time(of: 8 + 25) + timing.silence + .milliseconds(5)
        #expect(result.reads.allSatisfy { $0.wireTime == one })
        #expect(abs(result.load - 8 * one.secondsValue) < 1e-9)
        #expect(result.worstBlocking == one + .seconds(1))
    }

    @Test func oneExchangeTakesNoMoreThanHalfTheShortestInterval() {
        let spans =
            holding((0..<120).map { ($0, 1) }) + [Span(.coil, 0, 1, every: .milliseconds(200))]
        let reads = plan(spans).reads
        #expect(reads.allSatisfy { $0.wireTime <= .milliseconds(100) })
        #expect(reads.filter { $0.table == .holding }.count == 4)
    }

    // MARK: proof against brute force

    /// The least wire time over all ways to put the spans into groups, each read by one request.
    func bruteForce(_ spans: [Span], _ most: Int, _ price: (Int) -> Int64) -> Int64 {
        var best = Int64.max
        func place(_ index: Int, _ groups: [(low: Int, high: Int)]) {
            guard index < spans.count else {
                best = min(best, groups.reduce(0) { $0 + price($1.high - $1.low) })
                return
            }
            let span = spans[index]
            for group in groups.indices {
                var grown = groups
                grown[group] = (
                    min(groups[group].low, span.address), max(groups[group].high, span.end)
                )
                if grown[group].high - grown[group].low <= most { place(index + 1, grown) }
            }
            place(index + 1, groups + [(span.address, span.end)])
        }
        place(0, [])
        return best
    }

    @Test(arguments: 0..<20) func thePlanIsTheCheapestThatThereIs(_ seed: UInt64) {
        var random = RandomSource(seed: seed)
        for round in 0..<200 {
            let table: Table = random.chance(0.3) ? .coil : .holding
            let reach = table == .coil ? 900.0 : 90
            let spans = (0..<Int(random.uniform(1, 8))).map { _ in
                Span(
                    table, Int(random.uniform(0, reach)), Int(random.uniform(1, 9)),
                    every: .seconds(60))
            }
            let most = Int(random.uniform(8, table == .coil ? 900 : 90))
            let settings = line(random.chance(0.5) ? 9600 : 115_200)
            let turnaround = Duration.milliseconds(Int(random.uniform(0, 10)))
            let node = NodePlan(unit: unit(1), spans: spans, maxRegisters: most, maxBits: most)
            let plan = ReadPlan.make(line: settings, turnaround: turnaround, nodes: [node])
            let timing = RTUTiming(settings)
            let best = bruteForce(spans, most) { count in
                let data = table == .coil ? (count + 7) / 8 : 2 * count
                return (timing.time(of: 13 + data) + timing.silence + turnaround).nanoseconds
            }
            let cost = plan.reads.reduce(0) { $0 + $1.wireTime.nanoseconds }
            #expect(cost == best, "seed \(seed), round \(round): \(spans)")
            for span in spans {
                let holders = plan.reads.filter { $0.address <= span.address && span.end <= $0.end }
                #expect(!holders.isEmpty && plan.reads.contains { $0.spans.contains(span) })
            }
            #expect(plan.reads.allSatisfy { $0.count <= most })
        }
    }
}
