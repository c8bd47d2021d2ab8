import Base
import Line
import Modbus

/// Reads that are decided with the one before them, as far as can be foretold: every unit of steady
/// pace, none whose silence is to be feared, no command waiting. Their cycles are released when the
/// train is made; those that it does not reach are put back.
extension ModbusDriver {
    /// One read of a train behind its first.
    struct Follower: Sendable {
        let cycle: Int
        let forecast: ReplyForecast
        /// Its cycle as it was, if it was released for the train.
        let released: Release?
    }

    struct Release: Sendable {
        /// `nextRelease` and `earliest` of its cycle.
        let before: (Instant, Instant)
        let nextRelease: Instant
        /// It does not leave sooner than it would have without a train.
        let notBefore: Instant
    }

    /// Schedules the read that has just been begun, or a train that begins with it. It leaves at
    /// `start`, behind the silence.
    mutating func depart(_ frame: [UInt8], at start: Instant, of cycle: Int, at now: Moment) {
        guard autonomy.trainSpan > .zero, orders.isEmpty, !holdsUrgent,
            isSound(cycles[cycle].unit, at: start),
            let look = exchange.restBegins, let ended = exchange.foretoldEnd,
            let planned = cycles[cycle].run?.job?.read
        else { return schedule(frame, at: start) }
        let first = ReadBurst.Read(
            planned.function, replyLength: planned.replyLength,
            answering: units[cycles[cycle].unit].answeringUnit, frame: frame,
            notBefore: start,
            look: look - start)
        let reads = coupleFollowers(to: cycle, first, leavingAt: start, endingAt: ended, at: now)
        guard reads.count > 1 else { return schedule(frame, at: start) }
        emit(.line(.burst(ReadBurst(reads, from: start, silence: exchange.timing.silence))))
    }

    private mutating func schedule(_ frame: [UInt8], at start: Instant) {
        emit(.line(.schedule(frame, at: start, look: exchange.restBegins)))
    }

    private mutating func coupleFollowers(
        to cycle: Int, _ first: ReadBurst.Read, leavingAt start: Instant, endingAt end: Instant,
        at now: Moment
    ) -> [ReadBurst.Read] {
        // What is held is not held longer for it.
        let most = autonomy.span(load: plan.load)
        let span = held.isEmpty ? most : max(.zero, most - ReplyFence.longestHold * 3 / 2)
        var ended = end
        var followers: [Follower] = []
        var reads: [ReadBurst.Read] = []
        followers.reserveCapacity(Self.trainLimit)
        reads.reserveCapacity(Self.trainLimit)
        reads.append(first)
        for index in cycles.indices { cycles[index].coupled = 0 }
        cycles[cycle].coupled = 1
        while reads.count < Self.trainLimit {
            let leaves = ended + exchange.timing.silence
            guard leaves - end < span,
                let candidate = follower(after: ended, leavingAt: leaves),
                let follower = couple(candidate, after: ended, at: now),
                let read = read(of: follower, leavingAt: leaves)
            else { break }
            guard read.end - end <= span else {
                putBack(follower)
                break
            }
            cycles[follower.cycle].coupled += 1
            followers.append(follower)
            reads.append(read.read)
            ended = read.end
        }
        guard reads.count > 1 else { return reads }
        train = followers
        wake = (ended + settings.responseTimeout + .seconds(1), .reply)
        return reads
    }

    private struct Candidate: Comparable {
        let cycle: Int
        let deadline: Instant
        /// False: if it is the next, the train ends before it.
        let isCarried: Bool
        /// Its cycle has to be released for it, at this time of its grid or off it.
        let release: Instant?

        static func < (left: Candidate, right: Candidate) -> Bool { left.deadline < right.deadline }
    }

    /// The read that would be chosen when the line is free (`chooseRead`, `earlyCycle`). Nil if
    /// there is none, or if it is one that no train carries.
    private func follower(after ended: Instant, leavingAt start: Instant) -> Candidate? {
        var best: Candidate?
        var early: Candidate?
        var nextRelease = Instant.distantFuture
        for index in cycles.indices {
            let due = cycles[index].nextRelease
            nextRelease = min(nextRelease, due)
            guard let job = uncoupledJob(of: index) else {
                if units[cycles[index].unit].health.isSuspect {
                    guard due > ended else { return nil }
                    continue
                }
                let isFree = cycles[index].run == nil
                if cycles[index].plan.reads.isEmpty || (!isFree && cycles[index].coupled == 0) {
                    continue
                }
                // Its run is over by then; another one would be its second in this train.
                let isCarried = isFree && mayRelease(index, at: start)
                if due <= ended {
                    let deadline = due + cycles[index].period
                    let one = Candidate(
                        cycle: index, deadline: deadline, isCarried: isCarried, release: due)
                    best = min(one, best ?? one)
                } else if cycles[index].earliest <= start {
                    let one = Candidate(
                        cycle: index, deadline: due, isCarried: isCarried, release: start)
                    early = min(one, early ?? one)
                }
                continue
            }
            guard !units[cycles[index].unit].health.isSuspect, job.failures == 0 else { return nil }
            guard job.notBefore <= start else { continue }
            let one = Candidate(
                cycle: index, deadline: job.deadline,
                isCarried: isSound(cycles[index].unit, at: start), release: nil)
            best = min(one, best ?? one)
        }
        if best == nil, plan.load > 1, start < nextRelease { best = early }
        return best?.isCarried == true ? best : nil
    }

    /// The first read of a cycle's run that does not belong to the train yet.
    private func uncoupledJob(
        of index: Int
    ) -> (failures: Int, notBefore: Instant, deadline: Instant)? {
        if cycles[index].coupled == 0 {
            return cycles[index].waiting.map { ($0.failures, $0.notBefore, $0.deadline) }
        }
        guard let run = cycles[index].run, run.next + cycles[index].coupled < run.jobs.count else {
            return nil
        }
        let job = run.jobs[run.next + cycles[index].coupled]
        return (job.failures, job.notBefore, run.deadline)
    }

    private func isSound(_ unit: Int, at start: Instant) -> Bool {
        !units[unit].health.isSuspect && units[unit].fence.isOpen && !isSlow(unit)
            && units[unit].delay <= exchange.timing.silence && !units[unit].isUrgent
    }

    /// A cycle that only asks: what it takes from a faster one is not to be older than its release.
    private func mayRelease(_ index: Int, at start: Instant) -> Bool {
        isSound(cycles[index].unit, at: start) && !cycles[index].plan.reads.isEmpty
            && cycles[index].plan.borrowed.isEmpty
    }

    private mutating func couple(
        _ candidate: Candidate, after ended: Instant, at now: Moment
    ) -> Follower? {
        let index = candidate.cycle
        guard let forecast = units[cycles[index].unit].pace.expected else { return nil }
        var release: Release?
        if let due = candidate.release {
            let before = (cycles[index].nextRelease, cycles[index].earliest)
            cycles[index].nextRelease = due + cycles[index].period
            startRun(index, released: due, at: now)
            release = Release(
                before: before, nextRelease: cycles[index].nextRelease,
                notBefore: max(before.1, min(due, ended)))
        }
        return Follower(cycle: index, forecast: forecast, released: release)
    }

    private mutating func read(
        of follower: Follower, leavingAt start: Instant
    ) -> (read: ReadBurst.Read, end: Instant)? {
        let unit = cycles[follower.cycle].unit
        guard let planned = cycles[follower.cycle].run?.read(after: cycles[follower.cycle].coupled)
        else { return nil }
        let frame = RTUFrame.encode(unit: units[unit].address.unit.value, planned.request)
        let timeout = readTimeout(of: unit)
        guard
            let told = exchange.foretell(
                follower.forecast, frame.count, planned.replyLength, timeout: timeout)
        else {
            putBack(follower)
            return nil
        }
        _ = units[unit].pace.foretell()
        let read = ReadBurst.Read(
            planned.function, replyLength: planned.replyLength,
            answering: units[unit].answeringUnit, frame: frame,
            notBefore: follower.released?.notBefore ?? .zero, look: told.look)
        return (read, start + told.end)
    }

    // MARK: what came of it

    package mutating func carried(_ log: [ReadBurst.Exchange], then bytes: [UInt8], at now: Moment)
    {
        guard line == .open, train != nil else { return }
        replay(log, at: now)
        if !bytes.isEmpty { take(bytes[...], at: now) }
        settleAndLookAway(at: now)
    }

    private mutating func replay(_ log: [ReadBurst.Exchange], at now: Moment) {
        guard let followers = train, let first = log.first else { return takeBack() }
        train = nil
        isRecalled = false
        if let due = scheduledAt, first.sentAt > due { sentLate(by: first.sentAt - due) }
        for (index, one) in log.enumerated() {
            if index > 0, index <= followers.count {
                let follower = followers[index - 1]
                begin(
                    .read(cycle: follower.cycle),
                    departure: .gone(follower.forecast, frame: one.frame), at: one.sentAt)
            }
            guard let reply = one.reply else {
                if one.isLate { exchange.lookedInVain() }
                break
            }
            if one.isLate, let work { units[unit(of: work)].pace.wasLate() }
            take(reply[...], at: now.at(one.receivedAt))
            release(at: now.at(one.receivedAt))
        }
        for follower in followers.dropFirst(log.count - 1).reversed() { putBack(follower) }
    }

    /// A read that was not reached waits as if it had never been thought of.
    mutating func putBack(_ follower: Follower) {
        guard let release = follower.released,
            cycles[follower.cycle].nextRelease == release.nextRelease
        else { return }
        cycles[follower.cycle].run = nil
        cycles[follower.cycle].ledger.takeBack()
        (cycles[follower.cycle].nextRelease, cycles[follower.cycle].earliest) = release.before
    }

    mutating func uncouple() {
        for follower in (train ?? []).reversed() { putBack(follower) }
        train = nil
        isRecalled = false
    }

    @discardableResult
    package mutating func recall() -> Bool {
        guard train != nil, !isRecalled else { return false }
        isRecalled = true
        emit(.line(.recall))
        return true
    }
}
