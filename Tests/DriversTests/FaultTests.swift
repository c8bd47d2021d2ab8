import Base
import Drivers
import Modbus
import Testing

@Suite struct FaultTests {
    func settings(
        _ nodes: [NodePlan], retries: Int = 2, baud: Int = 19_200
    ) -> ModbusDriver.Settings {
        .init(
            port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(300),
            retries: retries,
            nodes: nodes)
    }

    @Test(arguments: [1, 42, 4711] as [UInt64])
    func twoDeadUnitsOfEightDoNotSlowTheOthers(_ seed: UInt64) {
        var rig = Rig(settings((1...8).map { node($0) }), seed: seed) { unit, _, _ in
            unit == 2 || unit == 7 ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(60))
        for number in [1, 3, 4, 5, 6, 8] {
            let good = rig.readings(of: number).filter { (try? $0.parts[0].result.get()) != nil }
            #expect(good.count >= 59, "unit \(number): \(good.count) of 60")
        }
        for number in [2, 7] {
            #expect(rig.readings(of: number).count == 1)
            #expect(rig.readings(of: number)[0].parts[0].result == .failure(.timeout))
            #expect(rig.states.filter { $0.0.unit == unit(number) }.map(\.1) == [.offline])
        }
        #expect(rig.early == 0)
    }

    @Test func thirtyDeadUnitsOfThirtyTwoDoNotSlowTheOthers() {
        for living in [[1, 2], [16, 17], [31, 32]] {
            var rig = Rig(settings((1...32).map { node($0) })) { unit, _, _ in
                living.contains(Int(unit)) ? .answer(.milliseconds(5)) : .silent
            }
            rig.open()
            rig.run(for: .seconds(120))
            for number in living {
                #expect(
                    rig.readings(of: number).count >= 108,
                    "\(number): \(rig.readings(of: number).count)")
            }
            let before = living.map { rig.readings(of: $0).count }
            rig.run(for: .seconds(60))
            for (number, count) in zip(living, before) {
                #expect(rig.readings(of: number).count - count >= 57)
            }
        }
    }

    @Test func aUnitThatComesBackIsReadAgainFromItsFirstAnswer() {
        var isDead = false
        var rig = Rig(settings((1...3).map { node($0) })) { unit, _, _ in
            unit == 2 && isDead ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(10))
        isDead = true
        rig.run(for: .seconds(100))
        let silent = rig.readings(of: 2).count
        #expect(rig.states.last?.1 == .offline)
        rig.run(for: .seconds(60))
        #expect(rig.readings(of: 2).count == silent)
        let asked = rig.sent.filter { $0.unit == 2 }.count
        #expect(asked < 30, "\(asked)")
        isDead = false
        rig.run(for: .seconds(80))
        #expect(rig.states.last?.1 == .online)
        #expect(rig.readings(of: 2).count > silent + 2)
        for number in [1, 3] { #expect(rig.readings(of: number).count >= 245) }
    }

    @Test func aLostReplyIsAskedForAgainAndNobodyHearsOfIt() {
        var rig = Rig(settings((1...2).map { node($0) })) { unit, _, count in
            unit == 1 && count == 3 ? .silent : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.driver.statistics.timeouts == 1)
        #expect(rig.readings.allSatisfy { (try? $0.reading.parts[0].result.get()) != nil })
        #expect(rig.states.count == 2)
    }

    @Test func threeAttemptsInAllThenTheReadingFails() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .silent }
        rig.open()
        rig.run(for: .seconds(3))
        #expect(rig.sent.prefix(3).count == 3)
        #expect(rig.readings.count == 1)
        #expect(rig.readings[0].reading.parts.map(\.result) == [.failure(.timeout)])
        let times = rig.sent.prefix(3).map(\.at)
        #expect(times[1] - times[0] == rig.timing.time(of: 8) + .milliseconds(300))
        // While its first request may still be answered it is asked something else.
        #expect(rig.sent.prefix(3).map { $0.pdu[0] } == [3, 8, 8])
    }

    @Test func damagedRepliesAreAskedForAgainAndNeverPauseAUnit() {
        var random = RandomSource(seed: 9)
        var rig = Rig(settings((1...4).map { node($0) })) { _, _, _ in
            random.chance(0.1)
                ? .flip(Int(random.next() % 1000), .milliseconds(5)) : .answer(.milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(250))
        let values = rig.readings.map(\.reading)
        for reading in values {
            guard let data = try? reading.parts[0].result.get() else { continue }
            for index in 0..<10 {
                let value = UInt16(data[2 * index]) << 8 | UInt16(data[2 * index + 1])
                #expect(value == rig.value(reading.address.unit.value, index))
            }
        }
        #expect(values.count >= 995)
        #expect(values.filter { (try? $0.parts[0].result.get()) == nil }.count <= 5)
        #expect(!rig.states.contains { $0.1 == .offline })
        #expect(rig.early == 0)
    }

    @Test func aUnitThatAlwaysSendsRubbishIsDegradedAndKeepsBeingAsked() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .flip(99, .milliseconds(5)) }
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.readings.count >= 9)
        #expect(rig.readings.allSatisfy { $0.reading.parts[0].result == .failure(.checksum) })
        #expect(rig.states.map(\.1) == [.degraded])
        #expect((0...2).contains(rig.sent.count - 3 * rig.readings.count))
    }

    @Test func aLateReplyIsCountedAndNeverTakenForAnother() {
        // Unit 1 answers its second request after 350 ms: too late, and into the late window.
        var reads = 0
        var rig = Rig(settings((1...2).map { node($0) })) { unit, request, _ in
            let isRead = unit == 1 && request.function == .readHoldingRegisters
            if isRead { reads += 1 }
            return .copies(
                isRead && reads == 2 ? .milliseconds(350) : .milliseconds(5), [], inOrder: true)
        }
        rig.open()
        rig.run(for: .seconds(10))
        #expect(rig.driver.statistics.lateReplies == 1)
        #expect(rig.driver.statistics.units[0].lateReplies == 1)
        #expect(rig.readings.allSatisfy { (try? $0.reading.parts[0].result.get()) != nil })
        #expect(rig.early == 0)
    }

    /// Exception 0x0B behind Modbus TCP was silence with a reply that may still come. The next 0x0B
    /// was taken for that reply, so that each retry waited for the whole response timeout.
    @Test func silenceThatAConverterTellsIsNotWaitedFor() {
        var settings = settings([node(4, count: 1)])
        settings.line = LineSettings(
            device: .network(NetworkAddress(.tcp, host: "10.0.0.5", port: 502)),
            baud: LineSettings.baudUnknown, echo: .never, framing: .mbap)
        var driver = ModbusDriver(settings, seed: 1)
        var now = Moment(.zero, WallTime(milliseconds: 0))
        driver.receive(
            .opened(LineFacts(path: "tcp", isPseudoTerminal: false, isNetwork: true)), at: now)
        var requests = 0
        var results: [Result<[UInt8], ReadFailure>] = []
        for _ in 0..<50 where results.isEmpty {
            var asked: UInt8?
            while let output = driver.next() {
                switch output {
                case .line(.transmit(let frame, _)): asked = frame[1]
                case .reading(let reading): results += reading.parts.map(\.result)
                default: break
                }
            }
            if let function = asked {
                requests += 1
                now = now + .milliseconds(1)
                driver.receive(
                    .received(RTUFrame.encode(unit: 4, [function | 0x80, 0x0B])), at: now)
            } else if let due = driver.deadline?.due {
                now = now.at(max(due, now.instant))
                driver.timeout(at: now)
            }
        }
        #expect(requests == 3 && results == [.failure(.timeout)])
        #expect(driver.statistics.lateReplies == 0)
    }

    @Test func aReplyOfAnotherUnitIsDroppedAndTheWaitGoesOn() {
        var rig = Rig(settings([node(1)])) { _, _, _ in .answer(.milliseconds(50)) }
        rig.open()
        rig.run(untilWaitingFor: .reply)
        let due = rig.driver.deadline?.due
        rig.inject(RTUFrame.encode(unit: 9, [3, 2, 0, 1]), after: .milliseconds(5))
        rig.run(untilWaitingFor: .rest)
        rig.run(untilWaitingFor: .reply)
        #expect(rig.driver.deadline?.due == due)
        rig.run(for: .milliseconds(500))
        #expect(rig.driver.statistics.wrongUnit == 1)
        #expect(rig.readings.count == 1 && rig.driver.statistics.timeouts == 0)
    }

    @Test func aUnitThatAnswersSomethingElseIsDegradedNotDead() {
        var rig = Rig(settings([node(1)])) { _, _, _ in
            .say(RTUFrame.encode(unit: 1, [3, 4, 0, 1, 0, 2]), .milliseconds(5))
        }
        rig.open()
        rig.run(for: .seconds(20))
        #expect(rig.readings.count >= 6)
        #expect(rig.readings.allSatisfy { $0.reading.parts[0].result == .failure(.format) })
        #expect(rig.states.map(\.1) == [.degraded])
    }

    @Test func exceptionsFiveAndSixAreAskedAgainLaterAndOthersAreFinal() {
        for (code, requests) in [(UInt8(6), 3), (5, 3), (1, 1), (4, 1), (11, 1)] {
            var rig = Rig(settings([node(1)])) { _, _, count in
                .refuse(ExceptionCode(rawValue: code), .zero)
            }
            rig.open()
            rig.run(for: .milliseconds(900))
            #expect(rig.sent.count { $0.pdu[0] == 3 } == requests)
            #expect(rig.readings.map { $0.reading.parts[0].result } == [.failure(.exception(code))])
        }
        var rig = Rig(settings([node(1)])) { _, _, count in
            count == 0 ? .refuse(.serverDeviceBusy, .zero) : .answer(.zero)
        }
        rig.open()
        rig.run(for: .milliseconds(900))
        #expect((try? rig.readings[0].reading.parts[0].result.get())?.count == 20)
        let reads = rig.sent.filter { $0.pdu[0] == 3 }
        #expect(reads[1].at - reads[0].at >= .milliseconds(100))
    }

    @Test func noiseAndBabbleNeverStopThePort() {
        var random = RandomSource(seed: 3)
        var rig = Rig(settings((1...2).map { node($0) })) { _, _, _ in .answer(.milliseconds(5)) }
        rig.open()
        for burst in 0..<200 {
            let noise = (0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            rig.inject(noise, after: .milliseconds(35 * burst))
        }
        rig.run(for: .seconds(20))
        #expect(rig.driver.statistics.strayBytes > 1000)
        let good = rig.readings.filter { (try? $0.reading.parts[0].result.get()) != nil }
        #expect(good.count >= 22, "\(good.count)")
    }

    @Test func hostileInputOfAnyKindLeavesTheDriverWaitingForSomething() {
        for seed in 0..<40 as Range<UInt64> {
            var random = RandomSource(seed: seed)
            var rig = Rig(settings((1...4).map { node($0) }), seed: seed) { unit, request, _ in
                switch random.next() % 6 {
                case 0: .silent
                case 1:
                    .refuse(ExceptionCode(rawValue: UInt8(random.next() % 256)), .milliseconds(3))
                case 2: .flip(Int(random.next() % 400), .milliseconds(Int(random.next() % 400)))
                case 3:
                    .say(
                        (0..<Int(random.next() % 400)).map { _ in UInt8(random.next() % 256) },
                        .zero)
                case 4:
                    .say(RTUFrame.encode(unit: unit, [request.function.rawValue, 2, 0, 0]), .zero)
                default: .answer(.milliseconds(Int(random.next() % 700)))
                }
            }
            rig.open()
            let events = rig.run(for: .seconds(120), events: 60_000)
            #expect(events < 60_000)
            #expect(rig.driver.deadline != nil)
            #expect(rig.early == 0)
        }
    }
}
