import CLinux
import Glibc

/// SIGTERM, SIGINT and SIGHUP as something to read instead of an interruption.
package final class SignalInbox: Sendable {
    package enum Event: Hashable, Sendable {
        /// SIGTERM or SIGINT
        case terminate
        /// SIGHUP: a service takes up its configuration again; for every other program its terminal
        /// is gone.
        case hangUp
    }

    private let descriptorOwner: OwnedFD

    /// Blocks the three signals in the calling thread: make it on the main thread before any other
    /// thread starts, because they inherit the mask.
    package init() throws(SystemFailure) {
        let signals = [SIGTERM, SIGINT, SIGHUP]
        descriptorOwner = try OwnedFD("signalfd") { clinux_signalfd(signals, signals.count) }
    }

    /// Watch it for reading.
    package var descriptor: Int32 { descriptorOwner.number }

    /// Takes the signals that have arrived since the last call, in the order in which the kernel
    /// gives them.
    package func take() -> [Event] {
        var events: [Event] = []
        // A signal is pending at most once each, so three reads empty it; 16 bound the loop.
        for _ in 0..<16 {
            let number = retrying { clinux_signalfd_read(descriptor) }
            guard number > 0 else { break }
            events.append(number == SIGHUP ? .hangUp : .terminate)
        }
        return events
    }
}
