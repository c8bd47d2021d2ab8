import Base
import CLinux
import Glibc

/// Small files read and written as a whole: configuration, keys, sysfs and procfs.
package enum FileSystem {
    /// At most `limit` bytes; a longer file is EFBIG. Directories, pipes and devices are refused.
    package static func read(_ path: String, limit: Int = 4 << 20) throws(SystemFailure) -> [UInt8]
    {
        let file = try open(path)
        return try contents(of: file, path, limit)
    }

    /// A private key: refused with EACCES when group or others can read or write it. The check is
    /// made on the open file, so what is checked is what is read.
    package static func readSecret(
        _ path: String, limit: Int = 1 << 20
    ) throws(SystemFailure) -> [UInt8] {
        let file = try open(path)
        var status = stat()
        let number = file.number
        try checked("fstat", path) { fstat(number, &status) }
        guard status.st_mode & 0o077 == 0 else {
            throw SystemFailure(
                "others can read this private key; run chmod 600 on it: open", path, code: EACCES)
        }
        return try contents(of: file, path, limit)
    }

    /// Whether group or others can read or write the file; nil if it cannot be looked at.
    package static func isExposed(_ path: String) -> Bool? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o077 != 0 : nil
    }

    /// A short text without the white space around it, as sysfs attributes are.
    package static func text(_ path: String, limit: Int = 1 << 20) throws(SystemFailure) -> String {
        var bytes = try read(path, limit: limit)[...]
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Creates a file that must not exist yet, with exactly `mode`, and syncs it.
    package static func create(
        _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600
    ) throws(SystemFailure) {
        let file = try OwnedFD("open", path) {
            clinux_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        let number = file.number
        do {
            try checked("fchmod", path) { fchmod(number, mode_t(mode)) }
            try writeAll(number, path, bytes)
            try checked("fsync", path) { fsync(number) }
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Writes into an existing file or attribute in one call.
    package static func overwrite(_ path: String, _ bytes: [UInt8]) throws(SystemFailure) {
        let file = try OwnedFD("open", path) {
            clinux_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0)
        }
        try writeAll(file.number, path, bytes)
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether this user may write there; false on a read-only file system.
    package static func isWritable(_ path: String) -> Bool { access(path, W_OK) == 0 }

    /// In a file system that shows the kernel, such as /proc and /sys: no user can make anything
    /// there.
    package static func isKernels(_ path: String) -> Bool { clinux_is_kernels(path) }

    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Kind of a file that is no character device, such as "a directory"; nil if it is one, or does
    /// not exist.
    package static func noDevice(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFCHR: return nil
        case S_IFDIR: return "a directory"
        case S_IFREG: return "a file"
        case S_IFIFO: return "a pipe"
        case S_IFSOCK: return "a socket"
        case S_IFBLK: return "a block device"
        default: return "something else"
        }
    }

    /// Absolute, with every symbolic link followed; nil if it does not exist.
    package static func realPath(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        return buffer.withUnsafeMutableBufferPointer { room in
            // Test beds that stand before the C library answer with a place inside the buffer.
            realpath(path, room.baseAddress).map { String(cString: $0) }
        }
    }

    /// Absolute, with every link followed, and without "." and "..", also where the end of it does
    /// not exist yet.
    package static func settledPath(_ path: String) -> String? {
        var (existing, missing) = (path.isEmpty ? "." : path, [Substring]())
        while true {
            if let real = realPath(existing) {
                var parts = real.split(separator: "/")
                for part in missing.reversed() where part != "." {
                    if part == ".." { _ = parts.popLast() } else { parts.append(part) }
                }
                return "/" + parts.joined(separator: "/")
            }
            while existing.hasSuffix("/") { existing.removeLast() }
            let cut = existing.lastIndex(of: "/")
            missing.append(cut.map { existing[existing.index(after: $0)...] } ?? existing[...])
            guard missing.count < 1000 else { return nil }
            existing = cut.map { $0 == existing.startIndex ? "/" : String(existing[..<$0]) } ?? "."
        }
    }

    /// Whether two paths name one file or directory.
    package static func isSameFile(_ path: String, _ other: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(path, &first) == 0, stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// The places that a path leads through, link by link, each in its real folder; the last is no
    /// link.
    package static func linkChain(_ path: String) -> [String] {
        var places: [String] = []
        var next: String? = path
        // As many links as the kernel follows.
        while let place = next, places.count < 40 {
            let cut = place.lastIndex(of: "/")
            let name = cut.map { place[place.index(after: $0)...] } ?? place[...]
            let above = cut.map { $0 == place.startIndex ? "/" : String(place[..<$0]) } ?? "."
            guard let folder = realPath(above) else { break }
            let whole = folder == "/" ? "/\(name)" : "\(folder)/\(name)"
            places.append(whole)
            next = linkTarget(whole).map { $0.hasPrefix("/") ? $0 : "\(folder)/\($0)" }
        }
        return places
    }

    /// Target of a symbolic link; nil if the path is none.
    package static func linkTarget(_ path: String) -> String? {
        // CChar is signed on some processors and not on others; bytes are bytes.
        var target = [UInt8](repeating: 0, count: 4096)
        let count = target.withUnsafeMutableBytes { raw in
            raw.bindMemory(to: CChar.self).baseAddress.map { readlink(path, $0, raw.count) } ?? -1
        }
        return count > 0 ? String(decoding: target[..<count], as: UTF8.self) : nil
    }

    /// The names in a directory, without "." and "..", in no order.
    package static func names(in path: String) throws(SystemFailure) -> [String] {
        guard let directory = opendir(path) else {
            throw SystemFailure("opendir", path, code: errno)
        }
        defer { closedir(directory) }
        return try names(directory, path)
    }

    /// The names that an open directory stream still has.
    static func names(_ directory: OpaquePointer, _ path: String) throws(SystemFailure) -> [String]
    {
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw SystemFailure("readdir", path, code: errno) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// A symbolic link at `path`, in place of one that is there; anything else there is EEXIST.
    package static func link(_ target: String, at path: String) throws(SystemFailure) {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK { unlink(path) }
        try checked("symlink", path) { symlink(target, path) }
    }

    /// Makes a directory and the missing ones above it, 0700 each.
    package static func makeDirectories(_ path: String) throws(SystemFailure) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            if retrying({ mkdir(made, 0o700) }) == 0 || errno == EEXIST { continue }
            let code = errno
            guard isDirectory(made) else { throw SystemFailure("mkdir", made, code: code) }
        }
        guard isDirectory(path) else { throw SystemFailure("mkdir", path, code: ENOTDIR) }
    }

    private static func open(_ path: String) throws(SystemFailure) -> OwnedFD {
        // O_NONBLOCK: a pipe planted under the name must not hang us.
        try OwnedFD("open", path) {
            clinux_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0)
        }
    }

    private static func contents(
        of file: borrowing OwnedFD, _ path: String, _ limit: Int
    ) throws(SystemFailure) -> [UInt8] {
        let number = file.number
        var status = stat()
        try checked("fstat", path) { fstat(number, &status) }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG else {
            throw SystemFailure("open", path, code: kind == S_IFDIR ? EISDIR : EINVAL)
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(max(Int(status.st_size) + 1, 512), 65536))
        while true {
            let count = try checked("read", path) { Glibc.read(number, &chunk, chunk.count) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw SystemFailure(
                    "read", path, code: EFBIG, "\(Quantity.describe(bytes: limit)) are allowed")
            }
            bytes += chunk[..<count]
        }
    }

    static func writeAll(_ number: Int32, _ path: String, _ bytes: [UInt8]) throws(SystemFailure) {
        var offset = 0
        while offset < bytes.count {
            offset += try checked("write", path) {
                bytes.withUnsafeBytes { raw in
                    Glibc.write(number, raw.baseAddress.map { $0 + offset }, raw.count - offset)
                }
            }
        }
    }
}
