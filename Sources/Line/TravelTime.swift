import Base

/// Whether the bytes of a line take the time that its speed says. Then a reply that is whole before
/// the request can have left, and its own bytes can have travelled, answers nothing. On a
/// pseudo-terminal, and at adapters that are themselves the unit, bytes take no time.
struct TravelTime: Sendable {
    /// Exchanges whose only answer came too soon, before the line's speed is not believed any more.
    private static let doubts = 2

    /// The line has a speed, as far as its kind tells.
    var isPhysical = true
    private var isTimed = true
    private var hasAnswered = false
    private var wasEarly = false
    private var onlyEarly = 0

    mutating func reopen(isTimed: Bool) {
        self = TravelTime()
        isPhysical = isTimed
        self.isTimed = isTimed
    }

    mutating func begin() { wasEarly = false }

    /// - Parameters:
    ///   - time: from when the request was sent to when the reply was whole.
    ///   - soonest: what both take by the line's speed. Units and machines differ from it a little.
    ///   - isEcho: it is the same as the request, so it may be what the transceiver hears of
    ///     itself.
    mutating func isTooSoon(_ time: Duration, soonest: Duration, isEcho: Bool) -> Bool {
        guard isPhysical, isTimed || isEcho, time < soonest * 7 / 8 else { return false }
        if isEcho { return true }
        // Before the first answer there is nothing that could be repeated.
        guard hasAnswered else {
            isTimed = false
            return false
        }
        wasEarly = true
        return true
    }

    mutating func answered() {
        hasAnswered = true
        onlyEarly = 0
    }

    mutating func fellSilent() {
        guard wasEarly else { return }
        onlyEarly += 1
        if onlyEarly >= Self.doubts { isTimed = false }
    }
}
