import Base

/// The numbers that records get: one after the other, and never one that an earlier run has given
/// to another record. They stay below 2⁵³, where a JSON number is exact.
///
/// The clock's number is (seconds since 2020)·2²⁰. The floor is a number that the journal's owner
/// keeps outside of the journal's directory: no number from it on has been given.
///
/// | what is known | the next number |
/// |---|---|
/// | the journal's last record | that one's plus one |
/// | the journal's last record, and a reserve above it | the reserve's bound |
/// | the journal's last record, and a floor so far above that others came after it | the floor |
/// | no record, but a floor | the floor, or the clock's number if that is more |
/// | neither | the clock's number plus a random one below 2⁴¹ |
/// | memory-only mode begins | the clock's number plus a random one below 2⁴¹; where that is no step forward, 2³² to 2³³ on |
///
/// In memory-only mode numbers are not durable, so the next run may count on from the journal; the
/// step keeps it away from them, and the floor, where it can be written, as well.
///
/// Without a floor only chance keeps runs apart. Two runs of n and m records that begin in one
/// second share a number with probability (n + m)/2⁴¹: 2⁻³⁰ for a thousand records each, 2⁻²⁰ for a
/// million. Runs that begin in different seconds, also with a clock that was set back, share one
/// with no higher probability. Two that enter memory-only mode at one number of one journal, with a
/// clock that is behind it, share one with (n + m)/2³².
package struct Numbering: Sendable {
    /// Above every number.
    static let end = Record.seqMax
    /// No segment begins here or above: a file with such a name is none of the journal's.
    static let fileEnd = end - 1 << 40
    /// No record of the newest segment has a number from here on.
    static let recordEnd = end - 1 << 39
    /// The name of a file whose header cannot be read is believed below this: the clock's number in
    /// 2156.
    static let nameEnd: UInt64 = 1 << 52
    static let spread: UInt64 = 1 << 41
    static let stride: UInt64 = 1 << 32
    /// Numbers that one floor covers; it rises when half of them are used.
    static let reserve: UInt64 = 1 << 20
    /// More records than can wait for their first commit.
    static let pendingMax: UInt64 = 1 << 17
    /// No clock of a running gateway says less: October 2025.
    static let plausible = WallTime(milliseconds: 1_760_000_000_000)
    private static let year2020: Int64 = 1_577_836_800

    /// The number of the next record; 0 before `begin`.
    package private(set) var next: UInt64 = 0
    /// Floor that is to be kept outside of the journal; nil before the first number.
    package private(set) var floor: UInt64?
    /// The floor of an earlier run.
    private var known: UInt64?
    private var random: RandomSource

    package init(seed: UInt64) { random = RandomSource(seed: seed) }

    /// Tells the floor that an earlier run has kept. One that no run can have kept is ignored.
    package mutating func know(_ floor: UInt64?) {
        guard let floor, (1..<Self.fileEnd).contains(floor) else { return }
        known = floor
    }

    /// Goes on behind the journal's last record, nil if it has none, and behind the numbers that
    /// were reserved (see `NumberReserve`).
    package mutating func begin(
        after last: UInt64?, reserved: UInt64? = nil, at wall: WallTime
    ) {
        var start: UInt64
        if let last {
            start = max(last + 1, min(reserved ?? 0, Self.fileEnd))
            if let known, start + Self.pendingMax < known - min(known, Self.reserve) {
                start = known
            }
        } else if let known {
            start = max(known, wall < Self.plausible ? 1 : Self.clock(wall))
        } else {
            start = chance(wall)
        }
        next = max(next, start)
        cover()
    }

    /// Goes on behind what recovery has found. Answers the number of the last record that the files
    /// can have had, and the numbers that an earlier run had reserved and cannot be told to have
    /// used: they are skipped.
    mutating func begin(
        after done: Recovery, _ catalogue: SegmentCatalogue, isReserving: Bool, at wall: WallTime
    ) -> (last: UInt64?, skipped: Loss?) {
        var last = done.lastSeq(catalogue)
        // A file that cannot be read may have held a reserve above all others.
        if isReserving, let seq = last, seq > catalogue.last?.lastSeq ?? 0 {
            last = beyond(seq, at: wall)
        }
        begin(after: last, reserved: done.reserved, at: wall)
        guard let last, next == done.reserved else { return (last, nil) }
        let from = done.untold ?? last + 1
        guard next > from else { return (last, nil) }
        let gap = Gap(device: nil, from: from, to: next - 1, count: 0, reason: .restart)
        return (last, Loss(gap))
    }

    /// Steps to where memory-only mode numbers its records.
    package mutating func leap(at wall: WallTime) {
        next = max(next, known ?? 1)
        let start = chance(wall)
        if start > next {
            next = start
        } else {
            // The room that is left bounds the step: however many there are, none goes beyond the
            // end.
            let step = min(Self.stride, (Self.end - next) >> 14)
            next += step + random.next() % max(step, 1)
        }
        cover()
    }

    package mutating func take() -> UInt64 {
        defer { next += 1 }
        cover()
        return next
    }

    /// A number behind all that a damaged segment can have had, in which numbers may skip from
    /// `last` on.
    mutating func beyond(_ last: UInt64, at wall: WallTime) -> UInt64 {
        max(last, min(max(last + Self.stride << 4, known ?? 0, chance(wall)), Self.fileEnd))
    }

    private mutating func cover() {
        let least = max(floor ?? 0, known ?? 0)
        if floor == nil { floor = least }
        if next + Self.reserve / 2 > least { floor = min(next + Self.reserve, Self.end) }
    }

    static func clock(_ wall: WallTime) -> UInt64 {
        let seconds = UInt64(clamping: max(wall, plausible).seconds - year2020)
        return min(seconds, (nameEnd - spread) >> 20) << 20
    }

    /// Where numbers begin when only chance keeps them apart from others. With a clock that cannot
    /// be right: anywhere in the upper half of what is below a right one's.
    private mutating func chance(_ wall: WallTime) -> UInt64 {
        let start = Self.clock(wall)
        if wall < Self.plausible { return start / 2 + random.next() % (start / 2) }
        return start + random.next() % Self.spread
    }
}
