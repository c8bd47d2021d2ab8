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
                port: PortName("bus"), line: line(19_200), responseTimeout: .milliseconds(300),
                nodes: nodes),
            script: script)
        rig.open()
        return rig
    }

    func order(
        _ id: UInt64, _ number: Int, _ data: Order.Data, table: Table = .holding,
        at start: Int = 0x20,
        function: UInt8? = nil, readBack: Bool = true, isManual: Bool = false,
        expires: Instant = .distantFuture
    ) -> Order {
        Order(
            id: id, address: Address(port: PortName("bus"), unit: unit(number)), table: table,
            start: start,
            data: data, function: function, readBack: readBack, isManual: isManual, expires: expires
        )
    }

    /// The function codes of what one order put on the wire.
    func functions(_ rig: inout Rig, _ order: Order) -> [UInt8] {
        rig.run(for: .seconds(1))
        let before = rig.sent.count
        rig.submit(order)
        rig.run(for: .seconds(2))
        return rig.sent.dropFirst(before).map { $0.pdu[0] }
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
            request.function == .writeSingleRegister
                ? .refuse(.illegalDataValue, .zero) : .answer(.zero)
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
            #expect(
                rig.outcomes.map(\.result) == [.failure(.read(isSilent ? .timeout : .checksum))])
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
        #expect(
            rig.outcomes.filter { $0.result == .failure(.busy) }.count == 100
                - ModbusDriver.orderLimit)
        for number in 1...2 as ClosedRange<UInt8> {
            let values = rig.sent.filter { $0.unit == number && $0.pdu[0] == 6 }.map { $0.pdu[4] }
            #expect(values == values.sorted() && values.count == 32)
        }
    }

    @Test func writesToADeadUnitCannotStopTheLiving() {
        var rig = rig((1...4).map { node($0) }) { unit, _, _ in unit == 4 ? .silent : .answer(.zero)
        }
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

    // MARK: parts of registers, other functions

    @Test func someBitsOfARegisterGoByFunction22AndTheOthersStay() throws {
        var rig = rig([node(1, every: .seconds(100))])
        rig.holding[1] = [0x20: 0xF00F]
        let mask = Order.Data.masked(mask: [0x00F0], value: [0x0050])
        #expect(functions(&rig, order(1, 1, mask)) == [22, 3])
        #expect(rig.value(1, 0x20) == 0xF05F)
        #expect(try rig.outcomes[0].result.get()?.result.get() == [0xF0, 0x5F])
    }

    /// A unit that does not know function 22 is read, changed and written; it may also be told to.
    @Test(arguments: [nil, 6, 16] as [UInt8?])
    func whereThereIsNoFunction22TheRegisterIsReadAndWritten(
        _ function: UInt8?
    ) throws {
        var rig = rig([node(1, every: .seconds(100))]) { _, request, _ in
            request.function == .maskWriteRegister
                ? .refuse(.illegalFunction, .zero) : .answer(.zero)
        }
        rig.holding[1] = [0x20: 0xF00F]
        let mask = Order.Data.masked(mask: [0x00F0], value: [0x0050])
        let write: UInt8 = function == 16 ? 16 : 6
        let expected: [UInt8] = function == nil ? [22, 3, write, 3] : [3, write, 3]
        #expect(functions(&rig, order(1, 1, mask, function: function)) == expected)
        #expect(rig.value(1, 0x20) == 0xF05F)
    }

    @Test func only22MeansOnly22AndTwoRegistersAreReadFirst() {
        var strict = rig([node(1, every: .seconds(100))]) { _, request, _ in
            request.function == .maskWriteRegister
                ? .refuse(.illegalFunction, .zero) : .answer(.zero)
        }
        let one = Order.Data.masked(mask: [1], value: [1])
        #expect(functions(&strict, order(1, 1, one, function: 22)) == [22])
        #expect(strict.outcomes.map(\.result) == [.failure(.read(.exception(1)))])
        var rig = rig([node(1, every: .seconds(100))])
        let two = Order.Data.masked(mask: [1, 0x8000], value: [1, 0x8000])
        #expect(functions(&rig, order(1, 1, two)) == [3, 16, 3])
    }

    @Test func theFunctionsForManyMayBeForced() {
        var rig = rig([node(1, every: .seconds(100))])
        #expect(
            functions(&rig, order(1, 1, .registers([5]), function: 16, readBack: false)) == [16])
        #expect(
            functions(&rig, order(2, 1, .bits([true]), table: .coil, function: 15, readBack: false))
                == [15])
    }

    /// A pulse twice is not a pulse: what is not read back is sent once, whatever becomes of its
    /// answer.
    @Test func whatIsNotReadBackIsNeverRepeated() {
        for isSilent in [true, false] {
            var rig = rig([node(1, every: .seconds(100))]) { _, request, _ in
                guard request.function == .writeSingleCoil else { return .answer(.zero) }
                return isSilent ? .silent : .flip(20, .zero)
            }
            #expect(
                functions(&rig, order(1, 1, .bits([true]), table: .coil, readBack: false)) == [5])
            #expect(
                rig.outcomes.map(\.result) == [.failure(.read(isSilent ? .timeout : .checksum))])
        }
    }

    @Test func aCustomFunctionBringsBackItsReplysData() throws {
        var rig = rig([node(1, every: .seconds(100))])
        // What this unit answers is what it was told, turned round.
        rig.submit(order(1, 1, .custom(function: 66, [7, 0, 2]), readBack: false))
        rig.submit(order(2, 1, .custom(function: 0x80, []), readBack: false))
        rig.run(for: .seconds(2))
        #expect(rig.sent.contains { $0.pdu == [66, 7, 0, 2] })
        let results = Dictionary(uniqueKeysWithValues: rig.outcomes.map { ($0.id, $0.result) })
        #expect(results[2] == .failure(.read(.range)))
        #expect(try #require(results[1]).get()?.result.get() == [2, 0, 7])
    }

    // MARK: people

    @Test func aPersonMayReadAUnitThatTheConfigurationDoesNotKnow() throws {
        var rig = rig([node(1, every: .seconds(1))])
        rig.run(for: .seconds(2))
        rig.submit(order(1, 9, .nothing(count: 3), table: .input, at: 5, isManual: true))
        rig.run(for: .seconds(1))
        let part = try #require(try rig.outcomes.first?.result.get())
        #expect(part.table == .input && part.address == 5 && part.count == 3)
        #expect(try part.result.get() == [0, 44, 0, 51, 0, 58])
        let before = rig.readings.count
        rig.run(for: .seconds(5))
        #expect(rig.readings(of: 9).isEmpty && rig.readings.count - before == 5)
    }

    @Test func aReadThatFailsIsAFailureNotAReadBack() {
        var rig = rig([node(1)]) { _, request, _ in
            guard case .read(_, 0x70, _) = request else { return .answer(.zero) }
            return .refuse(.illegalDataAddress, .zero)
        }
        rig.submit(order(1, 1, .nothing(count: 1), at: 0x70, isManual: true))
        rig.run(for: .seconds(1))
        #expect(rig.outcomes.map(\.result) == [.failure(.read(.exception(2)))])
    }

    @Test func aLentLineIsSilentAndNothingIsSaidAboutItsUnits() {
        var rig = rig([node(1), node(2)])
        rig.run(for: .milliseconds(2100))
        let (readings, states, sent) = (rig.readings.count, rig.states.count, rig.sent.count)
        rig.pause()
        rig.submit(order(1, 1, .registers([1])))
        rig.run(for: .seconds(60))
        #expect(rig.outcomes.map(\.result) == [.failure(.paused)])
        #expect(
            rig.readings.count == readings && rig.states.count == states && rig.sent.count == sent)
        rig.open()
        rig.run(for: .seconds(3))
        #expect(rig.readings.count > readings)
        #expect(rig.states.dropFirst(states).map(\.1) == [.online, .online])
    }

    // MARK: setup

    func withSetup(_ data: [Order.Data]) -> NodePlan {
        var plan = node(1)
        plan.setup = data.enumerated().map {
            order(UInt64($0), 1, $1, at: 0x30 + $0, readBack: false)
        }
        return plan
    }

    /// At the first answer and after each absence, before the next poll.
    @Test func aUnitThatComesIsSetUpBeforeItIsPolledOn() {
        var rig = rig([withSetup([.registers([7]), .masked(mask: [1], value: [1])]), node(2)])
        func afterFirstPoll(_ from: Int) -> [UInt8] {
            let own = rig.sent.dropFirst(from).filter { $0.unit == 1 }
            return own.prefix(4).map { $0.pdu[0] }
        }
        rig.run(for: .seconds(3))
        #expect(afterFirstPoll(0) == [3, 6, 22, 3])
        #expect(rig.sent[1].pdu[0] == 6, "nothing comes between the first answer and the setup")
        #expect(rig.setups.map(\.step) == [0, 1] && rig.outcomes.isEmpty)
        rig.script = { unit, _, _ in unit == 1 ? .silent : .answer(.zero) }
        rig.run(for: .seconds(30))
        #expect(rig.setups.count == 2)
        let before = rig.sent.count
        rig.script = { _, _, _ in .answer(.zero) }
        rig.run(for: .seconds(70))
        #expect(afterFirstPoll(before) == [3, 6, 22, 3])
        #expect(rig.setups.map(\.step) == [0, 1, 0, 1])
    }

    @Test func aSetupThatFailsMakesTheUnitDegradedAndStopsNothing() {
        var rig = rig([withSetup([.registers([7]), .registers([8])])]) { _, request, _ in
            guard case .writeRegister(0x30, _) = request else { return .answer(.zero) }
            return .refuse(.illegalDataValue, .zero)
        }
        rig.run(for: .seconds(5))
        #expect(
            rig.setups.map(\.outcome.result) == [.failure(.read(.exception(3))), .success(nil)])
        #expect(rig.states.map(\.1) == [.online, .degraded])
        #expect(rig.readings.count >= 4)
    }
}
