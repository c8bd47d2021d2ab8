import Adapter
import Base
import Testing

@Suite struct IntegerCodingTests {
    /// The temperature of an Aosong AM2302: the top bit is its sign, 0x8065 is −10.1 °C.
    @Test func aMagnitudeHasItsSignInTheTopBit() {
        let celsius = coded(.int16, "", as: Coding(sign: .magnitude), scale: 0.1)
        #expect(shown(celsius, "80 65") == "-10.1")
        #expect(shown(celsius, "01 5F") == "35.1")
        #expect(
            shown(coded(.int16, "", as: Coding(sign: .magnitude), scale: 0.01), "80 D0") == "-2.08")
        #expect(shown(coded(.int32, "CDAB", as: Coding(sign: .magnitude)), "00 05 80 00") == "-5")
        #expect(shown(coded(.int8, "", .frame, as: Coding(sign: .magnitude)), "85") == "-5")
        #expect(
            shown(coded(.bcd16, "", as: Coding(sign: .magnitude), scale: 0.1), "91 23") == "-112.3")
        #expect(shown(coded(.bcd16, "", as: Coding(sign: .magnitude)), "7A 00") == "bad invalid")
    }

    @Test func everyMagnitudeOfSixteenBitsIsReadAndWrittenBack() {
        let signed = coded(.int16, "", as: Coding(sign: .magnitude))
        var machine = adapter(signed)
        for pattern in UInt16.min...UInt16.max {
            let part = ReadPart(
                .holding, 0x20, 1, .success([UInt8(pattern >> 8), UInt8(pattern & 0xFF)]), at: at(1)
            )
            let text = machine.receive(Reading(address(1), every: .seconds(10), [part])).first?.text
            let wanted = Int(pattern & 0x7FFF) * (pattern & 0x8000 == 0 ? 1 : -1)
            guard text == "\"values\":{\"v\":\(wanted)}" else {
                Issue.record("\(pattern) reads as \(text ?? "nothing")")
                return
            }
            // Zero has two patterns; the positive one is written.
            if pattern % 997 == 0 || pattern & 0x7FFF < 3 || pattern & 0x7FFF > 0x7FFD {
                #expect(
                    encoded(signed, "\(wanted)")
                        == .success(.registers([pattern == 0x8000 ? 0 : pattern])), "\(pattern)")
            }
        }
        #expect(refusalKind(encoded(signed, "32768")) == .range)
        #expect(refusalKind(encoded(signed, "-32768")) == .range)
    }

    @Test func everyByteIsAMagnitudeOrADecimalOrInvalid() {
        for byte in UInt8.min...UInt8.max {
            let hex = Hex.encode([byte])
            let magnitude = Int(byte & 0x7F) * (byte & 0x80 == 0 ? 1 : -1)
            #expect(
                shown(coded(.int8, "", .frame, as: Coding(sign: .magnitude)), hex) == "\(magnitude)"
            )
            let isDecimal = byte >> 4 <= 9 && byte & 15 <= 9
            let digits = isDecimal ? "\(byte >> 4 * 10 + byte & 15)" : "bad invalid"
            #expect(shown(coded(.bcd8, "", .frame), hex) == digits)
            #expect(shown(coded(.bcd8, byte: .high), hex + "FF") == digits)
            if isDecimal {
                #expect(
                    encoded(coded(.bcd8), digits)
                        == .success(.masked(mask: [0xFF], value: [UInt16(byte)])))
                #expect(
                    shown(coded(.bcd8, "", as: Coding(form: .digits)), "FF" + hex) == "\"\(hex)\"")
            }
        }
    }

    /// In registers the three less significant bytes of two, unless `byte` says high; in a frame
    /// three bytes.
    @Test func twentyFourBitsStandInTwoRegistersOrThreeBytes() {
        #expect(shown(coded(.uint24), "AA 12 34 56") == "1193046")
        #expect(shown(coded(.uint24, byte: .high), "12 34 56 AA") == "1193046")
        #expect(shown(coded(.uint24, "CDAB"), "34 56 AA 12") == "1193046")
        #expect(shown(coded(.int24), "00 FF FF FE") == "-2")
        #expect(shown(coded(.int24), "00 80 00 00") == "-8388608")
        #expect(shown(coded(.int24, "", as: Coding(sign: .magnitude)), "00 80 00 02") == "-2")
        #expect(shown(coded(.int24, "", .frame), "FF FF FE") == "-2")
        #expect(shown(coded(.uint24, "CBA", .frame), "56 34 12") == "1193046")
        #expect(shown(coded(.bcd24, "", .frame), "12 34 56") == "123456")
        #expect(
            encoded(coded(.int24), "-2")
                == .success(.masked(mask: [0xFF, 0xFFFF], value: [0xFF, 0xFFFE])))
        #expect(
            encoded(coded(.uint24, "CDAB", byte: .high), "1193046")
                == .success(.masked(mask: [0xFF00, 0xFFFF], value: [0x5600, 0x1234])))
        #expect(refusalKind(encoded(coded(.uint24), "16777216")) == .range)
        var sentinel = coded(.int24)
        sentinel.invalid = [.code(0x80_0000)]
        #expect(shown(sentinel, "FF 80 00 00") == "bad invalid")
    }

    @Test func fortyEightBitsKeepEveryDigit() {
        #expect(shown(coded(.uint48), "FF FF FF FF FF FF") == "281474976710655")
        #expect(shown(coded(.uint48, scale: 0.001), "FF FF FF FF FF FF") == "281474976710.655")
        #expect(shown(coded(.int48), "FF FF FF FF FF FE") == "-2")
        #expect(shown(coded(.int48, "EFCDAB"), "FF FE FF FF FF FF") == "-2")
        #expect(shown(coded(.int48, scale: 1e-5), "80 00 00 00 00 00") == "-1407374883.55328")
        #expect(
            encoded(coded(.uint48, scale: 0.001), "281474976710.655")
                == .success(wire("FF FF FF FF FF FF")))
        #expect(shown(coded(.bcd48), "00 12 34 56 78 90") == "1234567890")
        #expect(
            shown(coded(.bcd48, "", as: Coding(form: .digits)), "00 12 34 56 78 90")
                == "\"001234567890\"")
    }

    /// Decode and encode are each other's inverse for every type that is a part of registers.
    @Test(arguments: [ValueType.uint24, .int24, .bcd24, .uint8, .int8, .bcd8])
    func partsOfRegistersComeBack(_ type: ValueType) {
        var random = RandomSource(seed: 5)
        for round in 0..<400 {
            let order = type.width == 3 ? ["ABCD", "CDAB", "BADC", "DCBA"][round % 4] : ""
            let magnitude = type.isSigned || type.isBCD ? round % 3 == 0 : false
            let point = coded(
                type, order, as: Coding(sign: magnitude ? .magnitude : .complement),
                byte: round % 2 == 0 ? .low : .high, scale: 0.1)
            let raw = (0..<(type.width == 3 ? 4 : 2)).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            let text = shown(point, Hex.encode(raw))
            if text.hasPrefix("bad") || text == "0" { continue }
            guard case .success(.masked(let mask, let value)) = encoded(point, text) else {
                Issue.record("\(type) \(order) \(text): \(encoded(point, text))")
                continue
            }
            for (index, word) in mask.enumerated() {
                let read = UInt16(raw[2 * index]) << 8 | UInt16(raw[2 * index + 1])
                #expect(read & word == value[index], "\(type) \(order) \(text)")
            }
        }
    }

    /// INT32-M10K of Schneider's ION meters, and Mod10 of the PM800 series with three and four
    /// registers.
    @Test func moduloTenThousandHasFourDigitsARegister() {
        func hex(_ words: Int16...) -> String {
            Hex.encode(
                words.flatMap {
                    [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
                })
        }
        let two = coded(.m10k, length: 2)
        #expect(shown(two, hex(819, 8594)) == "8198594")
        #expect(shown(two, hex(-819, -8594)) == "-8198594")
        #expect(shown(coded(.m10k, "CDAB", length: 2), hex(8594, 819)) == "8198594")
        #expect(shown(coded(.m10k, "EFCDAB", length: 3), hex(1, 2, 3)) == "300020001")
        #expect(shown(coded(.m10k, length: 4), hex(9999, 9999, 9999, 9999)) == "9999999999999999")
        #expect(shown(two, hex(819, -1)) == "bad invalid")
        #expect(shown(two, hex(0, 10_000)) == "bad invalid")
        #expect(encoded(two, "-8198594") == .success(wire(hex(-819, -8594))))
        #expect(
            encoded(coded(.m10k, "GHEFCDAB", length: 4), "300020001")
                == .success(wire(hex(1, 2, 3, 0))))
        #expect(refusalKind(encoded(two, "100000000")) == .range)
    }

    /// Data types T5 and T6 of Iskra's meters and Finder's 7M series: 123456·10⁻³ is FD01E240,
    /// −123456·10⁻³ is FDFE1DC0.
    @Test func aValueCarriesItsPowerOfTen() {
        #expect(shown(coded(.uint24e8), "FD 01 E2 40") == "123.456")
        #expect(shown(coded(.int24e8), "FD FE 1D C0") == "-123.456")
        #expect(shown(coded(.int24e8, "CDAB"), "1D C0 FD FE") == "-123.456")
        #expect(shown(coded(.uint24e8), "03 00 00 07") == "7000")
        #expect(shown(coded(.uint24e8, scale: 0.001), "02 00 00 07") == "0.7")
        #expect(refusalKind(encoded(coded(.uint24e8), "1")) == .notWritable)
    }

    @Test func bigNumbersStandInQuotesOnRequest() {
        let text = Coding(form: .text)
        #expect(
            shown(coded(.uint64, "", as: text), "00 20 00 00 00 00 00 01") == "\"9007199254740993\""
        )
        #expect(
            shown(coded(.int64, "", as: text, scale: 0.001), "80 00 00 00 00 00 00 00")
                == "\"-9223372036854775.808\"")
        #expect(
            encoded(coded(.uint64, "", as: text), "\"18446744073709551615\"")
                == .success(wire("FF FF FF FF FF FF FF FF")))
        #expect(
            encoded(coded(.uint64, "", as: text), "7") == .success(wire("00 00 00 00 00 00 00 07")))
        #expect(refusalKind(encoded(coded(.uint64, "", as: text), "\"12x\"")) == .type)
        #expect(refusalKind(encoded(coded(.uint64), "\"12\"")) == .type)
        var named = coded(.uint16, "", as: text)
        named.map = [1: "on"]
        #expect(shown(named, "00 01") == "\"on\"")
        #expect(shown(named, "00 02") == "\"2\"")
        #expect(
            shown(coded(.bcd32, "", as: Coding(sign: .magnitude, form: .digits)), "80 00 12 34")
                == "\"-00001234\"")
        #expect(
            shown(coded(.bcd32, "", as: Coding(form: .digits)), "00 00 00 00") == "\"00000000\"")
    }
}

@Suite struct StepTests {
    private func ruled(
        _ type: ValueType, scale: Double, offset: Double = 0, min: Double? = nil, max: Double? = nil
    ) -> Point {
        Point(
            name: "v", table: .holding, address: 0x20, type: type, scale: scale, offset: offset,
            writable: WriteRule(min: min, max: max))
    }

    /// A step of 0.0061035 has no 50: it was refused for ever.
    @Test func aScaledWriteGoesToTheNearestStep() {
        #expect(encoded(ruled(.uint16, scale: 0.0061035), "50") == .success(.registers([8192])))
        #expect(encoded(ruled(.uint16, scale: 0.1), "0.35") == .success(.registers([4])))
        #expect(encoded(ruled(.int16, scale: 0.1), "-0.35") == .success(.registers([0xFFFC])))
        #expect(encoded(ruled(.int16, scale: -0.5), "0.7") == .success(.registers([0xFFFF])))
        #expect(encoded(ruled(.uint16, scale: 10, offset: 3), "17") == .success(.registers([1])))
        #expect(encoded(ruled(.bcd16, scale: 0.1), "12.34") == .success(.registers([0x0123])))
        // Where nothing is scaled a fraction is a mistake.
        #expect(refusalKind(encoded(ruled(.uint16, scale: 1), "1.5")) == .resolution)
        #expect(refusalKind(encoded(ruled(.uint16, scale: 0.1), "1e300")) != nil)
    }

    /// The nearest step must not be beyond what may be written.
    @Test func theNearestStepKeepsToTheLimits() {
        #expect(
            encoded(ruled(.uint16, scale: 0.3, min: 0, max: 0.5), "0.5")
                == .success(.registers([1])))
        #expect(
            encoded(ruled(.uint16, scale: 0.3, min: 0.4, max: 0.9), "0.4")
                == .success(.registers([2])))
        #expect(refusalKind(encoded(ruled(.uint16, scale: 10, min: 4, max: 6), "5")) == .resolution)
        var limited = ruled(.uint16, scale: 0.3)
        limited.max = 0.5
        #expect(encoded(limited, "0.5") == .success(.registers([1])))
    }

    @Test func noWriteIsFurtherThanHalfAStep() throws {
        var random = RandomSource(seed: 21)
        for _ in 0..<2000 {
            let scale = [0.1, 0.25, 0.0061035, 3, 1e-3, -0.7][Int(random.next() % 6)]
            let offset = [0.0, -40, 0.05][Int(random.next() % 3)]
            let wanted = Int(truncatingIfNeeded: random.next() % 2_000_001) - 1_000_000
            let text = "\(wanted)e-4"
            guard
                case .success(.registers(let words)) = encoded(
                    ruled(.int32, scale: scale, offset: offset), text)
            else {
                Issue.record("\(text) at \(scale) was refused")
                continue
            }
            let raw = Int32(bitPattern: UInt32(words[0]) << 16 | UInt32(words[1]))
            #expect(
                (Double(raw) * scale + offset - Double(wanted) / 1e4).magnitude <= scale.magnitude
                    * 0.500001)
        }
    }
}
