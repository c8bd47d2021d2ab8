import Base
import Drivers
import Modbus
import Testing

/// Units that do not keep to the standard and are served all the same.
@Suite struct MannersTests {
    private func rig(
        _ manners: UnitManners, echo: LineSettings.Echo = .learn,
        _ script: @escaping (UInt8, Request, Int) -> Behaviour
    ) -> Rig {
        var plan = node(1, every: .milliseconds(200))
        plan.manners = manners
        var settings = line(19_200)
        settings.echo = echo
        var rig = Rig(
            .init(
                port: PortName("bus"), line: settings, responseTimeout: .milliseconds(100),
                nodes: [plan, node(2)]),
            script: script)
        rig.open()
        return rig
    }

    private func order(_ data: Order.Data, readBack: Bool = true) -> Order {
        Order(
            id: 1, address: Address(port: PortName("bus"), unit: unit(1)), table: .holding,
            start: 0x20, data: data,
            readBack: readBack, expires: .distantFuture)
    }

    private static func registers(_ request: Request) -> [UInt8] {
        guard case .read(_, let address, let count) = request else { return [] }
        var data = [request.function.rawValue, UInt8(2 * count)]
        for index in 0..<count { data.appendBig((address + index) * 3) }
        return data
    }

    // MARK: answersAs

    /// A unit whose replies always begin with 0: its readings are those of any other unit.
    @Test func aUnitThatAnswersAsAnotherIDIsRead() {
        var rig = rig(UnitManners(answersAs: 0)) { number, request, _ in
            guard number == 1 else { return .answer(.milliseconds(3)) }
            guard case .read = request else {
                return .say(RTUFrame.encode(unit: 0, request.pdu), .milliseconds(3))
            }
            return .say(RTUFrame.encode(unit: 0, Self.registers(request)), .milliseconds(3))
        }
        rig.run(for: .seconds(10))
        let readings = rig.readings(of: 1)
        #expect(readings.count >= 45)
        let parts = readings.flatMap(\.parts)
        #expect(
            parts.allSatisfy { (try? $0.result.get()) != nil },
            "\(parts.filter { (try? $0.result.get()) == nil })")
        #expect((try? parts.first?.result.get())?.prefix(4) == [0, 0, 0, 3])
        #expect(rig.driver.statistics.timeouts == 0 && rig.driver.statistics.wrongUnit == 0)
        #expect(rig.readings(of: 2).count >= 8)
    }

    /// Without the key it is what it was: no answer.
    @Test func anotherIDIsNoAnswerUnlessItIsSaid() {
        var rig = rig(UnitManners()) { number, request, _ in
            guard number == 1, case .read = request else { return .answer(.milliseconds(3)) }
            return .say(RTUFrame.encode(unit: 3, Self.registers(request)), .milliseconds(3))
        }
        rig.run(for: .seconds(5))
        #expect(rig.readings(of: 1).flatMap(\.parts).allSatisfy { (try? $0.result.get()) == nil })
        #expect(rig.driver.statistics.wrongUnit > 0)
    }

    // MARK: acknowledge

    /// What comes instead of a write's acknowledgement.
    private static let acknowledgements: [(String, [UInt8]?)] = [
        ("nothing", nil), ("two bytes", [1, 6]), ("five bytes", [1, 6, 0, 0x20, 0]),
        ("another value", RTUFrame.encode(unit: 1, [6, 0, 0x20, 0, 0])),
        ("a short frame", RTUFrame.encode(unit: 1, [6, 0, 0x20])),
        ("damage", [1, 6, 0, 0x20, 0, 42, 0, 0]),
    ]

    private func outcome(_ reply: [UInt8]?, isLenient: Bool, isWritten: Bool) -> (Outcome?, [UInt8])
    {
        var value: UInt16 = 7
        var rig = rig(UnitManners(isLenient: isLenient)) { number, request, _ in
            guard number == 1 else { return .answer(.milliseconds(3)) }
            if case .writeRegister(_, let new) = request {
                if isWritten { value = new }
                return reply.map { .say($0, .milliseconds(3)) } ?? .silent
            }
            guard case .read(let function, 0x20, 1) = request else {
                return .answer(.milliseconds(3))
            }
            return .say(
                RTUFrame.encode(
                    unit: 1, [function.rawValue, 2, UInt8(value >> 8), UInt8(value & 0xFF)]),
                .milliseconds(3))
        }
        rig.run(for: .seconds(5))
        let before = rig.sent.count
        rig.submit(order(.registers([42])))
        rig.run(for: .seconds(5))
        return (
            rig.outcomes.first, rig.sent.dropFirst(before).filter { $0.unit == 1 }.map { $0.pdu[0] }
        )
    }

    @Test(arguments: acknowledgements.indices) func aReadBackProvesAWriteWhoseAcknowledgementIsOdd(
        _ index: Int
    ) throws {
        let (what, reply) = Self.acknowledgements[index]
        let (outcome, functions) = outcome(reply, isLenient: true, isWritten: true)
        let part = try #require(try outcome?.result.get(), "\(what)")
        #expect(try part.result.get() == [0, 42], "\(what)")
        #expect(functions.filter { $0 == 6 }.count == 1, "\(what): \(functions)")
    }

    @Test(arguments: acknowledgements.indices) func aStrictUnitHasToAcknowledge(_ index: Int) {
        let (what, reply) = Self.acknowledgements[index]
        let (outcome, _) = outcome(reply, isLenient: false, isWritten: true)
        #expect(throws: Outcome.Failure.self, "\(what)") { _ = try outcome?.result.get() }
    }

    /// What was not written is told by the read-back.
    @Test func aLenientUnitThatWritesNothingIsNotBelieved() throws {
        let (outcome, _) = outcome(
            RTUFrame.encode(unit: 1, [6, 0, 0x20, 0, 0]), isLenient: true, isWritten: false)
        #expect(try #require(try outcome?.result.get()).result.get() == [0, 7])
    }

    // MARK: functions that are acknowledged by their own echo

    private func custom(
        _ echo: LineSettings.Echo, hearsItself: Bool, answers: Bool, first: Bool
    ) -> Outcome? {
        var rig = rig(UnitManners(), echo: echo) { _, request, _ in
            guard case .other = request else { return .answer(.milliseconds(3)) }
            return answers ? .say(RTUFrame.encode(unit: 1, request.pdu), .milliseconds(3)) : .silent
        }
        if hearsItself { rig.echo = .faithful }
        if !first { rig.run(for: .seconds(5)) }
        rig.submit(order(.custom(function: 66, [7, 0, 2]), readBack: false))
        rig.run(for: .seconds(5))
        return rig.outcomes.first
    }

    /// Also as the first exchange of a port, where nothing is known of an echo of the line itself.
    @Test(arguments: [false, true], [false, true]) func aFunctionMayBeAcknowledgedByItsEcho(
        _ hearsItself: Bool, _ first: Bool
    ) throws {
        let outcome = custom(.learn, hearsItself: hearsItself, answers: true, first: first)
        #expect(try #require(try outcome?.result.get()).result.get() == [7, 0, 2])
    }

    /// What the transceiver hears of itself acknowledges nothing.
    @Test(arguments: [false, true]) func theEchoOfTheLineIsNoAcknowledgement(_ first: Bool) {
        let outcome = custom(.learn, hearsItself: true, answers: false, first: first)
        #expect(outcome?.result == .failure(.read(.timeout)))
    }
}
