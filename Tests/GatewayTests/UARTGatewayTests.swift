import Base
import Drivers
import Gateway
import MQTT
import TestKit
import Testing

/// The composed gateway with a virtual disk, a broker that takes everything, and one UART line.
private struct UARTWorld: ComposedWorld {
    var gateway: Gateway
    var now = Self.epoch
    var disk = VirtualDisk()
    private(set) var published: [Publish] = []
    private(set) var sent: [[UInt8]] = []
    private var decoder = PacketDecoder()
    private let port: PortName

    init(_ configuration: Configuration, port: String) {
        gateway = Self.gateway(configuration)
        self.port = PortName(port)
    }

    mutating func hear(_ bytes: [UInt8]) {
        receive(.line(port, .received(bytes)))
    }

    /// The payloads on a device's events topic, as text.
    func events(of device: String) -> [String] {
        published.filter { $0.topic.text == "/devices/\(device)/events" }
            .map { String(decoding: $0.payload, as: UTF8.self) }
    }

    mutating func carryOut(_ effect: Effect, _ events: inout [Event]) {
        switch effect {
        case .line(_, .transmit(let bytes, _)): sent.append(bytes)
        case .connect:
            decoder = PacketDecoder()
            events.append(.link(.up))
        case .send(let bytes):
            decoder.receive(bytes[...])
            while let packet = try? decoder.next() {
                if let reply = answer(packet) { events.append(.link(.received(reply.bytes))) }
            }
        default: break
        }
    }

    private mutating func answer(_ packet: Packet) -> Packet? {
        switch packet {
        case .connect: return .connack(Connack(code: 0))
        case .subscribe(let subscribe):
            return .suback(Suback(subscribe.packetID, subscribe.requests.map { _ in 1 }))
        case .publish(let publish):
            published.append(publish)
            return publish.packetID.map { .puback(Puback($0)) }
        default: return nil
        }
    }
}

@Suite struct UARTGatewayTests {
    private static func world(_ node: String) throws -> UARTWorld {
        let ports =
            "\"dust\": { device: \"/dev/ttyUSB0\", driver: \"uart\", baud: 9600, nodes: { \(node) } }"
        let (configuration, diagnostics) = Samples.read(Samples.withPorts(ports))
        #expect(diagnostics.map(\.description) == [])
        return UARTWorld(try #require(configuration), port: "dust")
    }

    /// A PMS5003's frame: PM2.5 in the atmosphere is 9 µg/m³.
    private static let dust = Hex.decode(
        "42 4D 00 1C 00 05 00 09 00 0A 00 05 00 09 00 0A 03 57 01 03 00 4E 00 03 00 01 00 01 97 00 02 23"
    )!

    @Test func theDustSensorOfTheDesignReachesTheBroker() throws {
        var world = try Self.world(
            """
            "pm-1": { frame: { start: "hex:42 4D", length: { at: 2, bytes: 2, adds: 4 }, max: 64 },
              checksum: { type: "sum16", from: 0, to: -2, at: -2 },
              fields: { pm25: { at: 12, type: "uint16" }, count: { at: 16, type: "uint16", every: "5s" } } }
            """)
        world.start()
        for count in 0..<12 {
            world.run(for: .seconds(1))
            // One of three is damaged: never published.
            var frame = Self.dust
            if count % 3 == 2 { frame[13] ^= 1 }
            world.hear(Array(frame[..<7]))
            world.hear(Array(frame[7...]))
        }
        world.run(for: .seconds(5))
        let events = world.events(of: "pm-1")
        #expect(events.count { $0.hasSuffix("\"values\":{\"pm25\":9}}") } == 1, "\(events)")
        #expect(events.count { $0.hasSuffix("\"values\":{\"count\":855}}") } == 3, "\(events)")
        #expect(events.allSatisfy { !$0.contains("bad") })
        let status = world.published.last { $0.topic.text == "/devices/pm-1/state" }
        #expect(
            status.map { String(decoding: $0.payload, as: UTF8.self).contains("\"online\"") }
                == true)
    }

    @Test func aNodeThatIsAskedAndSilentIsBadOnce() throws {
        var world = try Self.world(
            """
            "co2-1": { request: "hex:FF 01 86 00 00 00 00 00 79", frame: { start: "hex:FF 86", fixed: 9 },
              checksum: { type: "twos-complement", from: 1 }, every: "1s",
              fields: { ppm: { at: 2, type: "uint16" } } }
            """)
        world.start()
        world.run(for: .milliseconds(100))
        #expect(world.sent == [Hex.decode("FF 01 86 00 00 00 00 00 79")!])
        world.hear(Hex.decode("FF 86 02 60 47 00 00 00 D1")!)
        world.run(for: .seconds(30))
        let events = world.events(of: "co2-1")
        #expect(events.count == 2)
        #expect(events.first?.hasSuffix("\"values\":{\"ppm\":608}}") == true, "\(events)")
        #expect(
            events.last?.hasSuffix("\"values\":{},\"bad\":{\"ppm\":\"timeout\"}}") == true,
            "\(events)")
    }

    @Test func oneRoundOfReadingsWaitsForWhoSpeaksByHimself() throws {
        let ports = """
            a: { device: "/dev/a", driver: "uart", nodes: { "scale-1": { frame: { end: "\\r\\n", max: 32 },
              fields: { kg: { template: "{other:word},{skip:word},+{value:number}kg" } } } } }
            """
        let (configuration, diagnostics) = Samples.read(Samples.withPorts(ports))
        #expect(diagnostics.map(\.description) == [])
        var round = PollRound(try #require(configuration), seed: 1)
        var now = UARTWorld.epoch
        let name = PortName("a")
        round.start(at: now)
        round.receive(name, .opened(LineFacts(path: "/dev/a", isPseudoTerminal: true)), at: now)
        for _ in 0..<5 {
            now = now + .seconds(2)
            round.timeout(at: now)
            if !round.isDone {
                round.receive(name, .received(Array("ST,GS,+  12.34kg\r\n".utf8)), at: now)
            }
        }
        #expect(round.isDone)
        let device = try DeviceID("scale-1")
        #expect(round.adapter.lastValues(of: device).map(\.json) == ["12.34"])
    }
}
