import Base
import Modbus

/// One request of a running cycle, with its attempts.
struct ReadJob: Sendable {
    var read: PlannedRead
    /// Attempts that failed.
    var failures = 0
    /// Not asked before: a unit that said "busy".
    var notBefore = Instant.zero
}

/// One unit and interval: released on a grid, run to the end, answered with one `Reading`.
struct PollCycle: Sendable {
    /// Index of the unit in the driver.
    let unit: Int
    let plan: CyclePlan
    /// First cycle of the unit, for `plan.borrowed`.
    let base: Int
    /// The interval, stretched if the line is overloaded.
    let period: Duration
    var nextRelease = Instant.distantFuture
    /// When the next run may begin at the earliest, stretched or not.
    var earliest = Instant.zero
    var run: CycleRun? { didSet { waiting = run.flatMap(WaitingRead.init) } }
    /// The next request of `run`, in plain numbers: it is looked at whenever the line is free.
    private(set) var waiting: WaitingRead?
    /// Reads of `run` that belong to the train that is being made, counted from its next.
    var coupled = 0
    /// The line is down and this cycle has said so.
    var hasReportedPort = false
    /// Whether its last run brought nothing but exceptions; nil before the first.
    var isRefused: Bool?

    init(unit: Int, plan: CyclePlan, base: Int, stretch: Double) {
        self.unit = unit
        self.plan = plan
        self.base = base
        let nanoseconds = min(plan.interval.secondsValue * max(1, stretch), 1e9) * 1e9
        period = stretch > 1 ? .nanoseconds(Int64(nanoseconds)) : plan.interval
    }
}

/// What choosing the next request needs to know of one.
struct WaitingRead: Sendable {
    let function: FunctionCode
    let replyLength: Int
    let wireTime: Duration
    let failures: Int
    let notBefore: Instant
    /// Of its run.
    let deadline: Instant

    /// Nil: nothing is left to be asked.
    init?(_ run: CycleRun) {
        guard run.next < run.jobs.count else { return nil }
        let read = run.jobs[run.next].read
        (function, replyLength, wireTime) = (read.function, read.replyLength, read.wireTime)
        (failures, notBefore) = (run.jobs[run.next].failures, run.jobs[run.next].notBefore)
        deadline = run.deadline
    }
}

/// A cycle under way.
struct CycleRun: Sendable {
    let deadline: Instant
    /// The single attempt by which a unit that was given up may come back.
    var isProbe: Bool
    var jobs: [ReadJob]
    var next = 0
    var parts: [ReadPart] = []
    /// Faster cycles whose next result is still to come.
    var waiting: [CyclePlan.Borrowed]

    init(_ plan: CyclePlan, _ jobs: [ReadJob], isProbe: Bool, deadline: Instant, at now: Moment) {
        self.deadline = deadline
        self.isProbe = isProbe
        self.jobs = jobs
        waiting = plan.borrowed
        for span in plan.unreadable {
            parts.append(ReadPart(span.table, span.address, span.count, .failure(.range), at: now))
        }
    }

    /// The read that comes so many after the next one.
    func read(after count: Int) -> PlannedRead? { next + count < jobs.count ? jobs[next + count].read : nil }

    var job: ReadJob? { next < jobs.count ? jobs[next] : nil }
    var isDone: Bool { next >= jobs.count && waiting.isEmpty }

    mutating func complete(_ result: Result<[UInt8], ReadFailure>, at now: Moment) {
        let read = jobs[next].read
        parts.append(ReadPart(read.table, read.address, read.count, result, at: now))
        next += 1
    }

    /// Fails what is outstanding: the request under way with `first`, the others with `rest`.
    mutating func fail(_ first: ReadFailure, rest: ReadFailure, at now: Moment) {
        var failure = first
        while next < jobs.count {
            complete(.failure(failure), at: now)
            failure = rest
        }
        for span in waiting.lazy.flatMap(\.spans) {
            parts.append(ReadPart(span.table, span.address, span.count, .failure(rest), at: now))
        }
        waiting = []
    }

    /// Takes over what a faster cycle has read.
    mutating func take(_ parts: [ReadPart], fromCycle index: Int) {
        guard let place = waiting.firstIndex(where: { $0.cycle == index }) else { return }
        let spans = waiting.remove(at: place).spans
        for part in parts where spans.contains(where: { part.holds($0) }) { self.parts.append(part) }
    }
}

extension ReadPart {
    func holds(_ span: Span) -> Bool {
        span.table == table && span.address >= address && span.end <= address + count
    }

    /// Silence, damage or nonsense, as opposed to an answer that says no.
    var isLineFailure: Bool {
        guard case .failure(let failure) = result else { return false }
        return failure == .timeout || failure == .checksum || failure == .format
    }

    /// An exception.
    var isRefusal: Bool { if case .failure(.exception) = result { true } else { false } }
}
