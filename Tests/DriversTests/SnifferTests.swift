import Base
import Drivers
import Modbus
import Testing

/// Another master's line, heard in every way that an adapter can cut it up.
@Suite struct SnifferTests {
    private typealias Says = (bytes: [UInt8], after: Duration)

    private func request(_ unit: UInt8, _ request: Request) -> [UInt8] {
        RTUFrame.encode(unit: unit, request)
    }
    private func reply(_ unit: UInt8, _ response: Response) -> [UInt8] {
        RTUFrame.encode(unit: unit, response.pdu)
    }

    private func listen(_ said: [Says]) -> (heard: [Overheard.Content], frames: [[UInt8]]) {
        var sniffer = Sniffer(LineSettings(device: .path("/dev/test"), baud: 19_200, parity: .even))
        var now = Moment(.zero, WallTime(milliseconds: 0))
        var heard: [Overheard.Content] = []
        var frames: [[UInt8]] = []
        func drain(_ sniffer: inout Sniffer) {
            while let event = sniffer.nextEvent() {
                switch event {
                case .frame(let bytes, _): frames.append(bytes)
                case .heard(let what): heard.append(what.content)
                }
            }
        }
        for (bytes, pause) in said {
            let next = now + pause
            while let due = sniffer.deadline, due <= next.instant {
                now = now + max(.zero, due - now.instant)
                sniffer.timeout(at: now)
            }
            now = next
            sniffer.receive(bytes[...], at: now)
            drain(&sniffer)
        }
        sniffer.stop(at: now + .seconds(1))
        drain(&sniffer)
        return (heard, frames)
    }

    private let ask = Request.read(.readHoldingRegisters, address: 2, count: 3)
    private let answer = Response.read(.readHoldingRegisters, [0, 1, 0, 2, 0, 3])

    /// Requests of every kind with their replies, and what is to be heard.
    private static let exchanges: [(Request, Response)] = [
        (.read(.readCoils, address: 19, count: 19), .read(.readCoils, [0xCD, 0x6B, 5])),
        // As many reply bytes as a request has.
        (.read(.readCoils, address: 0x0300, count: 24), .read(.readCoils, [1, 2, 3])),
        (.read(.readDiscreteInputs, address: 1, count: 2), .read(.readDiscreteInputs, [3])),
        (
            .read(.readHoldingRegisters, address: 107, count: 3),
            .read(.readHoldingRegisters, [2, 43, 0, 0, 0, 100])
        ),
        (.read(.readInputRegisters, address: 8, count: 1), .read(.readInputRegisters, [0, 10])),
        (
            .read(.readInputRegisters, address: 8, count: 125),
            .read(.readInputRegisters, [UInt8](repeating: 7, count: 250))
        ),
        (
            .writeCoil(address: 172, true),
            .wroteSingle(.writeSingleCoil, address: 172, value: 0xFF00)
        ),
        (.writeRegister(address: 1, 3), .wroteSingle(.writeSingleRegister, address: 1, value: 3)),
        (
            .writeCoils(address: 19, [true, false, true]),
            .wroteMany(.writeMultipleCoils, address: 19, count: 3)
        ),
        (
            .writeRegisters(address: 1, [10, 258]),
            .wroteMany(.writeMultipleRegisters, address: 1, count: 2)
        ),
        (.maskWrite(address: 4, and: 0xF2, or: 0x25), .maskWrote(address: 4, and: 0xF2, or: 0x25)),
        (
            .read(.readHoldingRegisters, address: 9, count: 1),
            .exception(.readHoldingRegisters, .illegalDataAddress)
        ),
    ]

    @Test(arguments: exchanges.indices) func pairsEveryKindOfExchange(index: Int) {
        let (ask, answer) = Self.exchanges[index]
        let (heard, frames) = listen([
            (request(17, ask), .milliseconds(10)), (reply(17, answer), .milliseconds(30)),
        ])
        #expect(frames == [request(17, ask), reply(17, answer)])
        guard case .exchange(17, ask, .answer(answer), let turnaround)? = heard.first,
            heard.count == 1
        else {
            Issue.record("heard \(heard)")
            return
        }
        #expect(turnaround != nil)
    }

    /// It must not matter where the adapter cuts, nor that request and reply come in one piece.
    @Test(arguments: exchanges.indices) func everySplitIsHeardTheSame(index: Int) {
        let (ask, answer) = Self.exchanges[index]
        let bytes =
            request(17, ask) + reply(17, answer) + request(18, self.ask) + reply(18, self.answer)
        for cut in 0...bytes.count {
            let (heard, _) = listen([
                (Array(bytes[..<cut]), .milliseconds(10)),
                (Array(bytes[cut...]), .milliseconds(16)),
            ])
            #expect(heard.count == 2, "cut at \(cut): \(heard)")
            guard case .exchange(17, ask, .answer(answer), _)? = heard.first else {
                Issue.record("cut at \(cut): heard \(heard)")
                return
            }
        }
        let (heard, _) = listen(bytes.map { ([$0], .milliseconds(1)) })
        #expect(heard.count == 2)
    }

    /// Whatever bit is flipped, the next exchange is heard, and nothing is heard that was not said.
    @Test func anyFlippedBitCostsOneExchange() {
        let good = request(5, ask) + reply(5, answer)
        for bit in 0..<(good.count * 8) {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            let (heard, _) = listen([
                (Array(bad[..<8]), .milliseconds(50)), (Array(bad[8...]), .milliseconds(20)),
                (request(6, ask), .milliseconds(60)), (reply(6, answer), .milliseconds(20)),
            ])
            guard case .exchange(6, ask, .answer(answer), _)? = heard.last else {
                Issue.record("bit \(bit): \(heard)")
                continue
            }
            let invented = heard.dropLast().contains { content in
                if case .exchange(_, _, .answer, _) = content { true } else { false }
            }
            #expect(!invented, "bit \(bit): \(heard)")
        }
    }

    @Test func aSilentUnitIsNamed() {
        let (heard, _) = listen([
            (request(3, ask), .zero), (request(3, ask), .milliseconds(500)),
            (request(4, ask), .milliseconds(500)),
            (reply(4, answer), .milliseconds(20)),
        ])
        let silent = Overheard.Content.exchange(unit: 3, ask, .silence, turnaround: nil)
        #expect(heard.count == 3 && Array(heard.prefix(2)) == [silent, silent])
        guard case .exchange(4, _, .answer, _)? = heard.last else {
            Issue.record("\(heard)"); return
        }
    }

    @Test func aDamagedReplyBelongsToWhoWasAsked() {
        var bad = reply(3, answer)
        bad[5] ^= 4
        let (heard, _) = listen([
            (request(3, ask), .zero), (bad, .milliseconds(30)),
            (request(4, ask), .milliseconds(100)),
        ])
        #expect(heard.first == .exchange(unit: 3, ask, .damaged(bad), turnaround: nil))
    }

    @Test func nobodyAnswersABroadcast() {
        let write = Request.writeRegister(address: 1, 2)
        let (heard, _) = listen([(request(0, write), .zero), (request(4, ask), .milliseconds(100))])
        #expect(heard.first == .exchange(unit: 0, write, .broadcast, turnaround: nil))
    }

    @Test func whoComesInTheMiddleHearsTheReply() {
        let (heard, _) = listen([(reply(4, answer), .zero)])
        #expect(heard == [.reply(unit: 4, pdu: answer.pdu)])
    }

    @Test(arguments: 1...40) func noiseBeforeAFrameDoesNotHideIt(count: Int) {
        var random = RandomSource(seed: UInt64(count))
        let noise = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let (heard, frames) = listen([
            (noise + request(4, ask), .zero), (reply(4, answer), .milliseconds(30)),
            ([], .milliseconds(500)),
        ])
        #expect(frames.reduce(0) { $0 + $1.count } == count + 8 + 11, "every byte is in some frame")
        #expect(
            heard.contains {
                if case .exchange(4, ask, .answer(answer), _) = $0 { true } else { false }
            }, "\(heard)")
    }

    /// A function code of nobody's: its frame ends where the line falls silent.
    @Test func aPrivateFunctionEndsWithSilence() {
        let private65 = Request.other(FunctionCode(rawValue: 65), [1, 2, 3])
        let answer65 = Response.other(FunctionCode(rawValue: 65), [9])
        let (heard, _) = listen([
            (request(4, private65), .zero), (reply(4, answer65), .milliseconds(60)),
            (request(5, ask), .milliseconds(90)),
        ])
        guard case .exchange(4, private65, .answer(answer65), _)? = heard.first else {
            Issue.record("\(heard)"); return
        }
    }

    /// Bounded memory and time, whatever comes.
    @Test(arguments: 0..<6) func endlessNoiseIsOnlyNoise(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let said: [Says] = (0..<400).map { _ in
            (
                (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next())
                }, .milliseconds(5)
            )
        }
        let (heard, frames) = listen(said)
        #expect(frames.reduce(0) { $0 + $1.count } == said.reduce(0) { $0 + $1.bytes.count })
        let answers = heard.count {
            if case .exchange(_, _, .answer, _) = $0 { true } else { false }
        }
        #expect(answers == 0)
    }

    @Test func trafficIsAddedUp() {
        var traffic = Traffic()
        for second in 0..<10 {
            let at = Moment(.zero + .seconds(second), WallTime(milliseconds: 0))
            let outcome = second == 9 ? Overheard.Outcome.silence : .answer(answer)
            traffic.note(
                Overheard(
                    content: .exchange(unit: 4, ask, outcome, turnaround: .milliseconds(second)),
                    at: at))
        }
        let row = traffic.rows.first?.value
        #expect(row?.asked == 10 && row?.answered == 9 && row?.silent == 1)
        #expect(row?.interval == .seconds(1) && row?.slowest == .milliseconds(9))
        for address in 0..<5000 {
            let ask = Request.read(.readHoldingRegisters, address: UInt16(address), count: 1)
            traffic.note(
                Overheard(
                    content: .exchange(unit: 9, ask, .silence, turnaround: nil),
                    at: Moment(.zero, WallTime(milliseconds: 0))))
        }
        #expect(traffic.rows.count == Traffic.rowsMax && traffic.overflow == 5001 - Traffic.rowsMax)
    }
}
