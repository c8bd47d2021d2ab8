import Base
import Bridge
import MQTT
import Testing

/// Records: the window, PUBACK, re-sends, what comes back at a close.
@Suite struct SessionSendingTests {
    @Test func aRecordIsSettledOnlyByItsAcknowledgement() {
        var world = World(["dev-1"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...1)
        world.run(.seconds(5))
        #expect(world.broker.topics.contains("/devices/dev-1/events"))
        #expect(world.settled.isEmpty)
    }

    @Test func oneRecordOfADeviceIsOnItsWayAtATime() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...10)
        world.add(device("dev-2"), 11...20)
        world.run(.seconds(5))
        #expect(world.broker.topics.filter { $0.hasSuffix("/events") }.count == 2)
        #expect(world.session.inFlight == 2)
    }

    /// Once, records waited up to 10 s after a reconnect: acknowledgements had spent the rate at a
    /// moment after which nothing happened to the session, and `accepts` judged by that moment for
    /// ever.
    @Test func theRateIsJudgedByTheTimeOfTheQuestion() {
        var world = World(["dev-1"]) {
            $0.rate = Rate(messages: 20, bytes: nil)
            $0.inFlight = InFlight(total: 200, perDevice: 200)
        }
        world.start()
        world.run(.seconds(5))
        var accepted = 0
        while world.session.accepts(world.gateway, at: world.now), accepted < 100 {
            accepted += 1
            let seq = UInt64(accepted)
            world.session.publish(
                Outgoing(seq: seq, device: world.gateway, payload: [0x7B, 0x7D]), at: world.now)
            _ = world.session.next()
        }
        #expect((1...5).contains(accepted), "the bucket holds a twentieth of a second")
        let later = world.session.accepts(world.gateway, at: world.now + .seconds(2))
        #expect(later)
        #expect(world.session.deadline.map { $0.due <= world.now.instant + .seconds(1) } == true)
    }

    @Test func theWindowAsAWholeIsBounded() {
        let names = (1...100).map { "dev-\($0)" }
        var world = World(names) { $0.inFlight = InFlight(total: 16, perDevice: 1) }
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        for (index, name) in names.enumerated() { world.add(device(name), [UInt64(index)]) }
        world.run(.seconds(9))
        #expect(world.session.inFlight == 16)
    }

    @Test func whatWasNotAcknowledgedComesBackInOrderAndGoesOutAgainWithoutDup() {
        var world = World(["dev-1"]) {
            $0.inFlight = InFlight(total: 8, perDevice: 8)
        }
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...3)
        world.run(.seconds(3))
        world.broker.answer = { _ in .acknowledge }
        world.loseLink()
        #expect(world.returned == [1, 2, 3])
        world.broker.forgetStory()
        world.run(.seconds(5))
        #expect(world.settled == [1, 2, 3])
        #expect(world.broker.publishes.allSatisfy { !$0.dup })
    }

    @Test("Fault 26, a missing PUBACK: the same packet again with DUP")
    func aMissingAcknowledgementRepeatsThePacketOnTheSameConnectionWithDup() {
        var world = World(["dev-1"])
        world.broker.answer = {
            $0.topic.text.hasSuffix("/events") && !$0.dup ? .silence : .acknowledge
        }
        world.start()
        world.add(device("dev-1"), 1...1)
        world.run(.seconds(15))
        let events = world.broker.publishes.filter { $0.topic.text.hasSuffix("/events") }
        #expect(events.map(\.dup) == [false, true])
        #expect(events[0].packetID == events[1].packetID)
        #expect(events[0].payload == events[1].payload)
        #expect(world.settled == [1])
        #expect(world.online == 1)
        #expect(world.session.counters.resent == 1)
    }

    @Test func aMessageThatIsNeverAcknowledgedDoesNotCostTheConnectionWhileOthersAre() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text == "/devices/dev-1/events" ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...1)
        for round in 0..<20 {
            world.add(device("dev-2"), [UInt64(100 + round)])
            world.run(.seconds(10))
        }
        #expect(world.online == 1)
        #expect(world.settled.count == 20)
    }

    @Test("Fault 26, a missing PUBACK: none for 30 s connects again")
    func thirtySecondsWithoutAnyAcknowledgementConnectAgain() {
        var world = World(["dev-1"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.run(.seconds(20))
        world.add(device("dev-1"), 1...1)
        let sent = world.now.instant
        let reached1 = world.run(.seconds(60)) { $0.offline == 1 }
        #expect(reached1)
        #expect(world.now.instant - sent >= .seconds(30))
        #expect(world.now.instant - sent < .seconds(31))
        #expect(world.returned == [1])
        #expect(world.says("acknowledged nothing for 30 s") == 1)
    }

    @Test func anIdleConnectionStaysUpAndPings() {
        var world = World(["dev-1"]) { $0.tokenLifetime = .seconds(24 * 3600) }
        world.start()
        world.run(.seconds(3600))
        #expect(world.online == 1)
        let pings = world.broker.received.filter { $0.type == .pingreq }.count
        #expect((55...80).contains(pings))
    }

    @Test("Fault 40, a long backlog: the rate holds in every second")
    func theRateHoldsInEverySecond() {
        let names = (1...60).map { "dev-\($0)" }
        var world = World(names)
        world.start()
        for (index, name) in names.enumerated() {
            world.add(device(name), (0..<20).map { UInt64(index * 20 + $0) })
        }
        var arrivals: [Int64] = []
        var seen = 0
        for _ in 0..<4000 {
            world.run(.milliseconds(10))
            let count = world.broker.received.count
            arrivals += Array(
                repeating: world.now.instant.nanoseconds / 1_000_000, count: count - seen)
            seen = count
            if world.settled.count == 1200 { break }
        }
        #expect(world.settled.count == 1200)
        var low = 0
        for high in arrivals.indices {
            while arrivals[high] - arrivals[low] >= 990 { low += 1 }
            #expect(high - low + 1 <= 100, "\(high - low + 1) packets within a second")
        }
        let seconds = Double(arrivals.last! - arrivals.first!) / 1000
        #expect(
            Double(arrivals.count) / seconds > 90,
            "only \(Double(arrivals.count) / seconds) a second")
    }

    @Test func aRecordWithABadSubfolderIsRejectedAndNeverSent() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        let record = Outgoing(seq: 5, device: device("dev-1"), subfolder: "a/#", payload: [])
        world.session.publish(record, at: world.now)
        world.drain()
        #expect(world.rejected == [5])
        #expect(!world.broker.topics.contains { $0.contains("events") })
    }

    @Test func aRecordThatIsNotAcceptedComesBackAtOnce() {
        var world = World(["dev-1"])
        world.session.publish(Outgoing(seq: 5, device: device("dev-1"), payload: []), at: world.now)
        world.drain()
        #expect(world.returned == [5])
    }

    @Test func stateIsTheLatestOnlyAndPaced() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        for value in 0..<100 {
            world.session.state(device("dev-1"), document: Array("\(value)".utf8), at: world.now)
            world.run(.milliseconds(300))
        }
        world.run(.seconds(20))
        let sent = world.broker.publishes.filter { $0.topic.text == "/devices/dev-1/state" }
        #expect(sent.count == 4)
        #expect(sent.first?.payload == Array("0".utf8))
        #expect(sent.last?.payload == Array("99".utf8))
        #expect(sent.allSatisfy { $0.qos == .atLeastOnce })
    }

    @Test func aStateDocumentLostWithItsConnectionIsSentAgainUnlessANewerOneWaits() {
        var world = World(["dev-1"])
        world.broker.answer = { $0.topic.text.hasSuffix("/state") ? .silence : .acknowledge }
        world.start()
        world.session.state(device("dev-1"), document: [1], at: world.now)
        world.run(.seconds(3))
        world.broker.answer = { _ in .acknowledge }
        world.loseLink()
        world.run(.seconds(20))
        let sent = world.broker.publishes.filter { $0.topic.text.hasSuffix("/state") }
        #expect(sent.map(\.payload) == [[1], [1]])
    }

    @Test func stopWaitsForAcknowledgementsThenDisconnects() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        world.add(device("dev-1"), 1...1)
        world.session.stop(at: world.now)
        world.run(.seconds(3))
        #expect(world.finished)
        #expect(world.settled == [1])
        #expect(world.broker.story.last == "DISCONNECT")
    }

    /// It took over the drain of a planned reconnect as it was, and no device was detached.
    @Test func stoppedWhileItRenewsItsTokenItSaysGoodbyeAllTheSame() throws {
        var world = World(["dev-1"]) { $0.tokenLifetime = .seconds(20) }
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.run(.seconds(2))
        world.add(device("dev-1"), 1...1)
        for _ in 0..<200 where !world.session.state.hasPrefix("connecting again") {
            world.run(.milliseconds(100))
        }
        #expect(world.session.state == "connecting again with a new token")
        world.session.stop(at: world.now)
        let id = try #require(
            world.broker.publishes.last { $0.topic.text.hasSuffix("/events") }?.packetID)
        world.broker.out += Packet.puback(Puback(id)).bytes
        world.drain()
        world.run(.seconds(3))
        #expect(world.finished && world.settled == [1] && world.online == 1)
        #expect(world.broker.story.suffix(2) == ["/devices/dev-1/detach", "DISCONNECT"])
    }

    @Test func stopDoesNotWaitForEver() {
        var world = World(["dev-1"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...1)
        world.run(.seconds(2))
        world.session.stop(at: world.now)
        world.run(.seconds(3))
        #expect(world.finished)
        #expect(world.returned == [1])
        #expect(world.session.deadline == nil)
    }
}
