import Base
import Drivers
import Gateway
import TestKit
import Testing

/// What the line doctor finds reaches the log once, and the status document while it lasts.
@Suite struct DiagnosisTests {
    /// The composed gateway with a virtual disk, no bridge, and one line on which nobody speaks.
    private struct SilentWorld: ComposedWorld {
        var gateway: Gateway
        var now = Self.epoch
        var disk = VirtualDisk()
        var notices: [Notice] = []
        var answer: [UInt8] = []

        mutating func status() throws -> JSON {
            receive(.control(ControlTicket(1), Array(#"{"get":"status"}"#.utf8)))
            return try JSONReader.parse(answer)
        }

        mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
            switch effect {
            case .notice(let notice): notices.append(notice)
            case .answer(_, let line): answer = line
            default: break
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
        var world = SilentWorld(gateway: SilentWorld.gateway(try #require(configuration)))
        world.start()
        world.run(for: .seconds(120))
        func told() -> [String] {
            world.notices.filter { $0.level == .warning && $0.subsystem == "line" }.map(\.message)
        }
        #expect(told() == [PortTrouble.nothingComes.sentence])
        #expect(
            try world.status()["ports"]?["bus"]?["diagnosis"]?.string?.string
                == PortTrouble.nothingComes.sentence)

        world.receive(.line(PortName("bus"), .errors(LineErrors(framing: 30))))
        world.run(for: .seconds(60))
        #expect(told().last == PortTrouble.wrongSpeed(framing: true, parity: false).sentence)
        let bus = try world.status()["ports"]?["bus"]
        #expect(
            bus?["framing"]?.integer == 30
                && bus?["diagnosis"]?.string?.contains("baud rate") == true)

        world.receive(.line(PortName("bus"), .lost(LineFailure(.lost, "gone"))))
        #expect(try world.status()["ports"]?["bus"]?["diagnosis"] == nil)
    }
}
