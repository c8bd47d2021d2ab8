import Base
import Testing

@Suite struct NameTests {
    @Test(arguments: ["abc", "A-b.c_d~e%f", "x12", "Googles", String(repeating: "a", count: 255)])
    func deviceIDsThatEveryBridgeTakes(_ text: String) throws {
        let id = try DeviceID(text)
        #expect(id.text == text && id.cloudRefusal == nil)
    }

    @Test(arguments: [
        ("7", "has 1 characters"), ("1ab", "must start with a letter"),
        ("-ab", "must start with a letter"),
        ("Zähler 1", "contains 'ä'"), ("a b", "contains a space"),
        ("goog-1", "must not start with \"goog\""),
        ("a$SYS", "contains '$'"), ("電力計", "must start with a letter"),
    ])
    func deviceIDsThatOnlyPlainBrokersTake(_ text: String, _ reason: String) throws {
        let id = try DeviceID(text)
        #expect(id.text == text && id.cloudRefusal?.reason.contains(reason) == true)
    }

    @Test func aFileNameOfADeviceIsPlainAndItsOwn() throws {
        #expect(try DeviceID("meter-1").fileName == "meter-1")
        let odd = try ["Zähler 1", "Za\u{308}hler 1", "a.tmp", String(repeating: "ä", count: 127)]
            .map { try DeviceID($0).fileName }
        #expect(Set(odd).count == 4 && odd.allSatisfy { $0.utf8.count == 17 && $0.hasPrefix("~") })
    }

    @Test func twoFormsOfOneLetterAreTwoDevices() throws {
        let (one, other) = (try DeviceID("z\u{E4}hler"), try DeviceID("za\u{308}hler"))
        #expect(one != other && (one < other) != (other < one))
    }

    @Test(arguments: [
        ("", "is empty"), (String(repeating: "a", count: 256), "has 256 bytes"),
        (String(repeating: "ä", count: 128), "bytes"),
        ("a+b", "'+' (it has a meaning"), ("a/b", "'/' (it has"), ("a#b", "'#' (it has"),
        ("a\u{0}b", "control character"),
        ("a\u{85}b", "control character"), ("$SYS", "begin with '$'"), (" a", "space"),
        ("a ", "space"), ("\u{301}a", "combining mark"),
    ])
    func badDeviceIDsAndWhy(_ text: String, _ reason: String) {
        do {
            _ = try DeviceID(text)
            Issue.record("\(text) was accepted")
        } catch {
            #expect(error.reason.contains(reason))
        }
    }

    @Test func deviceIDsAreToldApartByTheirTextAndFoundByTheirBytes() throws {
        let ids = try (0..<500).map { try DeviceID("meter-\($0)") }
        let again = try DeviceID("meter-7")
        #expect(Set(ids).count == 500 && ids[7] == again && ids[7] != ids[8])
        for id in ids { #expect(DeviceID.digest(of: Array(id.text.utf8)[...]) == id.digest) }
    }

    @Test func unitIDs() {
        #expect(UnitID(0) == nil && UnitID(256) == nil && UnitID(-1) == nil)
        #expect(
            UnitID(1)?.isReserved == false && UnitID(247)?.isReserved == false
                && UnitID(248)?.isReserved == true)
        #expect(Address(port: PortName("bus-a"), unit: UnitID(17)!).description == "bus-a:17")
    }

    @Test func noticesShowWhatIsOnTheWireAndNothingElse() {
        #expect(Notice.printable([0x41, 0x0A, 0x1B, 0x5B, 0xFF]) == "A\\x0A\\x1B[\\xFF")
        #expect(Notice.printable([UInt8](repeating: 0x61, count: 300)).count == 257)
        #expect(Notice.printable("Zähler 3 °C, é, 水, 😀") == "Zähler 3 °C, é, 水, 😀")
        #expect(
            Notice.printable("a\u{9b}b\u{202e}c\u{200b}d\u{feff}\u{e000}")
                == "a\\x9Bb\\u{202e}c\\u{200b}d\\u{feff}\\u{e000}")
        // Cut short, overlong, a surrogate, beyond the last plane, and what follows is read on.
        for (bytes, shown) in [
            ([0xC3], "\\xC3"), ([0xC3, 0x41], "\\xC3A"), ([0xC0, 0xAF], "\\xC0\\xAF"),
            ([0xE2, 0x82], "\\xE2\\x82"),
            ([0xED, 0xA0, 0x80], "\\xED\\xA0\\x80"),
            ([0xF4, 0x90, 0x80, 0x80], "\\xF4\\x90\\x80\\x80"),
            ([0x80, 0xC3, 0xA4], "\\x80ä"),
        ] as [([UInt8], String)] { #expect(Notice.printable(bytes) == shown) }
        #expect(Notice.printable(String(repeating: "水", count: 256)).count == 256)
        #expect(
            Notice.printable(String(repeating: "水", count: 257)) == String(
                repeating: "水", count: 256) + "…")
    }

    @Test func lineSettingsCountTheirBits() {
        let line = LineSettings(device: .path("/dev/x"), baud: 19200, parity: .even)
        #expect(line.describe == "19200 8E1" && line.bitsPerCharacter == 11)
        #expect(LineSettings(device: .path("/dev/x")).bitsPerCharacter == 10)
        #expect(
            LinkTarget(host: "::1", port: 1).describe == "[::1]:1"
                && LinkTarget(host: "h", port: 1).serverName == "h")
    }
}

@Suite struct JSONWriterTests {
    @Test func placesCommas() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("a", 1)
            writer.raw(Array("\"b\":2".utf8))
            writer.raw([])
            writer.key("c")
            writer.array { writer in
                writer.null()
                writer.number(1.5)
                writer.object { _ in }
                writer.array { _ in }
            }
            writer.member("d", WallTime(milliseconds: 0))
        }
        #expect(
            writer.text == #"{"a":1,"b":2,"c":[null,1.5,{},[]],"d":"1970-01-01T00:00:00.000Z"}"#)
    }

    @Test func escapesWhatJSONForbids() throws {
        let text = "\"\\\n\r\t\u{0}\u{1F}\u{7F}é😀/"
        var writer = JSONWriter()
        writer.string(text)
        #expect(writer.text == #""\"\\\n\r\t\u0000\u001f\u007fé😀/""#)
        #expect(try JSONReader.parse(writer.bytes).string?.string == text)
    }

    @Test func numbersAreShortAndAlwaysJSON() throws {
        #expect(
            JSONWriter.number(2.0) == "2" && JSONWriter.number(Float(0.1)) == "0.1"
                && JSONWriter.number(-0.5) == "-0.5")
        #expect(
            JSONWriter.number(Double.nan) == "null" && JSONWriter.number(-Double.infinity) == "null"
        )
        for value in [1e300, Double.leastNonzeroMagnitude, 1e16, 123_456_789.125, -0.0, 1e21] {
            #expect(try JSONReader.parse(JSONWriter.number(value)).double == value)
        }
        #expect(JSONWriter.number(1e16) == "1e+16")
    }
}
