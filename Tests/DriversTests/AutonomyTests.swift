import Base
import Drivers
import Modbus
import Testing

/// Autonomy of a line changes how often its driver is called, and nothing that is read.
@Suite struct AutonomyTests {
    /// A reading without the order and the times in which its parts came.
    private struct Told: Hashable {
        let address: Address
        let interval: Duration
        let parts: [String]
        let isPartial: Bool

        init(_ reading: Reading) {
            (address, interval) = (reading.address, reading.interval)
            parts = reading.parts.map {
                "\($0.table.rawValue) \($0.address) \($0.count) \($0.result)"
            }
            .sorted()
            isPartial = reading.isPartial
        }
    }

    /// A random line: one to six units with up to five reads.
    private struct RandomLine {
        let seed: UInt64
        /// Each run has its end before the next is released, so that no decision depends on some
        /// microseconds. Otherwise there is too little time, and two intervals.
        let isCalm: Bool
        let settings: ModbusDriver.Settings
        private let pause: Duration
        /// Some units are silent, refuse everything, or answer with damage.
        var isTroubled: Bool { isCalm && seed % 4 == 2 }

        init(_ seed: UInt64) {
            self.seed = seed
            isCalm = seed % 2 == 0
            var random = RandomSource(seed: seed)
            func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
            let baud = [19_200, 38_400, 57_600, 115_200][below(4)]
            pause = .microseconds(Int64(500 + below(2500)))
            let count = 1 + below(6)
            // Five requests and replies of 29 characters, with pauses.
            let run = 5 * (29 * 11_000 / baud + 7)
            let interval = Duration.milliseconds(
                Int64(isCalm ? count * run * (15 + below(15)) / 10 : 1 + run * count / 4))
            let intervals = isCalm ? [interval] : [interval, interval * 2]
            settings = ModbusDriver.Settings(
                port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(50),
                retries: 1,
                nodes: (1...count).map { number in
                    NodePlan(
                        unit: unit(number),
                        spans: (0..<(1 + below(5))).map {
                            Span(
                                [.holding, .input, .coil][below(3)], $0 * 500 + below(100),
                                1 + below(8), every: intervals[below(intervals.count)])
                        })
                })
        }

        func run(_ autonomy: LineAutonomy) -> Rig {
            let (isTroubled, pause, seed) = (isTroubled, pause, seed)
            var rig = Rig(settings, seed: seed) { unit, _, count in
                guard isTroubled else { return .answer(pause) }
                // The same unit at each request, however many there are.
                return switch (Int(unit) + Int(seed) / 4) % 5 {
                case 0: .silent
                case 1: .refuse(.serverDeviceFailure, pause)
                case 2: .flip(count % 40, pause)
                default: .answer(pause)
                }
            }
            rig.driver.autonomy = autonomy
            rig.open()
            rig.run(for: .seconds(3))
            return rig
        }
    }

    /// On 200 lines the same readings come in the same order, whether the line goes on by itself
    /// or not. On a line with too little time or with failures, which of two cycles goes first may
    /// depend on some microseconds; there the readings of each cycle are the same.
    @Test(arguments: 0..<20)
    func theSameReadingsInTheSameOrder(_ group: UInt64) {
        var exchanges = 0
        for seed in (group * 10)..<(group * 10 + 10) {
            let line = RandomLine(seed)
            let byItself = line.run(LineAutonomy(schedules: true))
            let asked = line.run(.none)
            exchanges += byItself.bursts.exchanges
            #expect(asked.bursts.exchanges == 0 && asked.schedules == 0)
            let (with, without) = (
                byItself.readings.map { Told($0.reading) }, asked.readings.map { Told($0.reading) }
            )
            // The end of the test may fall into a burst, which is told of at its end.
            #expect(abs(with.count - without.count) <= 16, "seed \(seed)")
            #expect(with.count > 5 || line.isTroubled, "seed \(seed)")
            if line.isCalm, !line.isTroubled {
                expectSame(with, without, "seed \(seed)")
            } else {
                for unit in line.settings.nodes {
                    for interval in Set(unit.spans.map(\.interval)) {
                        func isOf(_ told: Told) -> Bool {
                            told.address.unit == unit.unit && told.interval == interval
                        }
                        expectSame(
                            with.filter(isOf), without.filter(isOf), "seed \(seed) \(unit.unit)")
                    }
                }
            }
        }
        #expect(exchanges > 0)
    }

    private func expectSame(_ with: [Told], _ without: [Told], _ place: String) {
        let count = min(with.count, without.count)
        let differs = (0..<count).first { with[$0] != without[$0] }
        guard let differs else { return }
        Issue.record("\(place): reading \(differs): \(with[differs]), not \(without[differs])")
    }
}
