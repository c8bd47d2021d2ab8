import Base
import Drivers

/// Readings that have come and are not in the journal yet. Taken one by one, each would bring
/// adapter, journal and session back into a cold cache. Taken together none is durable later: a
/// commit is due by the arrival of the oldest.
///
/// | they are taken | why |
/// |---|---|
/// | `delay` after the first, and before every commit | where they must be durable first |
/// | at once, but never twice within `pace` | where they are sent at once |
/// | at once when there are `most` | memory is bounded |
/// | at once when the unit has priority points | these wait for nobody, and are in no burst |
/// | before anything that is not a line's event | nobody sees the gateway without them (but for what a burst has not told) |
struct FreshReadings: Sendable {
    /// And never more than a quarter of the time between commits.
    private static let longest = Duration.milliseconds(250)
    /// Longest wait at a line that is not busy, where readings are sent at once.
    private static let calm = Duration.milliseconds(60)
    private static let most = 64
    /// Least time between two takings of readings that are sent at once.
    static let pace = Duration.milliseconds(20)

    /// How long a reading may wait at the line, and here if it must be durable before it is sent.
    let delay: Duration
    let areSentAtOnce: Bool
    private var readings: [Reading] = []
    /// When they must be taken.
    private(set) var due: Instant?
    private(set) var since = Instant.zero
    private(set) var isUrgent = false
    private var lastTaken: Instant?

    init(commitEvery sync: Duration, areSentAtOnce: Bool) {
        delay = min(Self.longest, sync / 4)
        self.areSentAtOnce = areSentAtOnce
    }

    /// How long the first reading of a burst may wait at the line for the last.
    var autonomy: LineAutonomy {
        LineAutonomy(
            schedules: true, burstSpan: delay, calmSpan: areSentAtOnce ? Self.calm : delay)
    }

    var isEmpty: Bool { readings.isEmpty }

    /// - Parameter readAt: when it was read; before `now` if it was at the line for a while.
    mutating func add(_ reading: Reading, readAt: Instant, at now: Instant) {
        if readings.isEmpty {
            since = readAt
            let earliest = lastTaken.map { max($0 + Self.pace, now) } ?? now
            due = areSentAtOnce ? min(earliest, readAt + max(delay, Self.pace)) : readAt + delay
        }
        readings.append(reading)
        let isDue = areSentAtOnce && due.map { $0 <= now } ?? false
        if reading.isUrgent || isDue || delay == .zero || readings.count >= Self.most {
            isUrgent = true
        }
    }

    /// All of them, oldest first.
    mutating func takeAll(at now: Instant) -> [Reading] {
        defer {
            readings.removeAll(keepingCapacity: true)
            (due, isUrgent) = (nil, false)
        }
        lastTaken = now
        return readings
    }
}
