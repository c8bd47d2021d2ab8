import Base

/// Recovery: reads every header, then walks over all records in 64 KiB reads. Nothing is written
/// before its end, so a crash in it changes nothing; nothing damaged ever blocks a start.
struct Recovery: Sendable {
    private let identity: String
    private let bootID: [UInt8]
    private let started: Instant
    private var files: [AsideFile] = []
    private var segments: [SegmentState] = []
    private var aside = AsideFiles()
    /// The first 12 KiB of a file whose header is damaged.
    private var head: [UInt8] = []
    private var isVersionNewer = false
    /// Place of the segment that is being walked over.
    private var current = 0
    private var scanner: SegmentScanner?
    /// The part of the segment that is being read.
    private var chunk = 0..<0
    private var findings = Findings()
    /// Totals of earlier runs.
    private(set) var totals = LossTotals()
    /// Waiting records that were found.
    private var records = 0
    private(set) var lost = 0
    private var torn = 0
    /// Whether the newest file, in which numbers may skip, is damaged.
    private(set) var isLastSeqUnknown = false
    private var reserves = FoundReserves()
    /// The damage that was found last, and the records that it cost.
    private var lastDamage: (range: Range<Int>, lost: Int)?

    init(
        _ entries: [DiskAnswer.Entry], identity: String, bootID: [UInt8], _ outbox: inout Outbox,
        at now: Instant
    ) {
        self.identity = identity
        self.bootID = bootID
        started = now
        for entry in entries {
            guard let first = Segment.firstSeq(named: entry.name) else { continue }
            guard first < Numbering.fileEnd else {
                outbox.note(
                    .warning,
                    "\(entry.name) is left alone: no journal has a number as high as its name's")
                continue
            }
            let file = AsideFile(name: entry.name, firstSeq: first, size: entry.size)
            if entry.name.hasSuffix(".bad") { aside.add(old: file) } else { files.append(file) }
        }
        files.sort { $0.firstSeq < $1.firstSeq }
    }

    mutating func takeFindings() -> Findings {
        defer { findings = Findings() }
        return findings
    }

    /// Takes the answer to a disk request, and asks for what is read next.
    mutating func answered(
        _ purpose: Outbox.Purpose, _ result: Result<DiskAnswer, DiskFailure>,
        _ catalogue: inout SegmentCatalogue, _ backlog: inout Backlog, _ outbox: inout Outbox
    ) -> Progress {
        switch purpose {
        case .sync(let file): synced(file, result, &outbox)
        case .header(let file): headerRead(file, result.bytes ?? [], &catalogue, &outbox)
        case .headerCopy(let file): headerCopyRead(file, result.bytes, &catalogue, &outbox)
        case .aside(let file): asideRead(file, result.bytes, &catalogue, &outbox)
        default: chunkRead(result, &catalogue, &backlog, &outbox)
        }
    }

    // MARK: - Headers

    mutating func begin(_ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox) -> Progress {
        readHeader(0, &catalogue, &outbox)
    }

    private mutating func readHeader(
        _ file: Int, _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        guard file < files.count else { return readAside(0, &catalogue, &outbox) }
        outbox.request(.sync(name: files[file].name), .sync(file: file))
        outbox.request(
            .read(name: files[file].name, offset: 0, count: Segment.dataStart), .header(file: file))
        return .going
    }

    private func synced(
        _ file: Int, _ result: Result<DiskAnswer, DiskFailure>, _ outbox: inout Outbox
    ) -> Progress {
        guard case .failure(let failure) = result else { return .going }
        outbox.note(.warning, "cannot sync \(files[file].name): \(failure.detail)")
        return .going
    }

    private mutating func headerRead(
        _ file: Int, _ bytes: [UInt8], _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        let header: Segment.Header
        do { header = try Segment.header(bytes) } catch {
            isVersionNewer = false
            if case .version(let found, let known) = error { isVersionNewer = found > known }
            head = bytes
            outbox.request(
                .read(
                    name: files[file].name, offset: Segment.dataStart,
                    count: SegmentScanner.chunkSize),
                .headerCopy(file: file))
            return .going
        }
        return accept(header, file, bytes, &catalogue, &outbox)
    }

    /// Uses the header's copy, which stands before the records; `bytes` are nil if it could not be
    /// read.
    private mutating func headerCopyRead(
        _ file: Int, _ bytes: [UInt8]?, _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        let name = files[file].name
        if let copy = Segment.headerCopy(bytes ?? []) {
            outbox.note(.warning, "\(name): its header is damaged; the copy of it is used")
            return accept(copy, file, head, &catalogue, &outbox)
        }
        if isVersionNewer {
            outbox.note(
                .warning,
                "\(name) is of a format that a newer fieldgw has written: it is left alone")
            aside.leave(files[file])
            return readHeader(file + 1, &catalogue, &outbox)
        }
        let content: SetAside.Content
        if bytes != nil, !Segment.isBeginning(head) {
            content = .foreign
        } else {
            let holds = (head.dropFirst(Segment.headerSize) + (bytes ?? [])).contains { $0 != 0 }
            content = holds || bytes == nil ? .records : .none
        }
        aside.add(files[file], content, &outbox)
        return readHeader(file + 1, &catalogue, &outbox)
    }

    private mutating func accept(
        _ header: Segment.Header, _ file: Int, _ head: [UInt8], _ catalogue: inout SegmentCatalogue,
        _ outbox: inout Outbox
    ) -> Progress {
        let name = files[file].name
        guard header.firstSeq == files[file].firstSeq else {
            aside.add(files[file], .records, &outbox)
            return readHeader(file + 1, &catalogue, &outbox)
        }
        guard header.identity == identity else {
            return .refused(
                "the journal belongs to \(Notice.printable(header.identity)), not to \(identity): "
                    + "give this gateway another directory, or remove its files if nothing in them is wanted"
            )
        }
        let newest = Settled.newest(in: head, seed: Record.seed(salt: header.salt))
        if newest.damaged > 0 {
            outbox.note(
                .info,
                "\(name): a page of acknowledgements is torn or damaged; some records may go twice")
        }
        if header.clockTrusted { findings.anchors.append((header.bootID, header.created)) }
        segments.append(
            SegmentState(
                header, fileSize: files[file].size,
                pages: SettledPages(newest.settled, generation: newest.generation)))
        return readHeader(file + 1, &catalogue, &outbox)
    }

    /// Reads the first bytes of a file that was set aside before: only what this program has
    /// written is ever removed.
    private mutating func readAside(
        _ file: Int, _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        guard let next = aside.next(from: file) else { return scan(0, &catalogue, &outbox) }
        outbox.request(
            .read(name: next.name, offset: 0, count: Segment.magic.count), .aside(file: next.place))
        return .going
    }

    private mutating func asideRead(
        _ file: Int, _ bytes: [UInt8]?, _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        if let bytes { aside.found(file, isForeign: !Segment.isBeginning(bytes)) }
        return readAside(file + 1, &catalogue, &outbox)
    }

    // MARK: - Records

    private mutating func scan(
        _ index: Int, _ catalogue: inout SegmentCatalogue, _ outbox: inout Outbox
    ) -> Progress {
        guard index < segments.count else { return .ended }
        current = index
        let limit = index + 1 < segments.count ? segments[index + 1].firstSeq : Numbering.recordEnd
        scanner = SegmentScanner(
            segments[index].header, size: segments[index].fileSize, limit: limit)
        catalogue.insert(segments[index])
        (isLastSeqUnknown, lastDamage) = (false, nil)
        readChunk(Segment.dataStart, SegmentScanner.chunkSize, &outbox)
        return .going
    }

    private mutating func readChunk(_ offset: Int, _ count: Int, _ outbox: inout Outbox) {
        chunk = offset..<offset + count
        outbox.request(.read(name: segments[current].name, offset: offset, count: count), .scan)
    }

    /// Walks over a chunk. What could not be read counts as zeros: the scanner finds where records
    /// go on.
    private mutating func chunkRead(
        _ read: Result<DiskAnswer, DiskFailure>, _ catalogue: inout SegmentCatalogue,
        _ backlog: inout Backlog, _ outbox: inout Outbox
    ) -> Progress {
        guard var scanner, let place = catalogue.index(of: segments[current].firstSeq) else {
            return .going
        }
        // A reserve record may have been there.
        if read.failure != nil, segments[current].header.sparse { isLastSeqUnknown = true }
        var bytes = read.bytes ?? []
        let wanted = max(min(chunk.count, catalogue[place].fileSize - chunk.lowerBound), 0)
        if bytes.count < wanted {
            bytes.append(contentsOf: repeatElement(0, count: wanted - bytes.count))
        }
        while true {
            switch scanner.next(
                in: bytes, base: chunk.lowerBound, settled: catalogue[place].pages.settled)
            {
            case .record(let found): admit(found, bytes, &catalogue[place], &backlog)
            case .damage(let range, let lost):
                damaged(lost, upTo: scanner.lastSeq, in: range, &catalogue[place])
            case .more(let offset, let count):
                self.scanner = scanner
                readChunk(offset, count, &outbox)
                return .going
            case .end(let end):
                self.scanner = nil
                endSegment(&catalogue[place], end)
                return scan(current + 1, &catalogue, &outbox)
            }
        }
    }

    private mutating func admit(
        _ found: SegmentScanner.Found, _ bytes: [UInt8], _ segment: inout SegmentState,
        _ backlog: inout Backlog
    ) {
        let header = found.header
        segment.found(end: found.offset + header.size)
        guard header.isData else { return admitOther(found, bytes, &segment) }
        segment.raise(lastSeq: header.seq)
        let parts = Record.Parts(bytes, found.payload)
        let queue = parts.flatMap { backlog.index(ofName: bytes[$0.device]) }
        guard !segment.pages.contains(offset: found.offset) else {
            if let queue { backlog.overtake(queue) }
            return
        }
        guard let parts, let queue else {
            return damaged(
                1, upTo: header.seq, in: found.offset..<found.offset + header.size, &segment)
        }
        records += 1
        let here = Position(segment: segment.firstSeq, offset: found.offset)
        let sum = RecordSum(header)
        let isNext = backlog.found(queue, sum, at: here)
        var item: Item?
        if isNext || parts.kind == .gap {
            item = Item(
                header, parts, of: backlog[queue].id, queue, in: bytes, at: here,
                thisBoot: segment.header.bootID == bootID)
        }
        segment.add(
            queue, seq: header.seq, at: Moment(header.instant, parts.wall), sum, gap: item?.gap,
            unloaded: !isNext)
        if isNext, let item { backlog.load(item) }
    }

    private mutating func admitOther(
        _ found: SegmentScanner.Found, _ bytes: [UInt8], _ segment: inout SegmentState
    ) {
        if found.header.seq > 0 { segment.raise(lastSeq: found.header.seq - 1) }
        switch Record.RecordType(rawValue: found.header.type) {
        case .anchor where found.payload.count >= 16:
            let wall = Record.little(bytes, found.payload.lowerBound + 8, Int64.self)
            let anchor = Moment(found.header.instant, WallTime(milliseconds: wall))
            findings.anchors.append((segment.header.bootID, anchor))
        case .totals:
            if let counts = LossTotals(bytes, found.payload) { totals.raise(to: counts) }
        case .note:
            // The machine stopped before a gap record reported it.
            guard !segment.pages.contains(offset: found.offset),
                let gap = Gap(note: bytes, found.payload)
            else { return }
            findings.losses.append(Loss(gap, isRepeated: true))
            segment.openMark()
            findings.marks.append(LossLedger.Mark(note: found.offset, in: segment.firstSeq))
        case .reserve:
            if let reserve = Record.Reserve(bytes, found.payload) { reserves.add(reserve) }
        case .data, .header, .anchor, nil: break
        }
    }

    // MARK: - Damage

    private mutating func mark(_ count: Int, _ range: Range<Int>, _ segment: inout SegmentState) {
        segment.openMark()
        findings.marks.append(
            LossLedger.Mark(segment: segment.firstSeq, range: range, count: count))
    }

    private mutating func damaged(
        _ lost: Int, upTo seq: UInt64, in range: Range<Int>, _ segment: inout SegmentState
    ) {
        segment.lose(range)
        if segment.header.sparse { isLastSeqUnknown = true }
        guard lost > 0 else { return }
        lose(lost, from: seq &+ 1 &- UInt64(lost), to: seq)
        let before = lastDamage.map { $0.range == range ? $0.lost : 0 } ?? 0
        lastDamage = (range, before + lost)
        mark(segment.pages.count(in: range) + before + lost, range, &segment)
    }

    private mutating func lose(_ count: Int, from: UInt64, to: UInt64) {
        lost += count
        findings.losses.append(
            Loss(Gap(device: nil, from: from, to: to, count: count, reason: .damage)))
    }

    /// Ends a segment. A later one that continues it says how many records it had.
    private mutating func endSegment(_ segment: inout SegmentState, _ last: SegmentScanner.End) {
        segment.found(end: max(segment.end, last.offset))
        segment.pages.raise(records: last.records)
        segment.raise(lastSeq: max(last.lastSeq, segment.firstSeq &- 1))
        if last.torn { torn += 1 }
        // Settled bits behind the end: records that were there and sent, and damage that was told.
        let beyond = segment.end..<max(Segment.sizeMax, segment.end)
        let known = segment.pages.count(in: beyond)
        guard current + 1 < segments.count else {
            damagedEnd(last, &segment)
            segment.raise(lastSeq: segment.lastSeq &+ UInt64(known))
            if last.lost > 0, segment.header.sparse { isLastSeqUnknown = true }
            return
        }
        let next = segments[current + 1].header
        let isContinued = next.previous == segment.firstSeq && !segment.header.sparse
        guard isContinued, next.firstSeq > last.readSeq &+ 1 else {
            return damagedEnd(last, &segment)
        }
        let lost = max(Int(clamping: next.firstSeq - (last.readSeq &+ 1)) - known, 0)
        damaged(lost, upTo: next.firstSeq - 1, in: beyond, &segment)
    }

    private mutating func damagedEnd(_ last: SegmentScanner.End, _ segment: inout SegmentState) {
        guard last.lost > 0 else { return }
        let end = max(last.lastSeq, last.readSeq &+ UInt64(last.lost))
        lose(last.lost, from: last.readSeq &+ 1, to: end)
        mark(segment.pages.count(in: last.damage) + last.lost, last.damage, &segment)
        segment.endDamaged(upTo: end)
    }

    // MARK: - The end

    /// Counts what was in files that cannot be read at all; to be called once, when all others were
    /// read.
    mutating func countUnreadable() {
        for (from, count) in aside.countLost(before: segments) {
            lose(count, from: from, to: from &+ UInt64(count) &- 1)
        }
    }

    /// The number of the last record that any file had; nil if none had one.
    func lastSeq(_ catalogue: SegmentCatalogue) -> UInt64? {
        let last = aside.lastSeq(above: catalogue.last?.lastSeq ?? 0)
        return last == 0 ? nil : last
    }

    /// The number below which an earlier run has reserved numbers; nil if none has.
    var reserved: UInt64? { reserves.bound(isDamaged: lost > 0) }

    /// The first number that was skipped before and never told of; nil if each was.
    var untold: UInt64? { reserves.untold }

    /// Renames and removes the files that are set aside; answers those that stay.
    func setAside(_ outbox: inout Outbox) -> [AsideFile] { aside.settle(&outbox) }

    /// Tells what was found, unless the directory was empty.
    func report(
        _ catalogue: SegmentCatalogue, next: UInt64, _ outbox: inout Outbox, at now: Instant
    ) {
        guard !files.isEmpty || lost > 0 else { return }
        outbox.note(
            lost > 0 ? .warning : .info,
            "\(records) waiting records in \(Plural.text(catalogue.count, "segment")), next number \(next); "
                + "\(lost) lost by damage, \(Plural.text(torn, "torn end")); "
                + "took \((now - started).milliseconds) ms")
    }
}
