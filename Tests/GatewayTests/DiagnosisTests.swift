import Base
import Drivers
import Gateway
import TestKit
import Testing

/// What the line doctor finds reaches the log once, and the status document while it lasts.
@Suite struct DiagnosisTests {
    /// The composed gateway with a virtual disk, no bridge, and one line on which nobody speaks.
    private struct SilentWorld {
        var gateway: Gateway
        var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
        var disk = VirtualDisk()
        var notices: [Notice] = []
        var answer: [UInt8] = []

        mutating func run(for time: Duration) {
            let end = now.instant + time
            for _ in 0..<10_000 {
                drain()
                guard let due = gateway.deadline, due <= end else {
                    now = now + (end - now.instant)
                    return
                }
                if due > now.instant { now = now + (due - now.instant) }
                gateway.timeout(at: now)
            }
            Issue.record("the gateway spins")
        }

        mutating func receive(_ event: Event) {
            gateway.receive(event, at: now)
            drain()
        }

        mutating func status() throws -> JSON {
            receive(.control(ControlTicket(1), Array(#"{"get":"status"}"#.utf8)))
            return try JSONReader.parse(answer)
        }

        private mutating func drain() {
            while let effect = gateway.next() {
                switch effect {
                case .openLine(let name, _):
                    gateway.receive(
                        .line(name, .opened(LineFacts(path: "/dev/x", isPseudoTerminal: false))), at: now)
                case .disk(let request): gateway.receive(.disk(request.ticket, disk.perform(request)), at: now)
                case .notice(let notice): notices.append(notice)
                case .answer(_, let line): answer = line
                default: break
                }
            }
        }
    }

    @Test func aLineOnWhichNobodySpeaksIsDiagnosedInLogAndStatus() throws {
        let ports = """
            bus: { device: "/dev/x", baud: 19200, responseTimeout: "100ms", every: "1s", nodes: {
              "dev-1": { unit: 1, points: { x: { holding: 0 } } }, "dev-2": { unit: 2, points: { x: { holding: 0 } } } } }
            """
        let (configuration, diagnostics) = Samples.read(Samples.withPorts(ports))
        #expect(diagnostics.map(\.description) == [])
        let settings = Gateway.Settings(
            try #require(configuration), keys: KeyAlgorithms(), floor: WallTime(milliseconds: 0), version: "test")
        var world = SilentWorld(
            gateway: Gateway(settings, bootID: [UInt8](repeating: 1, count: 16), seed: 1))
        world.gateway.start(at: world.now)
        world.run(for: .seconds(120))
        func told() -> [String] {
            world.notices.filter { $0.level == .warning && $0.subsystem == "line" }.map(\.message)
        }
        #expect(told() == [PortTrouble.nothingComes.sentence])
        #expect(try world.status()["ports"]?["bus"]?["diagnosis"]?.string == PortTrouble.nothingComes.sentence)

        world.receive(.line(PortName("bus"), .errors(LineErrors(framing: 30))))
        world.run(for: .seconds(60))
        #expect(told().last == PortTrouble.wrongSpeed(framing: true, parity: false).sentence)
        let bus = try world.status()["ports"]?["bus"]
        #expect(bus?["framing"]?.integer == 30 && bus?["diagnosis"]?.string?.contains("baud rate") == true)

        world.receive(.line(PortName("bus"), .lost(LineFailure(.lost, "gone"))))
        #expect(try world.status()["ports"]?["bus"]?["diagnosis"] == nil)
    }
}
