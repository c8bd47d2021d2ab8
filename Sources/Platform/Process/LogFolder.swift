import Base

/// Turns notices into log lines, and folds repeats: a notice that says about the same subject what
/// the last one said is only counted, and the count is written with the next different one or after
/// a minute. Pure; `LogSink` writes.
package struct LogFolder: Sendable {
    package enum Style: Hashable, Sendable {
        /// "2026-11-22T09:00:00.123Z warning bridge gw-7: text"
        case plain
        /// "<4>bridge gw-7: text": the journal adds time and level.
        case journal
    }

    /// How long a repeated notice is only counted.
    package static let window: Duration = .seconds(60)
    /// Subjects remembered at once.
    package static let subjectsMax = 64
    package static let lineMax = 2048

    private struct Subject: Hashable {
        var subsystem: ByteString
        var subject: ByteString
    }

    private struct Last {
        var notice: Notice
        var repeats: Int
        var until: Instant
    }

    private let style: Style
    private var last: [Subject: Last] = [:]

    package init(_ style: Style) { self.style = style }

    /// The lines to write now, each with its newline; none for a repeat.
    package mutating func receive(_ notice: Notice, at now: Moment) -> [UInt8] {
        let subject = Subject(
            subsystem: ByteString(notice.subsystem), subject: ByteString(notice.subject))
        var lines: [UInt8] = []
        if let known = last[subject] {
            let isSame =
                known.notice.level == notice.level
                && ByteString(known.notice.message) == ByteString(notice.message)
            if isSame, now.instant < known.until {
                last[subject]?.repeats += 1
                return []
            }
            append(summary: known, at: now, to: &lines)
        } else if last.count >= Self.subjectsMax,
            let oldest = last.min(by: { $0.value.until < $1.value.until })
        {
            append(summary: oldest.value, at: now, to: &lines)
            last[oldest.key] = nil
        }
        last[subject] = Last(notice: notice, repeats: 0, until: now.instant + Self.window)
        append(notice, repeats: 0, at: now, to: &lines)
        return lines
    }

    /// The counts whose minute is over; with `all`, every count.
    package mutating func timeout(at now: Moment, all: Bool = false) -> [UInt8] {
        var lines: [UInt8] = []
        for (subject, known) in last where all || known.until <= now.instant {
            append(summary: known, at: now, to: &lines)
            last[subject] = nil
        }
        return lines
    }

    /// When the next count is due.
    package var deadline: Instant? { last.values.lazy.filter { $0.repeats > 0 }.map(\.until).min() }

    private func append(summary known: Last, at now: Moment, to lines: inout [UInt8]) {
        if known.repeats > 0 { append(known.notice, repeats: known.repeats, at: now, to: &lines) }
    }

    private func append(_ notice: Notice, repeats: Int, at now: Moment, to lines: inout [UInt8]) {
        switch style {
        case .plain:
            now.wall.appendTimestamp(to: &lines)
            lines += " \(notice.level) ".utf8
        case .journal:
            lines += "<\(notice.level.rawValue)>".utf8
        }
        let head =
            notice.subject.isEmpty ? notice.subsystem : "\(notice.subsystem) \(notice.subject)"
        Self.append(printable: head + ": " + notice.message, to: &lines)
        if repeats > 0 { lines += " (repeated \(repeats == 1 ? "once" : "\(repeats) times"))".utf8 }
        lines.append(0x0A)
    }

    /// Text as a person can read it, cut to `lineMax` bytes.
    static func append(printable text: String, to lines: inout [UInt8]) {
        let start = lines.count
        for scalar in text.unicodeScalars {
            guard lines.count - start < lineMax else {
                lines += "…".utf8
                return
            }
            if (0x20..<0x7F).contains(scalar.value) {
                lines.append(UInt8(scalar.value))
            } else {
                lines += scalar.shown.utf8
            }
        }
    }
}
