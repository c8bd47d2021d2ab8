import Base

extension Findings {
    /// From what was counted in a window of time to the likely causes; `earlier` is what was
    /// counted before it. Counts below a few say nothing.
    package static func diagnose(_ seen: PortStatistics, earlier: PortStatistics) -> Findings {
        if let trouble = dumbLine(seen, earlier) { return Findings(port: trouble) }
        let damaged = seen.units.filter(\.isDamaged).map(\.unit).sorted()
        let silent = seen.units.filter(\.isSilent).map(\.unit).sorted()
        let answering = seen.units.filter { $0.replies > 0 || $0.checksumErrors > 0 }.count
        var findings = Findings(
            port: speakingLine(seen, damaged: damaged, silent: silent, answering: answering))
        for unit in seen.units {
            switch findings.port {
            case .allDamaged: if unit.isDamaged { continue }
            case .damaged(let units), .silent(let units): if units.contains(unit.unit) { continue }
            default: break
            }
            findings.units[unit.unit] = trouble(of: unit)
        }
        return findings
    }

    /// No unit has given one good reply.
    private static func dumbLine(_ seen: PortStatistics, _ earlier: PortStatistics) -> PortTrouble?
    {
        let attempts = seen.timeouts + seen.checksumErrors
        guard seen.replies == 0, !seen.units.isEmpty, attempts >= 3 else { return nil }
        let (framing, parity) = (seen.line.framing > 0, seen.line.parity > 0)
        if framing || parity { return .wrongSpeed(framing: framing, parity: parity) }
        if seen.line.breaks > 0 { return .heldLow }
        if seen.lateReplies > 0 { return .allLate }
        if seen.wrongUnit > 0 || seen.units.contains(where: { $0.mismatches > 0 }) { return nil }
        if seen.bytesReceived - seen.echoBytes - seen.noiseBytes > 0 {
            return seen.collisions > 0 ? .collisions : .noSoundFrame
        }
        if seen.echoes > 0 { return .onlyEcho }
        return earlier.replies > 0 ? .fellSilent : .nothingComes
    }

    private static func speakingLine(
        _ seen: PortStatistics, damaged: [UnitID], silent: [UnitID], answering: Int
    ) -> PortTrouble? {
        if seen.line.overruns >= 3 { return .overruns }
        if seen.babbles >= 2 { return .babble }
        if seen.collisions >= 3 { return .collisions }
        if damaged.count >= 2 {
            return damaged.count == answering ? .allDamaged : .damaged(damaged)
        }
        if damaged.isEmpty, seen.line.framing + seen.line.parity >= 3 { return .badCharacters }
        if silent.count >= 3 { return .silent(silent) }
        return nil
    }

    private static func trouble(of unit: UnitStatistics) -> UnitTrouble? {
        if unit.wrongUnit >= 2, let other = unit.answeredBy { return .answeredBy(other) }
        if unit.repeatedReplies >= 3, unit.isShare(unit.repeatedReplies, percent: 1) {
            return .answersTwice
        }
        if unit.lateReplies >= 2, unit.isShare(unit.lateReplies, percent: 5) { return .late }
        if unit.isSilent { return unit.lastGood == nil ? .neverAnswers : .stoppedAnswering }
        if unit.isDamaged { return .damaged }
        if unit.mismatches >= 3, unit.isShare(unit.mismatches, percent: 3) {
            return unit.wrongLengths * 2 > unit.mismatches ? .wrongLength : .mismatched
        }
        if unit.exceptions >= 3, unit.isShare(unit.exceptions, percent: 10) {
            let worst = unit.exceptionCodes.max { ($0.value, $1.key) < ($1.value, $0.key) }
            return worst.map { .refuses($0.key) }
        }
        if unit.timeouts >= 3, unit.isShare(unit.timeouts, percent: 3) { return .answersSometimes }
        return nil
    }
}

extension UnitStatistics {
    fileprivate var attempts: Int { replies + timeouts + checksumErrors }

    fileprivate func isShare(_ count: Int, percent: Int) -> Bool {
        count * 100 >= attempts * percent
    }

    /// Nothing came from it. A unit that was given up is asked so rarely that once is enough.
    fileprivate var isSilent: Bool {
        guard replies == 0, checksumErrors == 0, wrongUnit == 0 else { return false }
        return timeouts >= 3 || (state == .offline && timeouts >= 1)
    }

    fileprivate var isDamaged: Bool {
        let damaged = checksumErrors - mismatches
        return damaged >= 3 && isShare(damaged, percent: 3)
    }
}
