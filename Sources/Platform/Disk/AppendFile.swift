import CLinux
import Glibc

/// A new file that grows by whole pieces: what a tool writes while it runs.
package final class AppendFile {
    private let file: OwnedFD
    private let path: String

    /// In place of one that is there. Mode 0644 less the umask.
    package init(_ path: String) throws(SystemFailure) {
        file = try OwnedFD("open", path) {
            clinux_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        }
        self.path = path
    }

    package func append(_ bytes: [UInt8]) throws(SystemFailure) {
        try FileSystem.writeAll(file.number, path, bytes)
    }
}
