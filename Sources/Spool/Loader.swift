import Base

/// Loading: one 64 KiB read at a time serves every device that waits for a record in it. A device
/// whose window is full keeps its own place and stops no other. A chunk that cannot be read is
/// asked for again before it is given up: a disk that is away for a moment must not cost the
/// backlog on it.
struct Loader: Sendable {
    /// A part of a segment that is being read.
    struct Chunk: Sendable {
        var place: Position
        var count: Int

        var request: DiskRequest.Operation {
            .read(name: Segment.name(place.segment), offset: place.offset, count: count)
        }
    }

    /// Action after a chunk that could not be read.
    enum Remedy: Hashable, Sendable {
        /// The file was removed: nothing of it will be read.
        case passFile
        /// The chunk is lost: it failed often enough on a disk that takes writes.
        case passChunk
        /// It is read again later.
        case retry
    }

    static let retryPause = Duration.seconds(5)
    static let failuresMax = 3

    private var chunk: Chunk?
    /// The place that could not be read, and how often in a row.
    private var failing: (place: Position, failures: Int)?
    /// Whether nothing is read until the next try, or the disk's return.
    private(set) var isHeld = false

    var isReading: Bool { chunk != nil }

    mutating func begin(
        _ place: Position, count: Int = SegmentScanner.chunkSize
    ) -> DiskRequest.Operation {
        let chunk = Chunk(place: place, count: count)
        self.chunk = chunk
        return chunk.request
    }

    /// Ends the read; nil if there is none.
    mutating func end() -> Chunk? { chunk.take() }

    // MARK: - Failures

    /// Notes that a chunk could not be read, and says so; answers what is to be done. Another try
    /// is armed then.
    mutating func failed(
        _ chunk: Chunk, _ failure: DiskFailure, isMemoryOnly: Bool, _ outbox: inout Outbox,
        at now: Moment
    ) -> Remedy {
        let name = Segment.name(chunk.place.segment)
        if failure.kind == .missing, !isMemoryOnly {
            outbox.note(.warning, "cannot read \(name): \(failure.detail)")
            return .passFile
        }
        let failures = failing.map { $0.place == chunk.place ? $0.failures + 1 : 1 } ?? 1
        guard isMemoryOnly || failures < Self.failuresMax else {
            reset()
            outbox.note(
                .warning, "\(name) cannot be read at \(chunk.place.offset): what was there is lost")
            return .passChunk
        }
        failing = (chunk.place, isMemoryOnly ? 1 : failures)
        isHeld = true
        if failures == 1 {
            outbox.note(.warning, "cannot read \(name): \(failure.detail); it is tried again")
        }
        outbox.arm(.reread, at: now.instant + Self.retryPause)
        return .retry
    }

    /// Allows the next try; answers whether one was due.
    mutating func retry() -> Bool {
        defer { isHeld = false }
        return isHeld
    }

    /// Forgets what could not be read: the disk is back, or the chunk was given up.
    mutating func reset() {
        failing = nil
        isHeld = false
    }

    // MARK: - Records

    /// Hands the records of a chunk to the queues that wait for them. Answers how many bytes the
    /// first record needs if the chunk was too short for it, else 0.
    static func distribute(
        _ bytes: [UInt8], _ chunk: Chunk, _ segment: inout SegmentState, _ backlog: inout Backlog,
        thisBoot: Bool
    ) -> Int {
        let base = chunk.place.offset
        var offset = base
        var blocked: Set<Int> = []
        let stop = min(base + bytes.count, segment.end)
        while offset + Record.headerSize <= stop {
            guard let header = Record.header(in: bytes, at: offset - base, seed: segment.seed)
            else {
                offset += Record.alignment
                continue
            }
            guard offset + header.size <= stop else {
                if offset == base, offset + header.size <= segment.end, header.size > chunk.count {
                    return header.size
                }
                break
            }
            offer(
                header, at: offset, in: bytes, chunk.place, &segment, &backlog, &blocked, thisBoot)
            offset += header.size
        }
        // A chunk that could not be read, or ends in rubbish, is passed over.
        let isShort = bytes.count < min(chunk.count, segment.end - base)
        let isWhole = offset + Record.headerSize > segment.end
        let reached = isShort ? base + chunk.count : isWhole ? segment.end : offset
        let next = Position(
            segment: chunk.place.segment, offset: max(reached, base + Record.alignment))
        backlog.pass(chunk.place..<next, except: blocked)
        return 0
    }

    private static func offer(
        _ header: Record.Header, at offset: Int, in bytes: [UInt8], _ start: Position,
        _ segment: inout SegmentState, _ backlog: inout Backlog, _ blocked: inout Set<Int>,
        _ thisBoot: Bool
    ) {
        guard header.isData, segment.waits(at: offset) else { return }
        let first = offset - start.offset + Record.headerSize
        let payload = first..<first + header.payloadLength
        let here = Position(segment: start.segment, offset: offset)
        guard CRC32C.checksum(bytes[payload]) == header.payloadCRC,
            let parts = Record.Parts(bytes, payload),
            let queue = backlog.awaiting(bytes[parts.device], header.seq, at: here, from: start),
            !blocked.contains(queue), !backlog.isInFlight(header.seq)
        else { return }
        guard backlog.reserve(queue, header.size, at: here) else {
            blocked.insert(queue)
            return
        }
        segment.loaded(RecordSum(header), of: queue)
        backlog.load(
            Item(
                header, parts, of: backlog[queue].id, queue, in: bytes, at: here, thisBoot: thisBoot
            ))
    }

    func invariants() -> [String] {
        broken(
            (!isHeld || failing != nil, "reading is held without a failure"),
            ((1..<Self.failuresMax).contains(failing?.failures ?? 1), "failures beyond their bound")
        )
    }
}
