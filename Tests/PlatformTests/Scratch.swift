import Base
import Glibc
import Platform

/// A directory for one test, removed with everything in it at the end.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/fieldgw-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            String(cString: mkdtemp(buffer.baseAddress!))
        }
    }

    deinit { Scratch.remove(path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file and the directories above it.
    func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws {
        try makeParent(name)
        try FileSystem.create(file(name), Array(text.utf8), mode: mode)
    }

    func directory(_ name: String) throws { try FileSystem.makeDirectories(file(name)) }

    func link(_ name: String, to target: String) throws {
        try makeParent(name)
        precondition(symlink(target, file(name)) == 0)
    }

    private func makeParent(_ name: String) throws {
        let whole = file(name)
        try FileSystem.makeDirectories(String(whole[..<whole.lastIndex(of: "/")!]))
    }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? FileSystem.names(in: path)) ?? [] { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// What this process has open, from /proc/self/fd.
enum OpenDescriptors {
    /// The open descriptors whose target contains `text`; all of them for "".
    static func count(of text: String) -> Int {
        let names = (try? FileSystem.names(in: "/proc/self/fd")) ?? []
        return names.filter { name in
            guard let target = FileSystem.linkTarget("/proc/self/fd/\(name)") else { return false }
            return text.isEmpty || target.contains(text)
        }.count
    }
}

/// Runs the loop until `condition` holds; false after `limit`, so that a stuck test fails instead
/// of hanging.
func turn(
    _ loop: EventLoop, within limit: Duration = .seconds(10), until condition: () -> Bool
) throws -> Bool {
    let due = Clock.instant + limit
    while !condition() {
        if Clock.instant >= due { return false }
        _ = try loop.wait(until: Clock.instant + .milliseconds(20))
    }
    return true
}

/// Waits until a descriptor is readable; false after `limit`.
func isReadable(_ descriptor: Int32, within limit: Duration = .seconds(10)) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, Int32(limit.milliseconds)) > 0
}
