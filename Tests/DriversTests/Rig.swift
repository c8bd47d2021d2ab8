import Base
import Drivers
import Line
import Modbus
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
    /// A request that goes out at its time if nothing arrives before; the line is not looked at
    /// until then.
    private var single: (frame: [UInt8], at: Instant)?
    /// Reads that the line carries out by itself; it is not looked at before a reply should be
    /// whole.
    private(set) var train: ReadTrain?
    private var mustEnd = false
    /// What waking up is late for a look.
    static let lateness = Duration.microseconds(60)
    /// Trains, what they carried, and those that ended before their end.
    private(set) var trains = (begun: 0, exchanges: 0, broken: 0)
    /// Requests that were scheduled, and those that were taken back.
    private(set) var schedules = 0
    private(set) var takenBack = 0
    private var arrivals: [(at: Instant, bytes: [UInt8])] = []
    private var quietSince = Instant.zero

    init(
        _ settings: ModbusDriver.Settings, seed: UInt64 = 1, canSchedule: Bool = true,
        script: @escaping (UInt8, Request, Int) -> Behaviour
    ) {
        driver = ModbusDriver(settings, seed: seed, autonomy: .init(schedules: canSchedule))
        timing = RTUTiming(settings.line)
        self.script = script
    }

    /// What goes out next if nothing arrives before: one request, or the first of a train.
    var scheduled: (frame: [UInt8], at: Instant)? {
        guard single == nil, let train, train.log.isEmpty, case .send(let due) = train.step else {
            return single
        }
        return (train.next, due)
    }

    mutating func open() {
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    /// - Parameter keepsReplies: what the units have to say arrives all the same, when the line is
    ///   open again.
    mutating func close(keepsReplies: Bool = false) {
        if !keepsReplies { arrivals.removeAll() }
        driver.closed(at: now)
        drain()
    }

    mutating func pause(keepsReplies: Bool = false) {
        if !keepsReplies { arrivals.removeAll() }
        driver.pause(at: now)
        drain()
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
        if train != nil { return ride() }
        single = nil
        answer(request.frame)
        driver.sentLate(by: delay)
        drain()
    }

    /// Bytes that arrive by themselves.
    mutating func inject(_ bytes: [UInt8], after delay: Duration) {
        deliver(bytes, from: now.instant + delay)
    }

    /// One event. False when nothing will ever happen again, or not before `end`.
    mutating func step(until end: Instant) -> Bool {
        let arrival = arrivals.first?.at ?? .distantFuture
        let due = driver.deadline?.due ?? .distantFuture
        if let train {
            if let at = Self.time(of: train.step), at <= due {
                guard at <= end else {
                    now = now + (end - now.instant)
                    return false
                }
                if at > now.instant { now = now + (at - now.instant) }
                ride()
                return true
            }
        } else if let request = single {
            if request.at <= due { return send(request.frame, at: request.at, until: end) }
            return wake(at: due, until: end)
        }
        let next = min(arrival, due)
        guard next <= end else {
            now = now + (end - now.instant)
            return false
        }
        if next > now.instant { now = now + (next - now.instant) }
        if arrival <= due {
            let bytes = arrivals.removeFirst().bytes
            quietSince = max(quietSince, now.instant)
            driver.receive(bytes[...], at: now)
        } else {
            driver.timeout(at: now)
        }
        drain()
        return true
    }

    /// The driver has something to do that is not the line's.
    private mutating func wake(at due: Instant, until end: Instant) -> Bool {
        guard due <= end else {
            now = now + (end - now.instant)
            return false
        }
        if due > now.instant { now = now + (due - now.instant) }
        driver.timeout(at: now)
        drain()
        return true
    }

    /// What has come meanwhile is found just before it would go out.
    private mutating func send(_ frame: [UInt8], at due: Instant, until end: Instant) -> Bool {
        guard due <= end else {
            now = now + (end - now.instant)
            return false
        }
        if due > now.instant { now = now + (due - now.instant) }
        single = nil
        let found = look()
        if found.isEmpty {
            answer(frame)
        } else {
            takenBack += 1
            driver.takeBack()
            driver.receive(found[...], at: now)
            drain()
        }
        return true
    }

    /// What has arrived by now.
    private mutating func look() -> [UInt8] {
        let found = arrivals.prefix { $0.at <= now.instant }
        arrivals.removeFirst(found.count)
        if let last = found.last { quietSince = max(quietSince, last.at) }
        return found.flatMap(\.bytes)
    }

    /// A train's next request leaves, or its reply should be there.
    private mutating func ride() {
        let found = look()
        if let next = train?.next, !next.isEmpty, found.isEmpty {
            _ = train?.sent(at: now.instant)
            answer(next)
        } else if let step = train?.received(found[...], at: now.instant) {
            if step == .end { endTrain() }
        } else {
            trains.broken += 1
            endTrain()
        }
    }

    private static func time(of step: ReadTrain.Step) -> Instant? {
        switch step {
        case .send(let due): due
        case .look(let due): due + lateness
        case .end: nil
        }
    }

    private mutating func endTrain() {
        guard let train else { return }
        let log = train.log
        self.train = nil
        trains.exchanges += log.count
        if log.isEmpty { takenBack += 1 }
        driver.carried(log, then: train.unclaimed, at: now)
        drain()
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

    private mutating func drain() {
        while let output = driver.next() {
            outputs.append(output)
            switch output {
            case .transmit(let frame): answer(frame)
            case .schedule(let frame, let due):
                single = (frame, due)
                schedules += 1
            case .train(let begun):
                train = begun
                schedules += 1
                trains.begun += 1
            case .recall: mustEnd = true
            case .unschedule:
                (single, train) = (nil, nil)
                takenBack += 1
            case .reading(let reading): readings.append((now.instant, reading))
            case .outcome(let outcome): outcomes.append(outcome)
            case .setup(_, let step, let outcome): setups.append((step, outcome))
            case .unit(let address, let state, _): states.append((address, state))
            case .notice(let notice): notices.append(notice)
            case .learned(let document): learned.append(document)
            case .discardInput: break
            }
        }
        guard mustEnd else { return }
        mustEnd = false
        endTrain()
    }

    private mutating func answer(_ frame: [UInt8]) {
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
