import Adapter
import Base
import Gateway
import TestKit
import Testing

private let meter = try! DeviceID("meter-1")
private let pump = try! DeviceID("pump-1")

private func accepted(_ number: Int, _ device: DeviceID = meter) -> CommandRecord {
    .accepted(
        order: UInt64(number), at: Int64(number) * 1000, device: device, id: "c-\(number)",
        points: ["setpoint"])
}

private func done(_ number: Int, _ device: DeviceID = meter) -> CommandRecord {
    .done(
        order: UInt64(number), device: device, id: "c-\(number)",
        body: Array("\"id\":\"c-\(number)\",\"ok\":true,\"values\":{\"setpoint\":\(number)}".utf8))
}

/// The log on a virtual disk; `live` is what it is given when it writes everything anew.
private struct Rig {
    var log = CommandLog()
    var disk: VirtualDisk
    var now = Instant.zero
    var live: [CommandRecord] = []
    private(set) var found: [CommandRecord] = []
    private(set) var notices: [Notice] = []
    private(set) var isStopped = false
    var stopBefore: Int?

    init(_ disk: VirtualDisk = VirtualDisk(), stopBefore: Int? = nil) {
        self.disk = disk
        self.stopBefore = stopBefore
        open()
        found = log.takeFound()
    }

    mutating func open() {
        let request = DiskRequest(ticket: 0, volume: .state, .open)
        guard case .success(.listing(let entries, _)) = disk.perform(request) else { return }
        log.open(entries, at: now)
        drain()
    }

    mutating func put(_ record: CommandRecord) {
        log.put(record)
        drain()
    }

    mutating func pass(_ time: Duration) {
        now += time
        log.timeout(at: now)
        drain()
    }

    mutating func drain() {
        for _ in 0..<10_000 {
            if log.wantsSnapshot { log.rewrite(live) }
            guard !isStopped, let output = log.next() else { return }
            switch output {
            case .notice(let notice): notices.append(notice)
            case .disk(let request):
                if let stopBefore, disk.operations >= stopBefore {
                    disk.interrupted(request)
                    isStopped = true
                    return
                }
                log.completed(request.ticket, disk.perform(request), at: now)
            }
        }
        Issue.record("outputs without end")
    }
}

@Suite struct CommandLogTests {
    @Test func whatIsPutIsFoundByTheNextRun() {
        var rig = Rig()
        var all: [CommandRecord] = []
        var mark = BudgetClock.Mark(
            bootID: [1, 2], sinceBoot: .zero + .seconds(5), time: .zero + .seconds(7),
            wall: WallTime(milliseconds: 9),
            isTrusted: true)
        var spent = WriteBudgets.Spent()
        for second in 0..<300 { spent.day.add(at: .zero + .seconds(second * second)) }
        spent.minute.add(3, at: .zero + .seconds(86_000))
        for number in 1...40 { all += [accepted(number), done(number)] }
        all += [.time(order: 41, mark), .spent(order: 42, device: pump, point: "é", spent)]
        mark.isTrusted = false
        all.append(.time(order: 43, mark))
        for record in all { rig.put(record) }
        #expect(rig.log.isIdle && rig.log.durable == rig.log.version && rig.notices.isEmpty)
        #expect(Rig(rig.disk).found == all)
        // A file of an earlier run is never appended to.
        var next = Rig(rig.disk)
        next.put(accepted(50))
        #expect(next.disk.names(.state).count == 2 && Rig(next.disk).found == all + [accepted(50)])
    }

    /// One command wrote 172,000 bytes.
    @Test func aCommandWritesAFewHundredBytes() {
        var rig = Rig()
        for number in 1...1000 {
            rig.put(accepted(number))
            rig.put(done(number))
            rig.live = (max(1, number - 1023)...number).map { done($0) }
        }
        #expect(rig.log.bytesWritten / 1000 < 300, "\(rig.log.bytesWritten / 1000)")
    }

    @Test func theFilesStayWithinTwiceOfWhatCountsAndAMebibyte() {
        var rig = Rig()
        var size = 0
        for number in 1...12_000 {
            let record = done(number, number % 2 == 0 ? meter : pump)
            rig.live.append(record)
            if rig.live.count > 2048 { rig.live.removeFirst() }
            rig.put(record)
            if number % 50 == 0 { size = max(size, rig.disk.used) }
        }
        #expect(size < 2 << 20 && rig.notices.isEmpty, "\(size)")
        #expect(rig.log.bytesWritten / 12_000 < 400)
        let found = Set(Rig(rig.disk).found)
        #expect(rig.live.allSatisfy { found.contains($0) })
    }

    /// What was durable before the power went is found, and what was under way was put.
    @Test func aPowerCutBetweenAnyTwoOperationsKeepsWhatWasDurable() {
        func run(_ stop: Int?) -> (rig: Rig, put: [CommandRecord]) {
            var rig = Rig(stopBefore: stop)
            var put: [CommandRecord] = []
            // Long bodies: files are full soon, and everything is written anew.
            for number in 1...60 where !rig.isStopped {
                let record = CommandRecord.done(
                    order: UInt64(number), device: meter, id: "c-\(number)",
                    body: [UInt8](repeating: 0x61, count: 20_000))
                put.append(record)
                rig.live = Array(put.suffix(5))
                rig.put(record)
            }
            return (rig, put)
        }
        let operations = run(nil).rig.disk.operations
        #expect(operations > 60)
        for stop in 1..<operations {
            let (rig, put) = run(stop)
            var disk = rig.disk
            disk.crash(seed: UInt64(stop))
            let found = Set(Rig(disk).found)
            let durable = put.prefix(Int(rig.log.durable)).suffix(5)
            if !durable.allSatisfy({ found.contains($0) }) {
                Issue.record("stopped before \(stop)")
            }
            if !found.isSubset(of: put) { Issue.record("invented before \(stop)") }
        }
    }

    @Test func cutAtAnyByteOrWithAnyFlippedBitItKeepsTheRestAndTellsWhatItLost() throws {
        var rig = Rig()
        let all = (1...6).flatMap { [accepted($0), done($0)] }
        for record in all { rig.put(record) }
        let name = try #require(rig.disk.names(.state).first)
        let whole = try #require(rig.disk.contents(name, .state))
        let end = CommandFile.read(whole, number: 1).end
        func read(_ bytes: [UInt8]) -> Rig {
            var disk = VirtualDisk()
            disk.put(name, bytes, .state)
            return Rig(disk)
        }
        for cut in 0...end {
            let found = read(Array(whole[..<cut])).found
            if found != Array(all.prefix(found.count)) { Issue.record("cut at \(cut)") }
            if cut == end { #expect(found == all) }
        }
        for byte in 0..<end {
            var bytes = Array(whole[..<end])
            bytes[byte] ^= 1 << UInt8(byte % 8)
            let damaged = read(bytes)
            if !Set(damaged.found).isSubset(of: all) || damaged.found.count < all.count - 1 {
                Issue.record("byte \(byte): \(damaged.found.count)")
            }
            if damaged.found.count < all.count,
                !damaged.notices.contains(where: { $0.message.contains(name) })
            {
                Issue.record("byte \(byte): not told")
            }
        }
    }

    @Test func aForeignFileOfTheSameNameIsLeftAlone() {
        var disk = VirtualDisk()
        for name in [
            "commands-0000000000000001.log", "commands-ffffffffffffffff.log", "commands-1.log",
            "commands.log",
        ] {
            disk.put(name, Array("somebody's notes".utf8), .state)
        }
        var rig = Rig(disk)
        for number in 1...20_000 { rig.put(done(number)) }
        #expect(
            rig.disk.contents("commands-0000000000000001.log", .state)
                == Array("somebody's notes".utf8))
        #expect(disk.names(.state).allSatisfy { rig.disk.names(.state).contains($0) })
        #expect(rig.notices.filter { $0.message.contains("left alone") }.count == 2)
    }

    @Test func aDiskThatFailsHoldsNothingUpAndIsTakenBack() {
        var rig = Rig()
        rig.put(done(1))
        rig.disk.outage = DiskFailure(.noSpace, "ENOSPC")
        for number in 2...10 { rig.put(done(number)) }
        #expect(rig.log.durable == rig.log.version && rig.log.isIdle)
        #expect(rig.notices.count == 1)
        rig.live = (1...10).map { done($0) }
        rig.pass(.seconds(120))
        #expect(rig.notices.count == 1, "one notice for one trouble")
        rig.disk.outage = nil
        rig.pass(.seconds(61))
        #expect(rig.notices.count == 2)
        rig.put(done(11))
        #expect(Set(Rig(rig.disk).found) == Set((1...11).map { done($0) }))
    }
}
