import Base

/// Units that a plan has left out, with what is known of them and when they were last polled:
/// whoever takes one in again goes on from there. At most one for each unit id.
struct FormerUnits: Sendable {
    private var members: [Address: (unit: LineUnit, cycles: [PollCycle])] = [:]

    var all: [LineUnit] { members.values.map(\.unit).sorted { $0.address.unit < $1.address.unit } }

    mutating func keep(_ unit: LineUnit, _ cycles: [PollCycle]) {
        var unit = unit
        // Nobody looks after it any more: it is heard of anew when it is back.
        unit.health.restart()
        unit.health.state = nil
        unit.pace.forget()
        members[unit.address] = (
            unit,
            cycles.map { cycle in
                var cycle = cycle
                cycle.dropRun()
                return cycle
            }
        )
    }

    /// The line was opened.
    mutating func reopen() {
        for address in members.keys { members[address]?.unit.fence.reopen() }
    }

    /// The unit with its past, by the plan of `new`, and its cycles, which go on in their grid.
    mutating func take(
        _ address: Address, as new: LineUnit, at now: Instant
    ) -> (unit: LineUnit, cycles: [PollCycle]) {
        guard var known = members.removeValue(forKey: address) else { return (new, []) }
        known.unit.adopt(new)
        for index in known.cycles.indices { known.cycles[index].skip(to: now) }
        return known
    }
}

extension ModbusDriver.Settings {
    /// Longest time of an attempt.
    var longestAttempt: Duration {
        nodes.reduce(responseTimeout) { max($0, $1.responseTimeout ?? .zero) } + .milliseconds(100)
    }
}

extension ReadPlan {
    static func make(_ settings: ModbusDriver.Settings) -> ReadPlan {
        make(
            line: settings.line, turnaround: settings.turnaround,
            responseTimeout: settings.responseTimeout,
            nodes: settings.nodes)
    }

    /// The units and cycles of a driver that knows nothing yet.
    func lineUnits(
        _ settings: ModbusDriver.Settings, _ random: inout RandomSource
    ) -> (units: [LineUnit], cycles: [PollCycle]) {
        var lineUnits: [LineUnit] = []
        var all: [PollCycle] = []
        for (index, unit) in units.enumerated() {
            let (node, base) = (unit.planner.node, all.count)
            all += unit.cycles.map { PollCycle(unit: index, plan: $0, base: base, stretch: load) }
            lineUnits.append(
                LineUnit(
                    address: Address(port: settings.port, unit: node.unit),
                    responseTimeout: node.responseTimeout ?? settings.responseTimeout,
                    planner: unit.planner,
                    planned: unit.cycles.flatMap(\.reads), cycles: base..<all.count,
                    nonce: UInt16(truncatingIfNeeded: random.next())))
        }
        return (lineUnits, all)
    }
}
