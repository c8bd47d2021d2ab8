import Adapter
import Base

/// The past of every point that is a number, in memory: for each bucket of time the smallest,
/// largest and last value and how many there were. A bucket without a good value is a gap.
///
/// Two rings share the time: 10 s buckets for the last hour, and 5 min buckets for what is older. A
/// bucket that leaves the first ring is added to the second. All points share the buckets' times,
/// so a bucket of all of them is one block of memory, made when the first value comes: 13 bytes a
/// bucket and point. Buckets are counted on the clock since boot, so that no step of the wall clock
/// tears them apart.
struct History: Sendable {
    static let fineStep = Duration.seconds(10)
    /// Fine buckets in a coarse one.
    static let coarseFactor: Int64 = 30

    /// One bucket, or several together.
    struct Bucket: Hashable, Sendable {
        var last: Float
        var low: Float
        var high: Float
        /// 255 stands for that or more in each bucket.
        var count: Int

        /// Takes in one that is later.
        mutating func add(_ later: Bucket) {
            last = later.last
            low = min(low, later.low)
            high = max(high, later.high)
            count += later.count
        }
    }

    /// One bucket of time of all points.
    private struct Column: Sendable {
        /// Last, smallest and largest value of each point.
        var values: [Float]
        var counts: [UInt8]

        init(_ points: Int) {
            values = [Float](repeating: 0, count: 3 * points)
            counts = [UInt8](repeating: 0, count: points)
        }

        func bucket(_ point: Int) -> Bucket? {
            guard counts[point] > 0 else { return nil }
            return Bucket(
                last: values[3 * point], low: values[3 * point + 1], high: values[3 * point + 2],
                count: Int(counts[point]))
        }

        mutating func add(_ bucket: Bucket, _ point: Int) {
            var sum = bucket
            if var before = self.bucket(point) {
                before.add(bucket)
                sum = before
            }
            (values[3 * point], values[3 * point + 1], values[3 * point + 2]) = (
                sum.last, sum.low, sum.high
            )
            counts[point] = UInt8(clamping: sum.count)
        }
    }

    /// How many buckets of each kind fit.
    struct Plan: Hashable, Sendable {
        static let bucketBytes = 13
        private static let fineMost = 360
        /// With fewer buckets nothing is kept.
        private static let fineLeast = 6

        var fine: Int
        var coarse: Int

        /// Nil if there is not enough room for so many points.
        init?(_ settings: Configuration.Door.History, points: Int) {
            let keep = Int(settings.keep.nanoseconds / History.fineStep.nanoseconds)
            let room = settings.maxBytes / Self.bucketBytes / max(points, 1)
            fine = min(Self.fineMost, keep, room)
            guard points > 0, fine >= Self.fineLeast else { return nil }
            let rest = max(0, keep - fine)
            coarse = min(
                (rest + Int(History.coarseFactor) - 1) / Int(History.coarseFactor), room - fine)
        }

        var buckets: Int { fine + coarse }

        /// The time for which values are kept.
        var span: Duration { History.fineStep * (fine + coarse * Int(History.coarseFactor)) }
    }

    private let plan: Plan
    /// The place of each device's first point.
    private let places: [DeviceID: Int]
    private let points: Int
    /// The fine ring, and behind it the coarse one; nil where nothing was kept.
    private var columns: [Column?]
    /// The number of the newest fine bucket, and of the newest coarse one that holds something; nil
    /// before the first.
    private var fineHead: Int64?
    private var coarseHead: Int64?

    /// - Returns: nil if nothing is to be kept, or there is no room.
    init?(_ settings: Configuration.Door.History?, _ bindings: [Binding]) {
        let points = bindings.reduce(0) { $0 + $1.points.count }
        guard let settings, let plan = Plan(settings, points: points) else { return nil }
        var places: [DeviceID: Int] = [:]
        var next = 0
        for binding in bindings {
            places[binding.device] = next
            next += binding.points.count
        }
        (self.plan, self.places, self.points) = (plan, places, points)
        columns = [Column?](repeating: nil, count: plan.buckets)
    }

    /// The places, then and now, of points that stay what they are.
    static func moves(from before: [Binding], to after: [Binding]) -> [(from: Int, to: Int)] {
        var old: [DeviceID: (place: Int, points: [Point])] = [:]
        var next = 0
        for binding in before {
            old[binding.device] = (next, binding.points)
            next += binding.points.count
        }
        var moves: [(from: Int, to: Int)] = []
        next = 0
        for binding in after {
            for (offset, point) in binding.points.enumerated() {
                guard let known = old[binding.device],
                    let place = known.points.firstIndex(where: { Self.isSame($0, point) })
                else { continue }
                moves.append((known.place + place, next + offset))
            }
            next += binding.points.count
        }
        return moves
    }

    private static func isSame(_ left: Point, _ right: Point) -> Bool {
        left.name == right.name && left.units == right.units && left.table == right.table
            && left.address == right.address
            && left.type == right.type && left.scale == right.scale && left.offset == right.offset
    }

    /// Takes over the buckets of points that stay, if both histories have the same plan.
    mutating func inherit(_ old: History, _ moves: [(from: Int, to: Int)]) {
        guard plan == old.plan else { return }
        (fineHead, coarseHead) = (old.fineHead, old.coarseHead)
        for (index, column) in old.columns.enumerated() {
            guard let column else { continue }
            for move in moves {
                guard let bucket = column.bucket(move.from) else { continue }
                add(bucket, move.to, in: index)
            }
        }
    }

    func place(of device: DeviceID) -> Int? { places[device] }

    static func number(_ time: Instant) -> Int64 { time.nanoseconds / fineStep.nanoseconds }

    // MARK: Recording

    mutating func record(_ value: Double, point: Int, at time: Instant) {
        let number = Self.number(time)
        if fineHead.map({ number > $0 }) ?? true { advance(to: number) }
        guard value.isFinite, let head = fineHead, number > head - Int64(plan.fine), points > point
        else { return }
        add(
            Bucket(last: Float(value), low: Float(value), high: Float(value), count: 1), point,
            in: Int(number % Int64(plan.fine)))
    }

    private mutating func add(_ bucket: Bucket, _ point: Int, in index: Int) {
        if columns[index] == nil { columns[index] = Column(points) }
        columns[index]?.add(bucket, point)
    }

    /// Begins the fine bucket of that number: those that it pushes out go into coarse ones.
    private mutating func advance(to number: Int64) {
        defer { fineHead = number }
        guard let head = fineHead else { return }
        let ring = Int64(plan.fine)
        for next in (head + 1)...min(number, head + ring) {
            fold(next - ring)
            columns[Int(next % ring)] = nil
        }
    }

    private mutating func fold(_ number: Int64) {
        guard plan.coarse > 0, number >= 0 else { return }
        let (coarse, ring) = (number / Self.coarseFactor, Int64(plan.coarse))
        if coarseHead.map({ coarse > $0 }) ?? true {
            let first = max((coarseHead ?? coarse - 1) + 1, coarse - ring + 1)
            for next in first...coarse { columns[plan.fine + Int(next % ring)] = nil }
            coarseHead = coarse
        }
        guard let column = columns[Int(number % Int64(plan.fine))] else { return }
        for point in 0..<points {
            if let bucket = column.bucket(point) {
                add(bucket, point, in: plan.fine + Int(coarse % ring))
            }
        }
    }

    // MARK: Reading

    /// Everything about one point in fine buckets `first` to `first + length`, of which coarse ones
    /// count if they begin among them; nil is a gap.
    func bucket(point: Int, from first: Int64, length: Int64) -> Bucket? {
        guard let head = fineHead, point < points, first >= 0 else { return nil }
        var sum: Bucket?
        func take(_ bucket: Bucket?) {
            guard let bucket else { return }
            if sum == nil { sum = bucket } else { sum?.add(bucket) }
        }
        if plan.coarse > 0, let newest = coarseHead, length >= Self.coarseFactor {
            let start = max(
                (first + Self.coarseFactor - 1) / Self.coarseFactor,
                newest - Int64(plan.coarse) + 1, 0)
            var coarse = start
            while coarse <= newest, coarse * Self.coarseFactor < first + length {
                take(columns[plan.fine + Int(coarse % Int64(plan.coarse))]?.bucket(point))
                coarse += 1
            }
        }
        var fine = max(first, head - Int64(plan.fine) + 1, 0)
        while fine <= head, fine < first + length {
            take(columns[Int(fine % Int64(plan.fine))]?.bucket(point))
            fine += 1
        }
        return sum
    }
}
