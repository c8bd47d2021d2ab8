import Base
import Line
import Gateway
import Simulators

/// What carries bytes: lines, link and disk, each with its delays and its ways to fail.
extension SimulatedWorld {
    // MARK: Lines

    func openLine(_ name: PortName, _ settings: LineSettings) {
        guard let index = index(of: name) else { return }
        lines[index].close()
        lines[index].state = .opening
        let attempt = lines[index].attempt
        let event: LineEvent =
            now < lines[index].missingUntil
            ? .failed(LineFailure(.missing, "/dev/\(name) does not exist"))
            : .opened(LineFacts(path: "/dev/\(name)", isPseudoTerminal: false))
        lines[index].settings = settings
        queue.add(
            .line(index, attempt: attempt, event),
            at: now + .seconds(fraction: random.uniform(0.001, 0.05)))
    }

    func closeLine(_ name: PortName) {
        guard let index = index(of: name) else { return }
        lines[index].close()
        queue.add(.line(index, attempt: lines[index].attempt, .closed), at: now + .milliseconds(5))
    }

    /// Does what the line's carrier wants, and plans when it is woken next: a little late, and
    /// sometimes the shell is busy with something else when a request is to leave.
    func drain(line index: Int) {
        let name = Site.lineNames[index]
        while let output = lines[index].tty?.next(at: gatewayNow.instant) {
            switch output {
            case .sent(let bytes):
                lines[index].bus.receive(bytes[...], at: now)
                hear(index)
            case .report(let event):
                if case .carried(let log, _) = event {
                    burstsEnded += 1
                    exchangesInBursts += log.count
                }
                receive(.line(name, event))
            }
        }
        guard let due = lines[index].takeWake() else { return }
        var late = Duration.zero
        if lines[index].tty?.upcoming != nil || lines[index].tty?.burst != nil {
            let isBusy = random.uniform(0, 1) < 0.02
            late = .seconds(fraction: random.uniform(0, isBusy ? 0.02 : 0.00015))
        }
        queue.add(
            .wakes(index, number: lines[index].wake.number),
            at: now + (due - gatewayNow.instant) + late)
    }

    /// Takes what the bus has put on the wire.
    func hear(_ index: Int) {
        while case .transmit(let bytes)? = lines[index].bus.next() {
            guard lines[index].state == .open else { continue }
            let arrival = lines[index].arrival(at: now, &random)
            queue.add(
                .line(index, attempt: lines[index].attempt, .received(forged(bytes))), at: arrival)
        }
    }

    // MARK: Link

    func connect() {
        attempts += 1
        dropLink(noticedWithin: 0.1)
        let attempt = link.attempt
        switch link.weather {
        case .fair:
            queue.add(
                .linkOpens(attempt: attempt),
                at: now + .seconds(fraction: random.uniform(0.01, 0.6)))
        case .refused:
            let failure = LinkFailure(.refused, "connection refused")
            queue.add(.link(attempt: attempt, .failed(failure)), at: now + .milliseconds(30))
        case .silent:
            let failure = LinkFailure(.deadline, "no answer within 20 s")
            queue.add(.link(attempt: attempt, .failed(failure)), at: now + .seconds(20))
        }
    }

    func send(_ bytes: [UInt8]) {
        guard let id = link.connection else { return }
        oracle.handedToLink(bytes, at: now)
        guard !link.isBlackHole else { return }
        // TCP keeps order, not boundaries.
        let cut =
            bytes.count > 1 && random.chance(0.1) ? Int(random.next() % UInt64(bytes.count)) : 0
        for part in [bytes[..<cut], bytes[cut...]] where !part.isEmpty {
            queue.add(.bytesUp(id, Array(part)), at: link.arrivalUp(at: now, &random))
        }
    }

    /// The gateway's end is gone; the bridge learns of it within so many seconds.
    func dropLink(noticedWithin seconds: Double) {
        link.attempt += 1
        guard let id = link.connection else { return }
        if seconds <= 0.1 {
            // An orderly close: what was sent before still arrives.
            queue.add(.lostUp(id), at: link.arrivalUp(at: now, &random))
        } else {
            _ = link.cut()
            queue.add(.lostUp(id), at: now + .seconds(fraction: random.uniform(0, seconds)))
        }
    }

    /// The network cuts the connection; either end learns of it in its own time.
    func cutLink() {
        guard let id = link.cut() else { return }
        let failure = LinkFailure(.reset, "connection reset by peer")
        queue.add(
            .link(attempt: link.connectionAttempt, .closed(failure)),
            at: now + .seconds(fraction: random.uniform(0, 3)))
        queue.add(.lostUp(id), at: now + .seconds(fraction: random.uniform(0, 30)))
    }

    func hearBridge() {
        while let output = bridge.next() {
            switch output {
            case .send(let id, let bytes):
                guard link.connection == id, !link.isBlackHole else { continue }
                let arrival = link.arrivalDown(at: now, &random)
                queue.add(.link(attempt: link.connectionAttempt, .received(bytes)), at: arrival)
            case .close(let id, let reason):
                closings.append(reason)
                guard link.connection == id else { continue }
                let failure = LinkFailure(.closed, "the bridge closed the connection")
                let arrival = link.arrivalDown(at: now, &random)
                queue.add(.link(attempt: link.connectionAttempt, .closed(failure)), at: arrival)
            case .verify(let ticket, _, _, _, _): bridge.verified(ticket, true, at: worldNow)
            case .telemetry(let event): oracle.taken(event, lines, at: now)
            case .log(let words): trace("bridge", words)
            case .state(let event): oracle.takenState(event)
            case .activity, .commandEnded: break
            }
        }
    }

    // MARK: Disk

    func submit(_ request: DiskRequest) {
        let isIdle = !disk.isBusy
        disk.submit(spoiled(request))
        if liesAboutSync(request) {
            queue.add(
                .diskAnswer(life: life, request.ticket, .success(.done)), at: now + .milliseconds(1)
            )
        }
        if isIdle { planDisk() }
    }

    private func planDisk() { queue.add(.diskDone(life: life), at: now + disk.duration(&random)) }

    func diskDone() {
        guard let (request, result) = disk.finish() else { return }
        oracle.observe(original(of: request), result, disk.disk, at: now)
        if disk.isBusy { planDisk() }
        if !liesAboutSync(request) { receive(.disk(request.ticket, result)) }
    }
}
