import Base

/// How often something happened within the last `span`. Up to `entriesMax` events are kept with
/// their own times; beyond that the two nearest become one with the later time. So no window of
/// that length ever holds more than is counted, and an event counts for `span`, plus at most a
/// fraction of it where events are many.
package struct SlidingWindow: Hashable, Sendable {
    package static let entriesMax = 128

    package struct Entry: Hashable, Sendable {
        package var at: Instant
        package var count: Int
    }

    package let span: Duration
    /// In the order of their times.
    package private(set) var entries: [Entry] = []

    package init(_ span: Duration) { self.span = span }

    package mutating func count(at now: Instant) -> Int {
        forget(at: now)
        return entries.reduce(0) { $0 + $1.count }
    }

    package mutating func forget(at now: Instant) { entries.removeAll { $0.at + span <= now } }

    mutating func shift(by difference: Duration) {
        for place in entries.indices { entries[place].at += difference }
    }

    package mutating func add(_ count: Int = 1, at time: Instant) {
        let time = max(time, entries.last?.at ?? time)
        if let last = entries.indices.last, entries[last].at == time {
            entries[last].count += count
        } else {
            entries.append(Entry(at: time, count: count))
        }
        guard entries.count > Self.entriesMax else { return }
        let place = (1..<entries.count).min {
            entries[$0].at - entries[$0 - 1].at < entries[$1].at - entries[$1 - 1].at
        }
        guard let place else { return }
        entries[place].count += entries[place - 1].count
        entries.remove(at: place - 1)
    }
}
