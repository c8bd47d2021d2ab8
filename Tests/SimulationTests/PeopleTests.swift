import Base
import Gateway
import Modbus
import Simulators
import Testing

/// What a person at the machine does through the control socket, and what the site's rules do when
/// the bridge is away: on the whole gateway, in simulated time.
@Suite struct PeopleTests {
    private func started(_ change: (inout Site.Options) -> Void = { _ in }) throws -> SimulatedWorld
    {
        var options = Site.Options()
        change(&options)
        let world = try SimulatedWorld(options, seed: 3)
        world.boot()
        world.run(for: .seconds(60))
        return world
    }

    private func readings(_ world: SimulatedWorld, _ device: String) -> Int {
        world.oracle.received.values.count { $0.device == device && $0.subfolder.isEmpty }
    }

    @Test func aPausedPortIsClosedSilentAndOpenedAgainByItself() throws {
        let world = try started()
        #expect(
            world.ask(#"{"pause":{"port":"bus-a","for":"5m"}}"#) == nil,
            "not before the line is closed")
        world.run(for: .seconds(2))
        let answer = try #require(world.lastAnswer)
        #expect(answer["ok"]?.bool == true && answer["device"]?.string == "/dev/bus-a")
        #expect(world.lines[0].state == .closed && world.lines[1].state == .open)

        world.run(for: .seconds(10))
        let before = (readings(world, "meter-1"), readings(world, "tank-1"))
        world.run(for: .seconds(240))
        #expect(
            readings(world, "meter-1") == before.0, "a paused port is not a loss: nothing is said")
        #expect(readings(world, "tank-1") > before.1 + 20)
        let port = world.ask(#"{"get":"status"}"#)?["ports"]?["bus-a"]
        #expect(port?["state"]?.string == "paused" && port?["pausedUntil"]?.string != nil)
        let device = world.ask(#"{"get":"values","device":"meter-1"}"#)?["devices"]?["meter-1"]
        #expect(device?["error"]?.string?.contains("paused until") == true)
        #expect((device?["values"]?["reads"]?["age"]?.double ?? 0) > 200)

        world.run(for: .seconds(70))
        #expect(world.lines[0].state == .open)
        #expect(readings(world, "meter-1") > before.0)
        #expect(
            world.ask(#"{"get":"values","device":"meter-1"}"#)?["devices"]?["meter-1"]?["status"]?
                .string == "online")
        #expect(world.ask(#"{"resume":{"port":"bus-a"}}"#)?["wasPaused"]?.bool == false)
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }

    @Test func aPausedPortIsGivenBackAndAStoppedGatewayDoesNotWaitForIt() throws {
        let world = try started()
        _ = world.ask(#"{"pause":{"port":"bus-a"}}"#)
        world.run(for: .seconds(2))
        #expect(world.ask(#"{"resume":{"port":"bus-a"}}"#)?["wasPaused"]?.bool == true)
        world.run(for: .seconds(30))
        #expect(world.lines[0].state == .open)
        _ = world.ask(#"{"pause":{"port":"bus-a"}}"#)
        world.run(for: .seconds(2))
        world.terminate()
        world.run(for: .seconds(10))
        #expect(world.exit == .drained)
    }

    private static let lease = #"{"pause":{"port":"bus-a","lease":true}}"#

    /// A tool that is killed says nothing any more: the end of its connection gives the port back.
    @Test func aLeaseEndsWithItsConnectionAndNotBefore() throws {
        let world = try started()
        #expect(world.ask(Self.lease, on: 5) == nil)
        world.run(for: .seconds(2))
        #expect(
            world.lastAnswer?["lease"]?.bool == true
                && world.lastAnswer?["device"]?.string == "/dev/bus-a")
        world.run(for: .seconds(3 * 3600))
        #expect(world.lines[0].state == .closed, "a lease has no time")
        let port = world.ask(#"{"get":"status"}"#)?["ports"]?["bus-a"]
        #expect(port?["lentTo"]?.array?.first?.integer == 4711 && port?["pausedUntil"] == nil)
        let device = world.ask(#"{"get":"values","device":"meter-1"}"#)?["devices"]?["meter-1"]
        #expect(device?["error"]?.string?.contains("lent to process 4711") == true)

        world.hangUp(4)
        world.run(for: .seconds(5))
        #expect(world.lines[0].state == .closed, "another connection's end is no matter")
        world.hangUp(5)
        world.run(for: .seconds(1))
        #expect(world.lines[0].state == .open)
        world.run(for: .seconds(30))
        #expect(
            world.ask(#"{"get":"values","device":"meter-1"}"#)?["devices"]?["meter-1"]?["status"]?
                .string == "online")
    }

    /// Each reason for a port to be closed is its own: a tool does not end a person's pause, nor
    /// the other way round.
    @Test func aLeaseAndAPauseDoNotEndEachOther() throws {
        let world = try started()
        _ = world.ask(#"{"pause":{"port":"bus-a","for":"10m"}}"#)
        world.run(for: .seconds(2))
        _ = world.ask(Self.lease, on: 5)
        #expect(world.ask(Self.lease, on: 5)?["error"]?.string?.contains("already") == true)
        _ = world.ask(#"{"resume":{"port":"bus-a"}}"#, on: 5)
        let said = world.answers.compactMap { try? JSONReader.parse($0) }
        #expect(
            said.count == 2 && said.contains { $0["wasPaused"]?.bool == true }
                && said.contains { $0["ended"]?.bool == true })
        world.run(for: .seconds(60))
        #expect(world.lines[0].state == .closed, "the person's pause still holds")
        #expect(world.ask(#"{"get":"status"}"#)?["ports"]?["bus-a"]?["lentTo"] == nil)

        _ = world.ask(Self.lease, on: 6)
        world.run(for: .seconds(900))
        #expect(world.lines[0].state == .closed, "the tool still has it")
        world.hangUp(6)
        world.run(for: .seconds(1))
        #expect(world.lines[0].state == .open)

        // A person's resume ends everything, and the tool hears of it.
        _ = world.ask(Self.lease, on: 7)
        world.run(for: .seconds(2))
        _ = world.ask(#"{"resume":{"port":"bus-a"}}"#)
        #expect(world.answers.count == 2, "the lease's end and the resume's answer")
        world.run(for: .seconds(1))
        #expect(world.lines[0].state == .open)
    }

    /// Gone before the line was closed: while the exchange under way ends.
    @Test func aLeaseWhoseToolDiesWhileItWaitsIsNeverBegun() throws {
        let world = try started()
        _ = world.ask(Self.lease, on: 5)
        world.hangUp(5)
        world.run(for: .seconds(3))
        #expect(world.lines[0].state == .open)
        world.close()
        for violation in world.oracle.violations { Issue.record("\(violation)") }
    }

    @Test func readsAndWritesGoBetweenThePolls() throws {
        let world = try started()
        _ = world.ask(
            #"{"read":{"port":"bus-a","unit":2,"table":"holding","address":1,"count":2}}"#)
        world.run(for: .seconds(1))
        #expect(world.lastAnswer?["registers"]?.array?.count == 2)
        let write =
            #"{"write":{"port":"bus-a","unit":2,"table":"holding","address":10,"values":[77]}}"#
        #expect(world.ask(write)?["kind"]?.string == "denied")
        #expect(world.ask(write, mayWrite: true) == nil)
        world.run(for: .seconds(1))
        #expect(world.lastAnswer?["ok"]?.bool == true)
        _ = world.ask(#"{"read":{"port":"bus-a","unit":2,"table":"holding","address":10}}"#)
        world.run(for: .seconds(1))
        #expect(world.lastAnswer?["registers"]?.array?.first?.integer == 77)
        // One register by function 16, for units that know no other; seen on the wire.
        let multiple =
            #"{"write":{"port":"bus-a","unit":2,"table":"holding","address":10,"values":[88],"multiple":true}}"#
        _ = world.ask(multiple, mayWrite: true)
        world.run(for: .seconds(1))
        #expect(world.lastAnswer?["ok"]?.bool == true)
        _ = world.ask(#"{"get":"pcap","port":"bus-a"}"#)
        let tape = Base64.decode(world.lastAnswer?["pcap"]?.string?.string ?? "") ?? []
        let frame = RTUFrame.encode(unit: 2, [16, 0, 10, 0, 1, 2, 0, 88])
        #expect(tape.indices.contains { tape[$0...].starts(with: frame) })
        _ = world.ask(#"{"read":{"port":"bus-a","unit":99,"table":"holding","address":10}}"#)
        world.run(for: .seconds(5))
        #expect(world.lastAnswer?["kind"]?.string == "timeout")
    }

    @Test(arguments: [
        ("{}", "usage"), ("[", "usage"), (#"{"gett":"status"}"#, "did you mean \"get\"?"),
        (#"{"get":"nothing"}"#, "usage"), (#"{"pause":{"port":"bus-c"}}"#, "did you mean \"bus-"),
        (#"{"pause":{"port":"bus-a","for":"1000d"}}"#, "24h"),
        (#"{"release":"meter-9"}"#, "no device"),
        (#"{"read":{"port":"bus-a","unit":0,"table":"holding","address":1}}"#, "unit"),
        (
            #"{"read":{"port":"bus-a","unit":1,"table":"holdng","address":1}}"#,
            "did you mean \"holding\"?"
        ),
        (
            #"{"read":{"port":"bus-a","unit":1,"table":"holding","address":1,"count":1e99}}"#,
            "count"
        ),
        (
            #"{"read":{"port":"bus-a","unit":1,"table":"holding","address":65535,"count":2}}"#,
            "request"
        ),
        (#"{"write":{"port":"bus-a","unit":1,"table":"input","address":1,"values":[1]}}"#, "table"),
        (
            #"{"write":{"port":"bus-a","unit":1,"table":"holding","address":1,"values":[65536]}}"#,
            "values"
        ),
    ])
    func aWrongRequestIsAnsweredWithASentence(_ request: String, _ words: String) throws {
        let world = try SimulatedWorld(seed: 1)
        world.boot()
        world.run(for: .seconds(1))
        let answer = try #require(world.ask(request, mayWrite: true))
        #expect(answer["error"]?.string != nil)
        #expect(answer.text.replacing("\\\"", with: "\"").contains(words), "\(answer.text)")
    }

    /// Written once when the bridge has been away for so long, and again only after it was back.
    @Test func aSafeValueIsWrittenOncePerAbsence() throws {
        let world = try started { $0.safe = "safe: { value: 7, after: \"3m\" }," }
        func setpoint() throws -> Int64? {
            _ = world.ask(#"{"read":{"port":"bus-b","unit":7,"table":"holding","address":10}}"#)
            world.run(for: .seconds(2))
            return world.lastAnswer?["registers"]?.array?.first?.integer
        }
        func set(_ value: Int) {
            _ = world.ask(
                "{\"write\":{\"port\":\"bus-b\",\"unit\":7,\"table\":\"holding\",\"address\":10,\"values\":[\(value)]}}",
                mayWrite: true)
            world.run(for: .seconds(2))
        }
        set(50)
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(150))
        #expect(try setpoint() == 50)
        world.run(for: .seconds(60))
        #expect(try setpoint() == 7)
        set(60)
        world.run(for: .seconds(300))
        #expect(try setpoint() == 60, "once is once")
        world.befall(.weather(.fair))
        world.run(for: .seconds(120))
        world.befall(.weather(.refused))
        world.befall(.cut)
        world.run(for: .seconds(200))
        #expect(try setpoint() == 7)
        let commands = world.ask(#"{"get":"status"}"#)?["commands"]
        let (absences, devices, ours) = (2, world.site.devices.count, 2)
        #expect(
            commands?["done"]?.integer == Int64(absences * devices + ours),
            "\(commands?.text ?? "")")
    }

    /// The capture of a line is a pcap of link type 250 whose packets are what was on the wire.
    @Test func theTapeIsACaptureOfWhatWasSaid() throws {
        let world = try started()
        let answer = try #require(world.ask(#"{"get":"pcap","port":"bus-a"}"#))
        let bytes = try #require(answer["pcap"]?.string.flatMap { Base64.decode($0.string) })
        let packets = try #require(Pcap(bytes)?.packets)
        #expect(packets.count > 20 && packets.count == Int(answer["packets"]?.integer ?? 0))
        let requests = packets.filter { $0.event == 1 }
        #expect(requests.allSatisfy { CRC16.checksum($0.data[...]) == 0 && $0.data.count >= 8 })
        let served = world.lines[0].bus.served.map(\.unit)
        #expect(requests.map { $0.data[0] }.suffix(10) == served.suffix(10))
        #expect(packets.map(\.micros) == packets.map(\.micros).sorted())
        world.run(for: .seconds(3 * 3600))
        let later = try #require(world.ask(#"{"get":"pcap","port":"bus-a"}"#)?["pcap"]?.string)
        #expect((32 << 10)...(80 << 10) ~= later.utf8.count * 3 / 4)
    }

    /// What the line said before a unit went silent is in a file; a second failure soon after is in
    /// none.
    @Test func theFirstFailureOfAUnitIsCaptured() throws {
        let world = try started()
        var dead = BusFaults()
        dead.dead = true
        world.befall(.units(0, 2, dead))
        world.run(for: .seconds(20))
        world.befall(.units(0, 17, dead))
        world.run(for: .seconds(15))
        let names = world.disk.disk.names(.state).filter { $0.hasPrefix("capture-") }
        #expect(names == ["capture-bus-a-1.pcap"], "\(names)")
        let bytes = try #require(world.disk.disk.contents(names.first ?? "", .state))
        #expect((Pcap(bytes)?.packets.count ?? 0) > 20)
    }
}

/// As small as a reader of capture files can be.
struct Pcap {
    struct Packet {
        var micros: Int64
        var event: UInt8
        var data: [UInt8]
    }

    var packets: [Packet] = []

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.little(UInt32.self) == 0xA1B2_C3D4, reader.little(UInt32.self) == 0x0004_0002,
            reader.bytes(8) != nil, reader.little(UInt32.self) == 65_535,
            reader.little(UInt32.self) == 250
        else { return nil }
        while !reader.isAtEnd {
            guard let seconds = reader.little(UInt32.self), let micros = reader.little(UInt32.self),
                let count = reader.little(UInt32.self), count == reader.little(UInt32.self),
                count >= 12,
                reader.big(UInt32.self) == seconds, reader.big(UInt32.self) == micros,
                let event = reader.byte(), let zeros = reader.bytes(3),
                zeros.allSatisfy({ $0 == 0 }),
                let data = reader.bytes(Int(count) - 12)
            else { return nil }
            packets.append(
                Packet(
                    micros: Int64(seconds) * 1_000_000 + Int64(micros), event: event,
                    data: Array(data)))
        }
    }
}
