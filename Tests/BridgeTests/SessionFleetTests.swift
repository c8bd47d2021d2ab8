import Base
import Bridge
import Testing

/// Many at once: a thousand gateways behind one bridge, a thousand devices behind one gateway.
@Suite struct SessionFleetTests {
    /// The bridge is away for ten minutes and comes back: were the gateways in step, it would be
    /// met by all of them in one second.
    @Test func aThousandGatewaysWhoseBridgeReturnsDoNotComeInStep() {
        struct Gateway {
            var session: Session
            var connected: Instant?
        }
        let back = Instant.zero + .seconds(600)
        var gateways = (0..<1000).map { index in
            Gateway(
                session: Session(
                    Session.Settings(
                        dialect: .plain(clientID: "gw-\(index)", username: nil, password: nil),
                        gateway: device("gw-\(index)"),
                        endpoints: [LinkTarget(host: "h", port: 8883)]),
                    devices: [], seed: UInt64(index)))
        }
        let wall = WallTime(milliseconds: 1_790_000_000_000)
        var attempts: [Int64: Int] = [:]
        for index in gateways.indices {
            var now = Moment(.zero, wall)
            gateways[index].session.start(at: now)
            for _ in 0..<1000 where gateways[index].connected == nil {
                while let output = gateways[index].session.next() {
                    guard case .connect = output else { continue }
                    attempts[now.instant.nanoseconds / 1_000_000_000, default: 0] += 1
                    if now.instant >= back {
                        gateways[index].connected = now.instant
                    } else {
                        gateways[index].session.linkFailed(
                            LinkFailure(.refused, "refused"), at: now)
                    }
                }
                guard gateways[index].connected == nil,
                    let due = gateways[index].session.deadline?.due
                else { break }
                now = Moment(due, wall + (due - .zero))
                gateways[index].session.timeout(at: now)
            }
        }
        let times = gateways.compactMap(\.connected)
        #expect(times.count == 1000)
        #expect(
            times.allSatisfy { $0 <= back + .seconds(66) },
            "everybody is back within the longest wait")
        let busiest = attempts.filter { $0.key >= 600 }.values.max() ?? 0
        #expect(busiest <= 60, "\(busiest) of 1,000 in the busiest second after the return")
        let later = attempts.filter { $0.key > 120 && $0.key < 600 }.values.max() ?? 0
        #expect(later <= 50, "\(later) of 1,000 in the busiest second of the outage")
        let total = attempts.values.reduce(0, +)
        #expect(total < 22_000, "\(total) attempts in ten minutes: 22 each")
    }

    private func attach(_ rate: Rate) -> World {
        var world = World((1...1000).map { "dev-\($0)" }) { $0.rate = rate }
        world.latency = .milliseconds(60)
        world.start()
        for number in 1...1000 { world.add(device("dev-\(number)"), [UInt64(number)]) }
        return world
    }

    @Test func aThousandDevicesAreAttachedWithinFifteenSecondsOnTheProfileOfTheBridge() {
        var world = attach(Rate(messages: 95, bytes: 500 << 10))
        let isAttached = world.run(.seconds(15)) { $0.session.attachedCount == 1000 }
        #expect(isAttached, "\(world.session.attachedCount)")
        // 1,000 records and 40 SUBSCRIBEs more.
        let isDone = world.run(.seconds(15)) { $0.settled.count == 1000 }
        #expect(isDone, "\(world.settled.count)")
    }

    @Test func aThousandDevicesAreAttachedWithinTenSecondsWithoutARate() {
        var world = attach(.unlimited)
        let isAttached = world.run(.seconds(10)) {
            $0.session.attachedCount == 1000 && $0.settled.count == 1000
        }
        #expect(isAttached, "\(world.session.attachedCount)")
        #expect(world.now.instant - World.start.instant < .seconds(5))
    }

    /// Every subscription brings a config, and each must be acknowledged: a burst of a thousand
    /// PUBACKs would be over the bridge's limit.
    @Test func acknowledgementsOfAThousandConfigsKeepToTheRate() {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        for id in 1...300 as ClosedRange<UInt16> {
            world.broker.send("/devices/dev-1/config", [1], id: id)
        }
        world.drain()
        world.run(.milliseconds(20))
        for config in world.configs { world.session.acknowledge(config.2, at: world.now) }
        world.drain()
        func pubacks() -> Int { world.broker.received.filter { $0.type == .puback }.count }
        #expect(pubacks() <= 6)
        world.run(.seconds(1))
        #expect((90...101).contains(pubacks()), "\(pubacks())")
        world.run(.seconds(3))
        #expect(pubacks() == 300)
    }

    @Test func theOldestWaitingRecordsAreAttachedFirst() {
        var world = World(["dev-1", "dev-2", "dev-3"])
        world.session.attachFirst([device("dev-3"), device("dev-9"), device("dev-2")])
        world.start()
        world.run(.seconds(1))
        #expect(world.broker.topics == ["dev-3", "dev-2", "dev-1"].map { "/devices/\($0)/attach" })
    }
}
