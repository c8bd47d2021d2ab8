import Base

/// The accepted writes of every point with `perMinute` or `perDay`. They are not the points' own: a
/// reload, or a point that is gone for a while, does not give a budget back.
///
/// Times are on a scale that goes on over restarts: the time since boot plus `offset`.
package struct WriteBudgets: Sendable {
    package struct Spent: Hashable, Sendable {
        package var minute: SlidingWindow
        package var day: SlidingWindow

        package init(
            minute: SlidingWindow = SlidingWindow(.seconds(60)),
            day: SlidingWindow = SlidingWindow(.seconds(86_400))
        ) {
            self.minute = minute
            self.day = day
        }

        package mutating func add(at time: Instant) {
            minute.add(at: time)
            day.add(at: time)
        }
    }

    package struct Key: Hashable, Sendable {
        package var device: DeviceID
        package var point: ByteString

        package init(device: DeviceID, point: ByteString) {
            self.device = device
            self.point = point
        }
    }

    package var offset = Duration.zero
    private var spent: [Key: Spent] = [:]
    /// When the last write was counted.
    private var latest: Instant?

    package init() {}

    package func time(at now: Instant) -> Instant { now + offset }

    /// Whether a write of a point under this rule is counted.
    package static func counts(_ rule: WriteRule) -> Bool {
        rule.perMinute != nil || rule.perDay != nil
    }

    func check(_ rule: WriteRule, _ key: Key, at now: Instant) throws(WriteRefusal) {
        guard var known = spent[key] else { return }
        let time = time(at: now)
        if let limit = rule.perMinute, known.minute.count(at: time) >= limit {
            throw WriteRefusal(
                .rate, "\(key.point) takes \(limit) writes a minute, and they are used up")
        }
        if let limit = rule.perDay, known.day.count(at: time) >= limit {
            throw WriteRefusal(
                .budget, "\(key.point) takes \(limit) writes a day, and they are used up")
        }
    }

    func spent(_ key: Key) -> Spent { spent[key] ?? Spent() }

    mutating func count(_ key: Key, at now: Instant) { add(key, at: time(at: now)) }

    /// A write that was counted at that time of this scale.
    package mutating func add(_ key: Key, at time: Instant) {
        spent[key, default: Spent()].add(at: time)
        latest = max(latest ?? time, time)
    }

    /// Takes over what earlier runs have counted; what this one has counted already is added.
    package mutating func restore(_ key: Key, _ value: Spent) {
        var all = value
        for entry in spent[key]?.minute.entries ?? [] { all.minute.add(entry.count, at: entry.at) }
        for entry in spent[key]?.day.entries ?? [] { all.day.add(entry.count, at: entry.at) }
        spent[key] = all
        if let last = all.day.entries.last?.at { latest = max(latest ?? last, last) }
    }

    /// The scale begins later: what has been counted on it goes along.
    package mutating func shift(by difference: Duration) {
        guard difference > .zero else { return }
        offset += difference
        latest = latest.map { $0 + difference }
        for key in Array(spent.keys) {
            spent[key]?.minute.shift(by: difference)
            spent[key]?.day.shift(by: difference)
        }
    }

    /// All that still counts.
    package mutating func all(at now: Instant) -> [(key: Key, spent: Spent)] {
        let time = time(at: now)
        for key in Array(spent.keys) {
            spent[key]?.minute.forget(at: time)
            spent[key]?.day.forget(at: time)
            if spent[key]?.day.entries.isEmpty == true { spent[key] = nil }
        }
        return spent.map { ($0.key, $0.value) }.sorted {
            ($0.0.device, $0.0.point) < ($1.0.device, $1.0.point)
        }
    }

    /// Whether a write of the last day is counted.
    package func isUsed(at now: Instant) -> Bool {
        latest.map { time(at: now) < $0 + .seconds(86_400) } ?? false
    }
}
