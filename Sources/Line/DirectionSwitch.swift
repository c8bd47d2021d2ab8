import Base

/// `rts: "software"`: RTS switches the RS-485 transmitter on before a frame and off as soon as its
/// last bit has left. Pure: it says what to do and when to be called again, and nothing waits.
///
/// Drivers tell how much is queued or whether the shift register is empty, not when it will be; so
/// the end is computed from the baud rate and then asked for until it is there.
package struct DirectionSwitch: Sendable {
    package enum Step: Hashable, Sendable {
        /// Drives RTS: true for sending.
        case drive(Bool)
        /// Hand the frame to the driver.
        case write
        /// Ask whether everything has left, and answer with `answered`.
        case ask
    }

    private enum State: Sendable {
        case receiving
        case leading(until: Instant)
        case sending(until: Instant, limit: Instant)
        case trailing(until: Instant)
    }

    /// After this the transmitter is switched off whatever the driver says, or the line would be
    /// dead.
    static let patience = Duration.seconds(1)

    private let before: Duration
    private let after: Duration
    private let character: Duration
    private var bytes = 0
    private var state = State.receiving

    package init(_ line: LineSettings, _ rs485: LineSettings.RS485) {
        before = rs485.delayBeforeSend
        after = rs485.delayAfterSend
        let rate = max(1, line.baud)
        character = .nanoseconds(
            (Int64(line.bitsPerCharacter) * 1_000_000_000 + Int64(rate) - 1) / Int64(rate))
    }

    package var deadline: Instant? {
        switch state {
        case .receiving: nil
        case .leading(let until), .sending(let until, _), .trailing(let until): until
        }
    }

    /// `count` more bytes are to go out.
    package mutating func send(_ count: Int, at now: Instant) -> [Step] {
        switch state {
        case .leading:
            bytes += count
            return []
        case .receiving where before > .zero:
            bytes = count
            state = .leading(until: now + before)
            return [.drive(true)]
        case .receiving, .sending, .trailing:
            let steps: [Step] =
                if case .sending = state { [.write] } else { [.drive(true), .write] }
            begin(max(now, sendingEnd ?? now), count)
            return steps
        }
    }

    /// Call when `deadline` is due.
    package mutating func timeout(at now: Instant) -> Step? {
        guard let due = deadline, due <= now else { return nil }
        switch state {
        case .receiving: return nil
        case .leading:
            begin(now, bytes)
            return .write
        case .sending(_, let limit):
            if limit <= now { return end(at: now) }
            // Not asked twice for the same moment, even if nobody answers.
            state = .sending(until: now + character, limit: limit)
            return .ask
        case .trailing:
            state = .receiving
            return .drive(false)
        }
    }

    /// The answer to `ask`; nil if the driver cannot tell.
    package mutating func answered(_ isEmpty: Bool?, at now: Instant) -> Step? {
        guard case .sending(_, let limit) = state else { return nil }
        if isEmpty ?? true { return end(at: now) }
        state = .sending(until: now + max(character / 2, .microseconds(50)), limit: limit)
        return nil
    }

    private var sendingEnd: Instant? {
        if case .sending(let until, _) = state { until } else { nil }
    }

    private mutating func begin(_ start: Instant, _ count: Int) {
        let end = start + character * count
        state = .sending(until: end, limit: end + Self.patience)
    }

    private mutating func end(at now: Instant) -> Step? {
        guard after > .zero else {
            state = .receiving
            return .drive(false)
        }
        state = .trailing(until: now + after)
        return nil
    }
}
