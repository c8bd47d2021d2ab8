import Base
import Line
import Modbus

/// From a job to the wire, and from the verdict back to readings, outcomes and unit states.
extension ModbusDriver {
    func unit(of work: Work) -> Int {
        switch work {
        case .read(let cycle): cycles[cycle].unit
        case .order: orders[0].unit
        case .fence(let job): job.unit
        case .served(let job): job.unit
        }
    }

    enum Departure: Sendable {
        case now
        /// Request that the line has sent by itself.
        case gone(ReplyForecast?, frame: [UInt8])
    }

    /// - Parameter start: when the request goes out, or went out.
    mutating func begin(_ work: Work, isOnBudget: Bool, as departure: Departure, at start: Instant)
    {
        let unit: Int
        let request: Request
        let timeout: Duration
        var forecast: ReplyForecast?
        switch work {
        case .read(let cycle):
            guard let job = cycles[cycle].run?.job else { return }
            unit = cycles[cycle].unit
            request = job.read.request
            timeout = readTimeout(of: unit)
            if autonomy.looksAway { forecast = units[unit].pace.predict() }
            if case .gone(let told, _) = departure { forecast = told }
        case .order:
            unit = orders[0].unit
            request = orders[0].request
            timeout = units[unit].health.timeout(units[unit].responseTimeout)
        case .fence(let job):
            unit = job.unit
            request = job.request
            timeout = fenceTimeout(of: job)
            units[unit].means.asked(job.kind)
        case .served(let job):
            (unit, request, timeout) = (job.unit, job.request, job.timeout)
            served.begin(job.id)
        }
        if served.isOn { served.note(request, to: units[unit].address.unit, at: start) }
        (self.work, self.isOnBudget, startedAt) = (work, isOnBudget, start)
        let frame: [UInt8]
        if case .gone(_, let sent) = departure {
            frame = sent
        } else {
            frame = RTUFrame.encode(unit: units[unit].address.unit.value, request)
        }
        if case .now = departure, exchange.needsDiscard { emit(.line(.discardInput)) }
        counters.requests += 1
        counters.bytesSent += frame.count
        units[unit].statistics.requests += 1
        if units[unit].address.unit.isBroadcast {
            exchange.startBroadcast(request, frame: frame, wait: settings.broadcastWait, at: start)
        } else {
            exchange.start(
                unit: units[unit].answeringUnit, request, frame: frame,
                timeout: timeout, forecast: forecast,
                exceptions: exceptions(work, request),
                at: start)
        }
        if case .now = departure {
            emit(.line(.transmit(frame, look: exchange.restBegins)))
        }
    }

    /// The exchange under way has ended.
    mutating func finish(_ ended: LineExchange.Verdict, at now: Moment) {
        guard let work else { return }
        self.work = nil
        counters.lineTimes.add(now.instant - startedAt, use(of: work))
        if exchange.unasked.takeRubbish() { noteRubbish(at: now) }
        if isOnBudget { budget.spend(now.instant - startedAt, at: now.instant) }
        let unit = unit(of: work)
        let isToldSilent = isPassedOnSilence(ended)
        let heard = isToldSilent ? .silence : ended
        account(for: work, unit, at: now.instant)
        if served.isOn { noteServed(work, units[unit].address.unit, at: now.instant) }
        let isVoid = count(heard, work, unit, isToldSilent: isToldSilent, at: now)
        if failedUnit != unit { failedUnit = nil }
        let function = exchange.request.function.rawValue
        let verdict = isVoid ? .damage(.function(received: function, expected: function)) : heard
        switch work {
        case .read(let cycle):
            notePace(verdict, unit)
            finishRead(cycle, verdict, at: now)
        case .order: finishOrder(verdict, at: now)
        case .fence(let job): finishFence(job, verdict, at: now)
        case .served(let job): finishServed(job, verdict, at: now)
        }
    }

    private func use(of work: Work) -> LineTimes.Use {
        switch work {
        case .read where isOnBudget: .silent
        case .read(let cycle): (cycles[cycle].run?.job?.failures ?? 0) > 0 ? .retries : .polls
        case .order: .commands
        case .fence: .checks
        case .served: .others
        }
    }

    /// Modbus TCP in front of a serial line: the converter says that the unit is silent, or that it
    /// has no line on which to ask it.
    private func isPassedOnSilence(_ verdict: LineExchange.Verdict) -> Bool {
        guard settings.line.framing == .mbap, case .response(.exception(_, let code), _) = verdict
        else { return false }
        return code.tellsSilence
    }

    /// Charges what the exchange that has ended took from the reads, with the silences around it.
    private mutating func account(for work: Work, _ unit: Int, at now: Instant) {
        var order: OrderJob?
        switch work {
        case .order: order = orders[0]
        case .fence(let job):
            if job.cause.isRead || job.cause == .served { break }
            let first = orders.first { $0.unit == job.unit }
            if job.cause != .doubt || first?.held != nil { order = first }
        case .read, .served: break
        }
        if let order {
            let wait = max(.zero, units[unit].delay - exchange.timing.silence)
            orderBudget.spend(
                from: startedAt - wait, to: max(now, exchange.quietUntil),
                setup: order.setupStep != nil)
        } else if isOnBudget {
            orderBudget.ignore(from: startedAt, to: now)
        }
    }

    private mutating func notePace(_ verdict: LineExchange.Verdict, _ unit: Int) {
        if case .response(.read, _) = verdict {
            units[unit].pace.answered(after: exchange.pause, wasPredicted: exchange.isPredicted)
        } else {
            units[unit].pace.forget()
        }
    }

    /// - Parameter isToldSilent: a converter has answered for the unit, so no reply is on its way.
    /// - Returns: whether the answer was contradicted by what came with it.
    private mutating func count(
        _ verdict: LineExchange.Verdict, _ work: Work, _ unit: Int, isToldSilent: Bool,
        at now: Moment
    ) -> Bool {
        switch verdict {
        case .response(let response, let turnaround):
            counters.replies += 1
            units[unit].statistics.replies += 1
            units[unit].statistics.lastGood = now.instant
            if case .exception(_, let code) = response {
                counters.exceptions += 1
                units[unit].statistics.exceptions += 1
                units[unit].statistics.exceptionCodes[code.rawValue, default: 0] += 1
            }
            if turnaround > units[unit].responseTimeout {
                counters.lateReplies += 1
                units[unit].statistics.lateReplies += 1
            }
            units[unit].statistics.replyTimes.add(turnaround)
            units[unit].health.answered(turnaround: turnaround)
            return noteAnswer(response, work, unit, at: now)
        case .silence:
            if !isToldSilent { noteMissed(unit) }
            if case .fence(let job) = work, job.isTrial { break }
            counters.timeouts += 1
            units[unit].statistics.timeouts += 1
            // Silence to a request of another master says little of a unit that we poll.
            if case .served = work, !units[unit].cycles.isEmpty { break }
            if !units[unit].health.isProven, units[unit].health.timeouts == 0 { silentStarts += 1 }
            units[unit].health.silent()
        case .damage(let error):
            if !exchange.decoder.hasForm || !units[unit].fence.isClean { noteMissed(unit) }
            noteRubbish(at: now)
            if error.isStranger { units[unit].statistics.mismatches += 1 }
            if case .byteCount = error { units[unit].statistics.wrongLengths += 1 }
            counters.checksumErrors += 1
            units[unit].statistics.checksumErrors += 1
            units[unit].health.damaged()
        case .sent: break
        }
        return false
    }

    // MARK: reads

    private mutating func finishRead(_ index: Int, _ verdict: LineExchange.Verdict, at now: Moment)
    {
        guard var run = cycles[index].run, let job = run.job else { return }
        let unit = cycles[index].unit
        cycles[index].run = nil  // taken out, so that it is changed in place
        var failure: ReadFailure?
        switch verdict {
        case .response(.read(_, let data), _):
            comeBack(unit, at: now)
            run.complete(.success(data), at: now)
        case .response(.exception(_, let code), _):
            comeBack(unit, at: now)
            if code == .illegalDataAddress, split(job.read, in: &run, unit, at: now) { break }
            if code.isTemporary, job.failures < settings.retries {
                run.jobs[run.next].failures += 1
                run.jobs[run.next].notBefore =
                    now.instant + Self.busyPause * (1 << min(job.failures, 6))
            } else {
                run.complete(.failure(.exception(code.rawValue)), at: now)
            }
        case .response, .sent: failure = .format
        case .silence: failure = .timeout
        case .damage(let error):
            if run.isProbe { comeBack(unit, at: now) }
            failure = error.isStranger ? .format : .checksum
        }
        if let failure, fail(&run, of: index, failure, at: now) { return }
        run.isProbe = units[unit].health.isOffline
        cycles[index].run = run
        if run.isDone { close(index, at: now) }
    }

    /// One attempt of a run's next read was in vain. True: its unit was given up, and the run is
    /// over.
    mutating func fail(
        _ run: inout CycleRun, of index: Int, _ failure: ReadFailure, at now: Moment
    ) -> Bool {
        let unit = cycles[index].unit
        failedUnit = unit
        run.jobs[run.next].failures += 1
        if failure == .timeout, run.isProbe || units[unit].health.timeouts > settings.retries {
            cycles[index].run = run
            giveUp(unit, failed: index, at: now)
            return true
        }
        if run.jobs[run.next].failures > settings.retries {
            run.complete(.failure(failure), at: now)
        }
        return false
    }

    /// How long a unit that says it is busy is left alone, doubling.
    private static let busyPause = Duration.milliseconds(100)

    /// Replaces a refused request by its pieces, which are remembered. False if it has none: then
    /// the one point it is for is bad.
    private mutating func split(
        _ read: PlannedRead, in run: inout CycleRun, _ unit: Int, at now: Moment
    ) -> Bool {
        guard !units[unit].planner.pieces(of: read).isEmpty else { return false }
        rememberSplit(read, unit, at: now)
        var jobs: [ReadJob] = []
        units[unit].expand(read, at: now.instant, into: &jobs)
        run.jobs.replaceSubrange(run.next...run.next, with: jobs)
        say(
            .info, unit: unit,
            "answers exception 2 for \(read.table.rawValue) \(read.address), \(Plural.text(read.count, "item")): "
                + "read in pieces for 24 h")
        return true
    }

    /// A cycle has ended: its reading goes out, and slower cycles take over what they borrow.
    mutating func close(_ index: Int, at now: Moment) {
        guard let run = cycles[index].run else { return }
        cycles[index].run = nil
        let unit = cycles[index].unit
        publish(reading(of: index, run), unit, index, run, at: now)
        if now.instant > run.deadline, !run.isProbe {
            counters.late += 1
            units[unit].statistics.late += 1
        }
        if !run.parts.isEmpty { cycles[index].isRefused = run.parts.allSatisfy(\.isRefusal) }
        if !units[unit].health.isOffline {
            let isWell =
                !units[unit].hasFailedSetup && !run.parts.contains(where: \.isLineFailure)
                && !refusesAll(unit)
            setState(unit, isWell ? .online : .degraded, at: now)
        }
        let place = index - cycles[index].base
        for slower in units[unit].cycles where slower > index {
            guard cycles[slower].run?.waiting.isEmpty == false else { continue }
            cycles[slower].run?.take(run, fromCycle: place)
            if cycles[slower].run?.isDone == true { close(slower, at: now) }
        }
    }

    /// The reading that a run of a cycle has become.
    func reading(of cycle: Int, _ run: CycleRun) -> Reading {
        let unit = units[cycles[cycle].unit]
        return Reading(
            unit.address, every: cycles[cycle].plan.interval, run.parts, isPartial: run.isPartial,
            isUrgent: unit.isUrgent)
    }

    // MARK: units

    /// Whether all that is known of a unit is exceptions: it is there, but it has nothing of what
    /// is wanted from it.
    private func refusesAll(_ unit: Int) -> Bool {
        let known = units[unit].cycles.compactMap { cycles[$0].isRefused }
        return !known.isEmpty && !known.contains(false)
    }

    mutating func setState(_ unit: Int, _ state: UnitState, at now: Moment) {
        // Nobody answers a broadcast: of all units together nothing is known.
        guard units[unit].health.state != state, !units[unit].address.unit.isBroadcast else {
            return
        }
        units[unit].health.state = state
        guard !units[unit].isGuest else { return }
        emit(.unit(units[unit].address, state, now))
    }

    /// A unit that was given up, or never heard, has answered: all its cycles are due.
    mutating func comeBack(_ unit: Int, at now: Moment) {
        let state = units[unit].health.state
        guard state == nil || state == .offline else { return }
        if state == .offline, !units[unit].isGuest { say(.info, unit: unit, "answers again") }
        setState(unit, .online, at: now)
        queueSetup(unit)
        // What was far away is due now; a cycle that probes has its next release within a period.
        for index in units[unit].cycles
        where cycles[index].nextRelease > now.instant + cycles[index].period {
            cycles[index].nextRelease = now.instant
        }
    }

    /// Silent at every attempt: one failed reading per cycle under way, then only probes.
    mutating func giveUp(_ unit: Int, failed: Int?, at now: Moment) {
        loseHeld(of: unit, .timeout)
        for index in units[unit].cycles {
            cycles[index].nextRelease = .distantFuture
            guard var run = cycles[index].run else { continue }
            cycles[index].run = nil
            if run.isProbe { continue }
            run.failDoubtful(.timeout, units[unit].fence)
            let wasAsked = index == failed || (run.job?.failures ?? 0) > 0
            run.fail(wasAsked ? .timeout : .offline, rest: .offline, at: now)
            emit(.reading(reading(of: index, run)))
        }
        if !units[unit].health.isOffline, !units[unit].isGuest {
            say(.warning, unit: unit, "does not answer: offline, asked again with growing pauses")
        }
        setState(unit, .offline, at: now)
        guard let probe = units[unit].cycles.first(where: { !cycles[$0].plan.reads.isEmpty }) else {
            return
        }
        let pause = units[unit].health.pause(cycles[probe].plan.interval, &random)
        cycles[probe].nextRelease = now.instant + pause
    }
}
