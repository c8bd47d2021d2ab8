import Base

/// The key that signs the next token, and how often in a row the bridge has refused the gateway.
///
/// | refusals in a row, of every key | next try |
/// |---|---|
/// | 1 to 4 | the back-off from its first step: 19 s at most in all, because a key may just be being registered |
/// | from the fifth | after the longest wait; twice that while nothing proves the clock |
///
/// Nothing but a refusal says anything about the clock: what fails before CONNACK waits as ever.
struct Credentials: Sendable {
    /// Number of refusals in a row that are answered with the ordinary back-off.
    static let patience = 4

    private let keys: Int
    /// The place of the key that signs next, and of the one that was accepted last.
    private(set) var current = 0
    private(set) var accepted = 0
    /// Refusals since a token was accepted, one for each round of all keys; `patience` + 1 at most.
    private(set) var refusals = 0
    /// Keys refused in this round.
    private var refusedInRound = 0

    init(keys: Int) { self.keys = max(1, keys) }

    /// As an earlier run has kept it.
    mutating func restore(key: Int, refusals: Int) {
        accepted = (0..<keys).contains(key) ? key : 0
        current = accepted
        self.refusals = max(0, min(refusals, Self.patience + 1))
    }

    /// CONNACK 0.
    mutating func accept() {
        accepted = current
        (refusals, refusedInRound) = (0, 0)
    }

    /// The effect of a refusal on the back-off.
    struct Verdict: Hashable, Sendable {
        /// The first in a row: the back-off begins anew, because the network has just been found to
        /// work.
        var isFirst: Bool
        var pace: Backoff.Pace
    }

    /// - Parameter concernsKey: another key may be accepted: its turn comes soon.
    mutating func refuse(concernsKey: Bool, clockProven: Bool) -> Verdict {
        let isFirst = refusals == 0 && refusedInRound == 0
        if concernsKey, keys > 1 {
            current = (current + 1) % keys
            refusedInRound += 1
            guard refusedInRound == keys else { return Verdict(isFirst: isFirst, pace: .climbing) }
            refusedInRound = 0
        }
        refusals = min(refusals + 1, Self.patience + 1)
        guard refusals > Self.patience else { return Verdict(isFirst: isFirst, pace: .climbing) }
        return Verdict(isFirst: isFirst, pace: clockProven ? .longest : .twiceTheLongest)
    }
}
