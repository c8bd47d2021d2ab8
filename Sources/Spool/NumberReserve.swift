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
    /// The first number that was skipped and is in no durable gap record; nil: each is in one.
    private var untold: UInt64?

    init(isOn: Bool) { self.isOn = isOn }

    func covers(_ seq: UInt64) -> Bool { seq < bound }

    /// Whether the bound is to be raised soon.
    func isLow(_ next: UInt64) -> Bool { isOn && !isEnding && next + size / 4 > bound }

    /// Whether the bound is above the next number, and the journal ends.
    func isExcessive(_ next: UInt64) -> Bool { isEnding && bound > next }

    /// From this number on an earlier run's reserve is skipped.
    mutating func skipped(from first: UInt64) { untold = first }

    /// The record for a file that is written now; nil where there is nothing to keep.
    mutating func next(_ next: UInt64, at now: Instant) -> Record.Reserve? {
        guard isOn else { return untold.map { Record.Reserve(bound: next, untold: $0) } }
        if isEnding { return Record.Reserve(bound: next, untold: untold) }
        if isLow(next) {
            if let raised, bound > 0 {
                let lasted = now - raised
                if lasted < Self.shortTime { size = min(size * 2, Self.sizeMax) }
                if lasted > Self.shortTime * 8 { size = max(size / 2, Self.sizeMin) }
            }
            raised = now
        }
        return Record.Reserve(bound: max(bound, min(next + size, Numbering.end)), untold: untold)
    }

    /// A file has this record durably.
    mutating func written(_ record: Record.Reserve) {
        if isEnding ? record.bound < bound : record.bound > bound { bound = record.bound }
        if record.untold == nil { untold = nil }
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
    /// The last one, which is in force.
    private var last: Record.Reserve?
    private var highest: UInt64 = 0

    /// As the last one has it.
    var untold: UInt64? { last?.untold }

    mutating func add(_ reserve: Record.Reserve) {
        last = reserve
        highest = max(highest, reserve.bound)
    }

    /// The number below which an earlier run has reserved numbers; nil if there is no reserve.
    /// Where damage may have taken the last record, the highest counts.
    func bound(isDamaged: Bool) -> UInt64? {
        last.map { isDamaged ? max($0.bound, highest) : $0.bound }
    }
}

extension Record {
    /// Payload of a reserve record.
    package struct Reserve: Hashable, Sendable {
        static let recordSizeMax = Record.size(payload: 32)

        /// No number from here on was given when it was written.
        var bound: UInt64
        /// Data records before it in the file.
        var records: Int
        /// The first number that was skipped and is in no durable gap record: a run may be killed
        /// before it has told what it skips.
        var untold: UInt64?

        init(bound: UInt64, records: Int = 0, untold: UInt64? = nil) {
            (self.bound, self.records, self.untold) = (bound, records, untold)
        }

        /// nil if it is not of this version.
        init?(_ bytes: [UInt8], _ payload: Range<Int>) {
            guard payload.count >= 24, payload.upperBound <= bytes.count,
                bytes[payload.lowerBound] == payloadVersion
            else { return nil }
            bound = min(little(bytes, payload.lowerBound + 8, UInt64.self), Numbering.end)
            records = Int(clamping: little(bytes, payload.lowerBound + 16, UInt64.self))
            guard payload.count >= 32 else { return }
            let first = little(bytes, payload.lowerBound + 24, UInt64.self)
            if first > 0, first < bound { untold = first }
        }

        var payload: [UInt8] {
            var bytes = versioned
            bytes.appendLittle(bound)
            bytes.appendLittle(UInt64(records))
            if let untold { bytes.appendLittle(untold) }
            return bytes
        }
    }
}
