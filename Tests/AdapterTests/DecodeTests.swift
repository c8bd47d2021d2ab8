import Adapter
import Base
import Testing

/// type, order, bytes on the wire, JSON. Names of the bytes are those of the order's letters.
struct Sample: Sendable, CustomStringConvertible {
    var type: ValueType
    var order: String
    var wire: String
    var json: String
    var description: String { "\(type.rawValue) \(order) \(wire)" }

    init(_ type: ValueType, _ order: String, _ wire: String, _ json: String) {
        self.type = type
        self.order = order
        self.wire = wire
        self.json = json
    }
}

let samples: [Sample] = [
    Sample(.bool, "", "00 00", "false"), Sample(.bool, "", "01 00", "true"),
    Sample(.uint16, "", "FF FE", "65534"), Sample(.uint16, "AB", "12 34", "4660"),
    Sample(.uint16, "BA", "34 12", "4660"),
    Sample(.int16, "", "80 00", "-32768"), Sample(.int16, "BA", "FE FF", "-2"),
    Sample(.uint32, "", "12 34 56 78", "305419896"),
    Sample(.uint32, "ABCD", "12 34 56 78", "305419896"),
    Sample(.uint32, "CDAB", "56 78 12 34", "305419896"),
    Sample(.uint32, "BADC", "34 12 78 56", "305419896"),
    Sample(.uint32, "DCBA", "78 56 34 12", "305419896"),
    Sample(.uint32, "", "FF FF FF FF", "4294967295"),
    Sample(.int32, "", "80 00 00 00", "-2147483648"), Sample(.int32, "CDAB", "FF FE FF FF", "-2"),
    Sample(.uint64, "", "FF FF FF FF FF FF FF FF", "18446744073709551615"),
    Sample(.uint64, "", "00 20 00 00 00 00 00 01", "9007199254740993"),  // 2^53 + 1
    Sample(.uint64, "HGFEDCBA", "08 07 06 05 04 03 02 01", "72623859790382856"),
    Sample(.uint64, "GHEFCDAB", "07 08 05 06 03 04 01 02", "72623859790382856"),
    Sample(.int64, "", "80 00 00 00 00 00 00 00", "-9223372036854775808"),
    Sample(.int64, "BADCFEHG", "FF FF FF FF FF FF FE FF", "-2"),
    Sample(.float16, "", "3C 00", "1"), Sample(.float16, "BA", "66 2E", "0.1"),  // 0x2E66
    Sample(.float32, "", "41 45 70 A4", "12.34"),  // 0x414570A4
    Sample(.float32, "CDAB", "70 A4 41 45", "12.34"),
    Sample(.float32, "BADC", "45 41 A4 70", "12.34"),
    Sample(.float32, "DCBA", "A4 70 45 41", "12.34"), Sample(.float32, "", "3D CC CC CD", "0.1"),
    Sample(.float32, "", "5A 0E 1B CA", "1e+16"), Sample(.float32, "", "00 00 00 00", "0"),
    Sample(.float64, "", "3F B9 99 99 99 99 99 9A", "0.1"),
    Sample(.float64, "HGFEDCBA", "9A 99 99 99 99 99 B9 3F", "0.1"),
    Sample(.bcd16, "", "12 34", "1234"), Sample(.bcd16, "BA", "34 12", "1234"),
    Sample(.bcd32, "", "98 76 54 32", "98765432"),
    Sample(.bcd32, "CDAB", "54 32 98 76", "98765432"),
]

@Test(arguments: samples) func readsEveryTypeInEveryOrder(_ sample: Sample) {
    // 1e+16 is 10000000272564224 as a float32: the shortest form that reads back is printed.
    let point = Point(
        name: "v", table: .holding, address: 0x10, type: sample.type, order: ByteOrder(sample.order)
    )
    #expect(body(point, sample.wire) == "\"values\":{\"v\":\(sample.json)}")
}

@Test(arguments: [
    (ValueType.uint8, RegisterByte.high, "171"), (.uint8, .low, "205"), (.int8, .high, "-85"),
    (.int8, .low, "-51"),
]) func readsHalfARegister(_ type: ValueType, _ byte: RegisterByte, _ expected: String) {
    let point = Point(name: "v", table: .input, address: 3, type: type, byte: byte)
    #expect(body(point, "AB CD") == "\"values\":{\"v\":\(expected)}")
}

@Test func readsStringsUpToTheNULWithoutPadding() {
    var point = Point(name: "s", table: .holding, address: 0, type: .string, length: 3)
    #expect(body(point, "41 42 43 20 20 00") == #""values":{"s":"ABC"}"#)
    #expect(body(point, "22 5C 0A C3 A9 00") == #""values":{"s":"\"\\\né"}"#)
    #expect(body(point, "41 FF 43 20 20 00") == #""values":{},"bad":{"s":"format"}"#)
    point.order = ByteOrder("BA")
    #expect(body(point, "42 41 44 43 00 00") == #""values":{"s":"ABCD"}"#)
}

@Test func readsBitsByNameAndRange() {
    let fields = [
        BitField(name: "on", bit: 3), BitField(name: "off", bit: 0),
        BitField(name: "mode", low: 4, high: 6),
    ]
    let point = Point(name: "b", table: .holding, address: 0, type: .bits, bits: fields)
    #expect(body(point, "00 58") == #""values":{"b":{"on":true,"off":false,"mode":5}}"#)
    let wide = Point(
        name: "b", table: .holding, address: 0, type: .bits, order: ByteOrder("CDAB"), length: 2,
        bits: [BitField(name: "top", low: 28, high: 31)])
    #expect(body(wide, "00 00 A0 00") == #""values":{"b":{"top":10}}"#)
}

@Test func readsBitsOfCoilsFromTheLowestBitUp() {
    let point = Point(name: "c", table: .discrete, address: 13, type: .uint16)
    var machine = adapter(point)
    // Bit 10 of the part.
    let part = ReadPart(.discrete, 3, 12, .success(bytes("00 04")), at: at(1))
    #expect(machine.receive(reading(part)).first?.text == #""values":{"c":true}"#)
}

/// scale, offset, raw, JSON
let scalings: [(Double, Double, String, String)] = [
    (0.1, 0, "00 03", "0.3"), (0.01, 0, "04 D2", "12.34"), (0.01, 0, "04 CE", "12.3"),
    (10, 0, "00 07", "70"),
    (0.1, -273.15, "0B 76", "20.25"), (0.001, 0, "00 01", "0.001"), (-1, 0, "00 05", "-5"),
    (1e-9, 0, "00 05", "0.000000005"), (1e9, 0, "00 05", "5000000000"), (0.5, 0.5, "00 01", "1"),
    (1, 0.25, "00 01", "1.25"), (1e-30, 0, "00 05", "5e-30"), (1e300, 0, "00 05", "5e300"),
]

@Test(arguments: scalings) func scalesIntegersExactly(
    _ scale: Double, _ offset: Double, _ raw: String, _ json: String
) {
    let point = Point(name: "v", table: .holding, address: 0, scale: scale, offset: offset)
    #expect(body(point, raw) == "\"values\":{\"v\":\(json)}")
}

@Test func scalesTheLargestIntegerToItsLastDigit() {
    let point = Point(name: "v", table: .holding, address: 0, type: .uint64, scale: 0.001)
    #expect(body(point, "FF FF FF FF FF FF FF FF") == #""values":{"v":18446744073709551.615}"#)
}

@Test func roundsScaledFloatsToTheDecimalsOfScaleAndOffset() {
    var point = Point(name: "v", table: .holding, address: 0, type: .float32, scale: 0.01)
    #expect(body(point, "44 9A 51 EC") == #""values":{"v":12.35}"#)  // 1234.56
    point.offset = 0.001
    #expect(body(point, "44 9A 51 EC") == #""values":{"v":12.347}"#)
    point.scale = 1000
    point.offset = 0
    // Whole scales keep decimals.
    #expect(body(point, "3F 9E 04 19") == #""values":{"v":1234.5000505447388}"#)
}

@Test func neverPrintsWhatJSONCannotHold() {
    for (type, hex) in [
        (ValueType.float32, "7F C0 00 00"), (.float32, "7F 80 00 00"), (.float16, "FC 00"),
    ] {
        let point = Point(name: "v", table: .holding, address: 0, type: type)
        #expect(body(point, hex) == #""values":{},"bad":{"v":"invalid"}"#)
    }
    let huge = Point(name: "v", table: .holding, address: 0, type: .float64, scale: 1e200)
    #expect(body(huge, "7F EF FF FF FF FF FF FF") == #""values":{},"bad":{"v":"invalid"}"#)
}

@Test func knowsSentinels() {
    let cases: [(ValueType, Sentinel, String)] = [
        (.uint16, .code(0x8000), "80 00"), (.int16, .code(0x8000), "80 00"),
        (.int16, .number(-32768), "80 00"),
        (.uint32, .code(0xFFFF_FFFF), "FF FF FF FF"), (.int32, .number(-1), "FF FF FF FF"),
        (.float32, .number(-9999), "C6 1C 3C 00"), (.float32, .nan, "7F C0 00 00"),
        (.float32, .code(0x7F80_0001), "7F 80 00 01"), (.bits, .code(0xFFFF), "FF FF"),
        (.bcd16, .code(0x9999), "99 99"),
    ]
    for (type, sentinel, hex) in cases {
        let point = Point(
            name: "v", table: .holding, address: 0, type: type, scale: 0.1, invalid: [sentinel])
        #expect(body(point, hex) == #""values":{},"bad":{"v":"invalid"}"#, "\(type) \(sentinel)")
    }
}

@Test func takesACodeForBytesAndNotForTheValue() {
    let float = Point(
        name: "v", table: .holding, address: 0, type: .float32, invalid: [.code(0x8000)])
    #expect(body(float, "47 00 00 00") == #""values":{"v":32768}"#)
    let signed = Point(
        name: "v", table: .holding, address: 0, type: .int16,
        invalid: [.number(-1), .code(0x1_0005)])
    #expect(body(signed, "00 05") == #""values":{"v":5}"#)
    #expect(body(signed, "FF FF") == #""values":{},"bad":{"v":"invalid"}"#)
}

@Test func refusesWhatIsOutsideItsRangeOrNoDigit() {
    let point = Point(
        name: "v", table: .holding, address: 0, type: .int16, scale: 0.1, min: -1, max: 10)
    #expect(body(point, "00 64") == #""values":{"v":10}"#)
    #expect(body(point, "00 65") == #""values":{},"bad":{"v":"range"}"#)
    #expect(body(point, "FF F5") == #""values":{},"bad":{"v":"range"}"#)
    let bcd = Point(name: "v", table: .holding, address: 0, type: .bcd16)
    #expect(body(bcd, "12 3A") == #""values":{},"bad":{"v":"invalid"}"#)
}

@Test func mapsCodesToNamesAndLeavesUnknownCodesNumbers() {
    let point = Point(name: "v", table: .holding, address: 0, map: [0: "off", 1: "on \"full\""])
    #expect(body(point, "00 01") == #""values":{"v":"on \"full\""}"#)
    #expect(body(point, "00 07") == #""values":{"v":7}"#)
    let coil = Point(name: "v", table: .coil, address: 0, map: [0: "open", 1: "closed"])
    #expect(body(coil, "01") == #""values":{"v":"closed"}"#)
}

@Test func readsFramesByOffsetFromEitherEnd() {
    let frame = "42 4D 00 1C 00 19 01 02"
    #expect(body(Point(name: "v", table: .frame, address: 4), frame) == #""values":{"v":25}"#)
    #expect(
        body(Point(name: "v", table: .frame, address: 1, type: .uint8), frame)
            == #""values":{"v":77}"#)
    #expect(
        body(Point(name: "v", table: .frame, address: 7), frame)
            == #""values":{},"bad":{"v":"format"}"#)
    var machine = adapter(Point(name: "v", table: .frame, address: -2, order: ByteOrder("BA")))
    #expect(machine.receive(reading(good(.frame, 0, frame))).first?.text == #""values":{"v":513}"#)
}

@Test func readsFramesOfText() {
    func frame(
        _ field: TextField, _ text: String, type: ValueType = .float64, scale: Double = 1
    ) -> String {
        let point = Point(
            name: "v", table: .frame, address: 0, type: type, text: field, scale: scale)
        return body(point, Hex.encode(Array(text.utf8)))
    }
    let third = TextField.item(index: 2, split: .mark([0x3B]), decimal: 0x2C)
    #expect(frame(third, "a;b; 12,50 ;d") == #""values":{"v":12.5}"#)
    #expect(frame(third, "a;b;-7\r\n", scale: 0.1) == #""values":{"v":-0.7}"#)
    #expect(frame(third, "a;b") == #""values":{},"bad":{"v":"format"}"#)
    #expect(frame(third, "a;b;;") == #""values":{},"bad":{"v":"invalid"}"#)
    #expect(frame(third, "a;b;x1") == #""values":{},"bad":{"v":"format"}"#)
    #expect(frame(third, "a;b;OK", type: .string) == #""values":{"v":"OK"}"#)
    let template = TextField.template(Template("T={value:number} C")!)
    #expect(frame(template, "H=40 T= +21.50 C\r\n") == #""values":{"v":21.5}"#)
    #expect(frame(template, "T=21.5 F") == #""values":{},"bad":{"v":"format"}"#)
    let text = TextField.template(Template("ID:{a:word},{value:text};")!)
    #expect(frame(text, "ID:x7,hello world;", type: .string) == #""values":{"v":"hello world"}"#)
    for bad: ByteString in [
        "T={value:number", "T=}", "{a:number}", "{value:date}", "{x:text}{value:number}",
    ] {
        #expect(Template(bad) == nil, "\(bad)")
    }
}

@Test func matchesHostileTextInLinearTime() {
    let template = Template(ByteString(String(repeating: "a", count: 100) + "b{value:number}"))!
    let frame = [UInt8](repeating: 0x61, count: 1 << 16)
    var machine = adapter(
        Point(name: "v", table: .frame, address: 0, type: .float64, text: .template(template)))
    let part = ReadPart(.frame, 0, frame.count, .success(frame), at: at(1))
    #expect(machine.receive(reading(part)).first?.bad == 1)
}

@Test func acceptsOnlyPermutationsAsOrders() {
    for bad in [
        "", "A", "AC", "ABD", "AABB", "ABCE", "abcd", "ABCDEFGHI", "ABCDE", "ABCDEG", "ABCDEFG",
    ] { #expect(ByteOrder(bad) == nil) }
    #expect(ByteOrder("CDAB")?.description == "CDAB")
    #expect(ByteOrder.bigEndian(8).description == "ABCDEFGH")
}
