import Base
import Gateway
import Testing

/// What is told about a node that is not Modbus: place and reason.
@Suite struct UARTDiagnosticTests {
    /// Inside the one node of a UART port, on line 2.
    static let uart = [
        ("fields: { v: { at: 0 } }", "1:101", "\"frame\" is missing"),
        (
            "frame: { max: 8 }, fields: { v: { at: 0 } }", "2:8",
            "exactly one of end, fixed, length and silence, not 0"
        ),
        ("frame: { fixed: 4, end: \"\\n\" }, fields: { v: { at: 0 } }", "2:8", "not 2"),
        (
            "frame: { start: \"hex:FF FF FF\", fixed: 2 }, fields: { v: { at: 0 } }", "2:8",
            "\"start\" take 3 bytes, and a frame has at most 2"
        ),
        (
            "frame: { start: \"ab\", end: \"\\r\\n\", max: 3 }, fields: { v: { at: 0 } }", "2:8",
            "take 4 bytes, and a frame has at most 3"
        ),
        (
            "frame: { length: { at: 7, bytes: 2 }, max: 8 }, fields: { v: { at: 0 } }", "2:8",
            "take 9 bytes, and a frame has at most 8"
        ),
        (
            "frame: { start: \"abc\", silence: \"20ms\", max: 2 }, fields: { v: { at: 0 } }", "2:8",
            "take 3 bytes, and a frame has at most 2"
        ),
        ("frame: { fixed: 400 }, fields: { v: { at: 0 } }", "2:17", "from 1 to 256"),
        (
            "frame: { start: \"hex:4\", fixed: 4 }, fields: { v: { at: 0 } }", "2:17",
            "is not hexadecimal"
        ),
        ("frame: { end: 10 }, fields: { v: { at: 0 } }", "2:15", "must be bytes"),
        ("frame: { end: \"\" }, fields: { v: { at: 0 } }", "2:15", "has 0 bytes"),
        (
            "frame: { length: { bytes: 1 } }, fields: { v: { at: 0 } }", "2:18",
            "\"at\" is missing in \"length\""
        ),
        ("frame: { silence: 5 }, fields: { v: { at: 0 } }", "2:19", "must be a duration"),
        (
            "frame: { fixed: 4 }, checksum: { type: \"sum\" }, fields: { v: { at: 0 } }", "2:40",
            "must be one of \"none\", \"sum8\""
        ),
        (
            "frame: { fixed: 4 }, checksum: {}, fields: { v: { at: 0 } }", "2:32",
            "\"type\" is missing in \"checksum\""
        ),
        (
            "frame: { fixed: 4 }, checksum: { type: \"sum16\", at: -1 }, fields: { v: { at: 0 } }",
            "2:53",
            "takes 2 bytes"
        ),
        (
            "frame: { fixed: 4 }, address: { equals: 3 }, fields: { v: { at: 0 } }", "2:31",
            "one of \"at\" and \"index\""
        ),
        (
            "frame: { fixed: 4 }, address: { at: 3 }, fields: { v: { at: 0 } }", "2:31",
            "needs one of \"equals\" and \"ends\""
        ),
        (
            "frame: { fixed: 4 }, checksum: \"crc32\", fields: { v: { at: 0 } }", "2:32",
            "must be one of \"none\", \"sum8\""
        ),
        (
            "frame: { fixed: 4 }, checksum: { type: \"sum16\", as: \"hex\", at: -3 }, fields: { v: { at: 0 } }",
            "2:64", "takes 4 bytes; at -3 there are only 3 left"
        ),
        (
            "request: { checksum: \"sum8\" }, frame: { fixed: 4 }, fields: { v: { at: 0 } }",
            "2:10", "\"send\" is missing"
        ),
        (
            "request: \"{id}?\", frame: { fixed: 4 }, fields: { v: { at: 0 } }", "1:101",
            "\"id\" is missing in node"
        ),
        (
            "id: \"a\", request: \"hex:01 {id}\", frame: { fixed: 4 }, fields: { v: { at: 0 } }",
            "2:19",
            "needs an \"id\" that is a number"
        ),
        ("id: 256, frame: { fixed: 4 }, fields: { v: { at: 0 } }", "2:5", "from 0 to 255"),
        (
            "frame: { fixed: 4 }, address: { at: 3, ends: \"x\" }, fields: { v: { at: 0 } }",
            "2:31",
            "\"ends\" is for an item of text"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { at: 0, validIf: { at: 1 } } }", "2:53",
            "needs one of \"equals\" and \"differs\""
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 0, validIf: { equals: 1 } } }", "2:56",
            "needs one of \"at\" and \"index\""
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { at: 0, angle: \"ddmm\" } }", "2:44",
            "is for a value that is written as text"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 0, angle: \"deg\" } }", "2:54",
            "must be \"ddmm\""
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 0, hex: true, angle: \"ddmm\" } }", "2:58",
            "no meaning for hexadecimal digits"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 0, type: \"string\", hex: true } }", "2:53",
            "are for numbers, not for strings"
        ),
        ("frame: { fixed: 4 }, fields: { v: { index: 0, split: \"\" } }", "2:54", "has 0 bytes"),
        (
            "frame: { length: { at: 1, order: \"AB\" } }, fields: { v: { at: 0 } }", "2:34",
            "must be one of \"big\", \"little\""
        ),
        ("frame: { fixed: 4 }, unit: 3, fields: { v: { at: 0 } }", "2:22", "unknown key \"unit\""),
        ("frame: { fixed: 4 }", "1:101", "\"fields\" is missing in node \"dev\""),
        (
            "frame: { fixed: 4 }, fields: { v: {} }", "2:35",
            "exactly one of \"at\", \"index\" and \"template\", not 0"
        ),
        (
            "frame: { fixed: 4, max: 4 }, fields: { v: { at: 3, type: \"uint16\" } }", "2:49",
            "2 bytes at 3 do not fit"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { at: -1, type: \"uint16\" } }", "2:41",
            "2 bytes at -1 do not fit"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 1, type: \"bits\" } }", "2:53",
            "a number or a string"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { index: 1, decimal: \";\" } }", "2:56",
            "must be \".\" or \",\""
        ),
        ("frame: { fixed: 4 }, fields: { v: { template: \"T={x}\" } }", "2:47", "is no template"),
        (
            "frame: { fixed: 4 }, fields: { v: { at: 1, writable: true } }", "2:44",
            "only coils and holding"
        ),
        (
            "frame: { fixed: 4 }, fields: { v: { holding: 1, at: 1 } }", "2:37",
            "unknown key \"holding\""
        ),
    ]

    @Test(arguments: uart)
    func tellsPlaceAndReasonOnAUART(_ snippet: String, _ at: String, _ part: String) {
        let ports = "u: { device: \"/u\", driver: \"uart\", nodes: { dev: {"
        let text = Samples.withPorts(ports).replacing("ports: {\n", with: "ports: { ")
            .replacing("\n} }", with: "\n\(snippet)\n} } } } }")
        let (_, diagnostics) = Samples.read(text)
        let match = diagnostics.first {
            $0.description.hasPrefix("gw.json5:\(at): error: ") && $0.message.contains(part)
        }
        #expect(match != nil && diagnostics.count == 1, "\(diagnostics.map(\.description))")
    }

    @Test func twoStreamsOnOneLineMustDiffer() {
        let node = "frame: { end: \"\\n\" }, fields: { v: { index: 1 } }"
        let two =
            "u: { device: \"/u\", driver: \"uart\", nodes: { one: { \(node) },\ntwo: { \(node) } } }"
        let (_, diagnostics) = Samples.read(Samples.withPorts(two))
        #expect(diagnostics.map(\.place.position) == [TextPosition(line: 3, column: 1)])
        let told = two.replacing("two: {", with: "two: { address: { index: 0, equals: \"B\" },")
        #expect(Samples.read(Samples.withPorts(told)).1 == [])
    }

    @Test func oneFrameMayBeSeveralDevices() throws {
        func node(_ index: Int) -> String {
            "share: true, frame: { end: \"\\n\" }, fields: { x: { index: \(index) } }"
        }
        let ports =
            "u: { device: \"/u\", driver: \"uart\", nodes: { one: { \(node(1)) }, two: { \(node(2)) } } }"
        #expect(Samples.read(Samples.withPorts(ports)).1 == [])
    }
}
