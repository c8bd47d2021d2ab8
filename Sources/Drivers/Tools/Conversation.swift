import Base
import Line
import Modbus

/// One question after another on a line that is ours, to any unit, each with its own patience. The
/// silences between them and the judgement of replies are `LineExchange`'s.
package struct Conversation: Sendable {
    package enum Answer: Hashable, Sendable {
        /// `turnaround`: from the end of our transmission to the first byte.
        case response(Response, turnaround: Duration)
        /// No reply; `stray` bytes came that belong to no sound frame.
        case silence(stray: Int)
        case damage(FrameError)
        /// A broadcast went out; nobody answers those.
        case sent
    }

    package enum Output: Hashable, Sendable {
        case discardInput
        case transmit([UInt8])
        case answer(Answer)
    }

    private struct Question: Sendable {
        var unit: UInt8
        var request: Request
        var patience: Duration
        /// Times that its answer turned out to be another's.
        var refusals = 0
        /// Times that something else was asked first in vain.
        var silentFences = 0
    }

    private enum State: Sendable {
        case idle
        /// Until the line has been silent long enough, and the unit's order of replies is known.
        case waiting(Question, until: Instant, answer: Answer?)
        case asking(Question, strayBefore: Int)
        /// Something else is asked first, so that no older reply is taken for the answer; or
        /// afterwards, to be sure of the answer that came.
        case fencing(Question, FenceMeans.Kind, answer: Answer?)
    }

    /// A unit that was asked, and what it may still answer.
    private struct Partner: Sendable {
        var fence: ReplyFence
        var means = FenceMeans(seed: 0x5A00)
        var turnaround: Duration?
        /// Requests without an answer. The answer to one of them is as good late.
        var missed: Set<Request> = []
        /// The last answer did not belong to its request.
        var isRefuted = false

        init(_ patience: Duration) { fence = ReplyFence(timeout: patience, isProven: true) }
    }

    private static let refusalsMax = 3
    private static let silentFencesMax = 2
    /// Units need time to carry out a broadcast (MODBUS over Serial Line V1.02, section 2.4.1).
    private static let broadcastDelay = Duration.milliseconds(150)

    private var exchange: LineExchange
    private var state = State.idle
    private var outputs: [Output] = []
    private var partners: [UInt8: Partner] = [:]
    private var stranger: UInt8?

    /// Modbus TCP: unit 0 is the device at the other end, and a converter there says of a unit that
    /// it is silent.
    private let isModbusTCP: Bool

    package init(_ line: LineSettings) {
        exchange = LineExchange(line)
        isModbusTCP = line.framing == .mbap
    }

    package var isIdle: Bool { if case .idle = state { true } else { false } }

    /// Bytes so far that belonged to no sound frame.
    package var strayBytes: Int { exchange.strayBytes }

    /// - Parameter isPhysical: bytes take the time that the line's speed says.
    package mutating func opened(isPhysical: Bool = false, at now: Instant) {
        state = .idle
        exchange.opened(isPhysical: isPhysical, at: now)
    }

    /// Unit 0 is a broadcast, except on Modbus TCP. One question at a time: only while `isIdle`.
    package mutating func ask(
        unit: UInt8, _ request: Request, within patience: Duration, at now: Instant
    ) {
        state = .waiting(
            Question(unit: unit, request: request, patience: patience), until: exchange.quietUntil,
            answer: nil)
        timeout(at: now)
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        let verdict = exchange.receive(bytes, at: now)
        noteUnasked()
        if let verdict { conclude(verdict, at: now) }
    }

    package mutating func timeout(at now: Instant) {
        switch state {
        case .idle: break
        case .waiting(let question, let until, let answer):
            guard max(until, exchange.quietUntil) <= now else { break }
            guard let answer else { return approach(question, at: now) }
            if !fence(question, answer: answer, at: now) { tell(answer) }
        case .asking, .fencing:
            if let verdict = exchange.timeout(at: now) { conclude(verdict, at: now) }
        }
    }

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    package var deadline: Instant? {
        switch state {
        case .idle: nil
        case .waiting(_, let until, _): max(until, exchange.quietUntil)
        case .asking, .fencing: exchange.deadline?.due
        }
    }

    /// The unit whose sound reply came while another was asked, once.
    package mutating func takeStranger() -> UInt8? {
        defer { stranger = nil }
        return stranger
    }

    // MARK: the order of replies

    private mutating func approach(_ question: Question, at now: Instant) {
        guard !isBroadcast(question.unit) else { return send(question, at: now) }
        let partner = partners[question.unit, default: Partner(question.patience)]
        let shape = ReplyShape(question.request)
        let isFree = partner.fence.freedom(of: shape, at: now) == .free
        guard !isFree, !partner.missed.contains(question.request) else {
            return send(question, at: now)
        }
        if fence(question, answer: nil, at: now) { return }
        partners[question.unit]?.fence.forgo(at: now)
        let release = partner.fence.release(of: shape)
        if release <= now { return send(question, at: now) }
        state = .waiting(question, until: release, answer: nil)
    }

    private mutating func send(_ question: Question, at now: Instant) {
        state = .asking(question, strayBefore: exchange.strayBytes)
        transmit(question.unit, question.request, question.patience, at: now)
    }

    /// Asks something else of the unit; false if there is nothing that serves.
    private mutating func fence(_ question: Question, answer: Answer?, at now: Instant) -> Bool {
        var partner = partners[question.unit, default: Partner(question.patience)]
        let shape = ReplyShape(question.request)
        let candidates = partner.means.candidates(
            for: question.request, planned: [], allowsEcho: exchange.echo.knowsRequests)
        for (kind, request) in candidates where !partner.means.isOpen(kind) {
            let own = ReplyShape(request)
            guard partner.fence.freedom(of: own, at: now) == .free,
                partner.fence.proves(own, about: shape)
            else { continue }
            state = .fencing(question, kind, answer: answer)
            partner.means.asked(kind)
            partners[question.unit] = partner
            transmit(question.unit, request, question.patience, at: now)
            return true
        }
        return false
    }

    private mutating func transmit(
        _ unit: UInt8, _ request: Request, _ patience: Duration, at now: Instant
    ) {
        let frame = RTUFrame.encode(unit: unit, request)
        if exchange.needsDiscard { outputs.append(.discardInput) }
        outputs.append(.transmit(frame))
        guard !isBroadcast(unit) else {
            return exchange.startBroadcast(
                request, frame: frame, wait: Self.broadcastDelay, at: now)
        }
        var isCertain = true
        if case .asking = state {
            isCertain = partners[unit]?.fence.acceptsException(request.function) ?? true
        }
        exchange.start(
            unit: unit, request, frame: frame, timeout: patience,
            exceptions: AcceptedExceptions(isCertain, isModbusTCP: isModbusTCP), at: now)
    }

    /// Late and repeated replies, and those of units that were not asked.
    private mutating func noteUnasked() {
        for frame in exchange.unasked.take() {
            stranger = frame.unit
            guard let heard = partners[frame.unit]?.fence.heard(frame) else { continue }
            if heard.what != .unasked { exchange.excuse() }
            if heard.refuted != nil { partners[frame.unit]?.isRefuted = true }
        }
    }

    private func isBroadcast(_ unit: UInt8) -> Bool { unit == 0 && !isModbusTCP }

    private mutating func conclude(_ ended: LineExchange.Verdict, at now: Instant) {
        var verdict = ended
        if isModbusTCP, case .response(.exception(_, let code), _) = ended, code.tellsSilence {
            verdict = .silence
        }
        switch state {
        case .idle, .waiting: return
        case .asking(let question, let strayBefore):
            partners[question.unit]?.isRefuted = false
            note(verdict, question, nil, at: now)
            switch verdict {
            case .response(let response, let turnaround):
                settle(question, .response(response, turnaround: turnaround), at: now)
            case .silence: tell(.silence(stray: exchange.strayBytes - strayBefore))
            case .damage(let error): tell(.damage(error))
            case .sent: tell(.sent)
            }
        case .fencing(let question, let kind, let answer):
            note(verdict, question, kind, at: now)
            if let answer { return settle(question, answer, at: now) }
            var next = question
            if case .response = verdict {} else { next.silentFences += 1 }
            // The unit answers nothing: neither would it answer the question.
            guard next.silentFences < Self.silentFencesMax else { return tell(.silence(stray: 0)) }
            state = .waiting(next, until: exchange.quietUntil, answer: nil)
        }
    }

    private mutating func note(
        _ verdict: LineExchange.Verdict, _ question: Question, _ kind: FenceMeans.Kind?,
        at now: Instant
    ) {
        guard !isBroadcast(question.unit) else { return }
        var partner = partners[question.unit, default: Partner(question.patience)]
        if case .response(let response, let turnaround) = verdict {
            var isException = false
            if case .exception = response { isException = true }
            partner.means.answered(kind, isException: isException)
            partner.turnaround = max(partner.turnaround ?? .zero, turnaround)
            _ = partner.fence.answered(
                exchange.request, exchange.mark(of: response), sentUntil: exchange.asked.until,
                usual: partner.turnaround, travel: exchange.asked.travel, at: now)
            if !partner.fence.mayAnswerLate { partner.missed = [] }
        } else {
            partner.fence.missed(ReplyShape(exchange.request), sentUntil: exchange.sentUntil)
            if let kind {
                partner.means.silent(kind)
            } else {
                partner.missed.insert(question.request)
            }
        }
        partners[question.unit] = partner
        exchange.unasked.examine(silence: exchange.timing.silence, at: now)
        noteUnasked()
    }

    /// An answer that may be a repeat of an older one is told when something else has been answered
    /// behind it.
    private mutating func settle(_ question: Question, _ answer: Answer, at now: Instant) {
        guard let partner = partners[question.unit] else { return tell(answer) }
        if partner.isRefuted {
            partners[question.unit]?.isRefuted = false
            var again = question
            again.refusals += 1
            let function = question.request.function.rawValue
            guard again.refusals <= Self.refusalsMax else {
                return tell(.damage(.function(received: function, expected: function)))
            }
            state = .waiting(again, until: exchange.quietUntil, answer: nil)
        } else if partner.fence.wantsFence, !partner.fence.mayAnswerLate {
            state = .waiting(question, until: exchange.quietUntil, answer: answer)
        } else {
            tell(answer)
        }
    }

    private mutating func tell(_ answer: Answer) {
        state = .idle
        outputs.append(.answer(answer))
    }
}
