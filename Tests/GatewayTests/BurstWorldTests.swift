import Base
import Drivers
import Line
import Gateway
import Modbus
import TestKit
import Testing

/// The composed gateway on a line of four steady units, polled back to back, without a bridge. The
/// line is driven by the carrier that the product uses.
private struct LineWorld {
    var gateway: Gateway
    var disk: VirtualDisk
    var now: Moment
    /// When each reply to a read was whole; function 8 only proves the order of replies.
    private(set) var replies: [Instant] = []
    private(set) var carried = 0
    private enum Arrival {
        case event(Event)
        /// Bytes at the line.
        case bytes([UInt8])
    }
    private var arrivals: [(at: Instant, what: Arrival)] = []
    private var tty: CarriedLine?
    private var answer: [UInt8] = []

    private static let port = PortName("a")
    /// From a request's beginning to the end of its reply.
    private static let exchange = Duration.milliseconds(5)

    init(
        sync: String, _ disk: VirtualDisk = VirtualDisk(),
        at now: Moment = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    ) throws {
        let nodes = (1...4).map {
            #""meter-\#($0)": { unit: \#($0), points: { a: { holding: 0 } } }"#
        }
        let text = Samples.withPorts(
            #"a: { device: "/dev/a", baud: 115200, parity: "none", every: "10ms", nodes: { \#(nodes.joined(separator: ", ")) } }"#
        )
        .replacing("{ bridge:", with: #"{ spool: { sync: "\#(sync)" }, bridge:"#)
        let (configuration, diagnostics) = Samples.read(text)
        #expect(diagnostics.map(\.description) == [])
        let settings = Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0),
            version: "test")
        #expect(settings.spool.sync == (sync == "1s" ? .seconds(1) : .milliseconds(20)))
        gateway = Gateway(settings, bootID: [UInt8](repeating: 1, count: 16), seed: 1)
        self.disk = disk
        self.now = now
        gateway.start(at: now)
        drain()
    }

    mutating func run(for time: Duration) {
        let end = now.instant + time
        for _ in 0..<50_000 {
            let due = min(
                gateway.deadline ?? .distantFuture, arrivals.first?.at ?? .distantFuture,
                tty?.due ?? .distantFuture)
            guard due <= end else {
                now = now + (end - now.instant)
                return
            }
            if due > now.instant { now = now + (due - now.instant) }
            if let arrival = arrivals.first, arrival.at <= now.instant {
                arrivals.removeFirst()
                switch arrival.what {
                case .event(let event): gateway.receive(event, at: now)
                case .bytes(let bytes): tty?.arrive(bytes)
                }
            } else if let due = tty?.due, due <= now.instant {
                tty?.timeout(at: now.instant)
            } else {
                gateway.timeout(at: now)
            }
            drain()
        }
        Issue.record("the gateway spins")
    }

    private mutating func drain() {
        repeat {
            while let effect = gateway.next() { carryOut(effect) }
        } while carryLine()
    }

    private mutating func carryOut(_ effect: Effect) {
        switch effect {
        case .openLine(let name, let settings):
            tty = CarriedLine(settings)
            arrive(
                .event(
                    .line(name, .opened(LineFacts(path: "/dev/test", isPseudoTerminal: true)))),
                at: now.instant)
        case .line(_, let command): tty?.carryOut(command, at: now.instant)
        case .disk(let request):
            arrive(.event(.disk(request.ticket, disk.perform(request))), at: now.instant)
        case .answer(_, let line): answer = line
        default: break
        }
    }

    /// Does what the line wants until it rests. True: the gateway was told of something.
    private mutating func carryLine() -> Bool {
        while let output = tty?.next(at: now.instant) {
            switch output {
            case .sent(let frame):
                let end = now.instant + Self.exchange
                if frame[1] == 3 { replies.append(end) }
                arrive(.bytes(Self.answer(frame)), at: end)
            case .report(let event):
                if case .carried(let log, _) = event { carried += log.count }
                gateway.receive(.line(Self.port, event), at: now)
                return true
            }
        }
        return false
    }

    private static func answer(_ frame: [UInt8]) -> [UInt8] {
        frame[1] == 8 ? frame : RTUFrame.encode(unit: frame[0], [3, 2, 0, 7])
    }

    private mutating func arrive(_ what: Arrival, at due: Instant) {
        arrivals.append((due, what))
        arrivals.sort { $0.at < $1.at }
    }

    /// Reading records that a start finds in the journal after a power cut.
    func found(sync: String, seed: UInt64) throws -> Int {
        var disk = self.disk
        disk.crash(seed: seed)
        var next = try LineWorld(sync: sync, disk, at: now)
        next.run(for: .zero)
        next.gateway.receive(
            .control(ControlTicket(1), Array(#"{"get":"status"}"#.utf8)), at: next.now)
        next.drain()
        let status = try JSONReader.parse(next.answer)
        return try Int(#require(status["spool"]?["waiting"]?.integer))
    }
}

/// What waits at the line is no later on the disk than what does not.
@Suite struct BurstWorldTests {
    /// Where little may be lost, no burst is so short.
    @Test(arguments: [("1s", Duration.seconds(1), true), ("20ms", .milliseconds(20), false)])
    func everyReadingIsDurableInItsTime(
        _ sync: String, _ promise: Duration, _ hasBursts: Bool
    ) throws {
        var world = try LineWorld(sync: sync)
        world.run(for: .seconds(3))
        for cut in 0..<40 {
            world.run(for: .milliseconds(37))
            let due = world.now.instant - promise
            let promised = world.replies.count { $0 < due }
            let found = try world.found(sync: sync, seed: UInt64(cut))
            #expect(found >= promised, "at \(world.now.instant.nanoseconds / 1_000_000) ms")
        }
        #expect(world.replies.count > 500)
        #expect(hasBursts ? world.carried > 300 : world.carried == 0)
    }
}
