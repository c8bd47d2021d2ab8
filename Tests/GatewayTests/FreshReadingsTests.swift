import Base
import Gateway
import Modbus
import TestKit
import Testing

/// The composed gateway without a bridge; four units that answer at once, ten times a second each.
private struct BusyWorld: ComposedWorld {
    var gateway: Gateway
    var disk: VirtualDisk
    var now: Moment
    private(set) var replies: [Instant] = []
    private(set) var answer: [UInt8] = []
    private(set) var isFinished = false

    init(
        _ priority: String, _ disk: VirtualDisk = VirtualDisk(), at now: Moment = Self.epoch
    ) throws {
        let nodes = (1...4).map {
            #""meter-\#($0)": { unit: \#($0), points: { a: { holding: 0\#(priority) } } }"#
        }
        let (configuration, diagnostics) = Samples.read(
            Samples.withPorts(
                #"a: { device: "/dev/a", baud: 115200, every: "100ms", nodes: { \#(nodes.joined(separator: ", ")) } }"#
            ))
        #expect(diagnostics.map(\.description) == [])
        gateway = Self.gateway(try #require(configuration))
        self.disk = disk
        self.now = now
        start()
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .line(let name, .transmit(let frame, _)),
            .line(let name, .schedule(let frame, _, _)):
            events.append(.line(name, .received(reply(to: frame))))
        case .line(let name, .burst(let burst)):
            let log = burst.brokenOff(at: now.instant)
            events.append(.line(name, .carried(log, [])))
            for one in log {
                events.append(.line(name, .received(reply(to: one.frame))))
            }
        case .answer(_, let line): answer = line
        case .finished: isFinished = true
        default: break
        }
    }

    /// Function 8 only proves the order of replies; it is no reading.
    private mutating func reply(to frame: [UInt8]) -> [UInt8] {
        guard frame[1] == 3 else { return frame }
        replies.append(now.instant)
        return RTUFrame.encode(unit: frame[0], [3, 2, 0, 7])
    }

    /// Until the units have answered well for so long that no reading waits to be contradicted.
    mutating func settle() { run(for: .seconds(10)) }

    mutating func status() throws -> JSON {
        receive(.control(ControlTicket(1), Array(#"{"get":"status"}"#.utf8)))
        return try JSONReader.parse(answer)
    }

    /// Reading records that a start finds in the journal after a power cut.
    func found(seed: UInt64) throws -> Int64 {
        var disk = self.disk
        disk.crash(seed: seed)
        var next = try BusyWorld("", disk, at: now)
        let status = try next.status()
        return try #require(status["spool"]?["waiting"]?.integer)
    }
}

/// Readings are taken into the journal several at a time, and nobody can tell.
@Suite struct FreshReadingsTests {
    /// The promises of `sync` and of `priority`, whenever the power goes.
    @Test(arguments: [("", Duration.seconds(1)), (", priority: true", .milliseconds(100))])
    func everyReadingIsDurableInItsTime(_ priority: String, _ promise: Duration) throws {
        var world = try BusyWorld(priority)
        world.settle()
        for cut in 0..<60 {
            world.run(for: .milliseconds(37))
            let due = world.now.instant - promise
            let promised = world.replies.count { $0 < due }
            let found = try world.found(seed: UInt64(cut))
            #expect(found >= Int64(promised), "at \(world.now.instant.nanoseconds / 1_000_000) ms")
        }
        #expect(world.replies.count > 150)
    }

    /// Whoever asks sees what the line has just said, and every value of it.
    @Test func whoAsksSeesAllReadings() throws {
        var world = try BusyWorld("")
        world.settle()
        for _ in 0..<50 {
            world.run(for: .milliseconds(33))
            let status = try world.status()
            #expect(status["tally"]?["readings"]?.integer == Int64(world.replies.count))
            #expect(
                status["tally"]?["recorded"]?.integer.map { $0 >= Int64(world.replies.count) }
                    == true)
        }
        #expect(world.replies.count > 40)
    }

    @Test func aStopTakesThemAll() throws {
        var world = try BusyWorld("")
        world.settle()
        world.run(for: .milliseconds(2345))
        world.receive(.terminate)
        world.run(for: .seconds(20))
        #expect(world.isFinished)
        #expect(try world.found(seed: 3) >= Int64(world.replies.count))
    }
}
