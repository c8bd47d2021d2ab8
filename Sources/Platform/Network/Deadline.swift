import Base
import Glibc

/// One end for everything that an attempt does, and a descriptor that ends it early.
struct Deadline {
    let due: Instant
    /// Readable means: give up now. -1 for none.
    let interrupt: Int32

    init(after duration: Duration, interrupt: Int32 = -1) {
        due = Clock.instant + duration
        self.interrupt = interrupt
    }

    enum Wake: Equatable { case ready, expired, interrupted }

    var hasPassed: Bool { Clock.instant >= due }

    /// Waits until one of `sockets` is ready, and not beyond `limit` if that is earlier; `revents`
    /// is filled in. `.expired` then means that `limit` or the deadline has passed.
    func wait(_ sockets: inout [pollfd], until limit: Instant? = nil) -> Wake {
        sockets.append(pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0))
        defer { sockets.removeLast() }
        let end = min(limit ?? due, due)
        while true {
            let left = (end - Clock.instant).nanoseconds
            if left <= 0 { return .expired }
            let milliseconds = Int32(clamping: (left + 999_999) / 1_000_000)
            let ready = retrying { poll(&sockets, nfds_t(sockets.count), milliseconds) }
            if ready < 0 { return .expired }
            if ready == 0 { continue }
            return sockets[sockets.count - 1].revents != 0 ? .interrupted : .ready
        }
    }

    /// Waits for one descriptor.
    func wait(_ descriptor: Int32, for events: Int32) -> Wake {
        var sockets = [pollfd(fd: descriptor, events: Int16(events), revents: 0)]
        return wait(&sockets)
    }
}
