import Base

/// Looks at what a line counts and says what it suffers from: every ten seconds, over the last five
/// minutes since the line was opened. A finding counts when it was found twice in a row, so that a
/// change is told once.
package struct LineDoctor: Sendable {
    package struct Change: Hashable, Sendable {
        /// Nil: the port.
        package var unit: UnitID?
        /// Nil: it is well again.
        package var sentence: String?
    }

    static let interval = Duration.seconds(10)
    static let window = Duration.seconds(300)
    /// Between two of the snapshots from which the window's beginning is taken.
    static let step = Duration.seconds(30)

    /// Findings that are told now.
    package private(set) var findings = Findings()
    /// When `examine` is to be called; nil while the line is closed.
    package private(set) var due: Instant?
    private var latest = Findings()
    /// Units that were silent and answer again: their old timeouts say nothing new.
    private var recovered: [UnitID: Instant] = [:]
    private var snapshots: [(at: Instant, statistics: PortStatistics)] = []

    package init() {}

    /// The line was opened.
    package mutating func begin(_ statistics: PortStatistics, at now: Instant) {
        snapshots = [(now, statistics)]
        latest = Findings()
        recovered = [:]
        due = now + Self.interval
    }

    /// The line was closed: what was found may not be so when it comes back.
    package mutating func end() {
        snapshots = []
        findings = Findings()
        due = nil
    }

    /// Examines the statistics and returns the changes since the last time.
    package mutating func examine(_ statistics: PortStatistics, at now: Instant) -> [Change] {
        due = now + Self.interval
        var statistics = statistics
        // Whether a unit that is not in the configuration answers is known to the person who asks.
        statistics.units.removeAll(where: \.isGuest)
        guard let first = snapshots.first else { return [] }
        var found = Findings.diagnose(statistics.since(first.statistics), earlier: first.statistics)
        for (unit, since) in recovered {
            if found.units[unit] == .answersSometimes { found.units[unit] = nil }
            if now - since > Self.window + Self.step { recovered[unit] = nil }
        }
        if let last = snapshots.last, now - last.at >= Self.step {
            snapshots.append((now, statistics))
        }
        while snapshots.count > 1, now - snapshots[1].at >= Self.window { snapshots.removeFirst() }
        var changes: [Change] = []
        if found.port == latest.port, found.port != findings.port {
            changes.append(Change(unit: nil, sentence: found.port?.sentence))
            findings.port = found.port
        }
        for unit in statistics.units.map(\.unit) {
            var trouble = found.units[unit]
            let wasSilent = findings.units[unit]?.isSilence ?? false
            if wasSilent, !(trouble?.isSilence ?? false), recovered[unit] == nil {
                recovered[unit] = now
                if trouble == .answersSometimes { trouble = nil }
                found.units[unit] = trouble
            }
            guard trouble == latest.units[unit], trouble != findings.units[unit] else { continue }
            changes.append(Change(unit: unit, sentence: trouble?.sentence))
            findings.units[unit] = trouble
        }
        latest = found
        return changes
    }
}
