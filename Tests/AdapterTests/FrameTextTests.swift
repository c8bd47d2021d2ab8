import Adapter
import Base
import Testing

/// The value that is published, or the word why it is bad.
private func frame(
    _ field: TextField, _ text: String, type: ValueType = .float64, rules: FrameRules = FrameRules()
) -> String {
    let point = Point(name: "v", table: .frame, address: 0, type: type, text: field, rules: rules)
    let whole = body(point, Hex.encode(Array(text.utf8)))
    return whole.hasPrefix(#""values":{"v":"#)
        ? String(whole.dropFirst(14).dropLast()) : String(whole.split(separator: ":").last ?? "")
}

private func item(_ index: Int, _ split: ItemSplit = .mark([0x2C])) -> TextField {
    .item(index: index, split: split, decimal: 0x2E)
}

@Test(arguments: [
    ("4807.038", "48.1173"), ("01131.000", "11.516667"), ("4404.14036", "44.069006"),
    ("0000.0001", "0.0000017"),
    ("17959.9999", "179.9999983"), ("00000.00", "0"), ("4860.0", #""format"}"#),
    ("-4807.038", #""format"}"#),
    ("4807.0381234567890", #""format"}"#), ("", #""invalid"}"#), ("99999.0", #""format"}"#),
])
func readsDegreesAndMinutes(_ text: String, _ wanted: String) {
    #expect(frame(item(0), text + ",N", rules: FrameRules(isAngle: true)) == wanted)
}

@Test func southAndWestAreNegative() {
    let hemisphere = FrameMatch(.item(1, .mark([0x2C])), .equals, [Array("S".utf8)])
    let south = FrameRules(negativeIf: hemisphere, isAngle: true)
    #expect(frame(item(0), "4404.14036,S", rules: south) == "-44.069006")
    #expect(frame(item(0), "4404.14036,N", rules: south) == "44.069006")
    // The hemisphere is missing.
    #expect(frame(item(0), "4404.14036", rules: south) == #""format"}"#)
    let minus = FrameRules(negativeIf: FrameMatch(.bytes(at: 0), .equals, [[0x2D], [0x7E]]))
    #expect(frame(item(1, .blanks), "~ 12.50", rules: minus) == "-12.5")
}

@Test func aValueIsInvalidUnlessItsStatusSaysOtherwise() {
    let bad = [Array("0".utf8), Array("9".utf8)]
    let fix = FrameRules(validIf: FrameMatch(.item(1, .mark([0x2C])), .differs, bad))
    #expect(frame(item(0), "12.5,1", rules: fix) == "12.5")
    #expect(frame(item(0), "12.5,0", rules: fix) == #""invalid"}"#)
    #expect(frame(item(0), "12.5,9", rules: fix) == #""invalid"}"#)
    #expect(frame(item(0), "12.5", rules: fix) == #""format"}"#)
    let bytes = Point(
        name: "v", table: .frame, address: 1, type: .uint8,
        rules: FrameRules(validIf: FrameMatch(.bytes(at: -1), .equals, [[0xAB]])))
    #expect(body(bytes, "AA 07 AB") == #""values":{"v":7}"#)
    #expect(body(bytes, "AA 07 AC") == #""values":{},"bad":{"v":"invalid"}"#)
}

@Test func itemsBetweenBlanksAndSigns() {
    #expect(frame(item(2, .blanks), "  S  S    -100.00 g\r\n") == "-100")
    #expect(frame(item(3, .blanks), "S S 100.00 g\r\n", type: .string) == "\"g\"")
    #expect(frame(item(4, .blanks), "S S 100.00 g\r\n") == #""format"}"#)
    let probe = "0+3.14-2.7+22\r\n"
    #expect(frame(item(0, .signs), probe) == "0" && frame(item(1, .signs), probe) == "3.14")
    #expect(frame(item(2, .signs), probe) == "-2.7" && frame(item(3, .signs), probe) == "22")
    #expect(frame(item(4, .signs), probe) == #""format"}"#)
}

@Test func hexadecimalDigitsAreReadAsTheirType() {
    let hex = FrameRules(isHexadecimal: true)
    #expect(frame(item(1), "$1,1F3,FFFE", type: .uint16, rules: hex) == "499")
    #expect(frame(item(2), "$1,1F3,FFFE", type: .int16, rules: hex) == "-2")
    #expect(frame(item(1), "$1,414570A4", type: .float32, rules: hex) == "12.34")
    #expect(frame(item(1), "$1,1FFFF", type: .uint16, rules: hex) == #""format"}"#)
    #expect(frame(item(1), "$1,G0", type: .uint16, rules: hex) == #""format"}"#)
    #expect(frame(item(1), "$1,,", type: .uint16, rules: hex) == #""invalid"}"#)
}

/// "1.2E+3" read as 1.2 would be a wrong value that looks right.
@Test func aTemplateTakesTheExponentWithItsNumber() {
    let template = TextField.template(Template("T={value:number} C")!)
    #expect(frame(template, "T=1.2E+3 C") == "1200" && frame(template, "T=1.2e-3 C") == "0.0012")
    #expect(frame(template, "T=12Err C") == #""format"}"#)
    let last = TextField.template(Template("T={value:number}")!)
    #expect(frame(last, "T=5eV") == "5")
}

@Test func aMatchIsOfOnePlace() {
    let talker = FrameMatch(.item(0, .mark([0x2C])), .ends, [Array("GGA".utf8), Array("RMC".utf8)])
    #expect(
        talker.holds(for: Array("$GNGGA,1".utf8)) == true
            && talker.holds(for: Array("$GPRMC".utf8)) == true)
    #expect(talker.holds(for: Array("GA,GGA".utf8)) == false)
    let bytes = FrameMatch(.bytes(at: -2), .equals, [[1, 2]])
    #expect(
        bytes.holds(for: [9, 1, 2]) == true && bytes.holds(for: [1, 2, 9]) == false
            && bytes.holds(for: [1]) == nil)
    let other = FrameMatch(.bytes(at: 0), .differs, [[1], [2]])
    #expect(
        other.holds(for: [3]) == true && other.holds(for: [2]) == false
            && other.holds(for: []) == nil)
}

@Test(arguments: [ItemSplit.mark([0x2C]), .mark([0x2C, 0x2C]), .mark([]), .blanks, .signs])
func noTextTrapsASplit(_ split: ItemSplit) {
    var random = RandomSource(seed: 3)
    let alphabet = Array(",+- 0a\r\u{0}".utf8)
    for _ in 0..<500 {
        let text = (0..<Int(random.next() % 12)).map { _ in
            alphabet[Int(random.next() % UInt64(alphabet.count))]
        }
        var count = 0
        while split.item(count, of: text[...]) != nil { count += 1 }
        #expect(count <= text.count + 1 && split.item(-1, of: text[...]) == nil)
    }
}
