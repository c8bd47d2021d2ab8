import Base
import Bridge

/// Answers under way that are written in slices. One slice is written in a turn of the loop, and
/// none to a client that has not taken the one before.
struct SlicedAnswers: Sendable {
    enum Client: Hashable, Sendable {
        case connection(ConnectionID)
        /// A client of the control socket, which gets the document as one line.
        case ticket(ControlTicket)
    }

    private struct Answer: Sendable {
        var document: any SlicedDocument
        /// Whether the client has not yet taken the slice that was sent.
        var isOwed = false
        /// Waits for the next tick.
        var isPausing = false
        /// Line for the control socket, as far as it has been written.
        var gathered: [UInt8] = []
    }

    /// Time between two ticks of what has paused.
    static let tickInterval = Duration.milliseconds(500)

    private var answers: [Client: Answer] = [:]
    private var turns: [Client] = []
    private var tickDue: Instant?

    var isEmpty: Bool { answers.isEmpty }

    mutating func begin(_ client: Client, _ document: any SlicedDocument) {
        answers[client] = Answer(document: document)
        turns.append(client)
    }

    mutating func end(_ client: Client) {
        answers[client] = nil
        turns.removeAll { $0 == client }
        if answers.isEmpty { tickDue = nil }
    }

    /// The client has taken all that was sent.
    mutating func drained(_ client: Client) {
        guard let answer = answers[client], answer.isOwed else { return }
        answers[client]?.isOwed = false
        if !answer.isPausing { turns.append(client) }
    }

    /// The client whose slice is next, with its document.
    mutating func takeTurn() -> (client: Client, document: any SlicedDocument)? {
        guard !turns.isEmpty else { return nil }
        let client = turns.removeFirst()
        return answers[client].map { (client, $0.document) }
    }

    /// Takes the slice that was written of the document.
    /// - Returns: the whole line if the document of a control socket's client is complete.
    mutating func put(
        _ client: Client, _ document: any SlicedDocument, _ slice: DocumentSlice, at now: Instant
    ) -> [UInt8]? {
        guard slice.rest != .done else {
            let line = (answers[client]?.gathered ?? []) + slice.bytes
            end(client)
            return line
        }
        answers[client]?.document = document
        switch client {
        case .connection:
            answers[client]?.isOwed = !slice.bytes.isEmpty
            if slice.rest == .pause {
                answers[client]?.isPausing = true
                tickDue = tickDue ?? now + Self.tickInterval
            } else if slice.bytes.isEmpty {
                turns.append(client)
            }
        case .ticket:
            answers[client]?.gathered += slice.bytes
            turns.append(client)
        }
        return nil
    }

    mutating func timeout(at now: Instant) {
        guard let due = tickDue, due <= now else { return }
        tickDue = nil
        for (client, answer) in answers where answer.isPausing {
            answers[client]?.isPausing = false
            if !answer.isOwed { turns.append(client) }
        }
    }

    /// When a slice or a tick is due.
    var due: Instant? { turns.isEmpty ? tickDue : .zero }
}
