import Base
import CLinux
import Glibc

/// Waits for descriptors and for the earliest deadline: level-triggered epoll with waits to the
/// nanosecond. One thread uses it; nothing here is shared.
package final class EventLoop {
    /// Readiness that is waited for. A descriptor that is gone (EPOLLHUP, EPOLLERR) is reported in
    /// any case. The type is no option set, because generic code of another module would make its
    /// literals at every turn of the loop.
    package enum Interest: Hashable, Sendable {
        case none, read, write, both

        fileprivate var events: UInt32 {
            switch self {
            case .none: 0
            case .read: CLINUX_EPOLLIN
            case .write: CLINUX_EPOLLOUT
            case .both: CLINUX_EPOLLIN | CLINUX_EPOLLOUT
            }
        }
    }

    /// One watched descriptor. Never reused, so what arrives late for a removed watch is dropped.
    package struct Watch: Hashable, Sendable {
        fileprivate let token: UInt64
    }

    package struct Ready: Hashable, Sendable {
        package var watch: Watch
        package var descriptor: Int32
        package var isReadable: Bool
        package var isWritable: Bool
        /// EPOLLHUP or EPOLLERR: reported whatever the interest is, until the watch is removed.
        package var isHungUp: Bool
    }

    package typealias Handler = (Ready) -> Void

    private struct Entry {
        var descriptor: Int32
        var handler: Handler?
    }

    private let epoll: OwnedFD
    private var entries: [UInt64: Entry] = [:]
    private var nextToken: UInt64 = 1
    private let events = UnsafeMutableBufferPointer<clinux_event>.allocate(capacity: 64)
    private var hasNanosecondWait = true

    package init() throws(SystemFailure) {
        events.initialize(repeating: clinux_event())
        epoll = try OwnedFD("epoll_create1") { clinux_epoll_create() }
        // Timer slack belongs to the thread: 1 ns instead of the kernel's 50 µs.
        _ = clinux_timer_slack(1)
    }

    deinit { events.deallocate() }

    /// How many descriptors are watched.
    package var count: Int { entries.count }

    /// Watches `descriptor`, which stays its owner's, until `remove`. The owner must be kept (in a
    /// property, not in a local that is not used again): with it the descriptor and silently the
    /// watch would go. With a handler `wait` calls it; without one the event is among those that
    /// `wait` answers.
    package func watch(
        _ descriptor: Int32, _ interest: Interest, _ handler: Handler? = nil
    ) throws(SystemFailure) -> Watch {
        let watch = Watch(token: nextToken)
        try checked("epoll_ctl", "add") {
            clinux_epoll_control(
                epoll.number, CLINUX_EPOLL_ADD, descriptor, interest.events, watch.token)
        }
        nextToken += 1
        entries[watch.token] = Entry(descriptor: descriptor, handler: handler)
        return watch
    }

    package func change(_ watch: Watch, _ interest: Interest) throws(SystemFailure) {
        guard let entry = entries[watch.token] else { return }
        try checked("epoll_ctl", "change") {
            clinux_epoll_control(
                epoll.number, CLINUX_EPOLL_CHANGE, entry.descriptor, interest.events, watch.token)
        }
    }

    /// Ends a watch; call it before the descriptor is closed. Unknown watches are ignored.
    package func remove(_ watch: Watch) {
        guard let entry = entries.removeValue(forKey: watch.token) else { return }
        _ = clinux_epoll_control(epoll.number, CLINUX_EPOLL_REMOVE, entry.descriptor, 0, 0)
    }

    package func isWatched(_ watch: Watch) -> Bool { entries[watch.token] != nil }

    /// Waits until something is ready or `due` has come (nil: for ever), calls the handlers of what
    /// is ready and answers the rest, at most 64 together. An empty answer is a deadline or
    /// handlers only.
    package func wait(until due: Instant?) throws(SystemFailure) -> [Ready] {
        let count = try poll(until: due)
        guard count > 0 else { return [] }
        var rest: [Ready] = []
        for event in events.prefix(count) {
            // A handler before this one may have removed the watch.
            guard let entry = entries[event.token] else { continue }
            let ready = Ready(
                watch: Watch(token: event.token), descriptor: entry.descriptor,
                isReadable: event.events & CLINUX_EPOLLIN != 0,
                isWritable: event.events & CLINUX_EPOLLOUT != 0,
                isHungUp: event.events & (CLINUX_EPOLLHUP | CLINUX_EPOLLERR) != 0)
            if let handler = entry.handler {
                handler(ready)
            } else {
                rest.append(ready)
            }
        }
        return rest.isEmpty ? [] : rest.filter { isWatched($0.watch) }
    }

    /// The number of events now in `events`. An interrupted wait goes on until the same deadline.
    private func poll(until due: Instant?) throws(SystemFailure) -> Int {
        if hasNanosecondWait {
            let count = retrying {
                clinux_epoll_wait_ns(
                    epoll.number, events.baseAddress, Int32(events.count),
                    Instant.wait(until: due, from: Clock.instant))
            }
            if count >= 0 { return Int(count) }
            guard errno == ENOSYS else { throw SystemFailure("epoll_pwait2", code: errno) }
            hasNanosecondWait = false
        }
        try checked("ppoll") {
            clinux_poll_ns(
                epoll.number, Int16(POLLIN), Instant.wait(until: due, from: Clock.instant))
        }
        return Int(
            try checked("epoll_wait") {
                clinux_epoll_take(epoll.number, events.baseAddress, Int32(events.count))
            })
    }
}
