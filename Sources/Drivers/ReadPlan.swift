import Base
import Modbus

/// The planner's result for one port: what will be asked, how often, and what it costs.
package struct ReadPlan: Sendable {
    /// By unit, then interval, then table and address.
    package private(set) var reads: [PlannedRead] = []
    /// Σ wire time / interval: the share of the line that the plan needs. Above 1 every interval is
    /// stretched by it.
    package private(set) var load = 0.0
    /// The longest time for which one exchange can keep the line from everybody else: its wire time
    /// and its response timeout, if the unit is silent.
    package private(set) var worstBlocking = Duration.zero
    /// The read behind `worstBlocking`.
    package private(set) var worstRead: PlannedRead?
    /// Spans that no request can name, by unit.
    package private(set) var unreadable: [(unit: UnitID, span: Span)] = []

    /// In the order of the nodes; cycles fastest first.
    private(set) var units: [Unit] = []

    struct Unit: Sendable {
        var planner: ReadPlanner
        var cycles: [CyclePlan]
    }

    /// One exchange takes no more than half the shortest interval of the port, so that it does not
    /// block others for long.
    package static func make(
        line: LineSettings, turnaround: Duration, responseTimeout: Duration = .milliseconds(1000),
        nodes: [NodePlan]
    ) -> ReadPlan {
        let shortest = nodes.lazy.flatMap(\.spans).map(\.interval).min() ?? .seconds(10)
        let limit = max(shortest, NodePlan.shortestInterval) / 2
        let plan = ReadPlan(line, turnaround, responseTimeout, nodes, exchangeLimit: limit)
        // On an overloaded line short exchanges protect nobody; they only cost more.
        if plan.load <= 1 { return plan }
        return ReadPlan(line, turnaround, responseTimeout, nodes, exchangeLimit: .seconds(3600))
    }

    private init(
        _ line: LineSettings, _ turnaround: Duration, _ responseTimeout: Duration,
        _ nodes: [NodePlan],
        exchangeLimit: Duration
    ) {
        let timing = RTUTiming(line)
        for node in nodes {
            let cost = WireCost(
                timing, turnaround: node.turnaround ?? turnaround, delay: node.delay)
            let planner = ReadPlanner(cost: cost, node: node, exchangeLimit: exchangeLimit)
            let cycles = planner.cycles()
            units.append(Unit(planner: planner, cycles: cycles))
            for cycle in cycles {
                unreadable += cycle.unreadable.map { (node.unit, $0) }
                for read in cycle.reads { add(read, node.responseTimeout ?? responseTimeout) }
            }
        }
    }

    private mutating func add(_ read: PlannedRead, _ timeout: Duration) {
        reads.append(read)
        load += read.wireTime.secondsValue / read.interval.secondsValue
        if read.wireTime + timeout > worstBlocking {
            worstBlocking = read.wireTime + timeout
            worstRead = read
        }
    }
}
