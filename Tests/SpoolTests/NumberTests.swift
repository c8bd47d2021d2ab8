import Base
import Spool
import TestKit
import Testing

private let meter = Rig.device("meter-1")
private let end: UInt64 = 1 << 53
private let outage = DiskFailure(.readOnly, "EROFS")

/// Everything that a fleet of runs has told the bridge, by number.
private struct Told {
    private(set) var texts: [UInt64: String] = [:]
    private(set) var repeats = 0

    mutating func take(_ records: [StoredRecord]) {
        take(records.filter { $0.kind == .reading }.map { ($0.seq, $0.text) })
    }

    mutating func take(_ records: [(seq: UInt64, text: String)]) {
        for record in records {
            if let old = texts.updateValue(record.text, forKey: record.seq), old != record.text {
                repeats += 1
            }
        }
    }
}

/// What has been kept outside of the journal, or not.
private struct Runs {
    var disk = VirtualDisk()
    var floor: UInt64?
    var now = Rig.start
    var told = Told()
    private(set) var highest: UInt64 = 0
    private var random = RandomSource(seed: 7)
    private var count = 0
    static let settings = Rig.settings(maxBytes: 1 << 20)

    /// One run: it publishes and is killed. Answers the numbers of its records.
    @discardableResult
    mutating func run(
        _ records: Int = 20, keepsFloor: Bool, _ body: (inout Rig) -> Void = { _ in }
    ) -> [UInt64] {
        count += 1
        var rig = Rig(
            Self.settings, disk: disk, boot: 3, seed: random.next(), now: now,
            floor: keepsFloor ? floor : nil)
        for index in 0..<records { rig.append(meter, "run \(count) record \(index)") }
        body(&rig)
        rig.advance(.seconds(1))
        let all = rig.drainAll()
        told.take(all)
        rig.advance(.seconds(1))
        #expect(rig.failed == nil)
        if keepsFloor { floor = rig.spool.numberFloor }
        disk = rig.disk
        // What an earlier run has sent may come again, as it was.
        let numbers = all.filter { $0.text.hasPrefix("run \(count) ") }.map(\.seq)
        highest = max(highest, numbers.max() ?? 0)
        return numbers
    }
}

@Suite struct NumberTests {
    /// A run that knows nothing of the others: where it begins, and where it goes on in memory-only
    /// mode.
    @Test(arguments: [0, -3, -3600]) func thousandsOfRunsShareNoNumber(step: Int64) {
        var random = RandomSource(seed: 5)
        var ranges: [Range<UInt64>] = []
        var wall = Rig.start.wall
        for _ in 0..<5000 {
            var numbers = Numbering(seed: random.next())
            numbers.begin(after: nil, at: wall)
            for _ in 0..<2 {
                ranges.append(numbers.next..<numbers.next + 1000)
                for _ in 0..<1000 { _ = numbers.take() }
                numbers.leap(at: wall)
            }
            wall = wall + .seconds(step)
        }
        ranges.sort { $0.lowerBound < $1.lowerBound }
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
        #expect((ranges.last?.upperBound ?? .max) < end)
    }

    /// An outage that comes and goes for months costs numbers each time, and never all of them.
    @Test(arguments: [0, 1_600_000_000_000, 1_790_000_000_000, 9_000_000_000_000, Int64.max])
    func numbersRiseAndStayBelowTheEnd(milliseconds: Int64) {
        let wall = WallTime(milliseconds: milliseconds)
        for floor in [nil, 1, 1 << 48, end - 1 << 40 - 1, end, .max] as [UInt64?] {
            var numbers = Numbering(seed: 1)
            numbers.know(floor)
            numbers.begin(after: nil, at: wall)
            var last: UInt64 = 0
            for _ in 0..<20_000 {
                let next = numbers.take()
                if next <= last || next >= end { Issue.record("\(next) after \(last)"); break }
                last = next
                numbers.leap(at: wall)
            }
            #expect(numbers.floor.map { last < $0 && $0 <= end } ?? false)
        }
    }

    /// Of 43 pairs of starts within one second 34 gave the numbers of the first to other records.
    @Test func aWipedDirectoryRepeatsNoNumberHoweverOftenInOneSecond() {
        var runs = Runs()
        for _ in 0..<100 {
            runs.disk = VirtualDisk()
            runs.run(keepsFloor: false)
        }
        #expect(runs.told.texts.count == 2000 && runs.told.repeats == 0 && runs.highest < end)
    }

    /// Of 38 starts on a disk that takes nothing 34 repeated numbers.
    @Test func memoryOnlyRunsRepeatNoNumber() {
        var runs = Runs()
        runs.disk.outage = outage
        for round in 0..<100 {
            runs.run(keepsFloor: false) { #expect($0.spool.isMemoryOnly) }
            if round % 10 == 0 { runs.now = runs.now + .seconds(-3) }
        }
        #expect(runs.told.texts.count == 2000 && runs.told.repeats == 0 && runs.highest < end)
    }

    /// Of 102 starts of a journal in memory, the clock three seconds further back each time, 99
    /// repeated numbers.
    @Test(arguments: [-3, -1, -86_400]) func aClockThatGoesBackRepeatsNoNumber(step: Int64) {
        var runs = Runs()
        for _ in 0..<60 {
            runs.disk = VirtualDisk()
            runs.run(keepsFloor: false)
            runs.now = runs.now + .seconds(step)
        }
        #expect(runs.told.texts.count == 1200 && runs.told.repeats == 0 && runs.highest < end)
    }

    /// The floor makes it certain: numbers only rise, whatever becomes of directory and clock.
    @Test func withAFloorNumbersOnlyRise() {
        var runs = Runs()
        var last: UInt64 = 0
        for round in 0..<60 {
            if round % 3 != 0 { runs.disk = VirtualDisk() }
            runs.disk.outage = round % 7 == 0 ? outage : nil
            let numbers = runs.run(keepsFloor: true)
            if numbers.contains(where: { $0 <= last }) {
                Issue.record("round \(round): below \(last)")
            }
            last = max(last, numbers.max() ?? 0)
            runs.now = runs.now + .seconds(round % 5 == 0 ? -4000 : 1)
        }
        #expect(runs.told.repeats == 0 && runs.highest < end)
    }

    /// Numbers that memory-only mode gave are not durable: the run after a crash keeps away from
    /// them.
    @Test(arguments: [true, false])
    func memoryModeEnteredLeftAndEnteredAgainSharesNothingWithTheNextRun(keepsFloor: Bool) {
        var runs = Runs()
        for round in 0..<15 {
            runs.run(keepsFloor: keepsFloor) { rig in
                for part in 0..<3 {
                    rig.advance(.seconds(1))
                    rig.disk.outage = outage
                    for index in 0..<10 {
                        rig.append(meter, "round \(round).\(part) in memory \(index)")
                    }
                    rig.advance(.seconds(2))
                    rig.disk.outage = part == 2 ? outage : nil
                    rig.advance(.seconds(40))
                }
                #expect(rig.spool.isMemoryOnly)
            }
            runs.disk.outage = nil
            if round % 4 == 0 { runs.now = runs.now + .seconds(-600) }
        }
        #expect(runs.told.repeats == 0 && runs.highest < end)
    }

    /// The disk is away at the start, the clock behind the journal's numbers: memory-only mode
    /// numbers below them.
    @Test(arguments: [0, -3600, -86_400 * 40, -86_400 * 200])
    func aJournalReadOnlyAfterMemoryOnlyModeBeganSharesNoNumber(step: Int64) {
        var runs = Runs()
        var told = Told()
        for round in 0..<12 {
            runs.run(keepsFloor: false)
            runs.now = runs.now + .seconds(step)
            runs.disk.outage = outage
            runs.run(keepsFloor: false) { rig in
                #expect(rig.spool.isMemoryOnly)
                // Some went out: acknowledged, on their way, or come back.
                if round % 2 == 0 { _ = rig.drainAll(limit: 5) }
                let sent = (0..<round % 4).compactMap { _ in rig.spool.take(meter, at: rig.now) }
                told.take(sent)
                for record in sent where round % 3 > 0 {
                    rig.spool.giveBack(record.seq, at: rig.now)
                }
                rig.disk.outage = nil
                rig.advance(.seconds(60))
                for record in sent where round % 3 == 0 {
                    rig.spool.settle(record.seq, at: rig.now)
                }
                rig.advance(.seconds(60))
                #expect(!rig.spool.isMemoryOnly)
                for index in 0..<20 { rig.append(meter, "round \(round) on the disk \(index)") }
                rig.advance(.seconds(2))
            }
            told.take(runs.told.texts.map { ($0.key, $0.value) })
        }
        #expect(told.repeats == 0 && runs.told.repeats == 0 && runs.highest < end)
    }

    @Test func aKillInBetweenCountsOnByOne() {
        var runs = Runs()
        var all: [UInt64] = []
        for _ in 0..<20 { all += runs.run(keepsFloor: true) }
        #expect(all == Array(all[0]..<all[0] + 400))
    }

    /// A journal that was put back from a copy has lost numbers that were given meanwhile.
    @Test func anOlderCopyOfTheJournalDoesNotGiveItsNumbersAgain() {
        var runs = Runs()
        runs.run(keepsFloor: true)
        let copy = runs.disk
        runs.run(keepsFloor: true) { $0.disk.outage = outage }
        runs.disk = copy
        runs.run(keepsFloor: true)
        #expect(runs.told.repeats == 0)
    }

    /// An outage that comes and goes for months costs numbers each time, and never all of them.
    @Test func noNumberOfLeapsGoesBeyondTheEnd() {
        var runs = Runs()
        runs.now = Moment(Rig.start.instant, WallTime(milliseconds: 1_600_000_000_000))
        runs.floor = end - 1 << 40 - 2
        runs.run(keepsFloor: true) { rig in
            for _ in 0..<30 {
                rig.disk.outage = outage
                rig.append(meter, "x")
                rig.advance(.seconds(2))
                rig.disk.outage = nil
                rig.advance(.seconds(15))
            }
        }
        #expect(runs.highest < end && runs.told.repeats == 0)
    }

    /// A file that somebody has put there, or whose header is damaged, does not decide where
    /// numbers go on.
    @Test(arguments: [
        "seg-001f000000000000.log", "seg-001fffffffffffff.log", "seg-0010000000000000.log",
        "seg-ffffffffffffffff.log",
        "seg-001f000000000000.log.bad",
    ])
    func aForeignNameWithAHugeNumberIsToldAndNotBelieved(name: String) {
        for content in [Array("a plain text".utf8), [UInt8](repeating: 0xAA, count: 50_000)] {
            var runs = Runs()
            runs.run(keepsFloor: false)
            let before = runs.highest
            runs.disk.put(name, content)
            runs.run(keepsFloor: false) { rig in
                #expect(
                    rig.notices.contains { $0.message.contains(name) } || name.hasSuffix(".bad"))
            }
            #expect(runs.highest == before + 20)
            #expect(runs.disk.names().contains { runs.disk.contents($0) == content })
        }
    }

    /// A sound header that says such a number is that of another program, or of a test of this one.
    @Test func aSoundHeaderWithAHugeNumberIsNotBelievedEither() {
        for first in [end - 1, end - 1 << 40, end - 1 << 41] {
            var runs = Runs()
            let header = Segment.Header(
                salt: 1, firstSeq: first, bootID: [], created: Rig.start,
                identity: Rig.settings().identity)
            runs.disk.put(Segment.name(first), Segment.opening(header))
            for _ in 0..<3 { runs.run(keepsFloor: false) }
            #expect(runs.highest < end && runs.told.repeats == 0 && runs.told.texts.count == 60)
        }
    }

    @Test func onlyWhatThisProgramHasWrittenIsRemovedFromWhatIsSetAside() {
        var disk = VirtualDisk()
        for number in 0..<6 {
            disk.put(Segment.name(UInt64(number + 1)) + ".bad", Array("somebody's \(number)".utf8))
            disk.put(
                Segment.name(UInt64(number + 10)) + ".bad",
                Array("FGWSPOOL".utf8) + [UInt8](repeating: 1, count: 20_000))
        }
        disk.put(Segment.name(50), Array("hello".utf8))
        disk.put("SEG-0000000000000051.log", Array("another".utf8))
        disk.put("seg-00000000000000AB.log", Array("in capitals".utf8))
        let rig = Rig(disk: disk)
        let names = rig.disk.names()
        for number in 0..<6 { #expect(names.contains(Segment.name(UInt64(number + 1)) + ".bad")) }
        #expect(names.filter { $0.hasSuffix(".bad") }.count == 6 + 2 + 1)
        #expect(rig.disk.contents(Segment.name(50) + ".bad") == Array("hello".utf8))
        #expect(
            names.contains("SEG-0000000000000051.log") && names.contains("seg-00000000000000AB.log")
        )
    }
}
