import Base
import Bridge
import MQTT
import Testing

/// Why a connection ended: what was on the wire without an answer, and what that most likely means.
@Suite struct SessionReasonsTests {
    private func closed(_ world: inout World) {
        world.loseLink(LinkFailure(.closed, "the bridge closed the connection"))
    }

    /// Found at a real bridge: the gateway's id belonged to a plain device, and after five closes
    /// another gateway was suspected.
    @Test func aGatewayThatIsRegisteredAsAPlainDeviceIsAskedFor() throws {
        var world = World(["dev-1"])
        world.latency = .milliseconds(20)
        world.broker.closesOnSubscribe = { $0.text == "/devices/gw-7/errors" }
        world.start()
        world.run(.milliseconds(200))
        let words =
            "the connection was lost: the bridge closed the connection after SUBSCRIBE to /devices/gw-7/errors: "
            + "is gw-7 registered as a gateway? trying again in "
        #expect(world.says(words) == 1)
        world.run(.seconds(600))
        #expect(world.online > 10)
        #expect(world.says("no other gateway uses the id") == 0, "the reason is known")
        let trouble = try #require(world.session.trouble)
        #expect(trouble.unanswered == "SUBSCRIBE to /devices/gw-7/errors")
        #expect(trouble.reason.hasSuffix("is gw-7 registered as a gateway?"))
    }

    @Test func aBridgeThatClosesOverTheFirstAttachesIsAskedForTheGatewayToo() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/attach") ? .close : .acknowledge }
        world.start()
        world.run(.seconds(1))
        #expect(world.says("after PUBLISH of 2 bytes to /devices/dev-2/attach, the last of ") == 1)
        #expect(
            world.says("is gw-7 registered as a gateway, and are its devices bound to it?") >= 1)
    }

    @Test func aCloseBeforeConnackAsksForTheClientID() {
        var world = World()
        world.broker.answersConnect = false
        world.start()
        closed(&world)
        #expect(
            world.says(
                "before the bridge had answered: the bridge closed the connection after CONNECT: "
                    + "are project, region, registry and gateway right? trying again in") == 1)
    }

    @Test func everyEndNamesWhatWasStillUnanswered() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.run(.seconds(5))
        world.add(device("dev-1"), [1])
        world.add(device("dev-2"), [2])
        world.run(.milliseconds(500))
        closed(&world)
        #expect(
            world.says(
                "closed the connection after PUBLISH of 9 bytes to /devices/dev-2/events, the last of 2 packets without "
                    + "an answer; trying again in") == 1)
        #expect(world.session.trouble?.unanswered == "PUBLISH of 9 bytes to /devices/dev-2/events")
        world.run(.seconds(5))
        world.run(.seconds(60)) { $0.offline == 2 }
        #expect(
            world.says(
                "acknowledged nothing for 30 s while messages waited; unanswered: PUBLISH of 9 bytes to /devices/dev-"
            ) == 1)
        world.run(.seconds(5))
        world.loseLink(LinkFailure(.unreachable, "bridge no longer answers"))
        #expect(
            world.says("the connection was lost: bridge no longer answers; unanswered: PUBLISH ")
                == 1)
    }

    @Test func anIdleCloseSaysThatNothingWasUnanswered() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(5))
        closed(&world)
        #expect(
            world.says("closed the connection with nothing of ours unanswered; trying again in")
                == 1)
        #expect(world.session.trouble?.unanswered == nil)
    }

    /// A bridge that stops in the middle: the fault is the client's own, and what it waited for is
    /// named.
    @Test func anUnansweredPingIsNamed() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(5))
        world.broker.isDeaf = true
        world.run(.seconds(100)) { $0.offline == 1 }
        #expect(
            world.says(
                "no PINGRESP within 20.0 seconds [MQTT-3.12.4-1]; unanswered: PINGREQ; trying again"
            ) == 1)
    }

    /// One record that the bridge closes for each time is no sign of another gateway.
    @Test func thatOneRecordClosesTheConnectionAgainAndAgainIsNoTakeover() {
        var world = World(["dev-1"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .close : .acknowledge }
        world.start()
        world.add(device("dev-1"), [1])
        world.run(.seconds(600))
        #expect(world.online >= 5)
        #expect(world.says("no other gateway uses the id") == 0)
    }

    @Test(arguments: [
        (
            Array("HTTP/1.1 400 Bad Request\r\n".utf8), true,
            "answers with HTTP (\"HTTP/1.1 400 Bad Request\"): a web server"
        ),
        (
            Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8), false,
            "answers with text (\"SSH-2.0-OpenSSH_9.2p1\"): it is no MQTT port"
        ),
        (
            Array("220 mail.example ESMTP\r\n".utf8), true,
            "answers with text (\"220 mail.example ESMTP\")"
        ),
        (
            [0x15, 0x03, 0x03, 0, 2, 2, 0x46], false,
            "answers with TLS: its port wants TLS, leave out \"tls: false\""
        ),
        ([0x16, 0x03, 0x01, 0, 200, 1], false, "answers with TLS"),
    ])
    func aPortOfAnotherProtocolIsNamed(_ bytes: [UInt8], _ tls: Bool, _ words: String) {
        var world = World {
            $0.endpoints = [LinkTarget(host: "bridge.example", port: 8883, tls: tls)]
        }
        world.broker.answersConnect = false
        world.start()
        world.session.received(bytes[...], at: world.now)
        world.drain()
        #expect(world.closedByUs == 1)
        #expect(world.says("bridge.example:8883 \(words)") == 1, "\(world.notices.map(\.message))")
    }
}
