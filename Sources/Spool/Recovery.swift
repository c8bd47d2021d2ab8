import Base

/// What recovery knows between two answers of the disk.
struct Recovery: Sendable {
    var files: [AsideFile]
    var segments: [SegmentState] = []
    /// Files to be set aside.
    var aside: [SetAside] = []
    /// Files set aside before.
    var oldAside: [AsideFile] = []
    /// The first 12 KiB of a file whose header is damaged.
    var head: [UInt8] = []
    var isVersionNewer = false
    /// What this run has counted since the start, before it knew what older ones had.
    var totals = LossTotals()
    var current = 0
    var scanner: SegmentScanner?
    var base = 0
    var count = 0
    var records = 0
    var lost = 0
    var torn = 0
    var started: Instant
}

/// Recovery: sync and read every header, then walk over all records in 64 KiB reads. Nothing is
/// written before its end, so a crash in it changes nothing; nothing damaged ever blocks a start.
extension Spool {
    /// The directory's lock is ours, or the disk has been given up: nobody else journals for this gateway here.
    package var isOwned: Bool { phase == .recovering || phase == .running || isMemoryOnly }
    package var isRecovered: Bool { phase == .running }

    mutating func opened(_ result: Result<DiskAnswer, DiskFailure>) {
        guard case .success(.listing(let entries, _)) = result else {
            var failure = DiskFailure(.io, "the directory could not be listed")
            if case .failure(let reason) = result { failure = reason }
            if failure.kind == .locked {
                fail("the journal is in use by another process: \(failure.detail)")
                return
            }
            phase = .idle
            counters.failures += 1
            enterMemory(failure)
            return
        }
        phase = .recovering
        var found = Recovery(files: [], started: now.instant)
        for entry in entries {
            guard let first = Segment.firstSeq(named: entry.name) else { continue }
            guard first < Numbering.fileEnd else {
                note(.warning, "\(entry.name) is left alone: no journal has a number as high as its name's")
                continue
            }
            let file = AsideFile(name: entry.name, firstSeq: first, size: entry.size)
            if entry.name.hasSuffix(".bad") { found.oldAside.append(file) } else { found.files.append(file) }
        }
        found.files.sort { $0.firstSeq < $1.firstSeq }
        found.oldAside.sort { $0.firstSeq < $1.firstSeq }
        for device in devices.indices where isMemoryOnly { holdMemory(device) }
        recovery = found
        readNextHeader(0)
    }

    /// What waits in memory stands behind what recovery will find.
    private mutating func holdMemory(_ device: Int) {
        while let last = devices[device].window.popLast() {
            loadedBytes -= last.size
            memoryBytes += last.size
            devices[device].tail.insert(last)
        }
        refresh(device)
    }

    mutating func fail(_ message: String) {
        phase = .failed
        recovery = nil
        timers.disarmAll()
        emit(.failed(message))
    }

    // MARK: - Headers

    private mutating func readNextHeader(_ file: Int) {
        guard let recovery else { return }
        guard file < recovery.files.count else { lookAtAside(0); return }
        request(.sync(name: recovery.files[file].name), .sync(file: file))
        request(
            .read(name: recovery.files[file].name, offset: 0, count: Segment.dataStart), .header(file: file))
    }

    mutating func synced(_ file: Int, _ result: Result<DiskAnswer, DiskFailure>) {
        guard case .failure(let failure) = result else { return }
        counters.failures += 1
        note(.warning, "cannot sync \(recovery?.files[file].name ?? ""): \(failure.detail)")
    }

    mutating func readHeader(_ file: Int, _ result: Result<DiskAnswer, DiskFailure>) {
        guard let name = recovery?.files[file].name else { return }
        var bytes: [UInt8] = []
        if case .success(.bytes(let read)) = result { bytes = read }
        do { accept(try Segment.header(bytes), file, bytes) } catch {
            var isNewer = false
            if case .version(let found, let known) = error { isNewer = found > known }
            recovery?.head = bytes
            recovery?.isVersionNewer = isNewer
            request(
                .read(name: name, offset: Segment.dataStart, count: SegmentScanner.chunkSize), .probe(file: file))
        }
    }

    /// The header's copy stands before the records. Only a file that holds something has lost records.
    mutating func probedDamaged(_ file: Int, _ result: Result<DiskAnswer, DiskFailure>) {
        guard let head = recovery?.head, let name = recovery?.files[file].name else { return }
        var bytes: [UInt8] = []
        if case .success(.bytes(let read)) = result { bytes = read }
        if let copy = Segment.headerCopy(bytes) {
            note(.warning, "\(name): its header is damaged; the copy of it is used")
            return accept(copy, file, head)
        }
        if recovery?.isVersionNewer == true, var newer = recovery?.files[file] {
            note(.warning, "\(name) is of a format that a newer fieldgw has written: it is left alone")
            newer.isNewer = true
            recovery?.oldAside.append(newer)
            return readNextHeader(file + 1)
        }
        let isRead = if case .success = result { true } else { false }
        let holds = head.dropFirst(Segment.headerSize).contains { $0 != 0 } || bytes.contains { $0 != 0 }
        if isRead, !Segment.isBeginning(head) { return setAside(file, .foreign) }
        setAside(file, holds || !isRead ? .records : .none)
    }

    private mutating func accept(_ header: Segment.Header, _ file: Int, _ head: [UInt8]) {
        guard let name = recovery?.files[file].name, let first = recovery?.files[file].firstSeq,
            let size = recovery?.files[file].size
        else { return }
        guard header.firstSeq == first else { setAside(file, .records); return }
        guard header.identity == settings.identity else {
            fail("the journal belongs to \(Notice.printable(header.identity)), not to \(settings.identity): "
                + "give this gateway another directory, or remove its files if nothing in them is wanted")
            return
        }
        var segment = SegmentState(header, fileSize: size)
        let newest = Settled.newest(in: head, seed: segment.seed)
        (segment.generation, segment.settled) = (newest.generation, newest.settled)
        segment.notedRecords = newest.settled.records
        if newest.damaged > 0 {
            note(.info, "\(name): a page of acknowledgements is torn or damaged; some records may go twice")
        }
        if header.clockTrusted { anchors.learn(header.bootID, header.created) }
        recovery?.segments.append(segment)
        readNextHeader(file + 1)
    }

    private mutating func setAside(_ file: Int, _ content: SetAside.Content) {
        if var bad = recovery?.files[file] {
            bad.isForeign = content == .foreign
            recovery?.aside.append(SetAside(file: bad, content: content))
            switch content {
            case .none: break
            case .records: note(.warning, "\(bad.name) has no valid header: set aside as \(bad.name).bad")
            case .foreign: note(.warning, "\(bad.name) is no file of a journal: set aside as \(bad.name).bad")
            }
        }
        readNextHeader(file + 1)
    }

    // MARK: - Records

    mutating func scanSegment(_ index: Int) {
        guard let segments = recovery?.segments else { return }
        guard index < segments.count else { finishRecovery(); return }
        let limit = index + 1 < segments.count ? segments[index + 1].firstSeq : Numbering.recordEnd
        recovery?.current = index
        recovery?.scanner = SegmentScanner(
            segments[index].header, size: segments[index].fileSize, limit: limit)
        catalogue.insert(segments[index])
        readChunk(Segment.dataStart, SegmentScanner.chunkSize)
    }

    private mutating func readChunk(_ offset: Int, _ count: Int) {
        guard let current = recovery?.current, let name = recovery?.segments[current].name else { return }
        recovery?.base = offset
        recovery?.count = count
        request(.read(name: name, offset: offset, count: count), .scan)
    }

    mutating func scanned(_ result: Result<DiskAnswer, DiskFailure>) {
        guard var scanner = recovery?.scanner, let base = recovery?.base, let count = recovery?.count,
            let current = recovery?.current, let first = recovery?.segments[current].firstSeq,
            let place = catalogue.index(of: first)
        else { return }
        let size = catalogue[place].fileSize
        var bytes: [UInt8] = []
        if case .success(.bytes(let read)) = result { bytes = read }
        // What cannot be read counts as zeros: the scanner finds where valid records go on.
        let wanted = max(min(count, size - base), 0)
        if bytes.count < wanted { bytes.append(contentsOf: repeatElement(0, count: wanted - bytes.count)) }
        while true {
            switch scanner.next(in: bytes, base: base, settled: catalogue[place].settled) {
            case .record(let found): admit(found, bytes, place)
            case .damage(let range, let lost): damaged(lost, upTo: scanner.lastSeq, in: range, place)
            case .more(let offset, let count):
                recovery?.scanner = scanner
                readChunk(offset, count)
                return
            case .end(let end):
                recovery?.scanner = nil
                endSegment(place, end)
                scanSegment(current + 1)
                return
            }
        }
    }

    private mutating func admit(_ found: SegmentScanner.Found, _ bytes: [UInt8], _ place: Int) {
        let header = found.header
        let here = Position(segment: catalogue[place].firstSeq, offset: found.offset)
        catalogue[place].end = found.offset + header.size
        guard header.type == Record.RecordType.data.rawValue else {
            admitOther(header, found, bytes, place)
            return
        }
        catalogue[place].lastSeq = header.seq
        guard !catalogue[place].settled.contains(offset: found.offset) else {
            if let parts = Record.Parts(bytes, found.payload), let device = devices.index(ofName: bytes[parts.device]),
                devices[device].alive > 0
            {
                devices[device].isOvertaken = true
            }
            return
        }
        guard let parts = Record.Parts(bytes, found.payload),
            let device = devices.index(ofName: bytes[parts.device])
        else {
            damaged(1, upTo: header.seq, in: found.offset..<found.offset + header.size, place)
            return
        }
        recovery?.records += 1
        let priority = header.flags.contains(.priority)
        count(device, records: 1, bytes: header.size, priority: priority ? header.size : 0)
        let isNext = devices[device].unloaded == 0 && hasRoom(device, header.size)
        let at = Moment(Instant(nanoseconds: Int64(bitPattern: header.bootTime)), parts.wall)
        catalogue[place].add(
            device, seq: header.seq, at: at, size: header.size, priority: priority, unloaded: !isNext)
        if isNext || parts.kind == .gap {
            let item = item(header, parts, device, bytes, at: here, catalogue[place].header)
            if let gap = item.gap { catalogue[place].gaps[header.seq] = gap }
            if isNext { pushWindow(item) }
        }
        if !isNext {
            if devices[device].unloaded == 0 { devices[device].resume = here }
            devices[device].unloaded += 1
        }
    }

    private mutating func admitOther(
        _ header: Record.Header, _ found: SegmentScanner.Found, _ bytes: [UInt8], _ place: Int
    ) {
        if header.seq > 0 { catalogue[place].lastSeq = max(catalogue[place].lastSeq, header.seq - 1) }
        switch Record.RecordType(rawValue: header.type) {
        case .anchor where found.payload.count >= 16:
            let wall = Record.little(bytes, found.payload.lowerBound + 8, Int64.self)
            anchors.learn(catalogue[place].header.bootID, Moment(
                Instant(nanoseconds: Int64(bitPattern: header.bootTime)), WallTime(milliseconds: wall)))
        case .totals:
            if let counts = LossTotals(bytes, found.payload) { recovery?.totals.raise(to: counts) }
        case .note:
            // The machine died before a gap record told it.
            guard !catalogue[place].settled.contains(offset: found.offset),
                let gap = Gap(note: bytes, found.payload)
            else { return }
            lose(gap, again: true)
            mark(1, found.offset..<found.offset + Settled.granule, place)
        case .data, .header, .anchor, nil: break
        }
    }

    private mutating func mark(_ count: Int, _ range: Range<Int>, _ place: Int) {
        catalogue[place].openMarks += 1
        marks.append(Mark(segment: catalogue[place].firstSeq, range: range, count: count))
    }

    private mutating func damaged(_ lost: Int, upTo seq: UInt64, in range: Range<Int>, _ place: Int) {
        guard lost > 0 else { return }
        tellDamage(lost, from: seq &+ 1 &- UInt64(lost), to: seq)
        mark(catalogue[place].settled.count(in: range) + lost, range, place)
    }

    mutating func tellDamage(_ lost: Int, from: UInt64, to: UInt64) {
        recovery?.lost += lost
        counters.damaged += lost
        lose(Gap(device: nil, from: from, to: to, count: lost, reason: .damage))
    }

    /// A later segment that continues this one tells how many records this one had.
    private mutating func endSegment(_ place: Int, _ last: SegmentScanner.End) {
        catalogue[place].end = max(catalogue[place].end, last.offset)
        catalogue[place].settled.records = max(catalogue[place].settled.records, last.records)
        catalogue[place].lastSeq = max(catalogue[place].lastSeq, last.lastSeq, catalogue[place].firstSeq &- 1)
        guard let recovery else { return }
        if last.torn { self.recovery?.torn += 1 }
        // Settled bits behind the end: records that were there and sent, and damage that was told.
        let end = catalogue[place].end
        let beyond = end..<max(Segment.sizeMax, end)
        let known = catalogue[place].settled.count(in: beyond)
        if recovery.current + 1 < recovery.segments.count {
            let next = recovery.segments[recovery.current + 1].header
            let had = next.previous == catalogue[place].firstSeq && !catalogue[place].header.sparse
            guard had, next.firstSeq > scannedSeq(last) else { return damagedEnd(last, place) }
            let lost = max(Int(clamping: next.firstSeq - scannedSeq(last)) - known, 0)
            damaged(lost, upTo: next.firstSeq - 1, in: beyond, place)
        } else {
            damagedEnd(last, place)
            catalogue[place].lastSeq &+= UInt64(known)
            guard last.lost > 0, catalogue[place].header.sparse else { return }
            // Which numbers the lost ones had is not known where numbers may skip.
            catalogue[place].lastSeq = numbers.beyond(catalogue[place].lastSeq, at: now.wall)
        }
    }

    /// The seq after the last record that was read.
    private func scannedSeq(_ last: SegmentScanner.End) -> UInt64 { last.readSeq &+ 1 }

    private mutating func damagedEnd(_ last: SegmentScanner.End, _ place: Int) {
        guard last.lost > 0 else { return }
        tellDamage(last.lost, from: last.readSeq &+ 1, to: max(last.lastSeq, last.readSeq &+ UInt64(last.lost)))
        mark(catalogue[place].settled.count(in: last.damage) + last.lost, last.damage, place)
        catalogue[place].lastSeq = max(catalogue[place].lastSeq, last.readSeq &+ UInt64(last.lost))
        catalogue[place].isEndDamaged = true
    }

    // MARK: - The end

    private mutating func finishRecovery() {
        countAside()
        guard let done = recovery else { return }
        recovery = nil
        phase = .running
        // On top of what was lost before comes what this run has lost already, its own damage included.
        durableTotals = done.totals
        var before = done.totals
        before.add(totals)
        totals = before
        var last = catalogue.segments.last?.lastSeq ?? 0
        let bad = done.oldAside + done.aside.filter { $0.content != .none || $0.lost > 0 }.map { $0.file }
        for file in bad where file.firstSeq > last && file.hasBelievableName {
            last = file.firstSeq + UInt64(Settled.bitCount)
        }
        numbers.begin(after: last == 0 ? nil : last, at: now.wall)
        raiseNumbers(above: last)
        setFilesAside(done)
        if !done.files.isEmpty || done.lost > 0 {
            let milliseconds = (now.instant - done.started).milliseconds
            note(done.lost > 0 ? .warning : .info, "\(done.records) waiting records in "
                + "\(Plural.text(catalogue.segments.count, "segment")), next number \(nextSeq); "
                + "\(done.lost) lost by damage, \(Plural.text(done.torn, "torn end")); took \(milliseconds) ms")
        }
        evict()
        trimShares()
        for index in pending.indices where pending[index].record.seq == 0 {
            pending[index].record.seq = numbers.take()
        }
        reapAll()
        trimSegments()
        if isMemoryOnly { beginReturn() } else { commitNow() }
        if isDraining { writePages() }
        loadMore()
    }
}
