import Base

/// Carries out on one open line what its driver asks for: requests at their time, bursts of reads,
/// looking away while nothing can be whole, RTS, and the end of a line that does not move any more.
/// Pure: the owner of the line does each `Action` and tells what came of it. The descriptor of a
/// serial port, the simulated line and the lines of tests are driven by the same carrier.
///
/// - After every call `next` is drained until nil.
/// - Bytes are handed to `received` at once while `wait.interest` is not `none`; otherwise they
///   stay where they are until `look`.
/// - `timeout` is due at `wait.due`.
package struct LineCarrier: Sendable {
    /// Action of the owner of the line.
    package enum Action: Hashable, Sendable {
        /// Read all that is there and hand it to `received`, then call `looked`.
        case look
        /// Write as much of `unsent` as the line takes, then call `wrote`.
        case write
        case discardInput
        /// Drive RTS: true for sending.
        case drive(Bool)
        /// Ask whether everything has left; the answer is `hasSent`.
        case askSent
        /// Ask how many bytes the line still has to send; the answer is `queued`.
        case askQueued
        /// Read the UART's error counters; the answer is `counted`.
        case askErrors
        case report(LineEvent)
        /// The line does not move any more: close it.
        indirect case fail(LineFailure)
        /// Close the connection and make it again, then call `renewed`.
        case renew
    }

    /// Readiness of the line that its owner is to be woken for.
    package enum Interest: Hashable, Sendable { case none, read, both }

    /// Things that the owner of the line waits for.
    package struct Wait: Hashable, Sendable {
        package fileprivate(set) var interest = Interest.read
        /// When `timeout` must be called; nil: not at all.
        package fileprivate(set) var due: Instant?
        /// When a request goes out by itself, if microseconds count: every one is line time that
        /// nobody uses.
        package fileprivate(set) var sending: Instant?
    }

    /// A request that goes out at its time if nobody speaks before.
    private struct Scheduled: Sendable {
        let bytes: [UInt8]
        let due: Instant
        let look: Instant?
    }

    /// More than this waiting to be written means that the line does not move at all.
    private static let unsentMax = 16 << 10
    /// Up to here an exchange takes so long that what waking up is late does not count.
    private static let leisurelyBaud = 9600
    /// A scheduled request that goes out so late has its driver's clock wrong by too much.
    private static let lateMax = Duration.microseconds(100)

    /// Bytes that are to be written.
    package private(set) var unsent: [UInt8] = []
    package private(set) var wait = Wait()
    private let isHurried: Bool
    private var scheduled: Scheduled?
    /// Reads that are carried out here; until it is over nobody else hears of the line.
    package private(set) var burst: ReadBurst?
    /// Until then the line is not looked at.
    private var restDue: Instant?
    private var stall = StallWatch()
    private var errors: ErrorCounter
    /// Nil unless this program drives RTS.
    private var direction: DirectionSwitch?
    private var codec: WireCodec
    /// Nil unless the line is a connection.
    private var renewal: ConnectionRenewal?
    /// The connection is being made again: nothing is written meanwhile.
    private var isRenewing = false
    private var actions = OutputQueue<Action>()

    /// - Parameter errors: counts of the UART when the line was opened; nil where it counts none.
    package init(_ settings: LineSettings, errors: LineErrors? = nil) {
        isHurried = settings.baud > Self.leisurelyBaud
        self.errors = ErrorCounter(errors)
        codec = WireCodec(settings)
        if settings.isNetwork { renewal = ConnectionRenewal() }
        guard let rs485 = settings.rs485, rs485.rts == .software else { return }
        direction = DirectionSwitch(settings, rs485)
    }

    package mutating func next() -> Action? { actions.next() }

    // MARK: commands

    package mutating func carryOut(_ command: LineCommand, at now: Instant) {
        switch command {
        case .discardInput:
            actions.append(.discardInput)
            unsent += codec.purge
        case .transmit(let bytes, let look):
            restDue = look
            write(bytes, at: now)
        case .schedule(let bytes, let due, let look):
            restDue = nil
            scheduled = Scheduled(bytes: bytes, due: due, look: look)
        case .burst(let wanted):
            burst = wanted
            take(wanted.step)
        case .recall: endBurst()
        case .unschedule:
            scheduled = nil
            burst = nil
        case .lookAway(let until):
            if scheduled == nil, burst == nil { restDue = until > now ? until : nil }
        }
        noteWait()
    }

    /// The line is about to be closed: RTS is released, and nothing is sent any more.
    package mutating func end() {
        (unsent, scheduled, burst, restDue, stall) = ([], nil, nil, nil, StallWatch())
        // A transmitter that stays on would jam the bus for everybody.
        if direction.take() != nil, codec.rts(false) == nil { actions.append(.drive(false)) }
        noteWait()
    }

    /// Call when `wait.due` has come.
    package mutating func timeout(at now: Instant) {
        var mustLook = false
        if let due = sendingDue, due <= now { mustLook = true }
        if let due = restDue, due <= now {
            restDue = nil
            mustLook = true
        }
        if mustLook { actions.append(.look) }
        if let step = direction?.timeout(at: now) { take(step) }
        if let due = stall.due, due <= now {
            fail("the line takes no bytes any more: the adapter is stuck, or something holds it")
        }
        noteWait()
    }

    /// When a request goes out by itself.
    private var sendingDue: Instant? {
        if let scheduled { return scheduled.due }
        if case .send(let due)? = burst?.step { return due }
        return nil
    }

    /// The request that goes out by itself, if nobody speaks before; nil: none, or a burst is under
    /// way.
    package var upcoming: (frame: [UInt8], at: Instant)? {
        if let scheduled { return (scheduled.bytes, scheduled.due) }
        guard let burst, burst.log.isEmpty, case .send(let due) = burst.step else { return nil }
        return (burst.next, due)
    }

    private mutating func noteWait() {
        wait.interest =
            if !unsent.isEmpty { .both } else if restDue == nil, scheduled == nil, burst == nil {
                .read
            } else { .none }
        let sending = sendingDue
        wait.sending = isHurried ? sending : nil
        var earliest = sending ?? .distantFuture
        if let due = stall.due { earliest = min(earliest, due) }
        if let restDue { earliest = min(earliest, restDue) }
        if let due = direction?.deadline { earliest = min(earliest, due) }
        wait.due = earliest == .distantFuture ? nil : earliest
    }

    private mutating func fail(_ message: String) {
        actions.removeWaiting()
        actions.append(.fail(LineFailure(.lost, message)))
    }

    // MARK: sending

    private mutating func write(_ frame: [UInt8], at now: Instant) {
        if renewal?.needsAnother == true, !isRenewing { renew() }
        // What waits for a connection was given up when the next request comes.
        if isRenewing { unsent.removeAll(keepingCapacity: true) }
        let bytes = codec.encode(frame)
        renewal?.sent(bytes, frame)
        if errors.mustAsk(at: now) { actions.append(.askErrors) }
        guard unsent.count + bytes.count <= Self.unsentMax else { return failSending() }
        if stall.mustAsk() { actions.append(.askQueued) }
        unsent += bytes
        guard direction != nil else {
            if !isRenewing { actions.append(.write) }
            return
        }
        for step in direction?.send(bytes.count, at: now) ?? [] { take(step) }
    }

    private mutating func drive(_ isOn: Bool) {
        guard let bytes = codec.rts(isOn) else { return actions.append(.drive(isOn)) }
        // Before the frame that waits to be sent, and behind the one that was.
        if isOn { unsent.insert(contentsOf: bytes, at: 0) } else { unsent += bytes }
        if !isRenewing { actions.append(.write) }
    }

    // MARK: a connection

    /// The other end has closed the connection.
    /// - Returns: whether it is made again; otherwise the line is lost.
    package mutating func connectionEnded() -> Bool {
        guard let rest = renewal?.ended() else { return false }
        unsent = rest
        isRenewing = true
        codec.restart()
        actions.append(.renew)
        noteWait()
        return true
    }

    private mutating func renew() {
        _ = renewal?.renew()
        isRenewing = true
        codec.restart()
        actions.append(.renew)
    }

    /// The connection was made again.
    package mutating func renewed() {
        isRenewing = false
        becameWritable()
        noteWait()
    }

    private mutating func failSending() {
        fail("the line sends nothing any more: the adapter is stuck, or something holds it")
    }

    private mutating func take(_ step: DirectionSwitch.Step) {
        switch step {
        case .write: actions.append(.write)
        case .drive(let on): drive(on)
        case .ask: actions.append(.askSent)
        }
    }

    /// The line has taken so many bytes of `unsent`, and takes no more for now if that is not all.
    package mutating func wrote(_ count: Int, at now: Instant) {
        if count == unsent.count {
            unsent.removeAll(keepingCapacity: true)
            stall.tookAll()
        } else {
            unsent.removeFirst(count)
            stall.refused(hasMoved: count > 0, at: now)
        }
        noteWait()
    }

    /// The line takes bytes again.
    package mutating func becameWritable() {
        if !unsent.isEmpty, !isRenewing { actions.append(.write) }
    }

    /// Answers `askQueued`.
    package mutating func queued(_ count: Int, at now: Instant) {
        if stall.keeps(count, at: now) { failSending() }
        noteWait()
    }

    /// Answers `askSent`.
    /// - Parameter isEmpty: nil if the driver cannot tell.
    package mutating func hasSent(_ isEmpty: Bool?, at now: Instant) {
        let step = direction?.answered(unsent.isEmpty ? isEmpty : false, at: now)
        if let step { take(step) }
        noteWait()
    }

    /// Answers `askErrors`.
    package mutating func counted(_ counts: LineErrors?) {
        if let added = errors.counted(counts) { actions.append(.report(.errors(added))) }
    }

    // MARK: receiving

    /// Takes bytes that have come.
    package mutating func received(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        stall.heard()
        renewal?.heard()
        let heard = codec.decode(bytes)
        if let fault = codec.fault { return fail(fault) }
        answer()
        if burst != nil {
            carry(heard[...], at: now)
        } else if !heard.isEmpty {
            restDue = nil
            let wasScheduled = scheduled.take() != nil
            actions.append(.report(wasScheduled ? .intruded(heard) : .received(heard)))
        }
        noteWait()
    }

    /// Takes bytes that the driver does not want. Where a frame begins behind them is still known.
    package mutating func discarded(_ bytes: ArraySlice<UInt8>) {
        renewal?.heard()
        _ = codec.decode(bytes)
        answer()
    }

    /// Sends what the converter itself is to be told.
    private mutating func answer() {
        let reply = codec.takeReply()
        unsent += reply
        if !reply.isEmpty, !isRenewing { actions.append(.write) }
        if let told = codec.takeErrors() { actions.append(.report(.errors(told))) }
    }

    /// Ends a look at the line: what waits for a silent line goes out.
    package mutating func looked(at now: Instant) {
        if let request = scheduled {
            if request.due <= now { send(request, at: now) }
        } else if let step = burst?.step {
            switch step {
            case .send(let due): if due <= now { sendNext(at: now) }
            // Nothing has come: what the burst wants next tells whether it is looked for again.
            case .look: if restDue == nil { carry([], at: now) }
            case .end: break
            }
        }
        noteWait()
    }

    private mutating func send(_ request: Scheduled, at now: Instant) {
        scheduled = nil
        let late = now - request.due
        restDue = request.look.map { $0 + late }
        write(request.bytes, at: now)
        if late > Self.lateMax { actions.append(.report(.sentLate(late))) }
    }

    private mutating func sendNext(at now: Instant) {
        guard let frame = burst?.next, let step = burst?.sent(at: now) else { return }
        take(step)
        write(frame, at: now)
    }

    private mutating func carry(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        if let step = burst?.received(bytes, at: now) { take(step) } else { endBurst() }
    }

    private mutating func take(_ step: ReadBurst.Step) {
        restDue = nil
        switch step {
        case .send: break
        case .look(let due): restDue = due
        case .end: endBurst()
        }
    }

    /// The burst ends with the exchange under way.
    private mutating func endBurst() {
        guard let ended = burst.take() else { return }
        restDue = nil
        actions.append(.report(.carried(ended.log, ended.unclaimed)))
    }
}
