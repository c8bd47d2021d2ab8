import Base
import Gateway
import Modbus
import TestKit
import Testing

/// The composed gateway without a bridge, a virtual disk, and one unit that has no holding register
/// 3.
private struct LearnedWorld: ComposedWorld {
    var gateway: Gateway
    var disk: VirtualDisk
    var now: Moment
    private(set) var requests = 0
    private(set) var refusals = 0

    init(_ configuration: Configuration, _ disk: VirtualDisk, at now: Moment) {
        gateway = Self.gateway(configuration)
        self.disk = disk
        self.now = now
        start()
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .line(let name, .transmit(let bytes, _)),
            .line(let name, .schedule(let bytes, _, _)):
            events.append(.line(name, .received(answer(bytes))))
        case .line(let name, .burst(let burst)):
            let log = burst.brokenOff(at: now.instant)
            events.append(.line(name, .carried(log, [])))
            for one in log { events.append(.line(name, .received(answer(one.frame)))) }
        default: break
        }
    }

    private mutating func answer(_ frame: [UInt8]) -> [UInt8] {
        // What only proves the order of replies comes back as it is.
        if frame[1] == 8 { return frame }
        requests += 1
        guard
            case .read(let function, let address, let count)? = try? Request(
                pdu: frame[1..<(frame.count - 2)])
        else {
            return []
        }
        let asked = Int(address)..<Int(address) + Int(count)
        let isRefused = asked.contains(3)
        refusals += isRefused ? 1 : 0
        let response =
            isRefused
            ? Response.exception(function, .illegalDataAddress)
            : .read(function, [UInt8](repeating: 7, count: 2 * asked.count))
        return RTUFrame.encode(unit: frame[0], response.pdu)
    }
}

@Test func whatWasRefusedOnceIsNotAskedForAgainAfterARestart() throws {
    let ports = """
        a: { device: "/dev/a", driver: "modbus-rtu", every: "1s", nodes: { "meter-1": { unit: 1, points: {
          a: { holding: 0 }, b: { holding: 1 }, c: { holding: 5 }, d: { holding: 6 } } } } }
        """
    let (configuration, diagnostics) = Samples.read(Samples.withPorts(ports))
    #expect(diagnostics.map(\.description) == [])
    var first = LearnedWorld(
        try #require(configuration), VirtualDisk(), at: LearnedWorld.epoch)
    first.run(for: .seconds(20))
    #expect(first.refusals == 1 && first.requests > 30)
    var second = LearnedWorld(try #require(configuration), first.disk, at: first.now)
    second.run(for: .seconds(20))
    #expect(second.refusals == 0 && second.requests > 30)
}

@Test(
    arguments: [
        ("ranges: { holding: [[0, 1], [5, 6]] }", nil),
        ("ranges: { holding: [0, 6], coil: [[0, 7]] }", nil),
        (
            "ranges: { holding: [[0, 4]] }",
            "point \"c\": holding 5 is not inside one of the node's ranges [0, 4]"
        ),
        ("ranges: { holding: [[4, 0]] }", "the range [4, 0] ends before it begins"),
        ("ranges: { holding: [[0]] }", "a range is first and last address"),
        ("ranges: { holding: 7 }", "a range is first"),
        ("ranges: { holdings: [[0, 9]] }", "unknown key \"holdings\""),
        ("ranges: [0, 9]", "\"ranges\" must be an object"),
        ("ranges: { holding: [[0, 70000]] }", "must be from 0 to 65535"),
    ] as [(String, String?)]) func readableRangesAreCheckedAndKept(
        _ ranges: String, _ complaint: String?
    ) throws
{
    let ports = """
        a: { device: "/dev/a", driver: "modbus-rtu", every: "1s", nodes: { "meter-1": { unit: 1, \(ranges), points: {
          a: { holding: 0 }, c: { holding: 5 } } } } }
        """
    let (configuration, diagnostics) = Samples.read(Samples.withPorts(ports))
    if let complaint {
        #expect(
            diagnostics.contains { $0.message.contains(complaint) },
            "\(diagnostics.map(\.description))")
    } else {
        #expect(diagnostics.map(\.description) == [])
        let plan = try #require(configuration?.ports.first?.readPlan)
        #expect(plan.reads.count == (ranges.contains("[0, 6]") ? 1 : 2))
    }
}
