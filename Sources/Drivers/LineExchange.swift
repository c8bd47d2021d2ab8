import Base
import Modbus

/// One request and what becomes of it, with the silences that a line needs.
///
/// - Before every request the line has been silent for t3.5, counted from the receive that ended
///   the previous frame or from the computed end of our own transmission, whichever is later.
/// - The response timeout runs from the computed end of our transmission to the first byte; then
///   the rest has its expected wire time × 1.5 + 50 ms.
/// - A sound frame that is not the one asked for is counted and dropped; the wait goes on.
struct LineExchange: Sendable {
    enum Verdict: Hashable, Sendable {
        /// `turnaround`: from the end of our transmission to the first byte.
        case response(Response, turnaround: Duration)
        case silence
        /// Something came from this unit, but not a whole and sound answer to this request.
        case damage(FrameError)
    }

    private enum State: Sendable {
        case idle
        case awaiting
        case receiving(until: Instant)
    }

    let timing: RTUTiming
    private var state = State.idle
    private var decoder = ReplyDecoder(unit: 0, request: .other(.diagnostics, []))
    private var sentAt = Instant.zero
    private var sentUntil = Instant.zero
    private var replyDue = Instant.zero
    private var firstByte = Instant.zero
    private var lastByte = Instant.zero

    /// A sound frame of the unit that was asked, but no answer to what it was asked.
    private var mismatch: FrameError?

    /// No request may begin earlier.
    private(set) var quietUntil = Instant.zero
    private var babblesSince: Instant?
    /// The last exchange left bytes that nobody asked for, or may still do so.
    private(set) var needsDiscard = true

    /// The request that timed out last, for recognising its late reply.
    private var missed: ReplyDecoder?
    private(set) var strayBytes = 0
    private(set) var busTime = Duration.zero
    /// The unit whose late reply came since this was last cleared.
    var lateUnit: UInt8?
    /// The unit whose unexpected reply came since this was last cleared.
    var strangerUnit: UInt8?

    init(_ timing: RTUTiming) { self.timing = timing }

    var isBusy: Bool { if case .idle = state { false } else { true } }

    /// What was asked last.
    var request: Request { decoder.request }

    /// When the wait for a reply ends; nil while no exchange is under way.
    var deadline: (due: Instant, isRest: Bool)? {
        switch state {
        case .idle: nil
        case .awaiting: (replyDue, false)
        case .receiving(let until): (until, true)
        }
    }

    /// The line was opened: whatever a unit was saying must end first.
    mutating func reset(at now: Instant) {
        state = .idle
        quietUntil = now + timing.silence
        babblesSince = nil
        missed = nil
        lateUnit = nil
        strangerUnit = nil
        needsDiscard = true
    }

    mutating func start(
        unit: UInt8, _ request: Request, frame: [UInt8], timeout: Duration, at now: Instant
    ) {
        decoder.expect(unit: unit, request: request)
        sentAt = now
        sentUntil = now + timing.time(of: frame.count)
        replyDue = sentUntil + timeout
        state = .awaiting
        mismatch = nil
        babblesSince = nil
        needsDiscard = false
    }

    mutating func receive(_ bytes: ArraySlice<UInt8>, at now: Instant) -> Verdict? {
        lastByte = now
        switch state {
        case .idle:
            stray(bytes, at: now)
            return nil
        case .awaiting:
            firstByte = now
            let rest = max(0, decoder.expectedLength - bytes.count)
            state = .receiving(until: now + timing.time(of: rest) * 3 / 2 + .milliseconds(50))
        case .receiving: break
        }
        var chunk = bytes
        while true {
            do {
                guard let response = try decoder.receive(chunk) else { break }
                let turnaround = max(.zero, firstByte - sentUntil)
                finish(at: now)
                needsDiscard = decoder.pending > 0
                strayBytes += decoder.pending
                return .response(response, turnaround: turnaround)
            } catch {
                guard error.isStranger else {
                    finish(at: now)
                    needsDiscard = true
                    return .damage(error)
                }
                countStranger(error)
                chunk = []
                if decoder.pending == 0 {
                    state = .awaiting
                    break
                }
            }
        }
        return nil
    }

    /// Call when `deadline` is due. Nil: the few bytes that came were noise, the wait goes on.
    mutating func timeout(at now: Instant) -> Verdict? {
        switch state {
        case .idle: return nil
        case .awaiting:
            guard replyDue <= now else { return nil }
            return fallSilent(at: now)
        case .receiving(let until):
            guard until <= now else { return nil }
            let received = decoder.pending
            if received < RTUFrame.shortest {
                strayBytes += received
                decoder.expect(unit: decoder.unit, request: decoder.request)
                state = .awaiting
                return now < replyDue ? nil : fallSilent(at: now)
            }
            finish(at: now)
            needsDiscard = true
            return .damage(.incomplete(received: received, expected: decoder.expectedLength))
        }
    }

    private mutating func fallSilent(at now: Instant) -> Verdict {
        if let mismatch {
            finish(at: now)
            needsDiscard = true
            return .damage(mismatch)
        }
        missed = ReplyDecoder(unit: decoder.unit, request: decoder.request)
        finish(at: now)
        needsDiscard = true
        return .silence
    }

    private mutating func finish(at now: Instant) {
        state = .idle
        busTime += now - sentAt
        quietUntil = max(lastByte, sentUntil) + timing.silence
    }

    /// Bytes while nobody was asked: a late reply, or noise. They put the next request off until
    /// they end, but a line that never falls silent cannot stop us for longer than a frame takes.
    private mutating func stray(_ bytes: ArraySlice<UInt8>, at now: Instant) {
        let since = (now > quietUntil ? nil : babblesSince) ?? now
        babblesSince = since
        let patience = timing.time(of: Limits.adu) * 3 / 2 + .milliseconds(50)
        quietUntil = max(quietUntil, min(now + timing.silence, since + patience))
        needsDiscard = true
        strayBytes += bytes.count
        guard missed != nil else { return }
        do {
            guard try missed?.receive(bytes) != nil, let unit = missed?.unit else { return }
            noteLate(unit)
        } catch {
            if case .unit(let unit, _) = error { strangerUnit = unit } else { missed = nil }
        }
    }

    private mutating func countStranger(_ error: FrameError) {
        if case .unit(let unit, _) = error {
            if unit == missed?.unit { noteLate(unit) } else { strangerUnit = unit }
        } else {
            // The unit that was asked, but another function, length or place: an older request.
            noteLate(decoder.unit)
            mismatch = error
        }
    }

    private mutating func noteLate(_ unit: UInt8) {
        lateUnit = unit
        missed = nil
    }
}
