import Base
import Gateway
import Simulators
import Testing

/// The level `wire` on simulated lines: the log has what the units served, and nothing at other
/// levels.
@Suite struct WireLogScenarioTests {
    private func wire(_ world: SimulatedWorld, _ told: @escaping (Int, String) -> Void) {
        world.onNotice = { notice in
            guard notice.subsystem == WireLog.subsystem,
                let line = Site.lineNames.firstIndex(where: { $0.text == notice.subject })
            else { return }
            told(line, notice.message)
        }
    }

    private func words(_ served: Served) -> String {
        let content = served.content
        let count = content.values.count > 1 ? " x \(content.values.count)" : ""
        let values = content.values.map { "\($0)" }.joined(separator: " ")
        return "unit \(served.unit)  read \(content.table.rawValue) \(content.address)\(count): "
            + values
    }

    @Test(arguments: [1, 2, 3]) func everyReplyThatWasServedIsTold(_ seed: UInt64) throws {
        var options = Site.Options()
        options.top = "logLevel: \"wire\","
        let world = try SimulatedWorld(options, seed: seed)
        var told: [[String]] = [[], []]
        var requests = 0
        wire(world) { line, message in
            let parts = message.split(separator: "  ").map(String.init)
            if message.contains(" > ") { requests += 1 }
            guard message.contains(" < "), message.contains("  read "),
                let unit = parts.first?.split(separator: "< ").last
            else { return }
            told[line].append("\(unit)  \(parts[1])")
        }
        world.boot()
        world.run(for: .seconds(300))
        var served = 0
        for line in world.lines.indices {
            let all = world.lines[line].bus.served.filter { !$0.content.isWrite && $0.intact }
                .map(words)
            served += all.count
            #expect(all.count > 50)
            // The last replies may still be on their way.
            let pairs = zip(all, told[line])
            #expect(
                pairs.allSatisfy { $0 == $1 }, "\(pairs.first { $0 != $1 }.map { "\($0)" } ?? "")")
            #expect((0...2).contains(all.count - told[line].count))
        }
        #expect(requests >= served - 4)
    }

    @Test func otherLevelsTellNoFrame() throws {
        let world = try SimulatedWorld(seed: 1)
        var count = 0
        wire(world) { _, _ in count += 1 }
        world.boot()
        world.run(for: .seconds(60))
        #expect(count == 0)
    }
}
