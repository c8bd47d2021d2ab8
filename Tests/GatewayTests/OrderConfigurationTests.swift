import Adapter
import Base
import Gateway
import Testing

/// The keys that say what may be written, by whom and how.
@Suite struct OrderConfigurationTests {
    @Test func everythingThatIsWrittenStandsInTheFile() throws {
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(
                """
                "dev-1": { unit: 4, setup: [{ mode: "remote" }, { "holding:0x10": [1, 2], "coil:3": true }], points: {
                  mode: { holding: 7, map: { 0: "local", 1: "remote" } },
                  half: { holding: 8, type: "uint8", writable: { function: 22, readback: true, compare: false } },
                  temperature: { holding: 9, scale: 0.1, writable: { tolerance: 0.5, values: [20, 21] } },
                  pulse: { coil: 1, writable: { readback: false, function: 15 }, safe: { value: false, after: "10m" } },
                  reset: { custom: { function: 0x42, data: "hex:01 00" }, writable: { perMinute: 1 } },
                  go: { custom: { function: 65, data: { slow: "hex:01", fast: "hex:02" } }, writable: true },
                } }
                """))
        #expect(diagnostics == [])
        let node = try #require(configuration?.ports.first?.nodes.first)
        #expect(node.points.map(\.name) == ["mode", "half", "temperature", "pulse"])
        #expect(node.points[1].writable == WriteRule(compare: false, function: 22))
        #expect(node.points[2].writable == WriteRule(values: [20, 21], tolerance: 0.5))
        #expect(node.points[3].writable == WriteRule(readBack: false, compare: false, function: 15))
        #expect(node.points[3].safe == SafeValue(value: "false", after: .seconds(600)))
        #expect(
            node.actions.map(\.payload) == [.fixed([1, 0]), .named(["slow": [1], "fast": [2]])])
        #expect(node.actions.map(\.function) == [0x42, 65] && node.actions[0].rule.perMinute == 1)
        #expect(node.setup.map(\.label) == ["mode", "holding:0x10", "coil:3"])
        #expect(
            node.setup.map(\.order.data) == [.registers([1]), .registers([1, 2]), .bits([true])])
        #expect(node.setup.map(\.order.start) == [7, 16, 3])
        #expect(configuration?.ports.first?.nodePlans.first?.setup == node.setup.map(\.order))
    }

    @Test func aBaseMovesTheSetupToo() throws {
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes(
                """
                "dev-1": { unit: 4, base: 1000, setup: [{ mode: 1 }, { "holding:16": [1, 2] }], points: {
                  mode: { holding: 7, writable: true } } }
                """))
        #expect(diagnostics == [])
        let node = try #require(configuration?.ports.first?.nodes.first)
        #expect(node.setup.map(\.order.start) == [1007, 1016])
    }

    /// What is wrong, with the words that tell it.
    @Test(arguments: [
        (
            "points: { x: { holding: 3, writable: { function: 22 } } }",
            "what writes a uint16 in a holding is 6, 16"
        ),
        ("points: { x: { coil: 3, writable: { function: 6 } } }", "is 5, 15"),
        (
            "points: { x: { holding: 3, writable: { readback: false, compare: true } } }",
            "\"compare\" needs \"readback\""
        ),
        ("points: { x: { holding: 3, writable: { tolerance: -1 } } }", "must not be negative"),
        (
            "points: { x: { holding: 3, safe: { value: 70000, after: \"1m\" } } }",
            "the safe value cannot be written"
        ),
        ("points: { x: { holding: 3, safe: { value: 1 } } }", "\"after\" is missing"),
        (
            "points: { x: { input: 3, safe: { value: 1, after: \"1m\" } } }",
            "only coils and holding"
        ),
        (
            "points: { x: { custom: { function: 66, data: \"hex:0\" }, writable: true } }",
            "is not hexadecimal"
        ),
        ("points: { x: { custom: { function: 200 }, writable: true } }", "from 1 to 127"),
        ("points: { x: { custom: { function: 66 } } }", "write writable: true"),
        (
            "points: { x: { holding: 3 } }, setup: [{ y: 1 }]",
            "neither a point of this node nor a place"
        ),
        ("points: { x: { holding: 3 } }, setup: [{ x: 70000 }]", "this cannot be written"),
        (
            "points: { x: { holding: 3 } }, setup: [{ \"holding:3\": -1 }]",
            "whole numbers from 0 to 65535"
        ),
        (
            "points: { x: { holding: 3 } }, base: 65000, setup: [{ \"holding:600\": 1 }]",
            "with the node's base 65000 this ends at 65600"
        ),
        (
            "points: { x: { holding: 3 } }, setup: [{ \"holding:65535\": [1, 2] }]",
            "this ends at 65536"
        ),
        ("points: { x: { holding: 3 } }, setup: [5]", "must be an object"),
    ])
    func whatIsWrongIsTold(_ node: String, _ words: String) {
        let (configuration, diagnostics) = Samples.read(
            Samples.withNodes("\"dev-1\": { unit: 1, \(node) }"))
        #expect(configuration == nil)
        #expect(
            diagnostics.contains { $0.message.contains(words) }, "\(diagnostics.map(\.description))"
        )
    }
}
