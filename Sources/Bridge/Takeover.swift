import Base

/// Two gateways with one id take the connection from each other for ever: each connect closes the
/// other's connection, and each of them lives just long enough to look healthy. Five short
/// connections in a row, all closed by the bridge, put a floor under the back-off, until one has
/// lived for ten minutes.
///
/// A close that our own message explains does not count: the set-up that a bridge refuses, and the
/// same packet without an answer as at the close before.
struct Takeover: Sendable {
    static let few = 5
    static let short = Duration.seconds(60)
    static let long = Duration.seconds(600)

    private(set) var shortLives: Int
    /// The packet without an answer at the last close; nil if all had one.
    private var unanswered: String?

    init(shortLives: Int = 0) { self.shortLives = max(0, min(shortLives, Self.few)) }

    /// Every wait is of the longest kind.
    var isSuspected: Bool { shortLives >= Self.few }

    /// A connection has ended; true if the suspicion is new.
    mutating func ended(
        after lived: Duration, byPeer: Bool, isExplained: Bool, unanswered: String?
    ) -> Bool {
        let isRepeat = unanswered != nil && unanswered == self.unanswered
        self.unanswered = unanswered
        guard byPeer, lived < (isSuspected ? Self.long : Self.short) else {
            if byPeer || lived >= Self.short { shortLives = 0 }
            return false
        }
        guard !isExplained, !isRepeat else { return false }
        shortLives = min(shortLives + 1, Self.few + 1)
        return shortLives == Self.few
    }

    /// The present connection has lived this long.
    mutating func living(for lived: Duration) { if lived >= Self.long { shortLives = 0 } }
}
