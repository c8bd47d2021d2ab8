import Base

/// How one unit answers: what it may cost when it does not, and what is said about it.
struct UnitHealth: Sendable {
    /// State that was last told about the unit; nil until something is known.
    var state: UnitState?
    /// Answered at least once since the line was opened.
    private(set) var isProven = false
    /// Timeouts since its last answer, damaged ones included.
    private(set) var timeouts = 0
    /// Given up: asked only by single probes, with growing pauses.
    private(set) var isOffline = false
    private var probes = 0
    /// From the end of our transmission to its first byte: a peak that is slowly forgotten.
    private(set) var turnaround: Duration?
    /// Time that a reply after its time has needed: a peak that is slowly forgotten.
    private var lateness: Duration?

    static let shortestPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(60)
    /// Below this a host's own jitter would look like silence.
    static let shortestTimeout = Duration.milliseconds(20)
    /// Time that is enough for nearly every device; one that needs more is recognised by its late
    /// reply.
    static let shortestFirstTimeout = Duration.milliseconds(50)

    /// Its attempts draw on the unhealthy budget.
    var isSuspect: Bool { !isProven || timeouts > 0 }

    /// How long to wait for the first byte. A unit under suspicion gets three times what it usually
    /// needs, and now and then all of it, in case it has become slower. So does its first attempt
    /// after a silence: the reply before it may only be late. One that has never answered gets all
    /// of it, unless `isHurried`: then its first attempt is a short one.
    func timeout(_ configured: Duration, isHurried: Bool = false) -> Duration {
        let normal = patience(configured)
        if isHurried, !isProven, timeouts == 0, turnaround == nil {
            return min(normal, max(normal / 4, Self.shortestFirstTimeout))
        }
        guard timeouts > 1, let turnaround, probes % 4 != 3 else { return normal }
        return min(normal, max(turnaround * 3, Self.shortestTimeout))
    }

    /// How long a unit is waited for that is known to be late: twice the response timeout and a
    /// quarter at most. One that is later is not waited for any longer than others.
    private func patience(_ configured: Duration) -> Duration {
        guard let lateness, lateness <= configured * 9 / 4 else { return configured }
        return max(configured, min(lateness * 5 / 4, configured * 9 / 4))
    }

    /// The unit is waited for longer than the response timeout.
    func isSlow(_ configured: Duration) -> Bool { patience(configured) > configured }

    mutating func answered(turnaround sample: Duration) {
        lateness = lateness.map { max(sample, $0 - ($0 - sample) / 16) }
        // 1/16 of the way down, all the way up.
        turnaround = turnaround.map { max(sample, $0 - ($0 - sample) / 16) } ?? sample
        recover()
    }

    /// Something came, so it is there; nothing is learned from it.
    mutating func damaged() { recover() }

    private mutating func recover() {
        isProven = true
        timeouts = 0
        isOffline = false
        probes = 0
    }

    mutating func silent() {
        timeouts += 1
        if timeouts > Self.lateMost { lateness = nil }
    }

    /// Timeouts in a row after which a unit is not late any more, but gone.
    private static let lateMost = 6

    /// An answer came after its time: what was learned is too short.
    mutating func late(by time: Duration) {
        turnaround = nil
        lateness = lateness.map { max(time, $0 - ($0 - time) / 4) } ?? time
    }

    /// Given up, or a probe failed: the pause until the next probe.
    mutating func pause(_ interval: Duration, _ random: inout RandomSource) -> Duration {
        isOffline = true
        let base = max(interval, Self.shortestPause) * (1 << min(probes, 10))
        probes += 1
        let pause = min(base, max(Self.longestPause, interval))
        return .seconds(fraction: pause.secondsValue * random.uniform(0.75, 1.25))
    }

    /// The line was opened anew: unproven again, pauses forgotten, what was learned kept.
    mutating func restart() {
        isProven = false
        timeouts = 0
        isOffline = false
        probes = 0
    }
}
