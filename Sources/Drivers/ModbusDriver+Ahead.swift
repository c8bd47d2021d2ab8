import Base
import Line
import Modbus

/// Reads that are decided before their time has come, as far as can be predicted: one, or a burst
/// of units of steady pace, none whose silence is to be feared, while neither a command nor a
/// request of another master waits.
extension ModbusDriver {
    /// A request was given out whose time has not come.
    package func hasScheduled(at now: Instant) -> Bool { ahead.map { $0.leaves > now } ?? false }

    /// An order or a request of another master has come, or the line goes: cancels the scheduled
    /// request, or ends the burst.
    mutating func unschedule(at now: Instant) {
        guard hasScheduled(at: now) else {
            recall()
            return
        }
        forgetAhead()
        emit(.line(.unschedule))
    }

    /// The scheduled request did not go out.
    mutating func forgetAhead() {
        guard ahead != nil else { return }
        ahead = nil
        wake = (exchange.quietUntil, .silence)
    }

    @discardableResult
    mutating func recall() -> Bool {
        guard ahead?.isBurst == true, ahead?.isRecalled == false else { return false }
        ahead?.isRecalled = true
        emit(.line(.recall))
        return true
    }

    /// The scheduled read has left: its exchange is under way. What was to follow is forgotten.
    mutating func depart() {
        guard let gone = ahead.take() else { return }
        begin(
            .read(cycle: gone.cycle), isOnBudget: gone.isOnBudget,
            as: .gone(gone.forecast, frame: gone.frame), at: gone.leaves)
        wake = exchange.deadline
    }

    mutating func sentLate(by delay: Duration) {
        guard ahead != nil else { return }
        ahead?.leaves += delay
        depart()
    }

    /// Gives out a read that leaves at `start`, behind the silence, or a burst that begins with it.
    mutating func schedule(
        _ cycle: Int, isOnBudget: Bool, leavingAt start: Instant, at now: Moment
    ) {
        guard let planned = cycles[cycle].run?.job?.read else { return }
        let unit = cycles[cycle].unit
        let frame = RTUFrame.encode(unit: units[unit].address.unit.value, planned.request)
        let timeout = readTimeout(of: unit)
        let forecast = autonomy.looksAway ? units[unit].pace.expected(after: 0) : nil
        let told = forecast.flatMap {
            exchange.predict($0, frame.count, planned.replyLength, timeout: timeout)
        }
        let travel = exchange.travel(of: frame.count)
        var next = ReadAhead(
            cycle: cycle, frame: frame, forecast: forecast, isOnBudget: isOnBudget, leaves: start,
            travel: travel, patience: travel + timeout)
        wake = (next.replyDue, .reply)
        if let told, autonomy.bursts, orders.isEmpty, served.isEmpty, !holdsUrgent,
            isSound(unit, at: start)
        {
            let first = ReadBurst.Read(
                planned.function, replyLength: planned.replyLength,
                answering: units[unit].answeringUnit, frame: frame, notBefore: start,
                look: told.look)
            var draft = BurstDraft(
                first, of: cycle, unit, start + told.end, cycles: cycles.count, units: units.count)
            extend(&draft, at: now)
            next.followers = draft.followers
            if next.isBurst {
                wake = (draft.ended + settings.responseTimeout + .seconds(1), .reply)
                emit(
                    .line(
                        .burst(
                            ReadBurst(draft.reads, from: start, silence: exchange.timing.silence))))
            }
        }
        ahead = next
        guard !next.isBurst else { return }
        emit(.line(.schedule(frame, at: start, look: told.map { start + $0.look })))
    }

    // MARK: the reads of a burst

    /// Adds the reads that would be chosen one after the other, up to the first that no burst
    /// carries.
    private mutating func extend(_ draft: inout BurstDraft, at now: Moment) {
        // What is held is not held longer for it.
        let most = autonomy.span(load: plan.load)
        let isHolding = !held.isEmpty || served.hasDoubt
        let span = isHolding ? max(.zero, most - ReplyFence.longestHold * 3 / 2) : most
        let end = draft.ended
        while draft.reads.count < Self.burstLimit {
            let leaves = draft.ended + exchange.timing.silence
            guard leaves - end < span else { return }
            let choice = choose(at: leaves, in: draft)
            guard case .read(let cycle)? = choice.work, isCarried(choice, of: cycle, at: leaves),
                add(cycle, choice, to: &draft, leavingAt: leaves, before: end + span, at: now)
            else { return }
        }
    }

    /// Whether a burst goes on with this read; if not, it ends before it. A run is over when its
    /// cycle is released again, and what a cycle takes from a faster one is not to be older than
    /// its release.
    private func isCarried(_ choice: Choice, of cycle: Int, at start: Instant) -> Bool {
        guard choice.failures == 0, isSound(cycles[cycle].unit, at: start) else { return false }
        return choice.release == nil
            || (!choice.isRepeated && cycles[cycle].plan.borrowed.isEmpty)
    }

    func isSound(_ unit: Int, at start: Instant) -> Bool {
        !units[unit].health.isSuspect && units[unit].fence.isOpen && !isSlow(unit)
            && units[unit].delay <= exchange.timing.silence && !units[unit].isUrgent
    }

    /// False: its reply cannot be predicted, or would be too late.
    private mutating func add(
        _ index: Int, _ choice: Choice, to draft: inout BurstDraft, leavingAt start: Instant,
        before end: Instant, at now: Moment
    ) -> Bool {
        let unit = cycles[index].unit
        guard let forecast = units[unit].pace.expected(after: draft.asked(of: unit)) else {
            return false
        }
        var release: BurstDraft.Release?
        var notBefore = Instant.zero
        if let due = choice.release {
            release = BurstDraft.Release(due: due, jobs: jobs(of: index, released: due, at: now))
            // It does not leave sooner than it would have without a burst.
            notBefore = max(cycles[index].earliest, min(due, draft.ended))
        }
        let planned: PlannedRead?
        if let jobs = (release ?? draft.release(of: index))?.jobs {
            let place = release == nil ? draft.taken(of: index) : 0
            planned = place < jobs.count ? jobs[place].read : nil
        } else {
            planned = cycles[index].run?.read(after: draft.taken(of: index))
        }
        guard let planned else { return false }
        let frame = RTUFrame.encode(unit: units[unit].address.unit.value, planned.request)
        guard
            let told = exchange.predict(
                forecast, frame.count, planned.replyLength, timeout: readTimeout(of: unit)),
            start + told.end <= end
        else { return false }
        let read = ReadBurst.Read(
            planned.function, replyLength: planned.replyLength,
            answering: units[unit].answeringUnit, frame: frame, notBefore: notBefore,
            look: told.look)
        let follower = ReadAhead.Follower(
            cycle: index, read: planned, forecast: forecast, release: release?.due)
        draft.add(read, follower, release, of: unit, endingAt: start + told.end)
        return true
    }

    // MARK: what came of a burst

    mutating func carried(_ log: [ReadBurst.Exchange], then bytes: [UInt8], at now: Moment) {
        guard line == .open, ahead?.isBurst == true else { return }
        replay(log, at: now)
        if !bytes.isEmpty { take(bytes[...], at: now) }
        settleAndLookAway(at: now)
    }

    private mutating func replay(_ log: [ReadBurst.Exchange], at now: Moment) {
        guard let burst = ahead, let first = log.first else { return forgetAhead() }
        defer { ahead = nil }
        for (index, one) in log.enumerated() {
            if index == 0 {
                begin(
                    .read(cycle: burst.cycle), isOnBudget: burst.isOnBudget,
                    as: .gone(burst.forecast, frame: burst.frame),
                    at: max(burst.leaves, first.sentAt))
            } else {
                ahead?.reached = index
                guard index <= burst.followers.count,
                    resume(burst.followers[index - 1], at: now.at(one.sentAt))
                else { return noteUnheard(log.dropFirst(index), of: burst) }
                let follower = burst.followers[index - 1]
                begin(
                    .read(cycle: follower.cycle), isOnBudget: burst.isOnBudget,
                    as: .gone(follower.forecast, frame: one.frame), at: one.sentAt)
            }
            guard let reply = one.reply else {
                if one.isLate { exchange.lookedInVain() }
                return
            }
            if one.isLate, let work { units[unit(of: work)].pace.wasLate() }
            take(reply[...], at: now.at(one.receivedAt))
            release(at: now.at(one.receivedAt))
        }
    }

    /// Reads that were carried out and are wanted no more: a late reply to one is no other's.
    private mutating func noteUnheard(
        _ rest: ArraySlice<ReadBurst.Exchange>, of burst: ReadAhead
    ) {
        for (one, follower) in zip(rest, burst.followers.dropFirst(rest.startIndex - 1))
        where one.reply == nil {
            units[cycles[follower.cycle].unit].fence.missed(
                ReplyShape(follower.read.request),
                sentUntil: one.sentAt + exchange.travel(of: one.frame.count))
        }
    }

    /// The run of a read that has left, released for it if it has to be. False: it is not what its
    /// cycle wants any more.
    private mutating func resume(_ follower: ReadAhead.Follower, at now: Moment) -> Bool {
        let index = follower.cycle
        if cycles[index].run == nil, let due = follower.release {
            cycles[index].nextRelease = due + cycles[index].period
            startRun(index, released: due, at: now)
        }
        return cycles[index].run?.job?.read.isSamePlace(follower.read) ?? false
    }
}
