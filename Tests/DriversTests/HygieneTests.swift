import Base
import Drivers
import Modbus
import Testing

/// Echo, noise, per-unit delays and broadcasts: what lines do that the protocol does not tell.
@Suite struct HygieneTests {
    func settings(
        _ nodes: [NodePlan], echo: LineSettings.Echo = .learn, trim: Bool = true, baud: Int = 19_200
    ) -> ModbusDriver.Settings {
        var line = line(baud)
        line.echo = echo
        line.trim = trim
        return .init(
            port: PortName("bus"), line: line, responseTimeout: .milliseconds(300), retries: 2,
            nodes: nodes)
    }

    func areAllGood(_ rig: Rig) -> Bool {
        rig.readings.allSatisfy { one in
            one.reading.parts.allSatisfy { part in
                guard case .success(let data) = part.result else { return false }
                return (0..<part.count).allSatisfy { index in
                    let value = UInt16(data[2 * index]) << 8 | UInt16(data[2 * index + 1])
                    return value == rig.value(one.reading.address.unit.value, part.address + index)
                }
            }
        }
    }

    // MARK: echo

    @Test(arguments: [LineSettings.Echo.learn, .always])
    func anEchoIsTakenAwayFromTheFirstExchangeOn(_ echo: LineSettings.Echo) {
        var rig = Rig(settings((1...3).map { node($0) }, echo: echo)) { _, _, _ in
            .answer(.milliseconds(5))
        }
        rig.echo = .faithful
        rig.open()
        rig.run(for: .milliseconds(20_250))
        let counted = rig.driver.statistics
        #expect(counted.replies == counted.requests && counted.replies >= 57)
        #expect(counted.echoes == counted.requests)
        #expect(counted.collisions == 0 && counted.checksumErrors == 0 && counted.strayBytes == 0)
        #expect(areAllGood(rig))
        #expect(rig.early == 0)
    }

    @Test func withoutTheFilterEveryEchoDamagesItsReply() {
        var rig = Rig(settings([node(1)], echo: .never)) { _, _, _ in .answer(.milliseconds(5)) }
        rig.echo = .faithful
        rig.open()
        rig.run(for: .seconds(5))
        // Only function 8 is answered with the request itself, and its echo comes too soon to be
        // the answer.
        #expect(rig.readings.count >= 2)
        #expect(rig.readings.allSatisfy { (try? $0.reading.parts[0].result.get()) == nil })
    }

    @Test func anEchoAloneIsSilenceOfTheUnit() {
        var rig = Rig(settings([node(1), node(2)])) { unit, _, _ in
            unit == 1 ? .answer(.milliseconds(5)) : .silent
        }
        rig.echo = .faithful
        rig.open()
        rig.run(for: .milliseconds(20_250))
        let counted = rig.driver.statistics
        #expect(counted.checksumErrors == 0 && counted.timeouts >= 3)
        #expect(counted.units[1].state == .offline && counted.units[0].state == .online)
        #expect(rig.readings(of: 1).count >= 19)
    }

    @Test func anEchoThatComesBackChangedIsACollisionAndTheReplyCountsAllTheSame() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .answer(.milliseconds(5)) }
        rig.echo = .faithful
        rig.open()
        rig.run(for: .seconds(5))
        rig.echo = .changed(every: 7)
        rig.run(for: .seconds(30))
        let counted = rig.driver.statistics
        #expect(counted.collisions >= 4)
        #expect(counted.checksumErrors == 0 && counted.timeouts == 0)
        #expect(rig.readings.count >= 34 && areAllGood(rig))
    }

    @Test func anAdapterWithoutEchoIsLearnedTooAndLosesNothing() {
        // The answer to a read of addresses 0x14.. begins like the request itself.
        let alike = NodePlan(unit: unit(1), spans: [Span(.holding, 0x1400, 10, every: .seconds(1))])
        var rig = Rig(settings([alike])) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        rig.run(for: .milliseconds(20_250))
        let counted = rig.driver.statistics
        #expect(
            counted.replies == counted.requests && counted.echoes == 0 && counted.collisions == 0)
        #expect(areAllGood(rig))
    }

    @Test(arguments: [false, true])
    func theAnswerToAWriteOfOneRegisterIsNotTakenForAnEcho(_ hasEcho: Bool) {
        for learned in [Duration.zero, .seconds(10)] {
            var rig = Rig(settings([node(1)])) { _, _, _ in .answer(.milliseconds(5)) }
            if hasEcho { rig.echo = .faithful }
            rig.open()
            rig.run(for: learned)
            rig.submit(
                Order(
                    id: 7, address: Address(port: PortName("bus"), unit: unit(1)), table: .holding,
                    start: 3,
                    data: .registers([42]), readBack: false, expires: rig.now.instant + .seconds(5))
            )
            rig.run(for: .seconds(2))
            #expect(
                rig.outcomes.map(\.result) == [.success(nil)], "echo \(hasEcho), after \(learned)")
            #expect(rig.driver.statistics.timeouts == 0)
        }
    }

    @Test func anotherAdapterAtTheSameLineIsLearnedAnew() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .answer(.milliseconds(5)) }
        rig.echo = .faithful
        rig.open()
        rig.run(for: .seconds(10))
        rig.close()
        rig.echo = .none
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.driver.statistics.collisions == 0)
        #expect(rig.readings.filter { (try? $0.reading.parts[0].result.get()) != nil }.count >= 19)
    }

    // MARK: noise

    @Test(arguments: [[0x00], [0xFF], [0xFF, 0x00, 0xFF]] as [[UInt8]])
    func noiseBeforeAndAfterAReplyIsTakenAway(_ noise: [UInt8]) {
        var rig = Rig(settings((1...2).map { node($0) })) { unit, request, _ in
            guard case .read = request else {
                return .say(noise + RTUFrame.encode(unit: unit, request) + noise, .milliseconds(5))
            }
            let data = (0..<10).flatMap { index -> [UInt8] in
                let value = UInt16(truncatingIfNeeded: index &* 7 &+ Int(unit))
                return [UInt8(value >> 8), UInt8(value & 0xFF)]
            }
            return .say(
                noise + RTUFrame.encode(unit: unit, Response.read(request.function, data).pdu)
                    + noise,
                .milliseconds(5))
        }
        rig.open()
        rig.run(for: .milliseconds(10_250))
        let counted = rig.driver.statistics
        #expect(counted.replies == counted.requests && counted.replies >= 18)
        #expect(counted.noiseBytes == 2 * noise.count * counted.replies)
        #expect(counted.strayBytes == 0 && areAllGood(rig))
    }

    @Test func noiseIsNotTrimmedWhereTheFileSaysSo() {
        var rig = Rig(settings([node(1)], trim: false)) { unit, request, _ in
            .say(
                [0xFF] + RTUFrame.encode(unit: unit, Response.read(request.function, [0, 1]).pdu),
                .milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(5))
        #expect(rig.driver.statistics.replies == 0 && rig.driver.statistics.noiseBytes == 0)
    }

    @Test func aDamagedReplyBehindNoiseIsStillDamaged() {
        let values = (0..<10).flatMap { (index: Int) -> [UInt8] in [0, UInt8(index * 7 + 1)] }
        var random = RandomSource(seed: 3)
        var rig = Rig(settings([node(1)])) { unit, request, _ in
            var frame = RTUFrame.encode(unit: unit, Response.read(request.function, values).pdu)
            if random.chance(0.5) {
                frame[Int(random.next() % UInt64(frame.count))] ^= 1 << UInt8(random.next() % 8)
            }
            return .say([0x00, 0xFF] + frame, .milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(200))
        #expect(rig.driver.statistics.checksumErrors > 50)
        for one in rig.readings {
            guard case .success(let data) = one.reading.parts[0].result else { continue }
            #expect(data == values)
        }
    }

    // MARK: delay and broadcast

    @Test func aUnitThatWantsALongerSilenceGetsItAndNobodyElse() {
        var nodes = (1...3).map { node($0, every: .milliseconds(100)) }
        nodes[1].delay = .milliseconds(20)
        var rig = Rig(settings(nodes)) { _, _, _ in .answer(.milliseconds(2)) }
        rig.open()
        rig.run(for: .seconds(20))
        #expect(rig.early == 0)
        let gaps = zip(rig.sent, rig.sentAfterSilence).filter { $0.0.unit == 2 }.map(\.1)
        #expect(gaps.count > 100 && gaps.allSatisfy { $0 >= .milliseconds(20) })
        let others = zip(rig.sent, rig.sentAfterSilence).filter { $0.0.unit != 2 }.map(\.1)
        #expect(others.contains { $0 < .milliseconds(5) })
        let plain = ReadPlan.make(
            line: line(19_200), turnaround: .milliseconds(2), nodes: [node(2)])
        let slow = ReadPlan.make(
            line: line(19_200), turnaround: .milliseconds(2), nodes: [nodes[1]])
        #expect(
            slow.reads[0].wireTime - plain.reads[0].wireTime == .milliseconds(20)
                - RTUTiming(line(19_200)).silence)
    }

    @Test(arguments: [false, true])
    func aBroadcastWaitsForNoAnswerButForItsTurnaround(_ hasEcho: Bool) {
        var broadcast = node(1)
        broadcast.unit = .broadcast
        broadcast.spans = []
        var rig = Rig(settings([node(1, every: .milliseconds(50)), broadcast])) { unit, _, _ in
            unit == 0 ? .silent : .answer(.milliseconds(2))
        }
        if hasEcho { rig.echo = .faithful }
        rig.open()
        rig.run(for: .seconds(1))
        rig.submit(
            Order(
                id: 7, address: Address(port: PortName("bus"), unit: .broadcast), table: .coil,
                start: 3,
                data: .bits([true]), readBack: true, expires: rig.now.instant + .seconds(5)))
        rig.run(for: .milliseconds(1010))
        #expect(rig.outcomes.map(\.result) == [.success(nil)])
        let place = rig.sent.firstIndex { $0.unit == 0 }
        let sent = place.map { rig.sent[$0...].prefix(2) } ?? []
        #expect(sent.first?.pdu == [5, 0, 3, 0xFF, 0])
        let pause = (sent.last?.at ?? .zero) - (sent.first?.at ?? .zero)
        #expect(pause >= rig.timing.time(of: 8) + .milliseconds(100) && pause < .milliseconds(120))
        let counted = rig.driver.statistics
        #expect(counted.timeouts == 0 && counted.strayBytes == 0)
        #expect(counted.replies >= counted.requests - 2)
        rig.close()
        #expect(rig.states.map(\.0.unit.value) == [1, 1], "of all units together nothing is known")
    }
}
