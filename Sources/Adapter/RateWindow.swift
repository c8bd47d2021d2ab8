import Base

/// How often something happened lately, counted in buckets so that its size is fixed. The oldest
/// bucket counts until it is past completely, so no window of the full length ever holds more
/// than the limit.
package struct RateWindow: Hashable, Sendable {
    package let limit: Int
    private let width: Int64
    private var counts: [Int]
    private var newest: Int64 = .min

    package init(_ limit: Int, buckets: Int, of width: Duration) {
        self.limit = limit
        self.width = max(width.nanoseconds, 1)
        counts = [Int](repeating: 0, count: max(buckets, 1) + 1)
    }

    /// How many more may happen now.
    package mutating func left(at now: Instant) -> Int {
        advance(to: now)
        return max(0, limit - counts.reduce(0, +))
    }

    package mutating func count(at now: Instant) {
        advance(to: now)
        counts[slot(newest)] += 1
    }

    private func slot(_ bucket: Int64) -> Int {
        let size = Int64(counts.count)
        return Int((bucket % size + size) % size)
    }

    private mutating func advance(to now: Instant) {
        let bucket = now.nanoseconds / width
        guard bucket > newest else { return }
        let steps = newest == .min ? Int64(counts.count) : min(bucket - newest, Int64(counts.count))
        for step in 0..<steps { counts[slot(bucket - step)] = 0 }
        newest = bucket
    }
}
