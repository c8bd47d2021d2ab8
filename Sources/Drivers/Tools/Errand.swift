import Base
import Modbus

/// A few requests to one unit, in order, ending at the first that fails: `read`, and `write` with
/// its read-back.
package struct Errand: LineTool {
    package struct Step: Hashable, Sendable {
        package var request: Request
        /// Nil before it was asked.
        package var answer: Conversation.Answer?
        package var attempts = 0

        /// The unit's reply, an exception included.
        package var response: Response? {
            if case .response(let response, _) = answer { response } else { nil }
        }

        /// It was carried out.
        package var isGood: Bool {
            switch answer {
            case .response(.exception, _), .silence, .damage, nil: false
            case .response, .sent: true
            }
        }
    }

    package let unit: UInt8
    package private(set) var steps: [Step]
    private let patience: Duration
    private let attemptsMax: Int
    private var conversation: Conversation
    private var index = 0
    private var isOver = false
    private var outputs: [LineToolOutput] = []

    package init(
        _ line: LineSettings, unit: UInt8, _ requests: [Request], patience: Duration,
        retries: Int = 0
    ) {
        self.unit = unit
        self.patience = patience
        attemptsMax = max(0, retries) + 1
        steps = requests.map { Step(request: $0) }
        conversation = Conversation(line)
        isOver = requests.isEmpty
    }

    package var isDone: Bool { isOver }
    package var deadline: Instant? { conversation.deadline }
    package var strayBytes: Int { conversation.strayBytes }

    package mutating func opened(at now: Moment) {
        conversation.opened(at: now.instant)
        ask(at: now.instant)
    }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        conversation.receive(bytes, at: now.instant)
        settle(at: now.instant)
    }

    package mutating func timeout(at now: Moment) {
        conversation.timeout(at: now.instant)
        settle(at: now.instant)
    }

    package mutating func stop(at now: Moment) { isOver = true }

    package mutating func next() -> LineToolOutput? {
        outputs.isEmpty ? nil : outputs.removeFirst()
    }

    private mutating func ask(at now: Instant) {
        guard !isOver else { return }
        steps[index].attempts += 1
        conversation.ask(unit: unit, steps[index].request, within: patience, at: now)
        settle(at: now)
    }

    private mutating func settle(at now: Instant) {
        while let output = conversation.next() {
            switch output {
            case .discardInput: outputs.append(.discardInput)
            case .transmit(let bytes): outputs.append(.transmit(bytes))
            case .answer(let answer):
                steps[index].answer = answer
                advance(at: now)
            }
        }
    }

    private mutating func advance(at now: Instant) {
        guard !isOver else { return }
        switch steps[index].answer {
        case .silence, .damage:
            guard steps[index].attempts < attemptsMax else {
                isOver = true
                return
            }
        default:
            guard steps[index].isGood, index + 1 < steps.count else {
                isOver = true
                return
            }
            index += 1
        }
        ask(at: now)
    }
}
