import Base
import Line

/// Nodes that are asked, and when to look again.
extension UARTDriver {
    mutating func settle(at now: Moment) {
        switch line {
        case .unopened, .paused: wake = nil
        case .closed: wake = reportPort(at: now).map { ($0, .release) }
        case .open:
            endIntervals(at: now)
            release(at: now)
            var next = exchange == nil && !isHeld ? dispatch(at: now) : nil
            func consider(_ due: Instant, _ reason: LineTimer) {
                if due < next?.due ?? .distantFuture { next = (due, reason) }
            }
            if let exchange {
                consider(
                    exchange.restDue ?? exchange.replyDue, exchange.restDue == nil ? .reply : .rest)
                if let due = exchange.cutter.due { consider(due, .silence) }
            }
            for stream in streams {
                if let due = stream.cutter.due { consider(due, .silence) }
            }
            for node in nodes {
                if let due = nextRelease(of: node) { consider(due, .release) }
            }
            wake = next.map { (max($0.due, now.instant), $0.reason) }
        }
    }

    private func nextRelease(of node: UARTNode) -> Instant? {
        if node.isOffline {
            // A probe that is due already waits for the line, not for the time.
            return nil
        }
        var next: Instant? = node.isAsked ? nil : node.lastHeard + node.patience
        for cycle in node.cycles { next = min(cycle.nextRelease, next ?? cycle.nextRelease) }
        return next
    }

    // MARK: which node

    private mutating func release(at now: Moment) {
        for node in nodes.indices where nodes[node].isAsked && !nodes[node].isOffline {
            for index in nodes[node].cycles.indices {
                let cycle = nodes[node].cycles[index]
                guard cycle.nextRelease <= now.instant else { continue }
                let step = cycle.interval.nanoseconds
                let missed = (now.instant - cycle.nextRelease).nanoseconds / step
                nodes[node].cycles[index].nextRelease =
                    cycle.nextRelease + .nanoseconds((missed + 1) * step)
                let skipped = Int(missed) + (cycle.dueSince == nil ? 0 : 1)
                counters.skipped += skipped
                nodes[node].statistics.skipped += skipped
                if cycle.dueSince == nil { nodes[node].cycles[index].dueSince = cycle.nextRelease }
            }
        }
    }

    /// Asks whoever is due longest, or says when somebody may be asked.
    private mutating func dispatch(at now: Moment) -> (due: Instant, reason: LineTimer)? {
        let start = max(now.instant, quietUntil)
        var best: (node: Int, rank: Int, since: Instant)?
        var earliest: Instant?
        for index in nodes.indices where nodes[index].isAsked {
            guard let since = nodes[index].isOffline ? nodes[index].probeAt : nodes[index].dueSince
            else {
                continue
            }
            let node = nodes[index]
            let free = max(
                node.isOffline ? since : start, late.release(of: node.address, node.plan.format))
            guard free <= start else {
                earliest = min(free, earliest ?? free)
                continue
            }
            // Those who answer first, then those who have just failed, then those who are given up.
            let rank = nodes[index].isOffline ? 2 : failed == index ? 1 : 0
            if let best, (best.rank, best.since) <= (rank, since) { continue }
            best = (index, rank, since)
        }
        guard let best else { return earliest.map { ($0, .release) } }
        guard start <= now.instant else { return (start, .silence) }
        ask(best.node, at: now)
        return nil
    }

    private mutating func ask(_ node: Int, at now: Moment) {
        let format = nodes[node].plan.format
        guard let request = format.request else { return }
        if streams.isEmpty { emit(.line(.discardInput)) }
        emit(.line(.transmit(request)))
        counters.requests += 1
        counters.bytesSent += request.count
        nodes[node].statistics.requests += 1
        let cutter = FrameCutter(
            format.frame, format.checksum, character: timing.character, isSynced: true,
            at: now.instant)
        let sentUntil = now.instant + timing.time(of: request.count)
        exchange = Exchange(
            node: node, isProbe: nodes[node].isOffline, cutter: cutter,
            echo: EchoFilter(request, start: format.frame.start), startedAt: now.instant,
            sentUntil: sentUntil, replyDue: sentUntil + nodes[node].responseTimeout)
        quietUntil = sentUntil + timing.silence
        babblesSince = nil
    }

    // MARK: the reply

    mutating func hearReply(_ heard: ArraySlice<UInt8>, at now: Moment) {
        let taken = exchange?.echo.taken ?? 0
        let bytes = exchange?.echo.pass(heard) ?? heard
        usefulBytes += (exchange?.echo.taken ?? 0) - taken
        if !bytes.isEmpty { cutReply(bytes, at: now) }
    }

    private mutating func cutReply(_ bytes: ArraySlice<UInt8>, at now: Moment) {
        // A pause before the first byte says nothing; one within the frame has ended it.
        let wasPending = exchange.map { $0.cutter.pending > 0 } ?? false
        if exchange?.cutter.hear(at: now.instant) ?? false, wasPending {
            while let verdict = exchange?.cutter.finish() { accept(verdict, at: now) }
        }
        var chunk = bytes
        while let verdict = exchange?.cutter.next(&chunk) { accept(verdict, at: now) }
        guard let cutter = exchange?.cutter else { return }
        if cutter.pending == 0 {
            exchange?.restDue = nil
        } else if exchange?.restDue == nil {
            var rest = timing.time(of: cutter.frame.longest) * 3 / 2 + .milliseconds(50)
            if case .silence(let silence) = cutter.frame.end { rest += silence }
            exchange?.restDue = now.instant + rest
        }
    }

    mutating func timeoutExchange(at now: Moment) {
        if let due = exchange?.replyDue, due <= now.instant, let held = exchange?.echo.release(),
            !held.isEmpty
        {
            cutReply(held, at: now)
        }
        guard let exchange else { return }
        let isRestOver = exchange.restDue.map { $0 <= now.instant } ?? false
        let isPauseOver = exchange.cutter.due.map { $0 <= now.instant } ?? false
        if isRestOver || isPauseOver {
            var isUseless = true
            while let verdict = self.exchange?.cutter.finish() {
                isUseless = false
                accept(verdict, at: now)
            }
            self.exchange?.restDue = nil
            if isUseless { countDamage(at: now) }
        }
        guard let exchange = self.exchange, exchange.restDue == nil,
            exchange.replyDue <= now.instant
        else {
            return
        }
        finish(.failure(exchange.isDamaged ? .checksum : .timeout), at: now)
    }

    private mutating func accept(_ verdict: FrameCutter.Verdict, at now: Moment) {
        guard let node = exchange?.node else { return }
        switch verdict {
        case .frame(let bytes):
            usefulBytes += bytes.count
            if nodes[node].owns(bytes) {
                counters.replies += 1
                finish(.success(bytes), at: now)
            } else {
                counters.wrongUnit += 1
            }
        case .damaged: countDamage(at: now)
        }
    }

    private mutating func countDamage(at now: Moment) {
        guard let node = exchange?.node else { return }
        counters.checksumErrors += 1
        nodes[node].statistics.checksumErrors += 1
        exchange?.isDamaged = true
    }

    private mutating func finish(_ result: Result<[UInt8], ReadFailure>, at now: Moment) {
        guard let ended = exchange else { return }
        exchange = nil
        counters.lineTimes.add(
            now.instant - ended.startedAt, ended.isProbe ? .silent : .polls)
        quietUntil = max(quietUntil, now.instant + timing.silence)
        switch result {
        case .success(let bytes):
            if failed == ended.node { failed = nil }
            late.answered(nodes[ended.node].address, at: now.instant)
            answered(ended.node, part(bytes, at: now), isProbe: ended.isProbe, at: now)
        case .failure(let failure):
            failed = ended.node
            if failure == .timeout {
                noteMissed(ended, at: now.instant)
                counters.timeouts += 1
                nodes[ended.node].statistics.timeouts += 1
            }
            missed(ended.node, failure, isProbe: ended.isProbe, at: now)
        }
    }

    private mutating func noteMissed(_ ended: Exchange, at now: Instant) {
        late.missed(
            nodes[ended.node].address, nodes[ended.node].plan.format,
            timeout: nodes[ended.node].responseTimeout,
            sentUntil: ended.sentUntil, character: timing.character, at: now)
    }

    /// The line goes while a node is asked.
    mutating func noteInterrupted(at now: Instant) {
        if let ended = exchange { noteMissed(ended, at: now) }
        exchange = nil
    }

    private mutating func answered(_ node: Int, _ part: ReadPart, isProbe: Bool, at now: Moment) {
        heard(node, at: now)
        for cycle in nodes[node].cycles.indices {
            if isProbe {
                nodes[node].cycles[cycle].nextRelease =
                    now.instant + nodes[node].cycles[cycle].interval
            } else if nodes[node].cycles[cycle].dueSince == nil {
                continue
            }
            nodes[node].cycles[cycle].dueSince = nil
            publish(node, cycle: cycle, part)
        }
    }

    private mutating func missed(_ node: Int, _ failure: ReadFailure, isProbe: Bool, at now: Moment)
    {
        nodes[node].failures += 1
        if isProbe { return nodes[node].pause(at: now.instant, &random) }
        guard nodes[node].failures > settings.retries else { return }
        nodes[node].failures = 0
        for cycle in nodes[node].cycles.indices where nodes[node].cycles[cycle].dueSince != nil {
            nodes[node].cycles[cycle].dueSince = nil
            publish(node, cycle: cycle, failure, at: now)
        }
        guard failure == .timeout else { return setState(node, .degraded, at: now) }
        say(.warning, node, "does not answer: offline, asked again with growing pauses")
        setState(node, .offline, at: now)
        nodes[node].pause(at: now.instant, &random)
    }

    /// Bytes while nobody was asked put the next request off until they end, but a line that never
    /// falls silent cannot stop us for longer than a frame takes.
    mutating func hearStray(at now: Instant) {
        let since = (now > quietUntil ? nil : babblesSince) ?? now
        babblesSince = since
        let limit = since + timing.time(of: 256) * 3 / 2 + .milliseconds(50)
        quietUntil = max(quietUntil, min(now + timing.silence, limit))
    }
}

extension UARTProtocol.Frame {
    /// Bytes that a sound frame has at most.
    var longest: Int { if case .fixed(let count) = end { min(count, max) } else { max } }
}
