import Base

/// Calls of helper threads that do not come back: a disk, a driver or a token that hangs in the
/// kernel. The loop goes on without them, so this is an alarm and never a reason to end.
package struct HelperWatch {
    package static let limit = Duration.seconds(300)

    private var told: [String: Instant] = [:]

    package init() {}

    /// The helpers that are late, for a status line.
    package var late: [String] { told.keys.sorted() }

    /// One line when a call has been under way for five minutes, and one when it is over.
    package mutating func look(
        _ helpers: [(name: String, busySince: Instant?)], at now: Instant
    ) -> [Notice] {
        var notices: [Notice] = []
        var known: [String: Instant] = [:]
        for (name, busySince) in helpers {
            guard let busySince, busySince + Self.limit <= now else { continue }
            known[name] = busySince
            guard told[name] != busySince else { continue }
            notices.append(
                Notice(
                    .error, "gateway", name,
                    "its call has not come back for "
                        + "\(Plural.text((now - busySince).milliseconds / 60_000, "minute")): the disk or the "
                        + "driver hangs; everything else goes on"))
        }
        for name in late where known[name] == nil {
            notices.append(Notice(.info, "gateway", name, "the call that hung has come back"))
        }
        told = known
        return notices
    }
}
