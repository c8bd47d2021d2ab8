import Base
import Testing

@Suite struct JSONReaderTests {
    @Test(arguments: [
        ("{\"a\":[1,-2.5e3,true,false,null,\"x\"]}", "{\"a\":[1,-2.5e3,true,false,null,\"x\"]}"),
        (" \t\n\r[ ] ", "[]"),
        ("\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"é😀\\n/\""),
        ("0", "0"), ("-0", "-0"), ("1E+2", "1E+2"), ("{}", "{}"), ("\"\u{7F}\"", "\"\\u007f\""),
    ])
    func readsStrictJSON(_ text: String, _ again: String) throws {
        #expect(Self.write(try JSONReader.parse(text)) == again)
    }

    @Test(arguments: [
        (
            "// c\n{a: 'x', /* y */ \"b\": [1, 2,], $_1: .5, }",
            "{\"a\":\"x\",\"b\":[1,2],\"$_1\":.5}"
        ),
        ("{ 0: 0x10, -: 1 }".replacing("-: 1", with: "é: +1"), "{\"0\":0x10,\"é\":+1}"),
        ("'it\\'s \\\nok'", "\"it's ok\""), ("5.", "5."), ("\u{FEFF}{}", "{}"), ("-0xff", "-0xff"),
        ("'a\\\r\nb'", "\"ab\""), ("'a\\vb\\0\\x41'", "\"a\\u000bb\\u0000A\""),
    ])
    func readsJSON5(_ text: String, _ again: String) throws {
        #expect(Self.write(try JSONReader.parse(text, .json5)) == again)
    }

    @Test(arguments: [
        ("", "1:1"), ("{", "1:2"), ("[1,]", "1:4"), ("{\"a\":1,}", "1:8"), ("{\"a\" 1}", "1:6"),
        ("01", "1:1"), ("1.", "1:1"),
        (".5", "1:1"), ("+1", "1:1"), ("0x1", "1:1"), ("1e", "1:1"), ("nul", "1:1"),
        ("\"a\nb\"", "1:3"),
        ("\"\t\"", "1:2"),
        ("\"\\x\"", "1:3"), ("\"\\ud800\"", "1:8"), ("\"\\udc00\"", "1:8"),
        ("\"\\ud800\\u0041\"", "1:14"),
        ("{\"a\":1,\n\"a\":2}", "2:1"),
        ("[1] 2", "1:5"), ("'a'", "1:1"), ("{a:1}", "1:2"), ("// c", "1:1"), ("\"abc", "1:1"),
        ("[\"a\"\n\n,\n}", "4:1"),
    ])
    func refusesWithThePlace(_ text: String, _ place: String) {
        #expect(Self.failure(text, .json) == place)
    }

    @Test(arguments: [
        ("{ a: 5s }", "1:6"), ("{ a: yes }", "1:6"), ("{ a: 1 b: 2 }", "1:8"), ("/* x", "1:1"),
        ("{ a: 0xg }", "1:6"),
        ("{ a: \"x\n\" }", "1:8"), ("{ a: 'é', b }", "1:13"), ("/", "1:1"), ("{ : 1 }", "1:3"),
        ("0x", "1:1"),
        (".", "1:1"),
    ])
    func refusesJSON5WithThePlace(_ text: String, _ place: String) {
        #expect(Self.failure(text, .json5) == place)
    }

    @Test func keepsDuplicatesOfJSON5AndTheirPlaces() throws {
        let json = try JSONReader.parse("{ a: 1,\n  a: 2 }", .json5)
        #expect(json.members?.map(\.name) == ["a", "a"])
        #expect(json.members?.map(\.position.line) == [1, 2])
        #expect(json["a"]?.integer == 1)
    }

    @Test func countsColumnsInScalarsAndLinesAtLineFeeds() throws {
        let json = try JSONReader.parse("{ 'é😀': 1,\r\n b: 2 }", .json5)
        #expect(json.members?[0].value.position == TextPosition(line: 1, column: 9))
        #expect(json.members?[1].position == TextPosition(line: 2, column: 2))
    }

    @Test(arguments: [
        ("9007199254740993", Int64(9_007_199_254_740_993)), ("-9223372036854775808", .min),
        ("2.0", 2),
        ("1e3", 1000),
        ("0x7FFFFFFFFFFFFFFF", .max), ("-0x10", -16),
    ])
    func integersAreExact(_ text: String, _ value: Int64) throws {
        #expect(try JSONReader.parse(text, .json5).integer == value)
    }

    @Test(arguments: ["9223372036854775808", "1.5", "1e300", "0xFFFFFFFFFFFFFFFF", "\"1\"", "true"])
    func notEverythingIsAnInteger(_ text: String) throws {
        #expect(try JSONReader.parse(text, .json5).integer == nil)
    }

    @Test func unsignedIntegersReachTheLastBit() throws {
        for text in ["18446744073709551615", "0xFFFFFFFFFFFFFFFF", "0XffffFFFFffffFFFF"] {
            #expect(try JSONReader.parse(text, .json5).unsigned == .max)
        }
        #expect(try JSONReader.parse("-1").unsigned == nil)
    }

    @Test func numbersAsDoubles() throws {
        #expect(try JSONReader.parse("5.", .json5).double == 5)
        #expect(try JSONReader.parse(".5", .json5).double == 0.5)
        #expect(try JSONReader.parse("-.5e1", .json5).double == -5)
        #expect(
            try JSONReader.parse("0xFFFFFFFFFFFFFFFF", .json5).double == 18_446_744_073_709_551_616)
        #expect(try JSONReader.parse("1e400").double == nil)
    }

    @Test func depthIsLimited() throws {
        let deep = { (n: Int) in String(repeating: "[", count: n) + String(repeating: "]", count: n)
        }
        _ = try JSONReader.parse(deep(JSONReader.depthMax))
        #expect(Self.failure(deep(JSONReader.depthMax + 1), .json) == "1:33")
        #expect(Self.failure(String(repeating: "[", count: 1_000_000), .json) == "1:33")
        _ = try JSONReader.parse(
            "[" + Array(repeating: "{}", count: 1000).joined(separator: ",") + "]")
    }

    @Test func manyKeysCostLittle() throws {
        let text = "{" + (0..<60_000).map { "\"k\($0)\":0" }.joined(separator: ",") + "}"
        let clock = ContinuousClock()
        let took = try clock.measure { _ = try JSONReader.parse(text) }
        #expect(took < .seconds(5))
        #expect(Self.failure(text.dropLast() + ",\"k7\":1}", .json) != nil)
    }

    @Test func everyPrefixAndEveryFlippedBitIsAnAnswerNotATrap() {
        let text =
            "{ \"a\": [1, -2.5e3, 0x1F, true, null], // c\n 'b': { c: \"\\u00e9\\ud83d\\ude00\" }, /* d */ }"
        let bytes = Array(text.utf8)
        #expect((try? JSONReader.parse(bytes, .json5)) != nil, "the whole text is sound")
        for dialect in [JSONReader.Dialect.json, .json5] {
            for count in 0...bytes.count {
                _ = try? JSONReader.parse(Array(bytes[..<count]), dialect)
            }
            for index in bytes.indices {
                for bit in 0..<8 {
                    var flipped = bytes
                    flipped[index] ^= 1 << UInt8(bit)
                    _ = try? JSONReader.parse(flipped, dialect)
                }
            }
        }
    }

    @Test func brokenUTF8IsToldAtItsPlace() {
        var bytes = Array("{\n \"".utf8)
        bytes.append(0xC3)
        bytes += Array("\" }".utf8)
        do {
            _ = try JSONReader.parse(bytes)
            Issue.record("it was accepted")
        } catch {
            #expect(
                error
                    == JSONError(
                        position: TextPosition(line: 2, column: 3), message: "not valid UTF-8"))
        }
    }

    static func failure(_ text: some StringProtocol, _ dialect: JSONReader.Dialect) -> String? {
        do {
            _ = try JSONReader.parse(String(text), dialect)
            return nil
        } catch {
            return "\(error.position.line):\(error.position.column)"
        }
    }

    /// The value again as text, numbers as they were written.
    static func write(_ json: JSON) -> String {
        var writer = JSONWriter()
        func add(_ json: JSON) {
            switch json.kind {
            case .null: writer.null()
            case .bool(let value): writer.bool(value)
            case .number(let text): writer.raw(Array(text.utf8))
            case .string(let text): writer.string(text)
            case .array(let items):
                writer.beginArray()
                items.forEach(add)
                writer.endArray()
            case .object(let members):
                writer.beginObject()
                for member in members {
                    writer.key(member.name)
                    add(member.value)
                }
                writer.endObject()
            }
        }
        add(json)
        return writer.text
    }
}
