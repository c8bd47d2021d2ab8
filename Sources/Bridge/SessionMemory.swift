import Base

/// State that outlives the process. With it, a gateway that is restarted again and again calls the
/// bridge no more often than one that runs.
extension Session {
    package struct Memory: Hashable, Sendable {
        /// Failed connects since the last healthy connection.
        package var failures: Int
        package var shortLives: Int
        /// Which of the gateway's keys was accepted last.
        package var key: Int
        /// Refused CONNECTs in a row.
        package var refusals: Int

        package init(failures: Int = 0, shortLives: Int = 0, key: Int = 0, refusals: Int = 0) {
            self.failures = failures
            self.shortLives = shortLives
            self.key = key
            self.refusals = refusals
        }
    }

    /// The wait grows no more after so many failures: nothing beyond is worth keeping.
    private static let failuresKept = 7

    package var memory: Memory {
        Memory(
            failures: min(backoff.failures, Self.failuresKept), shortLives: takeover.shortLives,
            key: credentials.accepted, refusals: credentials.refusals)
    }

    /// As an earlier run has kept it; before `start`.
    package mutating func restore(_ memory: Memory) {
        backoff.restore(failures: memory.failures)
        takeover = Takeover(shortLives: memory.shortLives)
        credentials.restore(key: memory.key, refusals: memory.refusals)
    }

    /// From a session whose settings have changed: what it knew of the clock, when it sent the last
    /// state documents and what it has counted; before `start`. How the bridge was reached is
    /// forgotten: it may be another one.
    package mutating func inherit(_ old: Session) {
        guardian.inherit(old.guardian)
        (clockKnown, clockLevel, doubtedSince) = (old.clockKnown, old.clockLevel, old.doubtedSince)
        states.inherit(old.states)
        (counters, now, ticket, connection) = (old.counters, old.now, old.ticket, old.connection)
    }
}
