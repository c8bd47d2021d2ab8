import CLinux
import Glibc

/// A log file that only grows: every line goes to its end, whoever else writes to it.
package final class AppendedFile {
    private let descriptor: OwnedFD

    package init(_ path: String) throws(SystemFailure) {
        descriptor = try OwnedFD("open", path) {
            clinux_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        }
    }

    /// False if the disk took less than the whole line.
    @discardableResult
    package func add(_ line: String) -> Bool {
        let bytes = Array((line + "\n").utf8)
        let number = descriptor.number
        return retrying { bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) } }
            == bytes.count
    }
}
