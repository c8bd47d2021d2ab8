import Adapter
import Base
import Bridge
import Drivers
import Spool

/// The composition of all machines, itself one machine: events in, effects out, one deadline.
///
/// The walk of a reading: line bytes → driver → `Reading` → adapter → `Telemetry` → spool → session
/// → PUBLISH → PUBACK → settled in the spool. It is written to the disk if it is not acknowledged
/// in time, or before it is sent where the journal is asked to. Orders flow back the same road.
/// Both `fieldgw run` and the simulation use this value and nothing beside it.
package struct Gateway: Sendable {
    package struct Settings: Sendable {
        package typealias Driver = LineDriverSettings

        package struct Port: Sendable {
            package var name: PortName
            package var line: LineSettings
            package var driver: Driver
            /// The server for other masters of the line; nil: none.
            package var service: LineServiceSettings?
        }

        package var gateway: DeviceID
        package var ports: [Port]
        /// Sections from which `ports` were made; config documents narrow them.
        package var configured: [Configuration.Port]
        package var bindings: [Binding]
        package var spool: Journal.Settings
        package var session: Session.Settings
        package var topics: Topics
        /// A backlog that would delay a live reading by more goes beside what is live.
        package var liveWithin: Duration = .seconds(5)
        /// Form of the messages.
        package var publish = PayloadFormat()
        /// Several readings of one device in one message; nil: each in one of its own.
        package var batch: Configuration.Bridge.Batch?
        package var version: String
        /// Credentials for the bridge, one entry per file: another key makes another connection.
        package var credentials: [String]
        package var logLevel: Configuration.LogLevel
        package var scansAdapters = false
        package var door: Configuration.Door?
        package var alarms = Alarms.Settings()
        package var health = HealthSettings()
        /// The first 16 hexadecimal digits of the SHA-256 of the file.
        package var configurationHash: String?
        /// Certificates that the gateway needs.
        package var certificates: [CertificateEnd] = []
    }

    /// Subfolders of the gateway's own or a device's events; nil is off.
    package struct Topics: Hashable, Sendable {
        package var health: String?
        package var gaps: String?
        package var commands: String?
        package var alarms: String?
    }

    var settings: Settings
    var ports: [PortKeeper]
    /// In the order of `ports`; few enough to look through at every event.
    package internal(set) var portNames: [PortName]
    var adapter: Adapter
    var fresh: FreshReadings
    var spool: Journal
    var session: Session
    var commands = CommandDesk()
    var commandStore: CommandStore
    var wireReads: [UInt64: WireRead] = [:]
    var safe: SafeKeeper
    var setups: SetupBook
    var identities: IdentityKeeper
    var captures = CaptureKeeper()
    /// Ports that somebody works on, with what was told about it.
    var lent: [Int: String] = [:]
    var states: StateBook
    var configs: ConfigDesk
    /// The reads of every port as config documents leave them, and those that are to be taken up.
    var inForce: [Settings.Driver]
    var plans: [Int: Plan] = [:]
    /// Bindings of the adapter, port by port.
    var bound: [Bound]
    var unread: [DeviceID: Set<ByteString>] = [:]
    var logLevel: Configuration.LogLevel
    /// Detached because their port is gone.
    var resting: Set<DeviceID> = []
    var restLooked = Instant.zero
    /// Not in the configuration any more, and not yet detached.
    var leaving: Set<DeviceID> = []
    var pendingReload: Reload?
    /// The session ends because the next one has other settings.
    var isRenewingSession = false
    var store = StateStore()
    var news = AdapterNews()
    var door: Door
    /// Adapters on whose lines somebody looks around now, by their paths.
    var scans: [ByteString: SerialPortEntry] = [:]
    var reports: Reports
    var lanes: Lanes
    var batching: Batching?
    var tally = Tally()
    var effects = OutputQueue<Effect>()
    var phase = Phase.fresh
    var isReady = false
    var isRestored = false
    /// The clock's floor as it was last kept.
    var keptFloor: WallTime
    /// The floor of record numbers as it was last kept.
    var numbers: NumberFloor
    /// How the bridge was reached, as it was last kept.
    var keptMemory = Session.Memory()
    var hasLines = false
    var isClockTrusted = false
    var startedAt = Moment(.zero, WallTime(milliseconds: 0))
    var random: RandomSource
    /// When `timeout` must be called; kept, because a loop asks for it at every turn.
    package internal(set) var deadline: Instant?
    /// When the first of session, store, rules and reports wants `timeout`.
    var quietUntil = Instant.distantFuture

    enum Phase: Equatable {
        case fresh, running, done
        case stopping(Stopping)
    }

    package init(_ settings: Settings, bootID: [UInt8], seed: UInt64) {
        self.settings = settings
        var random = RandomSource(seed: seed)
        let fresh = FreshReadings(
            commitEvery: settings.spool.sync, areSentAtOnce: settings.spool.offersEarly)
        ports = settings.ports.map { port in
            PortKeeper(
                name: port.name, line: port.line,
                driver: port.driver.make(seed: random.next(), autonomy: fresh.autonomy),
                service: port.service)
        }
        portNames = settings.ports.map(\.name)
        adapter = Adapter(settings.bindings)
        self.fresh = fresh
        keptFloor = settings.session.releaseDate
        lanes = Lanes(
            Lanes.Settings(liveWithin: settings.liveWithin, batch: settings.batch, settings.session)
        )
        batching = settings.batch.map(Batching.init)
        spool = Journal(settings.spool, bootID: bootID, seed: random.next())
        numbers = NumberFloor(journal: settings.spool.identity)
        commandStore = CommandStore(bootID: bootID)
        reports = Reports(bootID: bootID)
        session = Session(
            settings.session, devices: settings.bindings.map(\.device), seed: random.next())
        states = StateBook(settings.bindings)
        safe = SafeKeeper(settings.bindings)
        setups = SetupBook(settings.bindings)
        identities = IdentityKeeper(settings.configured)
        configs = ConfigDesk(
            settings.configured, logLevel: settings.logLevel, gateway: settings.gateway)
        inForce = settings.ports.map(\.driver)
        bound = settings.configured.map { Bound(Source(port: $0), $0.bindings) }
        logLevel = settings.logLevel
        door = Door(settings.door, settings.bindings)
        self.random = random
        logFrames()
    }

    // MARK: Events

    package mutating func start(at now: Moment) {
        phase = .running
        startedAt = now
        reports.start(at: now)
        safe.start(at: now.instant)
        store.start()
        settle(at: now)
    }

    package mutating func receive(_ event: Event, at now: Moment) {
        if case .door(let event) = event { return receive(event, at: now) }
        if case .service(let name, let event) = event { return serve(name, event, at: now) }
        if case .line = event {} else { recordFresh(at: now) }
        switch event {
        case .door, .service: return
        case .line(let name, let event):
            guard let index = index(of: name) else { return }
            ports[index].receive(event, at: now)
            return settle(port: index, at: now)
        case .link(let event):
            receive(event, at: now)
            if case .received = event { return send(at: now) }
        case .disk(let ticket, let result):
            if StateStore.owns(ticket) {
                store.completed(ticket, result, at: now.instant)
            } else if CommandLog.owns(ticket) {
                commandStore.log.completed(ticket, result, at: now.instant)
            } else if CaptureKeeper.owns(ticket) {
                if let notice = captures.completed(ticket, result) {
                    effects.append(.notice(notice))
                }
            } else {
                spool.completed(ticket, result, at: now)
            }
        case .signed(let ticket, let result): session.signed(ticket, result, at: now)
        case .clock(let facts): session.clock(facts, at: now)
        case .control(let client, let line): control(client, line, at: now)
        case .controlEnded(let connection):
            for index in ports.indices { ports[index].connectionEnded(connection, at: now) }
        case .measured(let figures): reports.machine = figures
        case .helpersHang(let names): reports.hungHelpers = names
        case .reloadRefused(let reason): refuseReload(reason)
        case .portsAdded: for index in ports.indices { ports[index].retry() }
        case .unclaimedPorts(let adapters): receive(unclaimed: adapters, at: now)
        case .scanned(let adapter, let result): receive(scanned: adapter, result, at: now)
        case .reload(let settings, let needRestart):
            reload(Reload(settings: settings, needRestart: needRestart), at: now)
        case .terminate: beginStopping(at: now)
        }
        settle(at: now)
    }

    private mutating func receive(_ event: LinkEvent, at now: Moment) {
        switch event {
        case .up: session.linkUp(at: now)
        case .failed(let failure): session.linkFailed(failure, at: now)
        case .received(let bytes): session.received(bytes[...], at: now)
        case .closed(let failure): session.linkClosed(failure, at: now)
        }
    }

    /// - Parameter servesDoor: false: a line has something to do in a moment, and the HTTP door
    ///   waits for it.
    package mutating func timeout(at now: Moment, servesDoor: Bool = true) {
        // Whether a port's outputs are still to be carried to others.
        var isUnsettled = false
        for index in ports.indices where ports[index].deadline.map({ $0 <= now.instant }) ?? false {
            ports[index].timeout(at: now)
            if now.instant < othersDue { settle(port: index, at: now) } else { isUnsettled = true }
        }
        if servesDoor, let due = door.due, due <= now.instant { continueDoor(at: now) }
        guard othersDue <= now.instant else { return }
        recordFresh(at: now)
        if !isUnsettled, othersDue > now.instant { return send(at: now) }
        if let due = spool.deadline?.due, due <= now.instant { spool.timeout(at: now) }
        if let due = session.deadline?.due, due <= now.instant { session.timeout(at: now) }
        if let due = store.deadline, due <= now.instant { store.timeout(at: now.instant) }
        if let due = commandStore.log.deadline, due <= now.instant {
            commandStore.log.timeout(at: now.instant)
        }
        if phase == .running, let due = safe.deadline, due <= now.instant {
            writeSafeValues(at: now)
        }
        settle(at: now)
    }

    mutating func noteDeadlines() {
        guard phase != .done else {
            deadline = nil
            return
        }
        noteQuiet()
        for index in ports.indices { ports[index].noteDeadlines() }
        combineDeadlines()
    }

    /// Brings `quietUntil` up to date: the earliest deadline but for those of lines, journal and
    /// door, and of fresh readings.
    mutating func noteQuiet() {
        var earliest = Instant.distantFuture
        if let due = session.deadline?.due { earliest = min(earliest, due) }
        if let due = store.deadline { earliest = min(earliest, due) }
        if let due = commandStore.log.deadline { earliest = min(earliest, due) }
        if phase == .running, let due = safe.deadline { earliest = min(earliest, due) }
        if let due = reports.due { earliest = min(earliest, due) }
        if let due = batching?.due { earliest = min(earliest, due) }
        if case .stopping(let stopping) = phase { earliest = min(earliest, stopping.deadline) }
        quietUntil = earliest
    }

    /// When something other than a line wants `timeout`.
    private var othersDue: Instant {
        min(quietUntil, spool.deadline?.due ?? .distantFuture, fresh.due ?? .distantFuture)
    }

    mutating func combineDeadlines() {
        var earliest = min(othersDue, door.due ?? .distantFuture)
        for index in ports.indices {
            if let due = ports[index].deadline { earliest = min(earliest, due) }
        }
        deadline = earliest == .distantFuture ? nil : earliest
    }

    package var portDevices: [LineSettings.Device] { ports.map { $0.line.device } }

    func index(of port: PortName) -> Int? { portNames.firstIndex(of: port) }

    /// Statements that must hold between two calls and do not, in words; the parts of the journal
    /// make theirs.
    package func invariants() -> [String] { spool.invariants() + reports.alarms.invariants() }

    package mutating func next() -> Effect? {
        while let effect = effects.next() {
            guard case .answer(let ticket, let line) = effect, Door.owns(ticket) else {
                return effect
            }
            door.handBack(ticket, line)
            combineDeadlines()
        }
        if let effect = door.nextEffect() { return .door(effect) }
        return nil
    }
}

extension LineDriverSettings {
    /// - Parameter autonomy: how far the line goes on by itself; `none` if the commands are
    ///   carried out by something that knows neither `schedule` nor `burst`.
    func make(seed: UInt64, autonomy: LineAutonomy) -> any LineDriver {
        switch self {
        case .modbus(let settings):
            return ModbusDriver(
                settings, seed: seed, autonomy: settings.line.carriesFrames ? autonomy : .none)
        case .uart(let settings): return UARTDriver(settings, seed: seed)
        }
    }
}
