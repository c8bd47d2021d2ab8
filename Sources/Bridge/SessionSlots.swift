import Base

/// Chooses who uses the rate next: the session's own messages or the caller's records, as `Shares`
/// divides it.
extension Session {
    /// A kind of record that the caller may publish next.
    package enum Slot: Hashable, Sendable {
        /// A record of a device that has something urgent: a priority record, a command result, a
        /// gap.
        case urgent
        case record
    }

    /// Sends the session's own messages as long as it is their turn: PUBACKs, attaches,
    /// subscriptions, state documents. Then answers what may be published now; nil if nothing may,
    /// and the deadline says when to ask again. Call it again until nil after each record, and with
    /// `false` for what there is no record for: its share goes to the others.
    ///
    /// - Parameter urgent: the caller has such a record.
    /// - Parameter records: the caller has any record.
    package mutating func nextSlot(urgent: Bool, records: Bool, at now: Moment) -> Slot? {
        self.now = now
        granted = nil
        guard case .open = phase else { return nil }
        var waiting = ownClaims(at: now.instant)
        if turn != nil || hasRoom {
            waiting.set(.urgent, urgent)
            waiting.set(.record, records)
        }
        var hasSent = false
        while limiter.allows(at: now.instant), let claim = shares.next(waiting) {
            switch claim {
            case .urgent: slot = .urgent
            case .record: slot = .record
            default:
                if sendOwn(claim, at: now.instant) {
                    shares.charge(claim)
                    hasSent = true
                } else {
                    waiting.remove(claim)
                }
                continue
            }
            if hasSent { pull(at: now) }
            guard case .open = phase else { return nil }
            return slot
        }
        if hasSent { pull(at: now) }
        armTimers(at: now.instant)
        return nil
    }

    /// Outputs wait to be taken with `next`.
    package var hasOutputs: Bool { !queue.isEmpty }

    private mutating func ownClaims(at now: Instant) -> Shares.Claims {
        var claims: Shares.Claims = []
        claims.set(.setup, wantsSetup(at: now))
        claims.set(.acknowledgement, inbox.hasNext(at: now))
        claims.set(.state, wantsState(at: now))
        return claims
    }

    private mutating func sendOwn(_ claim: Shares.Claim, at now: Instant) -> Bool {
        switch claim {
        case .setup: sendSetup(at: now)
        case .acknowledgement: sendAcknowledgement(at: now)
        case .state: sendState(at: now)
        case .urgent, .record: false
        }
    }
}
