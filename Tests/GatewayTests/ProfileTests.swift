import Adapter
import Base
import Foundation
import Gateway
import Testing

/// The files of board/profiles.
enum ProfileFolder {
    static let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("board/profiles").path

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return files.filter { $0.hasSuffix(".json5") }.map { String($0.dropLast(6)) }.sorted()
    }()

    static func bytes(_ name: String) -> [UInt8] {
        FileManager.default.contents(atPath: "\(path)/\(name).json5").map { Array($0) } ?? []
    }

    static func load(_ name: String) -> Result<ProfileFile, ProfileFailure> {
        let bytes = bytes(name)
        return bytes.isEmpty
            ? .failure(ProfileFailure("is not in board/profiles"))
            : .success(ProfileFile(path: "\(name).json5", bytes: bytes))
    }

    /// A configuration with one node that uses the profile.
    static func read(
        _ name: String, node: String = "", parameters: String = ""
    ) -> (Configuration?, [Diagnostic]) {
        let driver = Configuration.readProfile(bytes(name), fileName: name).0?.driver ?? .modbusRTU
        let key =
            driver == .modbusRTU ? "unit: 1, " : name == "sdi12" && node.isEmpty ? "id: 0, " : ""
        let use = parameters.isEmpty ? "\"\(name)\"" : "{ name: \"\(name)\", \(parameters) }"
        return Configuration.read(
            Array(
                """
                { bridge: { host: "localhost", gateway: "gw-1" }, ports: { a: { device: "/dev/null",
                  driver: "\(driver.rawValue)",
                  nodes: { "node-1": { \(key)profile: \(use), \(node) } } } } }
                """.utf8), fileName: "test"
        ) { load($0) }
    }
}

@Suite struct ProfileTests {
    /// Whether a number of this name has no unit: ratios, codes, counts and raw words.
    private static func isBare(_ name: ByteString) -> Bool {
        let whole: Set<ByteString> = [
            "permittivity", "version", "satellites", "dilution", "weight", "ph",
        ]
        let starts: [ByteString] = ["powerFactor", "value", "word", "register"]
        let ends: [ByteString] = ["Code", "Count", "Word", "State", "PowerFactor", "Version"]
        return whole.contains(name) || starts.contains { name.hasPrefix($0) }
            || ends.contains { name.hasSuffix($0) }
    }

    @Test func theDocumentNamesEveryProfile() throws {
        let path = URL(fileURLWithPath: ProfileFolder.path)
            .deletingLastPathComponent().appendingPathComponent("docs/profiles.md").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let rows = text.split(separator: "\n").filter {
            $0.hasPrefix("| `") && $0.components(separatedBy: " | ").count == 4
        }
        let named = rows.map { String($0.dropFirst(3).prefix { $0 != "`" }) }
        #expect(Set(named) == Set(ProfileFolder.names))
        #expect(named.count == ProfileFolder.names.count, "a profile has two rows")
        for (name, row) in zip(named, rows) {
            let (profile, _) = Configuration.readProfile(
                ProfileFolder.bytes(name), fileName: name)
            let parameters = profile?.parameters.map(\.name.string) ?? []
            for parameter in parameters { #expect(row.contains("`\(parameter)`"), "\(name)") }
        }
    }

    /// Every problem that `fieldgw profile check` would tell, with the extremes of parameters.
    @Test(arguments: ProfileFolder.names) func hasNoProblem(_ name: String) {
        let (listing, diagnostics) = ProfileListing.check(
            ProfileFolder.bytes(name), fileName: name)
        #expect(diagnostics.map(\.description) == [])
        #expect(listing?.node.points.isEmpty == false)
    }

    @Test(arguments: ProfileFolder.names) func saysWhatItIsAndWhereItIsFrom(_ name: String) throws {
        let (profile, diagnostics) = Configuration.readProfile(
            ProfileFolder.bytes(name), fileName: name)
        #expect(diagnostics.map(\.description) == [])
        let read = try #require(profile)
        #expect(read.title?.isEmpty == false && (read.manual?.count ?? 0) > 20)
    }

    @Test(arguments: ProfileFolder.names) func canBeUsedAsItIs(_ name: String) throws {
        let (configuration, diagnostics) = ProfileFolder.read(name)
        #expect(diagnostics.map(\.description) == [])
        let first = configuration?.ports[0].nodes.first
        let node = try #require(first)
        #expect(!node.points.isEmpty)
        for point in node.points {
            let isMeasure = point.type.isNumber && point.map.isEmpty && !point.hidden
            if isMeasure, !Self.isBare(point.name) {
                #expect(point.units != nil, "\(point.name)")
            }
            if point.table.isRegisters { #expect(point.count <= node.maxRegisters) }
            for other in node.points where other.name != point.name && other.table == point.table {
                guard point.text == nil, other.text == nil else { continue }
                let isApart =
                    other.address >= point.address + point.count
                    || point.address >= other.address + other.count
                #expect(isApart, "\(point.name) and \(other.name)")
            }
        }
        if node.uart == nil {
            let planned = configuration?.ports[0].readPlan
            let plan = try #require(planned)
            #expect(
                !plan.reads.isEmpty
                    && plan.reads.allSatisfy { $0.count <= max(node.maxRegisters, node.maxBits) })
        }
    }

    @Test func aSunSpecBlockIsMovedByItsBase() throws {
        func addresses(_ node: String) throws -> [Int] {
            let (configuration, diagnostics) = ProfileFolder.read("sunspec-inverter", node: node)
            #expect(diagnostics.map(\.description) == [])
            let first = configuration?.ports[0].nodes.first
            return try #require(first).points.filter { $0.name.hasPrefix("power") }.map(\.address)
        }
        #expect(try addresses("") == [40083, 40084])
        #expect(try addresses("base: 40070") == [40084, 40085])
        let far = ProfileFolder.read("sunspec-inverter", node: "base: 65530").1
        #expect(far.contains { $0.message.contains("end above the last address, 65535") }, "\(far)")
    }

    /// SolarEdge's example of a scale factor: 0x0B8F with −2 is 29.59.
    @Test func aSunSpecInverterReadsItsScaleFactors() throws {
        let configuration = try #require(ProfileFolder.read("sunspec-inverter").0)
        var adapter = Adapter(configuration.bindings)
        var registers = [UInt16](repeating: 0xFFFF, count: 52)
        registers[0...1] = [103, 50]
        registers[2...6] = [0x0B8F, 986, 0xFFFF, 0xFFFF, 0xFFFE]
        registers[10...13] = [2304, 2310, 2299, 0xFFFF]
        registers[14...15] = [0x8000, 0x8000]  // no power at night
        registers[16...17] = [5000, 0xFFFE]
        registers[24...26] = [0x00BC, 0x614E, 0]
        registers[31...33] = [0xFFFB, 1, 0x8000]
        registers[37...38] = [0xFFFE, 2]
        registers[40...41] = [0, 0x0010]
        let bytes = registers.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        let now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
        let unit = try #require(UnitID(1))
        let reading = Reading(
            Address(port: PortName("a"), unit: unit), every: .seconds(10),
            [ReadPart(.holding, 40069, 52, .success(bytes), at: now)])
        let text = adapter.receive(reading).map { String(decoding: $0.body, as: UTF8.self) }
        #expect(
            text == [
                #""values":{"current":29.59,"currentL1":9.86,"voltageL1":230.4,"frequency":50,"energy":12345678,"#
                    + #""dcPower":-50,"state":"sleeping","events":{"groundFault":false,"dcOverVoltage":false,"#
                    + #""acDisconnect":false,"dcDisconnect":false,"gridDisconnect":true,"cabinetOpen":false,"#
                    + #""manualShutdown":false,"overTemperature":false,"overFrequency":false,"underFrequency":false,"#
                    + #""acOverVoltage":false,"acUnderVoltage":false,"blownStringFuse":false,"underTemperature":false,"#
                    + #""memoryLoss":false,"hardwareTestFailure":false}},"bad":{"power":"invalid","temperature":"invalid"}"#
            ])
    }

    @Test func aFingerprintTellsItsDevice() throws {
        func identify(_ name: String) throws -> [Fingerprint] {
            try #require(Configuration.readProfile(ProfileFolder.bytes(name), fileName: name).0)
                .identify
        }
        func part(_ mark: Fingerprint, _ hex: String) throws -> ReadPart {
            let span = try #require(mark.span)
            let bytes = try #require(Hex.decode(hex))
            return ReadPart(
                span.table, span.address, bytes.count / 2, .success(bytes),
                at: Moment(.zero, WallTime(milliseconds: 0)))
        }
        let meter = try identify("eastron-sdm630")
        #expect(
            try meter[0].accepts(part(meter[0], "42 47 F5 C3"))
                && !meter[0].accepts(part(meter[0], "00 00 00 00")))
        #expect(
            try meter[1].accepts(part(meter[1], "00 70"))
                && !meter[1].accepts(part(meter[1], "00 20")))
        let schneider = try identify("schneider-iem3155")
        let model = "69 45 4D 33 31 35 35 00 " + (0..<16).map { _ in "00 00 " }.joined()
        #expect(try schneider[0].accepts(part(schneider[0], model)))
        let epever = try identify("epever-tracer")
        #expect(epever[0].accepts(vendor: "EPSOLAR Tech co., Ltd", product: "Tracer2215BN"))
        #expect(!epever[0].accepts(vendor: "Eastron", product: "") && epever[0].span == nil)
        let server = Fingerprint.serverID(Array("WAGO".utf8))
        #expect(
            server.accepts(serverID: Array("xx WAGO 750".utf8)) && !server.accepts(serverID: []))
    }

    @Test(arguments: [
        (#"{ identify: { input: 0 } }"#, "1:13", "needs one of \"equals\" and \"between\""),
        (#"{ identify: { input: 0, between: [2, 1] } }"#, "1:34", "must be a range: [low, high]"),
        (#"{ identify: { input: 0, equals: "x" } }"#, "1:33", "is a number, not text"),
        (#"{ identify: { equals: 1 } }"#, "1:15", "unknown key \"equals\""),
        (#"{ identify: {} }"#, "1:13", "needs a coil, discrete, input or holding"),
        (
            #"{ identify: { input: 30011, equals: 1 } }"#, "1:22",
            "write the zero-based address input: 10"
        ),
        (#"{ identify: { vendor: 5 } }"#, "1:23", "must be a string"),
        (#"{ identify: 7 }"#, "1:13", "must be an object"),
        (#"{ driver: "modbus" }"#, "1:11", "must be one of"),
    ])
    func tellsWhatIsWrongWithAFingerprint(_ text: String, _ at: String, _ part: String) {
        let (profile, diagnostics) = Configuration.readProfile(
            Array(text.utf8), fileName: "p.json5")
        #expect(profile == nil && diagnostics.count == 1)
        let first = diagnostics.first?.description ?? ""
        #expect(first.hasPrefix("p.json5:\(at): error: ") && first.contains(part), "\(diagnostics)")
    }
}
