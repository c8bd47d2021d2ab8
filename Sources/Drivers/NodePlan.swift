import Base
import Modbus

/// How a unit departs from the standard, and is served all the same.
package struct UnitManners: Hashable, Sendable {
    /// The unit id in its replies; nil: that of the request.
    package var answersAs: UInt8?
    /// The acknowledgement of a write may be short, wrong or missing: what is read back decides.
    package var isLenient: Bool

    package init(answersAs: UInt8? = nil, isLenient: Bool = false) {
        self.answersAs = answersAs
        self.isLenient = isLenient
    }
}

/// Spans that are to be read from one unit, and how it wants to be asked.
package struct NodePlan: Hashable, Sendable {
    package var unit: UnitID
    package var spans: [Span]
    /// The most registers and bits this unit answers in one reply; never above the protocol's 125
    /// and 2,000.
    package var maxRegisters: Int
    package var maxBits: Int
    /// One request per span, nothing merged.
    package var noMerge: Bool
    /// Addresses that one request may span, by table; a table without any is readable everywhere.
    package var ranges: [Table: [ClosedRange<Int>]] = [:]
    /// Planning figure for this unit; nil takes the port's.
    package var turnaround: Duration?
    /// From the end of our transmission to the first byte; nil takes the port's.
    package var responseTimeout: Duration?
    /// The least silence on the line before a request to this unit; t3.5 is kept anyway.
    package var delay: Duration
    package var manners = UnitManners()
    /// The unit has points with priority: its readings are wanted at once, not together with those
    /// of other units.
    package var isUrgent = false
    /// Orders that the unit gets when it is first heard and whenever it comes back, before it is
    /// polled on.
    package var setup: [Order]

    package init(
        unit: UnitID, spans: [Span], maxRegisters: Int = 125, maxBits: Int = 2000,
        noMerge: Bool = false,
        turnaround: Duration? = nil, responseTimeout: Duration? = nil, delay: Duration = .zero,
        setup: [Order] = []
    ) {
        self.unit = unit
        self.spans = spans
        self.maxRegisters = maxRegisters
        self.maxBits = maxBits
        self.noMerge = noMerge
        self.turnaround = turnaround
        self.responseTimeout = responseTimeout
        self.delay = delay
        self.setup = setup
    }
}

extension NodePlan {
    /// Intervals below this are taken as this: faster than any line.
    static let shortestInterval = Duration.milliseconds(1)

    var shortest: Duration { spans.lazy.map(\.interval).min() ?? .seconds(10) }

    /// Whether one request may read all of these.
    func isReadable(_ table: Table, _ addresses: Range<Int>) -> Bool {
        guard let allowed = ranges[table] else { return true }
        return allowed.contains {
            $0.lowerBound <= addresses.lowerBound && addresses.upperBound <= $0.upperBound + 1
        }
    }

    /// Tells this plan from another for the same unit, in every process alike (FNV-1a).
    var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ value: Int) {
            for shift in stride(from: 0, to: 64, by: 8) {
                hash = (hash ^ UInt64(UInt8(truncatingIfNeeded: value >> shift))) &* 0x100_0000_01B3
            }
        }
        func mix(_ table: Table) { mix(Table.allCases.firstIndex(of: table) ?? -1) }
        for span in spans.sorted(by: {
            ($0.table.rawValue, $0.address, $0.count) < ($1.table.rawValue, $1.address, $1.count)
        }) {
            mix(span.table)
            mix(span.address)
            mix(span.count)
        }
        for table in Table.allCases {
            for range in ranges[table] ?? [] {
                mix(table)
                mix(range.lowerBound)
                mix(range.upperBound)
            }
        }
        mix(maxRegisters)
        mix(maxBits)
        mix(noMerge ? 1 : 0)
        return hash
    }

    /// The most items of `table` in one request.
    func limit(of table: Table) -> Int {
        table.isBits
            ? max(1, min(maxBits, Limits.readBits))
            : max(1, min(maxRegisters, Limits.readRegisters))
    }
}
