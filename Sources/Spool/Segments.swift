import Base

/// Segment files: made within the bounds, their settled pages written, removed when all is settled.
extension Spool {
    /// Asks for the room on the disk first: the answer decides what has to go.
    mutating func beginSegment(sparse: Bool) {
        guard creating == nil else { return }
        let first = pending.first?.record.seq ?? nextSeq
        (reclaims, roomMade) = (0, 0)
        creating = Segment.Header(
            salt: UInt32(truncatingIfNeeded: random.next()), firstSeq: first,
            previous: sparse ? 0 : catalogue.segments.last.map { continues($0, first) } ?? 0, bootID: bootID,
            created: now, clockTrusted: clockTrusted, sparse: sparse, identity: settings.identity)
        request(.space, .space)
    }

    private func continues(_ last: SegmentState, _ first: UInt64) -> UInt64 {
        last.lastSeq &+ 1 == first && !last.isEndDamaged ? last.firstSeq : 0
    }

    mutating func measured(_ result: Result<DiskAnswer, DiskFailure>) {
        guard creating != nil else { return }
        reapAll()
        if case .success(.space(let space)) = result { makeRoom(space) } else { makeRoom(nil) }
    }

    mutating func create(_ header: Segment.Header) {
        let size = settings.segmentSize
        let name = Segment.name(header.firstSeq)
        let opening = Segment.opening(header)
        if catalogue.index(of: header.firstSeq) != nil {
            // A recovered file of this name without a record: it is never appended to, and it is
            // never away either, for it may be all that remembers the numbers.
            request(.replace(name: name, bytes: opening + [UInt8](repeating: 0, count: size - opening.count)), .create)
        } else {
            request(.create(name: name, size: size, header: opening), .create)
        }
    }

    mutating func created(_ result: Result<DiskAnswer, DiskFailure>) {
        guard let header = creating else { return }
        creating = nil
        switch result {
        case .failure(let failure):
            // A half-made file of this name would stand in the way of the next try. One that was there is not ours.
            if failure.kind != .readOnly, failure.kind != .exists, catalogue.index(of: header.firstSeq) == nil {
                request(.remove(name: Segment.name(header.firstSeq)), .housekeeping)
            }
            if isMemoryOnly { probeLater(failure); return }
            diskFailed(failure)
        case .success:
            if let old = catalogue.index(of: header.firstSeq) { catalogue.remove(at: old) }
            // Of a file whose numbers skip, the next one cannot tell how many records it had.
            if let last = catalogue.indices.last, catalogue[last].header.sparse { noteRecords(last) }
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
        guard mayWritePages else {
            arePagesWanted = true
            return commitNow()
        }
        arePagesWanted = false
        for place in catalogue.indices { writePage(place) }
    }

    /// What was dropped is told first, durably: no gap is open or on its way.
    var mayWritePages: Bool {
        urgentGaps.isEmpty && !(commit?.items.contains { $0.gap != nil } ?? false)
            && !pending.contains { $0.gap != nil }
    }

    mutating func writePage(_ place: Int) {
        guard catalogue[place].isDirty, !catalogue[place].isPoisoned, !catalogue[place].isRemoving,
            !catalogue[place].isBeingReplaced, !isMemoryOnly
        else { return }
        guard mayWritePages else { arePagesWanted = true; return }
        let first = catalogue[place].firstSeq
        let isLast = first != active || isDraining && pending.isEmpty
        let extent = page(place, isComplete: isLast && first != commit?.segment)
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
        guard phase == .running, state.alive == 0, state.openMarks == 0, !state.isRemoving, !state.isBeingReplaced,
            segment != active, commit?.segment != segment, place < catalogue.segments.count - 1,
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
