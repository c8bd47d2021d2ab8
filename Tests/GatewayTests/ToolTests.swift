import Adapter
import Base
import Drivers
import Gateway
import Modbus
import Testing

/// The texts that the field tools take and make.
@Suite struct ToolTests {
    private let now = Moment(.zero, WallTime(milliseconds: 0))

    @Test(
        arguments: [
            ("holding:0", Table.holding, 0, nil), ("input:0x10:4", .input, 16, 4),
            ("coil:65535", .coil, 65_535, nil),
            ("discrete:7:2000", .discrete, 7, 2000), ("holding:0x9C41", .holding, 40_001, nil),
            ("input:10001", .input, 10_001, nil),
        ] as [(String, Table, Int, Int?)])
    func aPlaceIsTableAddressAndCount(
        _ text: String, _ table: Table, _ address: Int, _ count: Int?
    ) throws {
        #expect(
            try RegisterPlace(text) == RegisterPlace(table: table, address: address, count: count))
    }

    @Test(arguments: [
        ("holding", "write TABLE:ADDRESS"), ("40001", "write holding:0"),
        ("30013", "write input:12"),
        ("holding:40001", "write the zero-based address holding:0"),
        ("holding:400001", "holding:0"),
        ("input:40010", "holding:9"), ("hodling:0", "did you mean \"holding\"?"),
        ("frame:0", "is no table"),
        ("holding:x", "is no address"), ("holding:-1", "is no address"), ("holding:65536", "65535"),
        ("holding:0:126", "1 to 125 registers"), ("coil:0:2001", "1 to 2000 bits"),
        ("holding:0:0", "1 to 125"),
        ("holding:65535:2", "end above the last address"), ("holding:0:1:2", "write TABLE:ADDRESS"),
        ("", "write TABLE:ADDRESS"),
        ("holding:99999999999999999999", "is no address"), ("holding:0x", "is no address"),
    ]) func aWrongPlaceIsExplained(_ text: String, _ words: String) {
        do throws(RegisterPlace.Problem) {
            let place = try RegisterPlace(text)
            Issue.record("\(text) was taken for \(place)")
        } catch {
            #expect(error.message.contains(words), "\(error.message)")
        }
    }

    private func codec(
        _ text: String, _ type: ValueType?, _ order: String? = nil
    ) throws -> RegisterCodec {
        try RegisterCodec(try RegisterPlace(text), type: type, order: order)
    }

    @Test func readsWhatItWrites() throws {
        let cases: [(String, ValueType?, String?, [String], [UInt16])] = [
            ("holding:4", nil, nil, ["7", "0xFFFF", "-2"], [7, 0xFFFF, 0xFFFE]),
            ("holding:4", .float32, "CDAB", ["12.5", "-1"], [0, 0x4148, 0, 0xBF80]),
            ("holding:4", .int32, nil, ["-2"], [0xFFFF, 0xFFFE]),
            ("holding:4", .uint16, "BA", ["1"], [0x0100]),
            ("holding:4:3", .string, nil, ["pump"], [0x7075, 0x6D70, 0]),
        ]
        for (place, type, order, texts, registers) in cases {
            let codec = try codec(place, type, order)
            #expect(try codec.encode(texts, at: now) == .registers(registers))
            if type != nil, type != .string { #expect(codec.texts(registers, at: now) == texts) }
        }
        #expect(
            try codec("coil:0", nil).encode(["on", "0", "true", "1", "off"], at: now)
                == .bits([true, false, true, true, false]))
    }

    @Test(
        arguments: [
            ("holding:0", ValueType.uint16, "70000"), ("holding:0", .int16, "1.5"),
            ("holding:0", .uint16, "pump"),
            ("coil:0", .bool, "7"), ("holding:65535", .float32, "1"),
            ("holding:0", .float32, "nan"),
        ] as [(String, ValueType, String)])
    func aValueThatDoesNotFitIsRefused(_ place: String, _ type: ValueType, _ text: String) throws {
        #expect(throws: RegisterPlace.Problem.self) {
            _ = try codec(place, type).encode([text], at: now)
        }
    }

    @Test func typesAndOrdersThatDoNotGoTogetherAreRefused() {
        for (place, type, order) in [
            ("coil:0", ValueType.int16, nil), ("holding:0:3", .float32, nil),
            ("holding:0", .bits, nil),
            ("holding:0", .float32, "AB"), ("holding:0", .uint16, "ABCD"),
            ("holding:65535", .float32, nil),
        ] as [(String, ValueType, String?)] {
            #expect(throws: RegisterPlace.Problem.self, "\(place) \(type)") {
                _ = try codec(place, type, order)
            }
        }
    }

    // MARK: Profiles

    private func profile(_ identify: String) throws -> Profile {
        let text = "{ name: \"x\", identify: \(identify), points: { a: { holding: 0 } } }"
        let (profile, diagnostics) = Configuration.readProfile(
            Array(text.utf8), fileName: "x.json5")
        return try #require(profile, "\(diagnostics)")
    }

    @Test func aUnitIsRecognisedByWhatItAnswers() throws {
        let matcher = ProfileMatcher(
            try [
                (
                    "meter",
                    profile(
                        "[{ input: 0x46, type: \"float32\", between: [45, 65] }, { holding: 0xFC02, equals: 0x20 }]"
                    )
                ),
                ("other", profile("{ holding: 0xFC02, equals: 0x70 }")),
                ("vague", profile("{ input: 0x46, type: \"float32\", between: [0, 100] }")),
                ("named", profile("{ vendor: \"EPsolar\" }")), ("unknown", profile("[]")),
            ])
        let frequency = Request.read(.readInputRegisters, address: 0x46, count: 2)
        let code = Request.read(.readHoldingRegisters, address: 0xFC02, count: 1)
        #expect(matcher.reads == [frequency, code])
        var unit = Finding(
            unit: 1, line: LineSettings(device: .path("/dev/x")), probe: code,
            answer: .read(.readHoldingRegisters, [0, 1]),
            turnaround: .zero)
        #expect(matcher.matches(unit) == [])
        unit.reads = [frequency: [0x42, 0x48, 0, 0], code: [0, 0x20]]
        #expect(matcher.matches(unit) == ["meter", "vague"])
        unit.reads[code] = [0, 0x70]
        #expect(matcher.matches(unit) == ["other", "vague"])
        unit.reads = [frequency: [0x42]]
        unit.identity.vendor = "EPsolar Tech"
        #expect(matcher.matches(unit) == ["named"])
    }

    // MARK: Configurations

    private func errors(in text: String) -> [String] {
        Configuration.examine(
            Array(text.utf8), fileName: "made.json5",
            profileLoader: { .failure(ProfileFailure("\($0)")) }
        )
        .1.filter { $0.severity == .error }.map(\.description)
    }

    @Test func aScanMakesAConfigurationThatIsAccepted() {
        var found: [Finding] = []
        let line = LineSettings(
            device: .path("/dev/ttyUSB0"), baud: 19_200, parity: .even, stopBits: 2)
        let probes: [(Request, Response)] = [
            (
                .read(.readHoldingRegisters, address: 0, count: 1),
                .read(.readHoldingRegisters, [0, 7])
            ),
            (.read(.readInputRegisters, address: 3, count: 1), .read(.readInputRegisters, [0, 7])),
            (.read(.readCoils, address: 3, count: 1), .read(.readCoils, [1])),
            (
                .read(.readHoldingRegisters, address: 0, count: 1),
                .exception(.readHoldingRegisters, .illegalDataAddress)
            ),
        ]
        for (unit, (probe, answer)) in probes.enumerated() {
            var one = Finding(
                unit: UInt8(unit + 1), line: line, probe: probe, answer: answer,
                turnaround: .milliseconds(30 * unit))
            one.identity.vendor = "Acme \" */ \u{7}"
            found.append(one)
        }
        let text = ScanStanza.text(
            found, device: "device: \"/dev/ttyUSB0\"", port: "bus-a", hints: ["look\nhere"],
            table: "unit\n1")
        #expect(errors(in: text) == [], "\(text)")
        #expect(text.contains("stopBits: 2") && text.contains("// \"unit-4\""))
    }

    @Test func whatWasOverheardMakesAConfigurationThatIsAccepted() {
        var traffic = Traffic()
        func say(_ unit: UInt8, _ request: Request, _ response: Response, at milliseconds: Int) {
            let at = Moment(.zero + .milliseconds(milliseconds), WallTime(milliseconds: 0))
            traffic.note(
                Overheard(
                    content: .exchange(unit: unit, request, .answer(response), turnaround: nil),
                    at: at))
        }
        let many = Request.read(.readHoldingRegisters, address: 40_000, count: 3)
        for round in 0..<4 {
            say(3, many, .read(.readHoldingRegisters, [0, 1, 0, 2, 0, 3]), at: 1013 * round)
            say(3, .read(.readCoils, address: 8, count: 2), .read(.readCoils, [1]), at: 200 * round)
            say(
                9, .read(.readInputRegisters, address: 65_535, count: 1),
                .read(.readInputRegisters, [0, 1]), at: 61_000 * round)
            say(
                3, .writeRegister(address: 5, 1),
                .wroteSingle(.writeSingleRegister, address: 5, value: 1), at: round)
        }
        let line = LineSettings(device: .path("/dev/ttyUSB0"))
        let text = TrafficStanza.text(
            traffic, line: line, device: "device: \"/dev/ttyUSB0\"", port: "bus-a")
        #expect(errors(in: text) == [], "\(text)")
        for words in [
            "every: \"1s\"", "every: \"200ms\"", "every: \"1m\"", "0x9C41", "holding40002", "coil9",
            "// function 6",
        ] {
            #expect(text.contains(words), "\(words) is missing in \(text)")
        }
        #expect(TrafficStanza.text(Traffic(), line: line, device: "", port: "bus-a").isEmpty)
    }
}
