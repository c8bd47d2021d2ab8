import Base
import Testing

@Suite struct ChecksumTests {
    @Test(arguments: [
        ("31 32 33 34 35 36 37 38 39", UInt16(0x4B37)), ("", 0xFFFF), ("01 03 00 00 00 0A", 0xCDC5),
        ("11 03 00 6B 00 03", 0x8776),
    ])
    func crc16Modbus(_ hex: String, _ value: UInt16) throws {
        let bytes = try #require(Hex.decode(hex))
        #expect(CRC16.checksum(bytes[...]) == value)
        #expect(CRC16.checksum(AnySequence(bytes)) == value)
        let framed = bytes + [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)]
        #expect(CRC16.checksum(framed[...]) == 0)
    }

    /// RFC 3720 appendix B.4, and the usual check string.
    @Test func crc32cOfTheSpecification() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(CRC32C.checksum((0..<32).map { UInt8(31 - $0) }) == 0x113F_DB5C)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test func crc32cContinuesAtEverySplitAndOffset() {
        var random = RandomSource(seed: 7)
        let bytes = (0..<70).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for start in 0..<9 {
            let whole = CRC32C.checksum(bytes[start...])
            for cut in start...bytes.count {
                #expect(
                    CRC32C.checksum(bytes[cut...], continuing: CRC32C.checksum(bytes[start..<cut]))
                        == whole)
            }
        }
    }
}

@Suite struct TextCodingTests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64OfTheSpecification(_ plain: String, _ coded: String) {
        let bytes = Array(plain.utf8)
        #expect(Base64.encode(bytes) == coded)
        #expect(Base64.decode(coded) == bytes)
        let bare = coded.replacing("=", with: "")
        #expect(Base64.encodeURL(bytes) == bare)
        #expect(Base64.decodeURL(bare) == bytes)
    }

    @Test func base64URLUsesItsOwnTwoLetters() {
        #expect(Base64.encodeURL([0xFB, 0xFF, 0xFE]) == "-__-")
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
        #expect(Base64.decodeURL("-__-") == [0xFB, 0xFF, 0xFE])
    }

    @Test(arguments: ["A", "Zg==", "Zh", "Z g", "+w", "Zm9vY", "ä"])
    func base64URLIsStrict(_ text: String) { #expect(Base64.decodeURL(text) == nil) }

    @Test func base64RoundTripsEveryLength() {
        var random = RandomSource(seed: 1)
        for count in 0..<66 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
        }
    }

    @Test func hexadecimal() {
        #expect(
            Hex.encode([0x01, 0xAB]) == "01 AB"
                && Hex.encode([0x01, 0xAB], separator: "") == "01AB"
                && Hex.encode([]) == "")
        #expect(
            Hex.decode("42 4D") == [0x42, 0x4D] && Hex.decode("424d") == [0x42, 0x4D]
                && Hex.decode("") == [])
        for wrong in ["4", "4 2", "4G", "0x42", "42-4D", "é"] { #expect(Hex.decode(wrong) == nil) }
    }
}

@Suite struct ByteReaderTests {
    @Test func readsBothOrdersAndStopsAtTheEnd() {
        var reader = ByteReader([0x12, 0x34, 0x56, 0x78, 0x9A])
        #expect(reader.big(UInt16.self) == 0x1234)
        #expect(reader.little(UInt16.self) == 0x7856)
        #expect(reader.big(UInt16.self) == nil && reader.count == 1)
        #expect(reader.bytes(2) == nil && reader.bytes(-1) == nil)
        #expect(reader.byte() == 0x9A && reader.isAtEnd && reader.byte() == nil)
    }

    @Test func appendsAndStores() {
        var bytes: [UInt8] = []
        bytes.appendBig(UInt16(0x1234))
        bytes.appendLittle(UInt32(0x1234_5678))
        #expect(bytes == [0x12, 0x34, 0x78, 0x56, 0x34, 0x12])
        bytes.storeLittle(UInt16(0xABCD), at: 1)
        #expect(bytes == [0x12, 0xCD, 0xAB, 0x56, 0x34, 0x12])
    }
}
