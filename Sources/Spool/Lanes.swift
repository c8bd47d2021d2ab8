import Base

/// Two lanes for a device whose backlog is long: what waits now is the backlog, what comes after is
/// live and has a queue of its own. When the backlog is gone the live queue is all there is again.
extension Spool {
    /// What waits of this device becomes its backlog lane; what is appended from now on is live. What
    /// was live before a break of the connection joins the backlog.
    package mutating func split(_ device: DeviceID) {
        guard phase == .running, !isMemoryOnly, let main = devices.existing(device) else { return }
        join(main)
        guard devices[main].alive > 0 else { return }
        _ = devices.liveQueue(of: main)
        devices[main].boundary = nextSeq
        devices[main].isOvertaken = true
        refresh(main)
    }

    /// Whether later records of the device went out before what waits of it, in this run or an older one.
    package func isOvertaken(_ device: DeviceID) -> Bool {
        devices.existing(device).map { devices[$0].isOvertaken && devices[$0].alive > 0 } ?? false
    }

    /// One queue again, in order of the numbers.
    package mutating func join(_ device: DeviceID) {
        if let main = devices.existing(device) { join(main) }
    }

    mutating func joinLanes() {
        for device in devices.indices where !devices.isLive(device) { join(device) }
    }

    /// Where the last record of a backlog has gone, what was live is all that there is.
    mutating func endLanes() {
        while let queue = endedLanes.popLast() {
            guard devices[queue].alive == 0 else { continue }
            devices[queue].isOvertaken = false
            join(queue)
        }
    }

    private mutating func join(_ main: Int) {
        guard let live = devices[main].live, devices[main].boundary != .max else { return }
        devices[main].boundary = .max
        if devices[main].unloaded == 0 {
            for var item in devices[live].window.removeAll() {
                item.device = main
                devices[main].window.append(item)
            }
            devices[main].resume = devices[live].resume
            devices[main].blocked = devices[live].blocked
        } else {
            unloadWindow(of: live, to: main)
        }
        devices[main].unloaded += devices[live].unloaded
        devices[live].unloaded = 0
        for place in catalogue.indices { catalogue[place].move(live, to: main) }
        let state = devices[live]
        count(main, records: state.alive, bytes: state.aliveBytes, priority: state.priorityBytes)
        count(live, records: -state.alive, bytes: -state.aliveBytes, priority: -state.priorityBytes)
        devices[main].inFlight += state.inFlight
        devices[live].inFlight = 0
        for (seq, item) in inFlight where item.device == live { inFlight[seq]?.device = main }
        for index in pending.indices where pending[index].device == live { pending[index].device = main }
        if var work = commit {
            for index in work.items.indices where work.items[index].device == live { work.items[index].device = main }
            commit = work
        }
        adoptQueue(live, as: main)
        refresh(live)
        refresh(main)
    }

    /// A file that is being rewritten knows records by their queue.
    private mutating func adoptQueue(_ live: Int, as main: Int) {
        guard var work = reclaim else { return }
        if work.victims.remove(live) != nil { work.victims.insert(main) }
        if var made = work.result {
            for index in made.places.indices where made.places[index].queue == live { made.places[index].queue = main }
            work.result = made
        }
        reclaim = work
    }

    private mutating func unloadWindow(of live: Int, to main: Int) {
        while var item = devices[live].window.popLast() {
            guard let place = catalogue.index(of: item.segment), item.segment != 0 else {
                // In memory only: it was given back after the disk had returned.
                item.device = main
                devices[main].window.insert(item)
                continue
            }
            loadedBytes -= item.size
            devices[live].unloaded += 1
            catalogue[place].loaded(live, -1)
            devices[live].resume = Position(segment: item.segment, offset: item.offset)
        }
    }
}
