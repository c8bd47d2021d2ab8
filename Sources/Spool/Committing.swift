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
    private mutating func page(_ place: Int) -> DiskRequest.Extent {
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

    // MARK: - Segments

    /// Asks for the room on the disk first: the answer decides what has to go.
    mutating func beginSegment(sparse: Bool) {
        guard creating == nil else { return }
        let first = pending.first?.record.seq ?? nextSeq
        creating = Segment.Header(
            salt: UInt32(truncatingIfNeeded: random.next()), firstSeq: first,
            previous: sparse ? 0 : catalogue.segments.last.map { continues($0, first) } ?? 0, bootID: bootID,
            created: now, clockTrusted: clockTrusted, sparse: sparse, identity: settings.identity)
        request(.space, .space)
    }

    private func continues(_ last: SegmentState, _ first: UInt64) -> UInt64 {
        last.lastSeq &+ 1 == first ? last.firstSeq : 0
    }

    mutating func measured(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let header = creating else { return }
        var free = Int64.max
        var keep: Int64 = 0
        if case .success(.space(let space)) = result {
            free = space.available
            keep = min(Int64(settings.minFree), space.total / 20)
        }
        let size = settings.segmentSize
        while catalogue.bytes + size > settings.maxBytes, dropOldest(.full) {}
        while free != .max, free - Int64(size) < keep, let gain = oldestDroppable().map({ catalogue[$0].fileSize }) {
            guard dropOldest(.full) else { break }
            free += Int64(gain)
        }
        let name = Segment.name(header.firstSeq)
        if catalogue.index(of: header.firstSeq) != nil {
            // A recovered file of this name without a record: it is never appended to, and it is
            // never away either, for it may be all that remembers the numbers.
            var bytes = header.encoded
            bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
            request(.replace(name: name, bytes: bytes), .create)
        } else {
            request(.create(name: name, size: size, header: header.encoded), .create)
        }
    }

    mutating func created(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let header = creating else { return }
        creating = nil
        switch result {
        case .failure(let failure):
            // A half-made file of this name would stand in the way of the next try.
            if failure.kind != .readOnly, catalogue.index(of: header.firstSeq) == nil {
                request(.remove(name: Segment.name(header.firstSeq)), .housekeeping)
            }
            if isMemoryOnly { probeLater(failure); return }
            diskFailed(failure)
        case .success:
            if let old = catalogue.index(of: header.firstSeq) { catalogue.remove(at: old) }
            catalogue.insert(SegmentState(header, fileSize: settings.segmentSize))
            active = header.firstSeq
            if header.clockTrusted { anchorToWrite = nil }
            if isMemoryOnly { returnToDisk() }
            reapAll()
            commitWanted = true
            continueCommits()
        }
    }

    // MARK: - Settled pages and removal

    /// Writes the pages of all segments whose bits have changed.
    mutating func writePages() {
        timers.disarm(.settle)
        settledSinceCommit = 0
        guard phase == .running else { return }
        for place in catalogue.indices { writePage(place) }
    }

    mutating func writePage(_ place: Int) {
        guard catalogue[place].isDirty, !catalogue[place].isPoisoned, !catalogue[place].isRemoving,
            !catalogue[place].isTrimming, !isMemoryOnly
        else { return }
        let extent = page(place)
        catalogue[place].pagesInFlight += 1
        counters.bytesWritten += extent.bytes.count
        request(
            .write(name: catalogue[place].name, extents: [extent], sync: true),
            .page(segment: catalogue[place].firstSeq))
    }

    mutating func pageWritten(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>) {
        guard let place = catalogue.index(of: segment) else { return }
        catalogue[place].pagesInFlight -= 1
        if case .failure(let failure) = result {
            counters.failures += 1
            catalogue[place].isPoisoned = true
            note(.warning, "cannot note acknowledgements in \(catalogue[place].name): \(failure.detail); "
                + "records may be sent twice after a restart")
            if segment == active { active = nil }
        }
        reap(segment)
    }

    /// Removes a sealed segment once all of it is settled, durably. The newest one stays: it keeps
    /// the numbers from being used again.
    mutating func reap(_ segment: UInt64) {
        guard let place = catalogue.index(of: segment) else { return }
        let state = catalogue[place]
        guard phase == .running, state.alive == 0, !state.isRemoving, !state.isTrimming, segment != active,
            commit?.segment != segment, place < catalogue.segments.count - 1,
            !state.isDirty && state.pagesInFlight == 0 || state.isPoisoned
        else { return }
        remove(place)
    }

    mutating func reapAll() {
        for segment in catalogue.segments where segment.alive == 0 {
            if let place = catalogue.index(of: segment.firstSeq), segment.firstSeq != active { writePage(place) }
            reap(segment.firstSeq)
        }
    }

    mutating func remove(_ place: Int) {
        catalogue[place].isRemoving = true
        request(.remove(name: catalogue[place].name), .remove(segment: catalogue[place].firstSeq))
    }

    mutating func removed(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>) {
        guard let place = catalogue.index(of: segment) else { return }
        if case .failure(let failure) = result, failure.kind != .missing {
            counters.failures += 1
            catalogue[place].isRemoving = false
            catalogue[place].isPoisoned = true
            return
        }
        catalogue.remove(at: place)
    }
}
