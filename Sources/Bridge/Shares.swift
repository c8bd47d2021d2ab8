/// Divides a short rate between the kinds of messages that wait for it (stride scheduling): each
/// kind pays for a message with 1/weight, and the one that has paid least sends next. A kind that
/// does not wait saves nothing up; what it leaves is divided among the others.
///
/// | kind | weight | part of the rate while readings, acknowledgements and states wait |
/// |---|---|---|
/// | urgent: devices with a priority record, a command result or a gap | 12 | the next message, at most 3/4 |
/// | setup: attaches and subscriptions | 8 | at most 2/3 |
/// | records | 2 | a half, two thirds beside acknowledgements alone |
/// | acknowledgements: PUBACKs for what was received | 1 | a quarter |
/// | states | 1 | a quarter |
///
/// PINGREQ, CONNECT and messages that are sent again do not ask: they overdraw the rate.
struct Shares: Sendable {
    enum Claim: Int, CaseIterable, Sendable {
        case urgent, setup, record, acknowledgement, state
    }

    struct Claims: OptionSet, Sendable {
        let rawValue: UInt8
        init(rawValue: UInt8) { self.rawValue = rawValue }
        init(_ claim: Claim) { rawValue = 1 << UInt8(claim.rawValue) }
        func contains(_ claim: Claim) -> Bool { contains(Claims(claim)) }
        mutating func set(_ claim: Claim, _ waits: Bool) { if waits { insert(Claims(claim)) } }
        mutating func remove(_ claim: Claim) { remove(Claims(claim)) }
    }

    /// 24 divided by the weight, by `Claim.rawValue`.
    private static let prices: [UInt64] = [2, 3, 12, 24, 24]

    /// Price paid by each kind, by `Claim.rawValue`.
    private var paid = [UInt64](repeating: 0, count: Claim.allCases.count)
    /// Price paid by the kind that was chosen last; a kind that begins to wait starts from here.
    private var time: UInt64 = 0

    /// The kind whose message leaves next; nil if none waits. Of several with equal rights the
    /// first in the order of `Claim`.
    mutating func next(_ waiting: Claims) -> Claim? {
        var best: Claim?
        for claim in Claim.allCases where waiting.contains(claim) {
            paid[claim.rawValue] = max(paid[claim.rawValue], time)
            if best.map({ paid[claim.rawValue] < paid[$0.rawValue] }) ?? true { best = claim }
        }
        if let best { time = paid[best.rawValue] }
        return best
    }

    /// A message of this kind has left.
    mutating func charge(_ claim: Claim) { paid[claim.rawValue] += Self.prices[claim.rawValue] }
}
