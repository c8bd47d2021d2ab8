import Base
import Modbus

/// One unit on the port.
struct LineUnit: Sendable {
    let address: Address
    private(set) var responseTimeout: Duration
    private(set) var planner: ReadPlanner
    /// The least silence on the line before a request to it.
    var delay: Duration { planner.node.delay }
    /// What it says is wanted at once.
    var isUrgent: Bool { planner.node.isUrgent }
    /// Its cycles in the driver's list, fastest first.
    private(set) var cycles: Range<Int>
    var health = UnitHealth()
    var pace = ReplyPace()
    var statistics: UnitStatistics
    /// Of the last setup at least one step was not carried out.
    var hasFailedSetup = false
    /// While there are any, a request to it may have to wait for its late reply.
    private(set) var guards: [ShapeGuard] = []
    /// Ranges that were refused because of an address, and until when they are read in pieces.
    private var splits: [RefusedRange: Instant] = [:]

    static let splitMemory = Duration.seconds(24 * 3600)

    /// After a timeout a reply of this shape may still come; it must not be taken for the answer to
    /// another request.
    struct ShapeGuard: Sendable {
        var function: FunctionCode
        var replyLength: Int?
        var until: Instant
    }

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

    init(address: Address, responseTimeout: Duration, planner: ReadPlanner, cycles: Range<Int>) {
        self.address = address
        self.responseTimeout = responseTimeout
        self.planner = planner
        self.cycles = cycles
        statistics = UnitStatistics(address.unit)
    }

    /// Another plan for the same unit: what is known of it stays.
    mutating func adopt(responseTimeout: Duration, planner: ReadPlanner, cycles: Range<Int>) {
        self.responseTimeout = responseTimeout
        self.planner = planner
        self.cycles = cycles
    }

    mutating func guardShape(of request: Request, until: Instant, at now: Instant) {
        guards.removeAll { $0.until <= now }
        guards.append(ShapeGuard(function: request.function, replyLength: request.replyLength, until: until))
    }

    /// It may still answer a request that timed out.
    func mayAnswerLate(at now: Instant) -> Bool { guards.contains { $0.until > now } }

    mutating func dropGuards() { guards.removeAll() }

    /// When a request of this shape may be sent.
    func free(_ function: FunctionCode, replyLength: Int?) -> Instant {
        var until = Instant.zero
        for one in guards where one.function == function && one.replyLength == replyLength {
            until = max(until, one.until)
        }
        return until
    }

    mutating func rememberSplit(_ read: PlannedRead, at now: Instant) {
        splits[RefusedRange(read)] = now + Self.splitMemory
    }

    mutating func restoreSplit(_ table: Table, _ address: Int, _ count: Int, until: Instant) {
        splits[RefusedRange(table, address, count)] = until
    }

    /// By table and address.
    func activeSplits(at now: Instant) -> [(table: Table, address: Int, count: Int, until: Instant)] {
        splits.filter { $0.value > now }
            .map { ($0.key.table, $0.key.address, $0.key.count, $0.value) }
            .sorted { ($0.table.rawValue, $0.address, $0.count) < ($1.table.rawValue, $1.address, $1.count) }
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
