import Base

/// When a unit's replies are whole, learned from those that were watched: then the line need not be looked
/// at before. Only the earliest of what was watched counts, so a unit of unsteady pace is never waited for;
/// its replies are watched then, as if nothing were known.
///
/// A pause runs from the end of our transmission to the beginning of the reply, as its end tells: less than
/// zero where replies come faster than the line carries them.
struct ReplyPace: Sendable {
    /// So many are watched before anything is foretold.
    static let proof = 8
    /// One of so many is watched all the same: a unit may have become faster.
    static let trust = 16

    private var pauses: [Duration] = []
    private var next = 0
    private var earliest: Duration?
    private var foretold = 0
    private var late = 0

    /// The pause before a reply to a request that leaves now; nil: it is to be watched.
    mutating func foretell() -> Duration? {
        guard pauses.count == Self.proof else { return nil }
        foretold += 1
        guard foretold < Self.trust else {
            foretold = 0
            late = 0
            return nil
        }
        return earliest
    }

    /// A good reply.
    /// - Parameters:
    ///   - pause: as it was watched; nil if the reply was whole when the line was looked at.
    ///   - wasForetold: `foretell` had given a pause for it.
    mutating func answered(after pause: Duration?, wasForetold: Bool) {
        guard let pause else { return }
        guard wasForetold else { return learn(pause) }
        late += 1
        // Slower than it was, or unsteady.
        if late > Self.trust / 2 { forget() }
    }

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
