import Base

/// What was counted on one port since the driver was made.
package struct PortStatistics: Hashable, Sendable {
    package var requests = 0
    package var replies = 0
    package var timeouts = 0
    /// Replies that arrived damaged or incomplete, or answered something else than was asked.
    package var checksumErrors = 0
    package var exceptions = 0
    /// Sound replies that came after their exchange was over.
    package var lateReplies = 0
    /// Sound replies of a unit that was not asked.
    package var wrongUnit = 0
    /// Releases of a cycle that found its previous one unfinished; units that do not answer excepted.
    package var skipped = 0
    /// Cycles that ended after their deadline, which is their next release.
    package var late = 0
    /// Bytes that belonged to no exchange.
    package var strayBytes = 0
    /// Bytes 00 and FF around replies, taken away.
    package var noiseBytes = 0
    /// Our own frames that came back, and those that came back changed.
    package var echoes = 0
    package var echoBytes = 0
    package var collisions = 0
    /// Times that the line did not fall silent for longer than a frame takes.
    package var babbles = 0
    /// What the UART noticed.
    package var line = LineErrors()
    package var bytesSent = 0
    package var bytesReceived = 0
    /// From the first bit of each request to the end of its exchange.
    package var busTime = Duration.zero
    /// By unit id.
    package var units: [UnitStatistics] = []

    package init() {}
}

package struct UnitStatistics: Hashable, Sendable {
    package var unit: UnitID
    /// Nil until it has answered or failed.
    package var state: UnitState?
    package var lastGood: Instant?
    package var requests = 0
    package var replies = 0
    package var timeouts = 0
    package var checksumErrors = 0
    package var exceptions = 0
    /// The same by exception code.
    package var exceptionCodes: [UInt8: Int] = [:]
    package var lateReplies = 0
    /// Replies that another unit gave in its place, and the one that did so last.
    package var wrongUnit = 0
    package var answeredBy: UInt8?
    /// Of `checksumErrors`, sound frames that answered something else.
    package var mismatches = 0
    package var skipped = 0
    package var late = 0
    /// From the end of our transmission to the first byte, slowly forgotten peak; nil until learned.
    package var turnaround: Duration?

    package init(_ unit: UnitID) { self.unit = unit }
}
