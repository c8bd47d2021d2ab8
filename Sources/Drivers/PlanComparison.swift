import Base
import Modbus

/// Costs of reading a port's points if they were merged less cleverly; shares of the line, as
/// `ReadPlan.load`.
package struct PlanComparison: Hashable, Sendable {
    /// As the planner does it.
    package private(set) var planned = 0.0
    /// Only values that touch each other are read together.
    package private(set) var adjacent = 0.0
    /// One request for each value.
    package private(set) var single = 0.0

    package init(_ plan: ReadPlan) {
        planned = plan.load
        for unit in plan.units {
            let (node, cost) = (unit.planner.node, unit.planner.cost)
            for (interval, spans) in Dictionary(grouping: node.spans, by: \.interval) {
                let seconds = max(interval, NodePlan.shortestInterval).secondsValue
                for table in Table.allCases where table != .frame {
                    let leaders = ReadPlanner.leaders(
                        of: spans.filter { $0.table == table && unit.planner.isReadable($0) })
                    for span in Set(spans)
                    where span.table == table && unit.planner.isReadable(span) {
                        single += cost.time(table, span.count).secondsValue / seconds
                    }
                    for count in Self.runs(of: leaders, node) {
                        adjacent += cost.time(table, count).secondsValue / seconds
                    }
                }
            }
        }
    }

    /// Share of another way's time that the plan saves, 0 to 1.
    package func saving(of other: Double) -> Double { other > 0 ? 1 - planned / other : 0 }

    /// The lengths of requests that never read over a hole.
    private static func runs(of leaders: [Span], _ node: NodePlan) -> [Int] {
        var counts: [Int] = []
        var start = 0
        var end = 0
        for (index, span) in leaders.enumerated() {
            if index > 0, !node.noMerge, span.address <= end,
                span.end - start <= node.limit(of: span.table),
                node.isReadable(span.table, start..<span.end)
            {
                counts[counts.count - 1] = span.end - start
            } else {
                start = span.address
                counts.append(span.count)
            }
            end = span.end
        }
        return counts
    }
}
