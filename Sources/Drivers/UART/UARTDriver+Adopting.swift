import Base

/// Another plan while the line is in use: see `LineDriver.adopt`. Frames that have begun are heard
/// to their end.
extension UARTDriver {
    package mutating func hold(at now: Moment) -> Bool {
        guard !isHeld else { return false }
        isHeld = true
        settle(at: now)
        return true
    }

    package mutating func adopt(_ wanted: LineDriverSettings, at now: Moment) -> Bool {
        guard case .uart(let new) = wanted, new.port == settings.port else { return false }
        isHeld = false
        if new != settings { merge(new, at: now) }
        settle(at: now)
        return true
    }

    private mutating func merge(_ new: Settings, at now: Moment) {
        var places: [Int: Int] = [:]
        var added: [Int] = []
        let old = nodes
        var all = new.nodes.map {
            UARTNode($0, port: new.port, responseTimeout: new.responseTimeout)
        }
        for index in all.indices {
            let place = old.firstIndex { $0.address == all[index].address }
            guard
                var known = place.map({ old[$0] }) ?? former.removeValue(forKey: all[index].address)
            else {
                added.append(index)
                continue
            }
            if let place { places[place] = index }
            guard known.plan.format == all[index].plan.format else {
                all[index].statistics = known.statistics
                added.append(index)
                continue
            }
            if place == nil { known.restart(at: now.instant) }
            known.adopt(all[index], at: now.instant)
            all[index] = known
            if place == nil { rejoin(&all[index], at: now.instant) }
        }
        for (index, node) in old.enumerated() where places[index] == nil {
            former[node.address] = node
            former[node.address]?.state = nil
        }
        failed = failed.flatMap { places[$0] }
        replace(new, all, at: now.instant)
        for index in added { beginFirst(index, at: now.instant) }
        guard line == .closed else { return }
        for index in nodes.indices where nodes[index].state == nil {
            setState(index, .offline, at: now)
        }
    }

    /// Back after a while: not sooner than its last release allows, and not far away.
    private func rejoin(_ node: inout UARTNode, at now: Instant) {
        for index in node.cycles.indices where node.cycles[index].nextRelease < now {
            let limit = min(
                node.cycles[index].interval, node.isAsked ? .zero : UARTNode.firstCycleLimit)
            node.cycles[index].nextRelease = now + limit
        }
    }

    private mutating func beginFirst(_ index: Int, at now: Instant) {
        nodes[index].restart(at: now)
        guard nodes[index].isAsked else { return beginCycles(of: index, at: now) }
        for cycle in nodes[index].cycles.indices {
            let dues = nodes.flatMap { $0.cycles.map(\.nextRelease) }
            let window = min(nodes[index].cycles[cycle].interval, ModbusDriver.spreadLimit)
            nodes[index].cycles[cycle].nextRelease =
                ReleaseGaps(dues, from: now, within: window).longest
        }
    }
}
