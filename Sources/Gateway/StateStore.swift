import Base

/// Small documents in the state directory that outlive the process: the clock's floor, back-off,
/// configuration from the bridge, command ids, what was learned about units.
///
/// - Everything is read once at the start, before a line is opened or the bridge is called.
/// - A change is written as a whole: temporary file, fsync, rename, fsync of the directory. Changes
///   within `delay` of each other cost one write, those marked `now` none of that delay.
/// - A file has a checksum (see `StateDocument`). One that is damaged is told, set aside as
///   `….doc.bad` and not used. A file of a name that is none of the gateway's is left alone.
/// - Without a usable directory the documents live in memory; one notice says so, and it is tried
///   again.
///
/// | limit | value |
/// |---|---|
/// | one document | 256 KiB |
/// | documents | 4,096 |
/// | all together | 16 MiB |
package struct StateStore: Sendable {
    package static let documentMax = 256 << 10
    package static let documentsMax = 4096
    package static let totalMax = 16 << 20
    /// Between a change and its write.
    package static let delay = Duration.seconds(5)
    /// Between a failed write and the next attempt.
    package static let pause = Duration.seconds(60)
    static let suffix = ".doc"
    /// The journal counts its tickets from 1; ours have this bit.
    static let ticketBit: UInt64 = 1 << 63

    package enum Urgency: Sendable { case now, soon }

    package enum Output: Sendable {
        case disk(DiskRequest)
        case notice(Notice)
        /// The directory is open and has these files.
        case opened([DiskAnswer.Entry])
        /// The document that was last kept under this name is on the disk.
        case durable(String)
        /// Another process owns the directory.
        case failed(String)
    }

    private enum Phase: Sendable { case fresh, opening, loading, ready, homeless }

    private enum Purpose: Sendable {
        case open
        case load(String)
        case setAside
        case write(String, version: UInt64)
    }

    private struct Document: Sendable {
        /// Nil is a document that is to be removed.
        var bytes: [UInt8]?
        var version: UInt64 = 0
        var written: UInt64 = 0
        /// From a file without a checksum: perhaps not the gateway's.
        var isUnmarked = false
    }

    private var phase = Phase.fresh
    private var documents: [String: Document] = [:]
    /// Documents that are to be written, and when each is due; a handful.
    private var waiting: [String: Instant] = [:]
    private var total = 0
    private var operations: [UInt64: Purpose] = [:]
    private var lastTicket = Self.ticketBit
    private var version: UInt64 = 0
    private var reopen: Instant?
    private var trouble: String?
    /// Names of the directory's files.
    private var files: Set<String> = []
    private var outputs: [Output] = []

    package init() {}

    /// Whether what the last run kept can be asked for: it was read, or it cannot be.
    package var isLoaded: Bool { phase == .ready || phase == .homeless }

    package func document(_ name: String) -> [UInt8]? { documents[name]?.bytes }

    /// Every name that starts with `prefix`, sorted.
    package func names(_ prefix: String = "") -> [String] {
        documents.filter { $0.value.bytes != nil && $0.key.hasPrefix(prefix) }.keys.sorted()
    }

    /// Whether the document was read from a file without a checksum: of an earlier version, or not
    /// the gateway's.
    package func isUnmarked(_ name: String) -> Bool { documents[name]?.isUnmarked ?? false }

    /// Whether this document has reached the disk as it was last kept.
    package func isDurable(_ name: String) -> Bool {
        documents[name].map { $0.written == $0.version } ?? true
    }

    /// Whether nothing waits to be written; true also where nothing can be.
    package var isIdle: Bool {
        phase == .homeless || (operations.isEmpty && waiting.isEmpty)
    }

    package mutating func start() {
        guard phase == .fresh else { return }
        phase = .opening
        submit(.open, .open)
    }

    /// Keeps `bytes` under `name`, or forgets the name. False if it is more than a document may be,
    /// or `name` is none (letters, digits and `-._~%+`, at most 200 characters).
    @discardableResult
    package mutating func keep(
        _ name: String, _ bytes: [UInt8]?, _ urgency: Urgency = .soon, at now: Instant
    ) -> Bool {
        let old = documents[name]
        if old?.bytes == bytes { return true }
        let size = total - (old?.bytes?.count ?? 0) + (bytes?.count ?? 0)
        guard Self.isName(name), size <= Self.totalMax, (bytes?.count ?? 0) <= Self.documentMax,
            old != nil || documents.count < Self.documentsMax
        else { return false }
        total = size
        version += 1
        documents[name] = Document(bytes: bytes, version: version, written: old?.written ?? 0)
        waiting[name] =
            urgency == .now ? now : min(waiting[name] ?? .distantFuture, now + Self.delay)
        write(at: now)
        return true
    }

    /// Writes what waits without its delay: before the process ends.
    package mutating func drain(at now: Instant) {
        waiting = waiting.mapValues { _ in now }
        write(at: now)
    }

    package mutating func timeout(at now: Instant) {
        if let due = reopen, due <= now, phase == .homeless {
            reopen = nil
            submit(.open, .open)
        }
        write(at: now)
    }

    package var deadline: Instant? {
        switch phase {
        case .homeless: reopen
        case .ready: operations.isEmpty ? waiting.values.min() : nil
        default: nil
        }
    }

    package mutating func next() -> Output? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// Whether a ticket is one of ours.
    package static func owns(_ ticket: UInt64) -> Bool { ticket & ticketBit != 0 }

    package mutating func completed(
        _ ticket: UInt64, _ result: Result<DiskAnswer, DiskFailure>, at now: Instant
    ) {
        guard let purpose = operations.removeValue(forKey: ticket) else { return }
        switch (purpose, result) {
        case (.open, .success(.listing(let entries, _))): opened(entries, at: now)
        case (.open, .success), (.setAside, _): break
        case (.open, .failure(let failure)):
            if failure.kind == .locked, phase == .opening {
                outputs.append(.failed(failure.detail))
            }
            lose(failure, at: now)
        case (.load(let name), _): loaded(name, result)
        case (.write(let name, let version), .success): wrote(name, version)
        case (.write(let name, let version), .failure(let failure)):
            // Removed already, or never written.
            if failure.kind == .missing, documents[name]?.bytes == nil {
                return wrote(name, version)
            }
            if waiting[name] == nil { waiting[name] = now }
            lose(failure, at: now)
        }
        if phase == .loading, operations.isEmpty { phase = .ready }
        write(at: now)
    }

    // MARK: the directory

    private mutating func opened(_ entries: [DiskAnswer.Entry], at now: Instant) {
        outputs.append(.opened(entries))
        files = Set(entries.map(\.name))
        if phase == .homeless {
            // What the disk has is older than what is here.
            phase = .ready
            if trouble != nil { say(.info, "can be written again") }
            trouble = nil
            return
        }
        phase = .loading
        var room = Self.totalMax
        for entry in entries where entry.name.hasSuffix(Self.suffix) {
            let name = String(entry.name.dropLast(Self.suffix.count))
            guard Self.isName(name) else { continue }
            guard entry.size <= min(Self.documentMax + StateDocument.headSize, room) else {
                damaged(name)
                continue
            }
            guard operations.count < Self.documentsMax else { break }
            room -= entry.size
            submit(.load(name: entry.name), .load(name))
        }
    }

    private mutating func loaded(_ name: String, _ result: Result<DiskAnswer, DiskFailure>) {
        switch result {
        case .success(.bytes(let bytes)):
            let content = StateDocument.content(of: bytes)
            let document: Document
            switch content {
            case .sound(let bytes): document = Document(bytes: bytes)
            case .unmarked(let bytes): document = Document(bytes: bytes, isUnmarked: true)
            case .damaged: return damaged(name)
            }
            // What was kept meanwhile is newer.
            guard documents[name] == nil, document.bytes?.count ?? 0 <= Self.documentMax else {
                return
            }
            documents[name] = document
            total += document.bytes?.count ?? 0
        case .success: break
        case .failure(let failure):
            let lost = Gateway.Kept.meaning(of: name).map { ": \($0)" } ?? ""
            say(.warning, "\(name)\(Self.suffix) cannot be read (\(failure.detail))\(lost)")
        }
    }

    /// Nothing of it is believed; its bytes stay, for whoever wants to look.
    private mutating func damaged(_ name: String) {
        guard let lost = Gateway.Kept.meaning(of: name) else { return }
        let (file, aside) = (name + Self.suffix, name + Self.suffix + ".bad")
        let isFree = !files.contains(aside)
        say(
            .warning,
            "\(file) is damaged and not used: \(lost)" + (isFree ? "; set aside as \(aside)" : ""))
        if isFree { submit(.rename(name: file, to: aside), .setAside) }
    }

    private mutating func lose(_ failure: DiskFailure, at now: Instant) {
        phase = .homeless
        reopen = now + Self.pause
        if trouble != failure.detail {
            say(
                .warning,
                "what should outlive a restart is kept in memory only, tried again every minute: \(failure.detail)"
            )
        }
        trouble = failure.detail
    }

    // MARK: writing

    private mutating func write(at now: Instant) {
        guard phase == .ready, operations.isEmpty else { return }
        let due = waiting.filter { $0.value <= now }.keys
        // In the order in which they were kept.
        guard let name = due.min(by: { documents[$0]?.version ?? 0 < documents[$1]?.version ?? 0 }),
            let document = documents[name]
        else { return }
        waiting[name] = nil
        let file = name + Self.suffix
        let purpose = Purpose.write(name, version: document.version)
        if let bytes = document.bytes {
            submit(.replace(name: file, bytes: StateDocument.file(bytes)), purpose)
        } else {
            submit(.remove(name: file), purpose)
        }
    }

    private mutating func wrote(_ name: String, _ version: UInt64) {
        guard let document = documents[name] else { return }
        documents[name]?.written = version
        guard document.version == version else { return }
        outputs.append(.durable(name))
        if document.bytes == nil { documents[name] = nil }
    }

    private mutating func submit(_ operation: DiskRequest.Operation, _ purpose: Purpose) {
        lastTicket += 1
        operations[lastTicket] = purpose
        outputs.append(.disk(DiskRequest(ticket: lastTicket, volume: .state, operation)))
    }

    private mutating func say(_ level: Notice.Level, _ message: String) {
        outputs.append(.notice(Notice(level, "state", "", message)))
    }

    private static func isName(_ name: String) -> Bool {
        (1...200).contains(name.utf8.count) && !name.hasPrefix(".")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "-._~%+".utf8.contains(byte)
                }
            }
    }
}
