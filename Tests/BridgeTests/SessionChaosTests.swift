import Base
import Bridge
import MQTT
import Testing

/// A bridge that does everything wrong now and then, from a seed; then it behaves, and everything
/// must arrive.
@Suite struct SessionChaosTests {
    final class Chaos {
        var random: RandomSource
        var calm = false
        var attached: Set<Substring> = []
        var strays: [String] = []

        init(seed: UInt64) { random = RandomSource(seed: seed) }

        /// Also checks what no session may ever do: an event of a device that is not attached.
        func answer(_ publish: Publish) -> Broker.Answer {
            let levels = publish.topic.text.split(separator: "/")
            let isAttach = levels[2] == "attach"
            let isStray = !isAttach && levels[1] != "gw-7" && !attached.contains(levels[1])
            if isStray { strays.append(publish.topic.text) }
            let answer = calm ? .acknowledge : pick()
            if isAttach, answer == .acknowledge { attached.insert(levels[1]) }
            return answer
        }

        private func pick() -> Broker.Answer {
            let codes = GatewayError.Code.allCases.map(\.rawValue)
            return switch random.uniform(0, 1) {
            case ..<0.93: .acknowledge
            case ..<0.95: .silence
            case ..<0.98:
                .error(codes.randomElement(using: &random)!, thenClose: random.chance(0.2))
            default: .close
            }
        }
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func everythingArrivesOnceTheBridgeBehaves(_ seed: UInt64) {
        let names = (1...6).map { "dev-\($0)" }
        let chaos = Chaos(seed: seed)
        var world = World(names, seed: seed) {
            $0.tokenLifetime = .seconds(300)
            $0.endpoints = [8883, 443].map { LinkTarget(host: "a.example", port: $0) }
        }
        world.broker.answer = { chaos.answer($0) }
        world.broker.onConnect = { chaos.attached = [] }
        world.start()
        var seq: UInt64 = 0
        for _ in 0..<120 {
            for name in names {
                seq += 1
                world.add(device(name), [seq])
            }
            if chaos.random.chance(0.1) {
                world.session.state(device(names[0]), document: [1], at: world.now)
                world.drain()
            }
            if chaos.random.chance(0.03), world.session.isOnline {
                world.loseLink(LinkFailure(.reset, "reset"))
            }
            world.run(.seconds(10))
        }
        #expect(chaos.strays.isEmpty)
        chaos.calm = true
        world.run(.seconds(4 * 3600)) { $0.settled.count + $0.rejected.count >= Int(seq) }
        #expect(world.settled.count + world.rejected.count == Int(seq), "seed \(seed)")
        #expect(Set(world.settled).count == world.settled.count)
        #expect(Set(world.settled).isDisjoint(with: world.rejected))
        #expect(world.session.inFlight == 0)
        for number in 0..<6 {
            let own = world.settled.filter { ($0 - 1) % 6 == UInt64(number) }
            #expect(own == own.sorted(), "dev-\(number + 1) out of order with seed \(seed)")
        }
    }
}
