import Base
import Bridge
import MQTT
import Testing

/// What the far side sends must not take the rate away from what the gateway has to say.
@Suite struct FairShareTests {
    private static let rate = 95

    /// Deep backlogs of many devices: enough to use the whole rate at any time.
    private static func busy(devices: Int = 40, seed: UInt64 = 1) -> World {
        var world = World((1...devices).map { "dev-\($0)" }, seed: seed)
        world.latency = .milliseconds(30)
        world.start()
        let isUp = world.run(.seconds(20)) { $0.session.attachedCount == devices }
        #expect(isUp)
        world.run(.seconds(5))
        for number in 1...devices {
            let first = UInt64(number * 100_000)
            world.add(device("dev-\(number)"), first..<(first + 3000))
        }
        world.broker.forgetStory()
        return world
    }

    private static func events(_ world: World) -> Int {
        world.broker.publishes.count { $0.topic.text.hasSuffix("/events") }
    }

    private static func pubacks(_ world: World) -> [UInt16] {
        world.broker.received.compactMap {
            if case .puback(let puback) = $0 { puback.packetID.value } else { nil }
        }
    }

    /// How far configs and commands have been accepted.
    private struct Accepted {
        private var configs = 0
        private var commands = 0

        mutating func all(_ world: inout World) {
            let deliveries =
                world.configs.dropFirst(configs).map(\.2)
                + world.commands.dropFirst(commands).map(\.3)
            (configs, commands) = (world.configs.count, world.commands.count)
            for delivery in deliveries { world.session.acknowledge(delivery, at: world.now) }
            world.drain()
        }
    }

    @Test func fiveThousandMessagesLeaveTheReadingsHalfOfTheRate() {
        var world = Self.busy()
        for id in 1...5000 as ClosedRange<UInt16> {
            world.broker.send("/nobody/wants/this", [1], id: id)
        }
        world.drain()
        world.run(.seconds(10))
        #expect(Self.events(world) >= Self.rate * 10 / 2, "\(Self.events(world)) readings in 10 s")
        #expect(
            Self.pubacks(world).count >= Self.rate * 10 / 5,
            "\(Self.pubacks(world).count) PUBACKs in 10 s")
    }

    /// Nobody else wants the rate: all of it belongs to the acknowledgements.
    @Test func acknowledgementsHaveTheWholeRateWhileNothingElseWaits() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(5))
        world.broker.forgetStory()
        for id in 1...1000 as ClosedRange<UInt16> {
            world.broker.send("/nobody/wants/this", [1], id: id)
        }
        world.drain()
        world.run(.seconds(11))
        #expect(Self.pubacks(world) == Array(1...1000))
    }

    /// Any mixture of configs, commands, errors and messages that are not ours, with repeats.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func inAnyFloodReadingsKeepHalfOfTheRateAndEveryMessageIsAcknowledgedInOrder(_ seed: UInt64) {
        var random = RandomSource(seed: seed)
        var world = Self.busy(seed: seed)
        let perStep = Int(random.uniform(1, 30))
        let acceptsAtOnce = random.chance(0.5)
        var (sent, accepted) = ([] as [UInt16], Accepted())
        for _ in 0..<100 {
            for _ in 0..<perStep {
                // The far side repeats what has no answer yet, and sometimes what had one a moment
                // ago.
                let isRepeat = !sent.isEmpty && random.chance(0.2)
                let id =
                    isRepeat
                    ? sent[Int(random.uniform(0, Double(sent.count)))] : UInt16(sent.count + 1)
                if !isRepeat { sent.append(id) }
                let topic = [
                    "/devices/dev-\(1 + id % 40)/config", "/devices/dev-\(1 + id % 40)/commands/x",
                    "/x",
                    "/devices/gw-7/errors",
                ][Int(id) % 4]
                world.broker.send(topic, [1], id: id, dup: isRepeat)
            }
            world.drain()
            world.run(.milliseconds(100))
            if acceptsAtOnce || random.chance(0.1) { accepted.all(&world) }
        }
        #expect(Self.events(world) >= Self.rate * 10 / 2, "\(Self.events(world)) readings in 10 s")
        world.waiting = [:]
        for _ in 0..<60 {
            accepted.all(&world)
            world.run(.seconds(1))
        }
        var seen: Set<UInt16> = []
        let answered = Self.pubacks(world).filter { seen.insert($0).inserted }
        #expect(answered.count == sent.count, "\(answered.count) of \(sent.count)")
        if acceptsAtOnce { #expect(answered.elementsEqual(sent), "in the order of the messages") }
    }

    @Test func aPriorityRecordLeavesWithinASecondInAnyFlood() {
        var world = Self.busy()
        world.urgent = [device("dev-40")]
        world.waiting[device("dev-40")] = []
        for id in 1...20_000 as ClosedRange<UInt16> {
            world.broker.send(
                "/devices/dev-\(1 + id % 40)/\(id % 3 == 0 ? "config" : "commands/x")", [1], id: id)
        }
        world.drain()
        world.run(.seconds(3))
        for round in 0..<10 as Range<UInt64> {
            world.add(device("dev-40"), [9_000_000 + round])
            let left = world.run(.seconds(1)) { $0.settled.suffix(60).contains(9_000_000 + round) }
            #expect(left, "round \(round)")
            world.run(.milliseconds(700))
        }
    }

    /// After a reconnect a thousand devices are attached, subscribed and get their configs at once.
    @Test func aPriorityRecordLeavesWithinASecondWhileAThousandDevicesAreAttached() {
        var world = World((1...1000).map { "dev-\($0)" })
        world.latency = .milliseconds(60)
        world.urgent = [device("dev-1")]
        world.start()
        for number in 2...1000 {
            world.add(device("dev-\(number)"), [UInt64(number), UInt64(number + 5000)])
        }
        world.run(.seconds(2))
        var id: UInt16 = 0
        for round in 0..<5 as Range<UInt64> {
            for number in 1...100 {
                id += 1
                world.broker.send("/devices/dev-\(number)/config", [1], id: id)
            }
            world.drain()
            world.add(device("dev-1"), [9_000_000 + round])
            let left = world.run(.seconds(1)) { $0.settled.suffix(60).contains(9_000_000 + round) }
            #expect(left, "round \(round)")
            world.run(.milliseconds(500))
        }
        let isAttached = world.run(.seconds(15)) { $0.session.attachedCount == 1000 }
        #expect(isAttached, "the attaches do not starve either: \(world.session.attachedCount)")
    }

    @Test func statesAndSubscriptionsDoNotStarveBesideADeepBacklogAndAFlood() {
        var world = Self.busy()
        for id in 1...5000 as ClosedRange<UInt16> {
            world.broker.send("/nobody/wants/this", [1], id: id)
        }
        for number in 1...40 {
            world.session.state(device("dev-\(number)"), document: [UInt8(number)], at: world.now)
        }
        world.session.attach(device("dev-99"), at: world.now)
        world.drain()
        let isSubscribed = world.run(.seconds(2)) {
            $0.broker.subscriptions.contains("/devices/dev-99/config")
        }
        #expect(isSubscribed)
        world.run(.seconds(3))
        #expect(world.broker.topics.count { $0.hasSuffix("/state") } == 40)
    }

    /// A document whose disk hangs must not hold up every later PUBACK.
    @Test func aConfigThatIsNotAcceptedHoldsTheOthersUpForASecondOnly() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(5))
        world.broker.forgetStory()
        world.broker.send("/devices/dev-1/config", [1], id: 1)
        for id in 2...5 as ClosedRange<UInt16> { world.broker.send("/x", [1], id: id) }
        world.drain()
        world.run(.milliseconds(900))
        #expect(Self.pubacks(world).isEmpty, "in the order of the messages")
        world.run(.milliseconds(300))
        #expect(Self.pubacks(world) == [2, 3, 4, 5])
        world.session.acknowledge(world.configs[0].2, at: world.now)
        world.drain()
        #expect(Self.pubacks(world) == [2, 3, 4, 5, 1])
    }

    @Test func aMessageThatIsSentAgainAndAgainIsAcknowledgedOnce() {
        var world = Self.busy()
        for round in 0..<200 {
            for id in 1...200 as ClosedRange<UInt16> {
                world.broker.send("/x", [1], id: id, dup: round > 0)
            }
        }
        world.drain()
        world.run(.milliseconds(100))
        world.waiting = [:]
        world.run(.seconds(20))
        #expect(Self.pubacks(world) == Array(1...200))
    }
}
