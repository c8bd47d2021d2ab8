import Base
import CLinux
import Glibc
import Synchronization

/// Standard output for results, standard error for complaints and progress.
package enum Console {
    package static func say(_ text: String) { write(1, text + "\n") }
    package static func complain(_ text: String) { write(2, text + "\n") }
    /// A question on standard error; on a terminal the answer stands behind it.
    package static func prompt(_ text: String) {
        write(2, text + (Machine.isTerminal(0) ? " " : "\n"))
    }
    /// Without a line end.
    package static func emit(_ bytes: [UInt8]) { write(1, bytes) }

    /// For a loop that ends when nobody reads the results any more.
    package static let outputDescriptor: Int32 = 1
    /// errno of the first result that could not be written; 0: all were.
    private static let outputError = Atomic<Int32>(0)
    package static var outputFailure: SystemFailure? {
        let code = outputError.load(ordering: .relaxed)
        return code == 0 ? nil : SystemFailure("write", "standard output", code: code)
    }

    package static var isTerminal: Bool { isatty(1) == 1 }
    package static var isErrorTerminal: Bool { isatty(2) == 1 }

    /// Replaces the current line of the terminal on standard error, cut to its width; the next call
    /// or complaint goes on there, so end with an empty text.
    package static func progress(_ text: String) {
        var size = winsize()
        let columns =
            ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) - 1 : 79
        write(2, "\r" + text.prefix(columns) + "\u{1B}[K")
    }

    /// Waits, as a program does that shows something every so often.
    package static func wait(_ duration: Duration) {
        let time = max(.zero, duration)
        var wanted = timespec(
            tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds % 1_000_000_000))
        var left = timespec()
        while nanosleep(&wanted, &left) != 0, errno == EINTR { wanted = left }
    }

    private static func write(_ descriptor: Int32, _ text: String) {
        write(descriptor, Array(text.utf8))
    }

    /// All of it, unless the descriptor takes no more: that results are missing is kept in
    /// `outputFailure`.
    private static func write(_ descriptor: Int32, _ bytes: [UInt8]) {
        var rest = descriptor == outputDescriptor && outputFailure != nil ? [] : bytes[...]
        while !rest.isEmpty {
            let count = retrying {
                rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            }
            guard count > 0 else {
                let code = errno
                if count < 0, code == EAGAIN, clinux_poll_ns(descriptor, Int16(POLLOUT), -1) > 0 {
                    continue
                }
                if descriptor == outputDescriptor { outputError.store(code, ordering: .relaxed) }
                return
            }
            rest = rest.dropFirst(count)
        }
    }
}
