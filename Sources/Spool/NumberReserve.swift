import Base

/// Numbers that are reserved on the disk ahead of use. A record whose number is reserved may be
/// sent before it is durable: no later run gives the number to another one, for it begins at the
/// bound. At an orderly end the bound is lowered to the next number, and nothing is skipped.
struct NumberReserve: Sendable {
    static let sizeMin: UInt64 = 256
    static let sizeMax: UInt64 = 1 << 18
    /// A reserve that lasts shorter than this is doubled, one that lasts longer than eight times
    /// this is halved.
    static let shortTime = Duration.seconds(120)

    /// Whether numbers are reserved at all.
    private let isOn: Bool
    /// Numbers below are reserved.
    private(set) var bound: UInt64 = 0
    /// Numbers that the next bound is ahead of the next number.
    private(set) var size = Self.sizeMin
    /// When the bound was raised last because it was near.
    private var raised: Instant?
    private var isEnding = false

    init(isOn: Bool) { self.isOn = isOn }

    func covers(_ seq: UInt64) -> Bool { seq < bound }

    /// Whether the bound is to be raised soon.
    func isLow(_ next: UInt64) -> Bool { isOn && !isEnding && next + size / 4 > bound }

    /// Whether the bound is above the next number, and the journal ends.
    func isExcessive(_ next: UInt64) -> Bool { isEnding && bound > next }

    /// The bound for a file that is written now; nil where numbers are not reserved.
    mutating func next(_ next: UInt64, at now: Instant) -> UInt64? {
        guard isOn else { return nil }
        if isEnding { return next }
        if isLow(next) {
            if let raised, bound > 0 {
                let lasted = now - raised
                if lasted < Self.shortTime { size = min(size * 2, Self.sizeMax) }
                if lasted > Self.shortTime * 8 { size = max(size / 2, Self.sizeMin) }
            }
            raised = now
        }
        return max(bound, min(next + size, Numbering.end))
    }

    /// A file has this bound durably.
    mutating func written(_ bound: UInt64) {
        if isEnding ? bound < self.bound : bound > self.bound { self.bound = bound }
    }

    /// From now on every record is durable before it is sent.
    mutating func end() { isEnding = true }

    func invariants() -> [String] {
        broken(
            (
                (Self.sizeMin...Self.sizeMax).contains(size),
                "\(size) numbers are reserved at a time"
            ))
    }
}

/// The reserve records that recovery finds.
struct FoundReserves: Sendable {
    /// That of the last one, which is in force.
    private var last: UInt64?
    private var highest: UInt64 = 0

    mutating func add(_ reserve: Record.Reserve) {
        last = reserve.bound
        highest = max(highest, reserve.bound)
    }

    /// The number below which an earlier run has reserved numbers; nil if there is no reserve.
    /// Where damage may have taken the last record, the highest counts.
    func bound(isDamaged: Bool) -> UInt64? { last.map { isDamaged ? max($0, highest) : $0 } }
}

extension Record {
    /// Payload of a reserve record.
    struct Reserve: Hashable, Sendable {
        static let recordSize = Record.size(payload: 24)

        /// No number from here on was given when it was written.
        var bound: UInt64
        /// Data records before it in the file.
        var records: Int

        init(bound: UInt64, records: Int) {
            (self.bound, self.records) = (bound, records)
        }

        /// nil if it is not of this version.
        init?(_ bytes: [UInt8], _ payload: Range<Int>) {
            guard payload.count >= 24, payload.upperBound <= bytes.count,
                bytes[payload.lowerBound] == payloadVersion
            else { return nil }
            bound = min(little(bytes, payload.lowerBound + 8, UInt64.self), Numbering.end)
            records = Int(clamping: little(bytes, payload.lowerBound + 16, UInt64.self))
        }

        var payload: [UInt8] {
            var bytes = versioned
            bytes.appendLittle(bound)
            bytes.appendLittle(UInt64(records))
            return bytes
        }
    }
}
