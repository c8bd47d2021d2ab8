import Base

/// Numbers everything that changes, so that each stream is told what is new to it, and one that was
/// interrupted goes on where it was. What is kept is bounded: one number for each device, and the
/// latest lines of the log.
struct LiveFeed: Sendable {
    /// A line of the log.
    struct Line: Sendable {
        var number: UInt64
        var at: WallTime
        var notice: Notice
    }

    static let linesMax = 500
    private static let textMax = 128 << 10

    /// The number of the latest change.
    private(set) var latest: UInt64 = 0
    private var changed: [DeviceID: UInt64] = [:]
    private var log: [Line] = []
    private var textSize = 0

    /// A device has other values, or another state.
    mutating func touch(_ device: DeviceID) {
        latest += 1
        changed[device] = latest
    }

    func change(of device: DeviceID) -> UInt64 { changed[device] ?? 0 }

    /// Frames are not taken: the document of a line has them.
    mutating func add(_ notice: Notice, at now: WallTime) {
        guard notice.subsystem != WireLog.subsystem else { return }
        latest += 1
        log.append(Line(number: latest, at: now, notice: notice))
        textSize += Self.size(notice)
        guard log.count > Self.linesMax || textSize > Self.textMax else { return }
        // A quarter at a time: taking one from the front moves all others.
        let surplus = max(1, log.count / 4)
        for line in log.prefix(surplus) { textSize -= Self.size(line.notice) }
        log.removeFirst(surplus)
    }

    private static func size(_ notice: Notice) -> Int {
        notice.message.utf8.count + notice.subject.utf8.count + 64
    }

    /// Lines with a higher number, oldest first.
    func lines(after number: UInt64) -> ArraySlice<Line> {
        let start = log.firstIndex { $0.number > number } ?? log.endIndex
        return log[start...]
    }

    /// Another configuration: devices that are gone are forgotten.
    mutating func keep(_ devices: Set<DeviceID>) {
        changed = changed.filter { devices.contains($0.key) }
    }
}

extension LiveFeed.Line {
    /// `{"n","ts","level","subsystem","subject","message"}`
    func write(_ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("n", number)
            writer.member("ts", at)
            writer.member("level", notice.level.description)
            writer.member("subsystem", notice.subsystem)
            writer.member("subject", notice.subject)
            writer.member("message", notice.message)
        }
    }
}
