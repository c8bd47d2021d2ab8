import Base
import Line

/// A read that is decided before its time has come, and those that the line carries out by itself
/// behind it. Nothing of it is counted, and no cycle is released for it, before it is known to have
/// left: if something else is to happen first, it is forgotten.
struct ReadAhead: Sendable {
    /// One read of a burst behind its first.
    struct Follower: Sendable {
        let cycle: Int
        let read: PlannedRead
        let forecast: ReplyForecast
        /// Release of the run that begins with it; nil: its run is under way.
        let release: Instant?
    }

    let cycle: Int
    let frame: [UInt8]
    /// Nil: its reply is watched for.
    let forecast: ReplyForecast?
    /// The exchange goes at the expense of the unhealthy budget.
    let isOnBudget: Bool
    /// When it leaves.
    var leaves: Instant
    /// From when it leaves to the end of its transmission.
    let travel: Duration
    /// From when it leaves to when its reply is overdue.
    let patience: Duration
    /// Empty for a single read.
    var followers: [Follower] = []
    var isRecalled = false
    /// Followers whose exchange has begun, while it is looked at what came of a burst.
    var reached = 0

    var isBurst: Bool { !followers.isEmpty }
    var replyDue: Instant { leaves + patience }
    var sentUntil: Instant { leaves + travel }

    /// A run of this cycle begins with one of the burst that has not been reached.
    func releases(_ cycle: Int) -> Bool {
        followers.dropFirst(reached).contains { $0.cycle == cycle && $0.release != nil }
    }
}

/// A burst while it is made: the cycles as they will be when its reads have been answered.
struct BurstDraft: Sendable {
    /// A run that would begin with a read of the burst.
    struct Release: Sendable {
        let due: Instant
        let jobs: [ReadJob]
    }

    private(set) var reads: [ReadBurst.Read] = []
    private(set) var followers: [ReadAhead.Follower] = []
    /// When the reply to the last read should be whole.
    private(set) var ended: Instant
    /// By cycle.
    private var releases: [Release?]
    /// Reads of the burst, by cycle, counted from the next of its run.
    private var taken: [Int]
    /// Reads of the burst, by unit.
    private var asked: [Int]

    /// - Parameter ended: when the reply to the first read should be whole.
    init(
        _ first: ReadBurst.Read, of cycle: Int, _ unit: Int, _ ended: Instant, cycles: Int,
        units: Int
    ) {
        self.ended = ended
        releases = Array(repeating: nil, count: cycles)
        taken = Array(repeating: 0, count: cycles)
        asked = Array(repeating: 0, count: units)
        reads.reserveCapacity(ModbusDriver.burstLimit)
        followers.reserveCapacity(ModbusDriver.burstLimit)
        reads.append(first)
        taken[cycle] = 1
        asked[unit] = 1
    }

    mutating func add(
        _ read: ReadBurst.Read, _ follower: ReadAhead.Follower, _ release: Release?, of unit: Int,
        endingAt end: Instant
    ) {
        reads.append(read)
        followers.append(follower)
        if let release { (releases[follower.cycle], taken[follower.cycle]) = (release, 0) }
        taken[follower.cycle] += 1
        asked[unit] += 1
        ended = end
    }

    func release(of cycle: Int) -> Release? { releases[cycle] }
    func taken(of cycle: Int) -> Int { taken[cycle] }
    func asked(of unit: Int) -> Int { asked[unit] }
}
