import Base
import Gateway
import Line
import Simulators
import TestKit

/// The composed gateway between simulated buses, disk, network and bridge, under one virtual clock
/// and from one seed. Nothing here sleeps, and every loop is bounded: a gateway that is stuck or
/// busy without end becomes a violation, not a test that hangs.
final class SimulatedWorld {
    enum Happening {
        case line(Int, attempt: Int, LineEvent)
        /// The carrier of a line has something to do.
        case wakes(Int, number: Int)
        case link(attempt: Int, LinkEvent)
        case linkOpens(attempt: Int)
        case bytesUp(ConnectionID, [UInt8])
        case lostUp(ConnectionID)
        case diskDone(life: Int)
        case diskAnswer(life: Int, UInt64, Result<DiskAnswer, DiskFailure>)
        case signed(life: Int, UInt64)
        case clock(life: Int)
        case fault(Fault)
    }

    /// Steps without any time going by; what one moment may cost.
    private static let stillMax = 20_000
    static let epoch: Int64 = 1_800_000_000_000

    let site: Site
    private var settings: Gateway.Settings
    var now = Instant.zero
    var random: RandomSource
    var queue = EventQueue<Happening>()
    var gateway: Gateway?
    var disk = SimulatedDisk()
    var lines: [SimulatedLine]
    var link = SimulatedLink()
    var bridge: BridgeEmulator
    var oracle: Oracle
    var sabotage: Sabotage?
    /// Writes as the gateway wanted them, while they are being spoiled.
    var originals: [UInt64: DiskRequest] = [:]
    /// Grows with every start of the gateway; events for an earlier one find nobody.
    private(set) var life = 0
    private(set) var exit: ExitReason?
    /// With FIELDGW_TRACE=1: every notice, fault and word of the bridge, as it happens.
    var traces = false
    var onNotice: ((Notice) -> Void)?
    private(set) var answers: [[UInt8]] = []
    /// What became of each reload.
    private(set) var reloads: [Bool] = []
    private(set) var setpoints: [String: (unit: Site.Unit, value: Int)] = [:]
    /// Why the bridge closed connections, in its own words.
    var closings: [String] = []
    /// How often the gateway has tried to connect.
    var attempts = 0
    /// Bursts that are over, and the requests that left with them.
    var burstsEnded = 0
    var exchangesInBursts = 0
    /// The gateway's wall clock minus the world's.
    private var wallError = Duration.zero
    var nextQuestion = Instant.zero
    var facts = ClockFacts(synchronised: true, hasRTC: false)
    private var bootID: [UInt8] = []
    private var bootedAt = Instant.zero

    init(
        _ options: Site.Options = Site.Options(), switches: BridgeSwitches = BridgeSwitches(),
        seed: UInt64
    ) throws {
        site = Site(options)
        settings = try site.settings()
        var random = RandomSource(seed: seed)
        lines = Site.lineNames.indices.map { [site] in
            SimulatedLine(site.bus($0), seed: random.next())
        }
        bridge = BridgeEmulator(registry: site.registry, switches: switches, seed: random.next())
        oracle = Oracle(site)
        self.random = random
    }

    // MARK: Clocks

    /// Boot time begins anew with every boot, and the wall clock may be wrong.
    var gatewayNow: Moment {
        Moment(
            Instant(nanoseconds: now.nanoseconds - bootedAt.nanoseconds), worldNow.wall + wallError)
    }
    var worldNow: Moment {
        Moment(now, WallTime(milliseconds: Self.epoch + now.nanoseconds / 1_000_000))
    }

    func setWallError(_ error: Duration) {
        wallError = error
        let clock = Self.epoch + error.milliseconds
        if !oracle.clocks.contains(clock) { oracle.clocks.append(clock) }
    }

    // MARK: Lives

    func boot() {
        bootID = (0..<16).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        bootedAt = now - .seconds(fraction: random.uniform(5, 60))
        startGateway()
    }

    func startGateway() {
        if oracle.clocks.isEmpty { setWallError(.zero) }
        life += 1
        exit = nil
        gateway = Gateway(settings, bootID: bootID, seed: random.next())
        queue.add(.clock(life: life), at: now)
        gateway?.start(at: gatewayNow)
        carryOut()
    }

    /// Another file and SIGHUP; a gateway that does not run finds the file at its start.
    func reload(_ options: Site.Options) {
        do { settings = try Site(options).settings() } catch {
            return oracle.object("\(error)", at: now)
        }
        receive(.reload(settings, needRestart: []))
    }

    /// kill -9, or the plug.
    func stopGateway(_ end: SimulatedDisk.End) {
        gateway = nil
        life += 1
        if let (request, result) = disk.stop(end, &random) {
            oracle.observe(request, result, disk.disk, at: now)
        }
        oracle.stopped(at: now)
        for index in lines.indices { lines[index].close() }
        dropLink(noticedWithin: 1)
    }

    func terminate() { receive(.terminate) }

    // MARK: The loop

    func run(for duration: Duration) { run(until: now + duration) }

    /// True if `isDone` came true in time.
    @discardableResult
    func run(until end: Instant, or isDone: (SimulatedWorld) -> Bool = { _ in false }) -> Bool {
        var still = 0
        while true {
            if isDone(self) { return true }
            let due = nextDue()
            guard let due, due <= end else {
                now = end
                return isDone(self)
            }
            still = due > now ? 0 : still + 1
            guard still < Self.stillMax else {
                oracle.object("time stands still: \(Self.stillMax) steps at one moment", at: now)
                return false
            }
            now = max(now, due)
            step()
        }
    }

    private var gatewayDue: Instant? {
        gateway?.deadline.map {
            $0 == .distantFuture ? $0 : Instant(nanoseconds: $0.nanoseconds &+ bootedAt.nanoseconds)
        }
    }

    private func nextDue() -> Instant? {
        var due = queue.due ?? .distantFuture
        if let other = gatewayDue { due = min(due, other) }
        if let other = bridge.deadline?.due { due = min(due, other) }
        for line in lines { if let other = line.bus.deadline?.due { due = min(due, other) } }
        return due == .distantFuture ? nil : due
    }

    private func step() {
        for index in lines.indices {
            guard let due = lines[index].bus.deadline?.due, due <= now else { continue }
            lines[index].bus.timeout(at: now)
            return hear(index)
        }
        if let due = queue.due, due <= now {
            if let happening = queue.take() { carryOut(happening) }
            return
        }
        if let due = bridge.deadline?.due, due <= now {
            bridge.timeout(at: worldNow)
            return hearBridge()
        }
        if let due = gatewayDue, due <= now {
            gateway?.timeout(at: gatewayNow)
            carryOut()
        }
    }

    private func carryOut(_ happening: Happening) {
        switch happening {
        case .line(let index, let attempt, let event):
            guard lines[index].attempt == attempt else { return }
            if case .opened = event {
                lines[index].state = .open
                lines[index].tty = lines[index].settings.map(CarriedLine.init)
            }
            guard case .received(let bytes) = event else {
                return receive(.line(Site.lineNames[index], event))
            }
            lines[index].tty?.arrive(bytes)
            drain(line: index)
        case .wakes(let index, let number):
            guard lines[index].isWoken(number) else { return }
            lines[index].tty?.timeout(at: gatewayNow.instant)
            drain(line: index)
        case .link(let attempt, let event):
            if link.attempt == attempt { receive(.link(event)) }
        case .linkOpens(let attempt):
            guard link.attempt == attempt else { return }
            bridge.connected(link.opened(at: now, &random), at: worldNow)
            oracle.linkOpened()
            receive(.link(.up))
        case .bytesUp(let id, let bytes):
            guard link.connection == id, !link.isBlackHole else { return }
            bridge.received(id, bytes[...], at: worldNow)
            hearBridge()
        case .lostUp(let id):
            bridge.disconnected(id, at: worldNow)
            hearBridge()
        case .diskDone(let life): if life == self.life { diskDone() }
        case .diskAnswer(let life, let ticket, let result):
            if life == self.life { receive(.disk(ticket, result)) }
        case .signed(let life, let ticket):
            guard life == self.life else { return }
            receive(
                .signed(
                    ticket, .success((0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) })
                ))
        case .clock(let life):
            guard life == self.life else { return }
            queue.add(.clock(life: life), at: now + .seconds(10))
            receive(.clock(facts))
        case .fault(let fault):
            trace("fault", "\(fault)")
            befall(fault)
        }
    }

    func receive(_ event: Event) {
        gateway?.receive(event, at: gatewayNow)
        carryOut()
    }

    /// Carries out what the gateway wants. Only a recall answers at once: what it brings about is
    /// carried out within, before what was wanted after it.
    private func carryOut() {
        while let effect = gateway?.next() {
            switch effect {
            case .openLine(let name, let settings): openLine(name, settings)
            case .closeLine(let name), .removeLine(let name): closeLine(name)
            case .line(let name, let command):
                guard let index = index(of: name) else { continue }
                lines[index].tty?.carryOut(command, at: gatewayNow.instant)
                drain(line: index)
            case .connect: connect()
            case .send(let bytes): send(bytes)
            case .disconnect: dropLink(noticedWithin: 0.1)
            case .disk(let request): submit(request)
            case .sign(let ticket, _, _):
                queue.add(
                    .signed(life: life, ticket),
                    at: now + .seconds(fraction: random.uniform(0.001, 0.03)))
            case .answer(_, let line), .progress(_, let line): answers.append(line)
            case .notice(let notice):
                onNotice?(notice)
                trace("gateway", "\(notice.subsystem) \(notice.subject): \(notice.message)")
            case .reloaded(let isInForce): reloads.append(isInForce)
            case .ready, .logLevel, .scan, .endScan, .door, .service, .measure: break
            case .finished(let reason): exit = reason
            }
        }
        if exit != nil, gateway != nil { stopGateway(.killed) }
    }

    func trace(_ who: String, _ words: @autoclosure () -> String) {
        if traces { print("\(now.nanoseconds / 1_000_000) \(who): \(words())") }
    }

    func index(of name: PortName) -> Int? { Site.lineNames.firstIndex(of: name) }

    func sendCommand(_ device: String, id: String, setpoint: Int) -> Bool {
        if setpoints[id] == nil { setpoints[id] = site.unit(of: device).map { ($0, setpoint) } }
        let payload = Array("{\"id\":\"\(id)\",\"write\":{\"setpoint\":\(setpoint)}}".utf8)
        let isSent = bridge.sendCommand(ByteString(device), payload, at: worldNow)
        hearBridge()
        return isSent
    }

    /// What the control socket answers to a line; nil while it does not.
    func ask(_ request: String, on connection: Int = 0, mayWrite: Bool = false) -> JSON? {
        answers = []
        let ticket = ControlTicket(1, connection: connection, process: 4711, mayWrite: mayWrite)
        receive(.control(ticket, Array(request.utf8)))
        return lastAnswer
    }

    /// A client of the control socket is gone.
    func hangUp(_ connection: Int) { receive(.controlEnded(connection)) }

    var lastAnswer: JSON? { answers.last.flatMap { try? JSONReader.parse($0) } }

    /// A number of the document behind `fieldgw status`.
    func status(_ section: String, _ key: String) -> JSON? {
        answers = []
        receive(.control(ControlTicket(1), Array("{\"get\":\"status\"}".utf8)))
        return answers.last.flatMap { try? JSONReader.parse($0) }?[ByteString(section)]?[
            ByteString(key)]
    }
}
