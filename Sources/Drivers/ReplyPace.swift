import Base
import Line

/// When a unit's replies are whole, learned from those that were watched: then the line need not be
/// looked at before. Only the earliest of what was watched counts, so a unit of unsteady pace is
/// not waited for; its replies are watched then, as if nothing were known.
///
/// What wakes up does not do so to the microsecond, so the look is put off by as much as keeps most
/// replies from being late for it, a tenth of a millisecond at most.
///
/// A pause runs from the end of our transmission to the beginning of the reply, as its end tells:
/// less than zero where replies come faster than the line carries them.
struct ReplyPace: Sendable {
    /// Number of replies that are watched before any is predicted.
    static let proof = 8
    /// One of so many is watched all the same: a unit may have become faster.
    static let trust = 32
    /// More late ones than this among them, and all is learned anew.
    static let lateMost = 8

    private static let (slackMax, slackUp, slackDown) = (
        Duration.microseconds(100), Duration.microseconds(12), Duration.microseconds(1)
    )

    private var slack = Duration.microseconds(20)
    private var pauses: [Duration] = []
    private var next = 0
    private var earliest: Duration?
    private var predicted = 0
    private var late = 0

    /// Result that `predict` will have after so many other calls.
    func expected(after calls: Int) -> ReplyForecast? {
        guard let earliest, pauses.count == Self.proof, predicted + calls + 1 < Self.trust else {
            return nil
        }
        return ReplyForecast(pause: earliest, slack: slack)
    }

    /// The reply to a request that leaves now; nil: it is to be watched.
    mutating func predict() -> ReplyForecast? {
        guard pauses.count == Self.proof else { return nil }
        predicted += 1
        guard predicted < Self.trust else {
            predicted = 0
            late = 0
            return nil
        }
        return earliest.map { ReplyForecast(pause: $0, slack: slack) }
    }

    /// A good reply.
    /// - Parameters:
    ///   - pause: as it was watched; nil if the reply was whole when the line was looked at.
    ///   - wasPredicted: `predict` had given a pause for it.
    mutating func answered(after pause: Duration?, wasPredicted: Bool) {
        guard wasPredicted else {
            if let pause { learn(pause) }
            return
        }
        guard pause != nil else {
            slack = max(.zero, slack - Self.slackDown)
            return
        }
        wasLate()
        late += 1
        // Slower than it was, or unsteady.
        guard late > Self.lateMost else { return }
        let known = slack
        forget()
        slack = known
    }

    /// A reply was not whole at the first look, but soon after.
    mutating func wasLate() { slack = min(Self.slackMax, slack + Self.slackUp) }

    /// No answer, another one than was expected, or a new line.
    mutating func forget() { self = ReplyPace() }

    private mutating func learn(_ pause: Duration) {
        if pauses.count < Self.proof {
            pauses.append(pause)
        } else {
            pauses[next] = pause
            next = (next + 1) % Self.proof
        }
        earliest = pauses.min()
    }
}
