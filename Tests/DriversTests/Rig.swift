import Base
import Drivers
import Line
import Modbus
import TestKit
import Testing

/// What a scripted slave does with one request.
enum Behaviour {
    /// Answers properly after this turnaround.
    case answer(Duration)
    case refuse(ExceptionCode, Duration)
    case silent
    /// These bytes instead of the answer.
    case say([UInt8], Duration)
    /// The answer with one bit flipped.
    case flip(Int, Duration)
    /// The answer after this turnaround, but not before the unit's earlier replies, and copies of
    /// it this long after its end. `inOrder`: its later replies wait for the copies.
    case copies(Duration, [Duration], inOrder: Bool)
}

/// A driver, a line with its byte times, and slaves that follow a script; time is virtual.
struct Rig {
    struct Sent: Hashable {
        var at: Instant
        var unit: UInt8
        var pdu: [UInt8]
    }

    /// What the transceiver hears of itself.
    enum Echo { case none, faithful, changed(every: Int) }

    var driver: ModbusDriver
    var echo = Echo.none
    let timing: RTUTiming
    var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    /// By unit, request and how often this unit has been asked.
    var script: (UInt8, Request, Int) -> Behaviour
    var units = RigUnits()
    var holding: [UInt8: [Int: UInt16]] {
        get { units.holding }
        set { units.holding = newValue }
    }

    private(set) var outputs: [ModbusDriver.Output] = []
    private(set) var readings: [(at: Instant, reading: Reading)] = []
    private(set) var outcomes: [Outcome] = []
    private(set) var setups: [(step: Int, outcome: Outcome)] = []
    private(set) var states: [(Address, UnitState)] = []
    private(set) var sent: [Sent] = []
    private(set) var notices: [Notice] = []
    /// How long the line had been silent before each of them.
    private(set) var sentAfterSilence: [Duration] = []
    private(set) var learned: [[UInt8]] = []
    /// Requests that began before t3.5 of silence.
    private(set) var early = 0
    private(set) var wireTime = Duration.zero
    private var asked: [UInt8: Int] = [:]
    /// What waking up is late for a look.
    static let lateness = Duration.microseconds(60)
    private var line: LineSettings
    /// The line and its carrier.
    private var tty: CarriedLine
    /// Bursts, exchanges in them, and those that ended before their end.
    private(set) var bursts = (begun: 0, exchanges: 0, broken: 0)
    /// Requests that were sent, and times that the driver was told of something.
    private var events = 0
    /// Reads of the burst under way; nil if it was recalled.
    private var burstSize: Int?
    /// Requests that were scheduled, and those that were cancelled.
    private(set) var schedules = 0
    private(set) var cancelled = 0
    private var arrivals: [(at: Instant, bytes: [UInt8])] = []
    private var quietSince = Instant.zero

    init(
        _ settings: ModbusDriver.Settings, seed: UInt64 = 1, canSchedule: Bool = true,
        script: @escaping (UInt8, Request, Int) -> Behaviour
    ) {
        driver = ModbusDriver(settings, seed: seed, autonomy: .init(schedules: canSchedule))
        timing = RTUTiming(settings.line)
        line = settings.line
        tty = CarriedLine(line)
        self.script = script
    }

    /// The request that goes out next if nothing arrives before: a single one, or the first of a
    /// burst.
    var scheduled: (frame: [UInt8], at: Instant)? { tty.upcoming }
    var burst: ReadBurst? { tty.burst }

    mutating func open() {
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    /// - Parameter keepsReplies: what the units have to say arrives all the same, when the line is
    ///   open again.
    mutating func close(keepsReplies: Bool = false) {
        hangUp(keepsReplies)
        driver.closed(at: now)
        drain()
    }

    mutating func pause(keepsReplies: Bool = false) {
        hangUp(keepsReplies)
        driver.pause(at: now)
        drain()
    }

    private mutating func hangUp(_ keepsReplies: Bool) {
        if !keepsReplies { arrivals.removeAll() }
        tty = CarriedLine(line)
    }

    /// Another plan, as soon as the exchange under way has ended.
    mutating func adopt(_ settings: ModbusDriver.Settings) {
        for _ in 0..<1000 where driver.isExchanging(at: now.instant) {
            _ = driver.hold(at: now)
            drain()
            if driver.isExchanging(at: now.instant), !step(until: .distantFuture - .seconds(1)) {
                break
            }
        }
        let isAdopted = driver.adopt(.modbus(settings), at: now)
        line = settings.line
        #expect(isAdopted)
        drain()
    }

    mutating func submit(_ order: Order) {
        driver.submit(order, at: now)
        drain()
    }

    /// The scheduled request goes out so much after its time.
    mutating func sendLate(by delay: Duration) {
        guard let request = scheduled else { return }
        now = now + (request.at + delay - now.instant)
        tty.timeout(at: now.instant)
        drain()
    }

    /// Bytes that arrive by themselves.
    mutating func inject(_ bytes: [UInt8], after delay: Duration) {
        deliver(bytes, from: now.instant + delay)
    }

    /// One event. False when nothing will ever happen again, or not before `end`. A look that finds
    /// nothing is no event.
    mutating func step(until end: Instant) -> Bool {
        while true {
            let arrival = tty.isWatched ? arrivals.first?.at ?? .distantFuture : .distantFuture
            let due = driver.deadline?.due ?? .distantFuture
            let look = lookDue(before: due)
            let next = min(arrival, due, look)
            guard next <= end else {
                now = now + (end - now.instant)
                return false
            }
            if next > now.instant { now = now + (next - now.instant) }
            takeArrivals(tty.isWatched ? 1 : .max)
            let isLook = arrival > min(due, look) && look <= due
            let (before, inBurst) = (events, tty.burst != nil)
            if isLook {
                tty.timeout(at: now.instant)
            } else if arrival > due {
                driver.timeout(at: now)
            }
            drain()
            if !isLook || inBurst || events > before { return true }
        }
    }

    /// When the line is looked at by itself. A look for a reply is late, one before a request is
    /// not.
    private func lookDue(before due: Instant) -> Instant {
        guard let look = tty.due else { return .distantFuture }
        let isSending = if case .send? = tty.burst?.step { true } else { tty.upcoming != nil }
        return isSending || due < look ? look : min(look + Self.lateness, due)
    }

    /// Bytes that have come by now lie in the tty.
    private mutating func takeArrivals(_ most: Int) {
        for _ in 0..<most {
            guard let first = arrivals.first, first.at <= now.instant else { return }
            arrivals.removeFirst()
            quietSince = max(quietSince, first.at)
            tty.arrive(first.bytes)
        }
    }

    /// Returns the number of events, which is bounded: a driver that spins fails here.
    @discardableResult
    mutating func run(for time: Duration, events limit: Int = 200_000) -> Int {
        let end = now.instant + time
        for count in 0..<limit {
            if !step(until: end) { return count }
        }
        return limit
    }

    /// Until a request is scheduled; a failure if none ever is.
    mutating func runUntilScheduled(events limit: Int = 1000) {
        for _ in 0..<limit {
            if scheduled != nil { return }
            if !step(until: .distantFuture - .seconds(1)) { break }
        }
        Issue.record("nothing was ever scheduled")
    }

    /// Until the driver waits for this; a failure if it never does.
    mutating func run(untilWaitingFor reason: ModbusDriver.Timer, events limit: Int = 1000) {
        for _ in 0..<limit {
            if driver.deadline?.reason == reason { return }
            if !step(until: .distantFuture - .seconds(1)) { break }
        }
        Issue.record("never waited for \(reason)")
    }

    /// Those that have come since the last time.
    mutating func takeReadings() -> [(at: Instant, reading: Reading)] {
        defer { readings = [] }
        return readings
    }

    mutating func takeOutcomes() -> [Outcome] {
        defer { outcomes = [] }
        return outcomes
    }

    func readings(of unit: Int) -> [Reading] {
        readings.map(\.reading).filter { Int($0.address.unit.value) == unit }
    }

    mutating func drain() {
        repeat {
            while let output = driver.next() {
                outputs.append(output)
                switch output {
                case .line(let command): carryOut(command)
                case .reading(let reading): readings.append((now.instant, reading))
                case .outcome(let outcome): outcomes.append(outcome)
                case .setup(_, let step, let outcome): setups.append((step, outcome))
                case .unit(let address, let state, _): states.append((address, state))
                case .notice(let notice): notices.append(notice)
                case .learned(let document): learned.append(document)
                case .served: break
                }
            }
        } while drainLine()
    }

    private mutating func carryOut(_ command: LineCommand) {
        switch command {
        case .schedule: schedules += 1
        case .burst(let burst):
            schedules += 1
            bursts.begun += 1
            burstSize = burst.count
        case .recall: burstSize = nil
        case .unschedule: cancelled += 1
        case .discardInput, .transmit, .lookAway: break
        }
        tty.carryOut(command, at: now.instant)
    }

    /// Does what the carrier wants, until the driver has been told of something.
    private mutating func drainLine() -> Bool {
        while let output = tty.next(at: now.instant) {
            switch output {
            case .sent(let frame): answer(frame)
            case .report(let event):
                tell(event)
                return true
            }
        }
        return false
    }

    private mutating func tell(_ event: LineEvent) {
        events += 1
        switch event {
        case .received(let bytes): driver.receive(.received(bytes), at: now)
        case .intruded(let bytes):
            cancelled += 1
            driver.receive(.intruded(bytes), at: now)
        case .sentLate(let delay): driver.receive(.sentLate(delay), at: now)
        case .carried(let log, let bytes):
            bursts.exchanges += log.count
            if log.isEmpty { cancelled += 1 }
            if let burstSize, log.count < burstSize || log.last?.reply == nil { bursts.broken += 1 }
            driver.receive(.carried(log, bytes), at: now)
        case .opened, .failed, .errors, .lost, .closed:
            Issue.record("a line that is open tells \(event)")
        }
    }

    private mutating func answer(_ frame: [UInt8]) {
        events += 1
        if now.instant < quietSince + timing.silence { early += 1 }
        let silence = now.instant - quietSince
        let end = now.instant + timing.time(of: frame.count)
        quietSince = end
        wireTime += timing.time(of: frame.count) + timing.silence
        let unit = frame[0]
        let pdu = Array(frame[1..<(frame.count - 2)])
        sent.append(Sent(at: now.instant, unit: unit, pdu: pdu))
        sentAfterSilence.append(silence)
        hearSelf(frame)
        guard let request = try? Request(pdu: pdu[...]) else { return }
        let count = asked[unit, default: 0]
        asked[unit] = count + 1
        switch script(unit, request, count) {
        case .silent: break
        case .answer(let wait):
            deliver(serve(unit, request), from: end + wait)
            wireTime += wait
        case .copies(let wait, let gaps, let inOrder):
            let frame = serve(unit, request)
            let starts = units.starts(
                unit, end + wait, gaps, timing.time(of: frame.count), inOrder: inOrder)
            for start in starts { deliver(frame, from: start, chunk: 3) }
        case .refuse(let code, let wait):
            let refusal = Response.exception(request.function, code)
            deliver(RTUFrame.encode(unit: unit, refusal.pdu), from: end + wait)
        case .say(let bytes, let wait): deliver(bytes, from: end + wait)
        case .flip(let bit, let wait):
            var bytes = serve(unit, request)
            bytes[bit / 8 % bytes.count] ^= 1 << (bit % 8)
            deliver(bytes, from: end + wait)
        }
    }

    private mutating func serve(_ unit: UInt8, _ request: Request) -> [UInt8] {
        RTUFrame.encode(unit: unit, units.serve(unit, request, at: now.instant).pdu)
    }

    private mutating func hearSelf(_ frame: [UInt8]) {
        var heard = frame
        switch echo {
        case .none: return
        case .faithful: break
        case .changed(let every): if sent.count % every == 0 { heard[3] ^= 0x10 }
        }
        deliver(heard, from: now.instant)
    }

    /// The first byte arrives when it is complete, the rest together.
    private mutating func deliver(_ bytes: [UInt8], from start: Instant, chunk: Int? = nil) {
        if let chunk {
            for first in stride(from: 0, to: bytes.count, by: chunk) {
                let end = min(first + chunk, bytes.count)
                arrivals.append((start + timing.time(of: end), Array(bytes[first..<end])))
            }
            arrivals.sort { $0.at < $1.at }
            return
        }
        arrivals.append((start + timing.character, Array(bytes.prefix(1))))
        if bytes.count > 1 {
            arrivals.append((start + timing.time(of: bytes.count), Array(bytes.dropFirst())))
        }
        arrivals.sort { $0.at < $1.at }
        wireTime += timing.time(of: bytes.count)
    }

    func value(_ unit: UInt8, _ address: Int) -> UInt16 { units.value(unit, address) }
}

func unit(_ number: Int) -> UnitID { UnitID(number)! }
func line(_ baud: Int, _ parity: LineSettings.Parity = .even) -> LineSettings {
    LineSettings(device: .path("/dev/test"), baud: baud, parity: parity)
}

/// One node with ten holding registers.
func node(_ number: Int, every interval: Duration = .seconds(1), count: Int = 10) -> NodePlan {
    NodePlan(unit: unit(number), spans: (0..<count).map { Span(.holding, $0, 1, every: interval) })
}
