import Base
import Modbus

/// Looks for units: asks every id at every setting with harmless reads, and whoever answers, even
/// with an exception, what it is.
///
/// - Silence is believed after the configured patience, and sooner once it is known how fast the
///   units of this line are. Bytes that come late or damaged put the units that were asked just
///   before on a list; at the end of the leg they are asked again with all the patience there is.
/// - A damaged answer is asked for again; damaged three times, the id is noted as garbled.
/// - After a setting has answered, the others are left out unless `all`.
package struct Scanner: LineTool {
    private struct Task: Hashable, Sendable {
        enum Kind: Hashable, Sendable { case probe(Int), objects, serverID, followUp(Int) }
        var unit: UInt8
        var kind: Kind
        var attempt = 1
        var isPatient = false

        var isFollowUp: Bool { if case .followUp = kind { true } else { false } }
    }

    private enum State: Hashable, Sendable { case opening, running, done }

    private static let attemptsMax = 3
    /// A unit that is there may think longer about what it is.
    private static let identityPatience = Duration.milliseconds(400)
    private static let unansweredMax = 3
    private static let latePatience = Duration.seconds(1)

    package let settings: ScanSettings
    package private(set) var findings: [Finding] = []
    package private(set) var notes = ScanNotes()
    /// Questions asked and those that are still planned.
    package private(set) var asked = 0

    private var conversation: Conversation
    private var state = State.opening
    private var legs: [ScanSettings.Leg]
    private var line: LineSettings
    private var tasks: [Task] = []
    private var current: Task?
    private var outputs: [LineToolOutput] = []
    private var slowest: Duration?
    /// Units that were silent lately and could still answer, with the time when the wait for each
    /// ended.
    private var recent: [(unit: UInt8, at: Instant)] = []
    private var doubted: Set<UInt8> = []
    /// Units asked again with patience at this setting already.
    private var reasked: Set<UInt8> = []
    private var questions: [UInt8: Int] = [:]
    private var replies: [UInt8: Int] = [:]
    private var strayBefore = 0
    /// Further reads that a unit has left unanswered.
    private var unanswered: [UInt8: Int] = [:]

    package init(_ settings: ScanSettings) {
        self.settings = settings
        legs = settings.legs
        line = settings.lines.first ?? LineSettings(device: .path(""))
        conversation = Conversation(line)
        if legs.isEmpty || settings.units.isEmpty || settings.probes.isEmpty { state = .done }
    }

    package var isDone: Bool { state == .done }
    package var deadline: Instant? { state == .running ? conversation.deadline : nil }
    package mutating func next() -> LineToolOutput? {
        outputs.isEmpty ? nil : outputs.removeFirst()
    }

    /// The setting that is being tried.
    package var setting: LineSettings { line }
    package var unit: UInt8? { current?.unit }

    /// How many questions are still to be asked if nobody else answers.
    package var left: Int {
        let later = legs.dropFirst().reduce(0) { $0 + $1.units.count * settings.probes.count }
        return state == .done ? 0 : tasks.count + later + (current == nil ? 0 : 1)
    }

    package mutating func opened(at now: Moment) {
        guard state == .opening else { return }
        state = .running
        line = legs[0].line
        conversation = Conversation(line)
        conversation.opened(at: now.instant)
        recent = []
        doubted = []
        reasked = []
        unanswered = [:]
        strayBefore = 0
        tasks = legs[0].units.map { Task(unit: $0, kind: .probe(0)) }
        proceed(at: now.instant)
    }

    package mutating func skipSetting(_ failure: LineFailure, at now: Moment) -> Bool {
        guard state == .opening, legs.count > 1 || !notes.noise.isEmpty else { return false }
        notes.refused.append(failure.message)
        let refused = legs[0].line
        legs.removeAll { $0.line == refused }
        nextLeg(at: now.instant)
        return state != .done
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        guard state == .running else { return }
        conversation.receive(bytes, at: now.instant)
        settle(at: now.instant)
    }

    package mutating func timeout(at now: Moment) {
        guard state == .running else { return }
        conversation.timeout(at: now.instant)
        settle(at: now.instant)
    }

    package mutating func stop(at now: Moment) {
        closeLeg()
        state = .done
    }

    // MARK: Asking

    private mutating func proceed(at now: Instant) {
        guard state == .running, conversation.isIdle else { return }
        if settings.first, let found = findings.first,
            !tasks.contains(where: { $0.unit == found.unit && $0.kind != .probe(0) })
        {
            stop(at: Moment(now, WallTime(milliseconds: 0)))
            return
        }
        if tasks.isEmpty { tasks = secondLook() }
        guard !tasks.isEmpty else {
            closeLeg()
            legs.removeFirst()
            nextLeg(at: now)
            return
        }
        let task = tasks.removeFirst()
        current = task
        asked += 1
        questions[task.unit, default: 0] += 1
        conversation.ask(unit: task.unit, request(task), within: patience(task), at: now)
        settle(at: now)
    }

    private func request(_ task: Task) -> Request {
        switch task.kind {
        case .probe(let index): settings.probes[index]
        case .objects: DeviceIdentity.basicObjects
        case .serverID: DeviceIdentity.serverID
        case .followUp(let index): settings.followUps[index]
        }
    }

    private func patience(_ task: Task) -> Duration {
        switch task.kind {
        case .objects, .serverID, .followUp: return max(settings.patience, Self.identityPatience)
        case .probe:
            if task.isPatient { return max(settings.patience, Self.latePatience) }
            guard let slowest else { return settings.patience }
            return min(settings.patience, max(.milliseconds(40), slowest * 3 + .milliseconds(20)))
        }
    }

    /// Units of this leg that may have answered too late to be understood.
    private mutating func secondLook() -> [Task] {
        let units = doubted.subtracting(reasked).subtracting(found).sorted()
        doubted = []
        reasked.formUnion(units)
        return units.map { Task(unit: $0, kind: .probe(0), isPatient: true) }
    }

    private var found: Set<UInt8> { Set(findings.filter { $0.line == line }.map(\.unit)) }

    private mutating func closeLeg() {
        guard state == .running else { return }
        let bytes = conversation.strayBytes
        if let index = notes.noise.firstIndex(where: { $0.line == line }) {
            notes.noise[index].bytes += bytes
        } else {
            notes.noise.append(ScanNotes.Noise(line: line, bytes: bytes))
        }
        notes.garbled.removeAll { garbled in
            findings.contains { $0.unit == garbled.unit && $0.line == garbled.line }
        }
    }

    private mutating func nextLeg(at now: Instant) {
        current = nil
        if !settings.all, let answered = findings.first?.line {
            legs.removeAll { $0.line != answered }
        }
        legs.removeAll { $0.units.isEmpty }
        guard let next = legs.first else {
            state = .done
            return
        }
        state = .opening
        if next.line == line {
            opened(at: Moment(now, WallTime(milliseconds: 0)))
        } else {
            outputs.append(.set(next.line))
        }
    }

    // MARK: Hearing

    private mutating func settle(at now: Instant) {
        while let output = conversation.next() {
            switch output {
            case .discardInput: outputs.append(.discardInput)
            case .transmit(let bytes): outputs.append(.transmit(bytes))
            case .answer(let answer):
                guard let task = current else { continue }
                current = nil
                take(answer, of: task, at: now)
            }
        }
        listen(at: now)
        proceed(at: now)
    }

    /// Answers of units that were not asked, and bytes that are no answer.
    private mutating func listen(at now: Instant) {
        recent.removeAll { $0.at + Self.latePatience < now }
        if let stranger = conversation.takeStranger() {
            replies[stranger, default: 0] += 1
            if let index = findings.firstIndex(where: { $0.unit == stranger && $0.line == line }) {
                if replies[stranger, default: 0] > questions[stranger, default: 0] {
                    findings[index].answersTwice = true
                }
            } else if settings.units.contains(stranger) {
                doubted.insert(stranger)
            }
        }
        if conversation.strayBytes > strayBefore {
            strayBefore = conversation.strayBytes
            doubt()
        }
    }

    private mutating func doubt() { doubted.formUnion(recent.map(\.unit)) }

    private mutating func take(_ answer: Conversation.Answer, of task: Task, at now: Instant) {
        switch answer {
        case .response(let response, let turnaround):
            replies[task.unit, default: 0] += 1
            slowest = max(slowest ?? .zero, turnaround)
            accept(response, turnaround, of: task)
        case .damage:
            doubt()
            guard case .probe = task.kind else { return forgo(task) }
            if task.attempt < Self.attemptsMax {
                var again = task
                again.attempt += 1
                again.isPatient = true
                tasks.insert(again, at: 0)
            } else if !notes.garbled.contains(where: { $0.unit == task.unit && $0.line == line }) {
                notes.garbled.append(ScanNotes.Garbled(unit: task.unit, line: line))
            }
        case .silence, .sent:
            guard case .probe(let index) = task.kind else { return forgo(task) }
            recent.append((task.unit, now))
            guard index + 1 < settings.probes.count else { return }
            var other = task
            other.kind = .probe(index + 1)
            tasks.insert(other, at: 0)
        }
    }

    private mutating func accept(_ response: Response, _ turnaround: Duration, of task: Task) {
        let known = findings.firstIndex { $0.unit == task.unit && $0.line == line }
        guard case .probe(let index) = task.kind else {
            guard let known else { return }
            findings[known].turnaround = max(findings[known].turnaround, turnaround)
            if case .followUp(let index) = task.kind {
                if case .read(_, let bytes) = response {
                    findings[known].reads[settings.followUps[index]] = bytes
                }
                return
            }
            findings[known].identity.take(response)
            if task.kind == .objects, findings[known].identity.isEmpty { forgo(task) }
            return
        }
        guard known == nil else { return }
        findings.append(
            Finding(
                unit: task.unit, line: line, probe: settings.probes[index], answer: response,
                turnaround: turnaround))
        guard settings.identifies else { return }
        let kinds = [Task.Kind.objects] + settings.followUps.indices.map { .followUp($0) }
        tasks.insert(contentsOf: kinds.map { Task(unit: task.unit, kind: $0) }, at: 0)
    }

    /// A question after what the unit is was not answered: one without names is asked for its
    /// server id, and one that says nothing where others refuse is not asked for long.
    private mutating func forgo(_ task: Task) {
        switch task.kind {
        case .objects: tasks.insert(Task(unit: task.unit, kind: .serverID), at: 0)
        case .followUp:
            unanswered[task.unit, default: 0] += 1
            guard unanswered[task.unit, default: 0] >= Self.unansweredMax else { return }
            tasks.removeAll { $0.unit == task.unit && $0.isFollowUp }
        case .serverID, .probe: break
        }
    }
}
