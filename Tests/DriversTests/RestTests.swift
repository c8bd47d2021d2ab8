import Base
import Drivers
import Modbus
import Testing

/// While the rest of a reply is on the wire there is nothing to read, and the driver says until
/// when.
@Suite struct RestTests {
    /// A driver whose request is out, the end of that request, and the line's timing.
    private func asked(
        _ baud: Int
    ) -> (driver: ModbusDriver, sent: [UInt8], end: Moment, timing: RTUTiming) {
        let settings = ModbusDriver.Settings(
            port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(300),
            retries: 2,
            nodes: [node(1)])
        var driver = ModbusDriver(settings, seed: 1, autonomy: LineAutonomy(schedules: false))
        var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        var frame: [UInt8] = []
        while frame.isEmpty, let due = driver.deadline?.due {
            now = now + (due - now.instant)
            driver.timeout(at: now)
            while let output = driver.next() {
                if case .line(.transmit(let bytes, let look)) = output {
                    frame = bytes
                    #expect(look == nil)
                }
            }
        }
        let timing = RTUTiming(settings.line)
        return (driver, frame, now + timing.time(of: frame.count), timing)
    }

    /// Until when the line is not looked at, as the driver has just said; nil: at every byte.
    private static func look(of driver: inout ModbusDriver) -> Instant? {
        var look: Instant?
        while let output = driver.next() {
            if case .line(.lookAway(let until)) = output { look = until }
        }
        return look
    }

    /// The good answer to a request for holding registers, all zero.
    private func reply(to frame: [UInt8]) -> [UInt8] {
        let count = Int(frame[4]) << 8 | Int(frame[5])
        return RTUFrame.encode(
            unit: frame[0], [3, UInt8(2 * count)] + [UInt8](repeating: 0, count: 2 * count))
    }

    @Test(arguments: [9600, 19_200, 115_200], [3, 8])
    func itBeginsShortlyBeforeTheLastByteCanBeThere(_ baud: Int, _ first: Int) {
        var (driver, frame, end, timing) = asked(baud)
        let answer = reply(to: frame)
        let now = end + .milliseconds(5)
        driver.receive(answer[..<first], at: now)
        let rest = timing.time(of: answer.count - first)
        #expect(Self.look(of: &driver) == now.instant + (rest - .microseconds(100)))
        driver.receive(answer[first...], at: now + rest)
        // What follows the first reply of a unit waits for the silence of the line alone.
        #expect(Self.look(of: &driver) == now.instant + rest + timing.silence)
        #expect(driver.statistics.replies == 1)
    }

    @Test func nothingIsSaidBeforeTheLengthIsKnownOrWhenLittleIsMissing() {
        var (driver, frame, end, timing) = asked(115_200)
        let answer = reply(to: frame)
        driver.receive(answer[..<2], at: end + .milliseconds(5))
        #expect(Self.look(of: &driver) == nil)
        driver.receive(answer[2..<22], at: end + .milliseconds(5) + timing.time(of: 20))
        #expect(Self.look(of: &driver) == nil)
        driver.receive(answer[22...], at: end + .milliseconds(5) + timing.time(of: 23))
        #expect(driver.statistics.replies == 1)
    }

    /// A frame that says to be longer than what was asked for is read as it comes.
    @Test func aCountThatWasDamagedIsNotBelieved() {
        var (driver, frame, end, timing) = asked(9600)
        var answer = reply(to: frame)
        answer[2] = 200
        driver.receive(answer[..<8], at: end + .milliseconds(5))
        #expect(Self.look(of: &driver) == nil && driver.deadline?.reason == .rest)
        driver.receive(answer[8...], at: end + .milliseconds(5) + timing.time(of: 17))
        guard let due = driver.deadline, due.reason == .rest else {
            Issue.record("the rest is not waited for")
            return
        }
        driver.timeout(at: end + (due.due - end.instant))
        #expect(Self.look(of: &driver) == nil && driver.statistics.checksumErrors == 1)
    }

    /// Its rest did not come: the wait ends as ever, and so does the looking away.
    @Test func aReplyThatBreaksOffIsGivenUp() {
        var (driver, frame, end, _) = asked(9600)
        driver.receive(reply(to: frame)[..<8], at: end + .milliseconds(5))
        guard let begins = Self.look(of: &driver), let due = driver.deadline else {
            Issue.record("nothing is waited for")
            return
        }
        #expect(begins < due.due && due.reason == .rest)
        driver.timeout(at: end + (due.due - end.instant))
        #expect(Self.look(of: &driver) == nil && driver.statistics.checksumErrors == 1)
    }
}
