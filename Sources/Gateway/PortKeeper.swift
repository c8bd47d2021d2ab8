import Base
import Drivers
import Line

/// One port: the driver and the state of its line. A line that cannot be opened or is lost is tried
/// again for ever; each change of the reason is told once.
///
/// | state | becomes |
/// |---|---|
/// | closed | opening, by itself after a pause (`ReopenPace`) |
/// | opening | open, or closed with a reason |
/// | open | closed when the line is lost; pausing when somebody wants it |
/// | pausing | the exchange under way ends, the line is closed; then paused |
/// | paused | opening, by itself or when it is given back |
struct PortKeeper: Sendable {
    enum State: Sendable, Equatable { case closed, opening, open, pausing, paused }

    /// Between two attempts to open a line when a port appeared
    /// while the attempt that failed was under way.
    static let hurriedDelay = Duration.milliseconds(100)

    let name: PortName
    private(set) var line: LineSettings
    var driver: any LineDriver
    /// Counters of earlier drivers of this port, also of units that are not asked now.
    private var earlier: PortStatistics?
    private var doctor = LineDoctor()
    var state = State.closed
    private(set) var path = ""
    /// Why the line is not open; nil while it is.
    private(set) var trouble: String?
    /// Since when the line has been closed; nil while it is open and before the start.
    private(set) var closedSince: Instant?
    private var facts: LineFacts?
    private(set) var tape = WireTape()
    var pause: PortPause?
    var reopen: Instant?
    private var pace = ReopenPace()
    private var hasNews = false
    var outputs: [Effect] = []
    private(set) var isClosing = false
    /// When `timeout` must be called.
    private(set) var deadline: Instant?
    /// Whether the line was last given a burst; the part that was sent is known when it is over.
    private var hasBurst = false
    /// The server for other masters of the line; nil: none.
    private(set) var service: LineService?

    init(
        name: PortName, line: LineSettings, driver: any LineDriver, service: LineServiceSettings?
    ) {
        self.name = name
        self.line = line
        self.driver = driver
        self.service = service.map { LineService($0, port: name) }
        path = line.device.text ?? ""
    }

    mutating func start() {
        state = .opening
        hasNews = false
        outputs.append(.openLine(name, line))
        service?.listen()
        drainService(at: nil)
    }

    mutating func receive(_ event: LineEvent, at now: Moment) {
        defer { if tape.log != nil { tellFrames() } }
        switch event {
        case .opened(let facts):
            guard state == .opening else { return }
            state = .open
            closedSince = nil
            self.facts = facts
            path = facts.path
            trouble = nil
            let word = line.isSet ? "at" : "as"
            say(.info, "opened \(facts.path) \(word) \(line.describe)")
            for remark in facts.remarks { say(.warning, remark) }
            driver.receive(.opened(facts), at: now)
            doctor.begin(statistics, at: now.instant)
        case .received(let bytes):
            guard state == .open || state == .pausing else { return }
            tape.received(bytes, at: now)
            pace.reset()
            driver.receive(.received(bytes), at: now)
            letGoIfIdle(at: now)
        case .intruded(let bytes):
            guard state == .open || state == .pausing else { return }
            tape.cancel()
            tape.received(bytes, at: now)
            driver.receive(.intruded(bytes), at: now)
            letGoIfIdle(at: now)
        case .sentLate(let delay): if state == .open { driver.receive(.sentLate(delay), at: now) }
        case .carried(let log, let bytes):
            hasBurst = false
            guard state == .open || state == .pausing else { return }
            for one in log {
                tape.sent(one.frame, at: now.at(one.sentAt))
                if let reply = one.reply { tape.received(reply, at: now.at(one.receivedAt)) }
            }
            if !bytes.isEmpty { tape.received(bytes, at: now) }
            driver.receive(.carried(log, bytes), at: now)
            letGoIfIdle(at: now)
        case .errors(let errors): driver.receive(.errors(errors), at: now)
        case .failed(let failure):
            guard state == .opening else { return }
            state = .closed
            closedSince = closedSince ?? now.instant
            complain(failure.message)
            let pause = pace.pause(isNetwork: line.isNetwork)
            reopen = isClosing ? nil : now.instant + (hasNews ? Self.hurriedDelay : pause)
        case .lost(let failure):
            if state == .pausing { return letGo(at: now) }
            guard state == .open else { return }
            state = .closed
            closedSince = now.instant
            complain(failure.message)
            driver.receive(.closed, at: now)
            doctor.end()
            outputs.append(.closeLine(name))
            reopen = isClosing ? nil : now.instant + pace.pause(isNetwork: line.isNetwork)
        case .closed:
            guard state == .pausing, pause?.isLetGo == true else { return }
            state = .paused
            answerPause()
        }
    }

    /// Another plan from now on, between two exchanges.
    /// - Returns: false if the driver has none of its kind: the line must be ended and the driver
    ///   replaced.
    mutating func adopt(_ plan: LineDriverSettings, at now: Moment) -> Bool {
        driver.adopt(plan, at: now)
    }

    /// The line will be another one, or spoken to by another driver: what is under way fails, which
    /// the driver's outputs say.
    mutating func endLine(at now: Moment) {
        if state == .open || state == .pausing { driver.receive(.closed, at: now) }
    }

    /// The driver's outputs have been taken; another one takes its place.
    mutating func replace(_ new: any LineDriver, at now: Moment) {
        keepCounters()
        driver = new
        guard let facts else { return }
        driver.receive(.opened(facts), at: now)
        switch state {
        case .open: doctor.begin(statistics, at: now.instant)
        case .pausing, .paused: driver.receive(.lent, at: now)
        case .closed, .opening: driver.receive(.closed, at: now)
        }
    }

    /// Another line is opened in place of this one, whose end was told.
    mutating func change(to line: LineSettings) {
        self.line = line
        reopenLine()
    }

    /// Counters since the port came into the configuration, whatever else of it has changed.
    var statistics: PortStatistics {
        let latest = driver.statistics
        return earlier.map(latest.after) ?? latest
    }

    private mutating func keepCounters() {
        var all = statistics
        let present = Set(all.units.map(\.unit))
        all.units += earlier?.units.filter { !present.contains($0.unit) } ?? []
        earlier = all
    }

    private mutating func reopenLine() {
        (facts, trouble, reopen) = (nil, nil, nil)
        doctor.end()
        if let wanted = line.device.text { path = wanted }
        if state != .pausing, state != .paused, !isClosing { start() }
    }

    /// The port is taken out of the configuration. What waits for it fails, which the driver's
    /// outputs say.
    mutating func end(at now: Moment) {
        for ticket in pause?.open ?? [] {
            outputs.append(
                .answer(
                    ticket,
                    Control.error("the port is not in the configuration any more", "unavailable")))
        }
        pause = nil
        isClosing = true
        state = .closed
        doctor.end()
        driver.receive(.closed, at: now)
        serve(as: nil)
    }

    /// Whether the driver may have this of its line. A port that is being closed or lent finishes
    /// its exchange and begins no other.
    mutating func permits(_ command: LineCommand, at now: Moment) -> Bool {
        switch command {
        case .discardInput, .recall: return true
        case .lookAway: return state == .open
        case .transmit(let bytes, _):
            guard mayBegin(at: now) else { return false }
            tape.sent(bytes, at: now)
        case .schedule(let bytes, let time, _):
            guard mayBegin(at: now) else { return false }
            tape.schedule(bytes, at: now.at(time))
        case .burst:
            guard mayBegin(at: now) else { return false }
            hasBurst = true
        case .unschedule:
            tape.cancel()
            hasBurst = false
        }
        return true
    }

    private mutating func mayBegin(at now: Moment) -> Bool {
        if state == .pausing { letGo(at: now) }
        if state == .open, !isClosing { return true }
        driver.receive(.intruded([]), at: now)
        return false
    }

    /// A port has appeared, perhaps this one: no waiting for the next attempt.
    mutating func retry() {
        if state == .opening { hasNews = true }
        guard state == .closed, reopen != nil else { return }
        reopen = nil
        start()
    }

    /// Nothing more is asked of this line: the exchange under way may end.
    mutating func stop(at now: Instant) {
        isClosing = true
        reopen = nil
        pause = nil
        serve(as: nil)
        guard state == .open else { return }
        if driver.isExchanging(at: now) { recall() } else { close() }
    }

    /// A burst under way ends with its present exchange, because something waits for that.
    mutating func recall() {
        if hasBurst { outputs.append(.line(name, .recall)) }
    }

    mutating func close() {
        if state != .closed { outputs.append(.closeLine(name)) }
        state = .closed
        doctor.end()
    }

    mutating func timeout(at now: Moment) {
        if let due = reopen, due <= now.instant {
            reopen = nil
            start()
        }
        if let due = doctor.due, due <= now.instant { examine(at: now) }
        if let due = pause?.until?.instant, due <= now.instant { expirePause(at: now) }
        if let due = pause?.letGoDue, due <= now.instant { letGo(at: now) }
        if let due = service?.due, due <= now.instant {
            service?.timeout(at: now.instant)
            drainService(at: now)
        }
        if tape.log != nil {
            tape.log?.timeout(at: now.instant)
            tellFrames()
        }
        if !isClosing || state == .open { driver.timeout(at: now) }
        letGoIfIdle(at: now)
    }

    /// Troubles of the line and its units, as far as the counters show them.
    var findings: Findings { doctor.findings }

    private mutating func examine(at now: Moment) {
        for change in doctor.examine(statistics, at: now.instant) {
            let area = change.unit == nil ? "line" : "unit"
            let place = change.unit.map { Address(port: name, unit: $0).description } ?? name.text
            let words = change.sentence ?? "the trouble that was told is over"
            outputs.append(
                .notice(Notice(change.sentence == nil ? .info : .warning, area, place, words)))
        }
    }

    /// Brings `deadline` up to date, in place: it is asked for at every turn of a loop, and a
    /// keeper is large.
    mutating func noteDeadlines() {
        var earliest = Instant.distantFuture
        if let next = driver.deadline, !isClosing || state == .open { earliest = next.due }
        if let reopen { earliest = min(earliest, reopen) }
        if let due = doctor.due { earliest = min(earliest, due) }
        if let due = tape.log?.due { earliest = min(earliest, due) }
        if let due = service?.due { earliest = min(earliest, due) }
        if let pause {
            if let due = pause.until?.instant { earliest = min(earliest, due) }
            if let due = pause.letGoDue { earliest = min(earliest, due) }
        }
        deadline = earliest == .distantFuture ? nil : earliest
    }

    /// - Parameter isModbus: how frames are decoded; nil: they are not told in the log.
    mutating func logFrames(isModbus: Bool?) {
        guard isModbus != tape.log?.isModbus else { return }
        tape.log = isModbus.map { WireLog(isModbus: $0) }
    }

    private mutating func tellFrames() {
        while let line = tape.log?.next() {
            outputs.append(.notice(Notice(.debug, WireLog.subsystem, name.text, line)))
        }
    }

    // MARK: other masters

    /// Other settings of its server. If they differ, its clients are sent away.
    mutating func serve(as settings: LineServiceSettings?) {
        guard settings != service?.settings else { return }
        let old = service
        service?.end()
        drainService(at: nil)
        service = settings.map { LineService($0, port: name) }
        if let old { service?.inherit(old) }
        if state != .closed, !isClosing { service?.listen() }
        drainService(at: nil)
    }

    mutating func serve(_ event: DoorEvent, at now: Moment) {
        service?.receive(event, at: now.instant)
        drainService(at: now)
    }

    mutating func answer(_ reply: ServedReply, at now: Moment) {
        service?.answer(reply, at: now.instant)
        drainService(at: now)
    }

    /// - Parameter now: nil where no request can come out.
    private mutating func drainService(at now: Moment?) {
        while let output = service?.next() {
            switch output {
            case .effect(let effect): outputs.append(.service(name, effect))
            case .notice(let notice): outputs.append(.notice(notice))
            case .forget(let client): driver.forget(client)
            case .ask(let request): if let now { driver.serve(request, at: now) }
            }
        }
    }

    mutating func nextEffect() -> Effect? { outputs.isEmpty ? nil : outputs.removeFirst() }

    private mutating func complain(_ message: String) {
        if trouble != message { say(.warning, message) }
        trouble = message
    }

    mutating func say(_ level: Notice.Level, _ message: String) {
        outputs.append(.notice(Notice(level, "line", name.text, message)))
    }
}
