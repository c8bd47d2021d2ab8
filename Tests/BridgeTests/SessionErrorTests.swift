import Base
import Bridge
import MQTT
import Testing

/// The errors topic: each code does to its own device or message what the table says, to no other.
@Suite struct SessionErrorTests {
    static func attachFails(
        _ name: String, _ code: String, thenClose: Bool = false
    ) -> (Publish) -> Broker.Answer {
        {
            $0.topic.text == "/devices/\(name)/attach"
                ? .error(code, thenClose: thenClose) : .acknowledge
        }
    }

    @Test("Fault 39, one attach refused: only that device is suspended")
    func aRefusedAttachSuspendsThatDeviceOnly() {
        var world = World()
        world.broker.answer = Self.attachFails("dev-2", "GATEWAY_ATTACHMENT_ERROR")
        world.start()
        for number in 1...3 { world.add(device("dev-\(number)"), [UInt64(number)]) }
        world.run(.seconds(60))
        #expect(world.settled == [1, 3])
        #expect(world.session.attachedCount == 2)
        #expect(world.session.quarantined.map(\.device) == [device("dev-2")])
        #expect(world.session.quarantined.first?.reason == "Because.")
        #expect(world.broker.topics.filter { $0 == "/devices/dev-2/attach" }.count == 1)
        #expect(
            world.says("check that it exists in the registry and is bound to gateway gw-7") == 1)
        #expect(world.session.counters.errors == [.attachment: 1])
    }

    @Test func aRefusedDeviceIsTriedAgainAfterASlowTimerAndAtOnceWhenReleased() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = Self.attachFails("dev-2", "GATEWAY_ATTACHMENT_ERROR")
        world.start()
        world.run(.seconds(400))
        #expect(world.broker.topics.filter { $0 == "/devices/dev-2/attach" }.count == 2)
        world.broker.answer = { _ in .acknowledge }
        world.session.release(device("dev-2"), at: world.now)
        world.run(.seconds(1))
        #expect(world.session.attachedCount == 2)
        #expect(world.session.quarantined.isEmpty)
    }

    @Test func aRefusedDeviceIsNotTriedAgainJustBecauseTheConnectionIsNew() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = Self.attachFails("dev-2", "GATEWAY_ATTACHMENT_ERROR", thenClose: true)
        world.start()
        world.run(.seconds(120))
        #expect(world.online == 2)
        #expect(world.session.attachedDevices == [device("dev-1")])
    }

    @Test func aDeviceThatTheBridgeDoesNotKnowIsAttachedOnceMoreAndItsRecordSentAgain() {
        var world = World(["dev-1"])
        let counter = Counter()
        world.broker.answer = { publish in
            guard publish.topic.text.hasSuffix("/events"), counter.next() == 1 else {
                return .acknowledge
            }
            return .error("GATEWAY_DEVICE_NOT_FOUND", thenClose: false)
        }
        world.start()
        world.add(device("dev-1"), 1...2)
        world.run(.seconds(3))
        #expect(world.returned == [1])
        #expect(world.settled == [1, 2])
        #expect(world.detached == [device("dev-1")])
        #expect(
            world.broker.topics == [
                "/devices/dev-1/attach", "/devices/dev-1/events", "/devices/dev-1/attach",
                "/devices/dev-1/events", "/devices/dev-1/events",
            ])
    }

    @Test func aDeviceThatStaysUnknownIsNotAttachedInALoop() {
        var world = World(["dev-1"])
        world.broker.answer = {
            guard $0.topic.text.hasSuffix("/events") else { return .acknowledge }
            return .error("GATEWAY_DEVICE_NOT_FOUND", thenClose: false)
        }
        world.start()
        world.add(device("dev-1"), 1...2)
        world.run(.seconds(300))
        let attaches = world.broker.topics.filter { $0.hasSuffix("/attach") }.count
        #expect((4...16).contains(attaches))
        #expect(world.online == 1)
    }

    @Test func aDetachedDeviceKeepsItsRecordsAndComesBackAfterItsBackOff() {
        var world = World(["dev-1", "dev-2"])
        world.start()
        world.run(.seconds(2))
        world.broker.send(
            "/devices/gw-7/errors",
            Array(#"{"error_type":"GATEWAY_DETACHMENT_DEVICE_ERROR","device_id":"dev-1"}"#.utf8))
        world.drain()
        let reached1 = world.run(.seconds(1)) { $0.detached == [device("dev-1")] }
        #expect(reached1)
        world.add(device("dev-1"), [1])
        world.add(device("dev-2"), [2])
        world.run(.milliseconds(500))
        #expect(world.settled == [2])
        world.run(.seconds(10))
        #expect(world.settled == [2, 1])
    }

    @Test func aTopicThatTheBridgeCannotTakeCostsItsRecordOnly() {
        var world = World(["dev-1"])
        world.broker.answer = {
            guard $0.payload == Array("{\"seq\":2}".utf8) else { return .acknowledge }
            return .error("GATEWAY_INVALID_MQTT_TOPIC", thenClose: false)
        }
        world.start()
        world.add(device("dev-1"), 1...3)
        world.run(.seconds(30))
        #expect(world.settled == [1, 3])
        #expect(world.rejected == [2])
        #expect(world.session.counters.resent == 0)
    }

    @Test func aMessageGivenUpIsNotSentAgainByTheClient() {
        var world = World(["dev-1"])
        world.broker.answer = Self.attachFails("dev-1", "GATEWAY_ATTACHMENT_ERROR")
        world.start()
        world.run(.seconds(100))
        #expect(world.broker.publishes.count == 1)
    }

    @Test func whatIsRememberedOfGivenUpMessagesIsBounded() {
        var world = World(["dev-1"])
        world.broker.answer = {
            guard $0.topic.text.hasSuffix("/events") else { return .acknowledge }
            return .error("GATEWAY_INVALID_MQTT_TOPIC", thenClose: false)
        }
        world.start()
        world.add(device("dev-1"), 1...600)
        world.run(.seconds(60))
        #expect(world.rejected.count == 600)
        #expect(world.online == 3, "a new connection for every 256 or so")
        #expect(world.returned.isEmpty)
    }

    @Test func anErrorThatNobodyKnowsBacksOff() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = {
            guard $0.topic.text == "/devices/dev-1/events" else { return .acknowledge }
            return .error("GATEWAY_BAD_WEATHER", thenClose: false)
        }
        world.start()
        world.add(device("dev-1"), [1])
        world.add(device("dev-2"), 2...4)
        world.run(.seconds(200))
        #expect(world.settled == [2, 3, 4])
        let tries = world.broker.topics.filter { $0 == "/devices/dev-1/events" }.count
        #expect((5...12).contains(tries))
        #expect(world.session.attachedCount == 2)
    }

    @Test(arguments: ["GATEWAY_UNEXPECTED_PACKET_ID", "GATEWAY_UNEXPECTED_MESSAGE_TYPE"])
    func errorsAboutUsAreOnlyReported(_ code: String) {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        let before = world.broker.received.count
        for _ in 0..<3 {
            world.broker.send(
                "/devices/gw-7/errors",
                Array(
                    "{\"error_type\":\"\(code)\",\"description\":\"Odd.\",\"packet_id\":\"77\"}"
                        .utf8))
        }
        world.drain()
        world.run(.seconds(10))
        #expect(world.broker.received.count == before)
        #expect(world.says(code) == 1, "said once, not three times")
    }

    @Test("Fault 38, nonsense on the errors topic: harms nothing")
    func whateverStandsOnTheErrorsTopicHarmsNothing() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        let garbage: [[UInt8]] = [
            [], [0], [0xFF, 0xFE], Array("[]".utf8), Array("{".utf8),
            Array("{\"error_type\":7}".utf8),
            Array("{\"error_type\":\"x\",\"device_id\":\"../../etc\"}".utf8),
            Array(repeating: 0x5B, count: 5000),
            Array(
                "{\"error_type\":\"GATEWAY_ATTACHMENT_ERROR\",\"device_id\":\"someone-else\"}".utf8),
        ]
        for payload in garbage { world.broker.send("/devices/gw-7/errors", payload) }
        world.drain()
        world.add(device("dev-1"), [1])
        world.run(.seconds(5))
        #expect(world.settled == [1])
        #expect(world.online == 1)
    }

    @Test func anAttachWithoutAnyAnswerIsGivenUpAndTriedLaterWhileOthersWork() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text == "/devices/dev-1/attach" ? .silence : .acknowledge }
        world.start()
        for round in 0..<9 {
            world.add(device("dev-2"), [UInt64(round)])
            world.run(.seconds(10))
        }
        #expect(world.online == 1)
        #expect(world.says("no answer to its attach for 30 s") == 1)
        #expect(world.settled.count == 9)
    }

    @Test("Fault 28, SUBACK empty, short, reserved or refusing: 0x80 is reported and tried again")
    func aRefusedSubscriptionIsReportedAndTriedAgain() {
        var world = World(["dev-1"])
        world.broker.subackCode = { $0.text == "/devices/dev-1/config" ? 0x80 : 1 }
        world.start()
        world.run(.seconds(10))
        #expect(world.says("refused the subscription to /devices/dev-1/config") == 1)
        world.run(.seconds(300))
        #expect(world.broker.subscriptions.filter { $0 == "/devices/dev-1/config" }.count == 2)
    }
}

/// Counts from 1, for rules that change after some messages.
final class Counter {
    private var value = 0

    func next() -> Int {
        value += 1
        return value
    }
}
