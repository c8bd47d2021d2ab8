import Base
import Bridge
import MQTT
import Testing

/// Messages that make the bridge close the connection (Fault 34).
@Suite struct SessionSuspectTests {
    static func poison(_ seq: UInt64) -> (Publish) -> Broker.Answer {
        let payload = Array("{\"seq\":\(seq)}".utf8)
        return { $0.payload == payload ? .close : .acknowledge }
    }

    @Test(
        "Fault 34, closed right after one record or one attach: the record is found, all others arrive"
    )
    func aPoisonRecordIsFoundAndEverythingElseArrives() {
        let names = (1...10).map { "dev-\($0)" }
        var world = World(names)
        world.broker.answer = Self.poison(105)
        world.start()
        world.run(.seconds(2))
        for number in 1...10 {
            world.add(device("dev-\(number)"), (0..<20).map { UInt64($0 * 100 + number) })
        }
        // Fresh readings keep coming, as they do.
        for round in 0..<60 {
            world.add(device("dev-1"), [UInt64(100_000 + round)])
            world.run(.seconds(5))
        }
        #expect(world.rejected == [105])
        #expect(world.settled.count == 199 + 60)
        #expect(world.says("record 105 was alone on the wire") == 1)
        #expect(world.session.suspectCount == 0)
        #expect((4...6).contains(world.online), "\(world.online) connections")
    }

    @Test func aBridgeThatTakesNoRecordAtAllRejectsNone() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .close : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...3)
        world.add(device("dev-2"), 11...13)
        world.run(.seconds(3600))
        #expect(world.rejected.isEmpty)
        #expect(world.settled.isEmpty)
        world.broker.answer = { _ in .acknowledge }
        world.run(.seconds(200))
        #expect(world.settled.sorted() == [1, 2, 3, 11, 12, 13])
    }

    @Test(
        "Fault 34, closed right after one record or one attach: the attach is quarantined, all others work"
    )
    func anAttachThatClosesTheConnectionIsQuarantinedAndTheOthersWork() {
        var world = World()
        world.broker.answer = { $0.topic.text == "/devices/dev-2/attach" ? .close : .acknowledge }
        world.start()
        for round in 0..<40 {
            world.add(device("dev-1"), [UInt64(1 + round)])
            world.run(.seconds(5))
        }
        #expect(world.session.attachedDevices == [device("dev-1"), device("dev-3")])
        #expect(world.session.quarantined.map(\.device) == [device("dev-2")])
        #expect(world.settled.count == 40)
        #expect(world.says("this device was being attached: it is quarantined") == 1)
        #expect(world.online <= 6)
    }

    @Test func aStateDocumentThatClosesTheConnectionIsDropped() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text == "/devices/dev-1/state" ? .close : .acknowledge }
        world.start()
        world.run(.seconds(2))
        world.session.state(device("dev-1"), document: [1], at: world.now)
        for round in 0..<60 {
            world.add(device("dev-2"), [UInt64(1 + round)])
            world.run(.seconds(5))
        }
        #expect(world.settled.count == 60)
        #expect(world.says("its state document was alone on the wire: it is dropped") == 1)
    }

    @Test func aLostLineAccusesNobody() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), [1])
        world.add(device("dev-2"), [2])
        world.run(.seconds(3))
        world.loseLink(LinkFailure(.unreachable, "no route to host"))
        #expect(world.session.suspectCount == 0)
    }

    @Test func suspectsGoOutOneByOne() {
        var world = World(["dev-1", "dev-2", "dev-3"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        for number in 1...3 { world.add(device("dev-\(number)"), [UInt64(number)]) }
        world.run(.seconds(3))
        world.loseLink(LinkFailure(.reset, "connection reset by peer"))
        #expect(world.session.suspectCount == 3)
        world.broker.answer = { _ in .acknowledge }
        world.latency = .milliseconds(100)
        world.broker.forgetStory()
        var most = 0
        for _ in 0..<600 {
            world.run(.milliseconds(10))
            most = max(most, world.session.inFlight)
        }
        #expect(most == 1)
        #expect(world.settled == [1, 2, 3])
        #expect(world.session.suspectCount == 0)
    }

    @Test func aSuspectThatIsNoLongerInTheJournalBlocksNobody() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), [1])
        world.run(.seconds(3))
        world.loseLink(LinkFailure(.closed, "closed"))
        world.waiting[device("dev-1")] = []
        world.broker.answer = { _ in .acknowledge }
        world.add(device("dev-2"), 11...15)
        world.run(.seconds(30))
        #expect(world.settled == [11, 12, 13, 14, 15])
        world.add(device("dev-1"), [2])
        world.run(.seconds(30))
        #expect(world.settled.last == 2)
    }

    @Test func aSuspectThatGetsNoAnswerDoesNotHoldTheOthersForLong() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = { $0.topic.text == "/devices/dev-1/events" ? .silence : .acknowledge }
        world.start()
        world.add(device("dev-1"), [1])
        world.run(.seconds(3))
        world.loseLink(LinkFailure(.closed, "closed"))
        for round in 0..<60 {
            world.add(device("dev-2"), [UInt64(100 + round)])
            world.run(.seconds(1))
        }
        world.run(.seconds(10))
        #expect(world.settled.count == 60)
        #expect(world.online == 2)
    }

    /// A restarted broker leaves up to 1,024 records without an answer. One round trip each would
    /// hold up the live readings of a WAN link for a minute.
    @Test func aThousandSuspectsAreClearedInSeconds() {
        var world = World(["dev-1", "dev-2"]) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: nil, password: nil),
                gateway: $0.gateway,
                endpoints: $0.endpoints)
        }
        world.latency = .milliseconds(50)
        world.broker.answer = { _ in .silence }
        world.start()
        world.add(device("dev-1"), 1...600)
        world.add(device("dev-2"), 1001...1600)
        world.run(.seconds(2))
        #expect(world.session.inFlight == 1024)
        world.loseLink(LinkFailure(.closed, "closed"))
        #expect(world.returned.count == 1024)
        world.broker.answer = { _ in .acknowledge }
        world.run(.seconds(60)) { $0.session.isOnline }
        let back = world.now.instant
        world.run(.seconds(60)) { $0.settled.count == 1200 }
        #expect(world.settled.count == 1200)
        #expect(world.now.instant - back < .seconds(20))
        #expect(world.settled.filter { $0 < 1000 } == Array(1...600))
    }

    @Test func onePoisonRecordAmongAThousandIsFound() {
        var world = World(["dev-1", "dev-2"]) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: nil, password: nil),
                gateway: $0.gateway,
                endpoints: $0.endpoints)
        }
        world.broker.answer = Self.poison(300)
        world.start()
        world.run(.seconds(1))
        world.add(device("dev-1"), 1...600)
        world.add(device("dev-2"), 1001...1600)
        for round in 0..<100 {
            world.add(device("dev-2"), [UInt64(5000 + round)])
            world.run(.seconds(3))
        }
        #expect(world.rejected == [300])
        #expect(world.settled.count == 599 + 600 + 100)
        #expect(world.online <= 7, "\(world.online) connections")
    }
}

/// Several records in one message.
@Suite struct SessionBatchTests {
    private func batch(_ seqs: ClosedRange<UInt64>) -> Outgoing {
        Outgoing(
            seq: seqs.lowerBound, device: device("dev-1"), payload: Array("[\(seqs)]".utf8),
            others: Array(seqs.dropFirst()))
    }

    @Test func onePubackSettlesAllOfABatchAndALossGivesAllOfItBack() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        world.session.publish(batch(1...3), at: world.now)
        world.run(.seconds(1))
        #expect(world.settled == [1, 2, 3])
        world.broker.answer = { _ in .silence }
        world.session.publish(batch(4...6), at: world.now)
        world.drain()
        world.loseLink()
        #expect(world.returned == [4, 5, 6])
        #expect(world.session.counters.published == 6 && world.session.counters.acknowledged == 3)
    }

    /// A batch with a poisoned record makes the bridge close: its records then go one by one.
    @Test("Fault 34, closed right after one record or one attach: in a batch too")
    func theRecordsOfASuspectBatchAreSuspectedOneByOne() {
        var world = World(["dev-1", "dev-2"])
        world.broker.answer = {
            let text = String(decoding: $0.payload, as: UTF8.self)
            return text == "[1...3]" || text == "{\"seq\":2}" ? .close : .acknowledge
        }
        world.start()
        world.run(.seconds(2))
        world.add(device("dev-2"), 100...400)
        #expect(world.session.recordsAtOnce(of: device("dev-1")) == .max)
        world.session.publish(batch(1...3), at: world.now)
        world.run(.milliseconds(100))
        #expect(world.session.recordsAtOnce(of: device("dev-1")) == 1)
        world.add(device("dev-1"), 1...3)
        world.run(.seconds(900))
        #expect(world.rejected == [2])
        #expect(world.settled.filter { $0 < 100 } == [1, 3])
    }

    /// After a drop with hundreds of records in batches, those not yet tried go out a few at a
    /// time, not one by one for minutes.
    @Test func manySuspectsOfBatchesGoAFewAtATime() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        world.broker.answer = { _ in .silence }
        world.session.publish(batch(1...640), at: world.now)
        world.drain()
        world.broker.answer = { _ in .acknowledge }
        world.loseLink(LinkFailure(.closed, "the bridge closed the connection"))
        #expect(world.returned == Array(1...640))
        #expect(
            world.session.recordsAtOnce(of: device("dev-1")) == 1, "nothing may go before its turn")
        world.add(device("dev-1"), 1...640)
        let start = world.now.instant
        for _ in 0..<600 where world.settled.count < 640 { world.run(.milliseconds(100)) }
        #expect(world.settled == Array(1...640))
        #expect(world.now.instant - start < .seconds(60))
    }

    /// However large the records: so many bytes at a time.
    @Test func whatIsInFlightIsBoundedInBytes() {
        var world = World(["dev-1"]) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: nil, password: nil),
                gateway: $0.gateway,
                endpoints: $0.endpoints)
        }
        world.broker.answer = { _ in .silence }
        world.start()
        world.run(.seconds(2))
        var sent = 0
        for seq in UInt64(1)...200 where world.session.accepts(device("dev-1"), at: world.now) {
            let large = Outgoing(
                seq: seq, device: device("dev-1"), payload: [UInt8](repeating: 0x20, count: 60_000))
            world.session.publish(large, at: world.now)
            sent += 1
        }
        #expect(sent == (1 << 20) / 60_000 + 1)
        let slot = world.session.nextSlot(urgent: false, records: true, at: world.now)
        #expect(slot == nil)
        world.loseLink()
        #expect(world.returned.count == sent)
    }
}
