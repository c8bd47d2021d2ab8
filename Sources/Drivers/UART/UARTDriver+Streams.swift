import Base

/// Nodes that speak by themselves, and what both kinds share.
extension UARTDriver {
    mutating func listen(_ index: Int, _ bytes: ArraySlice<UInt8>, at now: Moment) {
        if streams[index].cutter.hear(at: now.instant) { endPause(index, at: now) }
        var chunk = bytes
        while let verdict = streams[index].cutter.next(&chunk) {
            accept(verdict, stream: index, at: now)
        }
    }

    mutating func endPause(_ index: Int, at now: Moment) {
        while let verdict = streams[index].cutter.finish() {
            accept(verdict, stream: index, at: now)
        }
    }

    private mutating func accept(_ verdict: FrameCutter.Verdict, stream: Int, at now: Moment) {
        switch verdict {
        case .frame(let bytes):
            usefulBytes += bytes.count
            var isOwned = false
            for node in streams[stream].nodes where nodes[node].owns(bytes) {
                isOwned = true
                heard(node, at: now)
                let part = part(bytes, at: now)
                for cycle in nodes[node].cycles.indices { nodes[node].cycles[cycle].latest = part }
            }
            if isOwned { counters.replies += 1 } else { counters.wrongUnit += 1 }
        case .damaged(let bytes):
            counters.checksumErrors += 1
            let isAlone = streams[stream].nodes.count == 1
            for node in streams[stream].nodes where isAlone || nodes[node].owns(bytes) {
                nodes[node].statistics.checksumErrors += 1
                nodes[node].isDamaged = true
            }
        }
    }

    /// A good frame of this node.
    mutating func heard(_ node: Int, at now: Moment) {
        nodes[node].statistics.replies += 1
        nodes[node].statistics.lastGood = now.instant
        let wasAway = nodes[node].isOffline || nodes[node].state == .offline
        nodes[node].recover(at: now.instant)
        if wasAway {
            say(.info, node, nodes[node].isAsked ? "answers again" : "sends again")
            if !nodes[node].isAsked { beginCycles(of: node, at: now.instant) }
        }
        setState(node, .online, at: now)
    }

    mutating func beginCycles(of node: Int, at now: Instant) {
        for cycle in nodes[node].cycles.indices {
            let interval = nodes[node].cycles[cycle].interval
            nodes[node].cycles[cycle].isFresh = true
            nodes[node].cycles[cycle].nextRelease = now + min(interval, UARTNode.firstCycleLimit)
        }
    }

    /// First releases: those of asked nodes spread evenly over the interval, the others when their
    /// first interval ends.
    mutating func spreadPhases(at now: Instant) {
        var sizes: [Duration: Int64] = [:]
        for node in nodes where node.isAsked {
            for cycle in node.cycles { sizes[cycle.interval, default: 0] += 1 }
        }
        var places: [Duration: Int64] = [:]
        for index in nodes.indices {
            nodes[index].restart(at: now)
            guard nodes[index].isAsked else {
                beginCycles(of: index, at: now)
                continue
            }
            for cycle in nodes[index].cycles.indices {
                let interval = nodes[index].cycles[cycle].interval
                let place = places[interval, default: 0]
                places[interval] = place + 1
                let spread = min(interval, ModbusDriver.spreadLimit)
                nodes[index].cycles[cycle].nextRelease =
                    now + spread * place / (sizes[interval] ?? 1)
            }
        }
    }

    /// Ends the intervals that are over, and gives up who is silent.
    mutating func endIntervals(at now: Moment) {
        for node in nodes.indices where !nodes[node].isAsked && !nodes[node].isOffline {
            for cycle in nodes[node].cycles.indices {
                if nodes[node].cycles[cycle].nextRelease <= now.instant {
                    endInterval(node, cycle, at: now)
                }
            }
            if nodes[node].lastHeard + nodes[node].patience <= now.instant {
                giveUp(stream: node, at: now)
            }
        }
    }

    private mutating func endInterval(_ node: Int, _ index: Int, at now: Moment) {
        let cycle = nodes[node].cycles[index]
        if let latest = cycle.latest {
            nodes[node].cycles[index].latest = nil
            publish(node, cycle: index, latest)
        } else if nodes[node].isDamaged {
            setState(node, .degraded, at: now)
        }
        // The first frame of all is waited for in shorter steps.
        let isFresh = nodes[node].cycles[index].isFresh
        let step = isFresh ? min(cycle.interval, UARTNode.firstCycleLimit) : cycle.interval
        let missed = (now.instant - cycle.nextRelease).nanoseconds / step.nanoseconds
        let next = cycle.nextRelease + .nanoseconds((missed + 1) * step.nanoseconds)
        nodes[node].cycles[index].nextRelease = next
    }

    private mutating func giveUp(stream node: Int, at now: Moment) {
        let failure: ReadFailure = nodes[node].isDamaged ? .checksum : .timeout
        nodes[node].isOffline = true
        counters.timeouts += 1
        nodes[node].statistics.timeouts += 1
        for cycle in nodes[node].cycles.indices {
            if let latest = nodes[node].cycles[cycle].latest {
                nodes[node].cycles[cycle].latest = nil
                publish(node, cycle: cycle, latest)
            } else {
                publish(node, cycle: cycle, failure, at: now)
            }
        }
        say(.warning, node, "sends no good frame: offline until one comes")
        setState(node, .offline, at: now)
    }

    // MARK: a closed line

    /// The line is gone: what had come is published, what was asked for has failed.
    mutating func lose(_ node: Int, at now: Moment) {
        for cycle in nodes[node].cycles.indices {
            // A node that was given up has said what there is to say.
            nodes[node].cycles[cycle].hasReportedPort = nodes[node].isOffline
            if let latest = nodes[node].cycles[cycle].latest {
                nodes[node].cycles[cycle].latest = nil
                publish(node, cycle: cycle, latest)
            } else if nodes[node].cycles[cycle].dueSince != nil {
                nodes[node].cycles[cycle].dueSince = nil
                nodes[node].cycles[cycle].hasReportedPort = true
                publish(node, cycle: cycle, .port, at: now)
            }
        }
        setState(node, .offline, at: now)
    }

    /// One failed reading per cycle when it is due; the next instant at which one is.
    mutating func reportPort(at now: Moment) -> Instant? {
        var next: Instant?
        for node in nodes.indices {
            for cycle in nodes[node].cycles.indices where !nodes[node].cycles[cycle].hasReportedPort
            {
                let due = nodes[node].cycles[cycle].nextRelease
                guard due <= now.instant else {
                    next = min(due, next ?? due)
                    continue
                }
                nodes[node].cycles[cycle].hasReportedPort = true
                publish(node, cycle: cycle, .port, at: now)
            }
        }
        return next
    }
}
