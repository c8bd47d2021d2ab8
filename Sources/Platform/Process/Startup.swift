import CLinux
import Glibc

/// What a long-running process does first, before any thread and any descriptor of its own.
package enum Startup {
    /// Makes sure that descriptors 0, 1 and 2 are taken, so that no journal file gets one of them and
    /// then a log line, and ignores the signals that would kill us for a closed socket or a full quota.
    package static func prepare() {
        reserveStandardStreams()
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        _ = clinux_timer_slack(1)
    }

    private static func reserveStandardStreams() {
        for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 {
            // open(2) answers the lowest free number, which is this one.
            _ = clinux_open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0)
        }
    }
}

/// SIGTERM, SIGINT and SIGHUP as something to read instead of an interruption.
package final class SignalInbox: Sendable {
    package enum Event: Hashable, Sendable {
        /// SIGTERM or SIGINT
        case terminate
        /// SIGHUP
        case reload
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

    /// What has arrived since the last call, in order.
    package func take() -> [Event] {
        var events: [Event] = []
        // A signal is pending at most once each, so three reads empty it; 16 bound the loop.
        for _ in 0..<16 {
            let number = retrying { clinux_signalfd_read(descriptor) }
            guard number > 0 else { break }
            events.append(number == SIGHUP ? .reload : .terminate)
        }
        return events
    }
}
