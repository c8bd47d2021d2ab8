/// Truncated exponential back-off with enough jitter that a thousand gateways whose bridge returns
/// do not come back in step: min(2ⁿ s, 64 s) · uniform(0.5, 1) + uniform(0, 1 s).
/// The first try after a drop waits uniform(0, 2 s).
package struct Backoff: Sendable {
    package private(set) var failures = 0
    private var random: RandomSource

    package enum Pace: Sendable {
        /// Twice as long as the last time, up to the ceiling.
        case climbing
        /// The ceiling at once.
        case longest
        /// Twice the ceiling.
        case twiceTheLongest
    }

    private static let ceiling = 64.0

    package init(seed: UInt64, failures: Int = 0) {
        random = RandomSource(seed: seed)
        self.failures = failures
    }

    /// The wait before the next try.
    package mutating func next(_ pace: Pace = .climbing) -> Duration {
        defer { failures = min(failures + 1, 16) }
        let most: Double
        switch pace {
        case .climbing where failures == 0: return .seconds(fraction: random.uniform(0, 2))
        case .climbing: most = min(Double(1 << min(failures, 6)), Self.ceiling)
        case .longest: most = Self.ceiling
        case .twiceTheLongest: most = 2 * Self.ceiling
        }
        return .seconds(fraction: most * random.uniform(0.5, 1) + random.uniform(0, 1))
    }

    /// Returns a random part of the last failure's wait, which an earlier process did not wait out.
    /// Any part may come, so that processes that live only a moment still try as often as one that
    /// runs on.
    package mutating func again(_ pace: Pace = .climbing) -> Duration {
        failures -= failures > 0 ? 1 : 0
        return .seconds(fraction: next(pace).secondsValue * random.uniform(0, 1))
    }

    /// Takes over the count of an earlier process.
    package mutating func restore(failures: Int) { self.failures = max(0, min(failures, 16)) }

    package mutating func reset() { failures = 0 }
}
