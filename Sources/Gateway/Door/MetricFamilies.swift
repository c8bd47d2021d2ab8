import Base
import Bridge
import Drivers
import Spool

/// The metrics, in the order in which they are written. Names are a contract: dashboards and alerts
/// hold them.
extension MetricFamily {
    static let all: [MetricFamily] =
        gateway + bridge + spool + ports + lines + serve + units + values

    private static func counter(
        _ name: String, _ help: String, _ scope: Scope,
        _ write: @escaping @Sendable (String, MetricsView, Int, inout MetricsWriter) -> Void
    ) -> MetricFamily {
        MetricFamily(
            name: "fieldgw_\(name)", kind: .counter, help: help, scope: scope, write: write)
    }

    private static func gauge(
        _ name: String, _ help: String, _ scope: Scope,
        _ write: @escaping @Sendable (String, MetricsView, Int, inout MetricsWriter) -> Void
    ) -> MetricFamily {
        MetricFamily(name: "fieldgw_\(name)", kind: .gauge, help: help, scope: scope, write: write)
    }

    /// One figure of the gateway.
    private static func one(
        _ kind: Kind, _ name: String, _ help: String,
        _ value: @escaping @Sendable (Gateway) -> Double
    ) -> MetricFamily {
        MetricFamily(name: "fieldgw_\(name)", kind: kind, help: help, scope: .gateway) {
            name, view, _, out in
            out.sample(name, MetricsWriter.Labels(), value(view.gateway))
        }
    }

    private static let gateway: [MetricFamily] = [
        gauge("build_info", "Version of the program; the value is always 1.", .gateway) {
            name, view, _, out in
            let settings = view.gateway.settings
            let labels = MetricsWriter.Labels(
                ("version", settings.version), ("gateway", settings.gateway.text))
            out.sample(name, labels, 1)
        },
        one(.gauge, "start_time_seconds", "Time of the start since the epoch.") {
            Double($0.startedAt.wall.milliseconds) / 1000
        },
        one(.gauge, "clock_trusted", "1 while the time of day is trusted.") {
            $0.session.clockLevel == .trusted ? 1 : 0
        },
        gauge("problems", "Problems that the gateway sees now, by severity.", .gateway) {
            name, view, _, out in
            let problems = view.gateway.problems(at: view.now)
            for severity in [Problem.Severity.warning, .critical] {
                let labels = MetricsWriter.Labels(("severity", severity.rawValue))
                out.sample(name, labels, problems.count { $0.severity == severity })
            }
        },
        gauge(
            "alarm_active", "1 for each alarm that is raised; absent when it is cleared.", .gateway
        ) {
            name, view, _, out in
            for alarm in view.gateway.reports.alarms.active {
                let device = alarm.source.device?.text ?? ""
                out.sample(
                    name, MetricsWriter.Labels(("alarm", alarm.name), ("device", device)), 1)
            }
        },
    ]

    private static let bridge: [MetricFamily] = [
        one(.gauge, "bridge_connected", "1 while the bridge has accepted the gateway.") {
            $0.session.isOnline ? 1 : 0
        },
        one(.counter, "bridge_connects_total", "Connections that the bridge has accepted.") {
            Double($0.session.counters.connects)
        },
        one(.counter, "bridge_published_total", "Messages published, repeated ones included.") {
            Double($0.session.counters.published)
        },
        one(.counter, "bridge_acknowledged_total", "Messages acknowledged by the bridge.") {
            Double($0.session.counters.acknowledged)
        },
        one(.counter, "bridge_resent_total", "Messages sent again on the same connection.") {
            Double($0.session.counters.resent)
        },
        one(
            .counter, "bridge_returned_total",
            "Messages given back to the journal when a connection ended."
        ) {
            Double($0.session.counters.returned)
        },
        one(
            .counter, "bridge_rejected_total",
            "Messages that the bridge did not take and that were dropped."
        ) {
            Double($0.session.counters.rejected)
        },
        counter(
            "bridge_refusals_total", "Connections refused by the bridge, by return code.", .gateway
        ) {
            name, view, _, out in
            for (code, count) in view.gateway.session.counters.refusals.sorted(by: {
                $0.key < $1.key
            }) {
                out.sample(name, MetricsWriter.Labels(("code", "\(code)")), count)
            }
        },
        one(.gauge, "bridge_in_flight", "Messages that wait for their acknowledgement.") {
            Double($0.session.inFlight)
        },
        one(.gauge, "bridge_attached_devices", "Devices attached at the bridge.") {
            Double($0.session.attachedCount)
        },
        one(.gauge, "bridge_quarantined_devices", "Devices that the bridge refuses.") {
            Double($0.session.quarantined.count)
        },
        one(
            .gauge, "bridge_acknowledge_seconds",
            "Time from a message to its acknowledgement, smoothed."
        ) {
            $0.lanes.roundTrip.secondsValue
        },
    ]

    private static let spool: [MetricFamily] = [
        one(.gauge, "spool_waiting_records", "Records that wait for the bridge.") {
            Double($0.spool.waiting)
        },
        one(.gauge, "spool_waiting_bytes", "Bytes of these records.") {
            Double($0.spool.waitingBytes)
        },
        one(.gauge, "spool_max_bytes", "Bytes that the journal may take.") {
            Double($0.settings.spool.maxBytes)
        },
        one(.gauge, "spool_file_bytes", "Bytes of the journal's files.") {
            Double($0.spool.statistics.fileBytes)
        },
        one(
            .gauge, "spool_memory_only",
            "1 while the disk fails and records are kept in memory only."
        ) {
            $0.spool.isMemoryOnly ? 1 : 0
        },
        one(.counter, "spool_appended_total", "Records given to the journal.") {
            Double($0.spool.statistics.appended)
        },
        one(.counter, "spool_settled_total", "Records that the bridge has acknowledged.") {
            Double($0.spool.statistics.settled)
        },
        one(.counter, "spool_commits_total", "Commits to the disk.") {
            Double($0.spool.statistics.commits)
        },
        one(.counter, "spool_written_bytes_total", "Bytes written to the disk.") {
            Double($0.spool.statistics.bytesWritten)
        },
        counter("spool_lost_total", "Records lost since the journal was made, by reason.", .gateway)
        {
            name, view, _, out in
            let lost = view.gateway.spool.statistics.lost
            for reason in Gap.Reason.counted {
                out.sample(
                    name, MetricsWriter.Labels(("reason", reason.rawValue)),
                    Int(clamping: lost[reason]))
            }
        },
    ]

    private static func ofPort(
        _ name: String, _ help: String, _ value: @escaping @Sendable (PortStatistics) -> Double
    ) -> MetricFamily {
        counter("port_\(name)", help, .port) { name, view, index, out in
            out.sample(
                name, view.base.ports[index].labels, value(view.base.ports[index].statistics))
        }
    }

    private static let ports: [MetricFamily] = [
        gauge("port_open", "1 while the line is open.", .port) { name, view, index, out in
            out.sample(name, view.base.ports[index].labels, view.base.ports[index].isOpen ? 1 : 0)
        },
        ofPort("requests_total", "Requests sent.") { Double($0.requests) },
        ofPort("replies_total", "Good replies.") { Double($0.replies) },
        ofPort("bus_seconds_total", "Time of the line used by exchanges.") {
            $0.busTime.secondsValue
        },
        counter("port_line_seconds_total", "The same by what the line was used for.", .port) {
            name, view, index, out in
            let (labels, times) = (
                view.base.ports[index].labels, view.base.ports[index].statistics.lineTimes
            )
            for use in LineTimes.Use.allCases {
                out.sample(name, labels, "use", "\(use)", times[use].secondsValue)
            }
        },
        ofPort("sent_bytes_total", "Bytes sent.") { Double($0.bytesSent) },
        ofPort("received_bytes_total", "Bytes received.") { Double($0.bytesReceived) },
        ofPort("late_cycles_total", "Cycles that ended after their next release.") {
            Double($0.late)
        },
        ofPort("skipped_cycles_total", "Releases of a cycle that found the one before unfinished.")
        { Double($0.skipped) },
        counter("port_failures_total", "Exchanges without a good reply, by reason.", .port) {
            name, view, index, out in
            let (labels, figures) = (
                view.base.ports[index].labels, view.base.ports[index].statistics
            )
            for (reason, count) in [
                ("timeout", figures.timeouts), ("checksum", figures.checksumErrors),
                ("exception", figures.exceptions),
            ] { out.sample(name, labels, "reason", reason, count) }
        },
    ]

    private static let lines: [MetricFamily] = [
        counter("port_line_errors_total", "Disturbances of the line, by kind.", .port) {
            name, view, index, out in
            let (labels, figures) = (
                view.base.ports[index].labels, view.base.ports[index].statistics
            )
            for (kind, count) in [
                ("late_reply", figures.lateReplies), ("repeated_reply", figures.repeatedReplies),
                ("wrong_unit", figures.wrongUnit), ("stray_bytes", figures.strayBytes),
                ("noise_bytes", figures.noiseBytes), ("collision", figures.collisions),
                ("babble", figures.babbles),
                ("framing", figures.line.framing), ("parity", figures.line.parity),
                ("overrun", figures.line.overruns),
                ("break", figures.line.breaks),
            ] { out.sample(name, labels, "kind", kind, Int(count)) }
        }
    ]

    private static func ofService(
        _ kind: Kind, _ name: String, _ help: String,
        _ value: @escaping @Sendable (LineService) -> Double
    ) -> MetricFamily {
        MetricFamily(name: "fieldgw_serve_\(name)", kind: kind, help: help, scope: .port) {
            name, view, index, out in
            let port = view.base.ports[index]
            if let service = port.service { out.sample(name, port.labels, value(service)) }
        }
    }

    /// Other masters of the line.
    private static let serve: [MetricFamily] = [
        ofService(.gauge, "clients", "Other masters that are connected.") { Double($0.clients) },
        ofService(.counter, "turned_away_total", "Connections that were not let in.") {
            Double($0.figures.turnedAway)
        },
        ofService(.counter, "writes_total", "Writes of other masters that units acknowledged.") {
            Double($0.figures.writes)
        },
        ofService(.counter, "bus_seconds_total", "Time of the line used for other masters.") {
            $0.figures.lineTime.secondsValue
        },
        counter("serve_requests_total", "Requests of other masters, by result.", .port) {
            name, view, index, out in
            let port = view.base.ports[index]
            for (result, count) in port.service?.results ?? [] {
                out.sample(name, port.labels, "result", result, count)
            }
        },
    ]

    private static let units: [MetricFamily] = [
        gauge(
            "unit_up",
            "1 while the unit answers, 0.5 while it is degraded; absent until something is known.",
            .unit
        ) {
            name, view, index, out in
            let (unit, labels) = view.statistics(of: index)
            guard let state = unit.state else { return }
            out.sample(name, labels, state == .online ? 1 : state == .degraded ? 0.5 : 0)
        },
        counter("unit_requests_total", "Requests to the unit.", .unit) { name, view, index, out in
            let (unit, labels) = view.statistics(of: index)
            out.sample(name, labels, unit.requests)
        },
        counter("unit_failures_total", "Requests without a good reply, by reason.", .unit) {
            name, view, index, out in
            let (unit, labels) = view.statistics(of: index)
            for (reason, count) in [
                ("timeout", unit.timeouts), ("checksum", unit.checksumErrors),
                ("exception", unit.exceptions),
            ] { out.sample(name, labels, "reason", reason, count) }
        },
        MetricFamily(
            name: "fieldgw_unit_reply_seconds", kind: .histogram,
            help: "Time from the end of a request to the first byte of its reply.", scope: .unit
        ) { name, view, index, out in
            let (unit, labels) = view.statistics(of: index)
            var sum = 0
            for (place, count) in unit.replyTimes.classes.enumerated() {
                sum += count
                let bound =
                    place < ReplyTimes.bounds.count
                    ? JSONWriter.number(ReplyTimes.bounds[place].secondsValue) : "+Inf"
                out.sample("\(name)_bucket", labels, "le", bound, sum)
            }
            out.sample("\(name)_sum", labels, unit.replyTimes.sum.secondsValue)
            out.sample("\(name)_count", labels, sum)
        },
    ]

    private static let values: [MetricFamily] = [
        gauge(
            "device_up",
            "1 while the device is online, 0.5 while it is degraded; absent until something is known.",
            .device
        ) { name, view, index, out in
            let device = view.base.devices[index]
            guard let state = view.gateway.states.state(of: device)?.status else { return }
            out.sample(
                name, MetricsWriter.Labels(("device", device.text)),
                state == .online ? 1 : state == .degraded ? 0.5 : 0)
        },
        gauge(
            "point_value",
            "Last value of a point; absent while it is bad and where it is no number.", .device
        ) {
            name, view, index, out in
            view.writeValues(name, of: index, &out)
        },
    ]
}
