import Base
import Glibc

/// One end for everything that an attempt does, and a descriptor that ends it early.
struct Deadline {
    let due: Instant
    /// Readable means: give up now. -1 for none.
    let interrupt: Int32

    init(after duration: Duration, interrupt: Int32 = -1) {
        due = Self.now() + duration
        self.interrupt = interrupt
    }

    enum Wake: Equatable { case ready, expired, interrupted }

    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    var hasPassed: Bool { Self.now() >= due }

    /// Waits until one of `sockets` is ready, and not beyond `limit` if that is earlier; `revents`
    /// is filled in. `.expired` then means that `limit` or the deadline has passed.
    func wait(_ sockets: inout [pollfd], until limit: Instant? = nil) -> Wake {
        sockets.append(pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0))
        defer { sockets.removeLast() }
        let end = min(limit ?? due, due)
        while true {
            let left = (end - Self.now()).nanoseconds
            if left <= 0 { return .expired }
            let milliseconds = Int32(clamping: (left + 999_999) / 1_000_000)
            let ready = poll(&sockets, nfds_t(sockets.count), milliseconds)
            if ready < 0 && errno != EINTR { return .expired }
            if ready <= 0 { continue }
            return sockets[sockets.count - 1].revents != 0 ? .interrupted : .ready
        }
    }

    /// Waits for one descriptor.
    func wait(_ descriptor: Int32, for events: Int32) -> Wake {
        var sockets = [pollfd(fd: descriptor, events: Int16(events), revents: 0)]
        return wait(&sockets)
    }
}
