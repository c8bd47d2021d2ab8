import Base
import Platform

/// Content of a window that is drawn again and again.
struct LiveContent {
    /// Lines above the table.
    var head: [String]
    var columns: [TextTable.Column]
    var rows: [LiveTable.Row]

    /// The same in print.
    func text(within width: Int?, colours: Bool) -> String {
        let lines = TextTable(columns, rows.map(\.cells)).lines(within: width)
        let marked = zip(lines.dropFirst(), rows).map { line, row in
            colours ? row.mark?.paint(line) ?? line : line
        }
        let title = colours ? Colour.bold.paint(lines[0]) : lines[0]
        let head = head.map { line in width.map { TextWidth.cut(line, to: $0) } ?? line }
        return (head + [title] + marked).joined(separator: "\n")
    }
}

/// Options and loop of the verbs that fill a window.
enum LiveView {
    static let options = [
        Option("once", nil, "print one table and end, also on a terminal"), Colour.option,
    ]
    static let keys = """
        On a terminal the table fills the window and is drawn anew every second: up, down, Page Up
        and Page Down scroll, s, right and left sort by another column, r turns the order round,
        / filters and Esc shows all again, q or Ctrl-C ends the program. Columns that do not fit
        into the window are left out, the least important first. Elsewhere it is printed once.
        """
    private static let interval = Duration.seconds(1)

    /// - Parameter sample: asks the gateway. A gateway that does not answer the first time ends the
    ///   verb. One that is gone later is awaited: its last answer stays, with a line that says so.
    static func run(
        _ arguments: Arguments, _ sample: () throws(Daemon.Failure) -> LiveContent
    ) throws {
        let colours = try Colour.isWanted(arguments)
        let isLive = Console.isTerminal && Machine.environment("TERM") != "dumb"
        guard isLive, !arguments.has("once") else {
            return Console.say(
                try Daemon.complaining(sample).text(
                    within: Machine.terminalWidth(1), colours: colours))
        }
        let signals = try SignalInbox()
        var content = try Daemon.complaining(sample)
        var silence: String?
        let screen = Screen(signals)
        defer { screen.close() }
        var table = LiveTable()
        var due = Clock.instant + interval
        while true {
            let size = screen.size
            let head = content.head + (silence.map { [$0] } ?? [])
            screen.draw(
                table.lines(
                    head, content.columns, content.rows, height: size.height, width: size.width,
                    colours: colours))
            switch screen.wait(until: due) {
            case .end: return
            case .resized: continue
            case .time:
                do throws(Daemon.Failure) {
                    content = try sample()
                    silence = nil
                } catch {
                    silence = "as it was before: \(error.words)"
                }
                due = Clock.instant + interval
            case .keys(let keys):
                let page = max(1, size.height - head.count - 2)
                for key in keys {
                    let count = content.columns.count
                    guard table.receive(key, columns: count, page: page) else { return }
                }
            }
        }
    }
}
