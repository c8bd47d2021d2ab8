import Base
import Line
import Modbus

/// The latest sound frames of one unit. A reply that comes twice is the same to the bit, so an
/// answer that is the same as none of them is no repeat.
struct RecentReplies: Sendable {
    private struct Entry: Sendable {
        let frame: ReplyMark
        /// The request that it answered; nil: none that was open then.
        let request: Request?
        /// The frame was a reply, in time or late.
        let isReply: Bool
        let at: Instant
    }

    /// Frames that are remembered.
    private static let most = 16
    /// Until then after a frame the same one, in answer to another request, is remarkable.
    private static let longAgo = Duration.seconds(1)
    /// The same in answer to the same request, whose value may simply not have changed.
    private static let shortAgo = Duration.milliseconds(50)

    private var entries: [Entry] = []
    private var next = 0

    mutating func add(
        _ frame: ReplyMark, answering request: Request?, isReply: Bool = true, at now: Instant
    ) {
        let entry = Entry(frame: frame, request: request, isReply: isReply, at: now)
        guard entries.count == Self.most else { return entries.append(entry) }
        entries[next] = entry
        next = (next + 1) % Self.most
    }

    mutating func forget() {
        entries.removeAll(keepingCapacity: true)
        next = 0
    }

    /// How long after a reply its repeat may come.
    static func repeatMost(_ gap: Duration) -> Duration { max(shortAgo, gap * 4) }

    /// An answer that may be a repeat of an earlier one.
    /// - Parameter gap: how long after a reply its repeat has come at most, as far as is known.
    func mayBeRepeat(
        _ frame: ReplyMark, answering request: Request, gap: Duration, at now: Instant
    ) -> Bool {
        entries.contains { entry in
            guard entry.frame == frame else { return false }
            let age = now - entry.at
            if age <= Self.repeatMost(gap) { return true }
            return age <= Self.longAgo && entry.request != request
        }
    }

    /// How long ago the same frame was a reply; nil if it was none.
    func age(of frame: ReplyMark, at now: Instant) -> Duration? {
        entries.lazy.filter { $0.frame == frame && $0.isReply }.map { now - $0.at }.min()
    }

    /// When a frame of this shape came last.
    func latest(_ shape: ReplyShape) -> Instant? {
        entries.lazy.filter { entry in
            entry.frame.function & ~FunctionCode.exceptionBit == shape.function.rawValue
                && (entry.frame.function & FunctionCode.exceptionBit != 0 || shape.length == nil
                    || shape.length == entry.frame.length)
        }.map(\.at).max()
    }
}
