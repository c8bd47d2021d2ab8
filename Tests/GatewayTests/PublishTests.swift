import Base
import Bridge
import Gateway
import MQTT
import TestKit
import Testing

/// What consumers on a plain broker want to have otherwise: the form of messages, topics, values
/// that the broker keeps, bare values to write.
@Suite struct PublishTests {
    private static let nodes = #"""
        "meter-1": { unit: 1, every: "1s", points: {
          power: { holding: 0, units: "W" }, on: { coil: 3 } } },
        """#
    private static let pump = #"""
        "pump-1": { unit: 1, every: "1s", points: {
          a: { holding: 0, writable: { min: 0, max: 9 } }, on: { coil: 3, writable: true } } },
        """#

    private func first(_ world: ConfigWorld, _ topic: String) throws -> JSON {
        try JSONReader.parse(try #require(world.texts(topic).first, "\(world.topics)"))
    }

    @Test func readingsMayBeFlatWithMillisecondsDigitsAndUnits() throws {
        var world = try ConfigWorld(
            Self.nodes,
            bridge: #"publish: { format: "flat", time: "ms", booleans: "01", units: true },"#)
        world.run(for: .seconds(3))
        let reading = try first(world, "/devices/meter-1/events")
        let ts = try #require(reading["ts"]?.integer)
        #expect((1_800_000_000_000...1_800_000_010_000).contains(ts))
        #expect(reading["seq"]?.integer != nil && reading["power"]?.integer != nil)
        #expect([0, 1].contains(reading["on"]?.integer))
        #expect(reading["units"]?["power"]?.string == "W" && reading["values"] == nil)
        let health = try first(world, "/devices/gw-1/events/health")
        #expect(health["ts"]?.integer != nil && health["schema"]?.integer != nil)
        let state = try first(world, "/devices/meter-1/state")
        #expect(state["ts"]?.integer != nil && state["status"]?.string == "online")
    }

    @Test func valuesAloneArePossible() throws {
        var world = try ConfigWorld(Self.nodes, bridge: #"publish: { format: "values" },"#)
        world.run(for: .seconds(3))
        let members = try first(world, "/devices/meter-1/events").members
        #expect(members?.map(\.name).sorted() == ["on", "power"])
    }

    /// The journal holds one form: a backlog is sent in the form of the file in force.
    @Test func aReloadChangesTheFormOfWhatWaits() throws {
        var world = try ConfigWorld(Self.nodes)
        world.run(for: .seconds(2))
        try world.reload(Self.nodes, bridge: #"publish: { format: "flat" },"#)
        world.run(for: .seconds(2))
        let last = try #require(world.texts("/devices/meter-1/events").last)
        #expect(try JSONReader.parse(last)["power"]?.integer != nil)
    }

    @Test func aBatchOfAnotherFormKeepsToItsBound() throws {
        var world = try ConfigWorld(
            Self.nodes,
            bridge: #"""
                batch: { maxDelay: "1m", maxBytes: "500B" }, telemetryTopic: "all",
                publish: { format: "flat", units: true },
                """#)
        world.run(for: .seconds(40))
        let sizes = world.published.filter { $0.topic.text == "all" }.map(\.payload.count)
        #expect(sizes.count > 4 && sizes.allSatisfy { $0 <= 500 }, "\(sizes)")
        #expect(sizes.contains { $0 > 250 })
    }

    /// One topic for all: the message says whose it is.
    @Test func aTopicWithoutADeviceHasMessagesThatNameIt() throws {
        let two =
            Self.nodes
            + #""meter-2": { unit: 2, every: "1s", points: { power: { holding: 0 } } },"#
        var world = try ConfigWorld(
            two, bridge: #"telemetryTopic: "plant/data/", stateTopic: "plant/state","#)
        world.run(for: .seconds(15))
        let devices = try world.texts("plant/data/").map {
            try JSONReader.parse($0)["device"]?.string
        }
        #expect(devices.contains("meter-1") && devices.contains("meter-2"))
        #expect(!devices.contains(nil))
        let states = try world.texts("plant/state").map {
            try JSONReader.parse($0)["device"]?.string
        }
        #expect(Set(states) == ["meter-1", "meter-2", "gw-1"])
        #expect(try first(world, "plant/data/health")["device"]?.string == "gw-1")
    }

    @Test func everyTopicCanBeOff() throws {
        var world = try ConfigWorld(
            Self.pump,
            bridge: """
                telemetryTopic: false, stateTopic: false, configTopic: false, commandTopic: false,
                attachTopic: false, detachTopic: false, availabilityTopic: false,
                """)
        world.run(for: .seconds(70))
        #expect(world.topics == [] && world.waiting() == 0)
    }

    @Test func theLatestValueOfEachPointIsKeptByTheBroker() throws {
        var world = try ConfigWorld(
            Self.nodes,
            bridge: #"publish: { latestTopic: "now/{device}/{point}", booleans: "01" },"#
        )
        world.run(for: .seconds(3))
        let power = world.published.filter { $0.topic.text == "now/meter-1/power" }
        #expect(power.count >= 2 && power.allSatisfy(\.retain))
        let text = String(decoding: power[0].payload, as: UTF8.self)
        #expect(Int(text) != nil, "\(text)")
        #expect(["0", "1"].contains(world.texts("now/meter-1/on").first))
        #expect(
            world.published.filter { $0.topic.text.hasSuffix("events") }.allSatisfy { !$0.retain })
    }

    /// A device that leaves takes along what the broker keeps of it, but the others stay.
    @Test func whatTheBrokerKeepsOfADeviceThatLeavesIsCleared() throws {
        let bridge =
            #"publish: { latestTopic: "now/{device}/{point}", retain: ["state", "latest"] },"#
        let other = #""meter-2": { unit: 2, every: "1s", points: { power: { holding: 0 } } },"#
        var world = try ConfigWorld(Self.nodes + other, bridge: bridge)
        world.run(for: .seconds(15))
        #expect(world.published.contains { $0.topic.text == "/devices/meter-1/state" && $0.retain })
        try world.reload(other, bridge: bridge)
        world.run(for: .seconds(30))
        for topic in ["now/meter-1/power", "now/meter-1/on", "/devices/meter-1/state"] {
            let last = try #require(world.published.last { $0.topic.text == topic })
            #expect(last.payload.isEmpty && last.retain, "\(topic)")
        }
        #expect(world.texts("now/meter-2/power").allSatisfy { !$0.isEmpty })
        #expect(world.texts("/devices/meter-2/state").allSatisfy { !$0.isEmpty })
    }

    /// The same if the file changed while the gateway was not running, or its topics did.
    @Test func itIsClearedAfterARestartToo() throws {
        let bridge = #"publish: { latestTopic: "now/{device}/{point}" },"#
        let other = #""meter-2": { unit: 2, every: "1s", points: { power: { holding: 0 } } },"#
        var world = try ConfigWorld(Self.nodes, bridge: bridge)
        world.run(for: .seconds(5))
        world.terminate()
        world.run(for: .seconds(5))
        var next = try ConfigWorld(other, disk: world.disk, bridge: bridge, at: world.now)
        next.run(for: .seconds(5))
        #expect(next.texts("now/meter-1/power") == [""] && next.texts("now/meter-1/on") == [""])
        next.terminate()
        next.run(for: .seconds(5))
        var last = try ConfigWorld(other, disk: next.disk, at: next.now)
        last.run(for: .seconds(5))
        #expect(last.texts("now/meter-1/power") == [], "it was told once")
        #expect(last.texts("now/meter-2/power") == [""], "nothing is kept any more")
    }

    @Test func aBareValueIsWrittenAndItsResultPublished() throws {
        var world = try ConfigWorld(Self.pump, bridge: #"setTopic: "set/{device}/{point}","#)
        world.run(for: .seconds(2))
        try world.deliver("set/pump-1/a", "7", 3)
        try world.deliver("set/pump-1/on", "ON", 4)
        try world.deliver("set/pump-1/a", "77", 5)
        try world.deliver("set/pump-1/a", "7", 6, retain: true)
        try world.deliver("set/pump-1/a", "", 7, retain: true)
        try world.deliver("set/pump-1/nothing", "1", 8)
        world.run(for: .seconds(3))
        let results = try world.texts("/devices/pump-1/events/commands").map {
            try JSONReader.parse($0)
        }
        #expect(results.count == 5, "\(world.texts("/devices/pump-1/events/commands"))")
        let errors = results.compactMap { $0["error"]?.string?.string }
        #expect(errors.contains { $0.contains("a retained command is not carried out") })
        #expect(results.allSatisfy { $0["id"]?.string?.hasPrefix("set-") == true })
        #expect(Set(results.compactMap { $0["id"]?.string }).count == 5)
        #expect(Set(world.pubacks).isSuperset(of: [3, 4, 5, 6, 7, 8]))
        // Writes of one register and of one coil went out.
        #expect(
            world.requests.contains { $0.first == 6 } && world.requests.contains { $0.first == 5 })
    }

    @Test func withoutTelemetryOnlyTheLatestValuesGoOut() throws {
        var world = try ConfigWorld(
            Self.nodes,
            bridge: #"telemetryTopic: false, publish: { latestTopic: "{device}/{point}" },"#)
        world.run(for: .seconds(3))
        #expect(world.texts("meter-1/power").count >= 2 && world.waiting() == 0)
    }

    @Test(arguments: [
        ("publish: { format: \"flats\" }", "did you mean \"flat\""),
        ("publish: { retain: [\"telemetry\"] }", "\"state\" and \"latest\""),
        ("publish: { latestTopic: \"now/{device}\" }", "does not say {point}"),
        ("setTopic: \"set/{device}/x{point}\"", "does not say {point}"),
        ("setTopic: \"set/{point}\"", "only a gateway with one device can do without"),
        ("commandTopic: \"do\"", "only a gateway with one device can do without"),
        (
            "telemetryTopic: \"all\", publish: { format: \"values\" }",
            "tell the readings of 2 devices"
        ),
        ("publish: { format: \"flat\" }", "would hide a member"),
        ("attachTopic: false, attachMessages: true", "\"attachTopic\" is false"),
        ("alpn: \"a b\"", "one protocol name"), ("telemetryTopic: true", "a string"),
        ("configTopic: \"a/{device}\", commandTopic: \"a/{device}\"", "cannot be told apart"),
    ])
    func whatCannotBeIsTold(_ bridge: String, _ words: String) {
        let text = Samples.withNodes(
            #""m-1": { unit: 1, points: { ts: { holding: 0 } } }, "m-2": { unit: 2, points: {} }"#
        ).replacing("gateway: \"gw-1\"", with: "gateway: \"gw-1\", " + bridge)
        let (configuration, diagnostics) = Samples.read(text)
        #expect(configuration == nil)
        #expect(diagnostics.contains { $0.message.contains(words) }, "\(diagnostics)")
    }

    @Test func theOnlyDeviceNeedsNoName() throws {
        var world = try ConfigWorld(
            Self.pump,
            bridge: #"""
                telemetryTopic: "d2c/", commandTopic: "c2d/", setTopic: "set/{point}",
                configTopic: false,
                publish: { format: "values", latestTopic: "now/{point}" },
                """#)
        world.run(for: .seconds(2))
        try world.deliver("set/a", "3", 3)
        try world.deliver("c2d/x", #"{"id":"c-1","write":{"a":4}}"#, 4)
        world.run(for: .seconds(3))
        let results = world.texts("d2c/commands")
        #expect(results.count == 2 && results.contains { $0.contains("c-1") }, "\(world.topics)")
        #expect(!world.texts("now/a").isEmpty)
    }
}

extension ConfigWorld {
    fileprivate var topics: [String] { published.map(\.topic.text) }
}
