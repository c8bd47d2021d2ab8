import Base
import Bridge
import MQTT
import Testing

/// What only a plain broker lets one choose.
@Suite struct PlainBrokerTests {
    private static let gateway = device("gw-7")

    private static func template(_ text: String) -> TopicTemplate {
        do throws(TopicTemplate.Refusal) {
            return try TopicTemplate(ByteString(text), gateway: gateway)
        } catch {
            preconditionFailure("\(text) \(error.reason)")
        }
    }

    private static func world(
        _ devices: [String] = ["dev-1"], _ change: (inout Session.Settings) -> Void
    ) -> World {
        World(devices) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: nil, password: nil),
                gateway: $0.gateway,
                endpoints: $0.endpoints)
            change(&$0)
        }
    }

    @Test func topicsHaveTheFormThatTheBrokerWants() {
        var layout = TopicLayout.standard
        layout.telemetry = Self.template("plant/{gateway}/{device}/data")
        layout.state = Self.template("plant/{device}")
        layout.config = Self.template("set/{device}.config")
        layout.commands = Self.template("do/{device}")
        var world = Self.world { $0.layout = layout }
        world.start()
        world.add(device("dev-1"), [1])
        world.session.state(device("dev-1"), document: [1], at: world.now)
        world.run(.seconds(1))
        #expect(world.broker.topics.sorted() == ["plant/dev-1", "plant/gw-7/dev-1/data"])
        #expect(world.broker.subscriptions.contains("set/dev-1.config"))
        #expect(world.broker.subscriptions.contains("do/dev-1/#"))
        world.broker.send("set/dev-1.config", [5], id: 1)
        world.broker.send("do/dev-1/pump/on", [6], id: 2)
        world.broker.send("do/dev-1", [7], id: 3)
        world.drain()
        world.run(.seconds(1))
        #expect(world.configs.map(\.1) == [[5]] && world.configs[0].0 == device("dev-1"))
        #expect(world.commands.map(\.1) == ["pump/on", ""])
    }

    @Test(arguments: [
        ("plant/{device}/x", "plant/dev-1/x", "dev-1"), ("{device}", "dev-1", "dev-1"),
        ("{device}.state", "dev.one.state", "dev.one"), ("a/b-{device}-c/d", "a/b-x-y-c/d", "x-y"),
        ("{device}aa", "dev-aaaa", "dev-aa"), ("a/{device}/", "a/dev-1/", "dev-1"),
        ("a/{device}/b/", "a/dev-1/b/", "dev-1"),
    ])
    func aTopicGivesItsDeviceBack(_ text: String, _ topic: String, _ name: String) {
        #expect(Self.template(text).topic(device(name)) == topic)
        var layout = TopicLayout.standard
        layout.commands = Self.template(text)
        #expect(layout.inbound(utf8: Array(topic.utf8)) == .command(device(name), subfolder: ""))
        #expect(
            layout.inbound(utf8: Array((topic + "/a/b").utf8))
                == .command(device(name), subfolder: topic.hasSuffix("/") ? "/a/b" : "a/b"))
        #expect(layout.inbound(utf8: Array(("$" + topic).utf8)) == nil)
        #expect(
            layout.inbound(utf8: Array(String(topic.dropLast()).utf8))
                != .command(device(name), subfolder: ""))
    }

    @Test(arguments: [
        "{device}/{device}", "", "/", "a//{device}", "a/{device}/#", "+/{device}",
        "$SYS/{device}",
        "{devices}/{device}", "a/{device}//", String(repeating: "x", count: 600) + "{device}",
    ])
    func whatIsNoTemplateIsRefused(_ text: String) {
        let template = try? TopicTemplate(ByteString(text), gateway: Self.gateway)
        #expect(template == nil)
    }

    @Test func attachMessagesAreSentIfAskedForAndDevicesDetachedAtAnOrderlyEnd() {
        var world = Self.world(["dev-1", "dev-2"]) { $0.attachesByMessage = true }
        world.start()
        world.add(device("dev-1"), [1])
        world.run(.seconds(1))
        #expect(
            world.broker.topics.prefix(2) == ["/devices/dev-1/attach", "/devices/dev-2/attach"])
        #expect(!world.broker.subscriptions.contains { $0.hasSuffix("/errors") })
        world.session.stop(at: world.now)
        world.run(.seconds(2))
        #expect(
            world.broker.topics.suffix(2) == ["/devices/dev-1/detach", "/devices/dev-2/detach"])
        #expect(world.broker.story.last == "DISCONNECT" && world.finished)
    }

    @Test func theAvailabilityTopicSaysOnlineAndOfflineAndItsWillTheRest() throws {
        var world = Self.world { $0.layout.availability = "plant/gw-7/available" }
        world.start()
        world.run(.seconds(1))
        guard case .connect(let connect)? = world.broker.received.first else {
            Issue.record("no CONNECT")
            return
        }
        let will = try #require(connect.will)
        #expect(will.topic.text == "plant/gw-7/available" && will.payload == Array("offline".utf8))
        #expect(will.retain && will.qos == .atLeastOnce)
        world.session.stop(at: world.now)
        world.run(.seconds(2))
        let said = world.broker.publishes.filter { $0.topic.text == "plant/gw-7/available" }
        #expect(said.map(\.payload) == [Array("online".utf8), Array("offline".utf8)])
        #expect(said.allSatisfy { $0.retain && $0.qos == .atLeastOnce })
        #expect(world.broker.story.last == "DISCONNECT")
    }

    @Test func onTheBridgeThereIsNoWillAndNothingRetained() {
        var world = World(["dev-1"])
        world.start()
        world.add(device("dev-1"), [1])
        world.run(.seconds(1))
        world.session.stop(at: world.now)
        world.run(.seconds(2))
        guard case .connect(let connect)? = world.broker.received.first else {
            Issue.record("no CONNECT")
            return
        }
        #expect(connect.will == nil)
        #expect(world.broker.publishes.allSatisfy { !$0.retain })
        #expect(world.broker.topics.last == "/devices/dev-1/detach")
    }
}
