import Base
import Drivers
import Modbus
import Testing

/// A rig with other masters.
struct ServedRig {
    var rig: Rig
    private(set) var asked: [UInt64: ServedRequest] = [:]
    private(set) var replies: [(at: Instant, reply: ServedReply)] = []
    private var seen = 0
    private var last: UInt64 = 0

    init(
        _ nodes: [NodePlan], serve: ServeSettings = ServeSettings(), baud: Int = 19_200,
        timeout: Duration = .milliseconds(300),
        script: @escaping (UInt8, Request, Int) -> Behaviour = { _, _, _ in
            .answer(.milliseconds(4))
        }
    ) {
        rig = Rig(Self.settings(nodes, serve, baud, timeout), script: script)
        rig.open()
    }

    static func settings(
        _ nodes: [NodePlan], _ serve: ServeSettings?, _ baud: Int, _ timeout: Duration
    ) -> ModbusDriver.Settings {
        var settings = ModbusDriver.Settings(
            port: PortName("bus"), line: line(baud), responseTimeout: timeout, nodes: nodes)
        settings.serve = serve
        return settings
    }

    @discardableResult
    mutating func ask(_ unit: UnitID, _ request: Request, client: UInt64 = 1) -> UInt64 {
        last += 1
        let one = ServedRequest(id: last, client: ConnectionID(client), unit: unit, request)
        asked[last] = one
        rig.driver.serve(one, at: rig.now)
        rig.drain()
        collect()
        return last
    }

    mutating func run(for time: Duration) {
        let end = rig.now.instant + time
        while rig.step(until: end) { collect() }
        collect()
    }

    private mutating func collect() {
        for output in rig.outputs[seen...] {
            guard case .served(let reply) = output else { continue }
            replies.append((rig.now.instant, reply))
        }
        seen = rig.outputs.count
    }

    /// The reply to a request that comes at once.
    mutating func replyAtOnce(_ unit: UnitID, _ request: Request) -> ServedReply? {
        let id = ask(unit, request)
        return reply(to: id)
    }

    func reply(to id: UInt64) -> ServedReply? { replies.last { $0.reply.id == id }?.reply }

    func count(_ source: ServedReply.Source) -> Int {
        replies.count { $0.reply.source == source }
    }

    var lineTime: Duration { replies.reduce(.zero) { $0 + $1.reply.lineTime } }

    /// The PDU that the rig's units give to a read.
    func truth(_ unit: Int, _ address: Int, _ count: Int) -> [UInt8] {
        var data: [UInt8] = []
        for place in address..<address + count { data.appendBig(rig.value(UInt8(unit), place)) }
        return Response.read(.readHoldingRegisters, data).pdu
    }
}

private func read(_ address: Int, _ count: Int) -> Request {
    .read(.readHoldingRegisters, address: UInt16(address), count: UInt16(count))
}

private func write(_ address: Int, _ value: UInt16) -> Request {
    .writeRegister(address: UInt16(address), value)
}

/// Other masters on our line: what they get, and that it costs our cycles nothing.
@Suite struct ServedTests {
    @Test func aRequestIsAnsweredBetweenOurReadsWithWhatTheUnitSays() {
        var bench = ServedRig([node(1), node(2)])
        bench.run(for: .seconds(5))
        let polled = bench.ask(unit(1), read(20, 3))
        let other = bench.ask(unit(9), read(0, 2))
        bench.run(for: .seconds(1))
        #expect(bench.reply(to: polled)?.pdu == bench.truth(1, 20, 3))
        #expect(bench.reply(to: other)?.pdu == bench.truth(9, 0, 2))
        #expect(bench.reply(to: polled)?.source == .line)
        #expect(bench.rig.early == 0)
        #expect(bench.rig.driver.statistics.late == 0)
    }

    @Test func anIdleLineAnswersAtOnce() {
        // After 64 good answers nothing of the unit is in doubt any more.
        var bench = ServedRig([node(1, every: .milliseconds(200))])
        bench.run(for: .milliseconds(15_550))
        let asked = bench.rig.now.instant
        bench.ask(unit(1), read(20, 3))
        bench.run(for: .seconds(1))
        let timing = bench.rig.timing
        let own = timing.time(of: 8 + 11) + .milliseconds(4)
        let took = bench.replies[0].at - asked
        #expect(took - own < timing.silence + .milliseconds(1), "\(took)")
    }

    /// 19200 baud, 87 per cent of the line for our own reads, and eight clients that ask living and
    /// dead units without a pause.
    @Test func aFloodMakesNoCycleLate() {
        let nodes = (1...5).map { node($0, every: .milliseconds(150)) }
        func run(flooded: Bool) -> (bench: ServedRig, readings: Int, late: Int) {
            var bench = ServedRig(nodes) { unit, _, _ in
                unit > 20 ? .silent : .answer(.milliseconds(4))
            }
            bench.run(for: .seconds(10))
            let before = bench.rig.readings.count
            let figures = bench.rig.driver.statistics
            for round in 0..<200 {
                if flooded {
                    for client in 1...8 as ClosedRange<UInt64> {
                        let number = (round + Int(client)) % 8
                        let place = 30 + (round + Int(client)) % 50
                        let asked = number < 6 ? number : 15 + number
                        if round % 5 == 4 {
                            bench.ask(unit(asked + 1), write(200 + place, 7), client: client)
                        } else {
                            bench.ask(unit(asked + 1), read(place, 1 + number), client: client)
                        }
                    }
                }
                bench.run(for: .milliseconds(100))
            }
            bench.run(for: .seconds(3))
            let now = bench.rig.driver.statistics
            let late = now.late + now.skipped - figures.late - figures.skipped
            return (bench, bench.rig.readings.count - before, late)
        }
        let alone = run(flooded: false)
        let flooded = run(flooded: true)
        #expect(flooded.late == 0 && alone.late == 0, "\(flooded.late), \(alone.late) alone")
        #expect(flooded.readings >= alone.readings - 5, "\(flooded.readings) of \(alone.readings)")
        #expect(flooded.bench.count(.line) > 15, "\(flooded.bench.count(.line))")
        #expect(flooded.bench.replies.count == 1600, "every request is answered in the end")
        for (_, reply) in flooded.bench.replies where reply.source == .line {
            guard let one = flooded.bench.asked[reply.id],
                case .read(_, let address, let count) = one.request
            else { continue }
            let truth = flooded.bench.truth(Int(one.unit.value), Int(address), Int(count))
            #expect(reply.pdu == truth)
        }
    }

    @Test func aDeadUnitCostsNoMoreThanTheUnhealthyBudget() {
        var bench = ServedRig([node(1, every: .seconds(1))], serve: ServeSettings(budget: 1)) {
            unit, _, _ in unit == 1 ? .answer(.milliseconds(4)) : .silent
        }
        bench.run(for: .seconds(5))
        let before = bench.rig.sent.count
        for round in 0..<300 {
            bench.ask(unit(50), read(0, 1), client: UInt64(round % 8))
            bench.run(for: .milliseconds(100))
        }
        bench.run(for: .seconds(3))
        let attempts = bench.rig.sent[before...].count { $0.unit == 50 }
        // A tenth of 33 s, and one attempt that was saved up.
        #expect(attempts >= 5 && attempts <= 33 / 3 + 2, "\(attempts)")
        #expect(bench.rig.driver.statistics.late == 0)
        #expect(bench.count(.silent) > 270, "\(bench.count(.silent))")
        #expect(bench.reply(to: 1)?.pdu == [0x83, 0x0B])
    }

    @Test(arguments: [0.1, 0.3, 0.8]) func clientsTakeNoMoreThanTheirShareOfAnIdleLine(
        _ budget: Double
    ) {
        var bench = ServedRig([node(1, every: .seconds(5))], serve: ServeSettings(budget: budget))
        bench.run(for: .seconds(6))
        for round in 0..<400 {
            for client in 1...3 as ClosedRange<UInt64> {
                bench.ask(unit(2), read(round % 40, 20), client: client)
            }
            bench.run(for: .milliseconds(50))
        }
        let share = bench.lineTime.secondsValue / 20
        #expect(share < budget + 0.06 && share > budget * 0.85, "\(share)")
        if budget < 0.8 { #expect(bench.count(.busy) > 30) }
        let busy = bench.replies.first { $0.reply.source == .busy }
        if let busy { #expect(busy.reply.pdu == [0x83, 6]) }
    }

    @Test func clientsTakeTurns() {
        var bench = ServedRig([node(1)], serve: ServeSettings(budget: 1))
        bench.run(for: .seconds(5))
        for _ in 0..<16 { bench.ask(unit(1), read(20, 100), client: 1) }
        let small = bench.ask(unit(1), read(30, 1), client: 2)
        bench.run(for: .milliseconds(500))
        #expect(bench.reply(to: small) != nil)
        #expect(bench.replies.count < 16)
        bench.run(for: .seconds(5))
        #expect(bench.replies.count == 17)
    }

    @Test func aClientThatHasGoneIsAskedForNoMore() {
        var bench = ServedRig([node(1)], serve: ServeSettings(budget: 1))
        bench.run(for: .seconds(5))
        for _ in 0..<16 { bench.ask(unit(1), read(20, 100), client: 1) }
        bench.rig.driver.forget(ConnectionID(1))
        bench.run(for: .seconds(5))
        #expect(bench.replies.count <= 1)
    }

    // MARK: the line

    @Test func aClosedOrPausedLineHasNoPath() {
        var bench = ServedRig([node(1)])
        bench.run(for: .seconds(5))
        let waiting = bench.ask(unit(1), read(20, 1))
        bench.rig.close()
        bench.run(for: .milliseconds(1))
        #expect(bench.reply(to: waiting)?.pdu == [0x83, 0x0A])
        #expect(bench.replyAtOnce(unit(1), read(20, 1))?.pdu == [0x83, 0x0A])
        bench.rig.open()
        bench.run(for: .seconds(3))
        bench.rig.pause()
        #expect(bench.replyAtOnce(unit(1), write(5, 1))?.pdu == [0x86, 0x0A])
        #expect(bench.count(.closed) == 3)
    }

    @Test func withoutServeThereIsNoPath() {
        var bench = ServedRig([node(1)])
        bench.run(for: .seconds(3))
        bench.ask(unit(1), read(20, 1))
        bench.rig.adopt(ServedRig.settings([node(1)], nil, 19_200, .milliseconds(300)))
        bench.run(for: .seconds(1))
        bench.ask(unit(1), read(20, 1))
        #expect(bench.replies.count == 2)
        #expect(bench.replies[1].reply.pdu == [0x83, 0x0A])
    }

    @Test func aDamagedAnswerIsNoAnswer() {
        var bench = ServedRig([node(1)]) { _, request, _ in
            if case .read(_, 20, _) = request { return .flip(30, .milliseconds(4)) }
            return .answer(.milliseconds(4))
        }
        bench.run(for: .seconds(5))
        let id = bench.ask(unit(1), read(20, 1))
        bench.run(for: .seconds(2))
        #expect(bench.reply(to: id)?.pdu == [0x83, 0x0B])
    }

    @Test func exceptionsAndFunctionsOfTheMakerPass() {
        var bench = ServedRig([node(1)]) { _, request, _ in
            if case .read(_, 99, _) = request {
                return .refuse(.illegalDataAddress, .milliseconds(4))
            }
            return .answer(.milliseconds(4))
        }
        bench.run(for: .seconds(5))
        let refused = bench.ask(unit(1), read(99, 1))
        let own = bench.ask(unit(1), .other(FunctionCode(rawValue: 100), [1, 2, 3]))
        let masked = bench.ask(unit(1), .maskWrite(address: 4, and: 0xFF00, or: 5))
        bench.run(for: .seconds(2))
        #expect(bench.reply(to: refused)?.pdu == [0x83, 2])
        #expect(bench.reply(to: own)?.pdu == [100, 3, 2, 1])
        #expect(bench.reply(to: masked)?.pdu == [22, 0, 4, 0xFF, 0, 0, 5])
    }

    @Test func aBroadcastIsAcknowledgedWhenItIsOut() {
        var bench = ServedRig([node(1)])
        bench.run(for: .seconds(5))
        let id = bench.ask(.broadcast, .writeRegisters(address: 7, [1, 2]))
        bench.run(for: .seconds(2))
        #expect(bench.reply(to: id)?.pdu == [16, 0, 7, 0, 2])
        #expect(bench.rig.sent.count { $0.unit == 0 } == 1)
    }

    // MARK: our own values

    @Test func aWriteToAPointOfOursIsReadAtOnce() {
        var bench = ServedRig([node(1, every: .seconds(60)), node(2, every: .seconds(1))])
        bench.run(for: .seconds(70))
        let before = bench.rig.readings(of: 1).count
        bench.ask(unit(1), write(3, 4711))
        bench.ask(unit(1), write(300, 1))
        bench.run(for: .seconds(1))
        let readings = bench.rig.readings(of: 1)
        #expect(readings.count == before + 1, "once, and only for what we read")
        guard case .success(let bytes)? = readings.last?.parts.first?.result else {
            Issue.record("nothing was read")
            return
        }
        #expect(Array(bytes[6..<8]) == [0x12, 0x67])
    }

    @Test func aUnitThatWeDoNotPollIsKnownByItsAnswers() {
        let silent = NodePlan(unit: unit(7), spans: [])
        var bench = ServedRig([node(1), silent]) { unit, _, count in
            unit == 7 && count > 20 ? .silent : .answer(.milliseconds(4))
        }
        bench.run(for: .seconds(3))
        #expect(!bench.rig.states.contains { $0.0.unit == unit(7) })
        bench.ask(unit(7), read(0, 1))
        bench.run(for: .seconds(1))
        #expect(bench.rig.states.last { $0.0.unit == unit(7) }?.1 == .online)
        for _ in 0..<40 {
            bench.ask(unit(7), read(0, 1))
            bench.run(for: .seconds(2))
        }
        #expect(bench.rig.states.last { $0.0.unit == unit(7) }?.1 == .offline)
    }

    @Test func silenceOfAFunctionDoesNotEndAUnitThatWePoll() {
        var bench = ServedRig([node(1)]) { _, request, _ in
            if case .other = request { return .silent }
            return .answer(.milliseconds(4))
        }
        bench.run(for: .seconds(3))
        for _ in 0..<40 {
            bench.ask(unit(1), .other(FunctionCode(rawValue: 100), []))
            bench.run(for: .milliseconds(500))
        }
        bench.run(for: .seconds(3))
        #expect(bench.count(.silent) == 40)
        #expect(!bench.rig.states.contains { $0.1 == .offline })
        #expect(bench.rig.driver.statistics.late == 0)
    }

    @Test func aCommandGoesFirst() {
        var bench = ServedRig([node(1)], serve: ServeSettings(budget: 1))
        bench.run(for: .seconds(5))
        for _ in 0..<10 { bench.ask(unit(1), read(20, 50)) }
        let order = Order(
            id: 1, address: Address(port: PortName("bus"), unit: unit(1)), table: .holding,
            start: 0x20, data: .registers([5]), expires: bench.rig.now.instant + .seconds(5))
        bench.rig.submit(order)
        bench.run(for: .milliseconds(300))
        #expect(bench.rig.outcomes.count == 1)
        #expect(bench.replies.count < 10)
    }

    /// Ten reads of one unit go out as one burst. It ends with the exchange under way.
    @Test func aRequestWaitsForOneExchangeOfABurst() {
        var slow = node(1)
        slow.noMerge = true
        var bench = ServedRig([slow], serve: ServeSettings(budget: 1))
        bench.run(for: .seconds(20))
        var steps = 0
        while bench.rig.burst?.log.count != 2, steps < 1000 {
            _ = bench.rig.step(until: bench.rig.now.instant + .seconds(2))
            steps += 1
        }
        #expect(bench.rig.burst?.count ?? 0 > 3)
        let sent = bench.rig.sent.count
        bench.ask(unit(1), read(20, 3))
        bench.run(for: .milliseconds(200))
        #expect(bench.rig.sent[sent].pdu == read(20, 3).pdu)
        #expect(bench.reply(to: 1)?.pdu == bench.truth(1, 20, 3))
        bench.run(for: .seconds(2))
        #expect(bench.rig.driver.statistics.late == 0)
        #expect(bench.rig.readings(of: 1).count > 20)
    }
}
