import Base
import Modbus

/// One unit on the port.
struct LineUnit: Sendable {
    let address: Address
    private(set) var responseTimeout: Duration
    private(set) var planner: ReadPlanner
    /// The least silence on the line before a request to it.
    var delay: Duration { planner.node.delay }
    /// The unit id in its replies.
    var answeringUnit: UInt8 { planner.node.manners.answersAs ?? address.unit.value }
    /// The value read back decides about a write, whatever its acknowledgement.
    var isLenient: Bool { planner.node.manners.isLenient }
    /// The readings of the unit are wanted at once.
    var isUrgent: Bool { planner.node.isUrgent }
    /// Its cycles in the driver's list, fastest first.
    private(set) var cycles: Range<Int>
    /// Not in the configuration: a person reads or writes it by hand.
    private(set) var isGuest: Bool
    var health = UnitHealth()
    var pace = ReplyPace()
    var statistics: UnitStatistics
    /// Of the last setup at least one step was not carried out.
    var hasFailedSetup = false
    /// Its requests that may still be answered.
    var fence: ReplyFence
    /// Requests of other shapes that prove that nothing older is on its way.
    var means: FenceMeans
    /// Its reads, a shape each.
    private(set) var planned: [PlannedRead]
    /// Ranges that were refused because of an address, and until when they are read in pieces.
    private var splits: [RefusedRange: Instant] = [:]

    static let splitMemory = Duration.seconds(24 * 3600)

    private struct RefusedRange: Hashable, Sendable {
        var table: Table
        var address: Int
        var count: Int

        init(_ table: Table, _ address: Int, _ count: Int) {
            self.table = table
            self.address = address
            self.count = count
        }

        init(_ read: PlannedRead) { self.init(read.table, read.address, read.count) }
    }

    /// - Parameters:
    ///   - planned: the reads of its cycles.
    ///   - nonce: what its first request of function 8 carries; another one for every driver.
    init(
        address: Address, responseTimeout: Duration, planner: ReadPlanner, planned: [PlannedRead],
        cycles: Range<Int>, nonce: UInt16, isGuest: Bool = false
    ) {
        self.address = address
        self.responseTimeout = responseTimeout
        self.planner = planner
        self.cycles = cycles
        self.isGuest = isGuest
        statistics = UnitStatistics(address.unit)
        fence = ReplyFence(timeout: responseTimeout)
        means = FenceMeans(seed: nonce)
        self.planned = Self.distinct(planned)
    }

    /// Another plan for the same unit: what is known of it stays.
    mutating func adopt(_ new: LineUnit) {
        responseTimeout = new.responseTimeout
        planner = new.planner
        planned = new.planned
        cycles = new.cycles
        fence = fence.with(timeout: responseTimeout)
        if isGuest, !new.isGuest {
            // What became of it was told to the person who asked: from now on it is told to all.
            health.restart()
            health.state = nil
        }
        isGuest = new.isGuest
    }

    /// One read of each shape.
    private static func distinct(_ reads: [PlannedRead]) -> [PlannedRead] {
        var shapes: Set<ReplyShape> = []
        return reads.filter { shapes.insert(ReplyShape($0.request)).inserted }
    }

    mutating func rememberSplit(_ read: PlannedRead, at now: Instant) {
        splits[RefusedRange(read)] = now + Self.splitMemory
    }

    mutating func restoreSplit(_ table: Table, _ address: Int, _ count: Int, until: Instant) {
        splits[RefusedRange(table, address, count)] = until
    }

    /// By table and address.
    func activeSplits(at now: Instant) -> [(table: Table, address: Int, count: Int, until: Instant)]
    {
        splits.filter { $0.value > now }
            .map { ($0.key.table, $0.key.address, $0.key.count, $0.value) }
            .sorted {
                ($0.table.rawValue, $0.address, $0.count) < (
                    $1.table.rawValue, $1.address, $1.count
                )
            }
    }

    /// The read, or the pieces it has to be taken in.
    mutating func expand(_ read: PlannedRead, at now: Instant, into jobs: inout [ReadJob]) {
        guard !splits.isEmpty, let until = splits[RefusedRange(read)] else {
            jobs.append(ReadJob(read: read))
            return
        }
        guard until > now else {
            splits[RefusedRange(read)] = nil
            jobs.append(ReadJob(read: read))
            return
        }
        for piece in planner.pieces(of: read) { expand(piece, at: now, into: &jobs) }
    }
}

extension PlannedRead {
    var function: FunctionCode { FunctionCode.reading(table) ?? .readHoldingRegisters }

    /// As `Request.replyLength`.
    var replyLength: Int { 2 + (table.isBits ? (count + 7) / 8 : 2 * count) }

    var request: Request {
        .read(function, address: UInt16(address), count: UInt16(count))
    }
}
