import Base

/// Action on one line that a driver asks for.
package enum LineCommand: Hashable, Sendable {
    /// Throw away what has arrived and was not read yet; always followed by `transmit`.
    case discardInput
    /// Sends bytes now.
    /// - `look`: before it the reply cannot be whole, so that the line need not be looked at; nil:
    ///   every byte is wanted at once.
    case transmit([UInt8], look: Instant? = nil)
    /// To be transmitted at that time, if the line was silent until then; otherwise `intruded`
    /// tells what came, and it is not sent. `look`: as above, if the request leaves in time.
    indirect case schedule([UInt8], at: Instant, look: Instant? = nil)
    /// Reads in a row, the first as by `schedule`; `carried` tells what came of them.
    indirect case burst(ReadBurst)
    /// The exchange under way is the burst's last; `carried` is the answer, at once.
    case recall
    /// Cancels the scheduled request, or a burst of which nothing has left.
    case unschedule
    /// Until then reading the line would only cost time: a frame cannot be whole, or nobody may
    /// speak.
    case lookAway(until: Instant)
}
