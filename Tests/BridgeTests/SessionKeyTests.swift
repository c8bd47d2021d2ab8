import Base
import Bridge
import MQTT
import Testing

/// Two keys while one replaces the other, and devices that prove themselves with a key of their
/// own.
@Suite struct SessionKeyTests {
    @Test func aRefusedTokenIsTheTurnOfTheOtherKeyWithoutALongWait() {
        var world = World { $0.keys = [.es256, .rs256] }
        world.broker.connackCode = 5
        world.start()
        let tried = world.run(.seconds(10)) { $0.signers.count == 2 }
        #expect(tried)
        #expect(world.signers == [.gateway(0), .gateway(1)])
        #expect(
            Set(world.signingInputs.map { String($0.prefix(20)) }).count == 2,
            "one header per algorithm")
        // Both refused again and again: the waits become long.
        world.run(.seconds(300))
        let tries = world.signers.count
        #expect((8...14).contains(tries), "\(tries) tries")
        #expect(Set(world.signers.suffix(2)).count == 2)
        world.broker.connackCode = 0
        world.run(.seconds(70))
        #expect(world.session.isOnline)
        let memory = world.session.memory
        world.loseLink()
        world.run(.seconds(5))
        #expect(world.session.isOnline)
        #expect(
            world.signers.last == .gateway(memory.key), "the key that was accepted is used again")
        #expect(world.signers.last == world.signers.dropLast().last)
    }

    /// Seen on a machine without NTP: the second key had to wait as long as a clock that nobody
    /// trusts.
    @Test func theOtherKeysTurnComesSoonAlsoWhereNothingProvesTheClock() {
        var world = World(facts: ClockFacts(synchronised: false, hasRTC: false)) {
            $0.keys = [.es256, .es256]
        }
        world.broker.connackCode = 5
        world.start()
        let tried = world.run(.seconds(3)) { $0.signers.count == 2 }
        #expect(tried)
    }

    @Test func theKeyThatWasAcceptedIsRememberedOverARestart() {
        var world = World { $0.keys = [.es256, .es256] }
        world.session.restore(Session.Memory(key: 1))
        world.start()
        world.run(.seconds(1))
        #expect(world.signers == [.gateway(1)])
        world = World { $0.keys = [.es256] }
        world.session.restore(Session.Memory(failures: -5, shortLives: 99, key: 7))
        world.start()
        world.run(.seconds(1))
        #expect(world.signers == [.gateway(0)])
    }

    @Test func aDeviceWithAKeyAttachesWithItsToken() throws {
        var world = World(["dev-1", "dev-2"]) { $0.deviceKeys = [device("dev-2"): .es256] }
        world.start()
        world.add(device("dev-2"), [7])
        world.run(.seconds(2))
        #expect(world.signers == [.gateway(0), .device(device("dev-2"))])
        let attaches = world.broker.publishes.filter { $0.topic.text.hasSuffix("/attach") }
        let plain = try #require(attaches.first { $0.topic.text == "/devices/dev-1/attach" })
        #expect(plain.payload == Array("{}".utf8))
        let proven = try #require(attaches.first { $0.topic.text == "/devices/dev-2/attach" })
        let token = try #require(try JSONReader.parse(proven.payload)["authorization"]?.string)
        let parts = token.split(0x2E)
        #expect(parts.count == 3 && "\(parts[0]).\(parts[1])" == world.signingInputs[1])
        #expect(world.settled == [7])
        // A token is for one attach: the next connection gets a new one.
        world.loseLink()
        world.run(.seconds(5))
        #expect(world.signers.filter { $0 == .device(device("dev-2")) }.count == 2)
    }

    @Test func aDeviceWhoseKeyDoesNotSignCostsTheOthersNothing() {
        var world = World(["dev-1", "dev-2", "dev-3"]) { $0.deviceKeys = [device("dev-2"): .es256] }
        world.failingSigner = .device(device("dev-2"))
        world.start()
        for number in 1...3 { world.add(device("dev-\(number)"), [UInt64(number)]) }
        world.run(.seconds(60))
        #expect(world.settled == [1, 3])
        #expect(world.says("its own key could not sign a token") == 1)
        #expect((2...8).contains(world.signers.filter { $0 == .device(device("dev-2")) }.count))
        world.failingSigner = nil
        world.run(.seconds(70))
        #expect(world.settled == [1, 3, 2])
    }

    /// A device whose attach makes the bridge close is attached alone later, with a token as well.
    @Test func aSuspectedAttachWithATokenGoesOutAlone() {
        var world = World(["dev-1", "dev-2"]) { $0.deviceKeys = [device("dev-2"): .es256] }
        world.broker.answer = { $0.topic.text == "/devices/dev-2/attach" ? .close : .acknowledge }
        world.start()
        world.add(device("dev-1"), 1...200)
        world.run(.seconds(900))
        #expect(world.session.quarantined.map(\.device) == [device("dev-2")])
        #expect(world.settled == Array(1...200))
    }
}

/// What the next process is told, so that a restart is no way around the back-off.
@Suite struct SessionMemoryTests {
    @Test func aRestartWaitsLikeTheRunBeforeIt() {
        var world = World()
        world.linkFails = { _ in LinkFailure(.refused, "connection refused") }
        world.start()
        world.run(.seconds(600))
        let memory = world.session.memory
        #expect(memory.failures == 7)
        var waits = Duration.zero
        for seed in 1...200 as ClosedRange<UInt64> {
            var other = World(seed: seed)
            other.session.restore(memory)
            other.start()
            #expect(other.targets.isEmpty)
            other.run(.seconds(66)) { !$0.targets.isEmpty }
            waits = waits + (other.now.instant - World.start.instant)
        }
        #expect(
            (20...29).contains(waits.secondsValue / 200), "half of the longest wait: \(waits / 200)"
        )
        var next = World(seed: 2)
        next.session.restore(memory)
        next.start()
        next.run(.seconds(66))
        #expect(next.session.isOnline)
        next.run(.seconds(120))
        next.add(device("dev-1"), [1])
        next.run(.seconds(1))
        #expect(next.session.memory == Session.Memory(), "healthy again")
    }

    /// Each of two gateways with one id sees its connection closed by the other's: without a floor
    /// both would connect again within seconds, for ever.
    @Test("Fault 35, client-id takeover ping-pong: a floor under the back-off")
    func takeoverPingPongPutsAFloorUnderTheBackOff() {
        var world = World()
        world.start()
        var attempts: [Int] = []
        for _ in 0..<12 {
            let isOnline = world.run(.seconds(200)) { $0.session.isOnline }
            #expect(isOnline)
            world.add(device("dev-1"), [UInt64(attempts.count)])
            // Long enough to look healthy to the plain back-off.
            world.run(.seconds(attempts.count < 5 ? 20 : 70))
            attempts.append(world.targets.count)
            world.loseLink(LinkFailure(.closed, "the bridge closed the connection"))
        }
        let waits = zip(world.targets, world.targets.dropFirst()).map { $1.at - $0.at }.suffix(5)
        #expect(waits.allSatisfy { $0 >= .seconds(70 + 32) }, "\(waits)")
        #expect(world.says("until one lasts, it is tried once a minute") == 1)
        // One that lasts ends the suspicion.
        _ = world.run(.seconds(200)) { $0.session.isOnline }
        world.add(device("dev-1"), [1000])
        world.run(.seconds(700))
        world.add(device("dev-1"), [1001])
        world.run(.seconds(5))
        #expect(world.session.memory == Session.Memory())
    }

    @Test func aClockThatTheFirstTokenProvesIsNotComplainedAbout() {
        var world = World(facts: ClockFacts(synchronised: false, hasRTC: false))
        world.start()
        world.run(.seconds(100))
        #expect(world.session.clockLevel == .trusted)
        #expect(world.says("neither synchronised nor backed by an RTC") == 0)
        var other = World(facts: ClockFacts(synchronised: false, hasRTC: false))
        other.linkFails = { _ in LinkFailure(.refused, "connection refused") }
        other.start()
        for _ in 0..<12 {
            other.run(.seconds(10))
            other.session.clock(ClockFacts(synchronised: false, hasRTC: false), at: other.now)
        }
        #expect(other.says("neither synchronised nor backed by an RTC") == 1)
    }
}
