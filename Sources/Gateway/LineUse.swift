import Base
import Drivers
import Spool

/// How much of each line's time is in use, a minute at a time.
struct LineUse: Sendable {
    static let interval = Duration.seconds(60)
    /// Overload that lasts for so long is an alarm.
    static let patience = Duration.seconds(120)
    /// The share of its time that a line can give.
    private static let shareMax = 0.95
    /// Cycles in a minute that may end after their time.
    private static let lateMax = 6

    private struct Sample: Sendable {
        var at: Instant
        var busTime: Duration
        /// Cycles that ended late or could not begin.
        var late: Int
    }

    private var samples: [PortName: Sample] = [:]
    private var overloads: [PortName: String] = [:]
    private var due = Instant.zero

    /// Why a line has no time for what is asked of it; nil if it has.
    func overload(of port: PortName) -> String? { overloads[port] }

    mutating func look(at ports: [PortKeeper], at now: Instant) {
        guard due <= now else { return }
        due = now + Self.interval
        var (latest, found): ([PortName: Sample], [PortName: String]) = ([:], [:])
        for port in ports where port.state == .open {
            let figures = port.statistics
            let sample = Sample(
                at: now, busTime: figures.busTime, late: figures.late + figures.skipped)
            latest[port.name] = sample
            guard let before = samples[port.name] else { continue }
            let load = (port.driver as? ModbusDriver)?.plan.load ?? 0
            found[port.name] = Self.words(from: before, to: sample, planned: load)
        }
        (samples, overloads) = (latest, found)
    }

    private static func words(from before: Sample, to now: Sample, planned: Double) -> String? {
        if planned > 1 {
            let percent = Int(min(planned * 100, 1e9))
            return "its plan needs \(percent) % of the line, so every interval is longer"
        }
        let time = (now.at - before.at).secondsValue
        let share = (now.busTime - before.busTime).secondsValue / max(time, 1)
        let late = now.late - before.late
        guard share > shareMax || late > lateMax else { return nil }
        let percent = Int(min(share, 1) * 100)
        let cycles = Plural.text(late, "cycle")
        return
            "\(percent) % of its time is in use, and \(cycles) a minute came late: read less often"
    }
}

/// Growth of the journal's losses.
struct LossWatch: Sendable {
    /// Losses are told as long as the last one is no older than this.
    static let memory = Duration.seconds(600)

    struct Recent: Sendable {
        var count: UInt64
        /// Of the latest.
        var reason: Gap.Reason
        var last: Instant
    }

    private var known: LossTotals?
    private(set) var recent: Recent?

    /// - Parameter totals: as they are after recovery, and from then on.
    mutating func look(at totals: LossTotals, at now: Instant) {
        defer { known = totals }
        if let last = recent?.last, last + Self.memory <= now { recent = nil }
        guard let known, known != totals else { return }
        for reason in Gap.Reason.allCases where totals[reason] > known[reason] {
            let count = (recent?.count ?? 0) &+ (totals[reason] - known[reason])
            recent = Recent(count: count, reason: reason, last: now)
        }
    }
}
