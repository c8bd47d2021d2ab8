import Base
import Bridge
import Gateway
import Platform

/// Carries out the gateway's effects: one loop thread that only touches descriptors that are ready,
/// and helpers for everything that can block.
package final class Host {
    /// The clock's trust is looked at this often.
    private static let clockInterval = Duration.seconds(10)
    /// After recovery, connecting, a reload or a request so long passes until what follows is
    /// usually over too.
    private static let settlingTime = Duration.seconds(5)
    /// Pages that something else has brought in (a line of the log, a failing unit) are given back
    /// this often.
    private static let releaseInterval = Duration.seconds(60)
    /// After a line of the log, and while it changes, so long passes until the status is told.
    private static let statusDelay = Duration.milliseconds(500)
    /// At the end lines may take so long to be closed; whatever hangs is left to the kernel.
    private static let closingTime = Duration.seconds(2)
    /// More warnings about a file that is taken up are for `fieldgw check`.
    private static let warningsMax = 20

    private let loop: EventLoop
    private let mailbox: Mailbox<HelperMessage>
    private let diskWorker: Worker
    private let keyWorker: Worker
    /// Open, set and close lines; connect those at the other end of a network.
    private let lineHelpers = (
        ports: WorkerPool("fgw-port", threadsMax: ServiceLimits.portHelpersMax),
        network: WorkerPool("fgw-line", threadsMax: ServiceLimits.lineConnectorsMax)
    )
    private let disk: DiskExecutor
    private var keys: KeyRing
    private let log: LogSink
    private var logLevelMax: Notice.Level
    private let service: ServiceManager
    private var gateway: Gateway
    private var lines: [LineShell] = []
    private var lineCount = 0
    private let reloading: Reloading
    private var wakeLatency = WakeLatency()
    private var link: LinkShell!
    private var portWatch: PortWatch?
    private let adapterScan: AdapterScan
    private var doors: Doors!
    private var control: ControlSocket?
    private var controlClients: [Int: ControlSocket.Client] = [:]
    private var controlRequests = 0
    private var clockDue = Instant.zero
    private var watchdogDue: Instant?
    private var helperWatch = HelperWatch()
    private var statusTold = ""
    private var conditionTold = ""
    private var statusDue: Instant?
    /// When pages are given back next.
    private var releaseDue: Instant?
    private var exit: ExitReason?
    private var isPerforming = false

    package init(
        _ settings: Settings, gateway: Gateway, keys: KeyRing, tls: TLSContext?, log: LogSink
    ) throws {
        loop = try EventLoop()
        mailbox = try Mailbox()
        diskWorker = try Worker("fgw-disk", stackBytes: 512 << 10)
        keyWorker = try Worker("fgw-key", stackBytes: 512 << 10)
        disk = DiskExecutor(settings.directories)
        service = ServiceManager()
        watchdogDue = service.watchdogInterval.map { Clock.instant + $0 }
        self.keys = keys
        self.log = log
        logLevelMax = log.threshold
        self.gateway = gateway
        reloading = Reloading(settings.reload, mailbox: mailbox)
        adapterScan = AdapterScan(mailbox)
        link = try LinkShell(loop: loop, mailbox: mailbox, context: tls) { [unowned self] event in
            receive(.link(event))
        }
        doors = Doors(loop: loop) { [unowned self] in
            receive($0)
        } tell: { [unowned self] in
            say($0)
        }
        for port in gateway.portNames { _ = makeLine(port) }
        portWatch = PortWatch(gateway.portDevices, loop: loop, mailbox: mailbox) { [unowned self] in
            take($0)
        }
        _ = try loop.watch(mailbox.descriptor, .read) { [unowned self] _ in takeHelperMessages() }
        if let path = settings.controlPath { openControl(path) }
        doors.open(settings.door)
    }

    /// Runs until SIGTERM or a fatal answer of the disk; the exit code for the shell.
    package func run(signals: SignalInbox) throws -> (code: ExitCode, message: String?) {
        _ = try loop.watch(signals.descriptor, .read) { [unowned self] _ in
            for signal in signals.take() { take(signal) }
        }
        tick(at: Clock.instant)
        perform { $0.start(at: $1) }
        while exit == nil {
            let wake = nextWake()
            _ = try loop.wait(until: link.hasPending || doors.hasPending ? .zero : wake.due)
            let now = wakeLatency.woken(for: wake.sending)
            for line in lines { line.timeout(at: now) }
            if link.hasPending { link.readPending() }
            let serves = doors.mayServe(before: wake.sending, at: now)
            if serves, doors.hasPending { doors.takeTurn() }
            if wake.choresDue <= now { tick(at: now) }
            if let due = gateway.deadline, due <= now {
                perform { $0.timeout(at: $1, servesDoor: serves) }
            }
            link.flush()
        }
        return leave()
    }

    /// Times for which the loop sleeps. An event before it wakes may change all of them: then it
    /// wakes once with nothing to do.
    private struct Wake {
        var due: Instant
        /// When the next scheduled request leaves.
        var sending: Instant
        /// When `tick` has something to do.
        var choresDue: Instant
    }

    private func nextWake() -> Wake {
        var next = clockDue
        if let due = watchdogDue { next = min(next, due) }
        if let due = portWatch?.lookDue { next = min(next, due) }
        if let due = releaseDue { next = min(next, due) }
        if let due = statusDue { next = min(next, due) }
        if let due = control?.deadline { next = min(next, due) }
        if let due = doors.deadline { next = min(next, due) }
        let chores = next
        if let due = gateway.deadline { next = min(next, due) }
        var sending = Instant.distantFuture
        for line in lines {
            line.settleInterest()
            if let due = line.deadline { next = min(next, due) }
            if let due = line.sendingDue { sending = min(sending, due) }
        }
        // A sleeping thread wakes up a tenth of a millisecond late: at 115200 baud one or two per
        // cent of an exchange.
        if sending < .distantFuture {
            next = min(next, wakeLatency.begin(sending, at: Clock.instant))
        }
        return Wake(due: next, sending: sending, choresDue: chores)
    }

    private func take(_ signal: SignalInbox.Event) {
        switch signal {
        case .terminate: receive(.terminate)
        case .hangUp:
            service.notifyReloading()
            reloading.begin(gateway.settingsInForce)
        }
    }

    private func leave() -> (code: ExitCode, message: String?) {
        service.notify("STOPPING=1")
        link.disconnect()
        for line in lines { line.close() }
        portWatch?.stop()
        adapterScan.stop()
        reloading.stop()
        control?.shutdown()
        doors.close()
        diskWorker.stop()
        keyWorker.stop()
        disk.close()
        lineHelpers.ports.drain(within: Self.closingTime)
        switch exit {
        case .unavailable(let reason): return (.unavailable, reason)
        case .drained, nil: return (.ok, nil)
        }
    }

    // MARK: Events and effects

    private func receive(_ event: Event) { perform { $0.receive(event, at: $1) } }

    /// Feeds the gateway and carries out what it wants. An effect that answers at once (a lost
    /// line) comes back through here and only feeds: the loop below picks its effects up.
    private func perform(_ feed: (inout Gateway, Moment) -> Void) {
        feed(&gateway, Clock.now())
        guard !isPerforming else { return }
        isPerforming = true
        while let effect = gateway.next() { carryOut(effect) }
        isPerforming = false
    }

    private func carryOut(_ effect: Effect) {
        switch effect {
        case .openLine(let name, let settings): open(name, settings)
        case .closeLine(let name): line(name)?.close()
        case .removeLine(let name):
            line(name)?.close()
            lines.removeAll { $0.name == name }
        case .line(let name, let command): line(name)?.carryOut(command)
        case .connect(let target): link.connect(target)
        case .send(let bytes): link.send(bytes)
        case .disconnect: link.disconnect()
        case .disk(let request): submit(request)
        case .sign(let ticket, let signer, let input): sign(ticket, signer, input)
        case .answer(let ticket, let line):
            if let client = controlClients.removeValue(forKey: ticket.number) {
                control?.answer(client, line)
            }
        case .progress(let ticket, let line):
            if let client = controlClients[ticket.number] {
                control?.answer(client, line, more: true)
            }
        case .notice(let notice):
            say(notice)
            if notice.level < .debug { expectStatus() }
        case .scan(let adapter): adapterScan.begin(adapter)
        case .endScan(let path): adapterScan.cancel(path)
        case .logLevel(let level): log.threshold = level.map { min($0, logLevelMax) } ?? logLevelMax
        case .measure: MachineProbe.begin(on: diskWorker, disk, answering: mailbox)
        case .ready:
            service.notify("READY=1")
            tellStatus()
            Startup.releasePages()  // Recovery is over; connecting and attaching bring other code.
            expectSettling()
        case .reloaded(let isInForce):
            let offered = reloading.end()
            takeUp(isInForce ? offered : nil)
            expectSettling()
        case .door(let effect): doors.carryOut(effect)
        case .service(let name, let effect): doors.carryOut(effect, of: name)
        case .finished(let reason): exit = exit ?? reason
        }
    }

    private func submit(_ request: DiskRequest) {
        let (disk, mailbox) = (disk, mailbox)
        diskWorker.submit { mailbox.post(.disk(request.ticket, disk.execute(request))) }
    }

    private func sign(_ ticket: UInt64, _ signer: Signer, _ input: [UInt8]) {
        guard let key = keys.key(of: signer) else {
            return mailbox.post(
                .signed(ticket, .failure(SigningFailure("no private key is configured"))))
        }
        let mailbox = mailbox
        keyWorker.submit {
            do {
                mailbox.post(.signed(ticket, .success(try key.sign(input))))
            } catch {
                let words = (error as? CredentialError)?.message ?? "\(error)"
                mailbox.post(.signed(ticket, .failure(SigningFailure(words))))
            }
        }
    }

    private func takeHelperMessages() {
        for message in mailbox.drain() {
            switch message {
            case .disk(let ticket, let result): receive(.disk(ticket, result))
            case .signed(let ticket, let result): receive(.signed(ticket, result))
            case .machine(let figures): receive(.measured(figures))
            case .lineOpened(let name, let attempt, let parcel, let facts):
                line(name)?.opened(parcel, facts, attempt: attempt)
            case .lineFailed(let name, let attempt, let failure):
                line(name)?.failed(failure, attempt: attempt)
            case .lineRenewed(let name, let attempt, let parcel):
                line(name)?.renewed(parcel, attempt: attempt)
            case .lineClosed(let name, let attempt): line(name)?.closed(attempt: attempt)
            case .reload(.success(let reload)):
                reloading.offer(reload)
                receive(.reload(reload.settings, needRestart: reload.needRestart))
            case .reload(.failure(let failure)): receive(.reloadRefused(failure.message))
            case .unclaimedPorts(let found): receive(.unclaimedPorts(found))
            case .scanned(let adapter, let result): receive(.scanned(adapter, result))
            case .linkUp(let attempt, let up):
                link.up(up, attempt: attempt)
                expectSettling()
            case .linkFailed(let attempt, let failure): link.failed(failure, attempt: attempt)
            }
        }
    }

    // MARK: lines and a new configuration

    private func line(_ name: PortName) -> LineShell? { lines.first { $0.name == name } }

    private func makeLine(_ name: PortName) -> LineShell {
        lineCount += 1
        let line = LineShell(
            name, generation: lineCount, loop: loop, helpers: lineHelpers.ports,
            network: lineHelpers.network, mailbox: mailbox
        ) { [unowned self] in
            receive(.line(name, $0))
        }
        lines.append(line)
        return line
    }

    private func open(_ name: PortName, _ settings: LineSettings) {
        (line(name) ?? makeLine(name)).open(settings)
    }

    /// The gateway's answer to a reload; nil: everything stays as it was. The service manager is
    /// told that it is over.
    private func takeUp(_ reload: Reload?) {
        if let reload {
            for words in reload.warnings.prefix(Self.warningsMax) {
                say(Notice(.warning, "gateway", "configuration", words))
            }
            keys = reload.keys
            link.use(reload.tls)
            logLevelMax = reload.logLevel
            doors.open(reload.door)
            portWatch?.expect(gateway.portDevices)
        }
        service.notify("READY=1")
        if reloading.takeRepeat() { reloading.begin(gateway.settingsInForce) }
    }

    private func take(_ news: PortWatch.News) {
        switch news {
        case .removed(let node): for line in lines { line.unplugged(node) }
        case .added: receive(.portsAdded)
        }
    }

    /// Without a control socket the gateway still does its work: that is worth a warning, not an
    /// end.
    private func openControl(_ path: String) {
        do throws(SystemFailure) {
            control = try ControlSocket(path: path, on: loop) { [unowned self] event in take(event)
            }
        } catch {
            let advice = ControlSocket.advice(error, path)
            say(
                Notice(
                    .warning, "control", path,
                    "no control socket, so `fieldgw status` will not reach this gateway: \(advice)")
            )
        }
    }

    private func take(_ event: ControlSocket.Event) {
        switch event {
        case .line(let client, let line):
            controlRequests += 1
            controlClients[controlRequests] = client
            let ticket = ControlTicket(
                controlRequests, connection: client.number, process: client.processID,
                mayWrite: [0, Machine.userID].contains(client.userID))
            receive(.control(ticket, line))
            expectSettling()
        case .closed(let client):
            controlClients = controlClients.filter { $0.value != client }
            receive(.controlEnded(client.number))
        }
    }

    /// Work by time: clock facts, hung helpers, status, pages, ports, control, door and watchdog.
    private func tick(at now: Instant) {
        if clockDue <= now {
            clockDue = now + Self.clockInterval
            receive(.clock(ClockProbe.facts()))
            lookAfterHelpers(at: now)
            tellStatus()
        }
        if let due = statusDue, due <= now { tellStatus() }
        if let due = releaseDue, due <= now {
            releaseDue = now + Self.releaseInterval
            Startup.releasePages()
        }
        portWatch?.tick()
        control?.timeout(at: now)
        doors.timeout(at: now)
        if let due = watchdogDue, due <= now {
            service.notify("WATCHDOG=1")
            watchdogDue = service.watchdogInterval.map { now + $0 }
        }
    }

    /// A helper may hang for as long as it likes; people should know.
    private func lookAfterHelpers(at now: Instant) {
        var helpers = [
            ("disk", diskWorker.busySince), ("keys", keyWorker.busySince),
            ("network", link.helperBusySince),
            ("configuration", reloading.helperBusySince),
        ]
        helpers += lines.map { ($0.name.text, $0.helperBusySince) }.sorted { $0.0 < $1.0 }
        let notices = helperWatch.look(helpers, at: now)
        for notice in notices { say(notice) }
        if !notices.isEmpty { receive(.helpersHang(helperWatch.late)) }
    }

    /// A line for the log, which the door's clients see too.
    private func say(_ notice: Notice) {
        log.write(notice)
        if doors.isOpen, notice.level <= log.threshold { receive(.door(.logged(notice))) }
    }

    private func expectSettling() {
        releaseDue = min(releaseDue ?? .distantFuture, Clock.instant + Self.settlingTime)
    }

    /// Schedules the status: an event that is worth a line in the log may have changed it.
    private func expectStatus() {
        if service.isPresent, statusDue == nil { statusDue = Clock.instant + Self.statusDelay }
    }

    /// Sends the text that `systemctl status` shows.
    private func tellStatus() {
        statusDue = nil
        guard service.isPresent else { return }
        if gateway.condition != conditionTold { expectStatus() }
        conditionTold = gateway.condition
        let late = helperWatch.late.joined(separator: ", ")
        let status = gateway.summary + (late.isEmpty ? "" : ", hangs: \(late)")
        guard status != statusTold else { return }
        statusTold = status
        service.notify("STATUS=\(status)")
    }
}
