import Base
import CLinux
import Glibc

/// One directory: its lock, its open files and the files whose last sync failed. The semantics are
/// those of `DiskRequest.Operation`.
final class DiskVolume {
    static let lockName = "lock"
    static let openFilesMax = 16
    static let loadMax = 1 << 20
    /// The most that one `.read` may ask for.
    static let readMax = 16 << 20
    static let sizeMax = 1 << 30

    final class OpenFile {
        let descriptor: OwnedFD
        var lastUse: UInt64 = 0
        init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    }

    let path: String
    let faults: DiskExecutor.FaultTable?
    private(set) var directory: OpenFile?
    private var lock: OpenFile?
    private var files: [String: OpenFile] = [:]
    private var uses: UInt64 = 0
    /// After a failed sync nobody knows what the disk has, and the kernel may call the pages clean:
    /// the next sync would lie. Such a file is not written again.
    private var poisoned: Set<String> = []

    init(_ path: String, faults: DiskExecutor.FaultTable?) {
        self.path = path
        self.faults = faults
    }

    // The directory -------------------------------------------------------------------------

    func open() throws(DiskFailure) -> [DiskAnswer.Entry] {
        files.removeAll()
        if isGone { close() }
        if directory == nil {
            do { try FileSystem.makeDirectories(path) } catch { throw DiskFailure(error) }
            let descriptor = try opened("open", "") {
                clinux_open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
            }
            directory = OpenFile(descriptor)
        }
        if lock == nil { try takeLock() }
        do {
            let entries = try listing()
            try syncDirectory()
            return entries
        } catch {
            // A file system that has failed can only be repaired when nobody holds it.
            close()
            throw error
        }
    }

    /// Whether the directory that is open is not the one of that path any more: removed, or mounted
    /// over.
    private var isGone: Bool {
        guard let number = directory?.descriptor.number else { return false }
        var (ours, there) = (stat(), stat())
        guard fstat(number, &ours) == 0 else { return false }
        return stat(path, &there) != 0 || ours.st_dev != there.st_dev || ours.st_ino != there.st_ino
    }

    func close() {
        files.removeAll()
        lock = nil
        directory = nil
    }

    func space() throws(DiskFailure) -> DiskSpace {
        let number = try directoryNumber()
        var status = statvfs()
        try call("fstatvfs", "") { fstatvfs(number, &status) }
        let block = Int64(clamping: status.f_frsize)
        func bytes(_ blocks: UInt64) -> Int64 {
            let (product, overflow) = Int64(clamping: blocks).multipliedReportingOverflow(by: block)
            return overflow ? .max : product
        }
        return DiskSpace(
            available: bytes(UInt64(status.f_bavail)), total: bytes(UInt64(status.f_blocks)))
    }

    /// flock on the file "lock", which holds the owner's pid. On a read-only file system an
    /// existing lock file is enough: what the journal has can still be read.
    private func takeLock() throws(DiskFailure) {
        let number = try directoryNumber()
        let flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
        var descriptor = clinux_openat(number, Self.lockName, O_RDWR | O_CREAT | flags, 0o600)
        let isReadOnly = descriptor < 0 && errno == EROFS
        if isReadOnly { descriptor = clinux_openat(number, Self.lockName, O_RDONLY | flags, 0) }
        let file = OpenFile(try opened("open", Self.lockName) { descriptor })
        let lockNumber = file.descriptor.number
        if retrying({ flock(lockNumber, LOCK_EX | LOCK_NB) }) != 0 {
            guard errno == EWOULDBLOCK else { throw failure("flock", Self.lockName, errno) }
            var text = [UInt8](repeating: 0, count: 20)
            let count = max(0, pread(lockNumber, &text, text.count, 0))
            let digits = String(
                decoding: text[..<count].prefix { (0x30...0x39).contains($0) }, as: UTF8.self)
            let who = digits.isEmpty ? "another process" : "process \(digits)"
            throw DiskFailure(.locked, "\(path) is in use by \(who)")
        }
        lock = file
        guard !isReadOnly else { return }
        // The lock is what counts; the number in it is for people, and a full disk may refuse it. A
        // file that holds anything else was there before us, and keeps it.
        var old = [UInt8](repeating: 0, count: 21)
        let count = pread(lockNumber, &old, old.count, 0)
        guard (0...20).contains(count),
            old.prefix(count).allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x0A })
        else { return }
        let text = Array("\(getpid())\n".utf8)
        _ = retrying { ftruncate(lockNumber, 0) }
        _ = retrying { pwrite(lockNumber, text, text.count, 0) }
    }

    /// Regular files with their sizes. What an interrupted `.replace` left behind is removed; other
    /// files of such names are left alone, and not listed.
    private func listing() throws(DiskFailure) -> [DiskAnswer.Entry] {
        let number = try directoryNumber()
        let names: [String]
        do { names = try FileSystem.names(in: path) } catch { throw DiskFailure(error) }
        var entries: [DiskAnswer.Entry] = []
        for name in names.sorted() where name != Self.lockName {
            if name.hasSuffix(TemporaryName.suffix) {
                if isLeftBehind(name) { unlinkat(number, name, 0) }
                continue
            }
            var status = stat()
            guard fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            entries.append(DiskAnswer.Entry(name: name, size: Int(status.st_size)))
        }
        return entries
    }

    private func isLeftBehind(_ name: String) -> Bool {
        guard let target = TemporaryName.target(of: name), let file = try? openFile(name, O_RDONLY),
            let first = try? readAll(file, name, offset: 0, count: 16)
        else { return false }
        return TemporaryName.isBeginning(first[...], of: target)
    }

    // Whole files ---------------------------------------------------------------------------

    func create(_ name: String, size: Int, header: [UInt8]) throws(DiskFailure) {
        try check(name)
        guard (0...Self.sizeMax).contains(size) else {
            throw DiskFailure(.io, "\(label(name)): size \(size)")
        }
        let file = try openFile(name, O_RDWR | O_CREAT | O_EXCL)
        do {
            try allocate(file, name, size)
            try writeAll(file, name, header[...], at: 0)
            try call("fdatasync", name) { fdatasync(file.descriptor.number) }
            try syncDirectory()
        } catch {
            _ = unlinkat(try directoryNumber(), name, 0)
            throw error
        }
        poisoned.remove(name)
        keep(file, name)
    }

    func load(_ name: String) throws(DiskFailure) -> [UInt8] {
        let file = try file(name)
        let size = try size(of: file, name)
        guard size <= Self.loadMax else {
            throw DiskFailure(.io, "\(label(name)) has \(size) bytes; \(Self.loadMax) is the most")
        }
        return try readAll(file, name, offset: 0, count: size)
    }

    func replace(_ name: String, _ bytes: [UInt8]) throws(DiskFailure) {
        try check(name)
        guard bytes.count <= Self.loadMax else {
            throw DiskFailure(
                .io, "\(label(name)): \(bytes.count) bytes; \(Self.loadMax) is the most")
        }
        let number = try directoryNumber()
        let temporary = TemporaryName.make(for: name)
        let file = try openFile(temporary, O_RDWR | O_CREAT | O_EXCL)
        do {
            try writeAll(file, temporary, bytes[...], at: 0)
            try call("fsync", temporary) { fsync(file.descriptor.number) }
            try call("rename", name) { renameat(number, temporary, number, name) }
        } catch {
            unlinkat(number, temporary, 0)
            throw error
        }
        forget(name)
        poisoned.remove(name)
        try syncDirectory()
    }

    func remove(_ name: String) throws(DiskFailure) {
        try check(name)
        let number = try directoryNumber()
        try call("unlink", name) { unlinkat(number, name, 0) }
        forget(name)
        poisoned.remove(name)
    }

    func rename(_ name: String, to other: String) throws(DiskFailure) {
        try check(name)
        try check(other)
        let number = try directoryNumber()
        try call("rename", name) { renameat(number, name, number, other) }
        forget(other)
        if let file = files.removeValue(forKey: name) { files[other] = file }
        poisoned.remove(other)
        if poisoned.remove(name) != nil { poisoned.insert(other) }
        try syncDirectory()
    }

    // Parts of files ------------------------------------------------------------------------

    func write(_ name: String, _ extents: [DiskRequest.Extent], sync: Bool) throws(DiskFailure) {
        let file = try file(name)
        try refusePoisoned(name)
        for extent in extents { try writeAll(file, name, extent.bytes[...], at: extent.offset) }
        if sync { try self.sync(file, name, "fdatasync") { fdatasync($0) } }
    }

    func read(_ name: String, offset: Int, count: Int) throws(DiskFailure) -> [UInt8] {
        guard offset >= 0, (0...Self.readMax).contains(count) else {
            throw DiskFailure(.io, "\(label(name)): cannot read \(count) bytes at \(offset)")
        }
        let file = try file(name)
        // The file's size bounds the buffer, whatever was asked for.
        let rest = max(0, try size(of: file, name) - offset)
        return try readAll(file, name, offset: offset, count: min(count, rest))
    }

    func sync(_ name: String) throws(DiskFailure) {
        let file = try file(name)
        try refusePoisoned(name)
        try sync(file, name, "fsync") { fsync($0) }
    }

    private func sync(
        _ file: OpenFile, _ name: String, _ call: StaticString, _ run: (Int32) -> Int32
    ) throws(DiskFailure) {
        do {
            try self.call(call, name) { run(file.descriptor.number) }
        } catch {
            poisoned.insert(name)
            throw error
        }
        // Somebody removed it, or its directory: what is written to it is gone with the descriptor.
        var status = stat()
        let number = file.descriptor.number
        try self.call("fstat", name) { fstat(number, &status) }
        guard status.st_nlink > 0 else {
            throw DiskFailure(.missing, "\(label(name)) was removed by somebody else")
        }
    }

    private func refusePoisoned(_ name: String) throws(DiskFailure) {
        guard !poisoned.contains(name) else {
            throw DiskFailure(
                .io, "\(label(name)): an earlier sync failed, so nothing more is written to it")
        }
    }

    // Descriptors ---------------------------------------------------------------------------

    private func file(_ name: String) throws(DiskFailure) -> OpenFile {
        try check(name)
        if let file = files[name] {
            touch(file)
            return file
        }
        let file: OpenFile
        do {
            file = try openFile(name, O_RDWR)
        } catch  where error.kind == .readOnly {
            file = try openFile(name, O_RDONLY)
        }
        keep(file, name)
        return file
    }

    private func openFile(_ name: String, _ flags: Int32) throws(DiskFailure) -> OpenFile {
        let directory = try directoryNumber()
        let all = flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let file = OpenFile(try opened("open", name) { clinux_openat(directory, name, all, 0o600) })
        var status = stat()
        try call("fstat", name) { fstat(file.descriptor.number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DiskFailure(.io, "\(label(name)) is not a regular file")
        }
        return file
    }

    private func touch(_ file: OpenFile) {
        uses += 1
        file.lastUse = uses
    }

    private func keep(_ file: OpenFile, _ name: String) {
        touch(file)
        if files.count >= Self.openFilesMax,
            let oldest = files.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            files[oldest.key] = nil
        }
        files[name] = file
    }

    private func forget(_ name: String) { files[name] = nil }

    private func check(_ name: String) throws(DiskFailure) {
        let isPlain =
            !name.isEmpty && name.utf8.count <= 200 && !name.utf8.contains { $0 == 0x2F || $0 == 0 }
        guard isPlain, name != ".", name != "..", name != Self.lockName,
            !name.hasSuffix(TemporaryName.suffix)
        else {
            throw DiskFailure(.io, "\"\(Notice.printable(name))\" is no name for a file in \(path)")
        }
    }

}
