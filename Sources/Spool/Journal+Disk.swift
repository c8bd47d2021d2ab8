import Base

/// The work on the disk: commits, settled pages, segment files, and the outage of the disk.
extension Journal {
    /// Takes the answer to a disk request.
    package mutating func completed(
        _ ticket: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment
    ) {
        guard let purpose = outbox.answered(ticket), mode != .failed else { return }
        switch purpose {
        case .open: opened(result, at: now)
        case .sync, .header, .headerCopy, .aside, .scan: recover(purpose, result, at: now)
        case .reopen: reopened(result, at: now)
        case .space: makeRoom(result.space, at: now)
        case .create: created(result, at: now)
        case .commit: committed(result, at: now)
        case .page(let segment): pageWritten(segment, result, at: now)
        case .remove(let segment): removed(segment, result)
        case .load: loaded(result, at: now)
        case .trimLoad(let segment): trim(segment, result, at: now)
        case .trim(let segment): trimmed(segment, result, at: now)
        case .rewriteLoad: rewriteLoaded(result, at: now)
        case .rewrite: rewritten(result, at: now)
        case .housekeeping: break
        }
    }

    // MARK: - Commits

    /// Commits what is pending if the first of it is due: what was due before may have been
    /// acknowledged.
    mutating func commitDue(at now: Moment) {
        let hasOther = clock.anchorToWrite != nil || isReserveLow || isDraining || writer.isWanted
        if !hasOther, settings.offersEarly, mode == .journal {
            guard let due = writer.pending.due else { return }
            guard due <= now.instant else { return outbox.arm(.commit, at: due) }
        }
        commitNow(at: now)
    }

    /// Commits what is pending, as soon as the write under way has ended.
    mutating func commitNow(at now: Moment) {
        guard mode == .journal else { return }
        guard writer.segment == nil, room.creating == nil else { return writer.want() }
        writer.unwant()
        outbox.disarm(.commit)
        appendDueGaps(at: now)
        let hasOther = clock.anchorToWrite != nil || isDraining && fitTotals
        guard
            !writer.pending.isEmpty || isReserveLow || reserve.isExcessive(numbers.next)
                || catalogue.active != nil && hasOther
        else { return }
        if let place = catalogue.activePlace, writer.fits(catalogue[place]) {
            write(to: place, at: now)
        } else {
            beginSegment(at: now)
        }
    }

    /// Whether there are new totals, and room for them and an anchor behind the last record.
    private var fitTotals: Bool {
        guard ledger.areTotalsNew, let place = catalogue.activePlace else { return false }
        let segment = catalogue[place]
        return segment.end + LossTotals.recordSize + CommitWriter.anchorSize <= segment.fileSize
    }

    private mutating func write(to place: Int, at now: Moment) {
        let (totals, areNew) = ledger.takeTotals()
        let extras = CommitWriter.Extras(
            anchor: clock.takeAnchor(), totals: totals, areTotalsNew: areNew, nextSeq: numbers.next,
            reserve: reserve.next(numbers.next, at: now.instant))
        let extents = writer.begin(&catalogue[place], extras, at: now.instant)
        if writer.pending.isEmpty { writer.add(ledger.takeMarks()) }
        counters.bytesWritten += extents.reduce(0) { $0 + $1.bytes.count }
        outbox.request(.write(name: catalogue[place].name, extents: extents, sync: true), .commit)
    }

    private mutating func committed(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        guard let done = writer.end() else { return }
        if case .failure(let failure) = result { return giveUp(done, failure, at: now) }
        outage.worked()
        counters.commits += 1
        ledger.totalsWritten(done.totals)
        if let record = done.reserve { reserve.written(record) }
        if let place = catalogue.index(of: done.segment) {
            catalogue[place].committed(done.items, end: done.end)
            if isDraining { catalogue[place].pages.noteRecords() }
        }
        for item in done.items { becameDurable(item, done.acknowledged, at: now) }
        for mark in done.marks { close(mark, at: now) }
        backlog.unloadExcess(&catalogue)
        continueCommits(at: now)
        if writer.arePagesWanted { writePages(at: now) }
        loadMore(at: now)
    }

    private mutating func becameDurable(
        _ item: Item, _ acknowledged: Set<UInt64>, at now: Moment
    ) {
        guard let place = catalogue.index(of: item.segment) else { return }
        guard item.isPending else {
            backlog.hold(item.queue, -1)
            let isLoaded = backlog.add(item)
            catalogue[place].add(item, unloaded: !isLoaded)
            return trimShare(backlog[item.queue].main, at: now)
        }
        catalogue[place].add(item, unloaded: false)
        if acknowledged.contains(item.record.seq) {
            settleBit(of: item, at: now)
        } else if backlog.locate(item) {
            trimShare(backlog[item.queue].main, at: now)
        }
    }

    mutating func continueCommits(at now: Moment) {
        if writer.isWanted || isDraining || writer.isBatchFull {
            commitNow(at: now)
        } else if settings.offersEarly, let due = writer.pending.due {
            outbox.armEarlier(.commit, at: max(due, now.instant))
        } else if !writer.pending.isEmpty {
            outbox.armOnce(.commit, at: now.instant + settings.sync)
        }
        if isDraining { writePages(at: now) }
    }

    // MARK: - Gap records

    mutating func flushGaps(at now: Moment) {
        if mode.isMemory { return appendDueGaps(at: now) }
        guard mode == .journal else { return outbox.arm(.gaps, at: now.instant + LossLedger.pace) }
        commitNow(at: now)
    }

    /// Turns the open gaps that are due into records.
    mutating func appendDueGaps(at now: Moment) {
        guard let subfolder = ledger.subfolder else { return }
        let (gaps, next) = ledger.takeDue(isDraining: isDraining, at: now.instant)
        for gap in gaps {
            let entry = Entry(
                device: settings.gateway, subfolder: subfolder, kind: .gap, priority: true,
                body: gap.body,
                at: now, clockTrusted: clock.isTrusted)
            _ = enqueue(
                Item(entry, queue: backlog.newest(of: settings.gateway), gap: gap),
                due: writer.due(isPriority: true, since: now.instant))
        }
        if let next { outbox.arm(.gaps, at: next) }
    }

    /// Sets the bits of a loss that is reported.
    private mutating func close(_ mark: LossLedger.Mark, at now: Moment) {
        guard let place = catalogue.index(of: mark.segment) else { return }
        catalogue[place].close(mark)
        if catalogue[place].alive == 0, mark.segment != catalogue.active {
            writePage(place, at: now)
        }
        outbox.armOnce(.settle, at: now.instant + SettledPages.delay)
        reap(mark.segment)
    }

    // MARK: - A disk that fails

    /// Gives up a file after a failed commit: nothing of the commit is believed, its records go to
    /// another file.
    private mutating func giveUp(
        _ failed: CommitWriter.Commit, _ failure: DiskFailure, at now: Moment
    ) {
        clock.restore(failed.anchor)
        if failed.areTotalsNew { ledger.totalsNotWritten() }
        ledger.restore(failed.marks)
        if let place = catalogue.index(of: failed.segment) { catalogue[place].poison() }
        catalogue.seal()
        writer.putBack(failed)
        diskFailed(failure, at: now)
    }

    /// Decides between another try and memory only.
    mutating func diskFailed(_ failure: DiskFailure, at now: Moment) {
        counters.failures += 1
        switch outage.failed(failure.kind) {
        case .newFile:
            outbox.note(.warning, "write failed (\(failure.detail)): going on in a new file")
            commitNow(at: now)
        case .room where dropOldest(.full, at: now):
            outbox.note(
                .warning, "no space left: the oldest records are dropped (\(failure.detail))")
            commitNow(at: now)
        case .room, .memoryOnly: enterMemory(failure, at: now)
        }
    }

    private mutating func enterMemory(_ failure: DiskFailure, at now: Moment) {
        guard !mode.isMemory else { return probeLater(failure, at: now) }
        mode.diskFailed()
        for main in backlog.indices where backlog[main].main == main { join(main) }
        catalogue.seal()
        writer.unwant()
        outbox.disarm(.commit)
        outbox.note(
            .error,
            "the disk fails (\(failure.detail)): readings are kept in memory only, "
                + "\(settings.memoryMax >> 10) KiB of them; a power cut now loses them")
        numbers.leap(at: now.wall)
        for item in writer.takePending(&numbers, &outage, &backlog) {
            backlog.keepInMemory(item, tails)
        }
        for lost in backlog.trimMemory() { lose(lost, .memory, at: now) }
        outage.begin()
        outbox.arm(.probe, at: now.instant + outage.pause)
    }

    mutating func probeLater(_ failure: DiskFailure, at now: Moment) {
        mode.diskFailed()
        outage.probeFailed()
        outbox.arm(.probe, at: now.instant + outage.pause)
        outbox.note(.debug, "the disk still fails: \(failure.detail)")
        // What waited for the disk's return is sent from memory.
        backlog.refillAll(tails)
    }

    mutating func probe(at now: Moment) {
        switch mode {
        case .memory(.unopened):
            mode = .memory(.opening)
            outbox.request(.open, .open)
        // The directory may be another one by now: mounted over, or made anew.
        case .memory(.failing) where room.creating == nil,
            .memory(.returning) where room.creating == nil:
            outbox.request(.open, .reopen)
        case .memory: outbox.arm(.probe, at: now.instant + outage.pause)
        case .new, .opening, .recovering, .journal, .failed: break
        }
    }

    /// Goes on with the return: the directory is there again, or made anew, and locked.
    private mutating func reopened(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        guard mode.isMemory, mode.isRecovered else { return }
        if case .failure(let failure) = result { return probeLater(failure, at: now) }
        beginReturn(at: now)
    }

    /// Tries a new file for what is in memory; numbers in it rise but may skip. Before that,
    /// records in flight must be acknowledged or given back: they could not be told from their
    /// copies in the file.
    mutating func beginReturn(at now: Moment) {
        guard mode.isMemory, mode.isRecovered, room.creating == nil else { return }
        mode = backlog.hasMemoryInFlight ? .memory(.returning) : .memory(.failing)
        guard !mode.isReturning else { return }
        // From the first number that was given up on: what a failed write may have left of it under
        // that number is then no part of the older file.
        let inMemory = backlog.firstInMemory(above: catalogue.newestSeq) ?? .max
        beginSegment(
            sparseFrom: min(numbers.next, outage.renumberedFrom ?? .max, inMemory), at: now)
    }

    /// Has the records in memory go to the new file.
    mutating func returnToDisk(at now: Moment) {
        let newest = catalogue.newestSeq
        mode = .journal
        outage.end()
        outbox.disarm(.probe)
        outbox.note(.info, "the disk works again")
        let items = backlog.takeMemory(above: newest)
        loader.reset()
        // New records went out while the backlog could not be read: it goes beside them now.
        for main in backlog.overtaken { split(backlog[main].id) }
        for item in items { backlog.hold(item.queue, +1) }
        writer.prepend(items)
        writePages(at: now)
    }

    // MARK: - Recovery

    private mutating func opened(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        guard case .success(.listing(let entries, _)) = result else {
            let failure = result.failure ?? DiskFailure(.io, "the directory could not be listed")
            if failure.kind == .locked {
                return fail("the journal is in use by another process: \(failure.detail)")
            }
            counters.failures += 1
            return enterMemory(failure, at: now)
        }
        mode.opened()
        if mode.isMemory { backlog.holdBackAll() }
        var recovery = Recovery(
            entries, identity: settings.identity, bootID: clock.bootID, &outbox, at: now.instant)
        let progress = recovery.begin(&catalogue, &outbox)
        self.recovery = recovery
        follow(progress, at: now)
    }

    /// Hands an answer to the recovery.
    private mutating func recover(
        _ purpose: Outbox.Purpose, _ result: Result<DiskAnswer, DiskFailure>, at now: Moment
    ) {
        if case .sync = purpose, result.failure != nil, recovery != nil { counters.failures += 1 }
        let progress = recovery?.answered(purpose, result, &catalogue, &backlog, &outbox)
        if let progress { follow(progress, at: now) }
    }

    private mutating func follow(_ progress: Recovery.Progress, at now: Moment) {
        takeFindings(at: now)
        switch progress {
        case .going: break
        case .ended: finishRecovery(at: now)
        case .refused(let reason): fail(reason)
        }
    }

    private mutating func takeFindings(at now: Moment) {
        guard let findings = recovery?.takeFindings() else { return }
        for (boot, anchor) in findings.anchors { clock.learn(boot, anchor) }
        for loss in findings.losses { lose(loss, at: now) }
        for mark in findings.marks { ledger.mark(mark) }
    }

    private mutating func fail(_ message: String) {
        mode = .failed
        recovery = nil
        outbox.fail(message)
    }

    private mutating func finishRecovery(at now: Moment) {
        recovery?.countUnreadable()
        takeFindings(at: now)
        guard let done = recovery else { return }
        recovery = nil
        mode.recovered()
        // On top of what was lost before comes what this run has lost already, its own damage
        // included.
        ledger.recovered(done.totals)
        if done.isLastSeqUnknown, let place = catalogue.indices.last {
            catalogue[place].raise(lastSeq: numbers.beyond(catalogue[place].lastSeq, at: now.wall))
        }
        let (last, skipped) = numbers.begin(
            after: done, catalogue, isReserving: settings.offersEarly, at: now.wall)
        if let skipped { skip(skipped, at: now) }
        // Memory-only mode may have begun below the numbers of a journal that could not be read
        // then.
        if mode.isMemory { backlog.raiseNumbers(above: last ?? 0, &numbers) }
        catalogue.setAside(done.setAside(&outbox))
        done.report(catalogue, next: numbers.next, &outbox, at: now.instant)
        backlog.unloadExcess(&catalogue)
        trimShares(at: now)
        writer.number(&numbers)
        reapAll(at: now)
        trimSegments()
        if mode.isMemory { beginReturn(at: now) } else { commitNow(at: now) }
        if isDraining { writePages(at: now) }
        loadMore(at: now)
    }

    // MARK: - Loading

    /// Reads for the device that is furthest behind among those that want records.
    mutating func loadMore(at now: Moment) {
        // Where the last record of a backlog has gone, what was live is all that there is.
        for queue in backlog.takeEnded() { join(queue) }
        guard !loader.isReading, mode.isRecovered, !loader.isHeld else { return }
        let (place, lost) = backlog.nextToLoad(&catalogue, tails)
        for (loss, segment) in lost {
            lose(loss, at: now)
            if let segment { reap(segment) }
        }
        if let place { outbox.request(loader.begin(place), .load) }
    }

    private mutating func loaded(_ result: Result<DiskAnswer, DiskFailure>, at now: Moment) {
        guard let chunk = loader.end() else { return }
        if let failure = result.failure {
            counters.failures += 1
            let remedy = loader.failed(
                chunk, failure, isMemoryOnly: mode.isMemory, &outbox, at: now)
            if remedy == .retry { return backlog.refillAll(tails) }
            if remedy == .passFile, let place = catalogue.index(of: chunk.place.segment) {
                backlog.pass(catalogue[place])
            }
        }
        if let place = catalogue.index(of: chunk.place.segment), !catalogue[place].isRemoving {
            let thisBoot = catalogue[place].header.bootID == clock.bootID
            let needed = Loader.distribute(
                result.bytes ?? [], chunk, &catalogue[place], &backlog, thisBoot: thisBoot)
            if needed > chunk.count {
                return outbox.request(loader.begin(chunk.place, count: needed), .load)
            }
            trimShares(at: now)
        }
        backlog.unloadExcess(&catalogue)
        loadMore(at: now)
    }

    mutating func reread(at now: Moment) {
        guard loader.retry() else { return }
        // What only memory has stands behind what may be read now.
        if mode.isMemory { backlog.holdBack(above: catalogue.newestSeq) }
        for lost in backlog.trimMemory() { lose(lost, .memory, at: now) }
        loadMore(at: now)
    }
}
