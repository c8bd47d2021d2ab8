import Base
import Drivers

/// One port: the driver and the state of its line. A line that cannot be opened or is lost is tried
/// again for ever; each change of the reason is told once.
struct PortKeeper: Sendable {
    enum State: Sendable, Equatable { case closed, opening, open }

    /// Between two attempts to open a line.
    static let reopenDelay = Duration.seconds(2)

    let name: PortName
    let line: LineSettings
    var driver: any LineDriver
    private var doctor = LineDoctor()
    private(set) var state = State.closed
    private(set) var path = ""
    /// Why the line is not open; nil while it is.
    private(set) var trouble: String?
    /// Since when the line has been closed; nil while it is open and before the start.
    private(set) var closedSince: Instant?
    private var facts: LineFacts?
    private var reopen: Instant?
    private var outputs: [Effect] = []
    private(set) var isClosing = false

    init(name: PortName, line: LineSettings, driver: any LineDriver) {
        self.name = name
        self.line = line
        self.driver = driver
    }

    mutating func start() {
        state = .opening
        outputs.append(.openLine(name, line))
    }

    mutating func receive(_ event: LineEvent, at now: Moment) {
        switch event {
        case .opened(let facts):
            state = .open
            closedSince = nil
            self.facts = facts
            path = facts.path
            trouble = nil
            say(.info, "opened \(facts.path) at \(line.describe)")
            for remark in facts.remarks { say(.warning, remark) }
            driver.opened(facts, at: now)
            doctor.begin(driver.statistics, at: now.instant)
        case .received(let bytes):
            guard state == .open else { return }
            driver.receive(bytes[...], at: now)
        case .errors(let errors): driver.receive(errors)
        case .failed(let failure):
            state = .closed
            closedSince = closedSince ?? now.instant
            complain(failure.message)
            reopen = isClosing ? nil : now.instant + Self.reopenDelay
        case .lost(let failure):
            guard state == .open else { return }
            state = .closed
            closedSince = now.instant
            complain(failure.message)
            driver.closed(at: now)
            doctor.end()
            outputs.append(.closeLine(name))
            reopen = isClosing ? nil : now.instant + Self.reopenDelay
        }
    }

    /// Another driver from now on, between two exchanges. Orders that the old one still had fail.
    mutating func change(to new: any LineDriver, at now: Moment) -> [Outcome] {
        var old = driver
        old.closed(at: now)
        var failed: [Outcome] = []
        while let output = old.next() { if case .outcome(let outcome) = output { failed.append(outcome) } }
        driver = new
        if let facts {
            driver.opened(facts, at: now)
            if state != .open { driver.closed(at: now) }
        }
        return failed
    }

    /// Nothing more is asked of this line: the exchange under way may end.
    mutating func stop() {
        isClosing = true
        reopen = nil
        if state == .open, !driver.isExchanging { close() }
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
        if !isClosing || state == .open { driver.timeout(at: now) }
    }

    /// What the line and its units suffer from, as far as what is counted can tell.
    var findings: Findings { doctor.findings }

    private mutating func examine(at now: Moment) {
        for change in doctor.examine(driver.statistics, at: now.instant) {
            let area = change.unit == nil ? "line" : "unit"
            let place = change.unit.map { Address(port: name, unit: $0).description } ?? name.text
            let words = change.sentence ?? "the trouble that was told is over"
            outputs.append(.notice(Notice(change.sentence == nil ? .info : .warning, area, place, words)))
        }
    }

    /// When the silence before the next request ends; nil while no request waits for it.
    var silenceEnds: Instant? {
        guard state == .open, let next = driver.deadline, next.reason == .silence else { return nil }
        return next.due
    }

    var deadline: Instant? {
        let driven = isClosing && state != .open ? nil : driver.deadline?.due
        var earliest = driven ?? .distantFuture
        if let reopen { earliest = min(earliest, reopen) }
        if let due = doctor.due { earliest = min(earliest, due) }
        return earliest == .distantFuture ? nil : earliest
    }

    mutating func nextEffect() -> Effect? { outputs.isEmpty ? nil : outputs.removeFirst() }

    private mutating func complain(_ message: String) {
        if trouble != message { say(.warning, message) }
        trouble = message
    }

    private mutating func say(_ level: Notice.Level, _ message: String) {
        outputs.append(.notice(Notice(level, "line", name.text, message)))
    }
}
