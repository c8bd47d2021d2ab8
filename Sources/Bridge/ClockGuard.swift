import Base

/// How far this machine's wall clock may be believed, because a token signed with a wrong clock
/// is refused and a reading with a wrong time misleads.
///
/// | level | when | consequence |
/// |---|---|---|
/// | impossible | before the release date; not synchronised and before the last good time | no token |
/// | unproven | neither synchronised nor backed by an RTC | readings marked, a token refused again and again waits longer |
/// | trusted | synchronised, RTC, told so, or a token signed now was accepted | everything |
package struct ClockGuard: Sendable {
    package enum Level: Int, Hashable, Sendable, Comparable, CustomStringConvertible {
        case impossible, unproven, trusted

        package var description: String {
            switch self {
            case .impossible: "impossible"
            case .unproven: "unproven"
            case .trusted: "trusted"
            }
        }

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// A clock that moved more than this since the bridge accepted a token has lost that proof:
    /// it is the skew the bridge allows.
    package static let skew: Duration = .seconds(600)

    /// The last time known to be good; whoever keeps it may store it and give it back at start.
    package private(set) var floor: WallTime
    private let release: WallTime
    private let trust: Bool
    private var facts = ClockFacts(synchronised: false, hasRTC: false)
    /// Wall clock minus boot clock in milliseconds when the bridge accepted a token.
    private var accepted: Int64?

    package init(release: WallTime, trust: Bool = false) {
        self.release = release
        self.trust = trust
        floor = release
    }

    /// The last good time of an earlier run.
    package mutating func restore(floor stored: WallTime) { floor = max(floor, stored) }

    /// Takes over the observations of another guard of the same clock.
    package mutating func inherit(_ old: ClockGuard) {
        floor = max(floor, old.floor)
        (facts, accepted) = (old.facts, old.accepted)
    }

    package mutating func learn(_ facts: ClockFacts) { self.facts = facts }

    /// CONNACK 0 to a token signed at `now`.
    package mutating func tokenAccepted(signedAt now: Moment) { accepted = Self.offset(now) }

    /// The last good time advances while something better than an RTC vouches for the clock.
    package mutating func observe(_ now: Moment) {
        guard now.wall >= release, facts.synchronised || trust || isAccepted(now) else { return }
        floor = facts.synchronised || trust ? now.wall : max(floor, now.wall)
    }

    package func level(at now: Moment) -> Level {
        if now.wall < release { return .impossible }
        if facts.synchronised || trust || isAccepted(now) { return .trusted }
        if now.wall < floor { return .impossible }
        return facts.hasRTC ? .trusted : .unproven
    }

    private func isAccepted(_ now: Moment) -> Bool {
        guard let accepted else { return false }
        let (moved, overflow) = Self.offset(now).subtractingReportingOverflow(accepted)
        return !overflow && moved.magnitude <= UInt64(Self.skew.milliseconds)
    }

    private static func offset(_ now: Moment) -> Int64 {
        now.wall.milliseconds.subtractingReportingOverflow(now.instant.nanoseconds / 1_000_000)
            .partialValue
    }
}
