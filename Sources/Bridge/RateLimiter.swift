import Base

/// Messages and bytes per second; nil is unlimited.
package struct Rate: Hashable, Sendable {
    package var messages: Int?
    package var bytes: Int?

    package init(messages: Int?, bytes: Int?) {
        self.messages = messages
        self.bytes = bytes
    }

    package static let unlimited = Rate(messages: nil, bytes: nil)
}

/// Two token buckets, one in messages and one in bytes, filled evenly. Every packet we send
/// counts, control packets included; those may overdraw, which delays the messages after them.
///
/// A bucket holds 1/20 s of its rate, so no second carries more than 105 % of it: 95 messages/s
/// stays under a limit of 100. It is kept as the time at which everything sent would have
/// been paid for, which needs no refilling and cannot drift.
package struct RateLimiter: Sendable {
    private var messages: Bucket?
    private var bytes: Bucket?

    package init(_ rate: Rate) {
        messages = rate.messages.map { Bucket(perSecond: $0) }
        bytes = rate.bytes.map { Bucket(perSecond: $0) }
    }

    package func allows(at now: Instant) -> Bool {
        if let messages, !messages.allows(at: now) { return false }
        if let bytes, !bytes.allows(at: now) { return false }
        return true
    }

    /// When the next message may go; in the past if one may go now.
    package var opens: Instant {
        max(
            messages?.opens ?? Instant(nanoseconds: .min),
            bytes?.opens ?? Instant(nanoseconds: .min))
    }

    package mutating func spend(messages count: Int = 1, bytes size: Int, at now: Instant) {
        messages?.spend(count, at: now)
        bytes?.spend(size, at: now)
    }

    private struct Bucket: Sendable {
        let perSecond: Int64
        let burst: Duration
        var paidUntil = Instant(nanoseconds: .min)

        init(perSecond: Int) {
            self.perSecond = Int64(max(1, perSecond))
            burst = .nanoseconds(max(0, 50_000_000 - 1_000_000_000 / self.perSecond))
        }

        var opens: Instant { paidUntil - burst }

        func allows(at now: Instant) -> Bool { opens <= now }

        mutating func spend(_ amount: Int, at now: Instant) {
            let (cost, overflow) = Int64(amount).multipliedReportingOverflow(by: 1_000_000_000)
            let base = max(paidUntil, now)
            paidUntil = base + .nanoseconds(overflow ? .max : cost / perSecond)
        }
    }
}
