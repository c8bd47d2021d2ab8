import Base
import Line
import Modbus

/// The Modbus-RTU master of one port: plans the reads, releases them on time, asks one unit after
/// the other, and says what came of it. Pure: it knows no clock and no descriptor.
///
/// - One exchange at a time (`LineExchange`); a command's first exchange is the next on the wire,
///   then the due read with the earliest deadline. Orders that want more than their share of a busy
///   line wait for the reads that are due (`OrderBudget`).
/// - A retry is a new job and never immediate while another unit is due.
/// - Units that are silent, or have not answered yet, draw on ten per cent of the line's time and
///   on time that nobody else wants, so that they cannot slow those that answer.
/// - An overloaded line stretches every interval by its load; nothing queues up.
/// - Where the line can wait for the right moment by itself, the next read is decided together with
///   the reply before it and given out as `schedule`, or several as one `burst`; a command goes
///   before all of them that have not left.
/// - A request of another master (`serve`) takes the line only if every cycle still ends in time.
package struct ModbusDriver: LineDriver {
    package struct Settings: Hashable, Sendable {
        package var port: PortName
        package var line: LineSettings
        /// From the end of our transmission to the first byte of the reply.
        package var responseTimeout: Duration
        /// Attempts after the first.
        package var retries: Int
        /// Planning figure only; it adds no wait.
        package var turnaround: Duration
        /// Share of the line above which a warning is due.
        package var maxLoad: Double
        /// Time that the units get to carry out a broadcast.
        package var broadcastWait = Duration.milliseconds(100)
        /// One per unit.
        package var nodes: [NodePlan]
        /// Nil: no other master uses the line.
        package var serve: ServeSettings?

        package init(
            port: PortName, line: LineSettings, responseTimeout: Duration = .milliseconds(1000),
            retries: Int = 2, turnaround: Duration = .milliseconds(5), maxLoad: Double = 0.9,
            nodes: [NodePlan]
        ) {
            self.port = port
            self.line = line
            self.responseTimeout = responseTimeout
            self.retries = retries
            self.turnaround = turnaround
            self.maxLoad = maxLoad
            self.nodes = nodes
        }
    }

    package typealias Output = LineOutput
    package typealias Timer = LineTimer

    enum Line: Sendable { case unopened, open, closed, paused }
    enum Work: Sendable { case read(cycle: Int), order, fence(FenceJob), served(ServedWork) }

    private(set) var settings: Settings
    package var autonomy: LineAutonomy
    package private(set) var plan: ReadPlan
    var exchange: LineExchange
    var line = Line.unopened
    var units: [LineUnit]
    var cycles: [PollCycle]
    var orders: [OrderJob] = []
    /// Purpose of the exchange under way; an order is then the first of `orders`.
    var work: Work?
    /// The exchange under way goes at the expense of the unhealthy budget.
    var isOnBudget = false
    var startedAt = Instant.zero
    /// The read that was given out before its time, with those behind it; nil: none, or it has
    /// left as far as is known.
    var ahead: ReadAhead?
    /// Reads in one burst at most.
    static let burstLimit = 16
    /// The unit whose attempt failed last: its retry lets others go first.
    var failedUnit: Int?
    var budget: UnhealthyBudget
    var orderBudget: OrderBudget
    /// Readings that may still turn out to be of other requests.
    var held = HeldReadings()
    /// Units that were silent at their first attempt since the line was opened.
    var silentStarts = 0
    var random: RandomSource
    var counters = PortStatistics()
    /// Units that are not in the plan any more.
    var former = FormerUnits()
    /// Nothing is begun before another plan is adopted.
    var isHeld = false
    var wake: (due: Instant, reason: Timer)?
    /// Requests of other masters.
    var served: ServedQueue
    private var outputs = OutputQueue<Output>()

    /// Orders beyond this many waiting on a port are refused as busy; steps of setup do not count.
    package static let orderLimit = 64

    package init(_ settings: Settings, seed: UInt64, autonomy: LineAutonomy = .none) {
        self.settings = settings
        self.autonomy = autonomy
        let plan = ReadPlan.make(settings)
        exchange = LineExchange(settings.line)
        random = RandomSource(seed: seed)
        (units, cycles) = plan.lineUnits(settings, &random)
        budget = UnhealthyBudget(limit: settings.longestAttempt)
        // A write and its read-back, of some registers.
        orderBudget = OrderBudget(burst: exchange.timing.time(of: 64) + settings.turnaround * 2)
        self.plan = plan
        served = ServedQueue(settings.serve)
    }

    /// Other settings, by `adopt` alone.
    mutating func replace(
        _ settings: Settings, _ plan: ReadPlan, _ units: [LineUnit], _ cycles: [PollCycle]
    ) {
        (self.settings, self.plan, self.units, self.cycles) = (settings, plan, units, cycles)
        served.adopt(settings.serve)
    }

    // MARK: the line

    package mutating func opened(_ facts: LineFacts, at now: Moment) {
        if line == .open { closed(at: now) }
        line = .open
        exchange.opened(isPhysical: facts.isTimed, at: now.instant)
        budget.restart(at: now.instant)
        silentStarts = 0
        failedUnit = nil
        for index in units.indices {
            units[index].health.restart()
            units[index].pace.forget()
            units[index].fence.reopen()
        }
        former.reopen()
        spreadPhases(at: now.instant)
        for unit in units.indices where units[unit].cycles.isEmpty { queueSetup(unit) }
        announceLoad()
        settle(at: now)
    }

    package mutating func receive(_ input: LineInput, at now: Moment) {
        switch input {
        case .opened(let facts): opened(facts, at: now)
        case .closed: closed(at: now)
        case .lent: pause(at: now)
        case .received(let bytes): receive(bytes[...], at: now)
        case .intruded(let bytes):
            forgetAhead()
            receive(bytes[...], at: now)
        case .sentLate(let delay): sentLate(by: delay)
        case .carried(let log, let bytes): carried(log, then: bytes, at: now)
        case .errors(let errors): counters.line += errors
        case .learned(let document): restore(document, at: now)
        }
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        guard line == .open, !bytes.isEmpty else { return }
        // A line tells of its burst first; of one that does not, all but the first read is
        // forgotten.
        depart()
        take(bytes, at: now)
        settleAndLookAway(at: now)
    }

    /// Ends a call that has brought bytes. The line is not looked at while no frame can be whole.
    mutating func settleAndLookAway(at now: Moment) {
        let wasBusy = exchange.isBusy
        settle(at: now)
        guard autonomy.looksAway else { return }
        var until = wasBusy ? exchange.restBegins : nil
        // Whoever speaks during the silence before a request is heard before it goes out.
        if !wasBusy, let wake, wake.reason == .silence, wake.due == exchange.quietUntil {
            until = wake.due
        }
        if let until, until > now.instant { emit(.line(.lookAway(until: until))) }
    }

    mutating func take(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        counters.bytesReceived += bytes.count
        let verdict = exchange.receive(bytes, at: now.instant)
        if !exchange.unasked.isEmpty { noteUnasked(at: now) }
        if exchange.unasked.takeRubbish() { noteRubbish(at: now) }
        if let verdict { finish(verdict, at: now) }
    }

    package mutating func timeout(at now: Moment) {
        if let next = ahead, !next.isBurst, next.replyDue <= now.instant { depart() }
        if ahead?.isBurst == true {
            // The line tells of its burst by itself; this is for a line that does not.
            if let due = wake?.due, due <= now.instant {
                _ = recall()
                wake = (now.instant + .seconds(1), .reply)
            }
        } else if let due = exchange.deadline?.due, due <= now.instant,
            let verdict = exchange.timeout(at: now.instant)
        {
            finish(verdict, at: now)
        }
        settle(at: now)
    }

    package mutating func next() -> Output? { outputs.next() }

    package var deadline: (due: Instant, reason: Timer)? { wake }

    package func isExchanging(at now: Instant) -> Bool {
        exchange.isBusy || ahead.map { $0.leaves <= now } ?? false
    }

    /// Everything that was counted; units in the order of the settings.
    package var statistics: PortStatistics {
        var all = counters
        exchange.add(to: &all)
        all.units = units.map { unit in
            var one = unit.statistics
            one.isGuest = unit.isGuest
            one.state = unit.isGuest ? nil : unit.health.state
            one.turnaround = unit.health.turnaround
            return one
        }
        return all
    }

    /// How long the next read of a unit may wait for its first byte. Many silent units at the start
    /// must not hide the living behind them for long: after a few, everybody gets one short look
    /// first.
    func readTimeout(of unit: Int) -> Duration {
        units[unit].health.timeout(
            units[unit].responseTimeout, isHurried: silentStarts >= Self.patientStarts)
    }

    /// Silent units that are given all their time before the others' first attempts are short.
    private static let patientStarts = 2

    mutating func emit(_ output: Output) {
        if served.isOn, case .reading(let reading) = output { served.note(reading) }
        outputs.append(output)
    }

    mutating func say(_ level: Notice.Level, unit: Int? = nil, _ message: String) {
        if let unit {
            emit(.notice(Notice(level, "unit", units[unit].address.description, message)))
        } else {
            emit(.notice(Notice(level, "line", settings.port.text, message)))
        }
    }
}
