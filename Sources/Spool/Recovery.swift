import Base

/// What recovery knows between two answers of the disk.
struct Recovery: Sendable {
    struct File: Sendable {
        var name: String
        var firstSeq: UInt64
        var size: Int
    }

    var files: [File]
    var segments: [SegmentState] = []
    /// Files to be set aside, and whether they ever held records.
    var aside: [(file: File, hadRecords: Bool)] = []
    /// Files set aside before.
    var oldAside: [File] = []
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
            let file = Recovery.File(name: entry.name, firstSeq: first, size: entry.size)
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
        guard file < recovery.files.count else { scanSegment(0); return }
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
        guard let name = recovery?.files[file].name, let first = recovery?.files[file].firstSeq,
            let size = recovery?.files[file].size
        else { return }
        var bytes: [UInt8] = []
        if case .success(.bytes(let read)) = result { bytes = read }
        let header: Segment.Header
        do {
            header = try Segment.header(bytes)
        } catch {
            if case .version(let found, _) = error {
                note(.warning, "\(name) has format version \(found), made by a newer fieldgw: set aside")
            }
            // Only a file that holds something beyond its header has lost records.
            if bytes.dropFirst(Segment.headerSize).contains(where: { $0 != 0 }) {
                setAside(file, hadRecords: true)
            } else {
                request(
                    .read(name: name, offset: Segment.dataStart, count: SegmentScanner.chunkSize),
                    .probe(file: file))
            }
            return
        }
        guard header.firstSeq == first else { setAside(file, hadRecords: true); return }
        guard header.identity == settings.identity else {
            fail("the journal belongs to \(Notice.printable(header.identity)), not to \(settings.identity): "
                + "give this gateway another directory, or remove its files if nothing in them is wanted")
            return
        }
        var segment = SegmentState(header, fileSize: size)
        let newest = Settled.newest(in: bytes, seed: segment.seed)
        (segment.generation, segment.settled) = (newest.generation, newest.settled)
        if newest.damaged > 0 {
            note(.info, "\(name): a page of acknowledgements is torn or damaged; some records may go twice")
        }
        if header.clockTrusted { anchors.learn(header.bootID, header.created) }
        recovery?.segments.append(segment)
        readNextHeader(file + 1)
    }

    mutating func probedDamaged(_ file: Int, _ result: Result<DiskAnswer, DiskFailure>) {
        var hadRecords = true
        if case .success(.bytes(let bytes)) = result { hadRecords = bytes.contains { $0 != 0 } }
        setAside(file, hadRecords: hadRecords)
    }

    private mutating func setAside(_ file: Int, hadRecords: Bool) {
        if let bad = recovery?.files[file] {
            recovery?.aside.append((bad, hadRecords))
            if hadRecords { note(.warning, "\(bad.name) has no valid header: set aside as \(bad.name).bad") }
        }
        readNextHeader(file + 1)
    }

    // MARK: - Records

    private mutating func scanSegment(_ index: Int) {
        guard let segments = recovery?.segments else { return }
        guard index < segments.count else { finishRecovery(); return }
        let limit = index + 1 < segments.count ? segments[index + 1].firstSeq : UInt64.max
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
            case .damage(_, let lost): damaged(lost, before: scanner.lastSeq &+ 1)
            case .more(let offset, let count):
                recovery?.scanner = scanner
                readChunk(offset, count)
                return
            case .end(let offset, let torn):
                recovery?.scanner = nil
                endSegment(place, offset, torn: torn, lastSeq: scanner.lastSeq)
                scanSegment(current + 1)
                return
            }
        }
    }

    private mutating func admit(_ found: SegmentScanner.Found, _ bytes: [UInt8], _ place: Int) {
        let header = found.header
        let here = Position(segment: catalogue[place].firstSeq, offset: found.offset)
        catalogue[place].end = found.offset + header.size
        if header.type == Record.RecordType.anchor.rawValue {
            guard found.payload.count >= 16 else { return }
            let wall = Record.little(bytes, found.payload.lowerBound + 8, Int64.self)
            anchors.learn(catalogue[place].header.bootID, Moment(
                Instant(nanoseconds: Int64(bitPattern: header.bootTime)), WallTime(milliseconds: wall)))
            return
        }
        guard header.type == Record.RecordType.data.rawValue else { return }
        catalogue[place].lastSeq = header.seq
        guard !catalogue[place].settled.contains(offset: found.offset) else { return }
        guard let parts = Record.Parts(bytes, found.payload),
            let device = devices.index(ofName: bytes[parts.device])
        else {
            damaged(1, before: header.seq + 1)
            return
        }
        recovery?.records += 1
        count(device, records: 1, bytes: header.size)
        let isNext = devices[device].unloaded == 0 && hasRoom(device, header.size)
        catalogue[place].add(device, seq: header.seq, wall: parts.wall, size: header.size, unloaded: !isNext)
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

    private mutating func damaged(_ lost: Int, before seq: UInt64) {
        guard lost > 0 else { return }
        recovery?.lost += lost
        counters.damaged += lost
        lose(Gap(
            device: nil, from: seq &- UInt64(lost), to: seq &- 1, count: lost, fromTime: nil, toTime: nil,
            reason: .damage))
    }

    /// A later segment that continues this one tells how many records this one had.
    private mutating func endSegment(_ place: Int, _ offset: Int, torn: Bool, lastSeq: UInt64) {
        catalogue[place].end = max(catalogue[place].end, offset)
        catalogue[place].lastSeq = max(lastSeq, catalogue[place].firstSeq &- 1)
        guard let recovery else { return }
        // Settled bits behind the end: records that were there, and sent.
        let end = catalogue[place].end
        let beyond = catalogue[place].settled.count(in: end..<max(catalogue[place].fileSize, end))
        if recovery.current + 1 < recovery.segments.count {
            let next = recovery.segments[recovery.current + 1].header
            if next.previous == catalogue[place].firstSeq, next.firstSeq > lastSeq &+ 1 {
                let lost = max(Int(clamping: next.firstSeq - lastSeq - 1) - beyond, 0)
                damaged(lost, before: next.firstSeq)
                return
            }
        } else {
            catalogue[place].lastSeq += UInt64(beyond)
        }
        if torn { self.recovery?.torn += 1 }
    }

    // MARK: - The end

    private mutating func finishRecovery() {
        guard let done = recovery else { return }
        recovery = nil
        phase = .running
        var next: UInt64 = 1
        if let last = catalogue.segments.last { next = last.lastSeq + 1 }
        let bad = done.oldAside + done.aside.filter { $0.hadRecords }.map { $0.file }
        for file in bad where file.firstSeq >= next {
            next = file.firstSeq &+ UInt64(Settled.bitCount)
        }
        let isNew = done.files.isEmpty && done.oldAside.isEmpty || next == 1
        nextSeq = max(nextSeq, isNew ? Self.startSeq(now.wall) : next)
        setFilesAside(done)
        if !done.files.isEmpty || done.lost > 0 {
            let milliseconds = (now.instant - done.started).milliseconds
            note(done.lost > 0 ? .warning : .info, "\(done.records) waiting records in "
                + "\(catalogue.segments.count) segments, next number \(nextSeq); "
                + "\(done.lost) lost by damage, \(done.torn) torn ends; took \(milliseconds) ms")
        }
        evict()
        for device in devices.indices where devices[device].aliveBytes > shareMax { trimShare(device) }
        for index in pending.indices where pending[index].record.seq == 0 {
            pending[index].record.seq = nextSeq
            nextSeq += 1
        }
        reapAll()
        trimSegments()
        if isMemoryOnly { beginReturn() } else { commitNow() }
        if isDraining { writePages() }
        loadMore()
    }

    private mutating func setFilesAside(_ done: Recovery) {
        var kept = done.oldAside
        for (file, hadRecords) in done.aside {
            if hadRecords {
                request(.rename(name: file.name, to: file.name + ".bad"), .housekeeping)
                kept.append(Recovery.File(name: file.name + ".bad", firstSeq: file.firstSeq, size: file.size))
            } else {
                // The machine died while it made this file: nothing was ever in it.
                request(.remove(name: file.name), .housekeeping)
            }
        }
        while kept.count > 2 {
            request(.remove(name: kept[0].name), .housekeeping)
            kept.removeFirst()
        }
        catalogue.asideBytes = kept.reduce(0) { $0 + $1.size }
    }
}
