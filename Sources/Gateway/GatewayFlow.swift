import Adapter
import Base
import Bridge
import Drivers
import Spool

/// Between the machines: every output is carried to the machine or effect that it is meant for.
extension Gateway {
    /// Carries every output to the machine or effect it is meant for, until all are quiet.
    mutating func settle(at now: Moment) {
        defer { noteDeadlines() }
        guard phase != .done else { return }
        var busy = true
        while busy {
            busy = false
            if !lent.isEmpty { notePauses(at: now) }
            for index in ports.indices { if drainPort(index, at: now) != .nowhere { busy = true } }
            recordFresh(at: now)
            if drainIdentities(at: now) { busy = true }
            if takeUpPlans(at: now) { busy = true }
            if restDevices(at: now) { busy = true }
            if detachLeaving(at: now) { busy = true }
            if drainCommands(at: now) { busy = true }
            if drainSpool(at: now) { busy = true }
            if drainSession(at: now) { busy = true }
            if drainStore(at: now) { busy = true }
            if feed(at: now) { busy = true }
            if report(at: now) { busy = true }
            if continueStopping(at: now) { busy = true }
            if noteMilestones(at: now) { busy = true }
        }
    }

    /// After something that concerned one line only: most of what happens there stays there, or
    /// goes into the journal without waking anybody else.
    mutating func settle(port index: Int, at now: Moment) {
        guard phase == .running, isReady, lent.isEmpty, plans.isEmpty, !spool.isMemoryOnly else {
            return settle(at: now)
        }
        let reach = drainPort(index, at: now)
        let isNew = fresh.isUrgent
        if isNew { recordFresh(at: now) }
        guard reach != .everywhere, !drainSpool(at: now) else { return settle(at: now) }
        ports[index].noteDeadlines()
        if isNew, fresh.areSentAtOnce { send(at: now) } else { combineDeadlines() }
    }

    /// After something that concerned the way to the bridge only, as readings that came by
    /// themselves or acknowledgements: what is ready goes out, and nobody else is asked.
    mutating func send(at now: Moment) {
        guard phase == .running, isReady, lent.isEmpty, plans.isEmpty else {
            return settle(at: now)
        }
        repeat {
            guard drainFlow(at: now), !drainSpool(at: now) else { return settle(at: now) }
        } while feed(at: now)
        noteQuiet()
        combineDeadlines()
    }

    /// False if the session had something else than what it sends and has acknowledged.
    private mutating func drainFlow(at now: Moment) -> Bool {
        while let output = session.next() {
            handle(output, at: now)
            switch output {
            case .send, .settled: continue
            default: return false
            }
        }
        return true
    }

    /// How far the outputs of a port went; near is onto its line and into the journal.
    private enum Reach: Comparable { case nowhere, near, everywhere }

    /// Things that happen once: the journal is recovered, the clock becomes trusted. The second
    /// gives what was recorded before it the right time.
    private mutating func noteMilestones(at now: Moment) -> Bool {
        if !isRestored, store.isLoaded, commandStore.log.isLoaded {
            isRestored = true
            restore(at: now)
            return true
        }
        // A second gateway must fail on the journal's lock before it disturbs a line or the bridge.
        if !hasLines, isRestored, spool.isOwned, phase == .running {
            hasLines = true
            for index in ports.indices { ports[index].start() }
            return true
        }
        if !isReady, isRestored, spool.isRecovered || spool.isMemoryOnly {
            isReady = true
            effects.append(.ready)
            if phase == .running { session.start(at: now) }
            if let reload = pendingReload.take() { self.reload(reload, at: now) }
        }
        keepNumbers(at: now)
        keepClockFloor(at: now)
        keepBridge(at: now)
        keepBudgetClock(at: now)
        forgetLosses(at: now)
        let isTrusted = session.clockLevel == .trusted
        guard isTrusted != isClockTrusted else { return false }
        isClockTrusted = isTrusted
        guard isTrusted else {
            spool.distrustClock()
            return false
        }
        spool.anchor(at: now)
        correctStates(at: now)
        adapter.budgets.offset = commandStore.clock.trust(adapter.budgets.offset, at: now)
        commandStore.clock.expire()
        return true
    }

    private mutating func drainPort(_ index: Int, at now: Moment) -> Reach {
        var reach = Reach.nowhere
        let name = ports[index].name
        while let effect = ports[index].nextEffect() {
            if case .service = effect { reach = max(reach, .near) } else { reach = .everywhere }
            effects.append(effect)
        }
        while let output = ports[index].driver.next() {
            var isNear = false
            switch output {
            case .line(let command):
                if ports[index].permits(command, at: now) {
                    effects.append(.line(name, command))
                }
                isNear = true
            case .reading(let reading): isNear = !record(reading, at: now)
            case .outcome(let outcome): receive(outcome)
            case .setup(let address, let step, let outcome): noteSetup(address, step, outcome)
            case .unit(let address, let state, let moment): unit(address, state, at: moment)
            case .notice(let notice): effects.append(.notice(notice))
            case .learned(let document): keepLearned(document, of: name, at: now)
            case .served(let reply):
                ports[index].answer(reply, at: now)
                while let effect = ports[index].nextEffect() { effects.append(effect) }
                isNear = true
            }
            reach = max(reach, isNear ? .near : .everywhere)
        }
        return reach
    }

    /// An event of a connection to a line's server.
    mutating func serve(_ name: PortName, _ event: DoorEvent, at now: Moment) {
        guard let index = index(of: name) else { return }
        ports[index].serve(event, at: now)
        settle(port: index, at: now)
    }

    /// Takes all that a port has read before its devices are others: its readings belong to those
    /// that it has now.
    mutating func drain(port index: Int, at now: Moment) {
        _ = drainPort(index, at: now)
        recordFresh(at: now)
    }

    /// True if others are to hear of it: a device's state document changes, or a unit is to be
    /// asked who it is.
    private mutating func record(_ reading: Reading, at now: Moment) -> Bool {
        guard !identities.isEmpty else { return take(reading, at: now) }
        var isNews = false
        if let known = identities.receive(reading, at: now) { isNews = take(known, at: now) }
        return isNews || identities.hasOutputs
    }

    /// True if a device's state document changes with it.
    @discardableResult
    mutating func take(_ reading: Reading, at now: Moment) -> Bool {
        // Of a burst, the first was read a while ago.
        let readAt = min(now.instant, reading.parts.first?.at.instant ?? now.instant)
        fresh.add(reading, readAt: readAt, at: now.instant)
        return noteErrors(of: reading, at: now)
    }

    /// Makes records from the fresh readings.
    mutating func recordFresh(at now: Moment) {
        guard !fresh.isEmpty else { return }
        let isTrusted = session.clockLevel == .trusted
        let since = fresh.since
        for reading in fresh.takeAll(at: now.instant) {
            defer { if door.isOpen { note(reading, at: now) } }
            for telemetry in adapter.receive(reading) {
                tally.readings += 1
                tally.values += telemetry.good
                publishLatest(telemetry, at: now)
                guard settings.session.layout.telemetry != nil else { continue }
                tally.recorded += 1
                spool.append(
                    Entry(
                        device: telemetry.device, subfolder: "", kind: .reading,
                        priority: telemetry.priority,
                        body: telemetry.body, at: telemetry.at, clockTrusted: isTrusted),
                    waitingSince: since, at: now)
            }
        }
    }

    /// Anything but a reading.
    mutating func append(_ entry: Entry, waitingSince since: Instant? = nil, at now: Moment) {
        recordFresh(at: now)
        tally.recorded += 1
        spool.append(entry, waitingSince: since, at: now)
    }

    private mutating func unit(_ address: Address, _ state: UnitState, at moment: Moment) {
        var hasFallen = false
        if state == .offline { identities.suspect(address) }
        let strange = identities.strange(address)
        let state = strange != nil && state == .online ? .degraded : state
        let isGone = index(of: address.port).map { ports[$0].state == .closed } ?? false
        for device in adapter.devices(at: address) {
            if state != .online, states.state(of: device)?.status != .offline { hasFallen = true }
            let error =
                switch state {
                case .degraded: strange.map { "identity: \($0)" } ?? setups.errors[device]
                case .offline: isGone ? "port" : nil
                default: nil as String?
                }
            if states.set(device, state, error: error, at: moment) {
                publishState(of: device, at: moment)
            }
        }
        if hasFallen { keepCapture(of: address, at: moment) }
    }

    private mutating func drainSpool(at now: Moment) -> Bool {
        var any = false
        while let output = spool.next() {
            any = true
            switch output {
            case .disk(let request): effects.append(.disk(request))
            case .notice(let notice): effects.append(.notice(notice))
            case .failed(let reason):
                effects.append(.finished(.unavailable(reason)))
                phase = .done
            }
        }
        return any
    }

    private mutating func drainSession(at now: Moment) -> Bool {
        var any = false
        while let output = session.next() {
            any = true
            handle(output, at: now)
        }
        return any
    }

    private mutating func handle(_ output: Session.Output, at now: Moment) {
        switch output {
        case .connect(let target): effects.append(.connect(target))
        case .send(let bytes): effects.append(.send(bytes))
        case .disconnect: effects.append(.disconnect)
        case .sign(let ticket, let key, let input):
            effects.append(.sign(ticket: ticket, by: key, input: input))
        case .settled(let seq):
            tally.acknowledged += 1
            lanes.acknowledged(seq, at: now.instant)
            spool.settle(seq, at: now)
        case .returned(let seq): spool.giveBack(seq, at: now)
        case .attached(let device):
            attached(device, at: now)
            publishState(of: device, at: now)
        case .detached: break
        case .config(let device, let payload, let delivery):
            receiveConfig(payload, for: device, delivery, at: now)
        case .command(let device, _, let payload, let delivery):
            commands.receive(
                payload, for: device,
                isRetained: delivery.isRetained && !settings.session.dialect.usesToken,
                adapter: &adapter, at: now)
            keepCommands(at: now)
            commandStore.hold(.acknowledge(delivery))
        case .set(let device, let point, let payload, let delivery):
            set(point, of: device, payload, delivery, at: now)
        case .cleared(let topic):
            if states.retained.cleared(topic) { keepRetained(at: now) }
        case .withheld(let seq): spool.settle(seq, at: now)
        case .rejected(let seq, let device, let reason): reject(seq, device, reason, at: now)
        case .online:
            adoptStrangers(at: now)
            session.attachFirst(Array(spool.readyDevices))
            session.clear(states.retained.stale, at: now)
            noteReconnect(at: now)
            reports.health.connected(at: now.instant)
            safe.bridge(isHere: true, at: now.instant)
        case .offline:
            lanes.disconnected()
            reports.outage.away()
            reports.health.disconnected(at: now)
            safe.bridge(isHere: false, at: now.instant)
        case .finished:
            if isRenewingSession, phase == .running { renewSession(at: now) }
            if case .stopping(var stopping) = phase {
                stopping.sessionFinished = true
                phase = .stopping(stopping)
            }
        case .notice(let notice): effects.append(.notice(notice))
        }
    }

    /// A bare value on the topic of a point is a command of its own.
    private mutating func set(
        _ point: ByteString, of device: DeviceID, _ payload: [UInt8], _ delivery: Delivery,
        at now: Moment
    ) {
        let type = adapter.binding(of: device)?.points.first { $0.name == point }?.type
        let id = "set-\(now.wall.milliseconds)-\(commands.takeIDs(1))"
        if let command = SetValue.command(payload, for: point, isBool: type == .bool, id: id) {
            commands.receive(
                command, for: device, isRetained: delivery.isRetained, adapter: &adapter, at: now)
            keepCommands(at: now)
        } else if !payload.isEmpty {
            effects.append(
                .notice(
                    Notice(
                        .warning, "command", device.text,
                        "what came for \(Notice.printable(point)) is no value: text of at most "
                            + "\(SetValue.sizeMax) bytes is one", kind: .peer)))
        }
        commandStore.hold(.acknowledge(delivery))
    }

    private mutating func publishLatest(_ telemetry: Telemetry, at now: Moment) {
        guard settings.session.layout.latest != nil, session.isOnline else { return }
        for (point, text) in settings.publish.latest(telemetry.body) {
            session.latest(telemetry.device, point, text, at: now)
        }
    }

    private mutating func reject(
        _ seq: UInt64, _ device: DeviceID, _ reason: String, at now: Moment
    ) {
        effects.append(
            .notice(Notice(.error, "bridge", device.text, "record \(seq) is dropped: \(reason)")))
        spool.reject(seq, at: now)
    }
}
