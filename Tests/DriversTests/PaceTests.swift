import Base
import Drivers
import Modbus
import TestKit
import Testing

/// One unit on a line that nobody looks at before its reply should be whole, and then a little
/// late as threads wake up.
private struct Watched {
    var driver: ModbusDriver
    private static let lateness = Duration.microseconds(60)
    private var tty: CarriedLine
    let timing: RTUTiming
    var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    /// Requests whose reply was not watched for, and how long whole replies lay there.
    private(set) var predicted: [Bool] = []
    private(set) var lain: [Duration] = []
    private(set) var readings = 0
    /// Requests that only prove the order of replies.
    private(set) var fences = 0

    init(_ baud: Int, every interval: Duration = .milliseconds(100)) {
        let settings = ModbusDriver.Settings(
            port: PortName("bus"), line: line(baud), responseTimeout: .milliseconds(300),
            retries: 0,
            nodes: [node(1, every: interval)])
        driver = ModbusDriver(settings, seed: 1, autonomy: LineAutonomy(schedules: false))
        timing = RTUTiming(settings.line)
        tty = CarriedLine(settings.line)
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
    }

    /// When the last byte of a reply to the request that leaves now is there.
    private func end(_ sent: Int, _ pause: Duration, _ length: Int) -> Instant {
        now.instant + timing.time(of: sent) + pause + timing.time(of: length)
    }

    private mutating func advance(to next: Instant) { now = now + (next - now.instant) }

    /// The frame that leaves next.
    private mutating func request() -> [UInt8] {
        for _ in 0..<1000 {
            guard let due = driver.deadline?.due else { break }
            advance(to: max(due, now.instant))
            driver.timeout(at: now)
            guard var frame = drain() else { continue }
            // What only proves the order of replies is answered at once.
            while frame[1] == 8 {
                fences += 1
                advance(to: end(frame.count, .milliseconds(5), frame.count))
                driver.receive(frame[...], at: now)
                guard let next = drain() else { break }
                frame = next
            }
            if frame[1] != 8 { return frame }
        }
        Issue.record("nothing is asked")
        return []
    }

    /// When the line is looked at; nil: at every byte.
    private var look: Instant? { tty.isWatched ? nil : tty.due }

    private mutating func drain() -> [UInt8]? {
        var frame: [UInt8]?
        while let output = driver.next() {
            if case .line(let command) = output { tty.carryOut(command, at: now.instant) }
            if case .reading = output { readings += 1 }
        }
        while let output = tty.next(at: now.instant) {
            if case .sent(let bytes) = output { frame = bytes }
        }
        return frame
    }

    /// What was read last may go out.
    mutating func rest() {
        advance(to: now.instant + .milliseconds(30))
        driver.timeout(at: now)
        _ = drain()
    }

    /// One exchange; a refusal or silence in place of the answer, if that is wanted.
    mutating func exchange(pause: Duration, refused: Bool = false, silent: Bool = false) {
        let frame = request()
        guard frame.count == 8 else { return }
        let count = Int(frame[5])
        let pdu =
            refused ? [0x83, 2] : [3, UInt8(2 * count)] + [UInt8](repeating: 0, count: 2 * count)
        let answer = RTUFrame.encode(unit: frame[0], pdu)
        predicted.append(look != nil)
        guard !silent else {
            // The line is looked at all the same, and the wait ends as ever.
            for _ in 0..<4 where driver.isExchanging(at: now.instant) {
                guard let due = driver.deadline?.due else { break }
                advance(to: due)
                driver.timeout(at: now)
                _ = drain()
            }
            return
        }
        let whole = end(frame.count, pause, answer.count)
        let looked = look.map { $0 + Self.lateness } ?? .zero
        if looked < whole {
            // The first bytes are there, or come, when somebody looks.
            let first = end(frame.count, pause, 8 < answer.count ? 8 : answer.count)
            advance(to: max(looked, first))
            let there = min(answer.count - 1, 8)
            driver.receive(answer[..<there], at: now)
            advance(to: whole)
            driver.receive(answer[there...], at: now)
        } else {
            lain.append(looked - whole)
            advance(to: looked)
            driver.receive(answer[...], at: now)
        }
        _ = drain()
    }
}

/// A unit of steady pace is not looked at before its reply is whole.
@Suite struct PaceTests {
    @Test(arguments: [9600, 19_200, 115_200])
    func aSteadyUnitIsLookedAtOnce(_ baud: Int) {
        var line = Watched(baud)
        for _ in 0..<80 { line.exchange(pause: .milliseconds(5)) }
        line.rest()
        #expect(line.readings == 80 && line.fences <= 5)
        #expect(!line.predicted[..<8].contains(true))
        // One of 32 is watched all the same.
        #expect(line.predicted[8...].count { $0 } == 72 - 72 / 32)
        #expect(line.lain.count == 72 - 72 / 32)
        #expect(line.lain.allSatisfy { $0 <= .microseconds(200) })
        #expect(line.driver.statistics.replies == 80 + line.fences)
        guard let turnaround = line.driver.statistics.units.first?.turnaround else {
            Issue.record("no turnaround")
            return
        }
        #expect((Duration.milliseconds(5)...Duration.microseconds(5200)).contains(turnaround))
    }

    /// Nobody waits for it longer than its quickest reply of late takes.
    @Test func aUnitOfUnsteadyPaceIsHardlyWaitedFor() {
        var line = Watched(115_200)
        var random = RandomSource(seed: 5)
        for _ in 0..<2000 { line.exchange(pause: .microseconds(Int(random.uniform(1000, 9000)))) }
        line.rest()
        #expect(line.readings == 2000)
        let wasted = line.lain.reduce(Duration.zero, +)
        #expect(wasted / 2000 < .microseconds(100), "\(wasted / 2000) an exchange")
    }

    @Test func aUnitThatBecomesSlowerOrFasterIsLearnedAnew() {
        var line = Watched(19_200)
        for _ in 0..<40 { line.exchange(pause: .milliseconds(5)) }
        for _ in 0..<60 { line.exchange(pause: .milliseconds(9)) }
        #expect(line.lain.suffix(20).allSatisfy { $0 <= .microseconds(200) })
        #expect(line.predicted.suffix(20).contains(true))
        for _ in 0..<80 { line.exchange(pause: .milliseconds(2)) }
        #expect(line.lain.suffix(20).allSatisfy { $0 <= .microseconds(200) })
        line.rest()
        #expect(line.readings == 180)
    }

    @Test(arguments: [true, false])
    func afterARefusalOrSilenceItIsWatchedAgain(_ isRefused: Bool) {
        var line = Watched(19_200)
        for _ in 0..<10 { line.exchange(pause: .milliseconds(5)) }
        #expect(line.predicted.last == true)
        line.exchange(pause: .milliseconds(5), refused: isRefused, silent: !isRefused)
        #expect(line.predicted.last == true)
        for _ in 0..<8 {
            line.exchange(pause: .milliseconds(5))
            #expect(line.predicted.last == false)
        }
        line.exchange(pause: .milliseconds(5))
        #expect(line.predicted.last == true)
    }
}
