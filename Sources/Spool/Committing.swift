import Base

/// Group commit: one write at a time carries the pending records and the settled page.
extension Spool {
    /// Every record up to this number is on the disk, or was; nil while the disk is not written to.
    package var syncedSeq: UInt64? {
        guard phase == .running, !isMemoryOnly else { return nil }
        let first = commit?.items.first?.record.seq ?? pending.first?.record.seq ?? nextSeq
        return first == 0 ? nil : first - 1
    }

    /// Commits what is pending as soon as the write in flight has ended.
    mutating func commitNow() {
        guard phase == .running, !isMemoryOnly else { return }
        guard commit == nil, creating == nil else { commitWanted = true; return }
        commitWanted = false
        timers.disarm(.commit)
        appendDueGaps()
        guard !pending.isEmpty || active != nil && (anchorToWrite != nil || isDraining && fitTotals) else { return }
        guard let active, let place = catalogue.index(of: active), !catalogue[place].isPoisoned,
            catalogue[place].end + (pending.first?.size ?? 48) + LossTotals.recordSize <= catalogue[place].fileSize
        else {
            beginSegment(sparse: false)
            return
        }
        write(to: place)
    }

    /// Whether there are totals to be written, and room for them behind the last record.
    private var fitTotals: Bool {
        guard areTotalsNew, let place = active.flatMap({ catalogue.index(of: $0) }) else { return false }
        return catalogue[place].end + LossTotals.recordSize + 48 <= catalogue[place].fileSize
    }

    private mutating func write(to place: Int) {
        let seed = catalogue[place].seed
        let start = catalogue[place].end
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(pendingBytes + 48, Self.batchMax))
        let anchor = anchorToWrite
        let room = catalogue[place].fileSize - start - LossTotals.recordSize
        if let anchor, room >= 48 {
            let next = pending.first?.record.seq ?? nextSeq
            Record.appendAnchor(anchor, nextSeq: next, seed: seed, to: &bytes)
            anchorToWrite = nil
        }
        var taken = 0
        while taken < pending.count, bytes.count < Self.batchMax,
            bytes.count + pending[taken].size <= room
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
        var done = Commit(items: items, segment: catalogue[place].firstSeq, end: 0, withPage: false, anchor: anchor)
        // They end every commit: their seq says how many records stood before them.
        Record.append(
            .totals, totals.payload, nextSeq: pending.first?.record.seq ?? nextSeq, at: now.instant, seed: seed,
            to: &bytes)
        done.totals = totals
        (areTotalsNew, done.withTotals) = (false, areTotalsNew)
        var extents = [DiskRequest.Extent(offset: start, bytes: bytes)]
        if catalogue[place].notedAt.map({ now.instant - $0 >= Self.settleDelay }) ?? true { noteRecords(place) }
        // A page must not drop what no durable gap record tells yet: it waits for the next commit.
        done.withPage = catalogue[place].isDirty && !items.contains { $0.gap != nil }
        if done.withPage { extents.append(page(place)) }
        done.end = start + bytes.count
        if gaps.isEmpty, pending.isEmpty { swap(&done.marks, &marks) }
        commit = done
        counters.bytesWritten += extents.reduce(0) { $0 + $1.bytes.count }
        request(.write(name: catalogue[place].name, extents: extents, sync: true), .commit)
    }

    /// The next settled page of a segment; from here on it counts as written.
    mutating func page(_ place: Int, isComplete: Bool = false) -> DiskRequest.Extent {
        catalogue[place].settled.isComplete = isComplete
        catalogue[place].generation += 1
        catalogue[place].isDirty = false
        (catalogue[place].notedRecords, catalogue[place].notedAt) = (catalogue[place].settled.records, now.instant)
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
        durableTotals = done.totals
        if let place = catalogue.index(of: done.segment) {
            catalogue[place].end = done.end
            catalogue[place].settled.records += done.items.count
            if isDraining { noteRecords(place) }
            if let last = done.items.last { catalogue[place].lastSeq = last.record.seq }
        }
        for item in done.items { becameDurable(item) }
        for mark in done.marks { settle(mark) }
        evict()
        continueCommits()
        if arePagesWanted { writePages() }
        loadMore()
    }

    /// The next page says how many records there are: as often as acknowledgements are noted, and at the
    /// end, so that damage to the end of the newest file is counted too. Of older files the next one says it.
    mutating func noteRecords(_ place: Int) {
        if catalogue[place].notedRecords < catalogue[place].settled.records { catalogue[place].isDirty = true }
    }

    /// The loss is told: its bits say so.
    private mutating func settle(_ mark: Mark) {
        guard let place = catalogue.index(of: mark.segment) else { return }
        catalogue[place].openMarks -= 1
        var missing = mark.count - catalogue[place].settled.count(in: mark.range)
        var offset = mark.range.lowerBound
        while missing > 0, offset < mark.range.upperBound {
            if !catalogue[place].settled.contains(offset: offset) {
                catalogue[place].settled.insert(offset: offset)
                missing -= 1
            }
            offset += Settled.granule
        }
        catalogue[place].isDirty = true
        if catalogue[place].alive == 0, mark.segment != active { writePage(place) }
        if timers.due(.settle) == nil { timers.arm(.settle, at: now.instant + Self.settleDelay) }
        reap(mark.segment)
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
        catalogue[place].add(item, unloaded: !isNext)
        if let gap = item.gap { catalogue[place].gaps[item.record.seq] = gap }
        if isNext {
            pushWindow(item)
        } else {
            if devices[device].unloaded == 0 {
                devices[device].resume = Position(segment: item.segment, offset: item.offset)
            }
            devices[device].unloaded += 1
        }
        trimShare(devices[device].main)
    }
}
