import Base

/// Asks for the counters of a UART once a second at most, beside a transmission, and tells their
/// increase.
struct ErrorCounter: Sendable {
    private static let interval = Duration.seconds(1)

    /// Counts when they were last asked for; nil where the UART does not count.
    private var known: LineErrors?
    private var due = Instant.zero

    /// - Parameter counts: those at the time of opening; nil if there are none.
    init(_ counts: LineErrors?) { known = counts }

    /// Whether the counters are to be read now.
    mutating func mustAsk(at now: Instant) -> Bool {
        guard known != nil, due <= now else { return false }
        due = now + Self.interval
        return true
    }

    /// The increase since the last time; nil if there is none.
    mutating func counted(_ counts: LineErrors?) -> LineErrors? {
        guard let before = known else { return nil }
        known = counts
        let added = (counts ?? before) - before
        return added == LineErrors() ? nil : added
    }
}
