import CLinux
import Glibc

/// Whole folders, for programs that set up a place to work in.
extension FileSystem {
    /// A new folder below $TMPDIR or /tmp, for this user alone.
    package static func makeTemporaryDirectory(_ name: String) throws(SystemFailure) -> String {
        let base = Machine.environment("TMPDIR") ?? "/tmp"
        var template = Array("\(base)/\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFailure("mkdtemp", base, code: errno) }
        return template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// A file's whole content, whatever was there before; not for what must survive a power cut.
    package static func replace(
        _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600
    ) throws(SystemFailure) {
        if exists(path) { try checked("unlink", path) { unlink(path) } }
        try create(path, bytes, mode: mode)
    }

    /// A folder and everything below it; what cannot be removed stays. Links are not followed.
    package static func removeTree(_ path: String) {
        clinux_remove_tree(path)
    }
}
