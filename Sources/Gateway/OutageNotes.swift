import Base

/// The end of an outage in the log: how long there was no bridge and what waits, and when that is
/// delivered.
struct OutageNotes: Sendable {
    /// Reconnects that are shorter are no outage: a new token needs one.
    private static let shortest = Duration.seconds(5)

    private struct Backlog: Sendable {
        var records: Int
        /// The highest number that was durable or acknowledged when the bridge came back.
        var last: UInt64
        var since: Instant
        /// Looks at which none of them waited: what is on its way is back or gone by the second.
        var quiet = 0
    }

    private var backlog: Backlog?

    /// The bridge is back.
    /// - Parameter away: how long it was not there.
    /// - Parameter last: the highest number that is durable or acknowledged; nil while the disk
    ///   fails: then the delivery is not told.
    mutating func back(
        after away: Duration, waiting: Int, last: UInt64?, at now: Instant
    ) -> String? {
        guard away >= Self.shortest else { return nil }
        backlog = last.flatMap {
            waiting > 0 ? Backlog(records: waiting, last: $0, since: now) : nil
        }
        return "back after \(away.milliseconds / 1000) s, \(waiting) waiting"
    }

    /// - Parameter oldest: number of the oldest record that waits to be sent; nil if none does.
    mutating func look(oldest: UInt64?, at now: Instant) -> String? {
        guard let backlog else { return nil }
        let isQuiet = oldest.map { $0 > backlog.last } ?? true
        self.backlog?.quiet = isQuiet ? backlog.quiet + 1 : 0
        guard isQuiet, backlog.quiet > 0 else { return nil }
        self.backlog = nil
        let time = max(0, (now - backlog.since).milliseconds / 1000)
        let records = Plural.text(backlog.records, "record")
        return "what waited is delivered: \(records) in \(time) s"
    }

    /// The bridge is away again: what is left of the backlog is part of the next one.
    mutating func away() { backlog = nil }
}
