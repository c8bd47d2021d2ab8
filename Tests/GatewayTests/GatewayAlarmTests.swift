import Base
import Gateway
import TestKit
import Testing

/// Alarms of the composed gateway in its status document, its problems and its metrics.
@Suite struct GatewayAlarmTests {
    private func alarms(_ world: inout DoorWorld) throws -> [String] {
        let document = try world.ask("/api/v1/status").json
        return (document["alarms"]?.array ?? []).compactMap { alarm in
            guard let name = alarm["alarm"]?.string?.string, alarm["since"]?.string != nil,
                alarm["text"]?.string != nil
            else { return nil }
            return name + (alarm["device"]?.string.map { " \($0)" } ?? "")
        }
    }

    private func problems(_ world: inout DoorWorld) throws -> [String] {
        (try world.ask("/api/v1/status").json["problems"]?.array ?? []).compactMap {
            $0["text"]?.string?.string
        }
    }

    private func metrics(_ world: inout DoorWorld) throws -> [String] {
        try world.ask("/metrics").text.split(separator: "\n").filter {
            $0.hasPrefix("fieldgw_alarm_active")
        }.map(String.init)
    }

    @Test func aSilentUnitIsAnAlarmUntilItAnswersAgain() throws {
        var world = try DoorWorld()
        world.run(for: .seconds(10))
        #expect(try alarms(&world) == [])
        world.silent = [1]
        world.run(for: .seconds(30))
        #expect(try alarms(&world) == ["device-offline meter-1"])
        #expect(
            try metrics(&world) == [
                "fieldgw_alarm_active{alarm=\"device-offline\",device=\"meter-1\"} 1"
            ])
        world.silent = []
        world.run(for: .seconds(180))
        #expect(try alarms(&world) == [] && metrics(&world).isEmpty)
    }

    /// Hundreds of alarms for one pulled plug would help nobody.
    @Test func unitsOfAPortThatIsGoneAreNoAlarmsOfTheirOwn() throws {
        var world = try DoorWorld(
            nodes: """
                "meter-1": { unit: 1, points: { a: { holding: 0 } } },
                "meter-2": { unit: 2, points: { a: { holding: 0 } } }
                """)
        world.opensLines = false
        world.run(for: .seconds(10))
        world.receive(.line(PortName("bus-a"), .lost(LineFailure(.lost, "it was unplugged"))))
        world.run(for: .seconds(60))
        #expect(try alarms(&world) == ["port-gone:bus-a"])
        world.opensLines = true
        world.receive(.portsAdded)
        world.run(for: .seconds(60))
        #expect(try alarms(&world) == [])
    }

    @Test func aHelperThatHangsAndAFileThatIsRefusedAreAlarmsAndProblems() throws {
        var world = try DoorWorld()
        world.run(for: .seconds(10))
        let before = try problems(&world).count
        world.receive(.helpersHang(["disk"]))
        world.receive(.reloadRefused("gw.json5:1:1: error: nothing is there"))
        world.run(for: .seconds(4))
        #expect(try alarms(&world) == ["helper-hangs:disk", "configuration-refused"])
        #expect(try problems(&world).count == before + 2)
        #expect(try problems(&world).contains { $0.contains("nothing is there") })
        #expect(
            world.notices.contains {
                $0.level == .error && $0.message.contains("the one before stays in force")
            })
        world.receive(.helpersHang([]))
        try world.reload("listen: \"127.0.0.1:8420\"", nodes: DoorWorld.oneNode)
        world.run(for: .seconds(60))
        #expect(try alarms(&world) == [] && problems(&world).count == before)
    }

    @Test func aCertificateThatEndsIsToldInLogStatusAndProblems() throws {
        var world = try DoorWorld { settings in
            settings.certificates = [
                CertificateEnd(
                    name: "ca", what: "the CA file (`ca`)",
                    end: DoorWorld.epoch.wall + .seconds(8 * 86_400)),
                CertificateEnd(
                    name: "client", what: "the client certificate",
                    end: DoorWorld.epoch.wall + .seconds(400 * 86_400)),
            ]
        }
        world.receive(.clock(ClockFacts(synchronised: true, hasRTC: true)))
        world.run(for: .seconds(10))
        #expect(try alarms(&world) == ["certificate-30-days:ca"])
        #expect(
            try problems(&world).contains { $0.hasPrefix("the CA file (`ca`) ends on 2027-01-23") })
        world.now = world.now + .seconds(2 * 86_400)
        world.run(for: .seconds(60))
        #expect(try alarms(&world).contains("certificate-7-days:ca"))
        let told = world.notices.filter { $0.subsystem == "alarm" }.map(\.message)
        #expect(
            told.map { String($0.prefix { $0 != ":" }) } == [
                "certificate-30-days", "certificate-30-days", "certificate-7-days",
            ], "\(told)")
    }

    @Test func aLineThatIsAskedForMoreThanItHasTimeForIsAnAlarm() throws {
        let nodes = (1...6).map {
            """
            "meter-\($0)": { unit: \($0), every: "1s", turnaround: "200ms",
              points: { a: { holding: 0 } } }
            """
        }
        var world = try DoorWorld(nodes: nodes.joined(separator: ", "))
        world.run(for: .seconds(200))
        #expect(try alarms(&world).contains("line-overloaded:bus-a"))
        try world.reload("listen: \"127.0.0.1:8420\"", nodes: DoorWorld.oneNode)
        world.run(for: .seconds(120))
        #expect(try alarms(&world).contains("line-overloaded:bus-a") == false)
    }

    @Test func theTimeOfTheBridgeIsAKey() throws {
        var world = try DoorWorld(extra: "alarms: { bridgeAway: \"1m\" },")
        world.run(for: .seconds(50))
        #expect(try alarms(&world).contains("bridge-away") == false)
        world.run(for: .seconds(30))
        #expect(try alarms(&world).contains("bridge-away"))
        let (_, told) = Samples.read(
            DoorWorld.text(nil, DoorWorld.oneNode, "alarms: { bridgeAway: \"1s\", x: 1 },"))
        #expect(told.map(\.message).count == 2, "\(told)")
    }
}
