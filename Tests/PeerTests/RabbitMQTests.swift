import Foundation
import Testing

/// RabbitMQ with its MQTT plugin, a durable consumer behind it: one node, and three of which one
/// stops.
@Suite(
    .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["FIELDGW_LONG"] == "1", "board/test --long"))
struct RabbitMQTests {
    private struct Site {
        var gateways: [Peer] = []
        var buses: [Peer] = []
    }

    /// Gateways with one unit each, read five times a second, that know every node.
    private func start(_ count: Int, _ rabbit: RabbitMQ, in workspace: Workspace) throws -> Site {
        var site = Site()
        let program = try Tools.fieldsim()
        for index in 1...count {
            let line = workspace.path("line-\(index)")
            let bus = try Peer(
                program,
                ["bus", "--units", "1", "--baud", "115200", "--parity", "none", "--link", line])
            site.buses.append(bus)
            #expect(bus.line() != nil)
            // Each begins with another node.
            let nodes = (0..<rabbit.nodes.count).map {
                rabbit.nodes[($0 + index) % rabbit.nodes.count]
            }
            let others = nodes.dropFirst().map { "\"127.0.0.1:\($0.mqtt)\"" }.joined(
                separator: ", ")
            let file = try workspace.write(
                "gw-\(index).json5",
                """
                { bridge: { host: "127.0.0.1", port: \(nodes[0].mqtt), fallback: [\(others)], tls: false, gateway: "gw-\(index)",
                    username: "guest", password: "guest", topics: { health: false }, availabilityTopic: "plant/{gateway}",
                    telemetryTopic: "plant/{gateway}/{device}" },
                  state: "state-\(index)", clock: "trust",
                  ports: { line: { device: "\(line)", driver: "modbus-rtu", baud: 115200, parity: "none", nodes: {
                    "node-\(index)": { unit: 1, every: "200ms", points: { a: { holding: 0 } } } } } } }
                """)
            site.gateways.append(
                try Peer(try Tools.fieldgw(), ["run", "--config", file], quiet: true))
        }
        return site
    }

    /// What a gateway says when it leaves: journaled, acknowledged, waiting.
    private func farewell(
        _ gateway: Peer
    ) throws -> (recorded: Int, acknowledged: Int, waiting: Int) {
        let (code, errors) = gateway.end()
        #expect(code == 0)
        let line = try #require(
            errors.split(separator: "\n").last { $0.contains("journaled since the start") },
            "\(errors)")
        let numbers = line[(line.range(of: "stopped: ")?.upperBound ?? line.startIndex)...].split {
            !$0.isNumber
        }
        .compactMap { Int($0) }
        try #require(numbers.count == 3, "\(line)")
        return (numbers[0], numbers[1], numbers[2])
    }

    private func queue(_ arguments: [String]) throws -> Peer {
        try Peer(try Tools.python(), [Tools.peer("amqp-queue.py")] + arguments)
    }

    /// Sequence numbers by device, as they left the queue.
    private func drain(_ port: Int) throws -> [String: [Int]] {
        let consumer = try queue(["drain", "\(port)"])
        var found: [String: [Int]] = [:]
        while let line = consumer.line(), line != "end" {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let device = parts[0].split(separator: ".").last,
                parts[1].hasPrefix("{"),
                let document = try JSONSerialization.jsonObject(with: Data(parts[1].utf8))
                    as? [String: Any],
                let seq = document["seq"] as? Int
            else { continue }
            found[String(device), default: []].append(seq)
        }
        consumer.stop()
        return found
    }

    /// - Parameter disturb: what happens between two spells of ordinary work.
    private func nothingAcknowledgedIsLost(
        nodes: Int, gateways count: Int, spell: UInt32, _ disturb: (RabbitMQ) -> Void
    ) throws {
        let workspace = try Workspace()
        let rabbit = try RabbitMQ(nodes: nodes, in: workspace)
        defer { rabbit.stop() }
        let declared = try queue(["declare", "\(rabbit.nodes[0].amqp)", "\(nodes)"])
        #expect(declared.line() == "ready", "\(declared.finish().errors)")
        declared.stop()
        let site = try start(count, rabbit, in: workspace)
        defer { for peer in site.gateways + site.buses { peer.end() } }
        sleep(spell)
        disturb(rabbit)
        sleep(spell)
        let ends = try site.gateways.map(farewell)
        let found = try drain(rabbit.nodes[0].amqp)
        for (index, end) in ends.enumerated() {
            let seqs = found["node-\(index + 1)"] ?? []
            #expect(end.acknowledged > 0 && end.waiting == 0, "gw-\(index + 1): \(end)")
            #expect(end.recorded == end.acknowledged)
            #expect(
                Set(seqs).count == end.acknowledged,
                "gw-\(index + 1): \(end), \(Set(seqs).count) in the queue")
            guard let first = seqs.min(), let last = seqs.max() else { continue }
            #expect(last - first + 1 == Set(seqs).count, "gw-\(index + 1): a number is missing")
        }
    }

    @Test(.timeLimit(.minutes(5))) func aSingleNodeTakesEverythingOnceAndInOrder() throws {
        try nothingAcknowledgedIsLost(nodes: 1, gateways: 2, spell: 4) { _ in }
    }

    /// The answer for a fleet that has outgrown one machine.
    @Test(.timeLimit(.minutes(10))) func oneOfThreeNodesStopsWhileTwentyGatewaysPublish() throws {
        try nothingAcknowledgedIsLost(nodes: 3, gateways: 20, spell: 20) { rabbit in
            rabbit.nodes[1].process.end()
        }
    }
}
