import Base
import Bridge
import MQTT
import Testing

/// A plain broker that closes the connection for a topic or a size: what it does not take is found
/// and left out, it is named, and no reading waits for long.
@Suite struct TopicTrustTests {
    private static func world(
        _ devices: [String] = ["dev-1", "dev-2", "dev-3"],
        _ change: (inout Session.Settings) -> Void = { _ in }
    ) -> World {
        World(devices) {
            $0 = Session.Settings(
                dialect: .plain(clientID: "gw-7", username: nil, password: nil),
                gateway: $0.gateway, endpoints: $0.endpoints)
            change(&$0)
        }
    }

    /// Readings every 250 ms for so long; the longest that one waited for its PUBACK.
    private static func live(
        _ world: inout World, _ seconds: Int, from first: UInt64 = 1000
    ) -> Duration {
        var made: [UInt64: Instant] = [:]
        var settled = world.settled.count
        var worst = Duration.zero
        for round in 0..<(4 * seconds) {
            let seq = first + UInt64(round)
            made[seq] = world.now.instant
            world.add(device("dev-\(1 + round % 3)"), [seq])
            let end = world.now.instant + .milliseconds(250)
            while world.now.instant < end {
                world.run(.milliseconds(10))
                for seq in world.settled[settled...] {
                    if let made = made.removeValue(forKey: seq) {
                        worst = max(worst, world.now.instant - made)
                    }
                }
                settled = world.settled.count
            }
        }
        for since in made.values { worst = max(worst, world.now.instant - since) }
        return worst
    }

    @Test(arguments: ["/config", "/commands/#"])
    func aForbiddenSubscriptionIsFoundNamedAndLeftOut(_ ending: String) throws {
        var world = Self.world()
        world.broker.closesOnSubscribe = { $0.text.hasSuffix(ending) }
        world.start()
        let worst = Self.live(&world, 60)
        #expect(worst < .seconds(6), "a reading waited \(worst)")
        #expect(world.online <= 4, "\(world.online) connections")
        let (isOnline, suspects) = (world.session.isOnline, world.session.suspectCount)
        #expect(isOnline && world.rejected == [] && suspects == 0)
        let left = try #require(world.session.leftOut.first)
        #expect(left.hasPrefix("SUBSCRIBE to /devices/") && left.hasSuffix(ending))
        let key = ending == "/config" ? "configTopic" : "commandTopic"
        #expect(world.says("the broker closes the connection when it gets \(left): ") == 1)
        #expect(world.says("(`\(key): false`)") == 1)
        #expect(world.says("no other gateway uses the id") == 0)
        // The other kind is subscribed to.
        let other = ending == "/config" ? "/commands/#" : "/config"
        #expect(world.broker.subscriptions.filter { $0.hasSuffix(other) }.count == 4)
    }

    @Test func aForbiddenStateTopicCostsSecondsAndNoReading() {
        var world = Self.world()
        world.broker.answer = { $0.topic.text.hasSuffix("/state") ? .close : .acknowledge }
        world.start()
        for number in 1...3 {
            world.session.state(device("dev-\(number)"), document: [1], at: world.now)
        }
        world.session.state(device("gw-7"), document: [1], at: world.now)
        let worst = Self.live(&world, 60)
        #expect(worst < .seconds(6), "a reading waited \(worst)")
        #expect(world.online <= 4 && world.session.isOnline)
        #expect(world.session.leftOut.first?.hasPrefix("PUBLISH of 1 byte to /devices/") == true)
        #expect(world.says("(`stateTopic: false`)") == 1)
        // Later documents do not wait for ever: a device that has left can be detached.
        world.session.state(device("dev-1"), document: [2], at: world.now)
        #expect(!world.session.holdsAnything(of: device("dev-1")))
        #expect(world.rejected == [])
    }

    @Test func aForbiddenHealthTopicEndsItsRecordsAndNothingElse() {
        var world = Self.world()
        world.broker.answer = { $0.topic.text.hasSuffix("/health") ? .close : .acknowledge }
        world.start()
        _ = Self.live(&world, 5)
        for seq: UInt64 in [1, 2, 3] { world.subfolders[seq] = "health" }
        world.add(device("gw-7"), [1])
        let worst = Self.live(&world, 60, from: 2000)
        #expect(worst < .seconds(6), "a reading waited \(worst)")
        #expect(world.withheld == [1] && world.rejected == [])
        let connections = world.online
        world.add(device("gw-7"), [2, 3])
        _ = Self.live(&world, 5, from: 3000)
        #expect(world.withheld == [1, 2, 3] && world.online == connections)
        #expect(world.says("(`topics: { health: false }`)") == 1)
    }

    @Test func aForbiddenAvailabilityTopicIsLeftOutOfTheWillToo() {
        var world = Self.world { $0.layout.availability = "plant/gw-7/available" }
        world.broker.answer = { $0.topic.text.hasSuffix("/available") ? .close : .acknowledge }
        world.start()
        let worst = Self.live(&world, 60)
        #expect(worst < .seconds(6), "a reading waited \(worst)")
        let wills = world.broker.received.compactMap {
            if case .connect(let connect) = $0 { connect.will != nil } else { nil as Bool? }
        }
        #expect(wills.first == true && wills.last == false)
    }

    /// Several at once are found one after the other.
    @Test func everythingButTelemetryMayBeForbidden() {
        var world = Self.world { $0.layout.availability = "plant/gw-7/available" }
        world.broker.closesOnSubscribe = { _ in true }
        world.broker.answer = { $0.topic.text.hasSuffix("/events") ? .acknowledge : .close }
        world.start()
        world.session.state(device("dev-1"), document: [1], at: world.now)
        world.subfolders[1] = "health"
        world.add(device("gw-7"), [1])
        _ = Self.live(&world, 60)
        let worst = Self.live(&world, 60, from: 2000)
        #expect(worst < .seconds(1), "a reading waited \(worst)")
        #expect(world.session.leftOut.count == 5, "\(world.session.leftOut)")
        #expect(world.rejected == [] && world.returned.count < 40)
        #expect(world.says("no other gateway uses the id") == 0)
    }

    /// The first connection after an hour tries again; what is permitted then stays.
    @Test func whatWasForbiddenIsTriedAgain() {
        var world = Self.world()
        world.broker.closesOnSubscribe = { $0.text.hasSuffix("/config") }
        world.start()
        _ = Self.live(&world, 30)
        #expect(world.session.leftOut.count == 1)
        world.broker.closesOnSubscribe = { _ in false }
        world.run(.seconds(3600))
        world.loseLink()
        _ = Self.live(&world, 30, from: 2000)
        #expect(world.session.leftOut == [])
        #expect(world.broker.subscriptions.filter { $0.hasSuffix("/config") }.count == 4)
        // One that is still forbidden costs one more connection.
        world.broker.closesOnSubscribe = { $0.text.hasSuffix("/commands/#") }
        world.loseLink()
        _ = Self.live(&world, 10, from: 3000)
        #expect(world.rejected == [])
    }

    /// A broker that restarts forbids nothing.
    @Test func closesThatNothingExplainsLeaveNothingOut() {
        var world = Self.world()
        world.start()
        for round in 0..<20 {
            _ = Self.live(&world, 3, from: UInt64(1000 * (round + 1)))
            world.session.state(device("dev-1"), document: [UInt8(round)], at: world.now)
            world.add(device("dev-1"), [UInt64(round + 1)])
            world.loseLink(LinkFailure(.closed, "the bridge closed the connection"))
        }
        // Closes without end are answered with longer and longer pauses.
        world.run(.seconds(120))
        _ = Self.live(&world, 5, from: 90_000)
        let (left, isOnline) = (world.session.leftOut, world.session.isOnline)
        #expect(left == [] && world.rejected == [] && isOnline)
    }

    /// Messages of several readings that are larger than the broker takes.
    @Test func aBatchThatIsTooLargeIsMadeSmaller() throws {
        var world = Self.world(["dev-1"])
        world.broker.answer = { $0.payload.count > 10_000 ? .close : .acknowledge }
        world.start()
        world.run(.seconds(1))
        let sizes = [40_000, 20_000, 10_000]
        for size in sizes {
            let bound = world.session.batchBytesMax ?? 60_000
            #expect(bound >= size, "\(bound)")
            world.run(.seconds(10)) { $0.session.isOnline }
            world.session.publish(
                Outgoing(
                    seq: 1, device: device("dev-1"),
                    payload: [UInt8](repeating: 0x20, count: size), others: [2, 3]), at: world.now)
            world.run(.seconds(4))
        }
        #expect(world.settled == [1, 2, 3])
        #expect(world.returned == [1, 2, 3, 1, 2, 3] && world.session.suspectCount == 0)
        #expect(
            world.says(
                "after PUBLISH of 40000 bytes to /devices/dev-1/events: messages with several "
                    + "readings have at most 20000 bytes from now on; trying again") == 1)
        #expect(world.says("at most 10000 bytes from now on") == 1)
    }
}
