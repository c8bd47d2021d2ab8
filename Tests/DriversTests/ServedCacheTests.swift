import Base
import Drivers
import Modbus
import Testing

/// Answers that cost no line time: never older than `maxAge`, never from before a write.
@Suite struct ServedCacheTests {
    private func bench(_ maxAge: Duration) -> ServedRig {
        var bench = ServedRig(
            [node(1, every: .seconds(1)), node(2, every: .seconds(10))],
            serve: ServeSettings(budget: 1, maxAge: maxAge))
        bench.run(for: .seconds(15))
        return bench
    }

    private func read(_ address: Int, _ count: Int) -> Request {
        .read(.readHoldingRegisters, address: UInt16(address), count: UInt16(count))
    }

    @Test func aRangeThatWasJustReadNeedsNoLine() {
        var bench = bench(.seconds(2))
        let sent = bench.rig.sent.count
        let id = bench.ask(unit(1), read(2, 5))
        #expect(bench.reply(to: id)?.source == .cache)
        #expect(bench.reply(to: id)?.pdu == bench.truth(1, 2, 5))
        #expect(bench.rig.sent.count == sent)
    }

    @Test func aRangeThatIsNotAllHeldAsksTheLine() {
        var bench = bench(.seconds(2))
        let id = bench.ask(unit(1), read(5, 10))
        bench.run(for: .milliseconds(300))
        #expect(bench.reply(to: id)?.source == .line)
        #expect(bench.reply(to: id)?.pdu == bench.truth(1, 5, 10))
        // Both reads together cover it now.
        let joined = bench.ask(unit(1), read(1, 12))
        #expect(bench.reply(to: joined)?.source == .cache)
        #expect(bench.reply(to: joined)?.pdu == bench.truth(1, 1, 12))
    }

    @Test func nothingOlderThanMaxAgeIsAnswered() {
        var bench = bench(.milliseconds(500))
        var sources: [Bool: Int] = [:]
        for _ in 0..<200 {
            let last = bench.rig.readings(of: 1).last?.parts.first?.at.instant ?? .zero
            let isFresh = bench.rig.now.instant - last <= .milliseconds(500)
            bench.rig.units.holding[1, default: [:]][3] = UInt16.random(in: 0...9999)
            let id = bench.ask(unit(1), read(3, 1))
            let isCached = bench.reply(to: id)?.source == .cache
            if isCached { #expect(isFresh) }
            sources[isCached, default: 0] += 1
            bench.run(for: .milliseconds(613))
        }
        #expect(sources.count == 2, "\(sources)")
    }

    @Test(arguments: [false, true]) func nothingFromBeforeAWriteIsAnswered(byOrder: Bool) {
        var bench = bench(.seconds(30))
        #expect(bench.replyAtOnce(unit(2), read(3, 1))?.source == .cache)
        if byOrder {
            bench.rig.submit(
                Order(
                    id: 1, address: Address(port: PortName("bus"), unit: unit(2)), table: .holding,
                    start: 3, data: .registers([77]), readBack: false,
                    expires: bench.rig.now.instant + .seconds(5)))
        } else {
            bench.ask(unit(2), .writeRegister(address: 3, 77))
        }
        for _ in 0..<20 {
            let id = bench.ask(unit(2), read(3, 1), client: 2)
            bench.run(for: .milliseconds(7))
            if bench.rig.holding[2]?[3] == 77, bench.rig.sent.last?.pdu[0] != 6,
                let reply = bench.reply(to: id)
            {
                #expect(reply.pdu == [3, 2, 0, 77])
            }
        }
        bench.run(for: .seconds(1))
        #expect(bench.replyAtOnce(unit(2), read(3, 1))?.pdu == [3, 2, 0, 77])
    }

    @Test func aPausedLineHasNoValues() {
        var bench = bench(.seconds(30))
        bench.rig.pause()
        #expect(bench.replyAtOnce(unit(1), read(2, 5))?.pdu == [0x83, 0x0A])
    }

    @Test func withoutMaxAgeEveryReadAsksTheLine() {
        var bench = bench(.zero)
        let id = bench.ask(unit(1), read(2, 5))
        bench.run(for: .milliseconds(500))
        #expect(bench.reply(to: id)?.source == .line)
    }
}
