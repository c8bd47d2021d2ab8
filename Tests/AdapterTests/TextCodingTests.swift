import Adapter
import Base
import Testing

@Suite struct TextCodingTests {
    @Test func textInUTF16IsNoLongerItsFirstLetter() {
        // "100%" as UTF-16, little endian and big endian: UTF-8 would stop at the first NUL.
        let little = "31 00 30 00 30 00 25 00"
        let big = "00 31 00 30 00 30 00 25"
        #expect(shown(coded(.string, length: 4), little) == "bad format")
        #expect(shown(coded(.string, length: 4), big) == "bad format")
        #expect(shown(coded(.string, length: 4, as: Coding(characters: .utf16)), big) == "\"100%\"")
        #expect(
            shown(coded(.string, "BA", length: 4, as: Coding(characters: .utf16)), little)
                == "\"100%\"")
        #expect(shown(coded(.string, length: 4), "31 00 00 00 00 00 00 00") == "\"1\"")
        #expect(shown(coded(.string, length: 2), "31 00 20 20") == "\"1\"")
        #expect(shown(coded(.string, length: 2), "00 00 00 00") == "\"\"")
    }

    @Test func whatIsNoTextIsBad() {
        let utf16 = Coding(characters: .utf16)
        #expect(shown(coded(.string, length: 2, as: utf16), "D8 3D DE 00") == "\"😀\"")
        #expect(shown(coded(.string, length: 2, as: utf16), "D8 3D 00 41") == "bad format")
        #expect(shown(coded(.string, length: 1, as: utf16), "DE 00") == "bad format")
        #expect(shown(coded(.string, length: 2, as: utf16), "FE FF 00 41") == "\"A\"")
        #expect(shown(coded(.string, length: 2, as: utf16), "FF FE 41 00") == "bad format")
        #expect(shown(coded(.string, length: 2), "5A E4 68 6C") == "bad format")
        #expect(
            shown(coded(.string, length: 3, as: Coding(characters: .latin1)), "5A E4 68 6C 20 00")
                == "\"Zähl\"")
    }

    @Test func everyLatin1ByteComesBack() {
        let latin = coded(.string, length: 1, as: Coding(characters: .latin1))
        for byte in UInt8(0x21)...0xFF where byte != 0x7F {
            let text = shown(latin, Hex.encode([byte, 0x41]))
            #expect(!text.hasPrefix("bad"))
            #expect(
                encoded(latin, text) == .success(.registers([UInt16(byte) << 8 | 0x41])), "\(byte)")
        }
        #expect(refusalKind(encoded(latin, "\"€\"")) == .type)
        #expect(
            encoded(coded(.string, "BA", length: 2, as: Coding(characters: .utf16)), "\"Ä1\"")
                == .success(wire("C4 00 31 00")))
        #expect(
            refusalKind(encoded(coded(.string, length: 1, as: Coding(characters: .utf16)), "\"😀\""))
                == .range)
    }

    @Test func bytesAreHexadecimalText() {
        #expect(shown(coded(.hex, length: 3), "00 1A 2B 3C 4D 5E") == "\"001A2B3C4D5E\"")
        #expect(shown(coded(.hex, "BA", length: 2), "1A 00 3C 2B") == "\"001A2B3C\"")
        #expect(shown(coded(.hex, "", .frame, length: 3), "01 02 03") == "\"010203\"")
        #expect(
            encoded(coded(.hex, "BA", length: 2), "\"00 1a 2b 3c\"")
                == .success(wire("1A 00 3C 2B")))
        #expect(refusalKind(encoded(coded(.hex, length: 2), "\"00\"")) == .range)
        #expect(refusalKind(encoded(coded(.hex, length: 2), "\"xx\"")) == .type)
    }

    /// Among them the version of a Spirax Sarco TVA flowmeter, where 200 is 2.00.
    @Test func aVersionHasItsPartsInBytesBitsOrDigits() {
        func version(
            _ digits: VersionParts.Digits, _ sizes: [Int] = [], _ hex: String, length: Int = 1
        ) -> String {
            shown(
                coded(.version, length: length, as: Coding(parts: VersionParts(digits, sizes))), hex
            )
        }
        #expect(version(.decimal, [1, 2], "00 C8") == "\"2.00\"")
        #expect(version(.decimal, [1, 2], "00 C9") == "\"2.01\"")
        #expect(version(.decimal, [1, 1, 1], "00 8E") == "\"1.4.2\"")
        #expect(version(.decimal, [1, 2, 2], "28 A2") == "\"1.04.02\"")
        #expect(version(.binary, [], "01 42") == "\"1.66\"")
        #expect(version(.binary, [4, 4, 8], "14 02") == "\"1.4.2\"")
        #expect(version(.binary, [8, 8, 16], "01 04 00 02", length: 2) == "\"1.4.2\"")
        #expect(version(.bcd, [], "01 42") == "\"1.42\"")
        #expect(version(.bcd, [], "01 4A") == "bad invalid")
        #expect(refusalKind(encoded(coded(.version), "\"1.2\"")) == .notWritable)
    }

    /// No bytes trap, and a version is text or bad.
    @Test func noVersionTraps() {
        var random = RandomSource(seed: 9)
        for digits in VersionParts.Digits.allCases {
            for _ in 0..<500 {
                let sizes = (0..<Int(random.next() % 5)).map { _ in Int(random.next() % 70) }
                let length = 1 + Int(random.next() % 4)
                let raw = (0..<(2 * length)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let text = shown(
                    coded(.version, length: length, as: Coding(parts: VersionParts(digits, sizes))),
                    Hex.encode(raw))
                #expect(text.hasPrefix("\"") || text == "bad invalid")
            }
        }
    }
}
