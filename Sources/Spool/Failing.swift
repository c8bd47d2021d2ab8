import Base

/// When the disk fails: a new file first, then memory only, loudly, with probes.
extension Spool {
    /// A commit failed: nothing of it is believed, the records go to another file.
    mutating func giveUp(_ failed: Commit, _ failure: DiskFailure) {
        if let anchor = failed.anchor, anchorToWrite == nil { anchorToWrite = anchor }
        if let place = catalogue.index(of: failed.segment) {
            catalogue[place].isPoisoned = true
            // The next file has the same first seq, so this one must be gone before.
            if catalogue[place].end == Segment.dataStart {
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
        active = nil
        commitWanted = false
        timers.disarm(.commit)
        note(.error, "the disk fails (\(failure.detail)): readings are kept in memory only, "
            + "\(settings.memoryMax >> 10) KiB of them; a power cut now loses them")
        let items = pending
        pending = []
        pendingBytes = 0
        nextSeq = max(nextSeq, Self.startSeq(now.wall))
        for var item in items {
            if !item.numberedInMemory {
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
        case .running where creating == nil: beginReturn()
        default: timers.arm(.probe, at: now.instant + probeDelay)
        }
    }

    /// Tries a new file for what is in memory; numbers in it rise but may skip.
    mutating func beginReturn() {
        var first = nextSeq
        for device in devices.indices {
            if let seq = devices[device].tail.first?.record.seq { first = min(first, seq) }
        }
        creating = Segment.Header(
            salt: UInt32(truncatingIfNeeded: random.next()), firstSeq: first, bootID: bootID, created: now,
            clockTrusted: clockTrusted, sparse: true, identity: settings.identity)
        request(.space, .space)
    }

    mutating func returnToDisk() {
        isMemoryOnly = false
        failuresInRow = 0
        timers.disarm(.probe)
        note(.info, "the disk works again")
        var items: [Item] = []
        for device in devices.indices {
            items += devices[device].tail.removeAll()
            refresh(device)
        }
        memoryBytes = 0
        items.sort { $0.record.seq < $1.record.seq }
        pending = items
        pendingBytes = items.reduce(0) { $0 + $1.size }
        writePages()
    }

    // MARK: - The ring in memory

    mutating func keepInMemory(_ item: Item) {
        devices[item.device].tail.append(item)
        memoryBytes += item.size
        refill(item.device)
        refresh(item.device)
    }

    /// Moves a record from the tail to the window when nothing on disk comes before it.
    mutating func refill(_ device: Int) {
        guard recovery == nil, isMemoryOnly, devices[device].window.isEmpty, devices[device].unloaded == 0,
            let item = devices[device].tail.popFirst()
        else { return }
        memoryBytes -= item.size
        devices[device].window.append(item)
        loadedBytes += item.size
    }

    /// Keeps the ring within its bound: the oldest of the device that holds most goes first.
    mutating func trimMemory() {
        while memoryBytes > settings.memoryMax {
            guard let fullest = devices.indices.max(by: { devices[$0].tail.bytes < devices[$1].tail.bytes }),
                let item = devices[fullest].tail.popFirst()
            else { return }
            memoryBytes -= item.size
            lose(item, .memory)
            count(item, -1)
        }
    }

    /// Where numbers start in a directory without any, and in memory-only mode: above everything
    /// that counting by one can have reached before, below 2⁵³.
    static func startSeq(_ wall: WallTime) -> UInt64 {
        let seconds = wall.seconds - 1_577_836_800
        return max(UInt64(min(max(seconds, 0), (1 << 33) - 1)) << 20, 1)
    }
}
