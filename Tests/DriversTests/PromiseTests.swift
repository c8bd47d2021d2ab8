import Base
import Drivers
import Modbus
import Testing

/// What the adapter may rely on, whatever the line does.
@Suite struct PromiseTests {
    /// Spans of two or three intervals over a small map, some beyond what a request can name.
    func spans(_ random: inout RandomSource) -> [Span] {
        let intervals: [Duration] = [.milliseconds(500), .seconds(2), .seconds(5)]
        return (0..<Int(random.uniform(1, 12))).map { _ in
            let table: Table = [.holding, .input, .coil][Int(random.next() % 3)]
            let address = random.chance(0.03) ? 65_536 : Int(random.uniform(0, 60))
            return Span(
                table, address, Int(random.uniform(1, 5)), every: intervals[Int(random.next() % 3)])
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func everyReadingHoldsEverySpanOfItsIntervalAndNoInventedValue(_ seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let nodes = (1...3).map { NodePlan(unit: unit($0), spans: spans(&random)) }
        var behaviour = random
        let forbidden = Int(random.uniform(0, 60))
        var rig = Rig(
            .init(
                port: PortName("bus"), line: line(38_400), responseTimeout: .milliseconds(200),
                nodes: nodes),
            seed: seed
        ) { unit, request, count in
            if unit == 3, count % 200 > 60 { return .silent }
            if case .read(let function, let address, let count) = request, function.readsRegisters {
                let asked = Int(address)..<Int(address) + Int(count)
                if asked.contains(forbidden) {
                    return .refuse(.illegalDataAddress, .milliseconds(2))
                }
            }
            switch behaviour.next() % 20 {
            case 0: return .silent
            case 1: return .flip(Int(behaviour.next() % 200), .milliseconds(2))
            case 2: return .refuse(.serverDeviceBusy, .milliseconds(2))
            default: return .answer(.milliseconds(Int(behaviour.next() % 10)))
            }
        }
        rig.open()
        for round in 0..<4 {
            rig.run(for: .seconds(60))
            if round == 1 { rig.close() }
            if round == 2 { rig.open() }
        }
        #expect(rig.early == 0)
        #expect(rig.readings.count > 50)
        for (_, reading) in rig.readings {
            let plan = try #require(nodes.first { $0.unit == reading.address.unit })
            for span in plan.spans where span.interval == reading.interval {
                let holders = reading.parts.filter {
                    $0.table == span.table && $0.address <= span.address
                        && span.end <= $0.address + $0.count
                }
                #expect(!holders.isEmpty, "seed \(seed): \(span) in \(reading)")
            }
            for part in reading.parts where part.table.isRegisters {
                guard let data = try? part.result.get() else { continue }
                try #require(data.count == part.count * 2)
                let isTrue = (0..<part.count).allSatisfy { index in
                    let value = UInt16(data[2 * index]) << 8 | UInt16(data[2 * index + 1])
                    return value == rig.value(reading.address.unit.value, part.address + index)
                }
                #expect(isTrue)
            }
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>) func theSameSeedGivesTheSameRun(_ seed: UInt64) {
        func run() -> [Rig.Sent] {
            let nodes = (1...4).map { node($0) }
            let settings = ModbusDriver.Settings(
                port: PortName("bus"), line: line(9600), responseTimeout: .milliseconds(200),
                nodes: nodes)
            var rig = Rig(settings, seed: seed) { unit, _, count in
                unit == 2 && count > 5 ? .silent : .answer(.milliseconds(3))
            }
            rig.open()
            rig.run(for: .seconds(60))
            return rig.sent
        }
        #expect(run() == run())
    }
}
