import Base
import MQTT

/// Everything between journal records and MQTT bytes: connecting with fresh tokens, attaching the
/// devices, sending within rate and window, and telling exactly which records the bridge has.
///
/// | phase | waits for | becomes |
/// |---|---|---|
/// | idle | `start` | connecting |
/// | waiting | back-off or a possible clock | connecting |
/// | connecting | the shell's link | signing, or handshaking without a token |
/// | signing | the key helper | handshaking |
/// | handshaking | CONNACK | settingUp, or open on a plain broker |
/// | settingUp | SUBACK of the errors topic | open |
/// | open | | draining before the token expires or at `stop`; waiting when the link is lost |
/// | draining | PUBACKs, bounded | connecting or stopped |
///
/// Call `next()` until nil after every call, then `nextSlot` until nil: it sends what the session
/// itself has to say and tells when a record may be published.
package struct Session: Sendable {
    enum Phase: Sendable {
        case idle
        case waiting
        case connecting
        case signing(ticket: UInt64)
        case handshaking
        case settingUp
        case open
        case draining(stop: Bool)
        case stopped
    }

    package let settings: Settings
    var phase = Phase.idle
    var client: Client?
    /// Counts links, so that a token of an earlier one is recognised.
    var connection = 0
    var timers = TimerTable<Timer>()
    var queue = Fifo<Output>()
    var now = Moment(.zero, WallTime(milliseconds: 0))
    var announcer = Announcer()

    // Connecting
    var endpoint = 0
    var backoff: Backoff
    var random: RandomSource
    var guardian: ClockGuard
    /// False until the first facts: nothing is said about a clock that nobody has looked at.
    var clockKnown = false
    var ticket: UInt64 = 0
    var claims: TokenClaims?
    var signedAt: Moment?
    var connectedAt: Moment?
    var acknowledgedSinceConnect = false
    var takeover = Takeover()
    var firstBytes = FirstBytes()
    /// Why the last connection ended, or could not be made.
    package internal(set) var trouble: Trouble?
    var credentials: Credentials
    /// Since when nothing proves the clock.
    var doubtedSince: Instant?

    // Online
    var limiter: RateLimiter
    var attachments: Attachments
    var suspects = Suspects()
    var subscriptions = Subscriptions()
    var states: StateDocuments
    var flights = FlightTable()
    /// Statistics of the client when its packets were last charged to the rate.
    var paid = Client.Statistics()
    var shares = Shares()
    var inbox = Inbox()
    /// Attached first after the next connect.
    var attachFirst: [DeviceID] = []
    var deviceTokens: [UInt64: DeviceToken] = [:]
    var signedAttaches = Fifo<(device: DeviceID, payload: [UInt8])>()
    /// Devices that are still to be detached before an orderly end.
    var detaching = Fifo<DeviceID>()
    var turn: Turn?
    var turnNotBefore = Instant.zero
    var lastProgress = Instant.zero
    var holds: [DeviceID: Hold] = [:]
    var eventTopics: [TopicKey: TopicName] = [:]
    /// Device whose record may be published, as long as nothing else has happened since `accepts`.
    var granted: DeviceID?
    /// The share that pays for the next record.
    var slot = Slot.record
    var attachedTold = -1
    var totalTold = -1

    package internal(set) var counters = Counters()
    package internal(set) var clockLevel = ClockGuard.Level.unproven

    struct TopicKey: Hashable, Sendable {
        var device: DeviceID
        var subfolder: String
    }

    /// After an error that nobody knows, the device's records wait a while.
    struct Hold: Sendable {
        var until: Instant
        var failures: Int
    }

    /// A clock may be unproven this long before anybody is told.
    static let doubtMax = Duration.seconds(30)

    package init(_ settings: Settings, devices: [DeviceID], seed: UInt64) {
        self.settings = settings
        credentials = Credentials(keys: settings.keys.count)
        var seeds = RandomSource(seed: seed)
        backoff = Backoff(seed: seeds.next())
        attachments = Attachments(devices.filter { $0 != settings.gateway }, seed: seeds.next())
        random = seeds
        limiter = RateLimiter(settings.rate)
        states = StateDocuments(interval: settings.stateInterval)
        guardian = ClockGuard(release: settings.releaseDate, trust: settings.trustClock)
    }

    // MARK: Commands

    /// `clockFloor` as an earlier run has kept it; before `start`.
    package mutating func restore(clockFloor: WallTime) { guardian.restore(floor: clockFloor) }

    package mutating func start(at now: Moment) {
        see(now)
        guard case .idle = phase else { return }
        guard backoff.failures > 0 else { return connect(at: now) }
        phase = .waiting
        let wait = backoff.again(takeover.isSuspected ? .longest : .climbing)
        timers.arm(.reconnect, at: now.instant + wait)
        notice(
            .info,
            "the last run ended while it could not connect: the first try is in \(Self.seconds(wait))"
        )
    }

    /// Ends the session: what is in flight may still be acknowledged for a moment, then DISCONNECT,
    /// `.disconnect` and `.finished`.
    package mutating func stop(at now: Moment) {
        see(now)
        switch phase {
        case .stopped, .draining(stop: true): return
        case .open, .settingUp, .draining(stop: false):
            beginDrain(stop: true, bound: .seconds(2), at: now)
        case .connecting, .signing, .handshaking:
            endConnection(.planned, at: now)
            finish()
        case .idle, .waiting: finish()
        }
        settle(at: now)
    }

    /// Takes the facts that this machine knows about its clock; to be called again on every change.
    package mutating func clock(_ facts: ClockFacts, at now: Moment) {
        guardian.learn(facts)
        clockKnown = true
        let before = clockLevel
        see(now)
        if case .waiting = phase {
            if timers.due(.clock) != nil, clockLevel != .impossible { connect(at: now) }
            // A token that is signed with a proven clock may be accepted.
            if let due = timers.due(.reconnect), settings.dialect.usesToken, before < clockLevel {
                let soon = now.instant + .seconds(fraction: random.uniform(0, 2))
                timers.arm(.reconnect, at: min(due, soon))
            }
        }
        reviseRenewal(at: now)
        settle(at: now)
    }

    package mutating func timeout(at now: Moment) {
        see(now)
        client?.timeout(at: now.instant)
        pull(at: now)
        while let timer = timers.expire(at: now.instant) { expired(timer, at: now) }
        settle(at: now)
    }

    package mutating func next() -> Output? {
        if let output = queue.popFirst() { return output }
        pull(at: now)
        return queue.popFirst()
    }

    package var deadline: (due: Instant, reason: Timer)? {
        let own = timers.next
        guard let other = client?.deadline, other.due < own?.due ?? .distantFuture else {
            return own
        }
        return (other.due, .client(other.reason.rawValue))
    }

    // MARK: Inside

    mutating func emit(_ output: Output) { queue.append(output) }

    mutating func notice(
        _ level: Notice.Level, _ message: String, about device: DeviceID? = nil,
        kind: Notice.Kind = .plain
    ) {
        emit(.notice(Notice(level, "bridge", device?.text ?? "", message, kind: kind)))
    }

    /// Once per change of `value` under `topic`.
    mutating func announce(
        _ topic: String, _ value: String, _ level: Notice.Level, _ message: String,
        about device: DeviceID? = nil, kind: Notice.Kind = .plain
    ) {
        if announcer.changed(topic, to: value) { notice(level, message, about: device, kind: kind) }
    }

    /// Every input passes through here first.
    mutating func see(_ now: Moment) {
        self.now = now
        granted = nil
        guardian.observe(now)
        let level = guardian.level(at: now)
        if level != .unproven || !clockKnown { doubtedSince = nil }
        if clockKnown, level == .unproven, doubtedSince == nil { doubtedSince = now.instant }
        guard level != clockLevel || announcer.isSilent("clock") || doubtedSince != nil else {
            return
        }
        clockLevel = level
        switch level {
        case .trusted: announce("clock", "trusted", .info, "this machine's clock is trusted")
        case .unproven:
            // The first token usually settles it: what is over in a moment is not worth a line.
            guard let doubtedSince, now.instant - doubtedSince >= Self.doubtMax else { return }
            announce(
                "clock", "unproven", .warning,
                "this machine's clock is neither synchronised nor backed by an RTC: readings are marked "
                    + "\"unsynced\"; set up NTP")
        case .impossible:
            announce(
                "clock", "impossible", .error,
                "this machine's clock says \(now.wall.timestamp), before \(guardian.floor.timestamp): "
                    + (settings.dialect.usesToken
                        ? "no token is signed" : "readings are marked \"unsynced\"")
                    + " until it is set; set up NTP or an RTC")
        }
    }

    mutating func finish() {
        timers.disarmAll()
        client = nil
        phase = .stopped
        emit(.finished)
    }

    mutating func expired(_ timer: Timer, at now: Moment) {
        switch timer {
        case .reconnect, .clock: connect(at: now)
        case .handshake: handshakeTimedOut(at: now)
        case .renew: renew(at: now)
        case .drain: endDrain(at: now)
        case .healthy: becomeHealthy(at: now)
        case .progress: checkProgress(at: now)
        case .attach:
            attachments.timeout(at: now.instant)
            abandonSilentAttaches(at: now)
        case .subscribe: subscriptions.timeout(at: now.instant)
        case .turn: endTurn(at: now)
        case .hold:
            states.wake()
            let later = holds.values.map(\.until).filter { $0 > now.instant }.min()
            if let later { timers.arm(.hold, at: later) }
        case .rate, .state, .inbox, .client: break
        }
    }
}

/// Repeats nothing: a line is worth saying when what it says about its topic has changed.
struct Announcer: Sendable {
    private var said: [ByteString: ByteString] = [:]

    func isSilent(_ topic: String) -> Bool { said[ByteString(topic)] == nil }

    mutating func changed(_ topic: String, to value: String) -> Bool {
        said.updateValue(ByteString(value), forKey: ByteString(topic)) != ByteString(value)
    }

    mutating func forget(_ topic: String) { said[ByteString(topic)] = nil }
}
