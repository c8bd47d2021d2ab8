import Base

/// The alarms: raised once and cleared once each, however often their trouble is looked at.
///
/// - A trouble that lasts for its `patience` is raised, and cleared when it has been over for
///   `clearAfter`. A worse or a better trouble of the same source takes its place.
/// - A source that comes and goes has one alarm, its `-flapping` one, from the `restlessMax`th
///   change within `restlessTime` until nothing has begun for as long.
/// - At most `burstMax` changes are told at once and one every two seconds after that. The others
///   wait, and one that is undone meanwhile is not told.
/// - They outlive the process as a document: one that is over at the next start is cleared then.
package struct Alarms: Sendable {
    /// Something to be told.
    package struct Change: Sendable {
        package var alarm: Alarm
        package var isActive: Bool
        /// Of the record: what is wrong, or how long it was.
        package var text: String
    }

    /// Between two looks at what there is.
    package static let interval = Duration.seconds(2)
    /// Time that a trouble must be over.
    package static let clearAfter = Duration.seconds(30)
    package static let restlessMax = 6
    package static let restlessTime = Duration.seconds(900)
    package static let burstMax = 20
    package static let perSecond = 0.5
    /// Length of the document; what does not fit is cleared by no later run.
    static let documentMax = 200 << 10

    private var tracks: [Alarm.Source: Track] = [:]
    private var bucket = TokenBucket(burst: Self.burstMax, perSecond: Self.perSecond)

    package init() {}

    /// Alarms that are raised, in the order in which they are told.
    package var active: [Alarm] {
        tracks.values.compactMap(\.alarm).sorted { $0.source < $1.source }
    }

    /// Sources of which something is remembered.
    var sources: [Alarm.Source] { Array(tracks.keys) }

    /// The alarm of one source.
    func alarm(of source: Alarm.Source) -> Alarm? { tracks[source]?.alarm }

    /// Takes all troubles that there are now. A source that is not among them is well.
    /// - Parameter unknown: sources of which nothing can be said now, so that all stays as it is.
    /// - Returns: the alarms that are to be told.
    package mutating func look(
        at conditions: [Alarm.Source: Alarm.Condition], unknown: Set<Alarm.Source> = [],
        at now: Moment
    ) -> [Change] {
        var due: [Alarm.Source] = []
        for source in Set(conditions.keys).union(tracks.keys) {
            let condition = conditions[source]
            if condition == nil, unknown.contains(source) { continue }
            var track = tracks[source] ?? Track(source)
            track.look(condition, at: now)
            if track.wanted(at: now.instant) != track.alarm?.word { due.append(source) }
            tracks[source] = track.isOver ? nil : track
        }
        var changes: [Change] = []
        for source in due.sorted() {
            guard bucket.take(at: now.instant) else { break }
            changes += tracks[source]?.change(at: now) ?? []
        }
        return changes
    }

    // MARK: Over restarts

    /// `{"alarms":[{"alarm","device","since","text"}]}`; nil while there is none.
    package func document(at now: Moment) -> [UInt8]? {
        let alarms = active
        guard !alarms.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("alarms")
            writer.array { writer in
                for alarm in alarms where writer.bytes.count < Self.documentMax {
                    alarm.write(&writer, at: now)
                }
            }
        }
        return writer.bytes
    }

    /// Takes over the alarms that an earlier run has left.
    package mutating func restore(_ document: [UInt8]) {
        let items = (try? JSONReader.parse(document))?["alarms"]?.array ?? []
        for alarm in items.compactMap(Alarm.init) where tracks[alarm.source] == nil {
            tracks[alarm.source] = Track(alarm)
        }
    }

    /// Statements that must hold between two calls and do not, in words.
    package func invariants() -> [String] {
        tracks.compactMap { source, track in
            if let alarm = track.alarm, alarm.source != source {
                return "the alarm \(alarm.name) stands at another source"
            }
            return track.isBounded ? nil : "\(source.family) remembers too many changes"
        }
    }
}

/// One source: the trouble that it has, and the alarm that is raised of it.
private struct Track: Sendable {
    private let source: Alarm.Source
    private(set) var alarm: Alarm?
    private var condition: Alarm.Condition?
    /// Since when it has the present trouble.
    private var badSince: Moment?
    /// Since when it has none.
    private var wellSince: Instant?
    /// Times at which a trouble has begun or an alarm was raised, the latest `restlessMax`.
    private var unrest: [Instant] = []

    init(_ source: Alarm.Source) { self.source = source }

    init(_ alarm: Alarm) {
        source = alarm.source
        self.alarm = alarm
    }

    var isBounded: Bool { unrest.count <= Alarms.restlessMax }

    mutating func look(_ latest: Alarm.Condition?, at now: Moment) {
        unrest.removeAll { $0 + Alarms.restlessTime <= now.instant }
        guard let latest else {
            wellSince = wellSince ?? now.instant
            (condition, badSince) = (nil, nil)
            return
        }
        if condition == nil { note(now.instant) }
        if condition?.word != latest.word { badSince = latest.since ?? now }
        wellSince = nil
        condition = latest
        if alarm?.word == latest.word { alarm?.text = latest.text }
    }

    private mutating func note(_ time: Instant) {
        unrest.append(time)
        if unrest.count > Alarms.restlessMax { unrest.removeFirst() }
    }

    /// The alarm that there should be.
    func wanted(at now: Instant) -> Alarm.Word? {
        let isRestless = unrest.count >= Alarms.restlessMax
        if isRestless || (alarm?.word == .flapping && !unrest.isEmpty) { return .flapping }
        if let condition, let badSince {
            guard badSince.instant + condition.patience <= now else { return alarm?.word }
            // Raised once more it would come and go too often.
            let isLast = alarm == nil && unrest.count == Alarms.restlessMax - 1
            return isLast ? .flapping : condition.word
        }
        guard let wellSince, wellSince + Alarms.clearAfter <= now else { return alarm?.word }
        return nil
    }

    /// Ends the alarm that there is, and raises the one that there should be.
    mutating func change(at now: Moment) -> [Alarms.Change] {
        let word = wanted(at: now.instant)
        var changes: [Alarms.Change] = []
        if let old = alarm {
            changes.append(
                Alarms.Change(alarm: old, isActive: false, text: ending(of: old, word, at: now)))
        }
        alarm = nil
        guard let word else { return changes }
        let text = condition?.text ?? ""
        if word == .flapping {
            let words = text.isEmpty ? "" : ": \(text)"
            let begun = unrest.first.map(now.at) ?? now
            let span = Alarms.restlessTime.milliseconds / 60_000
            alarm = Alarm(
                source: source, word: word, since: Alarm.Since(begun),
                text: "it comes and goes, several times in \(span) minutes\(words)")
        } else {
            alarm = Alarm(
                source: source, word: word, since: Alarm.Since(badSince ?? now), text: text)
            note(now.instant)
        }
        if let alarm {
            changes.append(Alarms.Change(alarm: alarm, isActive: true, text: alarm.text))
        }
        return changes
    }

    private func ending(of old: Alarm, _ next: Alarm.Word?, at now: Moment) -> String {
        if let next { return "\(next.rawValue) takes its place" }
        let since = old.since.instant.map { now.instant - $0 } ?? now.wall - old.since.wall
        return "over after \(max(0, since.milliseconds / 1000)) s: \(old.text)"
    }

    /// Nothing of it needs to be remembered.
    var isOver: Bool { alarm == nil && condition == nil && unrest.isEmpty }
}
