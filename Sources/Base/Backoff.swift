/// Truncated exponential back-off with enough jitter that a thousand gateways whose bridge returns
/// do not come back in step: min(2ⁿ s, 64 s) · uniform(0.5, 1) + uniform(0, 1 s).
/// The first try after a drop waits uniform(0, 2 s).
package struct Backoff: Sendable {
    package private(set) var failures = 0
    private var random: RandomSource

    package init(seed: UInt64, failures: Int = 0) {
        random = RandomSource(seed: seed)
        self.failures = failures
    }

    /// The wait before the next try. `slow` goes straight to the 64 s ceiling (bad token, unproven clock).
    package mutating func next(slow: Bool = false) -> Duration {
        defer { failures = min(failures + 1, 16) }
        if failures == 0, !slow { return .seconds(fraction: random.uniform(0, 2)) }
        let ceiling = slow ? 64.0 : min(Double(1 << min(failures, 6)), 64)
        return .seconds(fraction: ceiling * random.uniform(0.5, 1) + random.uniform(0, 1))
    }

    /// What may be left of the last failure's wait, which an earlier process did not wait out. Any part of
    /// it, so that processes that live only a moment still try as often as one that runs on.
    package mutating func again(slow: Bool = false) -> Duration {
        failures -= failures > 0 ? 1 : 0
        return .seconds(fraction: next(slow: slow).secondsValue * random.uniform(0, 1))
    }

    /// What an earlier process has counted.
    package mutating func restore(failures: Int) { self.failures = max(0, min(failures, 16)) }

    package mutating func reset() { failures = 0 }
}
