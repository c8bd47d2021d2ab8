import Adapter
import Base
import Gateway
import Testing

@Suite struct QuantityTests {
    @Test(arguments: [
        ("200ms", Duration.milliseconds(200)), ("5s", .seconds(5)), ("1h", .seconds(3600)),
        ("7d", .seconds(604_800)),
        ("0ms", .zero), ("1.5s", .milliseconds(1500)), ("10 m", .seconds(600)),
        ("15min", .seconds(900)),
        ("250us", .microseconds(250)), ("3ns", .nanoseconds(3)), ("0.001s", .milliseconds(1)),
    ])
    func durations(_ text: String, _ value: Duration) { #expect(Quantity.duration(text) == value) }

    @Test(arguments: [
        "", "5", "s", "-5s", "5S", "5 sec", "1e3s", "5s ", "1.2.3s", "٣s", "99999999d", "1h30m",
        " 5s", ".",
    ])
    func noDurations(_ text: String) { #expect(Quantity.duration(text) == nil) }

    @Test(arguments: [
        ("500KiB", 512_000), ("64MiB", 67_108_864), ("1GiB", 1 << 30), ("512B", 512),
        ("1MB", 1_000_000),
        ("1.5KiB", 1536),
        ("0B", 0), ("1kB", 1000),
    ])
    func sizes(_ text: String, _ value: Int) { #expect(Quantity.size(text) == value) }

    @Test(arguments: ["", "5", "5M", "5mib", "-1B", "999999999TiB", "MiB", "12345678901234567890B"])
    func noSizes(_ text: String) { #expect(Quantity.size(text) == nil) }

    @Test func describesInTheLargestExactUnit() {
        #expect(
            Quantity.describe(.milliseconds(1500)) == "1500ms"
                && Quantity.describe(.seconds(604_800)) == "7d"
        )
        #expect(Quantity.describe(.zero) == "0s" && Quantity.describe(.nanoseconds(1)) == "1ns")
        #expect(
            Quantity.describe(bytes: 65_536) == "64KiB" && Quantity.describe(bytes: 1000) == "1000B"
        )
        for text in ["200ms", "5s", "1h", "7d", "10m", "250us"] {
            #expect(Quantity.duration(text).map { Quantity.describe($0) } == text)
        }
    }
}

@Suite struct SuggestionTests {
    static let keys = [
        "device", "driver", "baud", "parity", "stopBits", "responseTimeout", "every", "nodes", "at",
    ]

    @Test(arguments: [
        ("devcie", "device"), ("Device", "device"), ("bauds", "baud"), ("baudrate", "baud"),
        ("timeout", "responseTimeout"),
        ("stop_bits", "stopBits"), ("stopbits", "stopBits"),
        ("responsTimeout", "responseTimeout"), ("node", "nodes"), ("zzz", nil), ("", nil),
        ("x", nil),
        ("ta", "at"), ("pairty", "parity"),
    ])
    func findsWhatWasMeant(_ word: String, _ meant: String?) {
        #expect(Suggestion.nearest(to: word, in: Self.keys) == meant)
    }

    @Test func aWordOfAnyLengthIsHarmless() {
        #expect(
            Suggestion.nearest(to: String(repeating: "x", count: 1_000_000), in: Self.keys) == nil)
        #expect(Suggestion.clause(for: "baut", in: Self.keys) == "; did you mean \"baud\"?")
        #expect(Suggestion.clause(for: "q", in: Self.keys) == "")
    }
}

@Suite struct ConfigurationRobustnessTests {
    @Test func theExampleCutAnywhereOrWithOneByteChangedIsAnAnswerNotATrap() {
        let bytes = Array(Samples.design.utf8)
        func read(_ bytes: [UInt8]) -> (Configuration?, [Diagnostic]) {
            Configuration.read(bytes, fileName: "gw.json5") { _ in
                .success(ProfileFile(path: "p.json5", bytes: Array(Samples.profile.utf8)))
            }
        }
        for count in stride(from: 0, to: bytes.count, by: 7) {
            let (configuration, diagnostics) = read(Array(bytes[..<count]))
            #expect(configuration == nil && !diagnostics.isEmpty)
        }
        var random = RandomSource(seed: 11)
        for _ in 0..<600 {
            var changed = bytes
            let index = Int(random.next() % UInt64(bytes.count))
            changed[index] = UInt8(truncatingIfNeeded: random.next() % 128)
            let (configuration, diagnostics) = read(changed)
            #expect((configuration == nil) == diagnostics.contains { $0.severity == .error })
        }
    }

    @Test func everyValueOfTheExampleMayHaveTheWrongType() throws {
        let json = try JSONReader.parse(Samples.design, .json5)
        var places: [TextPosition] = []
        func collect(_ json: JSON) {
            places.append(json.position)
            json.members?.forEach { collect($0.value) }
            json.array?.forEach(collect)
        }
        collect(json)
        let lines = Samples.design.split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        for (index, place) in places.enumerated().dropFirst() {
            for wrong in ["null", "-1", "[]", "\"\\u0000\"", "1e99", "{}"] {
                var changed = lines
                let line = changed[place.line - 1]
                // The old value stays behind a comment; structures that span lines are left alone.
                guard let end = Self.end(of: line, from: place.column - 1) else { continue }
                changed[place.line - 1] =
                    String(line.prefix(place.column - 1)) + wrong + String(line.dropFirst(end))
                let (configuration, diagnostics) = Samples.read(changed.joined(separator: "\n"))
                #expect(
                    (configuration == nil) == diagnostics.contains { $0.severity == .error },
                    "\(index) \(wrong)")
            }
        }
    }

    /// Where the value that starts there ends on the same line.
    private static func end(of line: String, from start: Int) -> Int? {
        var depth = 0
        var quoted = false
        for (index, character) in line.enumerated() where index >= start {
            if character == "\"" { quoted.toggle() }
            if quoted { continue }
            if "{[".contains(character) { depth += 1 }
            if "}]".contains(character) { depth -= 1 }
            if depth < 0 || depth == 0 && character == "," { return index }
            if depth == 0, "}]".contains(character) { return index + 1 }
        }
        return nil
    }

    @Test func aThousandDevicesAreReadQuickly() throws {
        let nodes = (0..<240).map { node in
            let points = (0..<10).map {
                "p\($0): { holding: \($0 * 2), type: \"float32\", units: \"V\" }"
            }
            return
                "\"dev-\(node)\": { unit: \(node + 1), points: { \(points.joined(separator: ", ")) } }"
        }
        let ports = (0..<4).map { port in
            "p\(port): { device: \"/dev/tty\(port)\", nodes: { "
                + nodes.map { $0.replacing("\"dev-", with: "\"dev-\(port)-") }.joined(
                    separator: ",\n")
                + " } }"
        }
        let text = Samples.withPorts(ports.joined(separator: ",\n"))
        let clock = ContinuousClock()
        var result: (Configuration?, [Diagnostic]) = (nil, [])
        let took = clock.measure { result = Samples.read(text) }
        #expect(result.1 == [] && result.0?.bindings.count == 960)
        #expect(took < .seconds(10), "\(took)")
    }

    @Test func manyProblemsEndSomewhere() {
        let text = "{ " + (0..<5000).map { "k\($0): 1" }.joined(separator: ", ") + " }"
        #expect(Samples.read(text).1.count == 1000)
    }
}
