import Base
import Modbus

/// Times of an exchange, and the mark of its reply.
extension LineExchange {
    /// Shortest wire time that is slept through. Below it a late wake-up would cost more than the
    /// sleep saves.
    static let shortRest = Duration.microseconds(500)
    /// Lateness of waking up: the most that is allowed for, and the usual one.
    static let (restLead, wakeLead) = (Duration.microseconds(100), Duration.microseconds(60))
    /// A predicted reply may wait for at most this part of its exchange before it is read.
    static let slackShare = 60

    /// From the writing of a request to its end on the wire.
    package func travel(of bytes: Int) -> Duration { lead + timing.time(of: bytes) }

    /// Predicts from the usual pace of the unit when to look at the line and when the reply ends.
    /// To look any sooner would only cost time. Both count from when the request leaves; nil where
    /// the line must be watched.
    /// - Parameters:
    ///   - sent: the request's bytes.
    ///   - length: as `Request.replyLength`.
    package func predict(
        _ forecast: ReplyForecast, _ sent: Int, _ length: Int, timeout: Duration
    ) -> (look: Duration, end: Duration)? {
        guard echo.knowledge == .absent else { return nil }
        let (request, reply) = (timing.time(of: sent), timing.time(of: length + RTUFrame.overhead))
        let share = (reply + request + timing.silence) / Self.slackShare
        let end = travel(of: sent) + forecast.pause + reply
        let look = end + min(share, forecast.slack) - Self.wakeLead
        guard look > Self.shortRest, look < travel(of: sent) + timeout else { return nil }
        return (look, end)
    }

    /// When a request may begin to a unit that wants the line silent for `delay` before it.
    package func quietUntil(_ delay: Duration) -> Instant {
        delay > timing.silence ? quietUntil + (delay - timing.silence) : quietUntil
    }

    /// When the request under way was out, and what the unit's good reply takes on the wire.
    package var asked: (until: Instant, travel: Duration) {
        (sentUntil, timing.time(of: decoder.expectedLength))
    }

    /// The frame of the latest reply.
    package func mark(of response: Response) -> ReplyMark {
        var code = request.function.rawValue
        if case .exception = response { code |= FunctionCode.exceptionBit }
        return ReplyMark(
            function: code, length: response.pduLength(of: request), checksum: decoder.checksum)
    }
}

extension Request {
    /// A maker's own function: its acknowledgement may be the request itself.
    var mayBeEchoed: Bool { if case .other = self { true } else { false } }
}
