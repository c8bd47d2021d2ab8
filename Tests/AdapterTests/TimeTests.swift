import Adapter
import Base
import Testing

@Suite struct TimeTests {
    /// A register map, its layout and encoding, the bytes on the wire, and the text.
    struct Sample: Sendable, CustomStringConvertible {
        var layout: ByteString
        var digits: TimeLayout.Digits
        var wire: String
        var text: String
        var description: String { "\(layout) \(digits.rawValue) \(wire)" }

        init(_ layout: ByteString, _ wire: String, _ text: String) {
            self.init(layout, .binary, wire, text)
        }

        init(_ layout: ByteString, _ digits: TimeLayout.Digits, _ wire: String, _ text: String) {
            (self.layout, self.digits, self.wire, self.text) = (layout, digits, wire, text)
        }
    }

    static let samples: [Sample] = [
        // EPEVER B-series controller Modbus protocol V2.3, real time clock: minute and second, day
        // and hour, year and month.
        Sample("mmss DDhh YYMM", "1E 05 1D 0D 1A 0B", "2026-11-29T13:30:05Z"),
        // Deye and Sunsynk hybrid inverters, registers 22 to 24: year and month, day and hour,
        // minute and second.
        Sample("YYMM DDhh mmss", "1A 0B 1D 0D 1E 05", "2026-11-29T13:30:05Z"),
        // Power meters with year, month, day, hour, minute and second in a register each, as
        // Schneider's PM5000 series.
        Sample(
            "YYYY MMMM DDDD hhhh mmmm ssss", "07 EA 00 0B 00 1D 00 0D 00 1E 00 05",
            "2026-11-29T13:30:05Z"),
        // The same as Solis inverters have it: the year as 0 to 99.
        Sample(
            "YYYY MMMM DDDD hhhh mmmm ssss", "00 1A 00 0B 00 1D 00 0D 00 1E 00 05",
            "2026-11-29T13:30:05Z"),
        Sample("--YY --MM --DD", "FF 1A 33 0B 99 1D", "2026-11-29"),
        // DL/T 645-2007, date with weekday (YYMMDDWW) and time (hhmmss), in the order of the
        // standard's data format.
        Sample("YY MM DD --", .bcd, "26 11 29 07", "2026-11-29"),
        Sample("hh mm ss --", .bcd, "13 30 05 00", "13:30:05"),
        Sample(
            "YYYY MM DD hh mm ss ff", .bcd, "20 26 11 29 13 30 05 12", "2026-11-29T13:30:05.120Z"),
        Sample("YYMMDD hhmmss ffff", .bcd, "26 11 29 13 30 05 01 23", "2026-11-29T13:30:05.123Z"),
        // Times of use of Deye and Sunsynk inverters: decimal hour and minute, 1330 is 13:30.
        Sample("hhmm", .decimal, "05 32", "13:30"), Sample("hhmm", .decimal, "00 05", "00:05"),
        Sample("YYMMDD", .decimal, "00 03 FC 09", "2026-11-29"),
        Sample("YYYYMMDDhhmmss", .decimal, "00 00 12 6D 69 67 9B CD", "2026-11-29T13:30:05Z"),
        // A well-known moment, 1 700 000 000 s.
        Sample("epoch", "65 53 F1 00", "2023-11-14T22:13:20Z"),
        Sample("epoch", "FF FF FF FF", "2106-02-07T06:28:15Z"),
        Sample("epoch-ms", "00 00 01 8B CF E5 68 00", "2023-11-14T22:13:20.000Z"),
        // SunSpec model 122, Tms: seconds since 2000-01-01 00:00 UTC.
        Sample("epoch-2000", "00 00 00 00", "2000-01-01T00:00:00Z"),
        Sample("minutes", "03 2A", "13:30"), Sample("seconds", "00 00 BD DD", "13:30:05"),
        // Date and time format of IEC 870-5-4 as Schneider's iEM3000 series has it: 2026-11-29
        // (Sunday) 13:30:05.123.
        Sample("ti081", "00 1A 0B FD 0D 1E 14 03", "2026-11-29T13:30:05.123Z"),
        // IEC 60870-5-4, 6.8, CP56Time2a of the same moment.
        Sample("cp56", "03 14 1E 0D FD 0B 1A", "2026-11-29T13:30:05.123Z"),
        // EN 13757-3, annex A, type G and type F: 2007-12-31, and 2026-11-29 13:30 with and without
        // the hundreds.
        Sample("mbus-g", "FF 0C", "2007-12-31"),
        Sample("mbus-f", "1E 0D 5D 3B", "2026-11-29T13:30:00Z"),
        Sample("mbus-f", "1E 2D 5D 3B", "2026-11-29T13:30:00Z"),
    ]

    @Test(arguments: samples) func readsDatesOfManuals(_ sample: Sample) {
        let length = bytes(sample.wire).count
        let frame = coded(
            .datetime, "", .frame, length: length, as: timeCoding(sample.layout, sample.digits))
        #expect(shown(frame, sample.wire) == "\"\(sample.text)\"")
        let padded = length % 2 == 0 ? sample.wire : sample.wire + " 00"
        guard length % 2 == 0 || sample.layout == "cp56" else { return }
        let point = coded(
            .datetime, length: (length + 1) / 2, as: timeCoding(sample.layout, sample.digits))
        #expect(shown(point, padded) == "\"\(sample.text)\"")
    }

    /// What a sample reads as is what writing it puts there, but for bytes that are not looked at.
    @Test(arguments: samples) func writesWhatItReads(_ sample: Sample) {
        let data = bytes(sample.wire)
        guard data.count % 2 == 0 else { return }
        let point = coded(
            .datetime, length: data.count / 2, as: timeCoding(sample.layout, sample.digits))
        switch encoded(point, "\"\(sample.text)\"") {
        case .success(.registers(let words)):
            // A year of two digits in a register of its own is written in full.
            if sample.wire.hasPrefix("00 1A 00 0B") { return }
            #expect(Order.Data.registers(words) == wire(sample.wire))
        case .success(.masked(let mask, let value)):
            guard case .registers(let words) = wire(sample.wire) else { return }
            #expect(mask.contains { $0 != 0xFFFF })
            for index in mask.indices {
                #expect(words[index] & mask[index] == value[index] & mask[index])
            }
        case .success(let other): Issue.record("\(other)")
        case .failure(let refusal):
            #expect(
                ["ti081", "mbus-f", "mbus-g"].contains(sample.layout)
                    && refusal.kind == .notWritable, "\(refusal)")
        }
    }

    @Test func anEpochIsReadInAnyOrder() {
        let epoch = timeCoding("epoch")
        #expect(
            shown(coded(.datetime, "CDAB", length: 2, as: epoch), "F1 00 65 53")
                == "\"2023-11-14T22:13:20Z\"")
        #expect(
            shown(coded(.datetime, "DCBA", length: 2, as: epoch), "00 F1 53 65")
                == "\"2023-11-14T22:13:20Z\"")
        #expect(
            shown(coded(.datetime, "GHEFCDAB", length: 4, as: epoch), "F1 00 65 53 00 00 00 00")
                == "\"2023-11-14T22:13:20Z\"")
        #expect(
            encoded(coded(.datetime, "CDAB", length: 2, as: epoch), "\"2023-11-14T23:13:20+01:00\"")
                == .success(wire("F1 00 65 53")))
    }

    @Test func theOffsetIsWrittenBehindTheTime() {
        func local(_ zone: TimeLayout.Zone) -> Point {
            coded(.datetime, length: 3, as: timeCoding("YYMM DDhh mmss", .binary, zone))
        }
        let hex = "1A 0B 1D 0D 1E 05"
        #expect(shown(local(.offset(60)), hex) == "\"2026-11-29T13:30:05+01:00\"")
        #expect(shown(local(.offset(-330)), hex) == "\"2026-11-29T13:30:05-05:30\"")
        #expect(shown(local(.unknown), hex) == "\"2026-11-29T13:30:05\"")
        #expect(encoded(local(.offset(60)), "\"2026-11-29T12:30:05Z\"") == .success(wire(hex)))
        #expect(encoded(local(.unknown), "\"2026-11-29T13:30:05\"") == .success(wire(hex)))
        #expect(refusalKind(encoded(local(.unknown), "\"2026-11-29T13:30:05Z\"")) == .type)
        #expect(refusalKind(encoded(local(.offset(0)), "\"2026-11-29T13:30:05\"")) == .type)
        #expect(refusalKind(encoded(local(.offset(0)), "\"2100-01-01T00:00:00Z\"")) == .range)
        #expect(refusalKind(encoded(local(.offset(0)), "5")) == .type)
    }

    /// A clock that was never set must not become a date.
    @Test(
        arguments: [
            ("YYMM DDhh mmss", "00 00 00 00 00 00"), ("YYMM DDhh mmss", "1A 02 1D 00 00 00"),
            ("YYMM DDhh mmss", "1A 0D 01 00 00 00"),
            ("YYMM DDhh mmss", "1A 0B 1D 18 00 00"), ("YYMM DDhh mmss", "1A 0B 1D 0D 3C 00"),
            ("YYMM DDhh mmss", "1A 0B 1D 0D 1E 3C"),
            ("YYMM DDhh mmss", "FF FF FF FF FF FF"), ("YYMM DDhh mmss", "64 0B 1D 0D 1E 05"),
            ("minutes", "05 A0"), ("mbus-g", "FF FC"),
            ("ti081", "00 1A 0B FD 0D 9E 14 03"), ("ti081", "00 1A 0B FD 0D 1E EA 60"),
            ("mbus-f", "9E 0D 5D 3B"), ("mbus-g", "00 00"),
            ("epoch-ms", "FF FF FF FF FF FF FF FF"), ("cp56", "00 00 80 00 00 00 00 00"),
        ] as [(ByteString, String)]) func whatIsNoDateIsInvalid(_ layout: ByteString, _ hex: String)
    {
        #expect(
            shown(coded(.datetime, length: bytes(hex).count / 2, as: timeCoding(layout)), hex)
                == "bad invalid")
    }

    @Test func everyMinuteInDecimalIsReadOrInvalid() {
        let point = coded(.datetime, as: timeCoding("hhmm", .decimal))
        for number in UInt16.min...UInt16.max where number < 2500 || number % 1009 == 0 {
            let hex = Hex.encode([UInt8(number >> 8), UInt8(number & 0xFF)])
            let exists = number < 2400 && number % 100 < 60
            let text = String(repeating: "0", count: 4 - min(4, "\(number)".count)) + "\(number)"
            #expect(
                shown(point, hex)
                    == (exists ? "\"\(text.prefix(2)):\(text.suffix(2))\"" : "bad invalid"))
            if exists {
                #expect(
                    encoded(point, "\"\(text.prefix(2)):\(text.suffix(2))\"")
                        == .success(.registers([number])))
            }
        }
    }

    /// Days at the ends of all months, in BCD, and none that does not exist.
    @Test func daysOfTheCenturyComeBackIfTheyExist() {
        let point = coded(.datetime, length: 2, as: timeCoding("YYMM DD--", .bcd))
        var count = 0
        for year in stride(from: 0, to: 100, by: 3) {
            for month in 0...13 {
                for day in [0, 1, 15, 28, 29, 30, 31, 32] {
                    func bcd(_ value: Int) -> UInt8 { UInt8(value / 10 * 16 + value % 10) }
                    let text = shown(point, Hex.encode([bcd(year), bcd(month), bcd(day), 0xEE]))
                    let isLeap = year % 4 == 0
                    let most =
                        month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
                    guard (1...12).contains(month), (1...most).contains(day) else {
                        #expect(text == "bad invalid")
                        continue
                    }
                    count += 1
                    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
                    #expect(text == "\"20\(two(year))-\(two(month))-\(two(day))\"")
                }
            }
        }
        #expect(count == 2219)
    }

    @Test(arguments: [
        "YYYY", "YYMM", "DD", "hh", "mmss", "ss", "YYMMDDYY", "YY MM D", "XX", "", "hhmmff",
        "YYYYYYYYYY MM DD", "yymmdd",
    ])
    func aLayoutWithoutAWholeDateOrTimeIsNone(_ text: String) {
        #expect(TimeLayout(ByteString(text)) == nil)
    }

    /// No bytes trap under any layout, and what comes out is text or bad.
    @Test func noLayoutTraps() {
        var random = RandomSource(seed: 31)
        let layouts =
            Self.samples.map(\.layout) + TimeLayout.Named.allCases.map { ByteString($0.rawValue) }
        for layout in layouts {
            for digits in TimeLayout.Digits.allCases {
                for _ in 0..<30 {
                    let length = Int(random.next() % 8)
                    let raw = (0..<(2 * length + 2)).map { _ in
                        UInt8(truncatingIfNeeded: random.next())
                    }
                    let text = shown(
                        coded(.datetime, length: length, as: timeCoding(layout, digits)),
                        Hex.encode(raw))
                    #expect(
                        text.hasPrefix("\"20") || text.hasPrefix("\"") || text.hasPrefix("bad "),
                        "\(layout) \(text)")
                }
            }
        }
    }
}
