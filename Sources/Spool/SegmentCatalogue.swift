/// The segment files in order of their first seq, and files that were set aside.
struct SegmentCatalogue: Sendable {
    private var segments: [SegmentState] = []
    private var aside: [AsideFile] = []
    /// First seq of the segment that records are appended to.
    private(set) var active: UInt64?

    /// Bytes of all files, those excepted that are being removed.
    var bytes: Int {
        let others = aside.reduce(0) { $0 + ($1.isForeign ? 0 : $1.size) }
        return segments.reduce(others) { $0 + ($1.isRemoving ? 0 : $1.fileSize) }
    }
    var count: Int { segments.count }
    var indices: Range<Int> { segments.indices }
    var last: SegmentState? { segments.last }
    /// The highest number in any file.
    var newestSeq: UInt64 { segments.reduce(0) { max($0, $1.lastSeq) } }
    /// Whether a page is still to be written.
    var wantsPages: Bool {
        segments.contains { $0.pages.isDirty && !$0.isPoisoned && !$0.isRemoving }
    }
    /// First seqs of the segments in which nothing waits.
    var empty: [UInt64] { segments.filter { $0.alive == 0 }.map(\.firstSeq) }

    subscript(place: Int) -> SegmentState {
        get { segments[place] }
        _modify { yield &segments[place] }
    }

    /// Place of the segment that begins with `firstSeq`.
    func index(of firstSeq: UInt64) -> Int? {
        let place = place(of: firstSeq)
        return place < segments.count && segments[place].firstSeq == firstSeq ? place : nil
    }

    /// Place of the first segment whose first seq is not below `firstSeq`.
    func place(of firstSeq: UInt64) -> Int {
        if let last = segments.last, last.firstSeq < firstSeq { return segments.count }
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].firstSeq < firstSeq { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// First seq of the segment behind a place, `UInt64.max` behind the last.
    func limit(_ place: Int) -> UInt64 {
        place + 1 < segments.count ? segments[place + 1].firstSeq : .max
    }

    /// First seq of the last segment, if a segment that begins with `firstSeq` goes on without a
    /// hole; else 0.
    func continued(by firstSeq: UInt64) -> UInt64 {
        guard case .known(let seq)? = last?.last, seq &+ 1 == firstSeq else { return 0 }
        return last?.firstSeq ?? 0
    }

    mutating func insert(_ segment: SegmentState) {
        segments.insert(segment, at: place(of: segment.firstSeq))
    }

    mutating func remove(at place: Int) { segments.remove(at: place) }

    // MARK: - The segment that records are appended to

    var activePlace: Int? { active.flatMap { index(of: $0) } }

    /// Takes a new file, and appends to it from now on.
    mutating func activate(_ segment: SegmentState) {
        insert(segment)
        active = segment.firstSeq
    }

    /// Nothing is appended to the active segment any more; with a number, if it is that one.
    mutating func seal(_ firstSeq: UInt64? = nil) {
        if firstSeq == nil || firstSeq == active { active = nil }
    }

    /// Place of the oldest segment that can go as a whole.
    ///
    /// - Parameter writing: the segment that a commit is being written to.
    func oldestDroppable(writing: UInt64?) -> Int? {
        segments.indices.first {
            let segment = segments[$0]
            return !segment.isRemoving && !segment.isRewriting && segment.firstSeq != writing
                && ($0 < segments.count - 1 || segment.alive > 0)
        }
    }

    /// Whether a segment can be removed: all of it is settled, durably, and nothing is written to
    /// it. The newest one stays: it keeps the numbers from being used again.
    func isRemovable(_ place: Int, writing: UInt64?) -> Bool {
        let segment = segments[place]
        return segment.isSettled && segment.firstSeq != active && segment.firstSeq != writing
            && place < segments.count - 1
    }

    // MARK: - Files set aside

    mutating func setAside(_ files: [AsideFile]) { aside = files }

    /// Takes the one that goes first when space is short: a damaged one, else the oldest.
    mutating func popAside() -> AsideFile? {
        let first = aside.firstIndex { $0.isRemovable } ?? aside.firstIndex { $0.isNewer }
        return first.map { aside.remove(at: $0) }
    }

    func invariants() -> [String] {
        var all = segments.flatMap { $0.invariants() }
        for (one, next) in zip(segments, segments.dropFirst()) where one.firstSeq >= next.firstSeq {
            all.append("segment \(next.name) is out of order")
        }
        return all + broken((active == nil || activePlace != nil, "the active segment is no file"))
    }
}
