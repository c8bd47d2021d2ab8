import Base

/// Readings that have come and are not in the journal yet. Taken one by one, each would bring
/// adapter and journal back into a cold cache. Taken together none is durable later: a commit is
/// due by the arrival of the oldest.
///
/// | they are taken | why |
/// |---|---|
/// | `delay` after the first, and before every commit | the rule |
/// | at once when there are `most` | memory is bounded |
/// | at once when the unit has priority points | these wait for nobody, and are in no train |
/// | before anything that is not a line's event | nobody sees the gateway without them (but for what a train has not told) |
struct FreshReadings: Sendable {
    /// And never more than a quarter of the time between commits.
    private static let longest = Duration.milliseconds(250)
    private static let most = 64

    /// How long a reading may wait from the wire to the journal, at the line or here.
    let delay: Duration
    private var readings: [Reading] = []
    /// When they must be taken.
    private(set) var due: Instant?
    private(set) var since = Instant.zero
    private(set) var isUrgent = false

    init(delay: Duration) { self.delay = delay }

    static func delay(commitEvery: Duration) -> Duration { min(longest, commitEvery / 4) }

    var isEmpty: Bool { readings.isEmpty }

    mutating func add(_ reading: Reading, isUrgent urgent: Bool, at now: Instant) {
        if readings.isEmpty {
            since = now
            due = now + delay
        }
        readings.append(reading)
        if urgent || delay == .zero || readings.count >= Self.most { isUrgent = true }
    }

    /// All of them, oldest first.
    mutating func takeAll() -> [Reading] {
        defer {
            readings.removeAll(keepingCapacity: true)
            (due, isUrgent) = (nil, false)
        }
        return readings
    }
}
