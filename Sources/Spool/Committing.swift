import Base

/// Group commit: one write at a time carries the pending records and the settled page.
extension Spool {
    /// Commits what is pending as soon as the write in flight has ended.
    mutating func commitNow() {
        guard phase == .running, !isMemoryOnly else { return }
        guard commit == nil, creating == nil else { commitWanted = true; return }
        commitWanted = false
        timers.disarm(.commit)
        appendDueGaps()
        guard !pending.isEmpty || anchorToWrite != nil && active != nil else { return }
        guard let active, let place = catalogue.index(of: active), !catalogue[place].isPoisoned,
            catalogue[place].end + (pending.first?.size ?? 48) <= catalogue[place].fileSize
        else {
            beginSegment(sparse: false)
            return
        }
        write(to: place)
    }

    private mutating func write(to place: Int) {
        let seed = catalogue[place].seed
        let start = catalogue[place].end
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(pendingBytes + 48, Self.batchMax))
        let anchor = anchorToWrite
        if let anchor, start + 48 <= catalogue[place].fileSize {
            let next = pending.first?.record.seq ?? nextSeq
            Record.appendAnchor(anchor, nextSeq: next, seed: seed, to: &bytes)
            anchorToWrite = nil
        }
        var taken = 0
        while taken < pending.count, bytes.count < Self.batchMax,
            start + bytes.count + pending[taken].size <= catalogue[place].fileSize
        {
            pending[taken].segment = catalogue[place].firstSeq
            pending[taken].offset = start + bytes.count
            Record.append(pending[taken].record, seed: seed, to: &bytes)
            pendingBytes -= pending[taken].size
            taken += 1
        }
        var items: [Item] = []
        if taken == pending.count {
            swap(&items, &pending)
        } else {
            items = Array(pending[..<taken])
            pending.removeFirst(taken)
        }
        var extents = [DiskRequest.Extent(offset: start, bytes: bytes)]
        let withPage = catalogue[place].isDirty
        if withPage { extents.append(page(place)) }
        commit = Commit(
            items: items, segment: catalogue[place].firstSeq, end: start + bytes.count, withPage: withPage,
            anchor: anchor)
        counters.bytesWritten += extents.reduce(0) { $0 + $1.bytes.count }
        request(.write(name: catalogue[place].name, extents: extents, sync: true), .commit)
    }

    /// The next settled page of a segment; from here on it counts as written.
    mutating func page(_ place: Int) -> DiskRequest.Extent {
        catalogue[place].generation += 1
        catalogue[place].isDirty = false
        let generation = catalogue[place].generation
        return DiskRequest.Extent(
            offset: Settled.offset(generation: generation),
            bytes: catalogue[place].settled.page(generation: generation, seed: catalogue[place].seed))
    }

    mutating func committed(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let done = commit else { return }
        commit = nil
        if case .failure(let failure) = result {
            giveUp(done, failure)
            return
        }
        failuresInRow = 0
        counters.commits += 1
        if let place = catalogue.index(of: done.segment) {
            catalogue[place].end = done.end
            if let last = done.items.last { catalogue[place].lastSeq = last.record.seq }
        }
        for item in done.items { becameDurable(item) }
        evict()
        continueCommits()
        loadMore()
    }

    mutating func continueCommits() {
        if commitWanted || isDraining || pendingBytes >= Self.batchBytes {
            commitNow()
        } else if !pending.isEmpty, timers.due(.commit) == nil {
            timers.arm(.commit, at: now.instant + settings.sync)
        }
        if isDraining { writePages() }
    }

    /// The record is on disk: it may be offered.
    mutating func becameDurable(_ item: Item) {
        guard let place = catalogue.index(of: item.segment) else { return }
        let device = item.device
        let isNext = devices[device].unloaded == 0 && devices[device].tail.isEmpty
            && hasRoom(device, item.size)
        catalogue[place].add(
            device, seq: item.record.seq, wall: item.record.at.wall, size: item.size, unloaded: !isNext)
        if let gap = item.gap { catalogue[place].gaps[item.record.seq] = gap }
        if isNext {
            pushWindow(item)
        } else {
            if devices[device].unloaded == 0 {
                devices[device].resume = Position(segment: item.segment, offset: item.offset)
            }
            devices[device].unloaded += 1
        }
        if devices[device].aliveBytes > shareMax { trimShare(device) }
    }
}
