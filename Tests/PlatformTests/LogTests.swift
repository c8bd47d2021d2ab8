import Base
import Glibc
import Platform
import Testing

private func notice(
    _ message: String, _ subject: String = "gw-7", _ level: Notice.Level = .warning
) -> Notice {
    Notice(level, "bridge", subject, message)
}

/// Seconds after 2026-11-22T09:00:00.123Z.
private func at(_ seconds: Int) -> Moment {
    Moment(.zero, WallTime(milliseconds: 1_795_338_000_123)) + .seconds(seconds)
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite struct LogFolderTests {
    @Test func aLineHasTimeLevelSubsystemAndSubject() {
        var folder = LogFolder(.plain)
        let line = text(folder.receive(notice("text"), at: at(0)))
        #expect(line == "2026-11-22T09:00:00.123Z warning bridge gw-7: text\n")
        let bare = text(folder.receive(Notice(.info, "gateway", "", "ready"), at: at(0)))
        #expect(bare == "2026-11-22T09:00:00.123Z info gateway: ready\n")
    }

    @Test(arguments: [(Notice.Level.error, 3), (.warning, 4), (.info, 6), (.debug, 7)])
    func underTheJournalAPriorityStandsForTimeAndLevel(level: Notice.Level, number: Int) {
        var folder = LogFolder(.journal)
        let line = text(folder.receive(notice("text", "gw-7", level), at: at(0)))
        #expect(line == "<\(number)>bridge gw-7: text\n")
    }

    @Test func repeatsAreCountedAndSaidWithTheNextDifferentOne() {
        var folder = LogFolder(.journal)
        #expect(!folder.receive(notice("lost"), at: at(0)).isEmpty)
        for second in 1...12 { #expect(folder.receive(notice("lost"), at: at(second)).isEmpty) }
        #expect(
            text(folder.receive(notice("back"), at: at(13)))
                == "<4>bridge gw-7: lost (repeated 12 times)\n<4>bridge gw-7: back\n")
    }

    @Test func repeatsAboutOneSubjectDoNotEndWithALineAboutAnother() {
        var folder = LogFolder(.journal)
        _ = folder.receive(notice("lost", "a"), at: at(0))
        _ = folder.receive(notice("lost", "b"), at: at(0))
        #expect(folder.receive(notice("lost", "a"), at: at(1)).isEmpty)
        #expect(folder.receive(notice("lost", "b"), at: at(1)).isEmpty)
    }

    @Test func afterAMinuteTheCountIsWrittenByItself() {
        var folder = LogFolder(.journal)
        _ = folder.receive(notice("lost"), at: at(0))
        #expect(folder.deadline == nil)
        _ = folder.receive(notice("lost"), at: at(30))
        #expect(folder.deadline == at(60).instant)
        #expect(folder.timeout(at: at(59)).isEmpty)
        #expect(text(folder.timeout(at: at(60))) == "<4>bridge gw-7: lost (repeated once)\n")
        #expect(folder.deadline == nil)
        #expect(text(folder.receive(notice("lost"), at: at(61))) == "<4>bridge gw-7: lost\n")
    }

    @Test func manySubjectsDoNotGrowItsMemoryOrLoseCounts() {
        var folder = LogFolder(.journal)
        _ = folder.receive(notice("lost", "first"), at: at(0))
        _ = folder.receive(notice("lost", "first"), at: at(0))
        var all = ""
        for index in 0..<200 { all += text(folder.receive(notice("x", "s\(index)"), at: at(1))) }
        #expect(all.contains("first: lost (repeated once)"))
        #expect(all.split(separator: "\n").count == 201)
    }

    @Test(arguments: [
        ("two\nlines", "two\\x0Alines"), ("\u{1b}[31mred", "\\x1B[31mred"), ("nul\0", "nul\\x00"),
        ("c1 \u{9b}", "c1 \\x9B"), ("\u{202e}evil", "\\u{202e}evil"),
        ("Zähler 3 °C", "Zähler 3 °C"),
    ])
    func controlCharactersAreShownNotSent(message: String, shown: String) {
        var folder = LogFolder(.journal)
        let line = text(folder.receive(notice(message), at: at(0)))
        #expect(line == "<4>bridge gw-7: \(shown)\n")
    }

    @Test func aLineHasALongestLength() {
        var folder = LogFolder(.journal)
        let line = folder.receive(notice(String(repeating: "ü", count: 100_000)), at: at(0))
        #expect(line.count < LogFolder.lineMax + 16)
    }
}

@Suite struct LogSinkTests {
    private func pipe() throws -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func contents(_ reader: Int32) -> String {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = retrying { read(reader, &chunk, chunk.count) }
            if count <= 0 { return text(all) }
            all += chunk[..<count]
        }
    }

    @Test func writesWhatPassesTheThresholdInOrder() throws {
        let (reader, writer) = try pipe()
        defer { close(reader) }
        let sink = try LogSink(descriptor: writer, threshold: .info, style: .journal)
        sink.write(notice("one"))
        sink.write(notice("hidden", "gw-7", .debug))
        sink.threshold = .debug
        sink.write(notice("two", "gw-7", .debug))
        sink.write(notice("two", "gw-7", .debug))
        #expect(sink.flush())
        close(writer)
        #expect(
            contents(reader)
                == "<4>bridge gw-7: one\n<7>bridge gw-7: two\n<7>bridge gw-7: two (repeated once)\n"
        )
    }

    /// A stuck terminal or a full journal must cost log lines, never the loop's time or memory.
    @Test func aReaderThatStopsReadingCostsLinesAndNoWaiting() throws {
        let (reader, writer) = try pipe()
        let sink = try LogSink(descriptor: writer, style: .journal, limiter: NoticeLimiter([:]))
        let long = String(repeating: "x", count: 1500)
        for index in 0..<20_000 { sink.write(notice("\(index) \(long)")) }
        #expect(sink.dropped > 0)
        #expect(!sink.flush(within: .milliseconds(10)))
        let dropped = sink.dropped
        let drain = try Worker("test-drain")
        let log = try Mailbox<String>()
        drain.submit {
            log.post(contents(reader))
            close(reader)
        }
        #expect(sink.flush(within: .seconds(10)))
        // The next line finds room, and the loss is said.
        sink.write(notice("after"))
        #expect(sink.flush(within: .seconds(10)))
        #expect(sink.flush(within: .seconds(10)))
        close(writer)
        drain.stop()
        let written = log.drain().first ?? ""
        // The loss may be said in parts; together they are the whole.
        let parts = written.split(separator: "\n").filter { $0.hasSuffix("nobody read the log") }
        let counts = parts.compactMap {
            $0.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        #expect(counts.reduce(0, +) == dropped)
        #expect(written.contains("after"))
        #expect(
            written.split(separator: "\n").filter { $0.hasSuffix("x") }.count == 20_000 - dropped)
    }

    @Test func aReaderThatIsGoneHarmsNobody() throws {
        Startup.prepare()
        let (reader, writer) = try pipe()
        close(reader)
        let sink = try LogSink(descriptor: writer, style: .plain)
        sink.write(notice("nobody hears"))
        #expect(sink.flush())
        close(writer)
    }
}
