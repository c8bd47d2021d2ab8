import Base
import Drivers
import Modbus

/// Plan of a port with plain serial nodes, for `plan` and `check`. Nothing is merged there, so each
/// node and interval has a row.
package struct UARTPlan: Sendable {
    package struct Row: Sendable {
        package var unit: UnitID
        package var device: DeviceID
        package var interval: Duration
        /// Whether the gateway asks; otherwise the node speaks by itself.
        package var isAsked: Bool
        /// The most bytes of a frame.
        package var bytesMax: Int
        /// Request, turnaround and longest frame; of a node that speaks by itself the frame alone.
        package var wireTime: Duration
        package var points: Int
    }

    package private(set) var rows: [Row] = []
    /// The share of the line that the requests need. One request serves all intervals of its node;
    /// what nodes send by themselves is not known.
    package private(set) var load = 0.0
    /// The longest time for which one request can keep the line, if its node is silent.
    package private(set) var worstBlocking = Duration.zero

    package init(_ port: Configuration.Port) {
        let timing = RTUTiming(port.line)
        for node in port.nodes {
            guard let format = node.uart else { continue }
            let bytesMax =
                if case .fixed(let count) = format.frame.end { count } else { format.frame.max }
            var wireTime = timing.time(of: bytesMax)
            let intervals = Set(node.points.map(\.interval)).sorted()
            if let request = format.request {
                let sending = timing.time(of: request.count)
                wireTime += sending + (node.turnaround ?? port.turnaround)
                worstBlocking = max(
                    worstBlocking, sending + (node.responseTimeout ?? port.responseTimeout))
                if let fastest = intervals.first { load += wireTime / fastest }
            }
            for interval in intervals {
                rows.append(
                    Row(
                        unit: node.unit, device: node.device, interval: interval,
                        isAsked: format.request != nil, bytesMax: bytesMax, wireTime: wireTime,
                        points: node.points.count { $0.interval == interval }))
            }
        }
    }
}

extension Configuration.Port {
    /// Figures of the plan of either driver: reads (of a UART port: nodes and intervals) and share
    /// of the line. `worstBlocking` is the longest time for which one exchange can keep the line.
    package var budget: (reads: Int, load: Double, worstBlocking: Duration) {
        switch driver {
        case .modbusRTU, .modbusTCP, .modbusASCII:
            let plan = readPlan
            return (plan.reads.count, plan.load, plan.worstBlocking)
        case .uart:
            let plan = UARTPlan(self)
            return (plan.rows.count, plan.load, plan.worstBlocking)
        }
    }
}
