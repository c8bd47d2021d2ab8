import Base
import Drivers
import Modbus
import Testing

@Suite struct OrderTests {
    func rig(
        _ nodes: [NodePlan],
        _ script: @escaping (UInt8, Request, Int) -> Behaviour = { _, _, _ in .answer(.zero) }
    ) -> Rig {
        var rig = Rig(
            .init(
                port: PortName("bus"), line: line(19_200), responseTimeout: .milliseconds(300), nodes: nodes),
            script: script)
        rig.open()
        return rig
    }

    func order(
        _ id: UInt64, _ number: Int, _ data: Order.Data, table: Table = .holding, at start: Int = 0x20,
        readBack: Bool = true, expires: Instant = .distantFuture
    ) -> Order {
        Order(
            id: id, address: Address(port: PortName("bus"), unit: unit(number)), table: table, start: start,
            data: data, readBack: readBack, expires: expires)
    }

    @Test(arguments: [
        (Table.holding, Order.Data.registers([42]), [6, 3] as [UInt8]),
        (.holding, .registers([1, 2]), [16, 3]),
        (.coil, .bits([true]), [5, 1]),
        (.coil, .bits([true, false]), [15, 1]),
    ]) func aWriteUsesTheFunctionForItsSizeAndIsReadBack(
        _ table: Table, _ data: Order.Data, _ functions: [UInt8]
    ) throws {
        var rig = rig([node(1, every: .seconds(10))])
        rig.run(for: .seconds(1))
        let before = rig.sent.count
        rig.submit(order(7, 1, data, table: table))
        rig.run(for: .seconds(1))
        #expect(rig.sent.dropFirst(before).map { $0.pdu[0] } == functions)
        let outcome = try #require(rig.outcomes.first)
        #expect(outcome.id == 7 && rig.outcomes.count == 1)
        let part = try #require(try outcome.result.get())
        #expect(part.table == table && part.address == 0x20 && part.count == data.count)
        if case .registers(let values) = data {
            var bytes: [UInt8] = []
            for value in values { bytes.appendBig(value) }
            #expect(try part.result.get() == bytes)
        }
    }

    @Test func withoutReadBackTheAcknowledgementIsTheOutcome() throws {
        var rig = rig([node(1)])
        rig.submit(order(1, 1, .registers([5]), readBack: false))
        rig.run(for: .milliseconds(200))
        #expect(try rig.outcomes[0].result.get() == nil)
        #expect(rig.value(1, 0x20) == 5)
    }

    @Test func aCommandIsTheNextOnTheWireUnderFullLoad() {
        var rig = rig((1...8).map { node($0, every: .milliseconds(10)) })
        for round in 0..<20 {
            rig.run(for: .milliseconds(137))
            let before = rig.sent.count
            rig.submit(order(UInt64(round), 3, .registers([UInt16(round)])))
            rig.run(for: .milliseconds(60))
            // The exchange under way ends, then comes the write: index `before`, nothing earlier.
            #expect(rig.sent[before].pdu[0] == 6 && rig.sent[before].unit == 3)
            #expect(rig.sent[before + 1].pdu[0] == 3 && rig.sent[before + 1].pdu[2] == 0x20)
        }
        #expect(rig.outcomes.count == 20 && rig.early == 0)
    }

    @Test func aRefusedWriteReportsTheException() {
        var rig = rig([node(1, every: .seconds(10))]) { _, request, _ in
            request.function == .writeSingleRegister ? .refuse(.illegalDataValue, .zero) : .answer(.zero)
        }
        rig.submit(order(1, 1, .registers([5])))
        rig.run(for: .seconds(1))
        #expect(rig.outcomes.map(\.result) == [.failure(.read(.exception(3)))])
    }

    @Test func aFailedReadBackIsNotAFailedWrite() throws {
        var rig = rig([node(1, every: .seconds(100))]) { _, request, _ in
            guard case .read(_, 0x20, _) = request else { return .answer(.zero) }
            return .refuse(.illegalDataAddress, .zero)
        }
        rig.submit(order(1, 1, .registers([5])))
        rig.run(for: .seconds(1))
        let part = try #require(try rig.outcomes[0].result.get())
        #expect(part.result == .failure(.exception(2)))
    }

    @Test func aSilentWriteIsRepeatedOnceAndADamagedOneAsReadsAre() {
        for (isSilent, attempts) in [(true, 2), (false, 3)] {
            var rig = rig([node(1, every: .seconds(100))]) { _, request, _ in
                guard request.function == .writeSingleRegister else { return .answer(.zero) }
                return isSilent ? .silent : .flip(20, .zero)
            }
            rig.run(for: .seconds(1))
            rig.submit(order(1, 1, .registers([5])))
            rig.run(for: .seconds(5))
            #expect(rig.sent.filter { $0.pdu[0] == 6 }.count == attempts)
            #expect(rig.outcomes.map(\.result) == [.failure(.read(isSilent ? .timeout : .checksum))])
        }
    }

    @Test func whatCannotBeDoneIsRefusedAtOnce() {
        var rig = rig([node(1)])
        rig.run(for: .seconds(1))
        rig.submit(order(1, 9, .registers([1])))
        rig.submit(order(2, 1, .registers([1]), expires: rig.now.instant))
        rig.submit(order(3, 1, .registers([1]), table: .input))
        rig.submit(order(4, 1, .registers([1, 2]), at: 65_535))
        rig.submit(order(5, 1, .registers(Array(repeating: 0, count: 124))))
        rig.submit(order(6, 1, .bits([])))
        rig.submit(order(7, 1, .registers([1]), at: .max))
        #expect(rig.outcomes.map(\.id) == [1, 2, 3, 4, 5, 6, 7])
        #expect(
            rig.outcomes.map(\.result) == [.failure(.unknownUnit), .failure(.expired)]
                + Array(repeating: .failure(.read(.range)), count: 5))
    }

    @Test func anOrderThatCouldNotBeginInTimeExpires() {
        var rig = rig([node(1, every: .seconds(100))]) { _, request, _ in
            request.function == .writeSingleRegister ? .silent : .answer(.zero)
        }
        rig.run(for: .seconds(1))
        rig.submit(order(1, 1, .registers([1])))
        rig.submit(order(2, 1, .registers([2]), expires: rig.now.instant + .milliseconds(200)))
        rig.run(for: .seconds(5))
        #expect(rig.outcomes.map(\.id).sorted() == [1, 2])
        #expect(rig.outcomes.first { $0.id == 2 }?.result == .failure(.expired))
    }

    @Test func aFloodIsBoundedAndOrdersOfOneUnitKeepTheirOrder() {
        var rig = rig([node(1, every: .seconds(100)), node(2, every: .seconds(100))])
        rig.run(for: .seconds(11))
        for id in 0..<100 as Range<UInt64> {
            rig.submit(order(id, Int(id % 2) + 1, .registers([UInt16(id)]), readBack: false))
        }
        rig.run(for: .seconds(10))
        #expect(rig.outcomes.count == 100)
        #expect(rig.outcomes.filter { $0.result == .failure(.busy) }.count == 100 - ModbusDriver.orderLimit)
        for number in 1...2 as ClosedRange<UInt8> {
            let values = rig.sent.filter { $0.unit == number && $0.pdu[0] == 6 }.map { $0.pdu[4] }
            #expect(values == values.sorted() && values.count == 32)
        }
    }

    @Test func writesToADeadUnitCannotStopTheLiving() {
        var rig = rig((1...4).map { node($0) }) { unit, _, _ in unit == 4 ? .silent : .answer(.zero) }
        rig.run(for: .seconds(10))
        let before = rig.readings.count
        for id in 0..<200 as Range<UInt64> {
            rig.submit(order(id, 4, .registers([1])))
            rig.run(for: .milliseconds(100))
        }
        #expect(rig.outcomes.count >= 199)
        let expected: [Result<ReadPart?, Outcome.Failure>] = [
            .failure(.read(.offline)), .failure(.read(.timeout)),
        ]
        #expect(rig.outcomes.allSatisfy { expected.contains($0.result) })
        #expect(rig.readings.count - before >= 59)
    }

    @Test func aLostLineAnswersEveryOrder() {
        var rig = rig([node(1)])
        rig.submit(order(1, 1, .registers([1])))
        rig.submit(order(2, 1, .registers([2])))
        rig.close()
        rig.submit(order(3, 1, .registers([3])))
        #expect(rig.outcomes.map(\.id) == [1, 2, 3])
        #expect(rig.outcomes.allSatisfy { $0.result == .failure(.read(.port)) })
    }
}
