import Base
import Drivers
import Modbus
import Testing

@Suite struct PollingTests {
    func settings(
        _ nodes: [NodePlan], baud: Int = 19_200, parity: LineSettings.Parity = .even,
        timeout: Duration = .milliseconds(300)
    ) -> ModbusDriver.Settings {
        .init(
            port: PortName("bus"), line: line(baud, parity), responseTimeout: timeout, nodes: nodes)
    }

    @Test func everyCycleIsReadOnceAnIntervalWithTheValuesOfItsUnit() throws {
        var rig = Rig(settings((1...8).map { node($0) })) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(60))
        #expect(rig.early == 0)
        for number in 1...8 {
            let readings = rig.readings(of: number)
            #expect((59...60).contains(readings.count))
            for reading in readings {
                let part = try #require(reading.parts.first)
                let data = try part.result.get()
                #expect(part.count == 10 && data.count == 20)
                #expect(UInt16(data[2]) << 8 | UInt16(data[3]) == rig.value(UInt8(number), 1))
                #expect(reading.interval == .seconds(1))
            }
        }
        let counted = rig.driver.statistics
        #expect(counted.requests == rig.sent.count && counted.replies >= rig.sent.count - 1)
        #expect(counted.timeouts == 0 && counted.skipped == 0)
        #expect(rig.states.count == 8 && rig.states.allSatisfy { $0.1 == .online })
    }

    @Test func phasesAreSpreadAndALongIntervalIsFirstReadSoon() {
        let nodes = (1...4).map { node($0, every: .seconds(1)) } + [node(9, every: .seconds(3600))]
        var rig = Rig(settings(nodes)) { _, _, _ in .answer(.zero) }
        rig.open()
        rig.run(for: .seconds(10))
        let first = (1...4).map { number in
            rig.sent.first { $0.unit == UInt8(number) }!.at.nanoseconds
        }
        for (earlier, later) in zip(first, first.dropFirst()) {
            #expect(later - earlier > 200_000_000)
        }
        #expect(rig.readings(of: 9).count == 1)
    }

    @Test(arguments: [(9600, LineSettings.Parity.even), (19_200, .even), (115_200, .none)])
    func backToBackPollingUsesTheLine(_ baud: Int, _ parity: LineSettings.Parity) {
        let nodes = (1...8).map { node($0, every: .milliseconds(10)) }
        var rig = Rig(settings(nodes, baud: baud, parity: parity)) { _, _, _ in
            .answer(.microseconds(500))
        }
        rig.open()
        rig.run(for: .seconds(2))
        let (before, start) = (rig.readings.count, rig.wireTime)
        rig.run(for: .seconds(20))
        #expect(rig.early == 0)
        let use = (rig.wireTime - start).secondsValue / 20
        #expect(use >= 0.97 && use < 1.01, "\(use)")
        let later = rig.readings.dropFirst(before)
        let counts = (1...8).map { number in later.count { $0.reading.address.unit == unit(number) }
        }
        #expect(counts.max()! - counts.min()! <= 1, "\(counts)")
    }

    @Test func anOverloadedLineStretchesEveryIntervalAlikeAndSaysSoOnce() {
        let nodes = [
            node(1, every: .milliseconds(20)), node(2, every: .milliseconds(40)),
            node(3, every: .seconds(1)),
        ]
        var rig = Rig(settings(nodes)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(30))
        let load = rig.driver.plan.load
        #expect(load > 1.5)
        let counts = (1...3).map { Double(rig.readings(of: $0).count) }
        #expect(abs(counts[0] - 30 / 0.02 / load) < counts[0] * 0.1, "\(counts) \(load)")
        #expect(abs(counts[2] - 30 / load) < 3)
        #expect(rig.notices.filter { $0.message.contains("stretched") }.count == 1)
    }

    @Test func theNextRequestLeavesExactlyAfterTheSilence() {
        let nodes = (1...8).map { node($0, every: .milliseconds(10)) }
        var rig = Rig(settings(nodes), canSchedule: false) { _, _, _ in .answer(.zero) }
        rig.open()
        rig.run(untilWaitingFor: .reply)
        rig.run(untilWaitingFor: .rest)
        rig.run(untilWaitingFor: .silence)
        #expect(rig.driver.deadline?.due == rig.now.instant + rig.timing.silence)
    }

    @Test func aSlowerCycleTakesWhatAFasterOneReads() throws {
        let spans = [
            Span(.holding, 0, 4, every: .seconds(1)), Span(.holding, 1, 2, every: .seconds(5)),
            Span(.holding, 50, 1, every: .seconds(5)), Span(.holding, 2, 1, every: .seconds(7)),
        ]
        var rig = Rig(settings([NodePlan(unit: unit(1), spans: spans)])) { _, _, _ in .answer(.zero)
        }
        rig.open()
        rig.run(for: .seconds(36))
        let slow = rig.readings(of: 1).filter { $0.interval == .seconds(5) }
        #expect((6...8).contains(slow.count))
        for reading in slow { #expect(reading.parts.map(\.address).sorted() == [0, 50]) }
        let slowest = rig.readings(of: 1).filter { $0.interval == .seconds(7) }
        #expect((4...6).contains(slowest.count))
        for reading in slowest { #expect(reading.parts.map(\.address) == [0]) }
        #expect(rig.sent.count { $0.pdu[0] == 3 } <= 37 + 8)
    }

    @Test func bitsAndRegistersOfOneCycleArriveInOneReading() {
        let spans = Table.allCases.filter { $0 != .frame }.map {
            Span($0, 3, 2, every: .seconds(1))
        }
        var rig = Rig(settings([NodePlan(unit: unit(1), spans: spans)])) { _, _, _ in .answer(.zero)
        }
        rig.open()
        rig.run(for: .seconds(3))
        let reading = rig.readings(of: 1)[0]
        #expect(Set(reading.parts.map(\.table)) == [.coil, .discrete, .input, .holding])
        #expect(reading.parts.allSatisfy { (try? $0.result.get()) != nil })
    }

    @Test func aRangeWithAHoleThatDoesNotExistIsReadInPiecesAndRemembered() {
        let spans = [0, 1, 5, 6].map { Span(.holding, $0, 1, every: .seconds(60)) }
        var rig = Rig(settings([NodePlan(unit: unit(1), spans: spans)])) { _, request, _ in
            guard case .read(_, let address, let count) = request else { return .silent }
            let asked = Int(address)..<Int(address) + Int(count)
            return asked.contains(3) ? .refuse(.illegalDataAddress, .zero) : .answer(.zero)
        }
        rig.open()
        rig.run(for: .seconds(600))
        #expect(rig.readings(of: 1).allSatisfy { $0.parts.map(\.address) == [0, 5] })
        #expect(rig.readings(of: 1).count >= 9)
        #expect(rig.driver.statistics.exceptions == 1)
        rig.run(for: .seconds(24 * 3600))
        #expect(rig.driver.statistics.exceptions == 2)
    }

    @Test func aSingleBadPointFailsAloneAndCostsFewRequests() {
        let spans = (0..<32).map { Span(.holding, $0, 1, every: .seconds(1)) }
        var rig = Rig(settings([NodePlan(unit: unit(1), spans: spans)])) { _, request, _ in
            guard case .read(_, let address, let count) = request else { return .silent }
            let asked = Int(address)..<Int(address) + Int(count)
            return asked.contains(21) ? .refuse(.illegalDataAddress, .zero) : .answer(.zero)
        }
        rig.open()
        rig.run(for: .seconds(5))
        for reading in rig.readings(of: 1) {
            #expect(reading.parts.map(\.address) == [0, 16, 20, 21, 22, 24])
            #expect(reading.parts.reduce(0) { $0 + $1.count } == 32)
            #expect(reading.parts[3].result == .failure(.exception(2)))
            #expect(reading.parts.filter { (try? $0.result.get()) != nil }.count == 5)
        }
        #expect(rig.states.map(\.1) == [.online])
    }

    @Test func slowerPointsInARefusedRangeAreStillFound() {
        let spans = [
            Span(.holding, 0, 2, every: .seconds(1)), Span(.holding, 8, 2, every: .seconds(1)),
            Span(.holding, 4, 1, every: .seconds(5)), Span(.coil, 0, 10, every: .seconds(1)),
        ]
        var rig = Rig(settings([NodePlan(unit: unit(1), spans: spans)])) { _, request, _ in
            guard case .read(let function, let address, let count) = request else { return .silent }
            let asked = Int(address)..<Int(address) + Int(count)
            let isRefused = !function.readsBits && asked.contains(6)
            return isRefused ? .refuse(.illegalDataAddress, .zero) : .answer(.zero)
        }
        rig.open()
        rig.run(for: .seconds(30))
        let slow = rig.readings(of: 1).filter { $0.interval == .seconds(5) }
        #expect(slow.count >= 5)
        for reading in slow {
            #expect(reading.parts.contains { $0.address <= 4 && 4 < $0.address + $0.count })
            #expect(reading.parts.allSatisfy { (try? $0.result.get()) != nil })
        }
    }

    @Test func aClosedLineFailsEveryCycleOnceAndThenIsSilent() {
        var rig = Rig(settings((1...2).map { node($0) })) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .milliseconds(5))  // in the middle of an exchange
        rig.close()
        rig.run(for: .seconds(10))
        #expect(rig.readings.count == 2)
        #expect(rig.readings.allSatisfy { $0.reading.parts[0].result == .failure(.port) })
        #expect(rig.states.filter { $0.1 == .offline }.count == 2)
        #expect(rig.driver.deadline == nil)
        rig.open()
        rig.run(for: .seconds(5))
        #expect(rig.readings.count >= 10)
        #expect(rig.states.suffix(2).allSatisfy { $0.1 == .online })
    }

    @Test func aPortThatNeverOpensSaysSoOnce() {
        var rig = Rig(settings((1...2).map { node($0) })) { _, _, _ in .silent }
        #expect(rig.driver.deadline == nil)
        rig.close()
        rig.run(for: .seconds(5))
        rig.close()
        rig.run(for: .seconds(5))
        #expect(rig.readings.count == 2 && rig.states.count == 2)
        #expect(rig.sent.isEmpty)
    }

    @Test func aSuspendedMachineSkipsWhatItMissed() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .answer(.zero) }
        rig.open()
        rig.run(for: .milliseconds(5500))
        rig.now = rig.now + .seconds(3600)
        let before = rig.readings.count
        rig.run(for: .seconds(2))
        #expect(rig.readings.count - before <= 3)
        #expect(rig.driver.statistics.skipped >= 3590)
    }
}
