import Base

/// The append-only files that hold the ids of commands, their results and the writes that count
/// against a budget (`CommandFile` is the format), in the state directory.
///
/// - What comes is appended and synced at once; what comes while a write is under way goes with the
///   next one.
/// - A file that an earlier run has written, and one of which a write failed, is never appended to.
/// - When the files are more than twice what they hold, and half a mebibyte, all that counts is
///   written to new files, a piece with each write, and then the old ones are removed. A stop in
///   between leaves both, and the order of the records says which count.
/// - Without a usable directory everything counts as durable, so that nothing waits for it; that is
///   told, and it is tried again every minute.
package struct CommandLog: Sendable {
    static let fileSize = 256 << 10
    static let batch = 64 << 10
    static let spare = 512 << 10
    /// Largest file that is read.
    static let readMax = 1 << 20
    static let pause = Duration.seconds(60)
    /// The journal counts its tickets from 1, others have higher bits; ours have this one.
    static let ticketBit: UInt64 = 1 << 61

    package enum Output: Sendable {
        case disk(DiskRequest)
        case notice(Notice)
    }

    private enum Phase: Sendable { case absent, loading, ready, failed(until: Instant) }

    private enum Purpose: Sendable {
        case load(UInt64, size: Int)
        case create(UInt64)
        case write(version: UInt64, end: Int)
        case remove
    }

    private struct Active: Sendable {
        var number: UInt64
        var end: Int
    }

    private var phase = Phase.absent
    private var files: [(number: UInt64, size: Int)] = []
    private var toLoad: [(number: UInt64, size: Int)] = []
    private var found: [CommandRecord] = []
    private var active: Active?
    private var lastNumber: UInt64 = 0
    private var pending: [CommandRecord] = []
    /// Records that are written anew, from this place on, and the first file that has some of them.
    private var snapshot: [CommandRecord] = []
    private var snapshotRead = 0
    private var snapshotFile: UInt64?
    /// All that counts is wanted: see `rewrite`.
    package private(set) var wantsSnapshot = false
    private var snapshotSize = 0
    private var operation: (ticket: UInt64, purpose: Purpose)?
    private var lastTicket = ticketBit
    private var trouble: String?
    private var outputs: [Output] = []
    /// Records put since the start, and how many of them are durable.
    package private(set) var version: UInt64 = 0
    package private(set) var durable: UInt64 = 0
    /// Bytes of all writes.
    package private(set) var bytesWritten = 0

    package init() {}

    package static func owns(_ ticket: UInt64) -> Bool { ticket >> 61 == 1 }

    package var isLoaded: Bool { if case .loading = phase { false } else { true } }

    package var isIdle: Bool {
        guard case .ready = phase else { return operation == nil }
        return operation == nil && pending.isEmpty && !wantsSnapshot
            && snapshotRead == snapshot.count
    }

    package var deadline: Instant? { if case .failed(let until) = phase { until } else { nil } }

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// Takes the records that the files held when they were read.
    package mutating func takeFound() -> [CommandRecord] {
        defer { found = [] }
        return found
    }

    /// The directory is open and has these files.
    package mutating func open(_ entries: [DiskAnswer.Entry], at now: Instant) {
        let known = Set(files.map(\.number))
        toLoad = entries.compactMap { entry in
            CommandFile.number(named: entry.name).flatMap {
                known.contains($0) ? nil : ($0, entry.size)
            }
        }.sorted { $0.number > $1.number }
        // What was put without a directory is in no file.
        if version > 0 { wantsSnapshot = true }
        if case .failed = phase { trouble = nil }
        phase = .loading
        advance()
    }

    /// Appends a record; it is durable when `durable` has reached the number that is returned.
    @discardableResult
    package mutating func put(_ record: CommandRecord) -> UInt64 {
        version += 1
        switch phase {
        case .loading, .ready:
            pending.append(record)
            advance()
        case .absent, .failed: durable = version
        }
        return version
    }

    /// All that counts, in answer to `wantsSnapshot`.
    package mutating func rewrite(_ records: [CommandRecord]) {
        wantsSnapshot = false
        (snapshot, snapshotRead, snapshotSize) = (records, 0, 0)
        // Behind the file in use: what is older goes when this is complete.
        active = nil
        snapshotFile = lastNumber + 1
        // The pending ones are in it, or newer.
        advance()
    }

    package mutating func timeout(at now: Instant) {
        guard case .failed(let until) = phase, until <= now else { return }
        phase = .ready
        wantsSnapshot = true
    }

    package mutating func completed(
        _ ticket: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Instant
    ) {
        guard let (expected, purpose) = operation, expected == ticket else { return }
        operation = nil
        switch (purpose, result) {
        case (.load(let number, let size), .success(.bytes(let bytes))): loaded(number, size, bytes)
        case (.load(let number, _), .failure(let failure)):
            say(
                .warning,
                "\(CommandFile.name(number)) cannot be read (\(failure.detail)): command ids are lost"
            )
        case (.create(let number), .success):
            files.append((number, Self.fileSize))
            active = Active(number: number, end: CommandFile.headSize)
        case (.create, .failure(let failure)) where failure.kind == .exists: break
        case (.write(let version, let end), .success):
            active?.end = end
            durable = max(durable, version)
            if trouble != nil { say(.info, "command ids can be kept again") }
            trouble = nil
            removeOld()
        case (.create, .failure(let failure)), (.write, .failure(let failure)):
            fail(failure, at: now)
        case (.remove, _): removeOld()
        case (.load, .success): break
        }
        advance()
    }

    // MARK: reading

    private mutating func loaded(_ number: UInt64, _ size: Int, _ bytes: [UInt8]) {
        let contents = CommandFile.read(bytes, number: number)
        let name = CommandFile.name(number)
        guard contents.hasHead || !contents.records.isEmpty || !bytes.contains(where: { $0 != 0 })
        else {
            say(
                .warning,
                "\(name) is no file of this gateway, or damaged from its beginning: it is left alone"
            )
            return
        }
        files.append((number, size))
        lastNumber = max(lastNumber, min(number, CommandFile.numberMax))
        found += contents.records
        if contents.damaged > 0 {
            say(
                .warning,
                "\(name) is damaged, \(contents.damaged) bytes of it: the command ids and counted writes in "
                    + "them are lost, and a command that comes again may be carried out again")
        }
        if contents.tornEnd > 0 {
            say(
                .info,
                "the end of \(name) is torn or damaged: what the stop interrupted is not known")
        }
    }

    // MARK: writing

    private mutating func advance() {
        guard operation == nil else { return }
        switch phase {
        case .absent, .failed: return
        case .loading:
            while let file = toLoad.popLast() {
                guard file.size <= Self.readMax else {
                    say(
                        .warning,
                        "\(CommandFile.name(file.number)) has \(file.size) bytes and is left alone")
                    continue
                }
                return submit(
                    .load(name: CommandFile.name(file.number)), .load(file.number, size: file.size))
            }
            phase = .ready
            advance()
        case .ready:
            guard !wantsSnapshot, !pending.isEmpty || snapshotRead < snapshot.count else { return }
            guard let active, let (bytes, taken, copied) = nextBatch(active) else {
                lastNumber += 1
                return submit(
                    .create(
                        name: CommandFile.name(lastNumber), size: Self.fileSize,
                        header: CommandFile.head(lastNumber)),
                    .create(lastNumber))
            }
            pending.removeFirst(taken)
            snapshotRead += copied
            bytesWritten += bytes.count
            submit(
                .write(
                    name: CommandFile.name(active.number),
                    extents: [DiskRequest.Extent(offset: active.end, bytes: bytes)],
                    sync: true),
                .write(version: version - UInt64(pending.count), end: active.end + bytes.count))
        }
    }

    /// As much as one write takes; nil if the file has no room for the next record.
    private mutating func nextBatch(_ active: Active) -> (bytes: [UInt8], taken: Int, copied: Int)?
    {
        let room = min(Self.fileSize - active.end, Self.batch + CommandFile.recordMax)
        var bytes: [UInt8] = []
        func append(_ record: CommandRecord) -> Bool {
            let start = bytes.count
            CommandFile.append(record, number: active.number, to: &bytes)
            // What no file can hold is left out.
            if bytes.count - start > CommandFile.recordMax { bytes.removeLast(bytes.count - start) }
            guard bytes.count > room else { return true }
            bytes.removeLast(bytes.count - start)
            return false
        }
        var (taken, copied) = (0, 0)
        while taken < pending.count, bytes.count < Self.batch {
            guard append(pending[taken]) else { break }
            taken += 1
        }
        let before = bytes.count
        while taken == pending.count, snapshotRead + copied < snapshot.count,
            bytes.count < Self.batch
        {
            guard append(snapshot[snapshotRead + copied]) else { break }
            copied += 1
        }
        guard taken + copied > 0 else { return nil }
        snapshotSize += bytes.count - before
        return (bytes, taken, copied)
    }

    /// The new files have all that counts: the old ones go, one with each call.
    private mutating func removeOld() {
        guard snapshotRead == snapshot.count else { return }
        (snapshot, snapshotRead) = ([], 0)
        if let first = snapshotFile {
            if let place = files.firstIndex(where: { $0.number < first }) {
                return submit(
                    .remove(name: CommandFile.name(files.remove(at: place).number)), .remove)
            }
            snapshotFile = nil
        }
        let total = files.reduce(0) { $0 + $1.size }
        if total > 2 * snapshotSize + Self.spare { wantsSnapshot = true }
    }

    private mutating func fail(_ failure: DiskFailure, at now: Instant) {
        phase = .failed(until: now + Self.pause)
        active = nil
        (pending, snapshot, snapshotRead, snapshotFile, wantsSnapshot) = ([], [], 0, nil, false)
        durable = version
        if trouble != failure.detail {
            say(
                .warning,
                "command ids and counted writes are kept in memory only, tried again every minute: "
                    + "after a restart a command that comes again may be carried out again (\(failure.detail))"
            )
        }
        trouble = failure.detail
    }

    private mutating func submit(_ work: DiskRequest.Operation, _ purpose: Purpose) {
        lastTicket += 1
        operation = (lastTicket, purpose)
        outputs.append(.disk(DiskRequest(ticket: lastTicket, volume: .state, work)))
    }

    private mutating func say(_ level: Notice.Level, _ message: String) {
        outputs.append(.notice(Notice(level, "state", "commands", message)))
    }
}
