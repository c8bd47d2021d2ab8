import Base
import Line
import Modbus

/// Another plan while the line is in use.
///
/// | what differs | becomes |
/// |---|---|
/// | nothing of a cycle | it goes on: phase, run, failures |
/// | what a cycle reads | it keeps its phase; reads of its run that were carried out are not repeated |
/// | an interval | the new grid begins at the last poll |
/// | a unit that is new | its cycles go into the gaps between the others' releases |
/// | a unit that is gone | kept aside with its past; orders for it fail |
/// | a unit's setup | it is set up again, if it is heard of |
/// | the line | for a line that is closed: exchanges begin anew when it is opened |
extension ModbusDriver {
    package mutating func hold(at now: Moment) -> Bool {
        guard !isHeld else { return false }
        isHeld = true
        unschedule(at: now.instant)
        settle(at: now)
        return true
    }

    package mutating func adopt(_ wanted: LineDriverSettings, at now: Moment) -> Bool {
        guard case .modbus(let new) = wanted, new.port == settings.port,
            new.line.isNetwork == settings.line.isNetwork,
            new.line.framing == settings.line.framing
        else { return false }
        isHeld = false
        guard new != settings else {
            settle(at: now)
            return true
        }
        let wasServed = served.isOn
        unschedule(at: now.instant)
        depart()
        let before = plan
        if new.line != settings.line { changeLine(new.line) }
        let plan = ReadPlan.make(new)
        merge(plan, new, at: now)
        budget.adopt(limit: new.longestAttempt, at: now.instant)
        if line == .open { announceLoad(after: before) }
        settle(at: now)
        if wasServed { giveServedReplies() }
        return true
    }

    private mutating func changeLine(_ line: LineSettings) {
        exchange.add(to: &counters)
        exchange = LineExchange(line)
        orderBudget = OrderBudget(burst: exchange.timing.time(of: 64) + settings.turnaround * 2)
    }

    private mutating func merge(_ plan: ReadPlan, _ new: Settings, at now: Moment) {
        var (newUnits, newCycles) = plan.lineUnits(new, &random)
        let (oldUnits, oldCycles) = (units, cycles)
        var places: [Int: Int] = [:]
        var fresh: [Int] = []
        var resetUp: [Int] = []
        for index in newUnits.indices {
            let unit = newUnits[index]
            let past: [PollCycle]
            if let old = oldUnits.firstIndex(where: { $0.address == unit.address }) {
                places[old] = index
                past = Array(oldCycles[oldUnits[old].cycles])
                newUnits[index] = oldUnits[old]
                newUnits[index].adopt(unit)
                if oldUnits[old].planner.node.setup != unit.planner.node.setup {
                    resetUp.append(index)
                }
            } else {
                (newUnits[index], past) = former.take(unit.address, as: unit, at: now.instant)
                if unit.cycles.isEmpty { resetUp.append(index) }
            }
            let transfer = CycleTransfer(
                past: past, plans: unit.cycles.map { newCycles[$0].plan }, unit: newUnits[index])
            let origins = unit.cycles.map { transfer.inherit(&newCycles[$0], at: now) }
            if newUnits[index].health.isOffline, origins.contains(where: { $0 != .unchanged }) {
                transfer.keepProbe(&newCycles, unit.cycles)
            } else {
                fresh += zip(unit.cycles, origins).filter { $1 == .unknown }.map(\.0)
            }
        }
        placeFirst(fresh, among: &newCycles, at: now.instant)
        replaceUnits(plan, new, newUnits, newCycles, places, oldUnits, oldCycles, at: now)
        for unit in resetUp { setUpAgain(unit, at: now) }
        for index in cycles.indices where cycles[index].run?.isDone == true {
            close(index, at: now)
        }
        if line == .closed {
            for unit in units.indices where units[unit].health.state == nil {
                setState(unit, .offline, at: now)
            }
        }
    }

    /// First releases of cycles without a past: a few go into the gaps, many are spread evenly.
    private func placeFirst(_ fresh: [Int], among cycles: inout [PollCycle], at now: Instant) {
        for (place, index) in fresh.enumerated() {
            let window = min(cycles[index].period, Self.spreadLimit)
            cycles[index].earliest = now
            cycles[index].nextRelease =
                fresh.count > 16
                ? now + window * Int64(place) / Int64(fresh.count)
                : ReleaseGaps(cycles.map(\.nextRelease), from: now, within: window).longest
        }
    }

    /// Units that are gone are put aside; those that somebody still has an order for are guests.
    private mutating func replaceUnits(
        _ plan: ReadPlan, _ new: Settings, _ newUnits: [LineUnit], _ newCycles: [PollCycle],
        _ known: [Int: Int],
        _ oldUnits: [LineUnit], _ oldCycles: [PollCycle], at now: Moment
    ) {
        var places = known
        replace(new, plan, newUnits, newCycles)
        for (old, unit) in oldUnits.enumerated() where places[old] == nil {
            let isAwaited = orders.contains { $0.unit == old && $0.order.isManual }
            guard isAwaited, let guest = guest(unit.address) else {
                former.keep(unit, Array(oldCycles[unit.cycles]))
                continue
            }
            places[old] = units.count
            units.append(unit)
            units[units.count - 1].adopt(guest)
        }
        failedUnit = failedUnit.flatMap { places[$0] }
        renumberHeld(oldUnits, oldCycles, places)
        let waiting = orders
        orders = []
        for var job in waiting {
            if let place = places[job.unit], place < newUnits.count || job.order.isManual {
                job.unit = place
                orders.append(job)
            } else if job.setupStep == nil {
                emit(.outcome(Outcome(id: job.order.id, .failure(.unknownUnit), at: now)))
            }
        }
    }

    /// Sets a unit up again of which the setup has changed, or that is only written to.
    private mutating func setUpAgain(_ unit: Int, at now: Moment) {
        orders.removeAll { $0.unit == unit && $0.setupStep != nil }
        let isHeard = units[unit].health.state != nil && !units[unit].health.isOffline
        if line == .open, isHeard || units[unit].cycles.isEmpty { queueSetup(unit) }
    }
}

extension LineExchange {
    /// Adds the counters of this driver.
    func add(to all: inout PortStatistics) {
        all.strayBytes += strayBytes
        all.noiseBytes += noise.bytes
        all.echoes += echo.echoes
        all.echoBytes += echo.echoBytes
        all.collisions += echo.collisions
        all.babbles += babbles
    }
}
