import Base
import Foundation
import Gateway
import Testing

/// Profiles with parameters: what a node gives, and what becomes of the points.
@Suite struct ProfileParameterTests {
    static let board = """
        { name: "Board", manual: "Manual of the board",
          parameters: {
            channels: { min: 1, max: 8, default: 2 },
            phases: { values: [1, 3], default: 1 },
            base: { min: 0, max: 1000, default: 0 },
          },
          base: "{base}",
          points: {
            "relay{n}": { coil: 0x10, repeat: "channels", writable: true },
            "energy{n}": {
              input: 100, type: "uint32", scaleFrom: "scale{n}", units: "Wh", repeat: "channels",
              step: 4,
            },
            "scale{n}": { input: 102, type: "int16", hidden: true, repeat: "channels", step: 4 },
            voltage: { input: [200, 210], type: "uint32", units: "V", when: { phases: 3 } },
            count: { holding: 5, max: "{channels}" },
          },
        }
        """

    private func read(
        _ profile: String, _ use: String, node: String = ""
    ) -> (points: [String], errors: [String]) {
        let text = """
            { bridge: { host: "localhost", gateway: "gw-1" }, ports: { a: { device: "/dev/null",
              nodes: { "node-1": { unit: 1, profile: \(use), \(node) } } } } }
            """
        let (configuration, diagnostics) = Configuration.read(
            Array(text.utf8), fileName: "gw.json5"
        ) { name in
            name == "board"
                ? .success(ProfileFile(path: "board.json5", bytes: Array(profile.utf8)))
                : .failure(ProfileFailure("is not there"))
        }
        let points = configuration?.ports[0].nodes.first?.points ?? []
        return (
            points.map { "\($0.name) \($0.table.rawValue) \($0.address)" },
            diagnostics.map(\.description)
        )
    }

    @Test func whatIsNotGivenIsTheDefault() {
        let read = read(Self.board, "\"board\"")
        #expect(read.errors == [])
        #expect(
            read.points == [
                "relay1 coil 16", "relay2 coil 17", "energy1 input 100", "energy2 input 104",
                "scale1 input 102", "scale2 input 106", "count holding 5",
            ])
    }

    @Test func aNodeGivesNumbersAndOverridesWhatTheyMake() {
        let read = read(
            Self.board, #"{ name: "board", channels: 3, phases: 3, base: 1000 }"#,
            node:
                "points: { relay2: null, energy1: { every: \"1m\" }, energy2: null, energy3: null }"
        )
        #expect(read.errors == [])
        #expect(
            read.points == [
                "relay1 coil 1016", "relay3 coil 1018", "energy1 input 1100", "scale1 input 1102",
                "scale2 input 1106", "scale3 input 1110", "voltage input 1200",
                "count holding 1005",
            ])
    }

    @Test(arguments: [
        (
            #"{ name: "board", chanels: 3 }"#, "2:59",
            "has no parameter \"chanels\"; did you mean \"channels\"?"
        ),
        (#"{ name: "board", channels: 9 }"#, "2:69", "\"channels\" is 9; it must be 1 to 8"),
        (#"{ name: "board", phases: 2 }"#, "2:67", "\"phases\" is 2; it must be 1 or 3"),
        (#"{ name: "board", channels: "all" }"#, "2:69", "must be a whole number, 1 to 8"),
        (#"{ channels: 3 }"#, "2:42", "\"name\" is missing in \"profile\""),
        (#"7"#, "2:42", "must be a string or an object"),
        (#"{ name: "bord", channels: 3 }"#, "2:50", "profile \"bord\" is not there"),
    ])
    func whatANodeGivesWronglyIsTold(_ use: String, _ at: String, _ part: String) {
        let read = read(Self.board, use, node: "")
        #expect(read.points.isEmpty && read.errors.count == 1, "\(read.errors)")
        let first = read.errors.first ?? ""
        #expect(first.hasPrefix("gw.json5:\(at): error: ") && first.contains(part), "\(first)")
    }

    @Test func aParameterWithoutDefaultMustBeGiven() {
        let profile = Self.board.replacingOccurrences("max: 8, default: 2", "max: 8")
        let missing = read(profile, "\"board\"")
        #expect(missing.errors.count == 1)
        #expect(
            missing.errors.first?.contains(
                "needs the parameter \"channels\" (1 to 8): profile: { name: \"board\", "
                    + "channels: 1 }"
            )
                == true, "\(missing.errors)")
        #expect(read(profile, #"{ name: "board", channels: 1 }"#).errors == [])
    }

    @Test(arguments: [
        (
            "channels: { min: 1, max: 8, default: 2 }", "id: { min: 1, max: 2, default: 1 }", "3:5",
            "cannot be a parameter's name"
        ),
        ("max: 8, default: 2", "max: 8, default: 9", "3:15", "\"default\" is 9; it must be 1 to 8"),
        ("min: 1, max: 8, default: 2", "min: 9, max: 8", "3:15", "\"min\" is 9 and \"max\" is 8"),
        ("max: 8, default: 2", "default: 2", "3:15", "\"max\" is missing"),
        (
            #"coil: 0x10, repeat: "channels""#, #"coil: 0x10, repeat: "chanels""#, "9:39",
            "no parameter \"chanels\"; did you mean \"channels\"?"
        ),
        (#""relay{n}""#, "relay", "9:5", "needs {n} in its name"),
        ("when: { phases: 3 }", "when: { phase: 3 }", "15:71", "no parameter \"phase\""),
        ("when: { phases: 3 }", "when: 3", "15:69", "\"when\" must be an object"),
        ("when: { phases: 3 }", "step: 3", "15:69", "\"step\" goes with \"repeat\""),
        ("coil: 0x10", "coil: 0xFFFF", "9:25", "above the last address, 65535"),
    ])
    func whatAProfileSaysWronglyIsTold(
        _ old: String, _ new: String, _ at: String, _ part: String
    ) {
        let profile = Self.board.replacingOccurrences(old, new)
        let (_, diagnostics) = ProfileListing.check(
            Array(profile.utf8), fileName: "board.json5")
        let texts = diagnostics.map(\.description)
        #expect(
            texts.contains { $0.hasPrefix("board.json5:\(at): error: ") && $0.contains(part) },
            "\(texts)")
    }

    @Test func everyProblemOfAProfileIsToldOnce() {
        let text = """
            { manual: "B", parameters: { channels: { min: 1, max: 40 } },
              identify: { input: 1 },
              points: {
                "value{n}": { input: 0xFFE0, repeat: "channels" },
                "other{n}": { input: 0, repeat: "chanels" },
                x: { input: 1, unit: "V" },
              } }
            """
        let (listing, diagnostics) = ProfileListing.check(
            Array(text.utf8), fileName: "p.json5")
        #expect(listing == nil)
        let starts = diagnostics.map {
            "\($0.place.position.line):\($0.place.position.column) \($0.severity.rawValue)"
        }
        #expect(
            starts == ["1:1 warning", "2:13 error", "4:26 error", "5:37 error", "6:20 error"],
            "\(diagnostics)")
    }

    @Test func aProfileCannotGrowWithoutBound() {
        let many = (0..<400).map { "\"p\($0)x{n}\": { coil: 0, repeat: 1000 }" }
        let profile = "{ name: \"a\", manual: \"b\", points: { \(many.joined(separator: ", ")) } }"
        let (listing, diagnostics) = ProfileListing.check(
            Array(profile.utf8), fileName: "p.json5")
        #expect(listing == nil)
        #expect(diagnostics.contains { $0.message.contains("too many keys") })
    }

    @Test func theDocumentsExamplesHaveNoProblem() throws {
        let path = URL(fileURLWithPath: ProfileFolder.path)
            .deletingLastPathComponent().appendingPathComponent("docs/profiles.md").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        func blocks(_ kind: String) -> [String] {
            text.components(separatedBy: "```json5 \(kind)\n").dropFirst().map {
                $0.components(separatedBy: "\n```")[0]
            }
        }
        let profiles = blocks("profile")
        #expect(profiles.count == 1)
        for block in profiles {
            let (listing, diagnostics) = ProfileListing.check(
                Array(block.utf8), fileName: "profiles.md")
            #expect(diagnostics.map(\.description) == [])
            #expect((listing?.node.points.count ?? 0) > 10)
        }
        let nodes = try #require(blocks("nodes").first)
        let (_, diagnostics) = Configuration.read(
            Array(Samples.withPorts("a: { device: \"/dev/a\", nodes: { \(nodes) } }").utf8),
            fileName: "profiles.md"
        ) { ProfileFolder.load($0) }
        #expect(diagnostics.map(\.description) == [])
    }

    @Test func aPartOfANameFindsAProfile() {
        let names = ["eastron-sdm120", "eastron-sdm630", "carlo-gavazzi-em24", "abb-b23"]
        #expect(ProfileNames.holding("SDM120", in: names) == ["eastron-sdm120"])
        #expect(ProfileNames.holding("sdm 630", in: names) == ["eastron-sdm630"])
        #expect(ProfileNames.holding("em24 gavazzi", in: names) == ["carlo-gavazzi-em24"])
        #expect(ProfileNames.holding("sdm", in: names).count == 2)
        #expect(ProfileNames.holding("--", in: names).isEmpty)
        #expect(ProfileNames.clause(for: "abb-b24", in: names) == "; did you mean \"abb-b23\"?")
        #expect(
            ProfileNames.clause(for: "sdm", in: names)
                == "; did you mean \"eastron-sdm120\" or \"eastron-sdm630\"?")
        #expect(
            ProfileNames.clause(for: "gavazi", in: names)
                == "; did you mean \"carlo-gavazzi-em24\"?")
        #expect(ProfileNames.clause(for: "xyz", in: names) == "")
    }
}

extension String {
    fileprivate func replacingOccurrences(_ old: String, _ new: String) -> String {
        split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }
}
