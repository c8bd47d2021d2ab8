import Adapter
import Base
import Testing

/// What Python's struct module packs, in every order; floating values in the fewest digits that
/// read back, found there by trying (whole ones with all their digits). Not made with our own code.
private let golden: [Sample] = [
    Sample(.uint16, "AB", "00 00", "0"),
    Sample(.uint16, "BA", "01 00", "1"),
    Sample(.uint16, "AB", "7F FF", "32767"),
    Sample(.uint16, "BA", "00 80", "32768"),
    Sample(.uint16, "AB", "FF FF", "65535"),
    Sample(.int16, "AB", "80 00", "-32768"),
    Sample(.int16, "BA", "FF FF", "-1"),
    Sample(.int16, "AB", "00 00", "0"),
    Sample(.int16, "BA", "FF 7F", "32767"),
    Sample(.int16, "AB", "CF C7", "-12345"),
    Sample(.uint32, "ABCD", "00 00 00 00", "0"),
    Sample(.uint32, "CDAB", "03 04 01 02", "16909060"),
    Sample(.uint32, "BADC", "00 80 00 00", "2147483648"),
    Sample(.uint32, "DCBA", "FF FF FF FF", "4294967295"),
    Sample(.int32, "ABCD", "80 00 00 00", "-2147483648"),
    Sample(.int32, "CDAB", "FF FF FF FF", "-1"),
    Sample(.int32, "BADC", "FF 7F FF FF", "2147483647"),
    Sample(.int32, "DCBA", "EB 32 A4 F8", "-123456789"),
    Sample(.uint64, "ABCDEFGH", "00 20 00 00 00 00 00 01", "9007199254740993"),
    Sample(.uint64, "HGFEDCBA", "00 00 00 00 00 00 00 80", "9223372036854775808"),
    Sample(.uint64, "GHEFCDAB", "FF FF FF FF FF FF FF FF", "18446744073709551615"),
    Sample(.uint64, "BADCFEHG", "00 00 00 00 00 00 01 00", "1"),
    Sample(.int64, "ABCDEFGH", "80 00 00 00 00 00 00 00", "-9223372036854775808"),
    Sample(.int64, "HGFEDCBA", "FF FF FF FF FF FF DF FF", "-9007199254740993"),
    Sample(.int64, "GHEFCDAB", "FF FF FF FF FF FF 7F FF", "9223372036854775807"),
    Sample(.int64, "BADCFEHG", "FF FF FF FF FF FF FF FF", "-1"),
    Sample(.float16, "AB", "00 01", "6e-08"),
    Sample(.float16, "BA", "02 00", "1e-07"),
    Sample(.float16, "AB", "03 FF", "6.1e-05"),
    Sample(.float16, "BA", "00 04", "6.104e-05"),
    Sample(.float16, "AB", "80 01", "-6e-08"),
    Sample(.float16, "BA", "55 35", "3.333e-01"),
    Sample(.float16, "AB", "7B FF", "65504"),
    Sample(.float16, "BA", "00 C0", "-2e+00"),
    Sample(.float16, "AB", "2E 66", "1e-01"),
    Sample(.float16, "BA", "48 42", "3.14e+00"),
    Sample(.float16, "AB", "83 FF", "-6.1e-05"),
    Sample(.float32, "ABCD", "00 00 00 01", "1e-45"),
    Sample(.float32, "CDAB", "FF FF 00 7F", "1.1754942e-38"),
    Sample(.float32, "BADC", "80 00 00 00", "1.1754944e-38"),
    Sample(.float32, "DCBA", "FF FF 7F 7F", "3.4028235e+38"),
    Sample(.float32, "ABCD", "FF 7F FF FF", "-3.4028235e+38"),
    Sample(.float32, "CDAB", "AA AB 3E AA", "3.3333334e-01"),
    Sample(.float32, "BADC", "F6 42 79 E9", "1.23456e+02"),
    Sample(.float32, "DCBA", "00 00 80 4B", "1.6777216e+07"),
    Sample(.float32, "ABCD", "4B 80 00 01", "1.6777218e+07"),
    Sample(.float32, "CDAB", "00 00 5F 00", "9.223372e+18"),
    Sample(.float32, "BADC", "D6 33 95 BF", "1e-07"),
    Sample(.float32, "DCBA", "00 00 C8 C2", "-1e+02"),
    Sample(.float32, "ABCD", "3F 7F FF FF", "9.9999994e-01"),
    Sample(.float64, "ABCDEFGH", "00 00 00 00 00 00 00 01", "5e-324"),
    Sample(.float64, "HGFEDCBA", "FF FF FF FF FF FF EF 7F", "1.7976931348623157e+308"),
    Sample(.float64, "GHEFCDAB", "55 55 55 55 55 55 3F D5", "3.333333333333333e-01"),
    Sample(.float64, "BADCFEHG", "B9 3F 99 99 99 99 9A 99", "1e-01"),
    Sample(.float64, "ABCDEFGH", "43 40 00 00 00 00 00 01", "9.007199254740994e+15"),
    Sample(.float64, "HGFEDCBA", "00 00 00 00 00 00 59 C0", "-1e+02"),
    Sample(.float64, "GHEFCDAB", "4A F6 C7 E1 2D 02 44 B5", "1e+23"),
    Sample(.bcd16, "AB", "00 00", "0"),
    Sample(.bcd16, "BA", "07 00", "7"),
    Sample(.bcd16, "AB", "99 99", "9999"),
    Sample(.bcd16, "BA", "34 12", "1234"),
    Sample(.bcd32, "ABCD", "00 00 00 00", "0"),
    Sample(.bcd32, "CDAB", "00 07 00 00", "7"),
    Sample(.bcd32, "BADC", "99 99 99 99", "99999999"),
    Sample(.bcd32, "DCBA", "78 56 34 12", "12345678"),
]

@Test(arguments: golden) func agreesWithAnotherImplementation(_ sample: Sample) throws {
    for table in [Table.holding, .input, .frame] {
        let point = Point(
            name: "v", table: table, address: 0, type: sample.type, order: ByteOrder(sample.order))
        let object = try JSONReader.parse("{" + body(point, sample.wire) + "}")
        guard case .number(let text)? = object["values"]?["v"]?.kind else {
            Issue.record("\(body(point, sample.wire))")
            continue
        }
        let (ours, theirs) = (
            Decimal(text: Array(text.utf8)[...]), Decimal(text: Array(sample.json.utf8)[...])
        )
        #expect(ours?.normalized == theirs?.normalized, "\(text)")
    }
}

/// Scale, offset, raw value, and what Python's decimal module makes of them.
@Test(arguments: [
    (0.1, 0.0, "FF FF FF FF FF FF FF FF", "1844674407370955161.5"),
    (0.001, -40, "00 20 00 00 00 00 00 01", "9007199254700.993"),
    (1e-6, 0.5, "7F FF FF FF FF FF FF FF", "9223372036855.275807"),
    (3, 7, "00 20 00 00 00 00 00 01", "27021597764222986"),
    (0.125, 0, "00 00 00 00 00 00 00 03", "0.375"),
    (1e3, 1e-3, "00 00 00 00 00 00 00 02", "2000.001"),
])
func scalesLargeIntegersExactly(_ scale: Double, _ offset: Double, _ hex: String, _ wanted: String)
{
    let point = Point(
        name: "v", table: .holding, address: 0, type: .uint64, scale: scale, offset: offset)
    #expect(body(point, hex) == "\"values\":{\"v\":\(wanted)}")
}

/// Nothing that stands in a register traps, and what comes out is one JSON object, within its
/// limits.
@Test(arguments: ValueType.allCases) func noBytesTrapUnderAnyScaleOrLimit(_ type: ValueType) throws
{
    var random = RandomSource(seed: 77)
    let scales: [Double] = [
        1, 0.1, -0.001, 1e9, 1e-300, -1e300, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
    ]
    let offsets: [Double] = [0, -273.15, 1e300, .leastNonzeroMagnitude, -.greatestFiniteMagnitude]
    let limits: [(Double?, Double?)] = [(nil, nil), (-40, 85), (0, nil), (nil, -1e300), (5, 5)]
    let edges: [[UInt8]] = [
        .init(repeating: 0, count: 8), .init(repeating: 0xFF, count: 8),
        [0x80, 0, 0, 0, 0, 0, 0, 0],
        [0x7F, 0xF0, 0, 0, 0, 0, 0, 0], [0x7F, 0x80, 0, 0, 0x7C, 0, 0, 1],
        [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ]
    for scale in scales {
        for offset in offsets {
            for (low, high) in limits {
                let point = Point(
                    name: "v", table: .frame, address: 0, type: type, length: 4, scale: scale,
                    offset: offset,
                    bits: [BitField(name: "a", low: 0, high: 31)], min: low, max: high,
                    clamp: random.next() & 1 == 0, deadband: random.next() & 1 == 0 ? 1e-3 : nil)
                var machine = adapter(point)
                let noise = (0..<6).map { _ in
                    (0..<8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                }
                for bytes in edges + noise {
                    let part = ReadPart(.frame, 0, 8, .success(bytes), at: at(1))
                    guard let telemetry = machine.receive(reading(part)).first else { continue }
                    let object = try JSONReader.parse("{" + telemetry.text + "}")
                    guard let value = object["values"]?["v"]?.double else { continue }
                    #expect(
                        value.isFinite && value >= low ?? -.infinity && value <= high ?? .infinity)
                }
            }
        }
    }
}
