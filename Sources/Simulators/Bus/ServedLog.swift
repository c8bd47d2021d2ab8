import Base

/// One request that a unit carried out: what the bus really said, for tests to compare with.
package struct Served: Hashable, Sendable {
    package struct Content: Hashable, Sendable {
        package var table: Table
        package var address: Int
        /// Registers, or bits as 0 and 1.
        package var values: [UInt16]
        package var isWrite: Bool
    }

    package var unit: UInt8
    package var content: Content
    /// When the request was complete, which is when the values were taken.
    package var at: Instant
    /// When the last byte of the reply has crossed the wire.
    package var end: Instant
    /// Whether the reply left the unit undamaged and under its own id.
    package var intact: Bool
}

/// The latest exchanges, bounded.
struct ServedLog: Sendable {
    private var entries: [Served] = []
    private let limit: Int

    init(limit: Int) { self.limit = max(0, limit) }

    var latest: ArraySlice<Served> { entries.suffix(limit) }

    mutating func append(_ entry: Served) {
        guard limit > 0 else { return }
        entries.append(entry)
        if entries.count >= 2 * limit { entries.removeFirst(entries.count - limit) }
    }
}

package struct BusUnitStatistics: Hashable, Sendable {
    /// Sound requests addressed to it, and what became of them.
    package var requests = 0
    package var replies = 0
    package var exceptions = 0
    package var writes = 0
    package var unanswered = 0
    package var damaged = 0
}

package struct BusStatistics: Hashable, Sendable {
    package var frames = 0
    /// Frames with a bad checksum or cut short.
    package var badFrames = 0
    /// Frames for a unit that does not exist here.
    package var strangers = 0
    /// Frames begun before the line had been silent for t3.5.
    package var earlyStarts = 0
    /// Two spoke at once.
    package var collisions = 0
    package var bytesReceived = 0
    package var bytesSent = 0
    /// Time in which a character was on the wire, in both directions.
    package var busTime = Duration.zero
}
