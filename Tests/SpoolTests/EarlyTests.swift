import Base
import Spool
import TestKit
import Testing

/// Readings that are offered before they are durable, and written only if nobody acknowledged them.
@Suite struct EarlyTests {
    private static let meter = Rig.device("meter-1")
    private static let tank = Rig.device("tank-2")

    private static var settings: Journal.Settings {
        var settings = Rig.settings()
        settings.offersEarly = true
        return settings
    }

    /// All data records that the files hold, and the bounds of their last reserve records.
    private func files(_ disk: VirtualDisk) -> (records: [StoredRecord], reserve: UInt64?) {
        var all: [StoredRecord] = []
        var reserve: UInt64?
        for name in disk.names() {
            guard let bytes = disk.contents(name), let reader = try? SegmentReader(bytes) else {
                continue
            }
            all += reader.items.map(\.record)
            reserve = reader.reserve ?? reserve
        }
        return (all, reserve)
    }

    private func take(_ rig: inout Rig, _ device: DeviceID = meter) throws -> StoredRecord {
        let record = rig.spool.take(device, at: rig.now)
        return try #require(record)
    }

    @Test func aReadingThatIsAcknowledgedInTimeIsNeverWritten() throws {
        var rig = Rig(Self.settings)
        let before = rig.disk.operations
        for number in 0..<100 {
            rig.append(Self.meter, "\(number)")
            let record = try take(&rig)
            #expect(record.text == "\(number)")
            rig.advance(.milliseconds(300))
            rig.spool.settle(record.seq, at: rig.now)
            rig.pump()
        }
        rig.advance(.seconds(3))
        #expect(rig.disk.operations == before)
        #expect(files(rig.disk).records == [])
        #expect(rig.spool.statistics.neverWritten == 100 && rig.spool.waiting == 0)
        #expect(rig.spool.invariants() == [])
    }

    @Test func aReadingThatIsNotAcknowledgedIsWrittenAfterSync() throws {
        var rig = Rig(Self.settings)
        let seq = rig.append(Self.meter, "late")
        let record = try take(&rig)
        rig.advance(.milliseconds(999))
        #expect(files(rig.disk).records == [])
        rig.advance(.milliseconds(2))
        #expect(files(rig.disk).records.map(\.seq) == [seq])
        rig.spool.giveBack(record.seq, at: rig.now)
        #expect(try take(&rig) == record)
        rig.spool.settle(record.seq, at: rig.now)
        rig.advance(.seconds(6))
        var again = rig.killed(settings: Self.settings)
        #expect(again.drainAll().allSatisfy { $0.kind == .gap })
        #expect(rig.spool.invariants() == [])
    }

    /// The commit is by the oldest record that waits, not by one that was acknowledged since.
    @Test func aYoungReadingDoesNotGoWithOneThatIsAcknowledged() throws {
        var rig = Rig(Self.settings)
        for number in 0..<30 {
            rig.append(Self.meter, "\(number)")
            rig.append(Self.tank, "\(number)")
            for device in [Self.meter, Self.tank] {
                rig.spool.settle(try take(&rig, device).seq, at: rig.now)
            }
            rig.append(Self.meter, "x\(number)")
            rig.advance(.milliseconds(250))
            rig.spool.settle(try take(&rig).seq, at: rig.now)
        }
        #expect(files(rig.disk).records == [])
    }

    @Test func anAcknowledgementWhileItIsBeingWrittenIsNoted() throws {
        var rig = Rig(Self.settings)
        rig.append(Self.meter, "a")
        rig.append(Self.meter, "b")
        let records = [try take(&rig), try take(&rig)]
        rig.holdsBack = true
        rig.advance(.seconds(1))
        rig.spool.settle(records[0].seq, at: rig.now)
        #expect(rig.spool.waiting == 1)
        rig.release()
        #expect(files(rig.disk).records.map(\.text) == ["a", "b"])
        #expect(rig.spool.waiting == 1 && rig.spool.invariants() == [])
        rig.advance(.seconds(6))
        var again = rig.killed(settings: Self.settings)
        #expect(again.drainAll().map(\.text).filter { $0.count == 1 } == ["b"])
    }

    @Test(arguments: [false, true]) func noNumberIsGivenTwiceOverACrash(power: Bool) throws {
        var rig = Rig(Self.settings)
        var seen: [UInt64: String] = [:]
        for run in 0..<12 {
            for number in 0..<(run * 40) {
                rig.append(Self.meter, "\(run).\(number)")
                rig.advance(.zero)
                let record = try take(&rig)
                #expect(seen[record.seq] == nil)
                seen[record.seq] = record.text
                if record.kind == .reading { rig.spool.settle(record.seq, at: rig.now) }
            }
            rig =
                power
                ? rig.powerCut(seed: UInt64(run), settings: Self.settings)
                : rig.killed(seed: UInt64(run), settings: Self.settings)
            rig.advance(.seconds(1))
            for record in rig.drainAll() where record.kind != .gap {
                #expect(seen[record.seq] == record.text)
            }
        }
    }

    @Test func aGapRecordExplainsTheNumbersThatAKillSkips() throws {
        var rig = Rig(Self.settings)
        let first = rig.append(Self.meter, "a") ?? 0
        rig.spool.settle(try take(&rig).seq, at: rig.now)
        let bound = try #require(files(rig.disk).reserve)
        #expect(bound > first)
        rig = rig.killed(settings: Self.settings)
        rig.advance(.seconds(1))
        let gaps = rig.drainAll().compactMap { $0.kind == .gap ? Gap(body: $0.body) : nil }
        #expect(
            gaps == [Gap(device: nil, from: first, to: bound - 1, count: 0, reason: .restart)])
        let next = rig.append(Self.meter, "b") ?? 0
        #expect(next >= bound)
    }

    /// Killed again at any operation, before or after it has told what it skipped.
    /// - Parameter isWritten: some records are on the disk; else all were acknowledged in time.
    @Test(arguments: 0..<60, [true, false]) func aRunOfNoLengthHidesNoSkippedNumbers(
        operations: Int, isWritten: Bool
    ) throws {
        var rig = Rig(Self.settings)
        var first = rig.append(Self.meter, "a") ?? 0
        if isWritten {
            rig.advance(.seconds(2))
            first = rig.append(Self.meter, "b") ?? 0
        }
        rig.spool.settle(try take(&rig).seq, at: rig.now)
        for seed in [2, 3] as [UInt64] {
            var short = Rig(Self.settings, disk: rig.disk, seed: seed, now: rig.now, starts: false)
            short.stopBefore = rig.disk.operations + operations / Int(seed - 1)
            short.spool.start(numbersFrom: nil, at: short.now)
            short.pump()
            short.advance(.seconds(2))
            rig = short
        }
        rig = rig.killed(seed: 4, settings: Self.settings)
        rig.advance(.seconds(2))
        let next = rig.append(Self.meter, "c") ?? 0
        rig.advance(.seconds(2))
        let records = rig.drainAll()
        var known = Set(records.map(\.seq)).union([next])
        for gap in records.compactMap({ $0.kind == .gap ? Gap(body: $0.body) : nil }) {
            known.formUnion(gap.from...gap.to)
        }
        let hole = (first..<next).filter { !known.contains($0) }
        #expect(hole.isEmpty, "\(hole.first ?? 0) to \(hole.last ?? 0)")
    }

    @Test func anOrderlyStopSkipsNothing() throws {
        var rig = Rig(Self.settings)
        var next: UInt64?
        for _ in 0..<4 {
            for _ in 0..<5 {
                let seq = rig.append(Self.meter, "a") ?? 0
                if let next { #expect(seq == next) }
                next = seq + 1
                rig.spool.settle(try take(&rig).seq, at: rig.now)
            }
            rig.spool.drain(at: rig.now)
            rig.pump()
            #expect(rig.spool.isIdle)
            rig = rig.killed(settings: Self.settings)
            rig.advance(.seconds(1))
            #expect(rig.spool.waiting == 0)
        }
    }

    @Test func gapsAndResultsAreDurableFirstAndSoIsWhatFollows() throws {
        var rig = Rig(Self.settings)
        let entry = Entry(
            device: Self.meter, subfolder: "commands", kind: .result, priority: true, body: [0x31],
            at: rig.now)
        rig.spool.append(entry, at: rig.now)
        rig.append(Self.meter, "behind")
        let early = rig.spool.take(Self.meter, at: rig.now)
        #expect(early == nil)
        rig.append(Self.tank, "beside")
        #expect(try take(&rig, Self.tank).text == "beside")
        rig.advance(.milliseconds(50))
        #expect(try take(&rig).kind == .result)
        #expect(try take(&rig).text == "behind")
        rig.append(Self.meter, "after")
        #expect(try take(&rig).text == "after")
        #expect(rig.spool.invariants() == [])
    }

    @Test func aReadingBehindABacklogIsDurableFirst() throws {
        var settings = Self.settings
        settings.loadMax = 8 << 10
        var rig = Rig(settings)
        for number in 0..<200 {
            rig.append(Self.meter, "\(number)" + String(repeating: "x", count: 200))
        }
        rig.advance(.seconds(2))
        let seq = rig.append(Self.meter, "new")
        var order: [UInt64] = []
        for _ in 0..<3 { order.append(try take(&rig).seq) }
        #expect(!order.contains(seq ?? 0))
        rig.advance(.seconds(2))
        #expect(files(rig.disk).records.contains { $0.seq == seq })
        for seq in order { rig.spool.giveBack(seq, at: rig.now) }
        let all = rig.drainAll().map(\.seq)
        #expect(all == all.sorted() && all.count == 201)
    }

    @Test func whatIsSentKeepsItsNumberWhenTheDiskFails() throws {
        var rig = Rig(Self.settings)
        rig.append(Self.meter, "flying")
        rig.append(Self.meter, "waiting")
        rig.append(Self.tank, "back")
        let flying = try take(&rig)
        let back = try take(&rig, Self.tank)
        rig.spool.giveBack(back.seq, at: rig.now)
        rig.disk.outage = DiskFailure(.readOnly, "EROFS")
        rig.advance(.seconds(2))
        #expect(rig.spool.isMemoryOnly && rig.spool.waiting == 3)
        #expect(rig.spool.invariants() == [])
        rig.append(Self.tank, "later")
        #expect(try take(&rig, Self.tank) == back)
        #expect(try take(&rig).text == "waiting")
        rig.spool.settle(flying.seq, at: rig.now)
        rig.spool.giveBack(Self.meter, at: rig.now)
        rig.spool.giveBack(Self.tank, at: rig.now)
        rig.disk.outage = nil
        rig.advance(.seconds(400))
        #expect(!rig.spool.isMemoryOnly && rig.spool.waiting == 3)
        var again = rig.killed(settings: Self.settings)
        let found = again.drainAll().filter { $0.kind == .reading }
        #expect(found.map(\.text).sorted() == ["back", "later", "waiting"])
        #expect(found.contains { $0.seq == back.seq && $0.text == "back" })
    }

    /// A priority record is durable within 50 ms while it waits; once it is sent, the bridge has
    /// `sync` to acknowledge it.
    @Test func aPriorityRecordThatIsSentWaitsForItsAcknowledgement() throws {
        var rig = Rig(Self.settings)
        rig.append(Self.meter, "sent", priority: true)
        let sent = try take(&rig)
        rig.advance(.milliseconds(300))
        #expect(files(rig.disk).records == [])
        rig.append(Self.tank, "waiting", priority: true)
        rig.advance(.milliseconds(50))
        #expect(files(rig.disk).records.map(\.text) == ["sent", "waiting"])
        rig.spool.settle(sent.seq, at: rig.now)
        rig.advance(.seconds(2))
        #expect(rig.spool.waiting == 1 && rig.spool.invariants() == [])
    }

    /// A run that ends unexpectedly leaves no other trace of what went out before the backlog.
    @Test func theLiveLaneIsDurableFirst() throws {
        var settings = Self.settings
        settings.loadMax = 8 << 10
        var rig = Rig(settings)
        for number in 0..<200 {
            rig.append(Self.meter, "\(number)" + String(repeating: "x", count: 200))
        }
        rig.advance(.seconds(2))
        rig.spool.split(Self.meter)
        rig.append(Self.meter, "live")
        rig.append(Self.tank, "other")
        #expect(try take(&rig, Self.tank).text == "other")
        #expect(rig.spool.take(Self.meter, .live, at: rig.now) == nil)
        rig.advance(.seconds(2))
        let taken = rig.spool.take(Self.meter, .live, at: rig.now)
        let live = try #require(taken)
        #expect(live.text == "live" && !live.backfill)
        rig.spool.settle(live.seq, at: rig.now)
        rig.advance(.seconds(20))
        var again = rig.killed(settings: settings)
        #expect(again.spool.isOvertaken(Self.meter) && !again.spool.isOvertaken(Self.tank))
        again.spool.split(Self.meter)
        let late = again.drainAll().filter { $0.device == Self.meter }
        #expect(late.count == 200 && late.allSatisfy(\.backfill))
    }

    /// Reserving costs a write every few minutes, however many readings there are.
    @Test(arguments: [1, 8, 200]) func reservingIsSeldom(rate: Int) throws {
        var rig = Rig(Self.settings)
        func minutes(_ count: Int) throws -> Int {
            let before = rig.spool.statistics.commits
            for _ in 0..<(60 * count) {
                for _ in 0..<rate {
                    rig.append(Self.meter, "x")
                    rig.spool.settle(try take(&rig).seq, at: rig.now)
                }
                rig.advance(.seconds(1))
            }
            return rig.spool.statistics.commits - before
        }
        #expect(try minutes(10) <= 12)
        #expect(try minutes(30) <= 15)
    }

    /// Numbers may skip in such a file, so every commit counts the records before it: what damage
    /// has taken is told to the record.
    @Test func damageIsCountedToTheRecord() throws {
        var rig = Rig(Self.settings)
        for number in 0..<40 {
            rig.append(Self.meter, "\(number)" + String(repeating: "x", count: 100))
            if number % 3 == 0 { rig.spool.settle(try take(&rig).seq, at: rig.now) }
        }
        rig.advance(.seconds(2))
        let written = files(rig.disk).records.count
        rig.append(Self.meter, "another commit")
        rig.advance(.seconds(20))
        let name = try #require(rig.disk.names().first)
        let bytes = try #require(rig.disk.contents(name))
        let places = try SegmentReader(bytes).items.map(\.offset)
        var disk = rig.disk
        for byte in places[5]..<places[12] {
            for bit in 0..<8 where bytes[byte] >> UInt8(bit) & 1 == 1 {
                disk.flip(name, byte: byte, bit: bit)
            }
        }
        #expect(written > 12)
        var again = Rig(Self.settings, disk: disk, boot: 3, seed: 5, now: rig.now)
        again.advance(.seconds(2))
        let found = again.drainAll()
        let told = found.compactMap { $0.kind == .gap ? Gap(body: $0.body) : nil }
            .filter { $0.reason == .damage }
        #expect(found.filter { $0.kind == .reading }.count == written + 1 - 7)
        #expect(told.map(\.count) == [7])
        again.advance(.seconds(20))
        var third = again.killed(settings: Self.settings)
        third.advance(.seconds(2))
        #expect(!third.drainAll().contains { Gap(body: $0.body)?.reason == .damage })
    }

    /// What cannot be read at a start may have been a reserve: numbers go on far above.
    @Test func aFileThatCannotBeReadKeepsItsNumbers() throws {
        var rig = Rig(Self.settings)
        var given: Set<UInt64> = []
        for _ in 0..<20 {
            let record = rig.append(Self.meter, "a").flatMap { _ in
                rig.spool.take(Self.meter, at: rig.now)
            }
            given.insert(try #require(record).seq)
            rig.spool.settle(try #require(record).seq, at: rig.now)
        }
        rig.spool.drain(at: rig.now)
        rig.pump()
        var disk = rig.disk
        disk.unreadable = Segment.dataStart..<Segment.dataStart + 1
        var again = Rig(Self.settings, disk: disk, seed: 9, now: rig.now)
        again.disk.unreadable = nil
        again.advance(.seconds(1))
        let next = again.append(Self.meter, "b") ?? 0
        #expect(next > given.max() ?? .max)
    }

    /// A record is refused only where the bound is: whoever knows no reserve finds records that
    /// are as ever.
    @Test func withoutEarlyOffersTheBoundOfAnEarlierRunHolds() throws {
        var rig = Rig(Self.settings)
        rig.append(Self.meter, "a")
        rig.spool.settle(try take(&rig).seq, at: rig.now)
        let bound = try #require(files(rig.disk).reserve)
        rig = rig.killed(settings: Rig.settings())
        let next = rig.append(Self.meter, "b") ?? 0
        #expect(next >= bound)
        let early = rig.spool.take(Self.meter, at: rig.now)
        #expect(early == nil)
        rig.advance(.seconds(1))
        let durable = rig.spool.take(Self.meter, at: rig.now)
        #expect(durable?.text == "b")
    }
}
