import Base
import Bridge
import MQTT
import Testing

/// The order on connect and after a reconnect (board/docs/bridge.md, G6 and G7).
@Suite struct SessionOrderTests {
    @Test func subscribesToErrorsThenItsOwnThenAttachesThenSubscribesForDevices() {
        var world = World(["dev-1", "dev-2"])
        world.start()
        world.run(.seconds(2))
        let expected: [String] = [
            "CONNECT",
            "SUBSCRIBE /devices/gw-7/errors",
            "SUBSCRIBE /devices/gw-7/config /devices/gw-7/commands/#",
            "/devices/dev-1/attach",
            "/devices/dev-2/attach",
            """
            SUBSCRIBE /devices/dev-1/config /devices/dev-1/commands/# \
            /devices/dev-2/config /devices/dev-2/commands/#
            """,
        ]
        #expect(world.broker.story == expected)
        #expect(world.attached.map(\.text) == ["gw-7", "dev-1", "dev-2"])
        #expect(world.says("2 of 2 devices attached") == 1)
    }

    @Test func nothingFollowsTheErrorsSubscriptionBeforeItsAnswer() {
        var world = World()
        world.latency = .seconds(5)
        world.start()
        world.run(.seconds(9))
        #expect(world.broker.story == ["CONNECT", "SUBSCRIBE /devices/gw-7/errors"])
    }

    @Test func connectsWithTheLongClientIDAndAFreshToken() {
        var world = World()
        world.start()
        guard case .connect(let connect)? = world.broker.received.first else {
            Issue.record("no CONNECT")
            return
        }
        #expect(
            connect.clientID == "projects/acme/locations/us-central1/registries/plant/devices/gw-7")
        #expect(connect.username == "unused")
        #expect(connect.cleanSession)
        #expect(connect.will == nil)
        #expect(connect.keepAlive == 60)
        let parts = String(decoding: connect.password ?? [], as: UTF8.self).split(separator: ".")
        #expect(parts.count == 3)
        #expect(parts.prefix(2).joined(separator: ".") == world.signingInputs.first)
    }

    @Test func telemetryOfADeviceStartsAfterItsAttachWasAcknowledged() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text == "/devices/dev-2/attach" ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...3)
        world.add(device("dev-2"), 11...13)
        world.run(.seconds(5))
        #expect(world.settled == [1, 2, 3])
        #expect(!world.broker.topics.contains("/devices/dev-2/events"))
    }

    @Test func everythingIsAttachedAndSubscribedAgainAfterAReconnect() {
        var world = World(["dev-1", "dev-2"])
        world.start()
        world.run(.seconds(2))
        let first = world.broker.story
        world.broker.forgetStory()
        world.loseLink()
        world.run(.seconds(5))
        #expect(world.broker.story == first)
        #expect(world.online == 2)
        #expect(world.offline == 1)
    }

    @Test func attachesArePipelinedUnderTheRate() {
        let names = (1...200).map { "dev-\($0)" }
        var world = World(names)
        world.latency = .milliseconds(200)
        world.start()
        let done = world.run(.seconds(30)) { $0.session.attachedCount == 200 }
        #expect(done)
        // One at a time would take 40 s; the rate alone 2.1 s; 64 at a time every 0.2 s is faster.
        #expect(world.now.instant - World.start.instant < .seconds(4))
    }

    @Test func aDevicePacketCarriesAtMostFiftyFilters() {
        var world = World((1...60).map { "dev-\($0)" })
        world.start()
        world.run(.seconds(10))
        let sizes = world.broker.received.compactMap { packet -> Int? in
            if case .subscribe(let subscribe) = packet { subscribe.requests.count } else { nil }
        }
        #expect(sizes.allSatisfy { $0 <= 50 })
        let total: Int = sizes.reduce(0, +)
        #expect(total == 123)
    }

    @Test func plainBrokerNeedsNoAttachAndNoToken() {
        var world = World(["dev-1"]) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: "u", password: Array("p".utf8)),
                gateway: $0.gateway, endpoints: $0.endpoints)
        }
        world.start()
        world.add(device("dev-1"), 1...5)
        world.run(.seconds(1))
        #expect(world.signingInputs.isEmpty)
        #expect(world.settled == [1, 2, 3, 4, 5])
        #expect(!world.broker.topics.contains { $0.hasSuffix("attach") })
        #expect(world.broker.subscriptions.contains("/devices/dev-1/commands/#"))
        #expect(!world.broker.subscriptions.contains("/devices/gw-7/errors"))
        guard case .connect(let connect)? = world.broker.received.first else {
            Issue.record("no CONNECT")
            return
        }
        #expect(connect.clientID == "gw-7")
        #expect(connect.username == "u")
        #expect(connect.password == Array("p".utf8))
    }

    @Test func aDeviceAddedLaterIsAttachedAndOneRemovedIsDetached() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        world.broker.forgetStory()
        world.session.attach(device("dev-9"), at: world.now)
        world.run(.seconds(2))
        world.session.detach(device("dev-1"), at: world.now)
        world.run(.seconds(2))
        let expected: [String] = [
            "/devices/dev-9/attach",
            "SUBSCRIBE /devices/dev-9/config /devices/dev-9/commands/#",
            "/devices/dev-1/detach",
        ]
        #expect(world.broker.story == expected)
        #expect(world.detached == [device("dev-1")])
        let isAccepted = world.session.accepts(device("dev-1"), at: world.now)
        #expect(!isAccepted)
    }
}
