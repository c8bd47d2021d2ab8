import Base

/// The settled bits of one segment, and what the pages on disk say of them.
struct SettledPages: Sendable {
    /// Time after which a commit writes the number of records again.
    static let delay = Duration.seconds(5)

    private(set) var settled = Settled()
    /// Generation of the newest page; 0 if there is none.
    private(set) var generation: UInt64 = 0
    /// Whether no page on disk, or on its way there, has everything.
    private(set) var isDirty = false
    /// The number of records in the newest page.
    private var notedRecords = 0
    private var notedAt: Instant?
    /// Pages that are being written by themselves, without a commit.
    private var inFlight = 0

    /// The pages of a new file.
    init() {}

    /// The pages of a file as they were found, or as it is written anew.
    init(_ settled: Settled, generation: UInt64) {
        self.settled = settled
        self.generation = generation
        notedRecords = settled.records
    }

    /// Whether the disk has all of it.
    var isWritten: Bool { !isDirty && inFlight == 0 }

    func contains(offset: Int) -> Bool { settled.contains(offset: offset) }

    func count(in range: Range<Int>) -> Int { settled.count(in: range) }

    mutating func settle(offset: Int) {
        settled.insert(offset: offset)
        isDirty = true
    }

    /// Sets bits of the range, the first ones that are free, until `count` are set.
    mutating func settle(_ count: Int, in range: Range<Int>) {
        var missing = count - settled.count(in: range)
        var offset = range.lowerBound
        while missing > 0, offset < range.upperBound {
            if !settled.contains(offset: offset) {
                settled.insert(offset: offset)
                missing -= 1
            }
            offset += Settled.granule
        }
        isDirty = true
    }

    // MARK: - The number of records

    mutating func add(records: Int) { settled.records += records }

    mutating func raise(records: Int) { settled.records = max(settled.records, records) }

    /// Has the next page say how many records there are, so that damage to the end of the newest
    /// file is counted too. The end of an older file is known from the file after it.
    mutating func noteRecords() {
        if notedRecords < settled.records { isDirty = true }
    }

    /// Whether a commit is to write the number of records again.
    func isNoteDue(at now: Instant) -> Bool { notedAt.map { now - $0 >= Self.delay } ?? true }

    // MARK: - Writing

    /// The next page; from here on it counts as written.
    mutating func next(
        isComplete: Bool = false, seed: UInt32, at now: Instant
    ) -> DiskRequest.Extent {
        settled.isComplete = isComplete
        generation += 1
        isDirty = false
        (notedRecords, notedAt) = (settled.records, now)
        return DiskRequest.Extent(
            offset: Settled.offset(generation: generation),
            bytes: settled.page(generation: generation, seed: seed))
    }

    mutating func writeBegan() { inFlight += 1 }

    mutating func writeEnded() { inFlight -= 1 }

    /// The file is removed: nothing of it is written any more.
    mutating func discard() { isDirty = false }

    func invariants() -> [String] {
        broken(
            (inFlight >= 0, "\(inFlight) pages are being written"),
            (settled.records >= 0, "\(settled.records) records"))
    }
}
