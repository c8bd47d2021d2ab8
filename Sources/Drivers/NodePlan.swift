import Base
import Modbus

/// What is to be read from one unit, and how it wants to be asked.
package struct NodePlan: Hashable, Sendable {
    package var unit: UnitID
    package var spans: [Span]
    /// The most registers and bits this unit answers in one reply; never above the protocol's 125
    /// and 2,000.
    package var maxRegisters: Int
    package var maxBits: Int
    /// One request per span, nothing merged.
    package var noMerge: Bool
    /// Planning figure for this unit; nil takes the port's.
    package var turnaround: Duration?
    /// From the end of our transmission to the first byte; nil takes the port's.
    package var responseTimeout: Duration?
    /// The least silence on the line before a request to this unit; t3.5 is kept anyway.
    package var delay: Duration

    package init(
        unit: UnitID, spans: [Span], maxRegisters: Int = 125, maxBits: Int = 2000, noMerge: Bool = false,
        turnaround: Duration? = nil, responseTimeout: Duration? = nil, delay: Duration = .zero
    ) {
        self.unit = unit
        self.spans = spans
        self.maxRegisters = maxRegisters
        self.maxBits = maxBits
        self.noMerge = noMerge
        self.turnaround = turnaround
        self.responseTimeout = responseTimeout
        self.delay = delay
    }
}

extension NodePlan {
    /// Intervals below this are taken as this: faster than any line.
    static let shortestInterval = Duration.milliseconds(1)

    /// The most items of `table` in one request.
    func limit(of table: Table) -> Int {
        table.isBits ? max(1, min(maxBits, Limits.readBits)) : max(1, min(maxRegisters, Limits.readRegisters))
    }
}
