import Base

/// Requests, notices and deadlines on their way to the caller, and the purpose of each disk request
/// that was not answered yet.
struct Outbox: Sendable {
    /// The purpose of a disk request.
    enum Purpose: Sendable {
        case open
        case sync(file: Int)
        case header(file: Int)
        case headerCopy(file: Int)
        case aside(file: Int)
        case reopen
        case scan
        case space
        case create
        case commit
        case page(segment: UInt64)
        case remove(segment: UInt64)
        case load
        case trimLoad(segment: UInt64)
        case trim(segment: UInt64)
        case rewriteLoad
        case rewrite
        case housekeeping
    }

    private var outputs: [Journal.Output] = []
    private var head = 0
    private var purposes: [UInt64: Purpose] = [:]
    private var lastTicket: UInt64 = 0
    private var timers = TimerTable<Journal.Timer>()

    /// Whether every disk request was answered.
    var isIdle: Bool { purposes.isEmpty }

    mutating func next() -> Journal.Output? {
        guard head < outputs.count else {
            if head > 0 { outputs.removeAll(keepingCapacity: true) }
            head = 0
            return nil
        }
        defer { head += 1 }
        return outputs[head]
    }

    mutating func note(_ level: Notice.Level, _ message: String) {
        outputs.append(.notice(Notice(level, "spool", "", message)))
    }

    mutating func fail(_ message: String) {
        timers.disarmAll()
        outputs.append(.failed(message))
    }

    mutating func request(_ operation: DiskRequest.Operation, _ purpose: Purpose) {
        lastTicket += 1
        purposes[lastTicket] = purpose
        outputs.append(.disk(DiskRequest(ticket: lastTicket, volume: .spool, operation)))
    }

    /// The purpose of the request that is answered now; nil if there is no such request.
    mutating func answered(_ ticket: UInt64) -> Purpose? { purposes.removeValue(forKey: ticket) }

    // MARK: - Deadlines

    var deadline: (due: Instant, reason: Journal.Timer)? { timers.next }

    func due(_ timer: Journal.Timer) -> Instant? { timers.due(timer) }

    mutating func arm(_ timer: Journal.Timer, at due: Instant) { timers.arm(timer, at: due) }

    /// Arms a timer that is not armed yet.
    mutating func armOnce(_ timer: Journal.Timer, at due: Instant) {
        if timers.due(timer) == nil { timers.arm(timer, at: due) }
    }

    /// Arms a timer unless it is due earlier.
    mutating func armEarlier(_ timer: Journal.Timer, at due: Instant) {
        if timers.due(timer).map({ due < $0 }) ?? true { timers.arm(timer, at: due) }
    }

    mutating func disarm(_ timer: Journal.Timer) { timers.disarm(timer) }

    mutating func expire(at now: Instant) -> Journal.Timer? { timers.expire(at: now) }

    func invariants() -> [String] {
        broken(
            (head <= outputs.count, "more outputs were taken than there are"),
            (purposes.keys.allSatisfy { $0 <= lastTicket }, "a request without a ticket"))
    }
}

extension Result<DiskAnswer, DiskFailure> {
    var failure: DiskFailure? { if case .failure(let failure) = self { failure } else { nil } }
    /// The bytes that were read; nil if they could not be.
    var bytes: [UInt8]? { if case .success(.bytes(let bytes)) = self { bytes } else { nil } }
    var space: DiskSpace? { if case .success(.space(let space)) = self { space } else { nil } }
}
