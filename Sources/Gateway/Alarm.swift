import Base

/// Something that a person should know of, from when it begins until it is over.
///
/// | name | device | raised when |
/// |---|---|---|
/// | `device-offline`, `device-degraded` | the device | its unit does not answer, or not well |
/// | `port-gone:PORT` | | the line cannot be opened |
/// | `line-overloaded:PORT` | | the line has no time for what is asked of it |
/// | `journal-full` | | four fifths of the journal wait for the bridge |
/// | `records-lost` | | records were lost |
/// | `disk-failing` | | records are kept in memory only |
/// | `bridge-away` | | there is no bridge for a configured time |
/// | `clock-untrusted` | | nothing proves the time of day |
/// | `certificate-30-days:FILE`, `…-7-days`, `…-1-day`, `…-ended` | | a certificate ends |
/// | `helper-hangs:HELPER` | | a helper thread does not come back from a call |
/// | `configuration-refused` | whose document | a file or a config document is refused |
///
/// Each has a sibling with `-flapping` in place of its last words for what comes and goes.
package struct Alarm: Hashable, Sendable {
    /// Thing that has one alarm at a time.
    package enum Source: Hashable, Sendable {
        case journal, records, disk, bridge, clock
        case configuration(DeviceID?)
        case certificate(String)
        case helper(String)
        case port(PortName)
        case line(PortName)
        case device(DeviceID)
    }

    /// The second part of an alarm's name.
    package enum Word: String, Hashable, Sendable, CaseIterable {
        case offline, degraded, gone, overloaded, full, lost, failing, away, untrusted
        case days30 = "30-days"
        case days7 = "7-days"
        case day1 = "1-day"
        case ended, hangs, refused, flapping
    }

    /// A beginning, as the clock of its time had it.
    package struct Since: Hashable, Sendable {
        /// Nil: in an earlier run.
        package var instant: Instant?
        package var wall: WallTime

        package init(_ moment: Moment) { (instant, wall) = (moment.instant, moment.wall) }
        init(earlier wall: WallTime) { self.wall = wall }

        /// The same by a clock that was set since.
        package func wall(at now: Moment) -> WallTime {
            instant.map { now.corrected(Moment($0, wall)).wall } ?? wall
        }
    }

    /// Trouble of a source as it is now.
    package struct Condition: Hashable, Sendable {
        package var word: Word
        package var text: String
        /// Since when; nil: since it was first seen.
        package var since: Moment?
        /// Time that it must last before it is an alarm.
        package var patience: Duration

        package init(
            word: Word, text: String, since: Moment? = nil, patience: Duration = .zero
        ) {
            (self.word, self.text, self.since, self.patience) = (word, text, since, patience)
        }
    }

    package var source: Source
    package var word: Word
    package var since: Since
    package var text: String

    package var name: String {
        let subject = source.subject.map { ":\($0)" } ?? ""
        return "\(source.family)-\(word.rawValue)\(subject)"
    }

    var severity: Problem.Severity {
        switch word {
        case .lost, .ended, .day1, .hangs, .full, .failing, .away, .gone: .critical
        default: .warning
        }
    }

    /// Whether it is a problem that only the alarm tells.
    var isProblem: Bool {
        switch word {
        case .overloaded, .lost, .days30, .days7, .day1, .ended, .flapping, .hangs, .refused: true
        default: false
        }
    }

    /// Whether no other part of the gateway writes a line about it into the log.
    var isLogged: Bool { isProblem && word != .hangs && word != .refused || word == .full }

    /// The device, port, helper or file that it is about, or its family.
    var subject: String { source.device?.text ?? source.subject ?? source.family }

    /// `"alarm","device","since","active","text"`: the members of a record without `ts` and `seq`.
    func body(isActive: Bool, _ text: String, at now: Moment) -> [UInt8] {
        var writer = JSONWriter()
        writeName(&writer, at: now)
        writer.member("active", isActive)
        writer.member("text", text)
        return writer.bytes
    }

    /// `{"alarm","device","since","text"}`, as `status` shows it and the state directory keeps it.
    func write(_ writer: inout JSONWriter, at now: Moment) {
        writer.object { writer in
            writeName(&writer, at: now)
            writer.member("text", text)
        }
    }

    private func writeName(_ writer: inout JSONWriter, at now: Moment) {
        writer.member("alarm", name)
        writer.key("device")
        if let device = source.device { writer.string(device.text) } else { writer.null() }
        writer.member("since", since.wall(at: now))
    }

    /// Reads back what `write` has written; nil if it is no such object.
    init?(_ json: JSON) {
        guard let name = json["alarm"]?.string?.string,
            let since = (json["since"]?.string).flatMap({ WallTime(timestamp: $0.string) })
        else { return nil }
        let parts = name.split(separator: ":", maxSplits: 1)
        let words = (parts.first ?? "").split(separator: "-", maxSplits: 1)
        let device = (json["device"]?.string).flatMap { try? DeviceID($0) }
        guard words.count == 2, let word = Word(rawValue: String(words[1])),
            let source = Source(
                String(words[0]), parts.count > 1 ? String(parts[1]) : nil, device)
        else { return nil }
        self.init(
            source: source, word: word, since: Since(earlier: since),
            text: json["text"]?.string?.string ?? "")
    }

    init(source: Source, word: Word, since: Since, text: String) {
        (self.source, self.word, self.since, self.text) = (source, word, since, text)
    }
}

extension Alarm.Source {
    /// The first part of an alarm's name.
    var family: String {
        switch self {
        case .journal: "journal"
        case .records: "records"
        case .disk: "disk"
        case .bridge: "bridge"
        case .clock: "clock"
        case .configuration: "configuration"
        case .certificate: "certificate"
        case .helper: "helper"
        case .port: "port"
        case .line: "line"
        case .device: "device"
        }
    }

    /// The part of an alarm's name behind the colon; nil where there is one such source only.
    var subject: String? {
        switch self {
        case .certificate(let name), .helper(let name): name
        case .port(let port), .line(let port): port.text
        default: nil
        }
    }

    var device: DeviceID? {
        switch self {
        case .device(let device): device
        case .configuration(let device): device
        default: nil
        }
    }

    init?(_ family: String, _ subject: String?, _ device: DeviceID?) {
        switch (family, subject, device) {
        case ("journal", nil, nil): self = .journal
        case ("records", nil, nil): self = .records
        case ("disk", nil, nil): self = .disk
        case ("bridge", nil, nil): self = .bridge
        case ("clock", nil, nil): self = .clock
        case ("configuration", nil, let device): self = .configuration(device)
        case ("certificate", let name?, nil): self = .certificate(name)
        case ("helper", let name?, nil): self = .helper(name)
        case ("port", let name?, nil): self = .port(PortName(name))
        case ("line", let name?, nil): self = .line(PortName(name))
        case ("device", nil, let device?): self = .device(device)
        default: return nil
        }
    }

    /// The order in which they are told: the gateway's own before those of its many devices.
    var rank: Int {
        switch self {
        case .disk: 0
        case .records: 1
        case .journal: 2
        case .bridge: 3
        case .port: 4
        case .line: 5
        case .helper: 6
        case .certificate: 7
        case .configuration: 8
        case .clock: 9
        case .device: 10
        }
    }
}

extension Alarm.Source: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        let one = (left.rank, left.subject ?? "", left.device?.text ?? "")
        return one < (right.rank, right.subject ?? "", right.device?.text ?? "")
    }
}
