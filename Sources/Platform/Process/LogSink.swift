import Base
import CLinux
import Glibc
import Synchronization

/// The log: notices to descriptor 2 by a thread of its own. `write` never waits for the reader:
/// when more than a thousand notices are waiting, new ones are dropped and counted, and the count
/// is written when there is room again. What one source may write is bounded by `NoticeLimiter`.
package final class LogSink: Sendable {
    package static let waitingMax = 1024

    private enum Message: Sendable {
        case notice(Notice, Moment)
        /// A count of the limiter's has begun: there is another deadline.
        case count
        /// Everything before it has been written when `reply` gets its message.
        case flush(Mailbox<Bool>)
        case stop
    }

    private let mailbox: Mailbox<Message>
    private let worker: Worker
    private let levelLimit: Atomic<Int>
    private let shared: Shared

    private final class Shared: Sendable {
        let waiting = Atomic<Int>(0)
        let dropped = Atomic<Int>(0)
        let limiter: Mutex<NoticeLimiter>

        init(_ limiter: NoticeLimiter) { self.limiter = Mutex(limiter) }
    }

    /// Under systemd (JOURNAL_STREAM) lines carry the journal's priority instead of time and level.
    package static var detectedStyle: LogFolder.Style {
        Machine.environment("JOURNAL_STREAM") == nil ? .plain : .journal
    }

    package init(
        descriptor: Int32 = 2, threshold: Notice.Level = .info,
        style: LogFolder.Style = LogSink.detectedStyle,
        limiter: NoticeLimiter = NoticeLimiter()
    ) throws(SystemFailure) {
        let mailbox = try Mailbox<Message>()
        let shared = Shared(limiter)
        self.mailbox = mailbox
        self.shared = shared
        levelLimit = Atomic(threshold.rawValue)
        worker = try Worker("fgw-log", stackBytes: 256 << 10)
        worker.submit { Self.run(mailbox, shared, descriptor, style) }
    }

    deinit {
        // A reader that has stopped reading must not keep the process from ending.
        let isWritten = flush(within: .milliseconds(500))
        mailbox.post(.stop)
        if !isWritten { worker.abandon() }
    }

    /// Notices less important than this are not written.
    package var threshold: Notice.Level {
        get { Notice.Level(rawValue: levelLimit.load(ordering: .relaxed)) ?? .info }
        set { levelLimit.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Notices dropped since the start because nobody read the log.
    package var dropped: Int { shared.dropped.load(ordering: .relaxed) }

    /// From any thread.
    package func write(_ notice: Notice, at now: Moment = Clock.now()) {
        guard notice.level.rawValue <= levelLimit.load(ordering: .relaxed) else { return }
        let (told, isNew) = shared.limiter.withLock { limiter in
            defer { limiter.hasNewCount = false }
            let told = limiter.receive(notice, at: now.instant)
            return (told, limiter.hasNewCount)
        }
        if isNew { mailbox.post(.count) }
        for notice in told { post(notice, at: now) }
    }

    private func post(_ notice: Notice, at now: Moment) {
        guard shared.waiting.add(1, ordering: .relaxed).newValue <= Self.waitingMax else {
            shared.waiting.subtract(1, ordering: .relaxed)
            shared.dropped.add(1, ordering: .relaxed)
            return
        }
        mailbox.post(.notice(notice, now))
    }

    /// The limiter's counts that are due, as lines.
    private static func counts(
        _ shared: Shared, _ folder: inout LogFolder, all: Bool = false
    ) -> [UInt8] {
        let now = Clock.now()
        let due = shared.limiter.withLock { $0.timeout(at: now.instant, all: all) }
        return due.flatMap { folder.receive($0, at: now) }
    }

    /// Waits until all that was written before is out, counts of repeats included; false if that
    /// took longer than `limit`. For the end of the process.
    @discardableResult
    package func flush(within limit: Duration = .seconds(1)) -> Bool {
        guard let reply = try? Mailbox<Bool>() else { return false }
        mailbox.post(.flush(reply))
        return !reply.take(timeoutNanoseconds: limit.nanoseconds).isEmpty
    }

    private static func run(
        _ mailbox: Mailbox<Message>, _ shared: Shared, _ descriptor: Int32, _ style: LogFolder.Style
    ) {
        var folder = LogFolder(style)
        var reported = 0
        while true {
            let due = [folder.deadline, shared.limiter.withLock { $0.deadline }].compactMap { $0 }
                .min()
            let messages = mailbox.take(
                timeoutNanoseconds: Instant.wait(until: due, from: Clock.instant))
            var lines: [UInt8] = []
            for message in messages {
                switch message {
                case .notice(let notice, let now):
                    shared.waiting.subtract(1, ordering: .relaxed)
                    lines += folder.receive(notice, at: now)
                case .count: break
                case .flush(let reply):
                    lines += counts(shared, &folder, all: true)
                    lines += folder.timeout(at: Clock.now(), all: true)
                    put(lines, descriptor)
                    lines = []
                    reply.post(true)
                case .stop:
                    lines += counts(shared, &folder, all: true)
                    put(lines + folder.timeout(at: Clock.now(), all: true), descriptor)
                    return
                }
            }
            lines += counts(shared, &folder) + folder.timeout(at: Clock.now())
            put(lines, descriptor)
            let dropped = shared.dropped.load(ordering: .relaxed)
            if dropped > reported {
                let words =
                    "\(Plural.text(dropped - reported, "message was", "messages were")) dropped: nobody read the log"
                reported = dropped
                put(folder.receive(Notice(.warning, "log", "", words), at: Clock.now()), descriptor)
            }
        }
    }

    /// All of it, waiting for the reader if need be. A reader that is gone gets nothing.
    private static func put(_ lines: [UInt8], _ descriptor: Int32) {
        var done = 0
        while done < lines.count {
            let count = retrying {
                lines.withUnsafeBytes { raw in
                    Glibc.write(descriptor, raw.baseAddress.map { $0 + done }, raw.count - done)
                }
            }
            if count > 0 {
                done += count
            } else if count < 0, errno == EAGAIN {
                _ = clinux_poll_ns(descriptor, Int16(POLLOUT), -1)
            } else {
                return
            }
        }
    }
}
