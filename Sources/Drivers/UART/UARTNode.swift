import Base

/// One node on a plain serial line, and how it does.
struct UARTNode: Sendable {
    /// The points of one interval.
    struct Cycle: Sendable {
        let interval: Duration
        var nextRelease = Instant.distantFuture
        /// Asked nodes: the reading is due and not there yet, since then.
        var dueSince: Instant?
        /// Nodes that speak by themselves: the latest frame of the interval.
        var latest: ReadPart?
        /// Nothing was published since the line was opened or the node was gone.
        var isFresh = true
        /// The line is down and this cycle has said so.
        var hasReportedPort = false

        init(_ interval: Duration) { self.interval = interval }
    }

    let address: Address
    private(set) var plan: UARTDriver.Node
    private(set) var responseTimeout: Duration
    /// Nothing for this long: a node that speaks by itself is offline.
    private(set) var patience: Duration
    var cycles: [Cycle]
    var state: UnitState?
    var isOffline = false
    /// Attempts that failed since the last good frame.
    var failures = 0
    /// Something came since the last good frame, but damaged.
    var isDamaged = false
    var lastHeard = Instant.zero
    /// Given up: the next single attempt.
    var probeAt: Instant?
    private var probes = 0
    var statistics: UnitStatistics

    /// A value published once an hour is not an hour away when its first frame has come.
    static let firstCycleLimit = Duration.seconds(10)

    init(_ plan: UARTDriver.Node, port: PortName, responseTimeout: Duration) {
        self.plan = plan
        address = Address(port: port, unit: plan.unit)
        self.responseTimeout = plan.responseTimeout ?? responseTimeout
        let intervals = Set(plan.intervals.map { max($0, NodePlan.shortestInterval) }).sorted()
        cycles = intervals.map(Cycle.init)
        patience = plan.patience ?? (intervals.first ?? .seconds(10)) * 3
        statistics = UnitStatistics(plan.unit)
    }

    /// Goes on as another node of the same address that speaks the same: intervals that both have
    /// keep their phase, and the grid of another one begins at the last release.
    /// - Parameter new: by the new plan, without a past yet.
    mutating func adopt(_ new: UARTNode, at now: Instant) {
        let old = cycles
        (plan, responseTimeout, patience, cycles) = (
            new.plan, new.responseTimeout, new.patience, new.cycles
        )
        guard old.map(\.interval) != cycles.map(\.interval) else { return cycles = old }
        let lasts = old.map {
            $0.dueSince ?? ($0.nextRelease == .distantFuture ? now : $0.nextRelease - $0.interval)
        }
        for index in cycles.indices {
            if let same = old.first(where: { $0.interval == cycles[index].interval }) {
                cycles[index] = same
                continue
            }
            let (interval, last) = (cycles[index].interval, lasts.max() ?? now)
            let behind = max(0, (now - last).nanoseconds)
            let step = interval.nanoseconds
            cycles[index].nextRelease =
                last + .nanoseconds(max(1, (behind + step - 1) / step) * step)
            cycles[index].latest = old.compactMap(\.latest).max { $0.at.instant < $1.at.instant }
            cycles[index].isFresh = old.allSatisfy(\.isFresh)
            cycles[index].hasReportedPort = old.contains(where: \.hasReportedPort)
        }
    }

    var isAsked: Bool { plan.format.request != nil }

    func owns(_ frame: [UInt8]) -> Bool {
        plan.format.address.map { $0.holds(for: frame) == true } ?? true
    }

    /// Since when a reading is due; nil if none is.
    var dueSince: Instant? {
        var earliest: Instant?
        for cycle in cycles {
            if let due = cycle.dueSince { earliest = min(due, earliest ?? due) }
        }
        return earliest
    }

    mutating func restart(at now: Instant) {
        isOffline = false
        isDamaged = false
        failures = 0
        probes = 0
        probeAt = nil
        lastHeard = now
        for index in cycles.indices {
            cycles[index].dueSince = nil
            cycles[index].latest = nil
            cycles[index].isFresh = true
            cycles[index].hasReportedPort = false
        }
    }

    mutating func recover(at now: Instant) {
        isOffline = false
        isDamaged = false
        failures = 0
        probes = 0
        probeAt = nil
        lastHeard = now
    }

    /// Given up, or a probe failed: when the next single attempt is due.
    mutating func pause(at now: Instant, _ random: inout RandomSource) {
        isOffline = true
        let interval = cycles.first?.interval ?? .seconds(10)
        let base = max(interval, UnitHealth.shortestPause) * (1 << min(probes, 10))
        probes += 1
        let pause = min(base, max(UnitHealth.longestPause, interval))
        probeAt = now + .seconds(fraction: pause.secondsValue * random.uniform(0.75, 1.25))
    }
}
