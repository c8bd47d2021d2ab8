import Base

/// A certificate that the gateway needs, and when it ends.
package struct CertificateEnd: Hashable, Sendable {
    /// `ca`, `client`, `door`, `key`, or the device whose key it is for.
    package var name: String
    /// Subject of a sentence.
    package var what: String
    package var end: WallTime

    package init(name: String, what: String, end: WallTime) {
        (self.name, self.what, self.end) = (name, what, end)
    }

    private func daysLeft(at now: WallTime) -> Int64 {
        (end.milliseconds - now.milliseconds) / 86_400_000
    }

    package func word(at now: WallTime) -> Alarm.Word? {
        guard end > now else { return .ended }
        switch daysLeft(at: now) {
        case ..<1: return .day1
        case ..<7: return .days7
        case ..<30: return .days30
        default: return nil
        }
    }

    package func endsSoon(at now: WallTime) -> Bool { word(at: now) != nil }

    /// A whole sentence: "the CA file (`ca`) ends on …: renew it".
    package func sentence(at now: WallTime) -> String {
        guard end > now else {
            return "\(what) ended on \(end.timestamp): connections will be refused"
        }
        let left = Plural.text(daysLeft(at: now), "day")
        return "\(what) ends on \(end.timestamp), in \(left): renew it"
    }
}
