import CLinux
import Glibc

/// A system call that failed: which one, on what, and the kernel's number.
package struct SystemFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call's name: "open".
    package var call: String
    /// The path or address it was about; empty if none.
    package var subject: String
    /// errno.
    package var code: Int32
    /// Detail that the number alone does not say; empty if there is none.
    package var detail: String

    package init(_ call: String, _ subject: String = "", code: Int32, _ detail: String = "") {
        self.call = call
        self.subject = subject
        self.code = code
        self.detail = detail
    }

    /// "No such file or directory (ENOENT)"
    package var words: String {
        guard let text = clinux_error_text(code), let name = clinux_error_name(code) else {
            return "error \(code)"
        }
        return "\(String(cString: text)) (\(String(cString: name)))"
            + (detail.isEmpty ? "" : ", \(detail)")
    }

    /// ENOENT.
    package var isMissing: Bool { code == ENOENT }

    /// EADDRINUSE: somebody listens there already.
    package var isAddressInUse: Bool { code == EADDRINUSE }
    /// EPIPE: the reader has closed its end.
    package var isBrokenPipe: Bool { code == EPIPE }

    /// "open /dev/ttyUSB0: No such file or directory (ENOENT)"
    package var description: String {
        subject.isEmpty ? "\(call): \(words)" : "\(call) \(subject): \(words)"
    }
}

/// Runs a call that answers -1 and sets errno, again as long as a signal interrupts it. This is the
/// only place in the product that knows EINTR. Never wrap close(2): Linux has closed even then.
@inline(__always)
package func retrying<Value: SignedInteger>(_ call: () -> Value) -> Value {
    while true {
        let value = call()
        if value != -1 || errno != EINTR { return value }
    }
}

/// The same, with the failure thrown.
@inline(__always)
@discardableResult
package func checked<Value: SignedInteger>(
    _ name: StaticString, _ subject: @autoclosure () -> String = "", _ call: () -> Value
) throws(SystemFailure) -> Value {
    let value = retrying(call)
    if value != -1 { return value }
    let code = errno
    throw SystemFailure("\(name)", subject(), code: code)
}
