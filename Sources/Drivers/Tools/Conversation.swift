import Base
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
    }

    private enum State: Sendable {
        case idle
        /// Until the line has been silent long enough.
        case waiting(Question)
        case asking(strayBefore: Int)
    }

    /// Units need time to carry out a broadcast (MODBUS over Serial Line V1.02, section 2.4.1).
    private static let broadcastDelay = Duration.milliseconds(150)

    private var exchange: LineExchange
    private var state = State.idle
    private var outputs: [Output] = []

    package init(_ line: LineSettings) {
        exchange = LineExchange(line)
    }

    package var isIdle: Bool { if case .idle = state { true } else { false } }

    /// Bytes so far that belonged to no sound frame.
    package var strayBytes: Int { exchange.strayBytes }

    package mutating func opened(at now: Instant) {
        state = .idle
        exchange.reset(at: now)
    }

    /// Unit 0 is a broadcast. One question at a time: only while `isIdle`.
    package mutating func ask(
        unit: UInt8, _ request: Request, within patience: Duration, at now: Instant
    ) {
        state = .waiting(Question(unit: unit, request: request, patience: patience))
        timeout(at: now)
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        let verdict = exchange.receive(bytes, at: now)
        if let verdict { conclude(verdict) }
    }

    package mutating func timeout(at now: Instant) {
        switch state {
        case .idle: break
        case .waiting(let question): if exchange.quietUntil <= now { send(question, at: now) }
        case .asking: if let verdict = exchange.timeout(at: now) { conclude(verdict) }
        }
    }

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    package var deadline: Instant? {
        switch state {
        case .idle: nil
        case .waiting: exchange.quietUntil
        case .asking: exchange.deadline?.due
        }
    }

    /// The unit whose sound reply came while another was asked, once.
    package mutating func takeStranger() -> UInt8? {
        defer {
            exchange.strangerUnit = nil
            exchange.lateUnit = nil
        }
        return exchange.strangerUnit ?? exchange.lateUnit
    }

    private mutating func send(_ question: Question, at now: Instant) {
        let frame = RTUFrame.encode(unit: question.unit, question.request)
        if exchange.needsDiscard { outputs.append(.discardInput) }
        outputs.append(.transmit(frame))
        state = .asking(strayBefore: exchange.strayBytes)
        guard question.unit != 0 else {
            exchange.startBroadcast(question.request, frame: frame, wait: Self.broadcastDelay, at: now)
            return
        }
        exchange.start(
            unit: question.unit, question.request, frame: frame, timeout: question.patience, at: now)
    }

    private mutating func conclude(_ verdict: LineExchange.Verdict) {
        guard case .asking(let strayBefore) = state else { return }
        state = .idle
        switch verdict {
        case .response(let response, let turnaround):
            outputs.append(.answer(.response(response, turnaround: turnaround)))
        case .silence: outputs.append(.answer(.silence(stray: exchange.strayBytes - strayBefore)))
        case .damage(let error): outputs.append(.answer(.damage(error)))
        case .sent: outputs.append(.answer(.sent))
        }
    }
}
