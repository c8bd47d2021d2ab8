import Base

/// When the disk fails: a new file first, then memory only, loudly, with probes.
extension Spool {
    /// A commit failed: nothing of it is believed, the records go to another file.
    mutating func giveUp(_ failed: Commit, _ failure: DiskFailure) {
        if let anchor = failed.anchor, anchorToWrite == nil { anchorToWrite = anchor }
        if failed.withTotals { areTotalsNew = true }
        marks += failed.marks
        if let place = catalogue.index(of: failed.segment) {
            catalogue[place].isPoisoned = true
            // The next file has the same first seq, so this one must be gone before.
            if catalogue[place].end == catalogue[place].start {
                request(.remove(name: catalogue[place].name), .housekeeping)
                catalogue.remove(at: place)
            }
        }
        active = nil
        var items = failed.items
        for index in items.indices { items[index].segment = 0 }
        pendingBytes += items.reduce(0) { $0 + $1.size }
        items.append(contentsOf: pending)
        pending = items
        diskFailed(failure)
    }

    /// Decides between another try and memory only.
    mutating func diskFailed(_ failure: DiskFailure) {
        counters.failures += 1
        failuresInRow += 1
        switch failure.kind {
        case .noSpace:
            if dropOldest(.full) {
                note(.warning, "no space left: the oldest records are dropped (\(failure.detail))")
                commitNow()
                return
            }
        case .readOnly, .missing, .denied: break
        case .io, .exists, .locked:
            if failuresInRow < 2 {
                note(.warning, "write failed (\(failure.detail)): going on in a new file")
                commitNow()
                return
            }
        }
        enterMemory(failure)
    }

    mutating func enterMemory(_ failure: DiskFailure) {
        guard !isMemoryOnly else { probeLater(failure); return }
        isMemoryOnly = true
        joinLanes()
        active = nil
        commitWanted = false
        timers.disarm(.commit)
        note(.error, "the disk fails (\(failure.detail)): readings are kept in memory only, "
            + "\(settings.memoryMax >> 10) KiB of them; a power cut now loses them")
        let items = pending
        pending = []
        pendingBytes = 0
        numbers.leap(at: now.wall)
        for var item in items {
            if !item.numberedInMemory {
                if item.record.seq != 0 { renumberedFrom = min(renumberedFrom ?? .max, item.record.seq) }
                number(&item)
                item.numberedInMemory = true
            }
            item.segment = 0
            keepInMemory(item)
        }
        trimMemory()
        probeDelay = Self.probeFirst
        timers.arm(.probe, at: now.instant + probeDelay)
    }

    mutating func probeLater(_ failure: DiskFailure) {
        isReturning = false
        probeDelay = min(probeDelay * 2, Self.probeMax)
        timers.arm(.probe, at: now.instant + probeDelay)
        note(.debug, "the disk still fails: \(failure.detail)")
    }

    mutating func probe() {
        guard isMemoryOnly else { return }
        switch phase {
        case .idle:
            phase = .opening
            request(.open, .open)
        case .running where creating == nil:
            // The directory may be another one by now: mounted over, or made anew.
            request(.open, .reopen)
        default: timers.arm(.probe, at: now.instant + probeDelay)
        }
    }

    /// The directory is there again, or made anew, and locked; what the old one had is read if it is there.
    mutating func reopened(_ result: Result<DiskAnswer, DiskFailure>) {
        guard isMemoryOnly, phase == .running else { return }
        if case .failure(let failure) = result { return probeLater(failure) }
        beginReturn()
    }

    /// Tries a new file for what is in memory; numbers in it rise but may skip.
    mutating func beginReturn() {
        guard isMemoryOnly, phase == .running, creating == nil else { return }
        // Acknowledged or given back: a record in flight could not be told from its copy in the file.
        isReturning = inFlight.values.contains { $0.segment == 0 && !$0.isTold }
        if isReturning { return }
        // From the first number that was given up on: what a failed write may have left of it under that
        // number is then no part of the older file.
        var first = min(nextSeq, renumberedFrom ?? .max)
        for device in devices.indices {
            if let seq = devices[device].tail.first?.record.seq { first = min(first, seq) }
            for item in movable(device) { first = min(first, item.record.seq) }
        }
        (reclaims, roomMade) = (0, 0)
        creating = Segment.Header(
            salt: UInt32(truncatingIfNeeded: random.next()), firstSeq: first, bootID: bootID, created: now,
            clockTrusted: clockTrusted, sparse: true, identity: settings.identity)
        request(.space, .space)
    }

    /// Records in a window that are in memory only and may go to a new file: one that was in flight when
    /// the disk came back an earlier time is older than what it has, and stays in memory.
    private func movable(_ device: Int) -> [Item] {
        guard devices[device].window.firstSegment == 0 else { return [] }
        var copy = devices[device].window
        let newest = catalogue.segments.map(\.lastSeq).max() ?? 0
        return copy.removeAll().filter { $0.segment == 0 && $0.record.seq > newest }
    }

    private mutating func moveWindow(_ device: Int) -> [Item] {
        let moved = movable(device)
        guard !moved.isEmpty else { return [] }
        let seqs = Set(moved.map(\.record.seq))
        for item in devices[device].window.removeAll() where !seqs.contains(item.record.seq) {
            devices[device].window.append(item)
        }
        loadedBytes -= moved.reduce(0) { $0 + $1.size }
        return moved
    }

    mutating func returnToDisk() {
        isMemoryOnly = false
        renumberedFrom = nil
        failuresInRow = 0
        timers.disarm(.probe)
        note(.info, "the disk works again")
        var items: [Item] = []
        for device in devices.indices {
            items += devices[device].tail.removeAll()
            items += moveWindow(device)
            refresh(device)
        }
        memoryBytes = 0
        splitOvertaken()
        items.sort { $0.record.seq < $1.record.seq }
        pending = items
        pendingBytes = items.reduce(0) { $0 + $1.size }
        writePages()
    }

    /// Memory-only mode had begun before the journal could be read, and its numbers turn out to lie below the
    /// journal's. In a new file they would be taken for an older one's, so what waits gets others, in its
    /// order. What was sent and came back keeps its number and stays in memory.
    mutating func raiseNumbers(above last: UInt64) {
        let lowest = devices.indices.compactMap { devices[$0].tail.firstSeq }.min()
        guard isMemoryOnly, let lowest, lowest <= last else { return }
        var items = devices.indices.flatMap { devices[$0].tail.removeAll() }
        items.sort { $0.record.seq < $1.record.seq }
        for var item in items {
            if sentForms[item.record.seq] != nil {
                memoryBytes -= item.size
                loadedBytes += item.size
                devices[item.device].window.append(item)
                refresh(item.device)
            } else {
                number(&item)
                devices[item.device].tail.append(item)
            }
        }
    }

    // MARK: - The ring in memory

    mutating func keepInMemory(_ item: Item) {
        devices[item.device].tail.append(item)
        memoryBytes += item.size
        refill(item.device)
        refresh(item.device)
    }

    /// Moves a record from the tail to the window when nothing on disk comes before it, or nothing of it
    /// can be read.
    mutating func refill(_ device: Int) {
        guard recovery == nil, isMemoryOnly, devices[device].window.isEmpty,
            devices[device].unloaded == 0 || unreadable?.isHeld == true, let item = devices[device].tail.popFirst()
        else { return }
        if devices[device].unloaded > 0 { devices[device].isOvertaken = true }
        memoryBytes -= item.size
        devices[device].window.append(item)
        loadedBytes += item.size
    }

    /// Keeps the ring within its bound: the oldest of the device that holds most goes first, priority
    /// records last.
    mutating func trimMemory() {
        while memoryBytes > settings.memoryMax {
            let spares = sparesPriority
            guard let fullest = devices.indices.max(by: { devices[$0].tail.bytes < devices[$1].tail.bytes }),
                let item = devices[fullest].tail.popFirst(sparing: { spares && $0.record.priority })
            else { return }
            memoryBytes -= item.size
            lose(item, .memory)
            count(item, -1)
        }
    }
}
