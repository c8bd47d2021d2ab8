import Base
import Gateway
import TestKit
import Testing

/// What Prometheus gets: names, escapes, counters that never fall, and pieces that hold no line up.
@Suite struct MetricsTests {
    private func samples(_ world: inout DoorWorld) throws -> [String: Double] {
        let reply = try world.ask("/metrics")
        #expect(
            reply.status == 200 && reply.head.contains("Content-Type: text/plain; version=0.0.4"))
        var found: [String: Double] = [:]
        for line in reply.text.split(separator: "\n") where !line.hasPrefix("#") {
            let space = try #require(line.lastIndex(of: " "))
            let value = try #require(Double(line[line.index(after: space)...]), "\(line)")
            #expect(
                found.updateValue(value, forKey: String(line[..<space])) == nil, "twice: \(line)")
        }
        return found
    }

    @Test func everythingIsThereUnderItsName() throws {
        var world = try DoorWorld(
            nodes: """
                "meter-1": { unit: 1, points: { a: { holding: 0, units: "W" }, flag: { holding: 1, type: "bits", bits: { run: 0 } } } },
                "gone-2": { unit: 2, points: { a: { holding: 0 } } }
                """)
        world.run(for: .seconds(2))
        world.silent = [2]
        world.run(for: .seconds(20))
        let found = try samples(&world)
        let gone = "port=\"bus-a\",unit=\"2\",device=\"gone-2\""
        #expect(found["fieldgw_build_info{version=\"test\",gateway=\"gw-1\"}"] == 1)
        #expect(
            found["fieldgw_bridge_connected"] == 0
                && found["fieldgw_port_open{port=\"bus-a\"}"] == 1)
        #expect(found["fieldgw_unit_up{\(gone)}"] == 0)
        #expect(found["fieldgw_unit_failures_total{\(gone),reason=\"timeout\"}"] ?? 0 > 2)
        #expect(found["fieldgw_point_value{device=\"meter-1\",point=\"a\",units=\"W\"}"] ?? 0 > 10)
        #expect(
            found["fieldgw_point_value{device=\"meter-1\",point=\"flag.run\",units=\"\"}"] != nil)
        #expect(
            found["fieldgw_point_value{device=\"gone-2\",point=\"a\",units=\"\"}"] == nil,
            "absent while bad")
        let good = "port=\"bus-a\",unit=\"1\",device=\"meter-1\""
        let count = found["fieldgw_unit_reply_seconds_count{\(good)}"]
        #expect(
            count ?? 0 > 10
                && found["fieldgw_unit_reply_seconds_bucket{\(good),le=\"+Inf\"}"] == count)
        #expect(found["fieldgw_spool_lost_total{reason=\"full\"}"] == 0)
    }

    @Test func labelsAreEscaped() throws {
        var world = try DoorWorld(
            nodes: #""a\"b\\c": { unit: 1, points: { x: { holding: 0, units: "°\"C" } } }"#)
        world.run(for: .seconds(2))
        let text = try world.ask("/metrics").text
        #expect(
            text.contains(#"fieldgw_point_value{device="a\"b\\c",point="x",units="°\"C"} "#),
            "\(text.suffix(200))")
    }

    @Test func countersSurviveAReload() throws {
        let nodes = "\"meter-1\": { unit: 1, points: { a: { holding: 0 } } }"
        var world = try DoorWorld(nodes: nodes)
        world.run(for: .seconds(5))
        var before = try samples(&world)
        for changed in [
            nodes, nodes + ", \"b-2\": { unit: 2, points: { a: { holding: 0 } } }",
            nodes.replacing("unit: 1", with: "unit: 1, every: \"1s\""),
        ] {
            try world.reload("listen: \"127.0.0.1:8420\"", nodes: changed)
            world.run(for: .seconds(1))
            let after = try samples(&world)
            for (name, value) in before
            where name.contains("_total") || name.contains("_bucket") || name.contains("_count") {
                guard !name.contains("b-2") else { continue }
                #expect(after[name] ?? -1 >= value, "\(name) fell from \(value)")
            }
            before = after
        }
    }

    /// 1,000 points are many small pieces: between two of them the lines have their turn.
    @Test func aThousandPointsAreServedInSlices() throws {
        let points = (0..<100).map { "p\($0): { holding: \($0) }" }.joined(separator: ", ")
        var world = try DoorWorld(
            nodes: (1...10).map { "\"meter-\($0)\": { unit: \($0), points: { \(points) } }" }
                .joined(separator: ", "))
        world.run(for: .seconds(10))
        let before = world.slices.count
        let text = try world.ask("/metrics").text
        #expect(text.split(separator: "\n").count { $0.hasPrefix("fieldgw_point_value{") } == 1000)
        let slices = world.slices[before...]
        #expect(slices.count > 5 && slices.allSatisfy { $0 < 20 << 10 }, "\(slices)")
    }

    /// A machine without a door gets the same over the control socket.
    @Test func theControlSocketHasThemToo() throws {
        var world = try DoorWorld(nil)
        world.run(for: .seconds(2))
        let ticket = ControlTicket(7)
        world.receive(.control(ticket, Array(#"{"get":"metrics"}"#.utf8)))
        world.run(for: .zero)
        let text =
            try JSONReader.parse(world.answers[ticket] ?? [])["metrics"]?.string?.string ?? ""
        #expect(text.hasPrefix("# HELP fieldgw_build_info") && text.hasSuffix("\n"))
        #expect(text.contains("fieldgw_point_value{device=\"meter-1\",point=\"a\",units=\"W\"}"))
    }
}
