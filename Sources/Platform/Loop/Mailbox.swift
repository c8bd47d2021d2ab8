import CLinux
import Glibc
import Synchronization

/// Messages from any thread to one that takes them: a queue and an eventfd that is readable while
/// the queue holds something. Order is the order of `post`.
package final class Mailbox<Message: Sendable>: Sendable {
    private let queue = Mutex<[Message]>([])
    private let event: OwnedFD

    package init() throws(SystemFailure) {
        event = try OwnedFD("eventfd") { clinux_eventfd() }
    }

    /// Watch it for reading; never read it.
    package var descriptor: Int32 { event.number }

    package var count: Int { queue.withLock { $0.count } }

    /// From any thread. Wakes the taker only when the queue was empty.
    package func post(_ message: Message) {
        queue.withLock { queue in
            queue.append(message)
            if queue.count == 1 { signal() }
        }
    }

    /// Everything posted so far; empty if nothing is there. Never waits.
    package func drain() -> [Message] {
        queue.withLock { queue in
            guard !queue.isEmpty else { return [] }
            var count: UInt64 = 0
            _ = retrying { read(event.number, &count, 8) }
            var messages: [Message] = []
            swap(&messages, &queue)
            return messages
        }
    }

    /// Waits for at least one message, or for `timeoutNanoseconds` (negative: for ever), and
    /// drains.
    package func take(timeoutNanoseconds: Int64 = -1) -> [Message] {
        _ = retrying { clinux_poll_ns(event.number, Int16(POLLIN), timeoutNanoseconds) }
        return drain()
    }

    private func signal() {
        var one: UInt64 = 1
        _ = retrying { write(event.number, &one, 8) }
    }
}
