import Base
import Platform

/// Ports and units of a running gateway, those with trouble first.
enum TopVerb {
    static let verb = Verb(
        "top", "",
        summary: "show the ports and units of a running gateway, those with trouble first",
        details: """
            Rates are those of the last ten seconds (of the time since the start with --once or
            --json); load is the share of the time in which a request was out or its reply awaited.
            \(LiveView.keys)
            """,
        options: Daemon.options + LiveView.options + [
            Option("json", nil, "one JSON object a line and unit, once")
        ]
    ) { arguments in
        guard arguments.positional.isEmpty else {
            throw Arguments.Misuse(message: "it takes no arguments but options")
        }
        let daemon = try Daemon(arguments)
        func sample() throws(Daemon.Failure) -> TopSample {
            TopSample(try daemon.answer("{\"get\":\"status\"}").document)
        }
        if arguments.has("json") {
            for row in try Daemon.complaining(sample).rows(since: nil) { Console.say(row.json) }
            return .ok
        }
        var history = TopHistory()
        try LiveView.run(arguments) { () throws(Daemon.Failure) in
            let latest = try sample()
            return latest.content(since: history.add(latest))
        }
        return .ok
    }
}

/// Samples of the last ten seconds, over which rates are taken.
struct TopHistory {
    private static let span = Duration.seconds(10)
    private var figures: [TopSample.Figures] = []

    /// - Returns: the earliest figures that are not too old; nil without any.
    mutating func add(_ sample: TopSample) -> TopSample.Figures? {
        let now = sample.figures
        let isRestarted = figures.last.map { now.uptime < $0.uptime } ?? false
        figures.removeAll { isRestarted || $0.at + Self.span < now.at }
        defer { figures.append(now) }
        return figures.first
    }
}

/// One status document as figures.
struct TopSample {
    /// Counters by port, and by port and unit.
    struct Figures {
        let at: Instant
        /// Uptime of the gateway, in seconds.
        let uptime: Double
        fileprivate var counters: [ByteString: [Double]] = [:]
    }

    private static let names: [ByteString] = [
        "requests", "timeouts", "checksum", "exceptions", "busTimeSeconds",
    ]

    private let document: JSON
    private(set) var figures: Figures
    /// Devices by their addresses.
    private var devices: [ByteString: [String]] = [:]

    init(_ document: JSON) {
        self.document = document
        figures = Figures(at: Clock.instant, uptime: document["uptime"]?.double ?? 0)
        for port in document["ports"]?.members ?? [] {
            count(port.value, as: port.name)
            if let serve = port.value["serve"] { count(serve, as: Self.serveKey(port.name)) }
            for unit in port.value["units"]?.members ?? [] {
                count(unit.value, as: ByteString("\(port.name):\(unit.name)"))
            }
        }
        for device in document["devices"]?.members ?? [] {
            guard let address = device.value["address"]?.string else { continue }
            devices[address, default: []].append(device.name.string)
        }
    }

    /// Place of the counters of a port's other masters.
    private static func serveKey(_ port: ByteString) -> ByteString { ByteString("\(port) serve") }

    private mutating func count(_ place: JSON, as key: ByteString) {
        figures.counters[key] = Self.names.map { place[$0]?.double ?? 0 }
    }

    func rows(since before: Figures?) -> [TopRow] {
        let time =
            before.map { max(0.001, (figures.at - $0.at).secondsValue) } ?? max(1, figures.uptime)
        func rates(_ key: ByteString) -> [Double] {
            let now = figures.counters[key] ?? []
            let old = before?.counters[key] ?? now.map { _ in 0 }
            return zip(now, old).map { max(0, $0 - $1) / time }
        }
        var rows: [TopRow] = []
        for port in document["ports"]?.members ?? [] {
            var row = TopRow(
                port: port.name.string, unit: "",
                state: port.value["state"]?.string?.string ?? "?", rates(port.name))
            row.hasLoad = true
            row.note =
                port.value["trouble"]?.string?.string
                ?? Text.pause(of: port.value) ?? port.value["diagnosis"]?.string?.string ?? ""
            if row.note.isEmpty, let serve = port.value["serve"] {
                let requests = rates(Self.serveKey(port.name)).first ?? 0
                let clients = Plural.text(serve["clients"]?.integer ?? 0, "client")
                row.note = "\(clients), \(Text.fixed(requests, 1)) requests/s of theirs"
            }
            if port.value["state"]?.string != "open" { row.rank = 3 }
            rows.append(row)
            for unit in port.value["units"]?.members ?? []
            where unit.value["configured"]?.bool != false {
                let key = ByteString("\(port.name):\(unit.name)")
                var row = TopRow(
                    port: port.name.string, unit: unit.name.string,
                    state: unit.value["state"]?.string?.string ?? "unknown", rates(key))
                row.devices = (devices[key] ?? []).joined(separator: ", ")
                row.age = unit.value["lastGoodSecondsAgo"]?.double
                row.note = unit.value["diagnosis"]?.string?.string ?? Self.heard(row.age)
                rows.append(row)
            }
        }
        return rows.enumerated().sorted { left, right in
            (-left.element.rank, -left.element.troubles, left.offset)
                < (-right.element.rank, -right.element.troubles, right.offset)
        }.map(\.element)
    }

    private static func heard(_ age: Double?) -> String {
        guard let age else { return "never" }
        return Text.age(age) + (age < 1 ? "" : " ago")
    }

    private static let columns = [
        TextTable.Column("port", least: 5), TextTable.Column("unit", isNumber: true),
        TextTable.Column("device", rank: 1, least: 6), TextTable.Column("state"),
        TextTable.Column("requests/s", isNumber: true, rank: 2),
        TextTable.Column("timeouts/s", isNumber: true, rank: 3),
        TextTable.Column("damaged/s", isNumber: true, rank: 4),
        TextTable.Column("exceptions/s", isNumber: true, rank: 5),
        TextTable.Column("load %", isNumber: true, rank: 6),
        TextTable.Column("last answer", rank: 1, least: 24),
    ]

    func content(since before: Figures?) -> LiveContent {
        let spool = document["spool"]
        let waiting = Plural.text(
            spool?["waiting"]?.integer ?? 0, "record waits", "records wait")
        let head =
            "gateway \(document["gateway"]?.string?.string ?? "?"): "
            + "bridge \(document["bridge"]?["state"]?.string?.string ?? "?"), \(waiting)"
        return LiveContent(
            head: [head, ""], columns: Self.columns, rows: rows(since: before).map(\.line))
    }
}

/// A port or a unit.
struct TopRow {
    var port: String
    var unit: String
    var devices = ""
    var state: String
    /// Requests, timeouts, damaged replies, exceptions and seconds of the line, each second.
    private var rates: [Double]
    /// Only a line has a load.
    var hasLoad = false
    /// Time since the last good reply, in seconds.
    var age: Double?
    var note = ""
    /// Badness of its state; within that, how often something went wrong.
    var rank = 0

    init(port: String, unit: String, state: String, _ rates: [Double]) {
        (self.port, self.unit, self.state) = (port, unit, state)
        self.rates = rates.count == 5 ? rates : [0, 0, 0, 0, 0]
        switch state {
        case "offline": rank = 2
        case "degraded": rank = 1
        default: break
        }
    }

    var troubles: Double { rates[1] + rates[2] + rates[3] }

    var line: LiveTable.Row {
        let load = hasLoad ? Text.fixed(rates[4] * 100, 1) : ""
        let cells = [
            port, unit, devices, state, Text.fixed(rates[0], 1), Text.fixed(rates[1], 2),
            Text.fixed(rates[2], 2), Text.fixed(rates[3], 2), load, note,
        ]
        var numbers: [Int: Double] = [:]
        for place in 0..<4 { numbers[place + 4] = rates[place] }
        if hasLoad { numbers[8] = rates[4] }
        numbers[9] = age
        if let unit = Double(unit) { numbers[1] = -unit }
        let mark: Colour? = rank >= 2 ? .red : rank == 1 ? .yellow : nil
        return LiveTable.Row(cells, numbers: numbers, mark: mark)
    }

    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("port", port)
            if !unit.isEmpty { writer.member("unit", unit) }
            if !devices.isEmpty { writer.member("device", devices) }
            writer.member("state", state)
            writer.member("requestsPerSecond", rates[0])
            writer.member("timeoutsPerSecond", rates[1])
            writer.member("damagedPerSecond", rates[2])
            writer.member("exceptionsPerSecond", rates[3])
            if hasLoad { writer.member("load", rates[4]) }
            if !note.isEmpty { writer.member("note", note) }
        }
        return writer.text
    }
}
