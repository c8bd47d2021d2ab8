import Base
import Testing

/// A text from a peer costs a bounded number of steps for each of its bytes, whatever it holds.
/// Steps are counted, since a time says more about the machine than about the reader.
@Suite struct JSONWorkTests {
    struct Hostile: Sendable, CustomTestStringConvertible {
        var name: String
        var make: @Sendable (Int) -> String
        var testDescription: String { name }

        init(_ name: String, _ make: @escaping @Sendable (Int) -> String) {
            self.name = name
            self.make = make
        }
    }

    static func many(_ count: Int, _ one: (Int) -> String) -> String {
        (0..<count).map(one).joined(separator: ",")
    }

    static let marks = "\u{301}\u{316}"

    static let hostile = [
        Hostile("combining marks as a key") {
            "{\"" + String(repeating: marks, count: $0) + "\":1}"
        },
        Hostile("combining marks as many keys") { n in
            "{" + many(n / 100) { "\"\($0)" + String(repeating: marks, count: 100) + "\":1" } + "}"
        },
        Hostile("combining marks as a value") {
            "{\"a\":\"" + String(repeating: marks, count: $0) + "\"}"
        },
        Hostile("Hangul, Kelvin and joiners") {
            "[\"" + String(repeating: "\u{1100}\u{1161}\u{212A}\u{200D}", count: $0) + "\"]"
        },
        Hostile("members") { n in "{" + many(n) { "\"k\($0)\":0" } + "}" },
        Hostile("members of one length") { n in "{" + many(n) { "\"k\(10_000_000 + $0)\":0" } + "}"
        },
        Hostile("the last key twice") { n in "{" + many(n) { "\"k\($0)\":0" } + ",\"k1\":0}" },
        Hostile("objects of eight long keys") { n in
            let tail = String(repeating: "x", count: 100)
            return "[" + many(n / 800) { _ in "{" + many(8) { "\"\(tail)\($0)\":0" } + "}" } + "]"
        },
        Hostile("an array") { n in "[" + many(n) { _ in "1" } + "]" },
        Hostile("a number of many digits") { "[" + String(repeating: "9", count: $0) + "]" },
        Hostile("numbers of 400 digits") { n in
            "[" + many(n / 400) { _ in String(repeating: "9", count: 400) } + "]"
        },
        Hostile("escapes") { "[\"" + String(repeating: "\\u0301\\n", count: $0) + "\"]" },
        Hostile("surrogates") { "[\"" + String(repeating: "\\ud83d\\ude00", count: $0) + "\"]" },
        Hostile("half a surrogate at the end") {
            "[\"" + String(repeating: "\\ud83d\\ude00", count: $0) + "\\ud83d\"]"
        },
        Hostile("brackets") { String(repeating: "[", count: $0) },
        Hostile("deep objects again and again") { n in
            "["
                + many(n / 100) { _ in
                    String(repeating: "{\"a\":", count: 30) + "1"
                        + String(repeating: "}", count: 30)
                } + "]"
        },
        Hostile("white space") { String(repeating: " \n", count: $0) + "1" },
        Hostile("words without quotes") { n in "[" + many(n) { _ in "yes" } + "]" },
        Hostile("a word without quotes") { "[" + String(repeating: "é", count: $0) + "]" },
        Hostile("a string that never ends") { "\"" + String(repeating: "a", count: $0) },
        Hostile("comments") { String(repeating: "/* x */", count: $0) + "1" },
        Hostile("a comment that never ends") { "/*" + String(repeating: "*", count: $0) },
    ]

    @Test(arguments: hostile, [JSONReader.Dialect.json, .json5])
    func readingIsLinear(_ hostile: Hostile, _ dialect: JSONReader.Dialect) {
        let (small, large) = (Array(hostile.make(4000).utf8), Array(hostile.make(8000).utf8))
        let work = JSONReader.work(for: small, dialect)
        let double = JSONReader.work(for: large, dialect)
        #expect(
            work >= small.count && work <= 6 * small.count, "\(work) steps for \(small.count) bytes"
        )
        #expect(Double(double) <= 2.2 * Double(work), "\(work), then \(double)")
    }

    /// Otherwise the tests above count nothing.
    @Test func lookingTwiceIsCounted() {
        let plain = JSONReader.work(for: Array("{\"aaaa\":0}".utf8), .json)
        let keys = (0..<8).map { "\"aaa\($0)\":0" }.joined(separator: ",")
        let compared = JSONReader.work(for: Array("{\(keys)}".utf8), .json)
        #expect(plain == 20 && compared >= 2 * (keys.utf8.count + 2) + 28 * 4)
    }

    /// What is said about a text is short, however long the text.
    @Test(arguments: hostile, [JSONReader.Dialect.json, .json5])
    func messagesAreShort(_ hostile: Hostile, _ dialect: JSONReader.Dialect) {
        do { _ = try JSONReader.parse(hostile.make(4000), dialect) } catch {
            #expect(error.message.utf8.count < 300)
        }
        let (_, errors) = JSONReader.parseAll(Array(hostile.make(4000).utf8))
        #expect(errors.count <= 101 && errors.allSatisfy { $0.message.utf8.count < 300 })
    }

    @Test func keysThatUnicodeCallsEquivalentAreTwo() throws {
        let json = try JSONReader.parse("{\"é\":1,\"e\\u0301\":2}")
        #expect(json.members?.count == 2)
        #expect(json["é"]?.integer == 1 && json["e\u{301}"]?.integer == 2)
        #expect(
            (try? JSONReader.parse("{\"\\u00e9\":1,\"é\":2}")) == nil, "an escape is the same key")
    }
}
