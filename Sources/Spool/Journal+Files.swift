import Base

/// The segment files: made within the bounds, their settled pages written, rewritten shorter,
/// removed.
extension Journal {
    // MARK: - A new segment

    /// Asks for the room on the disk first: the answer decides what has to go.
    ///
    /// - Parameter first: the lowest number of a segment whose numbers may skip; nil: the next one
    ///   continues.
    mutating func beginSegment(sparseFrom first: UInt64? = nil, at now: Moment) {
        guard room.creating == nil else { return }
        let seq = first ?? writer.pending.firstSeq ?? numbers.next
        let isSparse = first != nil || settings.offersEarly
        let header = Segment.Header(
            salt: salt(), firstSeq: seq, previous: isSparse ? 0 : catalogue.continued(by: seq),
            bootID: clock.bootID, created: now, clockTrusted: clock.isTrusted, sparse: isSparse,
            identity: settings.identity)
        room.begin(header)
        outbox.request(.space, .space)
    }

    private mutating func salt() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }

    /// Makes the segment that is wanted, once there is room for it.
    mutating func makeRoom(_ space: DiskSpace?, at now: Moment) {
        guard room.creating != nil else { return }
        reapAll(at: now)
        while let step = room.next(space, &catalogue, backlog, writing: writer.segment) {
            switch step {
            case .create(let header): return create(header, at: now)
            case .wait: return
            case .rewrite(let place, let victims, let spares):
                return rewrite(place, losing: victims, sparesPriority: spares, .full)
            case .remove(let file): remove(file, at: now)
            case .drop(let place): dropSegment(place, .full, at: now)
            }
        }
    }

    /// Tells of numbers that an earlier run had reserved. Until that is durable, each file keeps
    /// from where on they are: this run may end before it has told.
    mutating func skip(_ numbers: Loss, at now: Moment) {
        if ledger.subfolder != nil { reserve.skipped(from: numbers.gap.from) }
        lose(numbers, at: now)
    }

    private mutating func remove(_ file: AsideFile, at now: Moment) {
        if file.isNewer {
            let seq = file.firstSeq
            lose(Loss(Gap(device: nil, from: seq, to: seq, count: 1, reason: .full)), at: now)
            outbox.note(
                .warning,
                "\(file.name), written by a newer fieldgw, is removed: there is no room for it")
        }
        outbox.request(.remove(name: file.name), .housekeeping)
    }

    private mutating func create(_ header: Segment.Header, at now: Moment) {
        let size = settings.segmentSize
        let name = Segment.name(header.firstSeq)
        let record = reserve.next(numbers.next, at: now.instant)
        room.reserves(record)
        let opening = Segment.opening(header, reserve: record)
        if catalogue.index(of: header.firstSeq) != nil {
            // A recovered file of this name without a record: it is never appended to, and it is
            // never away either, for it may be all that remembers the numbers.
            let bytes = opening + [UInt8](repeating: 0, count: size - opening.count)
            outbox.request(.replace(name: name, bytes: bytes), .create)
        } else {
            outbox.request(.create(name: name, size: size, header: opening), .create)
        }
    }

    mutating func created(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        guard let (header, record) = room.end() else { return }
        let old = catalogue.index(of: header.firstSeq)
        if case .failure(let failure) = result {
            // A half-made file of this name would stand in the way of the next try. One that was
            // there before is not of this run.
            if failure.kind != .readOnly, failure.kind != .exists, old == nil {
                outbox.request(.remove(name: Segment.name(header.firstSeq)), .housekeeping)
            }
            return mode.isMemory ? probeLater(failure, at: now) : diskFailed(failure, at: now)
        }
        if let old { catalogue.remove(at: old) }
        // Of a file whose numbers skip, the next one cannot tell how many records it had.
        if let last = catalogue.indices.last, catalogue[last].header.sparse {
            catalogue[last].pages.noteRecords()
        }
        catalogue.activate(
            SegmentState(header, fileSize: settings.segmentSize, reserve: record))
        if let record { reserve.written(record) }
        clock.headerWritten(header)
        if mode.isMemory { returnToDisk(at: now) }
        reapAll(at: now)
        writer.want()
        continueCommits(at: now)
    }

    // MARK: - Settled pages

    /// Notes that a record is settled, by acknowledgement or as dropped.
    mutating func finish(_ item: Item, at now: Moment) {
        guard !item.isTold else { return }
        backlog.count(item, -1)
        if item.isPending {
            if writer.acknowledged(item.record.seq) { counters.neverWritten += 1 }
            return
        }
        settleBit(of: item, at: now)
    }

    /// Sets the bit of a record that is out of the sums.
    mutating func settleBit(of item: Item, at now: Moment) {
        guard item.segment != 0, let place = catalogue.index(of: item.segment) else { return }
        catalogue[place].settle(item)
        let isDue = writer.settled()
        if catalogue[place].alive == 0, item.segment != catalogue.active {
            writePage(place, at: now)
            reap(item.segment)
        }
        if isDue || isDraining {
            writePages(at: now)
        } else {
            outbox.armOnce(.settle, at: now.instant + SettledPages.delay)
        }
    }

    /// Writes the pages of all segments whose bits have changed.
    mutating func writePages(at now: Moment) {
        outbox.disarm(.settle)
        writer.pagesBegan()
        guard mode.isRecovered else { return }
        guard mayWritePages else {
            writer.wantPages()
            return commitNow(at: now)
        }
        writer.pagesWritten()
        for place in catalogue.indices { writePage(place, at: now) }
    }

    /// Whether no gap is open or on its way to the disk: what was dropped is reported first,
    /// durably.
    var mayWritePages: Bool { !ledger.hasUrgent && !writer.hasGap }

    mutating func writePage(_ place: Int, at now: Moment) {
        guard catalogue[place].wantsPage, !mode.isMemory else { return }
        guard mayWritePages else { return writer.wantPages() }
        let (segment, seed) = (catalogue[place].firstSeq, catalogue[place].seed)
        let isAppended = segment == catalogue.active && !(isDraining && writer.pending.isEmpty)
        let isComplete = !isAppended && !writer.isWriting(to: segment)
        let page = catalogue[place].pages.next(isComplete: isComplete, seed: seed, at: now.instant)
        catalogue[place].pages.writeBegan()
        counters.bytesWritten += page.bytes.count
        outbox.request(
            .write(name: catalogue[place].name, extents: [page], sync: true),
            .page(segment: segment))
    }

    mutating func pageWritten(
        _ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment
    ) {
        guard let place = catalogue.index(of: segment) else { return }
        catalogue[place].pages.writeEnded()
        if case .failure(let failure) = result {
            counters.failures += 1
            catalogue[place].poison()
            outbox.note(
                .warning,
                "cannot note acknowledgements in \(catalogue[place].name): \(failure.detail); "
                    + "records may be sent twice after a restart")
            catalogue.seal(segment)
        }
        reap(segment)
    }

    // MARK: - Removal

    /// Removes a segment of which nothing is wanted any more.
    mutating func reap(_ segment: UInt64) {
        guard mode.isRecovered, let place = catalogue.index(of: segment),
            catalogue.isRemovable(place, writing: writer.segment)
        else { return }
        remove(place)
    }

    mutating func reapAll(at now: Moment) {
        for segment in catalogue.empty {
            if let place = catalogue.index(of: segment), segment != catalogue.active {
                writePage(place, at: now)
            }
            reap(segment)
        }
    }

    private mutating func remove(_ place: Int) {
        catalogue[place].beginRemoving()
        outbox.request(
            .remove(name: catalogue[place].name), .remove(segment: catalogue[place].firstSeq))
    }

    mutating func removed(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>) {
        guard let place = catalogue.index(of: segment) else { return }
        if case .failure(let failure) = result, failure.kind != .missing {
            counters.failures += 1
            catalogue[place].removingFailed()
        } else {
            catalogue.remove(at: place)
        }
    }

    /// Drops the oldest segment with all that waits in it; false if there is none.
    mutating func dropOldest(_ reason: Gap.Reason, at now: Moment) -> Bool {
        guard let place = catalogue.oldestDroppable(writing: writer.segment) else { return false }
        dropSegment(place, reason, at: now)
        return true
    }

    private mutating func dropSegment(_ place: Int, _ reason: Gap.Reason, at now: Moment) {
        let segment = catalogue[place]
        catalogue.seal(segment.firstSeq)
        let losses = backlog.forget(segment, gateway: settings.gateway, reason, tails)
        for loss in losses { lose(loss, at: now) }
        catalogue[place].forget()
        remove(place)
    }

    // MARK: - Bounds

    mutating func trimShares(at now: Moment) {
        for main in backlog.indices where backlog[main].main == main { trimShare(main, at: now) }
    }

    /// Drops a device's oldest loaded records if it has more than its share.
    mutating func trimShare(_ main: Int, at now: Moment) {
        for item in backlog.trimShare(main, tails) {
            lose(item, .share, at: now)
            settleBit(of: item, at: now)
        }
    }

    mutating func upkeep(at now: Moment) {
        outbox.arm(.upkeep, at: now.instant + Self.upkeepPace)
        guard mode.isRecovered else { return }
        reapAll(at: now)
        room.beginAging()
        dropAged(at: now)
        if let place = catalogue.activePlace {
            catalogue[place].pages.noteRecords()
            if catalogue[place].pages.isDirty {
                outbox.armOnce(.settle, at: now.instant + SettledPages.delay)
            }
        }
        if !ledger.isEmpty { flushGaps(at: now) }
    }

    /// Drops the records of the oldest segment if its newest one is too old; their loss is noted
    /// first. What is in flight stays, so a segment is done once in a round of upkeep.
    private mutating func dropAged(at now: Moment) {
        let (active, writing) = (catalogue.active, writer.segment)
        guard clock.isTrusted, mode == .journal, !room.isRewriting,
            let place = catalogue.indices.first(where: {
                catalogue[$0].alive > 0 && !room.hasAged(catalogue[$0].firstSeq)
                    && RoomMaker.mayRewrite(catalogue[$0], active, writing)
            })
        else { return }
        let segment = catalogue[place]
        guard clock.age(of: segment.newest, boot: segment.header.bootID, at: now) > settings.maxAge
        else { return }
        room.noteAged(segment.firstSeq)
        rewrite(place, losing: Set(segment.tallies.keys), sparesPriority: false, .age)
    }

    // MARK: - Rewriting

    private mutating func rewrite(
        _ place: Int, losing victims: Set<Int>, sparesPriority: Bool, _ reason: Gap.Reason
    ) {
        room.rewrite(&catalogue[place], losing: victims, sparesPriority: sparesPriority, reason)
        outbox.request(.load(name: catalogue[place].name), .rewriteLoad)
    }

    mutating func rewriteLoaded(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        if case .failure(let failure) = result { return rewriteFailed(failure, at: now) }
        guard let place = room.segment.flatMap({ catalogue.index(of: $0) }),
            let bytes = result.bytes,
            !mode.isMemory || room.creating != nil
        else { return rewriteFailed(DiskFailure(.io, "not now"), at: now) }
        let salt = salt()
        guard
            let made = room.make(
                from: bytes, catalogue[place], limit: catalogue.limit(place), salt: salt,
                totals: ledger.totals,
                &backlog, at: now.instant)
        else { return }
        outbox.request(.replace(name: catalogue[place].name, bytes: made.bytes), .rewrite)
        counters.bytesWritten += made.bytes.count
    }

    mutating func rewritten(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        if case .failure(let failure) = result { return rewriteFailed(failure, at: now) }
        guard let work = room.endRewriting(), let made = work.made,
            let place = catalogue.index(of: work.segment)
        else { return }
        room.freed(catalogue[place].fileSize - made.bytes.count)
        ledger.totalsRewritten(work.totals)
        let losses = made.replace(place, work.reason, &catalogue, &backlog, tails)
        for offset in made.notes { ledger.mark(LossLedger.Mark(note: offset, in: work.segment)) }
        for loss in losses { lose(loss, at: now) }
        if made.notes.isEmpty { reap(work.segment) }
        afterRewriting(at: now)
    }

    private mutating func rewriteFailed(_ failure: DiskFailure, at now: Moment) {
        guard let work = room.endRewriting() else { return }
        counters.failures += 1
        if let place = catalogue.index(of: work.segment) {
            catalogue[place].rewritingFailed()
            // Not a block is free: the oldest goes as it is.
            if failure.kind == .noSpace, !work.victims.isEmpty, !mode.isMemory {
                room.freed(catalogue[place].fileSize)
                dropSegment(place, work.reason, at: now)
            }
        }
        afterRewriting(at: now)
    }

    private mutating func afterRewriting(at now: Moment) {
        if room.creating != nil { outbox.request(.space, .space) } else { dropAged(at: now) }
        loadMore(at: now)
    }

    // MARK: - Trimming

    /// Gives back what recovered files were preallocated for, one file after the other: they are
    /// never appended to, and every restart in an outage would cost a whole segment of the bound.
    mutating func trimSegments() {
        for place in catalogue.indices
        where catalogue[place].alive > 0 && catalogue[place].fate == .kept {
            let spare = catalogue[place].fileSize - catalogue[place].trimmedSize
            if spare >= 16 << 10 { catalogue[place].beginTrimming() }
        }
        trimNext()
    }

    private mutating func trimNext() {
        guard let place = catalogue.indices.first(where: { catalogue[$0].fate == .trimming }) else {
            return
        }
        outbox.request(
            .load(name: catalogue[place].name), .trimLoad(segment: catalogue[place].firstSeq))
    }

    mutating func trim(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment)
    {
        guard let place = catalogue.index(of: segment), catalogue[place].fate == .trimming,
            !mode.isMemory,
            let bytes = result.bytes, bytes.count >= catalogue[place].trimmedSize
        else { return endTrim(segment, at: now) }
        let kept = Array(bytes.prefix(catalogue[place].trimmedSize))
        outbox.request(.replace(name: catalogue[place].name, bytes: kept), .trim(segment: segment))
    }

    mutating func trimmed(
        _ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment
    ) {
        if case .failure = result {
            counters.failures += 1
        } else if let place = catalogue.index(of: segment) {
            catalogue[place].trimmed()
        }
        endTrim(segment, at: now)
    }

    private mutating func endTrim(_ segment: UInt64, at now: Moment) {
        if let place = catalogue.index(of: segment) {
            catalogue[place].endTrimming()
            if catalogue[place].alive == 0 || isDraining { writePage(place, at: now) }
        }
        trimNext()
        reap(segment)
    }
}
