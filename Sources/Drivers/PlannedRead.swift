import Base

/// One request of the plan.
package struct PlannedRead: Hashable, Sendable {
    package var unit: UnitID
    package var table: Table
    package var address: Int
    package var count: Int
    package var interval: Duration
    /// Request, turnaround, reply and the silence after it.
    package var wireTime: Duration
    /// Spans for which it is read: those of its own interval, and slower ones that it covers.
    package var spans: [Span]

    package var end: Int { address + count }

    func covers(_ span: Span) -> Bool {
        span.table == table && span.address >= address && span.end <= end
    }
}

/// The reads of one unit and interval.
struct CyclePlan: Sendable {
    var interval: Duration
    var reads: [PlannedRead] = []
    /// Spans that a faster cycle of the same unit reads anyway: this cycle takes them from that
    /// cycle's next result.
    var borrowed: [Borrowed] = []
    /// Spans that no request can name: too long, or past the end of the table.
    var unreadable: [Span] = []

    struct Borrowed: Sendable {
        /// Index of the faster cycle in the unit's plan.
        var cycle: Int
        var spans: [Span]
    }
}
