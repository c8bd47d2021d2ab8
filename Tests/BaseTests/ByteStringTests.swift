import Base
import Testing

@Suite struct ByteStringTests {
    /// Equal for `String`: by canonical equivalence, and the Kelvin and Greek question marks by
    /// their only decomposition.
    static let pairs: [(String, String)] = [
        ("éx", "e\u{301}x"), ("\u{212A}iB", "KiB"), ("a\u{37E}", "a;"),
        ("\u{1E9B}\u{323}", "\u{17F}\u{323}\u{307}"),
        ("\u{AC00}", "\u{1100}\u{1161}"), ("q\u{307}\u{323}", "q\u{323}\u{307}"),
    ]

    @Test(arguments: pairs) func textsThatUnicodeCallsEquivalentAreTwo(
        _ left: String, _ right: String
    ) {
        #expect(left == right, "the pair shows nothing unless String takes both for one")
        let (a, b) = (ByteString(left), ByteString(right))
        #expect(a != b && a == ByteString(left))
        #expect(Set([a, b]).count == 2 && [a: 1, b: 2].count == 2)
        #expect((a < b) != (b < a))
        #expect((a < b) == Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8)))
        #expect(!a.hasPrefix(b) && !a.hasSuffix(b) && !a.contains(b))
    }

    @Test func partsAreCutAtBytes() {
        let text = ByteString("a/\u{301}b//c")
        #expect(text.split(0x2F) == ["a", "\u{301}b", "", "c"])
        #expect(text.split(0x2F, limit: 2) == ["a", "\u{301}b//c"])
        #expect(ByteString("").split(0x2F) == [""])
        #expect(ByteString("hex:\u{301}AB").dropping(prefix: "hex:") == "\u{301}AB")
        #expect(ByteString("he").dropping(prefix: "hex:") == nil)
        #expect(ByteString("Keep-ALIVE, x").lowercasedASCII.contains("keep-alive"))
    }

    /// One grapheme may be a megabyte.
    @Test func aPrefixHasSoManyBytesOfWholeScalars() {
        let text = ByteString("aé" + String(repeating: "\u{301}", count: 100_000))
        #expect(
            (0...6).map { text.prefix($0) } == ["", "a", "a", "aé", "aé", "aé\u{301}", "aé\u{301}"])
        #expect(ByteString("short").prefix(40) == "short")
    }

    @Test func wordsOfAnEnumAreASCIIAndShort() {
        #expect(Table(word: "holding") == .holding)
        #expect(Table(word: "holdin\u{67}\u{301}") == nil)
        #expect(Table(word: ByteString(String(repeating: "h", count: 1_000_000))) == nil)
    }

    @Test func quantitiesTakeNoLookAlikes() {
        #expect(Quantity.size("64KiB") == 65_536)
        #expect(Quantity.size("64\u{212A}iB") == nil)
        #expect(Quantity.duration("5\u{301}s") == nil)
        #expect(
            Quantity.duration(ByteString("5" + String(repeating: "\u{301}", count: 100_000))) == nil
        )
    }

    @Test func portNamesAreBytes() {
        #expect(PortName("é") != PortName("e\u{301}"))
        #expect(Set([PortName("é"), PortName("e\u{301}")]).count == 2)
    }
}
