import Base

/// Room for the next segment. Files set aside go first; then files of which little is unsettled are
/// written shorter; only then the oldest records go, those of the devices that hold most first.
struct RoomMaker: Sendable {
    /// A segment that is being rewritten.
    struct Work: Sendable {
        var segment: UInt64
        /// Queues whose records go; empty: the file is only made shorter.
        var victims: Set<Int>
        var sparesPriority: Bool
        var reason: Gap.Reason
        var made: Rewrite?
        var totals = LossTotals()
    }

    /// The next thing to do for a segment that is to be made.
    enum Step {
        case create(Segment.Header)
        case remove(AsideFile)
        case rewrite(Int, losing: Set<Int>, sparesPriority: Bool)
        /// The segment goes as a whole: on a disk without a free block it cannot be rewritten
        /// first.
        case drop(Int)
        /// Another file is being rewritten.
        case wait
    }

    /// Files that are removed or rewritten for one new segment.
    static let stepsMax = 64

    private let settings: Journal.Settings
    /// Header of the segment that is to be made.
    private(set) var creating: Segment.Header?
    /// The reserve record in it.
    private var reserve: Record.Reserve?
    private var work: Work?
    private var steps = 0
    /// Bytes that became free since `begin`.
    private var freed = 0
    /// Segments whose old records were dropped in this round of upkeep.
    private var aged: Set<UInt64> = []

    init(_ settings: Journal.Settings) { self.settings = settings }

    /// Whether a file is being rewritten.
    var isRewriting: Bool { work != nil }

    mutating func beginAging() { aged = [] }

    mutating func noteAged(_ segment: UInt64) { aged.insert(segment) }

    func hasAged(_ segment: UInt64) -> Bool { aged.contains(segment) }

    mutating func begin(_ header: Segment.Header) {
        (steps, freed) = (0, 0)
        (creating, reserve) = (header, nil)
    }

    /// The segment is made now, with this reserve record.
    mutating func reserves(_ record: Record.Reserve?) { reserve = record }

    /// Ends the making of a segment; answers its header and its reserve record.
    mutating func end() -> (header: Segment.Header, reserve: Record.Reserve?)? {
        creating.take().map { ($0, reserve) }
    }

    mutating func move(_ queue: Int, to other: Int) {
        if work?.victims.remove(queue) != nil { work?.victims.insert(other) }
        work?.made?.move(queue, to: other)
    }

    // MARK: - Choice

    /// The next step towards the segment that is to be made; nil if none is.
    ///
    /// - Parameter writing: the segment that a commit is being written to.
    mutating func next(
        _ space: DiskSpace?, _ catalogue: inout SegmentCatalogue, _ backlog: Backlog,
        writing: UInt64?
    ) -> Step? {
        guard let header = creating else { return nil }
        let size = settings.segmentSize
        // While a file is rewritten the new one stands beside the old: that too is within the
        // bound.
        let isOver = catalogue.bytes + 2 * size > settings.maxBytes
        // Below `minFree` the journal does not grow: as much goes as comes.
        let isScarce =
            freed < size
            && space.map { space in
                space.available - Int64(size) < min(Int64(settings.minFree), space.total / 20)
            } ?? false
        guard isOver || isScarce, steps < Self.stepsMax else { return .create(header) }
        guard work == nil else { return .wait }
        steps += 1
        if let file = catalogue.popAside() {
            freed += file.size
            return .remove(file)
        }
        let places = catalogue.indices.filter {
            Self.mayRewrite(catalogue[$0], catalogue.active, writing)
        }
        if let place = sparsest(catalogue, places) {
            return .rewrite(place, losing: [], sparesPriority: true)
        }
        if let choice = choice(catalogue, places, backlog) { return choice }
        if let place = catalogue.oldestDroppable(writing: writing) { return .drop(place) }
        return .create(header)
    }

    static func mayRewrite(_ segment: SegmentState, _ active: UInt64?, _ writing: UInt64?) -> Bool {
        segment.fate == .kept && !segment.isStuck && segment.openMarks == 0
            && segment.firstSeq != active && segment.firstSeq != writing
            && segment.fileSize <= 1 << 20
    }

    /// The segment less than a quarter alive whose rewriting frees most.
    private func sparsest(_ catalogue: SegmentCatalogue, _ places: [Int]) -> Int? {
        var best: (place: Int, freed: Int)?
        for place in places where catalogue[place].alive > 0 {
            let segment = catalogue[place]
            let alive = segment.aliveBytes
            let freed = segment.fileSize - (segment.start + alive + 8192)
            guard alive * 4 < segment.fileSize - Segment.dataStart, freed >= 16 << 10 else {
                continue
            }
            if freed > best?.freed ?? 0 { best = (place, freed) }
        }
        return best?.place
    }

    /// The oldest segment in which enough belongs to the devices that hold most; failing that, the
    /// oldest that has anything to give; failing that, priority records too.
    private func choice(_ catalogue: SegmentCatalogue, _ places: [Int], _ backlog: Backlog) -> Step?
    {
        let spares = backlog.sparesPriority
        let largest = backlog.indices.map { backlog.shareBytes($0) }.max() ?? 0
        for place in places {
            let segment = catalogue[place]
            let victims = segment.tallies.keys.filter { backlog.shareBytes($0) * 2 >= largest }
            let freed = victims.reduce(0) { $0 + bytes(of: $1, in: segment, spares) }
            guard freed * 2 >= segment.fileSize - Segment.dataStart, freed > 0 else { continue }
            return .rewrite(place, losing: Set(victims), sparesPriority: spares)
        }
        for isSparing in spares ? [true, false] : [false] {
            for place in places {
                let segment = catalogue[place]
                let freed = segment.tallies.keys.reduce(0) {
                    $0 + bytes(of: $1, in: segment, isSparing)
                }
                guard freed > 0, freed * 4 >= segment.fileSize - Segment.dataStart || !isSparing
                else { continue }
                return .rewrite(place, losing: Set(segment.tallies.keys), sparesPriority: isSparing)
            }
        }
        return nil
    }

    private func bytes(of queue: Int, in segment: SegmentState, _ sparing: Bool) -> Int {
        guard let tally = segment.tallies[queue] else { return 0 }
        return tally.alive.bytes - (sparing ? tally.alive.priorityBytes : 0)
    }

    // MARK: - One rewriting

    /// Begins to rewrite a segment, which the caller loads.
    mutating func rewrite(
        _ segment: inout SegmentState, losing victims: Set<Int>, sparesPriority: Bool,
        _ reason: Gap.Reason
    ) {
        segment.beginRewriting()
        work = Work(
            segment: segment.firstSeq, victims: victims, sparesPriority: sparesPriority,
            reason: reason)
    }

    /// First seq of the segment that is being rewritten.
    var segment: UInt64? { work.map { $0.segment } }

    /// Makes the new file from the old one.
    mutating func make(
        from bytes: [UInt8], _ segment: SegmentState, limit: UInt64, salt: UInt32,
        totals: LossTotals,
        _ backlog: inout Backlog, at now: Instant
    ) -> Rewrite? {
        guard let work else { return nil }
        var made = Rewrite(segment.header, salt: salt)
        made.sort(bytes, segment, limit: limit, &backlog) { one in
            work.victims.contains(one.queue) && !(work.sparesPriority && one.priority)
        }
        var losses: [Int: Gap] = [:]
        for lost in made.places where lost.new == nil {
            let gap = lost.loss(backlog, work.reason).gap
            // A gap record that goes is noted under the device that it is about.
            let key = lost.gap == nil ? backlog[lost.queue].main : backlog.key(of: gap)
            if losses[key] == nil { losses[key] = gap } else { losses[key]?.merge(gap) }
        }
        var all = totals
        for gap in losses.values { all.add(gap.count, gap.reason) }
        made.finish(
            losses: losses.keys.sorted().compactMap { losses[$0] }, totals: all,
            lastSeq: segment.lastSeq, at: now)
        self.work?.made = made
        self.work?.totals = all
        return made
    }

    /// Ends a rewriting, be it that the new file is there or that it failed.
    mutating func endRewriting() -> Work? { work.take() }

    mutating func freed(_ bytes: Int) { freed += bytes }

    func invariants() -> [String] {
        broken(
            (steps <= Self.stepsMax, "\(steps) steps for one segment"),
            (
                work?.made == nil || work?.made?.header.firstSeq == work?.segment,
                "a file in place of another"
            ))
    }
}
