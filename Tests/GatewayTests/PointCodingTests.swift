import Adapter
import Base
import Drivers
import Foundation
import Gateway
import Testing

/// The keys that say how a point's bytes are read.
@Suite struct PointCodingTests {
    private func points(_ text: String) throws -> [Point] {
        let (configuration, diagnostics) = Samples.read(Samples.withPoints(text))
        #expect(diagnostics.map(\.description) == [])
        return try #require(configuration).ports[0].nodes[0].points
    }

    private func point(_ text: String) throws -> Point {
        try #require(try points("x: { \(text) }").first)
    }

    @Test func integersAreReadWithTheirSigns() throws {
        #expect(
            try point("holding: 3, type: \"int16\", sign: \"magnitude\"").coding.sign == .magnitude)
        #expect(try point("holding: 3, type: \"bcd32\", as: \"digits\"").coding.form == .digits)
        #expect(try point("holding: 3, type: \"uint64\", as: \"text\"").coding.form == .text)
        let part = try point("holding: 3, type: \"int24\", byte: \"high\", order: \"CDAB\"")
        #expect(part.byte == .high && part.count == 2 && part.order?.description == "CDAB")
        #expect(try point("holding: 3, type: \"uint48\", order: \"EFCDAB\"").count == 3)
        #expect(try point("holding: 3, type: \"m10k\"").count == 2)
        #expect(try point("holding: 3, type: \"m10k\", length: 4, order: \"GHEFCDAB\"").count == 4)
        #expect(
            try point("holding: 3, type: \"int16\", sign: \"magnitude\", invalid: -5").invalid == [
                .number(-5)
            ])
        #expect(
            try point("holding: 3, type: \"int24\", invalid: [-1, 0x800000]").invalid == [
                .code(0xFFFFFF), .code(0x800000),
            ])
    }

    @Test func aListOfRegistersIsOneValue() throws {
        for text in [
            "holding: [0x4E, 0x50]", "registers: [0x4E, 0x50]",
            "registers: [0x4E, 0x50], table: \"holding\"",
        ] {
            let point = try point("\(text), type: \"uint32\"")
            #expect(
                point.table == .holding && point.address == 0x4E
                    && point.coding.registers == [0x4E, 0x50])
        }
        let point = try point("registers: [9, 3], table: \"input\", type: \"int32\"")
        #expect(point.table == .input && point.address == 3 && point.coding.registers == [9, 3])
        let run = try self.point("holding: [5, 6], type: \"uint32\", writable: true")
        #expect(run.address == 5 && run.coding.registers == [])
        #expect(try self.point("holding: [5, 9, 11], type: \"string\"").length == 3)
    }

    @Test func dateKeysMakeALayout() throws {
        let clock = try point(
            "holding: 0x9013, type: \"datetime\", layout: \"mmss DDhh YYMM\", utcOffset: \"-05:30\""
        )
        #expect(clock.count == 3 && clock.coding.layout?.zone == .offset(-330))
        let bcd = try point(
            "holding: 1, type: \"datetime\", layout: \"YYMM DD--\", encoding: \"bcd\", utcOffset: \"unknown\""
        )
        #expect(bcd.coding.layout == TimeLayout("YYMM DD--", .bcd, zone: .unknown))
        let epoch = try point(
            "holding: 1, type: \"datetime\", layout: \"epoch\", order: \"CDAB\", invalid: 0")
        #expect(
            epoch.count == 2 && epoch.order?.description == "CDAB" && epoch.invalid == [.code(0)])
        #expect(
            try point(
                "holding: 1, type: \"datetime\", layout: \"epoch\", length: 4, order: \"GHEFCDAB\""
            ).count == 4)
        #expect(try point("holding: 1, type: \"datetime\", layout: \"epoch-ms\"").count == 4)
        #expect(
            try point(
                "holding: 250, type: \"datetime\", layout: \"hhmm\", encoding: \"decimal\", writable: true"
            ).count == 1)
        #expect(try point("holding: 1, type: \"datetime\", layout: \"cp56\"").count == 4)
    }

    @Test func textKeysSayHowBytesAreCharacters() throws {
        #expect(
            try point(
                "holding: 1, type: \"string\", length: 4, encoding: \"utf-16\", order: \"BA\""
            ).coding.characters == .utf16)
        #expect(try point("holding: 1, type: \"hex\", length: 3").count == 3)
        #expect(
            try point("holding: 1, type: \"version\", length: 2, parts: [8, 8, 16]").coding.parts
                == VersionParts(.binary, [8, 8, 16]))
        #expect(
            try point("holding: 1, type: \"version\", encoding: \"decimal\", parts: [1, 2]").coding
                .parts == VersionParts(.decimal, [1, 2]))
        let digits = try point("holding: 1, digits: 5")
        #expect(
            digits.count == 3 && digits.type == .float64
                && digits.text == .place(at: 0, count: 5, decimal: 0x2E))
        #expect(try point("holding: 1, digits: 4, hex: true, type: \"int16\"").rules.isHexadecimal)
    }

    @Test func aSignMayStandInAnotherPoint() throws {
        let all = try points(
            """
            p: { input: 0x817D, type: "int32", negativeIf: { point: "way", equals: ["out", 7] } },
            q: { input: 0x816E, negativeIf: { point: "pump", differs: true } },
            way: { input: 0x816F, map: { 1: "out" }, hidden: true }, pump: { coil: 3 }
            """)
        #expect(all[0].coding.negativeIf == PointMatch("way", [1, 7]))
        #expect(all[1].coding.negativeIf == PointMatch("pump", [1], differs: true))
        // What is read for it is read with it.
        let (configuration, _) = Samples.read(
            Samples.withPoints(
                """
                p: { input: 1, every: "1s", negativeIf: { point: "way", equals: 1 } }, way: { input: 9, every: "1m" }
                """))
        let spans = try #require(configuration).ports[0].nodePlans[0].spans
        #expect(spans.contains(Span(.input, 9, 1, every: .seconds(1))))
    }

    @Test func whatIsWrittenTogetherIsSaidInWritable() throws {
        let rule = try #require(
            try point("holding: 3, writable: { together: true, exact: true }").writable)
        #expect(rule.isTogether && rule.isExact)
    }

    /// Nothing is read for a point that is only written, and nothing is said of it.
    @Test func aPointThatIsOnlyWrittenIsNeverRead() throws {
        let text =
            "x: { holding: 3, writeOnly: true }, y: { holding: 4, writeOnly: true, writable: { max: 5 } }, z: { coil: 9, type: \"bool\" }"
        let (configuration, diagnostics) = Samples.read(Samples.withPoints(text))
        #expect(diagnostics.map(\.description) == [])
        let port = try #require(configuration).ports[0]
        #expect(port.nodePlans[0].spans.map(\.table) == [.coil])
        var adapter = Adapter(port.bindings)
        let device = port.nodes[0].device
        #expect(adapter.lastValues(of: device).map(\.name) == ["z"])
        let order = try adapter.orders(
            [("y", JSON(.number("5")))], of: device, firstID: 1, expires: .distantFuture,
            at: Moment(.zero, WallTime(milliseconds: 0)))
        #expect(order.map(\.readBack) == [false] && order.map(\.compare) == [false])
        let bits = try point("holding: 3, type: \"bits\", bits: { a: 1 }, writeOnly: true")
        #expect(bits.writable?.function == 22)
    }

    @Test func aUnitMayDepartFromTheStandard() throws {
        func node(_ keys: String) throws -> Configuration.Node {
            let (configuration, diagnostics) = Samples.read(
                Samples.withNodes("\"dev-1\": { unit: 1, \(keys) points: { x: { holding: 0 } } }"))
            #expect(diagnostics.map(\.description) == [])
            return try #require(configuration).ports[0].nodes[0]
        }
        #expect(try node("").manners == UnitManners())
        #expect(
            try node("answersAs: 0, acknowledge: \"lenient\",").manners
                == UnitManners(answersAs: 0, isLenient: true))
    }

    /// An address in the style of 40001 is refused in `setup` as it is in points; hexadecimal means
    /// what it says.
    @Test func setupTakesProtocolAddresses() throws {
        func diagnostics(_ step: String) -> [String] {
            Samples.read(
                Samples.withNodes(
                    "\"dev-1\": { unit: 1, setup: [{ \(step): 1 }], points: { x: { holding: 0 } } }"
                )
            )
            .1.map(\.description)
        }
        let complaint = try #require(diagnostics("\"holding:40017\"").first)
        #expect(
            complaint.hasPrefix(
                "gw.json5:3:31: error: 40017 is a reference that counts from 1; write the zero-based"
            ))
        #expect(complaint.contains("\"holding:16\"") && complaint.contains("write 0x9C51"))
        #expect(diagnostics("\"holding:400017\"").count == 1)
        #expect(diagnostics("\"holding:0x9C51\"") == [])
        #expect(diagnostics("\"holding:30001\"") == [])
        #expect(diagnostics("\"coil:3\"") == [])
    }

    /// The key or value at fault by its column on line 4, and a part of what is said.
    @Test(
        arguments: [
            (
                "holding: 3, sign: \"magnitude\"", 18,
                "\"sign\" is for signed integers and BCD, not for uint16"
            ),
            ("holding: 3, type: \"int16\", sign: \"magnitud\"", 39, "did you mean \"magnitude\"?"),
            ("holding: 3, type: \"uint42\"", 24, "\"uint16\""),
            ("holding: 3, as: \"digits\"", 22, "\"digits\" is for BCD"),
            ("holding: 3, type: \"bcd16\", scale: 0.1, as: \"digits\"", 49, "without scale"),
            (
                "holding: 3, type: \"string\", length: 1, as: \"text\"", 45,
                "\"as\" has no meaning for string"
            ),
            (
                "holding: 3, encoding: \"bcd\"", 18,
                "\"encoding\" is for string, version and datetime"
            ),
            ("holding: 3, layout: \"epoch\"", 18, "\"layout\" is for datetime"),
            ("holding: 3, parts: [8]", 18, "\"parts\" is for version"),
            ("holding: 3, type: \"datetime\"", 4, "\"layout\" is missing"),
            ("holding: 3, type: \"datetime\", layout: \"epoc\"", 44, "did you mean \"epoch\"?"),
            ("holding: 3, type: \"datetime\", layout: \"YYMM\"", 44, "is no layout"),
            ("holding: 3, type: \"datetime\", layout: \"YYMMDD\"", 44, "fill it up with \"--\""),
            (
                "holding: 3, type: \"datetime\", layout: \"hhmm\", length: 1", 52,
                "the layout says how long it is"
            ),
            (
                "holding: 3, type: \"datetime\", layout: \"epoch\", encoding: \"bcd\"", 63,
                "has its own encoding"
            ),
            (
                "holding: 3, type: \"datetime\", layout: \"epoch\", utcOffset: \"CET\"", 64,
                "an offset such as"
            ),
            (
                "holding: 3, type: \"datetime\", layout: \"epoch\", utcOffset: \"+19:00\"", 64,
                "no place on earth"
            ),
            ("holding: 3, type: \"datetime\", layout: \"ti081\", writable: true", 53, "only read"),
            (
                "holding: 3, type: \"version\", parts: [8, 4]", 42,
                "12 bits together; this value has 16"
            ),
            ("holding: 3, type: \"version\", encoding: \"decimal\"", 4, "\"parts\" is missing"),
            ("holding: 3, type: \"version\", writable: true", 35, "a version is only read"),
            ("holding: 3, type: \"hex\"", 4, "how long is the hex"),
            ("holding: 3, type: \"hex\", length: 1, map: { 0: \"a\" }", 42, "no meaning"),
            ("holding: 3, type: \"uint48\", order: \"ABCD\"", 41, "the six letters A to F"),
            ("holding: 3, type: \"m10k\", length: 5", 40, "from 2 to 4"),
            ("holding: 3, type: \"uint24\", length: 2", 34, "has its own"),
            ("holding: [3, 5]", 15, "a uint16 is in 1 register, not in the 2 listed"),
            ("holding: [3, 3], type: \"uint32\"", 15, "names a register twice"),
            ("holding: [3, 40005], type: \"uint32\"", 19, "counts from 1"),
            ("coil: [3, 5]", 12, "not a list"),
            ("registers: 3", 17, "is a list such as"),
            ("registers: [3, 5], holding: 3, type: \"uint32\"", 6, "has two places"),
            ("holding: 3, table: \"input\"", 18, "goes with \"registers\""),
            ("holding: [3, 5], type: \"uint32\", writable: true", 39, "are not written"),
            ("holding: 3, digits: 4, writable: true", 29, "written in digits is not written"),
            ("holding: 3, digits: 4, type: \"bcd16\"", 35, "an integer or a float"),
            (
                "holding: 3, negativeIf: { point: \"y\", equals: 1 }", 39,
                "this node has no such point"
            ),
            ("holding: 3, negativeIf: { point: \"x\", equals: 1 }", 39, "names the point itself"),
            ("holding: 3, negativeIf: { at: 3, equals: 1 }", 30, "names a point of this node"),
            (
                "holding: 3, type: \"bool\", negativeIf: { point: \"x\", equals: 1 }", 32,
                "no meaning for bool"
            ),
            (
                "holding: 3, writable: { together: true, function: 6 }", 30,
                "goes by function 16, not by 6"
            ),
            (
                "holding: 3, type: \"uint8\", writable: { together: true }", 45,
                "whole registers and coils"
            ),
            ("input: 3, writeOnly: true", 16, "only coils and holding registers can be written"),
            ("holding: 3, type: \"uint24\", writeOnly: true", 34, "they have to be read first"),
            (
                "holding: 3, type: \"float32\", writable: { exact: true }", 47,
                "\"exact\" has no meaning for float32"
            ),
        ] as [(String, Int, String)]) func aWrongKeyIsToldAtItsPlace(
            _ text: String, _ column: Int, _ words: String
        )
    {
        let (_, diagnostics) = Samples.read(Samples.withPoints("x: { \(text) }"))
        #expect(diagnostics.count == 1)
        let first = diagnostics.first?.description ?? "nothing"
        #expect(
            first.hasPrefix("gw.json5:4:\(column): error: ") && first.contains(words),
            "\(diagnostics.map(\.description))")
    }

    @Test func aSignNeedsANumberThatStandsByItself() {
        for (other, words) in [
            ("type: \"string\", length: 1", "not string"),
            ("scaleFrom: \"z\"", "depends on another"),
            ("type: \"bits\", bits: { a: 0 }", "not bits"),
        ] {
            let text =
                "x: { holding: 3, negativeIf: { point: \"y\", equals: 1 } }, y: { holding: 4, \(other) }, z: { holding: 9 }"
            let found = Samples.read(Samples.withPoints(text)).1.map(\.description)
            #expect(found.count == 1 && found[0].contains(words), "\(found)")
        }
        let found = Samples.read(
            Samples.withPoints("x: { holding: 3, negativeIf: { point: \"y\" } }, y: { holding: 4 }")
        ).1
        #expect(found.map(\.message) == ["\"negativeIf\" needs one of \"equals\" and \"differs\""])
    }

    @Test func aFrameHasTheSameEncodings() throws {
        let text = """
            { bridge: { host: "h", gateway: "gw-1" }, ports: { u: { device: "/dev/u", driver: "uart", nodes: { n: {
              frame: { fixed: 20 }, fields: {
                a: { at: 0, type: "int24", order: "CBA" }, b: { at: 3, type: "bcd8" }, c: { at: -6, digits: 4, hex: true, type: "int16" },
                d: { at: 4, type: "datetime", layout: "YYMMDDhhmmss", encoding: "bcd" }, e: { at: 10, digits: 3, decimal: "," },
                f: { at: 13, type: "uint16", negativeIf: { at: 15, equals: "-" } }, g: { at: 16, type: "uint8", negativeIf: { point: "h", equals: 1 } },
                h: { at: 17, type: "uint8" }, i: { at: 0, type: "hex", length: 3 } } } } } } }
            """
        let (configuration, diagnostics) = Samples.read(text)
        #expect(diagnostics.map(\.description).filter { $0.contains("error") } == [])
        let points = try #require(configuration).ports[0].nodes[0].points
        #expect(
            points[2].text == .place(at: -6, count: 4, decimal: 0x2E)
                && points[2].rules.isHexadecimal)
        #expect(
            points[3].length == 6 && points[4].type == .float64 && points[5].rules.negativeIf != nil
        )
        #expect(points[6].coding.negativeIf == PointMatch("h", [1]))
        #expect(points[8].length == 3)
    }

    /// What `board/docs/points.md` shows is accepted as it stands.
    @Test func everyPointOfTheDocumentIsAccepted() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let document = try String(
            contentsOf: root.appendingPathComponent("board/docs/points.md"), encoding: .utf8)
        let blocks = document.components(separatedBy: "```json5").dropFirst().map {
            $0.components(separatedBy: "\n```")[0]
        }
        #expect(blocks.count >= 7)
        for block in blocks {
            let isFrame = block.hasPrefix(" fields\n")
            let text =
                isFrame
                ? "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { u: { device: \"/dev/u\", driver: \"uart\", nodes: { n: {"
                    + "frame: { fixed: 24 }, fields: {\(block.dropFirst(7))\n} } } } } }"
                : Samples.withPoints(block)
            #expect(Samples.read(text).1.map(\.description).filter { $0.contains("error") } == [])
        }
        for type in ValueType.allCases {
            #expect(document.contains(type.rawValue), "\(type.rawValue) is not in the document")
        }
    }

    /// The tools take the same words.
    @Test func aToolReadsAndWritesTheSameEncodings() throws {
        let now = Moment(.zero, WallTime(milliseconds: 0))
        func codec(
            _ place: String, _ type: ValueType, order: String? = nil, sign: String? = nil,
            layout: String? = nil, encoding: String? = nil
        ) throws -> RegisterCodec {
            let coding = try Coding(type, sign: sign, layout: layout, encoding: encoding)
            return try RegisterCodec(
                try RegisterPlace(place), type: type, order: order, coding: coding)
        }
        #expect(
            try codec("holding:0", .int16, sign: "magnitude").texts([0x80D0], at: now) == ["-208"])
        #expect(
            try codec("holding:0", .int16, sign: "magnitude").encode(["-208"], at: now)
                == .registers([0x80D0]))
        #expect(
            try codec("holding:0", .uint48, order: "EFCDAB").texts([3, 2, 1], at: now) == [
                "4295098371"
            ])
        #expect(try codec("holding:0:2", .hex).texts([0x1A, 0xFF], at: now) == ["\"001A00FF\""])
        #expect(
            try codec("holding:0:2", .hex).encode(["001A00FF"], at: now)
                == .registers([0x1A, 0xFF]))
        #expect(
            try codec("holding:0", .datetime, order: "CDAB", layout: "epoch").texts(
                [0xF100, 0x6553], at: now)
                == ["\"2023-11-14T22:13:20Z\""])
        #expect(
            try codec("holding:0", .datetime, layout: "YYMM DD--", encoding: "bcd").texts(
                [0x2611, 0x2900], at: now) == ["\"2026-11-29\""])
        #expect(try codec("holding:0:4", .m10k).count == 4)
        #expect(try codec("holding:0", .m10k).count == 2)
        #expect(throws: RegisterPlace.Problem.self) { _ = try codec("holding:0", .datetime) }
        #expect(throws: RegisterPlace.Problem.self) {
            _ = try codec("holding:0", .uint16, sign: "magnitude")
        }
        #expect(throws: RegisterPlace.Problem.self) { _ = try codec("holding:0:5", .m10k) }
        #expect(throws: RegisterPlace.Problem.self) {
            _ = try codec("holding:0", .datetime, layout: "nonsense")
        }
        #expect(throws: RegisterPlace.Problem.self) {
            _ = try codec("holding:0", .uint16, encoding: "bcd")
        }
    }
}
