import CLinux
import Glibc
import Synchronization

/// A descriptor with one owner, closed exactly once. Its number is never 0, 1 or 2: what is written
/// to the standard streams can never end up in a journal or on a serial line.
package struct OwnedFD: ~Copyable, Sendable {
    /// Borrowed by system calls; valid while this value lives.
    package let number: Int32

    /// Takes over an open descriptor. Numbers below 3 are moved up.
    package init(adopting number: Int32) throws(SystemFailure) {
        guard number < 3 else {
            self.number = number
            return
        }
        let moved = clinux_duplicate(number, 3)
        let code = errno
        Glibc.close(number)
        guard moved >= 0 else { throw SystemFailure("fcntl", "F_DUPFD_CLOEXEC", code: code) }
        self.number = moved
    }

    /// Runs `open`, which answers a new descriptor or -1, and owns the result.
    package init(
        _ call: StaticString, _ subject: @autoclosure () -> String = "", _ open: () -> Int32
    ) throws(SystemFailure) {
        try self.init(adopting: try checked(call, subject(), open))
    }

    deinit { Glibc.close(number) }

    /// Closes now. The answer is errno or 0; EIO from close(2) is the last chance to hear of a lost
    /// write.
    @discardableResult
    package consuming func close() -> Int32 {
        let result = Glibc.close(number)
        let code = result == 0 ? 0 : errno
        discard self
        return code
    }

    /// Gives the descriptor to someone who will close it.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}

/// Carries one descriptor from a helper thread to the loop inside a copyable message. If nobody
/// takes it, it is closed with the parcel.
package final class DescriptorParcel: Sendable {
    private let content: Mutex<OwnedFD?>

    package init(_ descriptor: consuming OwnedFD) { content = Mutex(descriptor) }

    /// An empty one, to be filled by `put`.
    package init() { content = Mutex(nil) }

    /// Fills an empty one.
    package func put(_ descriptor: consuming OwnedFD) {
        var rest: OwnedFD? = consume descriptor
        content.withLock { $0 = rest.take() }
    }

    /// The descriptor, the first time.
    package func take() -> OwnedFD? {
        content.withLock { content in
            let taken = content.take()
            return taken
        }
    }
}
