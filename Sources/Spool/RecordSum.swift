/// Number and size of unsettled records.
struct RecordSum: Hashable, Sendable {
    var records = 0
    /// As they are stored.
    var bytes = 0
    /// The part of `bytes` in records of priority points, command results and gaps.
    var priorityBytes = 0

    init(records: Int = 0, bytes: Int = 0, priorityBytes: Int = 0) {
        self.records = records
        self.bytes = bytes
        self.priorityBytes = priorityBytes
    }

    init(_ item: Item) {
        self.init(records: 1, bytes: item.size, priorityBytes: item.record.priority ? item.size : 0)
    }

    init(_ header: Record.Header) {
        let isPriority = header.flags.contains(.priority)
        self.init(records: 1, bytes: header.size, priorityBytes: isPriority ? header.size : 0)
    }

    /// Whether it can be the sum of some records.
    var isSound: Bool {
        records > 0
            ? bytes >= records * Record.headerSize && (0...bytes).contains(priorityBytes)
            : self == RecordSum()
    }

    func isPart(of other: RecordSum) -> Bool {
        records <= other.records && bytes <= other.bytes && priorityBytes <= other.priorityBytes
    }

    static func += (left: inout RecordSum, right: RecordSum) {
        left.records += right.records
        left.bytes += right.bytes
        left.priorityBytes += right.priorityBytes
    }

    static prefix func - (sum: RecordSum) -> RecordSum {
        RecordSum(records: -sum.records, bytes: -sum.bytes, priorityBytes: -sum.priorityBytes)
    }
}
