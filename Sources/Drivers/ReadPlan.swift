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

    package static func make(
        line: LineSettings, turnaround: Duration, responseTimeout: Duration = .milliseconds(1000),
        nodes: [NodePlan]
    ) -> ReadPlan {
        let timing = RTUTiming(line)
        let shortest = nodes.lazy.flatMap(\.spans).map(\.interval).min() ?? .seconds(10)
        let limit = max(shortest, NodePlan.shortestInterval) / 2
        var plan = ReadPlan()
        for node in nodes {
            let cost = WireCost(timing, turnaround: node.turnaround ?? turnaround)
            let planner = ReadPlanner(cost: cost, node: node, exchangeLimit: limit)
            let cycles = planner.cycles()
            plan.units.append(Unit(planner: planner, cycles: cycles))
            for cycle in cycles {
                plan.unreadable += cycle.unreadable.map { (node.unit, $0) }
                for read in cycle.reads { plan.add(read, node.responseTimeout ?? responseTimeout) }
            }
        }
        return plan
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
