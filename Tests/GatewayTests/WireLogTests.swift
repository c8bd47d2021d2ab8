import Base
import Gateway
import Modbus
import Testing

/// Frames of a line in the log: whole, in their order, and no more than the bound.
@Suite struct WireLogTests {
    private static let start = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    private static let request = RTUFrame.encode(unit: 3, [3, 0, 0, 0, 2])
    private static let reply = RTUFrame.encode(unit: 3, [3, 4, 0, 17, 0, 42])
    private static let asked =
        "08:00:00.000 > unit 3  read holding 0 x 2  [\(Hex.encode(request))]"

    private func at(_ milliseconds: Int64) -> Moment {
        Moment(
            Self.start.instant + .milliseconds(milliseconds),
            WallTime(milliseconds: Self.start.wall.milliseconds + milliseconds))
    }

    private func lines(_ log: inout WireLog) -> [String] {
        var lines: [String] = []
        while let line = log.next() { lines.append(line) }
        return lines
    }

    @Test func aReplyIsOneLineHoweverItComes() {
        for split in 0..<Self.reply.count {
            var log = WireLog(isModbus: true)
            log.sent(Self.request, at: at(0))
            if split > 0 { log.received(Array(Self.reply[..<split]), at: at(12)) }
            log.received(Array(Self.reply[split...]), at: at(split > 0 ? 14 : 12))
            let answered =
                "08:00:00.012 < unit 3  read holding 0 x 2: 17 42  (+12.0 ms)  "
                + "[\(Hex.encode(Self.reply))]"
            #expect(lines(&log) == [Self.asked, answered], "split at \(split)")
            #expect(log.due == nil)
        }
    }

    @Test func damageIsToldAsItIs() throws {
        for bit in 0..<(8 * Self.reply.count) {
            var damaged = Self.reply
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            var log = WireLog(isModbus: true)
            log.sent(Self.request, at: at(0))
            log.received(damaged, at: at(10))
            #expect(lines(&log) == [Self.asked], "more may come")
            log.timeout(at: try #require(log.due))
            let told = lines(&log)
            #expect(told.count == 1 && told[0].contains("< no sound frame (CRC error)"), "\(told)")
            #expect(told[0].hasSuffix("[\(Hex.encode(damaged))]"), "\(told)")
        }
    }

    /// Adapters that hear what they send.
    @Test func anEchoIsToldApartFromTheReply() {
        for isOnePiece in [true, false] {
            var log = WireLog(isModbus: true)
            log.sent(Self.request, at: at(0))
            if isOnePiece {
                log.received(Self.request + Self.reply, at: at(12))
            } else {
                log.received(Self.request, at: at(5))
                log.received(Self.reply, at: at(12))
            }
            let told = lines(&log)
            #expect(told.count == 3, "\(told)")
            #expect(told[1].contains("< unit 3  the echo of the request  "), "\(told)")
            #expect(told[2].contains("< unit 3  read holding 0 x 2: 17 42  "), "\(told)")
        }
    }

    @Test func aFloodIsCountedAndNotTold() throws {
        var log = WireLog(isModbus: true)
        var told: [String] = []
        let exchanges: Int64 = 10_000
        for number in 0..<exchanges {
            log.sent(Self.request, at: at(number / 2))
            log.received(Self.reply, at: at(number / 2))
            told += lines(&log)
        }
        let seconds = Int(exchanges / 2 / 1000)
        #expect(told.count <= 2 * (WireLog.burst + seconds * WireLog.perSecond))
        // Every frame is told or counted, and a reply is not told without its request.
        log.sent(Self.request, at: at(60_000))
        log.received(Self.reply, at: at(60_000))
        told += lines(&log)
        let frames = told.count { $0.contains("[") }
        let counts = told.filter { !$0.contains("[") }.compactMap { $0.split(separator: " ").first }
            .compactMap { Int($0) }
        #expect(frames <= WireLog.burst + (seconds + 1) * WireLog.perSecond + 2)
        #expect(frames + counts.reduce(0, +) == 2 * Int(exchanges) + 2)
        #expect(!told.contains { $0.contains("no request") })
    }

    @Test func whatAUARTSaysIsALineEach() {
        var log = WireLog(isModbus: false)
        log.received(Array("$12.".utf8), at: at(0))
        log.received(Array("5\r\n".utf8), at: at(3))
        log.received(Array("$1".utf8), at: at(50))
        log.timeout(at: at(150).instant)
        let told = lines(&log)
        #expect(told.count == 2, "\(told)")
        #expect(told[0].hasPrefix("08:00:00.000 < $12.5"), "\(told)")
        #expect(told[1] == "08:00:00.050 < $1  [24 31]", "\(told)")
    }
}
