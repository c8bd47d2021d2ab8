import Base

/// The share of a busy line that orders may take: three eighths of its time, setup a quarter. Half
/// would halve the polls together, but where intervals differ the short ones lose more than the
/// long ones.
///
/// An order goes before every read while its allowance lasts. Then the reads that are due come
/// first, until they have had their part of the time. An order that delays no healthy read needs no
/// allowance: on an idle line orders have no limit.
struct OrderBudget: Sendable {
    private var orders: Allowance
    private var setup: Allowance

    /// - Parameter burst: time that orders may take at once on a line that had none for a while.
    init(burst: Duration) {
        orders = Allowance(own: 3, others: 5, burst: burst)
        setup = Allowance(own: 1, others: 3, burst: burst)
    }

    /// True if an order may go before a healthy read that is due.
    func permits(setup isSetup: Bool, at now: Instant) -> Bool {
        opens(setup: isSetup, at: now) <= now
    }

    /// When an order may go before a healthy read, if no order is carried out before; at or before
    /// `now` means now.
    func opens(setup isSetup: Bool, at now: Instant) -> Instant {
        isSetup ? max(orders.opens(at: now), setup.opens(at: now)) : orders.opens(at: now)
    }

    /// An exchange of an order has kept the line from everybody else, its silence included.
    mutating func spend(from start: Instant, to end: Instant, setup isSetup: Bool) {
        orders.spend(from: start, to: end)
        if isSetup { setup.spend(from: start, to: end) }
    }

    /// An attempt at a unit that may be dead: this time was not the healthy reads' either.
    mutating func ignore(from start: Instant, to end: Instant) {
        orders.ignore(from: start, to: end)
        setup.ignore(from: start, to: end)
    }

    /// A share of time, saved up to `burst`. Spent beyond what was saved, it is closed until the
    /// others have had their part of what was overspent.
    private struct Allowance: Sendable {
        /// Parts of the time that are its own, and the others'.
        private let own: Int64
        private let others: Int64
        private let burst: Int64
        private var credit: Int64
        /// Since when the time belongs to the others.
        private var since = Instant.zero

        init(own: Int64, others: Int64, burst: Duration) {
            (self.own, self.others) = (own, others)
            self.burst = max(0, burst.nanoseconds)
            credit = self.burst
        }

        private func credit(at now: Instant) -> Int64 {
            // Whatever is saved up is full after a day.
            let passed = min(max(0, (now - since).nanoseconds), 86_400_000_000_000)
            return min(burst, credit + passed * own / others)
        }

        func opens(at now: Instant) -> Instant {
            let missing = -credit(at: now)
            return missing <= 0
                ? now : max(now, since) + .nanoseconds((missing * others + own - 1) / own)
        }

        mutating func spend(from start: Instant, to end: Instant) {
            // What was spent while nobody waited is forgotten, all but the last exchange.
            credit = max(0, credit(at: start)) - max(0, (end - start).nanoseconds)
            since = end
        }

        mutating func ignore(from start: Instant, to end: Instant) {
            credit = credit(at: start)
            since = max(start, end)
        }
    }
}
