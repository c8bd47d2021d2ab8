import Base
import Gateway
import TestKit
import Testing

/// Commands over the end of a process: what the bridge was told is known for good, and budgets go
/// on.
@Suite struct CommandRestartTests {
    private static func nodes(_ more: String = "") -> String {
        """
        "pump-1": { unit: 1, every: "60s", points: {
          setpoint: { holding: 6, writable: { min: 0, max: 100\(more) } } } }
        """
    }

    private static func command(_ number: Int) -> String {
        "{\"id\":\"c-\(number)\",\"write\":{\"setpoint\":7}}"
    }

    private static func writes(_ world: ConfigWorld) -> Int {
        world.requests.filter { $0[0] == 6 }.count
    }

    private static func results(_ world: ConfigWorld) -> [String] {
        world.texts("/devices/pump-1/events/commands")
    }

    /// Of 100 commands that were sent again after a kill 37 were carried out again.
    @Test func whatWasAcknowledgedIsNeverCarriedOutAgain() throws {
        var world = try ConfigWorld(Self.nodes())
        for number in 1...100 {
            try world.command("pump-1", Self.command(number), id: UInt16(number))
            world.run(for: .milliseconds(number % 3 == 0 ? 1 : 200))
        }
        let acknowledged = (1...100).filter { world.pubacks.contains(UInt16($0)) }
        #expect(acknowledged.count == 100)
        // Killed: what it holds in memory is gone, whatever was under way.
        var next = try ConfigWorld(Self.nodes(), disk: world.disk, at: world.now)
        for number in acknowledged {
            try next.command("pump-1", Self.command(number), id: UInt16(number))
            next.run(for: .milliseconds(200))
        }
        #expect(Self.writes(next) == 0)
        let answers = Self.results(next)
        for number in acknowledged {
            #expect(answers.contains { $0.contains("\"c-\(number)\"") }, "\(number)")
        }
    }

    @Test func theAcknowledgementWaitsForTheDiskAndTheWireDoesNot() throws {
        var world = try ConfigWorld(Self.nodes())
        world.diskIsSlow = true
        try world.command("pump-1", Self.command(1), id: 9)
        world.run(for: .milliseconds(300))
        #expect(
            Self.writes(world) == 1 && !world.pubacks.contains(9) && Self.results(world).isEmpty)
        // Killed now: the bridge does not know, and it may come again.
        let killed = try ConfigWorld(Self.nodes(), disk: world.disk, at: world.now)
        #expect(Self.results(killed).isEmpty)
        world.finishDisk()
        world.run(for: .seconds(2))
        #expect(world.pubacks.contains(9) && Self.results(world).count == 1)
    }

    /// Between acceptance and result: nobody knows, and it is not repeated.
    @Test func aCommandThatWasCutInTheMiddleIsAnsweredSo() throws {
        var world = try ConfigWorld(Self.nodes())
        try world.command("pump-1", Self.command(1), id: 9)
        #expect(world.pubacks.contains(9))
        var next = try ConfigWorld(Self.nodes(), disk: world.disk, at: world.now)
        try next.command("pump-1", Self.command(1), id: 1)
        next.run(for: .seconds(2))
        #expect(
            Self.writes(next) == 0
                && Self.results(next).last?.contains("may or may not have been carried out") == true
        )
    }

    @Test func aStateDirectoryThatCannotBeWrittenHoldsNoCommandUp() throws {
        var disk = VirtualDisk()
        (disk.outage, disk.outageVolume) = (DiskFailure(.readOnly, "EROFS"), .state)
        var world = try ConfigWorld(Self.nodes(), disk: disk)
        try world.command("pump-1", Self.command(1), id: 9)
        world.run(for: .seconds(2))
        #expect(world.pubacks.contains(9) && Self.results(world).count == 1)
    }

    @Test func theDocumentOfAnEarlierVersionIsTakenOver() throws {
        var disk = VirtualDisk()
        disk.put(
            "commands-pump-1.doc", Array(#"[["c-1","\"id\":\"c-1\",\"ok\":true"]]"#.utf8), .state)
        var world = try ConfigWorld(Self.nodes(), disk: disk)
        world.run(for: .seconds(10))
        #expect(!world.disk.names(.state).contains("commands-pump-1.doc"))
        var next = try ConfigWorld(Self.nodes(), disk: world.disk, at: world.now)
        try next.command("pump-1", Self.command(1), id: 1)
        next.run(for: .seconds(2))
        #expect(
            Self.writes(next) == 0
                && Self.results(next).last?.contains(#""id":"c-1","ok":true"#) == true)
    }

    @Test func aRetainedCommandIsRefusedWithAResult() throws {
        var world = try ConfigWorld(Self.nodes())
        try world.command("pump-1", Self.command(1), id: 9, retain: true)
        world.run(for: .seconds(2))
        #expect(Self.writes(world) == 0 && world.pubacks.contains(9))
        #expect(
            Self.results(world).last?.contains("retained: true") == true
                && world.says("retained") == 1)
        var allowing = try ConfigWorld(Self.nodes(", retained: true"))
        try allowing.command("pump-1", Self.command(1), id: 9, retain: true)
        allowing.run(for: .seconds(2))
        #expect(Self.writes(allowing) == 1)
    }

    // MARK: budgets

    private static func send(_ world: inout ConfigWorld, _ numbers: Range<Int>) throws -> Int {
        let before = writes(world)
        for number in numbers {
            try world.command("pump-1", command(number), id: UInt16(number))
            world.run(for: .milliseconds(200))
        }
        return writes(world) - before
    }

    /// A process that is killed again and again has no more than the budget of one that lives.
    @Test func aCrashLoopGivesNoBudgetBack() throws {
        let nodes = Self.nodes(", perMinute: 4, perDay: 10")
        var (disk, now) = (
            VirtualDisk(), Moment(.zero + .seconds(100), WallTime(milliseconds: 1_800_000_000_000))
        )
        var total = 0
        for life in 0..<12 {
            var world = try ConfigWorld(nodes, disk: disk, at: now)
            total += try Self.send(&world, life * 10 + 1..<life * 10 + 4)
            // The wall clock steps to and fro, and says nothing.
            let step = [0, 90_000, -200_000, 3600][life % 4]
            (disk, now) = (
                world.disk, Moment(world.now.instant + .seconds(3), world.now.wall + .seconds(step))
            )
            if life == 5 { #expect(total == 4, "one minute") }
        }
        #expect(total <= 10)
        var later = try ConfigWorld(nodes, disk: disk, at: now + .seconds(86_400))
        #expect(try Self.send(&later, 900..<910) == 4, "a day later it is free again")
    }

    /// The machine was off for two days, and both clocks were right; or one of them was not.
    @Test(arguments: [(true, 2), (false, 0)])
    func timeThatTheMachineWasOffCountsIfTheClockIsTrusted(
        isTrusted: Bool, free: Int
    ) throws {
        let nodes = Self.nodes(", perDay: 2")
        var world = try ConfigWorld(
            nodes, at: Moment(.zero + .seconds(500), WallTime(milliseconds: 1_800_000_000_000)))
        if isTrusted { world.trustClock() }
        #expect(try Self.send(&world, 1..<5) == 2)
        let wall = world.now.wall + .seconds(2 * 86_400)
        var next = try ConfigWorld(
            nodes, disk: world.disk, boot: 2, at: Moment(.zero + .seconds(20), wall))
        if isTrusted { next.trustClock() }
        #expect(try Self.send(&next, 10..<15) == free)
    }

    @Test func anotherBudgetOrANodeThatWasGoneDoesNotBeginAnew() throws {
        var world = try ConfigWorld(Self.nodes(", perDay: 3"))
        #expect(try Self.send(&world, 1..<6) == 3)
        var next = try ConfigWorld(Self.nodes(", perDay: 5"), disk: world.disk, at: world.now)
        #expect(try Self.send(&next, 11..<20) == 2)
    }
}
