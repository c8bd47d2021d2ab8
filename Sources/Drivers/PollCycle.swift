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
    var ledger = PollLedger()
    /// When the next run may begin at the earliest, stretched or not.
    var earliest = Instant.zero
    var run: CycleRun? { didSet { waiting = run.flatMap(WaitingRead.init) } }
    /// The next request of `run`, in plain numbers: it is looked at whenever the line is free.
    private(set) var waiting: WaitingRead?
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

    /// The reads of a run that is released then, without those for spans that another cycle has
    /// polled just before.
    func reads(due: Instant) -> [PlannedRead] {
        guard ledger.hasLatecomers else { return plan.reads }
        let reads = plan.reads.filter { read in
            !plan.ownSpans(of: read).allSatisfy { ledger.notBefore($0) > due }
        }
        return reads.isEmpty ? plan.reads : reads
    }

    /// Ends the run under way. It counts as polled only if something of it was read.
    mutating func dropRun() {
        guard let dropped = run else { return }
        run = nil
        if dropped.parts.isEmpty { ledger.endedUnread() }
    }

    /// Skips the past releases of a cycle that has not been polled for a long time. Its next
    /// release is the next one of its grid, but not far away.
    mutating func skip(to now: Instant) {
        if nextRelease == .distantFuture {
            nextRelease = max(now, ledger.last.map { $0 + period } ?? now)
        }
        guard nextRelease < now else { return }
        let step = period.nanoseconds
        let next =
            nextRelease + .nanoseconds(((now - nextRelease).nanoseconds + step - 1) / step * step)
        nextRelease = min(next, now + ModbusDriver.spreadLimit)
    }

    /// Goes on where the same cycle of the plan before stood. Reads that were carried out are not
    /// repeated.
    mutating func resume(_ old: PollCycle, _ run: CycleRun?) {
        (nextRelease, earliest, ledger) = (old.nextRelease, old.earliest, old.ledger)
        hasReportedPort = old.hasReportedPort
        self.run = run
    }
}

/// Properties of one waiting read that are needed to choose the next request.
struct WaitingRead: Sendable {
    let function: FunctionCode
    let replyLength: Int
    let wireTime: Duration
    let failures: Int
    let notBefore: Instant
    /// Of its run.
    let deadline: Instant

    init(_ job: ReadJob, deadline: Instant) {
        let read = job.read
        (function, replyLength, wireTime) = (read.function, read.replyLength, read.wireTime)
        (failures, notBefore) = (job.failures, job.notBefore)
        self.deadline = deadline
    }

    /// Nil: nothing is left to be asked.
    init?(_ run: CycleRun) { self.init(run, after: 0) }

    /// The read that comes so many after the next one. Nil: there is none.
    init?(_ run: CycleRun, after count: Int) {
        guard run.next + count < run.jobs.count else { return nil }
        self.init(run.jobs[run.next + count], deadline: run.deadline)
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
    /// Spans of it are left out, because another cycle has polled them just before.
    var isPartial = false
    /// Times that values of it turned out to be of other requests.
    private(set) var refusals = 0

    init(_ plan: CyclePlan, _ jobs: [ReadJob], isProbe: Bool, deadline: Instant, at now: Moment) {
        self.deadline = deadline
        self.isProbe = isProbe
        self.jobs = jobs
        waiting = plan.borrowed
        for span in plan.unreadable {
            parts.append(ReadPart(span.table, span.address, span.count, .failure(.range), at: now))
        }
    }

    /// The same run by another plan: what was read is kept, and an attempt that failed still
    /// counts.
    init(_ old: CycleRun, _ plan: CyclePlan, _ jobs: [ReadJob], at now: Moment) {
        self.init(plan, [], isProbe: old.isProbe, deadline: old.deadline, at: now)
        refusals = old.refusals
        for job in jobs {
            if let done = old.parts.first(where: { $0.isSamePlace(job.read) }) {
                parts.append(done)
            } else if let known = old.jobs.dropFirst(old.next).first(where: {
                $0.read.isSamePlace(job.read)
            }) {
                self.jobs.append(
                    ReadJob(read: job.read, failures: known.failures, notBefore: known.notBefore))
            } else {
                self.jobs.append(job)
            }
        }
        let held = waiting.filter { one in one.spans.allSatisfy { old.isDone(with: $0) } }
        waiting.removeAll { one in held.contains { $0.cycle == one.cycle } }
        for part in old.parts where held.contains(where: { $0.spans.contains { part.holds($0) } }) {
            if !parts.contains(part) { parts.append(part) }
        }
    }

    /// The same in a plan in which the faster cycles have other numbers.
    mutating func renumber(_ number: (Int) -> Int?) {
        waiting = waiting.compactMap { one in
            number(one.cycle).map { CyclePlan.Borrowed(cycle: $0, spans: one.spans) }
        }
    }

    /// Whether it has read the span, or tried to.
    func isDone(with span: Span) -> Bool { parts.contains { $0.holds(span) } }

    /// A reading that was over, of which something is to be read again.
    init(again item: HeldReadings.Item) {
        deadline = item.deadline
        isProbe = false
        jobs = []
        waiting = []
        parts = item.reading.parts
        refusals = item.refusals
        isPartial = item.reading.isPartial
    }

    /// The parts that came at such times are read again, or have failed if that was tried before.
    mutating func repeatReads(_ isRefuted: (Instant) -> Bool, _ planner: ReadPlanner, retries: Int)
    {
        refusals += 1
        for index in parts.indices.reversed()
        where parts[index].isGood && isRefuted(parts[index].at.instant) {
            guard refusals <= retries else {
                parts[index].result = .failure(.format)
                continue
            }
            let part = parts.remove(at: index)
            jobs.append(ReadJob(read: planner.again(part)))
        }
    }

    /// The run ends before its answers are certain: those in doubt are not believed.
    mutating func failDoubtful(_ failure: ReadFailure, _ fence: ReplyFence) {
        for index in parts.indices
        where parts[index].isGood && !fence.isCertain(parts[index].at.instant) {
            parts[index].result = .failure(failure)
        }
    }

    /// Takes another read first, which may go now.
    mutating func prefer(_ mayGo: (PlannedRead) -> Bool) -> Bool {
        guard next + 1 < jobs.count,
            let other = jobs[(next + 1)...].firstIndex(where: {
                $0.notBefore == .zero && mayGo($0.read)
            })
        else { return false }
        jobs.swapAt(next, other)
        return true
    }

    /// The read that comes so many after the next one.
    func read(after count: Int) -> PlannedRead? {
        next + count < jobs.count ? jobs[next + count].read : nil
    }

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
    mutating func take(_ faster: CycleRun, fromCycle index: Int) {
        guard let place = waiting.firstIndex(where: { $0.cycle == index }) else { return }
        let spans = waiting.remove(at: place).spans
        isPartial = isPartial || faster.isPartial
        for part in faster.parts where spans.contains(where: { part.holds($0) }) {
            self.parts.append(part)
        }
    }
}

extension Span {
    func isSamePlace(_ other: Span) -> Bool {
        table == other.table && address == other.address && count == other.count
    }
}

extension PlannedRead {
    func isSamePlace(_ other: PlannedRead) -> Bool {
        table == other.table && address == other.address && count == other.count
    }
}

extension ReadPart {
    func isSamePlace(_ read: PlannedRead) -> Bool {
        table == read.table && address == read.address && count == read.count
    }

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
