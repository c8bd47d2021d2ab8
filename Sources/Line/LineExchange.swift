import Base
import Modbus

/// One request and what becomes of it, with the silences that a line needs.
///
/// - Before every request the line has been silent for t3.5, counted from the receive that ended
///   the previous frame or from the computed end of our own transmission, whichever is later.
/// - The response timeout runs from the computed end of our transmission to the first byte; then
///   the rest has its expected wire time × 1.5 + 50 ms.
/// - A sound frame that is not the one asked for is counted and dropped; the wait goes on.
/// - Our own echo and the noise of drivers that switch direction are no part of any of this.
package struct LineExchange: Sendable {
    package enum Verdict: Hashable, Sendable {
        /// `turnaround`: from the end of our transmission to the first byte.
        case response(Response, turnaround: Duration)
        case silence
        /// Something came from this unit, but not a whole and sound answer to this request.
        case damage(FrameError)
        /// A broadcast is out and every unit has had its time; nobody answers one.
        case sent
    }

    private enum State: Sendable {
        case idle
        case awaiting
        case receiving(until: Instant)
        /// A broadcast: what the units need to carry it out.
        case pausing(until: Instant)
    }

    /// When the rest of a reply is overdue; a reply that only silence ends is looked at before
    /// that.
    private var restDue = Instant.zero
    /// Before this the reply cannot be whole; nil: it may be at any moment.
    package private(set) var restBegins: Instant?

    package let timing: RTUTiming
    let lead: Duration
    private var state = State.idle
    package private(set) var decoder = ReplyDecoder(unit: 0, request: .other(.diagnostics, []))
    package private(set) var echo: LineEcho
    package private(set) var noise: NoiseTrimmer
    private(set) var sentBytes = 0
    private var sentChecksum: UInt16 = 0
    private var sentAt = Instant.zero
    package private(set) var sentUntil = Instant.zero
    private var replyDue = Instant.zero
    private var firstByte = Instant.zero
    private var lastByte = Instant.zero
    /// The bytes that just came may have been there for a while.
    private var wasHidden = false
    /// The line is not looked at before the reply should be whole.
    package private(set) var isPredicted = false
    /// From the end of our transmission to the beginning of the last good reply, as its end tells;
    /// nil if it was whole when the line was looked at.
    package private(set) var pause: Duration?

    /// A sound frame of the unit that was asked, but no answer to what it was asked.
    private var mismatch: FrameError?

    /// No request may begin earlier.
    package private(set) var quietUntil = Instant.zero
    private var babblesSince: Instant?
    private var isBabbling = false
    /// The last exchange left bytes that nobody asked for, or may still do so.
    package private(set) var needsDiscard = true

    /// Sound frames that answered nothing.
    package var unasked = UnaskedFrames()
    private var travel = TravelTime()
    private var exceptions = AcceptedExceptions.all
    package private(set) var strayBytes = 0
    /// Times that the line did not fall silent for longer than a frame takes.
    package private(set) var babbles = 0

    package init(_ line: LineSettings) {
        timing = RTUTiming(line)
        lead = line.lead
        echo = LineEcho(line.echo)
        noise = NoiseTrimmer(isOn: line.trim)
    }

    package var isBusy: Bool { if case .idle = state { false } else { true } }

    /// Request of the latest exchange.
    package var request: Request { decoder.request }

    /// When the wait for a reply ends; nil while no exchange is under way.
    package var deadline: (due: Instant, reason: LineTimer)? {
        switch state {
        case .idle: nil
        case .awaiting: (replyDue, .reply)
        case .receiving(let until): (until, .rest)
        case .pausing(let until): (until, .turnaround)
        }
    }

    /// The line was opened: whatever a unit was saying must end first.
    package mutating func reset(at now: Instant) {
        state = .idle
        echo.reset()
        quietUntil = now + timing.silence
        babblesSince = nil
        unasked = UnaskedFrames()
        travel.reopen(isTimed: travel.isPhysical)
        needsDiscard = true
    }

    /// - Parameter isPhysical: bytes take the time that the line's speed says.
    package mutating func opened(isPhysical: Bool, at now: Instant) {
        travel.isPhysical = isPhysical
        reset(at: now)
    }

    /// Forgets the mismatch: the frame was a late or repeated reply, the unit has not answered
    /// something else.
    package mutating func excuse() { mismatch = nil }

    /// The unit is known to be late: its reply is waited for until then.
    package mutating func extend(to timeout: Duration) {
        if case .awaiting = state { replyDue = max(replyDue, sentUntil + timeout) }
    }

    package mutating func start(
        unit: UInt8, _ request: Request, frame: [UInt8], timeout: Duration,
        forecast: ReplyForecast? = nil,
        exceptions: AcceptedExceptions = .all, at now: Instant
    ) {
        decoder.expect(unit: unit, request: request)
        self.exceptions = exceptions
        echo.sent(frame, isAmbiguous: request.mayBeEchoed || decoder.expectedLength == frame.count)
        noise.begin(unit: unit)
        begin(frame, at: now)
        replyDue = sentUntil + timeout
        state = .awaiting
        guard let forecast, let length = request.replyLength,
            let told = predict(forecast, frame.count, length, timeout: timeout)
        else { return }
        restBegins = now + told.look
        isPredicted = true
    }

    /// A write to all units (unit 0): nobody answers, but all need time to carry it out
    /// (MODBUS over Serial Line V1.02, section 2.4.1: typically 100 to 200 ms).
    package mutating func startBroadcast(
        _ request: Request, frame: [UInt8], wait: Duration, at now: Instant
    ) {
        decoder.expect(unit: 0, request: request)
        echo.sent(frame, isAmbiguous: false)
        begin(frame, at: now)
        state = .pausing(until: sentUntil + wait)
    }

    private mutating func begin(_ frame: [UInt8], at now: Instant) {
        sentBytes = frame.count
        sentChecksum = frame.suffix(2).reversed().reduce(0) { $0 << 8 | UInt16($1) }
        sentAt = now
        sentUntil = now + travel(of: frame.count)
        mismatch = nil
        unasked.begin()
        travel.begin()
        babblesSince = nil
        needsDiscard = false
        isPredicted = false
        restBegins = nil
    }

    /// The reply was not there when it should have been.
    package mutating func lookedInVain() { restBegins = nil }

    package mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) -> Verdict? {
        lastByte = now
        wasHidden = restBegins.map { $0 <= now } ?? false
        restBegins = nil
        var chunk = bytes
        switch state {
        case .idle, .pausing:
            if case .pausing = state { echo.strip(&chunk) }
            if !chunk.isEmpty { stray(chunk, at: now) }
            return nil
        case .awaiting, .receiving: break
        }
        let echoes = echo.echoes
        if decoder.pending == 0 {
            if echo.held == 0 { noise.trim(&chunk) }
            echo.strip(&chunk)
            if echo.held == 0 { noise.trim(&chunk) }
        }
        noise.follow(chunk)
        if chunk.isEmpty, decoder.pending == 0, echo.held == 0 {
            state = .awaiting
            return nil
        }
        if case .receiving = state, echo.echoes == echoes {
        } else {
            firstByte = now
            let rest = max(0, decoder.expectedLength - chunk.count) + echo.held
            restDue = now + timing.time(of: rest) * 3 / 2 + timing.patience
            state = .receiving(until: restDue)
        }
        if let verdict = judge(chunk, at: now) { return verdict }
        noteRest(at: now)
        return nil
    }

    /// A frame is as long as its length or its function says, and its bytes come no faster than the
    /// line carries them.
    private mutating func noteRest(at now: Instant) {
        guard case .receiving = state, let missing = decoder.missing, echo.held == 0 else { return }
        let time = timing.time(of: missing)
        guard time > Self.shortRest else { return }
        let begins = now + (time - Self.restLead)
        // More than was asked for: a stranger's frame, or a count that was damaged on its way.
        if begins < restDue { restBegins = begins }
    }

    private mutating func judge(_ bytes: ArraySlice<UInt8>, at now: Instant) -> Verdict? {
        var chunk = bytes
        while true {
            do {
                if let response = try decoder.receive(chunk) {
                    if let isEarly = refusal(of: response, at: now) {
                        unasked.add([decoder.unit] + response.pdu, isEarly: isEarly, at: now)
                        chunk = []
                        guard decoder.pending == 0 else { continue }
                        state = .awaiting
                        break
                    }
                    return accept(response, at: now)
                }
                if decoder.endsBySilence {
                    state = .receiving(until: min(now + timing.silence, restDue))
                }
                break
            } catch {
                guard error.isStranger else { return damaged(error, at: now) }
                unasked.add(decoder.stranger, isEarly: false, at: now)
                if case .unit = error {} else { mismatch = error }
                chunk = []
                if decoder.pending == 0 {
                    state = .awaiting
                    break
                }
            }
        }
        return nil
    }

    /// Reason why a reply of the right form answers nothing. Nil: it does. True: it was whole
    /// before it could be. False: another request may have had this exception.
    private mutating func refusal(of response: Response, at now: Instant) -> Bool? {
        guard exceptions.holds(response) else { return false }
        let length = response.pduLength(of: request) + RTUFrame.overhead
        let soonest = travel(of: sentBytes + length)
        let isEcho = decoder.checksum == sentChecksum && length == sentBytes
        return travel.isTooSoon(now - sentAt, soonest: soonest, isEcho: isEcho) ? true : nil
    }

    /// Call when `deadline` is due. Nil: the few bytes that came were noise, the wait goes on.
    package mutating func timeout(at now: Instant) -> Verdict? {
        switch state {
        case .idle: return nil
        case .awaiting:
            guard replyDue <= now else { return nil }
            return fallSilent(at: now)
        case .pausing(let until):
            guard until <= now else { return nil }
            finish(at: now)
            return .sent
        case .receiving(let until):
            guard until <= now else { return nil }
            if let verdict = giveUpEcho(at: now) { return verdict }
            if decoder.endsBySilence {
                if let response = try? decoder.silence() {
                    guard let isEarly = refusal(of: response, at: lastByte) else {
                        return accept(response, at: now)
                    }
                    unasked.add([decoder.unit] + response.pdu, isEarly: isEarly, at: now)
                    state = .awaiting
                    return now < replyDue ? nil : fallSilent(at: now)
                }
                guard restDue <= now else {
                    state = .receiving(until: restDue)
                    return nil
                }
            }
            let received = decoder.pending
            if received < RTUFrame.shortest {
                strayBytes += received
                decoder.expect(unit: decoder.unit, request: decoder.request)
                state = .awaiting
                return now < replyDue ? nil : fallSilent(at: now)
            }
            return damaged(
                .incomplete(received: received, expected: decoder.expectedLength), at: now)
        }
    }

    /// Damage, if it is not a frame of another unit together with what was taken for noise: then
    /// the wait goes on.
    private mutating func damaged(_ error: FrameError, at now: Instant) -> Verdict? {
        if let frame = noise.takeFrame() {
            unasked.add(frame, isEarly: false, at: now)
            decoder.expect(unit: decoder.unit, request: decoder.request)
            state = .awaiting
            return now < replyDue ? nil : fallSilent(at: now)
        }
        finish(at: now)
        needsDiscard = true
        return .damage(error)
    }

    /// The beginning of an echo whose end did not come: of a known one it is a collision or a loss,
    /// otherwise it may be a reply that begins like the request.
    private mutating func giveUpEcho(at now: Instant) -> Verdict? {
        guard echo.held > 0 else { return nil }
        let isOwn = echo.knowledge == .present
        let held = echo.giveUp()
        guard !isOwn else {
            strayBytes += held.count
            return nil
        }
        return judge(held, at: now)
    }

    private mutating func accept(_ response: Response, at now: Instant) -> Verdict {
        let turnaround = notePause(response, at: now)
        finish(at: now)
        travel.answered()
        needsDiscard = decoder.pending > 0
        if needsDiscard {
            let leftover = decoder.takePending()
            countUseless(leftover[...])
            unasked.leave(leftover)
        }
        return .response(response, turnaround: turnaround)
    }

    /// When the reply began is told by its first bytes, and better by its last if they came
    /// together or were not looked at sooner.
    private mutating func notePause(_ response: Response, at now: Instant) -> Duration {
        pause = nil
        var turnaround = firstByte - sentUntil
        if case .exception = response {
        } else if request.replyLength != nil {
            let begun: Instant = lastByte - timing.time(of: decoder.expectedLength)
            let byEnd: Duration = begun - sentUntil
            if !wasHidden || firstByte != now { pause = byEnd }
            turnaround = min(turnaround, byEnd)
        }
        return max(.zero, turnaround)
    }

    private mutating func fallSilent(at now: Instant) -> Verdict {
        if let mismatch {
            finish(at: now)
            needsDiscard = true
            return .damage(mismatch)
        }
        travel.fellSilent()
        if lastByte < sentAt { echo.heardNothing() }
        finish(at: now)
        needsDiscard = true
        return .silence
    }

    private mutating func finish(at now: Instant) {
        state = .idle
        restBegins = nil
        quietUntil = max(lastByte, sentUntil) + timing.silence
    }

    /// Bytes while nobody was asked: a late reply, or noise. They put the next request off until
    /// they end, but a line that never falls silent cannot stop us for longer than a frame takes.
    private mutating func stray(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        let since = (now > quietUntil ? nil : babblesSince) ?? now
        babblesSince = since
        let patience = timing.time(of: Limits.adu) * 3 / 2 + .milliseconds(50)
        if now - since < patience {
            isBabbling = false
        } else if !isBabbling {
            isBabbling = true
            babbles += 1
        }
        unasked.receive(bytes, silence: timing.silence, at: now)
        let rest = timing.time(of: unasked.missing(of: decoder.unit))
        quietUntil = max(quietUntil, min(now + timing.silence + rest, since + patience))
        needsDiscard = true
        countUseless(bytes)
    }

    private mutating func countUseless(_ bytes: ArraySlice<UInt8>) {
        if !noise.absorb(bytes) { strayBytes += bytes.count }
    }
}
