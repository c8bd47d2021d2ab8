import Adapter
import Base
import Drivers

/// The page with the overview as of now: whole without the script, which takes its content over and
/// keeps it live.
struct PageDocument: SlicedDocument {
    private enum Stage { case head, ports(next: Int), devices(next: Int), tail, end }

    private let devices: [DeviceID]
    private var stage = Stage.head
    private static let valuesShown = 4

    init(_ gateway: Gateway) { devices = gateway.adapter.bindings.map(\.device) }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        var text = ""
        while text.utf8.count < DocumentSlice.sizeAimed {
            switch stage {
            case .head:
                text += Self.head(gateway, at: now)
                stage = .ports(next: 0)
            case .ports(let next) where next < gateway.ports.count:
                text += Self.row(gateway.ports[next])
                stage = .ports(next: next + 1)
            case .ports:
                text += """
                    </tbody></table><h2>Devices</h2><table class="cards"><thead><tr><th>device</th><th>values</th>
                    <th class="n">age</th><th>state</th></tr></thead><tbody>

                    """
                stage = .devices(next: 0)
            case .devices(let next) where next < devices.count:
                if let binding = gateway.adapter.binding(of: devices[next]) {
                    text += Self.row(binding, gateway, at: now)
                }
                stage = .devices(next: next + 1)
            case .devices:
                text += "</tbody></table>"
                stage = .tail
            case .tail:
                text += """
                    </main><footer><p id="foot">fieldgw \(Page.escape(gateway.settings.version))</p><p id="keys" hidden>
                    <kbd>/</kbd> filter, <kbd>j</kbd> <kbd>k</kbd> rows, <kbd>Enter</kbd> open, <kbd>Esc</kbd> back</p></footer>
                    <script>\(Page.script)</script></body></html>

                    """
                stage = .end
            case .end: return DocumentSlice(bytes: Array(text.utf8), rest: .done)
            }
        }
        return DocumentSlice(bytes: Array(text.utf8), rest: .more)
    }

    private static func head(_ gateway: Gateway, at now: Moment) -> String {
        let name = Page.escape(gateway.settings.gateway.text)
        let problems = gateway.problems(at: now)
        let list = problems.map { problem in
            let sign = problem.severity == .critical ? "■" : "▲"
            let since =
                problem.since.map { " <span class=\"quiet\">since \(moment($0))</span>" } ?? ""
            return "<li class=\"\(problem.severity.rawValue)\"><span class=\"sign\" role=\"img\" "
                + "aria-label=\"\(problem.severity.rawValue)\">\(sign)</span><strong>\(Page.escape(problem.subject))</strong> "
                + "\(Page.escape(problem.text))\(since)</li>"
        }
        let told =
            list.isEmpty
            ? "<p class=\"quiet\">None.</p>" : "<ul class=\"problems\">\(list.joined())</ul>"
        let session = gateway.session
        let bridge =
            session.isOnline
            ? "\(Page.escape(session.state))\(session.connectedSince.map { " since \(moment($0.wall))" } ?? "")"
            : Page.escape(session.state)
        let waiting = Plural.text(gateway.spool.waiting, "record")
        return Page.head("\(gateway.settings.gateway.text) · overview", reloads: true) + """
            <body><a class="skip" href="#main">Skip to content</a><header><h1><a href="#/">\(name)</a></h1>
            <nav aria-label="Views"><a href="#/">Overview</a><a href="#/log">Log</a></nav>
            <p id="state" role="status">as of \(moment(now.wall))</p></header><p id="away" role="alert" hidden></p>
            <main id="main" tabindex="-1"><h2>Problems</h2>\(told)
            <dl class="facts"><div><dt>Bridge</dt><dd>\(bridge)</dd>
            <dd>\(session.attachedCount) of \(Plural.text(gateway.settings.bindings.count, "device")) attached</dd></div>
            <div><dt>Journal</dt><dd>\(waiting) waiting</dd>
            <dd>\(gateway.tally.acknowledged) acknowledged since the start</dd></div>
            <div><dt>Clock</dt><dd>\(session.clockLevel)</dd></div></dl>
            <h2>Lines</h2><table class="cards"><thead><tr><th>line</th><th>state</th><th class="n">units</th>
            <th class="n">requests</th><th class="n">replies</th><th class="n">late</th></tr></thead><tbody>

            """
    }

    private static func moment(_ time: WallTime) -> String {
        let text = time.timestamp
        return "<time datetime=\"\(text)\">\(text.dropFirst(11).prefix(8)) UTC</time>"
    }

    private static func row(_ port: PortKeeper) -> String {
        let figures = port.statistics
        let tone = port.state == .open ? "" : " class=\"alarm\""
        return
            "<tr><td class=\"who\">\(Page.escape(port.name.text))</td><td data-l=\"state\"><span\(tone)>\(port.state) "
            + "\(Page.escape(port.trouble ?? ""))</span></td><td class=\"n\" data-l=\"units\">\(figures.units.count)</td>"
            + "<td class=\"n\" data-l=\"requests\">\(figures.requests)</td><td class=\"n\" data-l=\"replies\">"
            + "\(figures.replies)</td><td class=\"n\" data-l=\"late\">\(figures.late)</td></tr>\n"
    }

    private static func row(_ binding: Binding, _ gateway: Gateway, at now: Moment) -> String {
        let hidden = Set(binding.points.filter(\.hidden).map(\.name))
        let values = gateway.adapter.lastValues(of: binding.device).filter {
            !hidden.contains($0.name)
        }
        let shown = values.prefix(valuesShown).map { value in
            let units =
                value.units.map { "<span class=\"unit\">\(Page.escape($0.string))</span>" } ?? ""
            let text = Page.escape(value.json ?? "–")
            let good = "<b>\(text)</b>\(units)"
            let bad = value.bad.map {
                "<span class=\"alarm\">\($0.word)</span>\(value.json == nil ? "" : " <s>\(text)</s>")"
            }
            return
                "<span class=\"val\"><span class=\"quiet\">\(Page.escape(value.name.string))</span> \(bad ?? good)</span>"
        }
        let latest = values.compactMap { $0.at?.instant }.max()
        let age = latest.map { "\(max(0, (now.instant - $0).milliseconds / 1000)) s ago" } ?? ""
        let state = gateway.states.state(of: binding.device)
        let (sign, tone) =
            switch state?.status {
            case .online: ("●", "good")
            case .degraded: ("◐", "warn")
            case .offline: ("○", "alarm")
            case nil: ("·", "quiet")
            }
        let error = state?.error.map { " <small>\(Page.escape($0))</small>" } ?? ""
        return
            "<tr><td class=\"who\">\(Page.escape(binding.device.text))</td><td data-l=\"values\">\(shown.joined())</td>"
            + "<td class=\"n\" data-l=\"age\">\(age)</td><td data-l=\"state\"><span class=\"\(tone)\">\(sign) "
            + "\(state?.status.rawValue ?? "unknown")</span>\(error)</td></tr>\n"
    }
}
