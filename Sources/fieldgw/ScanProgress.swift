import Base
import Drivers
import Platform

/// Progress of a scan while it runs, on standard error: a line per unit found, and a bar on a
/// terminal or a line per setting elsewhere.
final class ScanProgress {
    private static let width = 24
    /// A terminal is not redrawn more often than a person can read.
    private static let pace = Duration.milliseconds(100)

    private let isTerminal: Bool
    private let planned: Int
    private var toldFindings = 0
    private var toldLine: LineSettings?
    private var toldRemarks: Set<String> = []
    private var drawnAt = Instant.zero
    private var startedAt: Instant?
    private var hasBar = false

    init(_ settings: ScanSettings) {
        isTerminal = Console.isErrorTerminal
        planned = settings.lines.count * settings.units.count
    }

    func opened(_ facts: LineFacts) {
        // Parity is part of what is tried: that a pseudo-terminal has none is said in the help.
        for remark in facts.remarks
        where !facts.isPseudoTerminal && toldRemarks.insert(remark).inserted {
            clear()
            Console.complain(remark)
        }
    }

    func show(_ scanner: Scanner, at now: Instant) {
        let started = startedAt ?? now
        startedAt = started
        while toldFindings < scanner.findings.count {
            clear()
            let unit = scanner.findings[toldFindings]
            Console.complain(
                "found unit \(unit.unit) at \(unit.line.describe)"
                    + (unit.exception.map {
                        ", which refuses the probe with exception \($0.rawValue)"
                    } ?? ""))
            toldFindings += 1
        }
        guard isTerminal else {
            if toldLine != scanner.setting, !scanner.isDone {
                toldLine = scanner.setting
                Console.complain(
                    "trying \(scanner.setting.describe), \(scanner.left) of "
                        + "\(Plural.text(max(planned, scanner.left), "question")) left")
            }
            return
        }
        guard now >= drawnAt + Self.pace, !scanner.isDone else { return }
        drawnAt = now
        draw(scanner, elapsed: now - started)
    }

    private func draw(_ scanner: Scanner, elapsed: Duration) {
        let total = max(1, scanner.asked + scanner.left)
        let filled = Self.width * scanner.asked / total
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: ".", count: max(0, Self.width - filled))
        var text = "[\(bar)] \(100 * scanner.asked / total) %  \(scanner.setting.describe)"
        if let unit = scanner.unit { text += "  unit \(unit)" }
        text += "  \(scanner.findings.count) found"
        if scanner.asked > 20 {
            let left = elapsed.secondsValue / Double(scanner.asked) * Double(scanner.left)
            text += "  \(Text.duration(.seconds(fraction: left.rounded(.up)))) left"
        }
        Console.progress(text)
        hasBar = true
    }

    private func clear() {
        if hasBar { Console.progress("") }
        hasBar = false
    }

    func end() { clear() }
}
