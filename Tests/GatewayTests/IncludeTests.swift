import Base
import Drivers
import Foundation
import Gateway
import Testing

/// Several files that are one configuration, nodes that differ by a number, and the host's name.
@Suite struct IncludeTests {
    private static let nodes = #""d-1": { unit: 1, points: { x: { holding: 0 } } }"#

    private func read(
        _ main: String, _ others: [(name: String, text: String)] = [], hostName: String? = nil
    ) -> (Configuration?, [Diagnostic]) {
        Configuration.read(
            Array(main.utf8), fileName: "etc/gw.json5", in: surroundings(others, hostName),
            profileLoader: { name in
                name == "eastron-sdm120"
                    ? .success(ProfileFile(path: "p.json5", bytes: Array(Samples.profile.utf8)))
                    : .failure(ProfileFailure("does not exist"))
            })
    }

    private func surroundings(
        _ others: [(name: String, text: String)], _ hostName: String?
    ) -> Surroundings {
        Surroundings(hostName: hostName) { path in
            guard let file = others.first(where: { $0.name == path }) else {
                return .failure(ProfileFailure("cannot be read: No such file or directory"))
            }
            return .success(Array(file.text.utf8))
        }
    }

    @Test func filesAreMergedByKey() throws {
        let common = """
            { bridge: { host: "broker.lan", gateway: "nobody", keepAlive: "30s", username: "u" },
              ports: { a: { device: "/dev/a", baud: 19200, every: "5s", nodes: {
                "d-1": { unit: 1, points: { x: { holding: 0 }, y: { holding: 1 } } },
                "d-2": { unit: 2, points: { x: { holding: 0 } } } } } } }
            """
        let (found, problems) = read(
            """
            { include: ["common.json5"], bridge: { gateway: "gw-1", username: null },
              ports: { a: { baud: 9600, nodes: {
                "d-1": { points: { y: { scale: 0.1 } } },
                "d-3": { unit: 3, points: { x: { holding: 0 } } } } } } }
            """, [("etc/common.json5", common)])
        #expect(problems == [])
        let configuration = try #require(found)
        #expect(configuration.bridge.gateway.text == "gw-1")
        #expect(configuration.bridge.keepAlive == .seconds(30))
        #expect(
            configuration.bridge.dialect
                == .plain(clientID: "gw-1", username: nil, password: nil))
        let port = configuration.ports[0]
        #expect(port.line.baud == 9600 && port.every == .seconds(5))
        #expect(port.nodes.map(\.device.text) == ["d-1", "d-2", "d-3"])
        #expect(port.nodes[0].points.map(\.scale) == [1, 0.1])
        #expect(port.nodes[0].points.map(\.address) == [0, 1])
    }

    /// A later file goes before an earlier one, and both after the one that includes them.
    @Test func theOrderOfFilesDecides() throws {
        let text = """
            { include: ["one.json5", "two.json5"], logLevel: "error",
              bridge: { host: "h", gateway: "g" },
              ports: { a: { device: "/d", nodes: { \(Self.nodes) } } } }
            """
        let (found, problems) = read(
            text,
            [
                (
                    "etc/one.json5",
                    "{ logLevel: \"debug\", clock: \"auto\", health: { every: \"2m\" } }"
                ),
                ("etc/two.json5", "{ include: \"sub/three.json5\", clock: \"trust\" }"),
                ("etc/sub/three.json5", "{ clock: \"auto\", health: { every: \"3m\" } }"),
            ])
        #expect(problems == [])
        #expect(found?.logLevel == .error && found?.clock == .trust)
        #expect(found?.health.every == .seconds(180))
    }

    /// A problem is told in the file and at the place where its text stands, and a relative path is
    /// relative to its file.
    @Test func eachValueKeepsItsFile() throws {
        let (found, problems) = read(
            """
            { include: ["site/plant.json5"], bridge: { gateway: "gw-1", prot: 1 },
              ports: { a: { nodes: { "d-1": { unit: 300 } } } } }
            """,
            [
                (
                    "etc/site/plant.json5",
                    """
                    { bridge: { host: "h", ca: "ca.pem" },
                      ports: { a: { device: "/d", baud: 9601,
                        nodes: { "d-1": { points: { x: { holding: 40001 } } } } } } }
                    """
                )
            ])
        #expect(found == nil)
        #expect(
            problems.map {
                "\($0.place.file):\($0.place.position.line):\($0.place.position.column)"
            }
                == [
                    "etc/gw.json5:1:61", "etc/gw.json5:2:41", "etc/site/plant.json5:2:37",
                    "etc/site/plant.json5:3:47",
                ], "\(problems.map(\.description))")
        let (_, _, files) = Configuration.examine(
            Array(
                """
                { include: ["site/tls.json5"],
                  bridge: { host: "h", gateway: "g", clientKey: "own.pem" },
                  ports: { a: { device: "/d", nodes: { \(Self.nodes) } } } }
                """.utf8), fileName: "etc/gw.json5",
            in: surroundings(
                [("etc/site/tls.json5", "{ bridge: { clientCertificate: \"c.pem\" } }")], nil),
            profileLoader: { _ in .failure(ProfileFailure("none")) })
        #expect(
            Set(files.map(\.path.value)) == ["etc/site/c.pem", "etc/own.pem", "/d"], "\(files)")
    }

    /// By two ways, and with a mistake in it.
    @Test func aFileThatIsIncludedTwiceIsToldOnce() {
        let (found, problems) = read(
            "{ include: [\"a.json5\", \"b.json5\"] }",
            [
                ("etc/a.json5", "{ include: \"c.json5\" }"),
                ("etc/b.json5", "{ include: \"c.json5\" }"),
                (
                    "etc/c.json5",
                    """
                    { bridge: { host: "h", gateway: "g", prot: 1 },
                      ports: { a: { device: "/d", nodes: { \(Self.nodes) } } } }
                    """
                ),
            ])
        let told = problems.filter { $0.severity == .error }.map(\.description)
        #expect(found == nil && told.count == 1, "\(told)")
        #expect(told.first?.hasPrefix("etc/c.json5:1:") == true, "\(told)")
        #expect(told.first?.contains("\"prot\"") == true, "\(told)")
        #expect(told.first?.contains("profile") == false, "\(told)")
    }

    /// A secret in the clear is never changed; the path of one is.
    @Test func theHostsNameStandsInThePathOfASecret() {
        let document = ConfigurationDocument.read(
            Array(
                "{ bridge: { password: { file: \"{hostname}.pw\" }, token: \"{hostname}\" } }"
                    .utf8), fileName: "gw.json5", in: surroundings([], "pi-17"))
        let bridge = document.root?["bridge"]
        #expect(bridge?["password"]?["file"]?.string == "pi-17.pw")
        #expect(bridge?["token"]?.string == "{hostname}")
    }

    @Test(arguments: [
        ("include: 5", "1:12", "must be a path or a list of paths, not a number"),
        ("include: [\"\"]", "1:13", "not empty"),
        ("include: \"gone.json5\"", "1:12", "the included file \"etc/gone.json5\" cannot be read"),
        ("include: \"gw.json5\"", "1:12", "\"etc/gw.json5\" includes itself"),
        ("include: \"list.json5\"", "1:1", "an included file must be an object, not an array"),
        ("include: \"loop.json5\"", "1:12", "\"etc/loop.json5\" includes itself"),
    ])
    func aFileThatCannotBeIncludedIsToldOnce(_ key: String, _ place: String, _ words: String) {
        let (found, problems) = read(
            """
            { \(key), bridge: { host: "h", gateway: "g" },
              ports: { a: { device: "/d", nodes: { \(Self.nodes) } } } }
            """,
            [("etc/list.json5", "[]"), ("etc/loop.json5", "{ include: \"loop.json5\" }")])
        #expect(found == nil && problems.count == 1, "\(problems)")
        #expect(problems.first?.message.contains(words) == true, "\(problems)")
        #expect(
            problems.first.map { "\($0.place.position.line):\($0.place.position.column)" } == place)
    }

    /// Each file includes two more: the number of files is bounded, whatever they say.
    @Test func includingEndsSomewhere() {
        let surroundings = Surroundings { path in
            .success(Array("{ include: [\"x\(path)\", \"y\(path)\"] }".utf8))
        }
        let text = "{ include: \"a\", bridge: { host: \"h\", gateway: \"g\" }, ports: {} }"
        let document = ConfigurationDocument.read(
            Array(text.utf8), fileName: "gw.json5", in: surroundings)
        #expect(document.files.count == 64)
        let (found, problems) = Configuration.read(
            Array(text.utf8), fileName: "gw.json5", in: surroundings,
            profileLoader: { _ in .failure(ProfileFailure("none")) })
        #expect(found == nil && problems.count < 200)
        #expect(problems.contains { $0.message.contains("goes on for too long") })
    }

    @Test func aNumberedNodeIsAsManyAsItHasUnits() throws {
        let (found, problems) = read(
            Samples.withNodes(
                """
                "meter-{unit}": { unit: "1-3, 7", profile: "eastron-sdm120", share: false },
                "meter-2": { every: "1m" },
                "valve-{unit}": { unit: 9, points: { "v{unit}": { holding: 0 } } },
                """))
        #expect(problems == [])
        let nodes = try #require(found).ports[0].nodes
        #expect(
            nodes.map { "\($0.device)=\($0.unit)" }
                == ["meter-1=1", "meter-2=2", "meter-3=3", "meter-7=7", "valve-9=9"])
        #expect(nodes.map(\.every) == [2, 60, 2, 2, 10].map { .seconds($0) })
        #expect(nodes[4].points.map(\.name) == ["v9"])
        #expect(nodes[0].points == nodes[3].points && !nodes[0].points.isEmpty)
    }

    /// One mistake in a numbered node is one message, however many nodes there are.
    @Test(arguments: [
        ("\"m-{unit}\": { unit: \"1-9\", pionts: {} }", "3:28", "did you mean \"points\"?"),
        (
            "\"m-{unit}\": { unit: \"1-9\", points: { x: { holding: 40001 } } }", "3:52",
            "counts from 1"
        ),
        (
            "m: { unit: \"1-9\", points: { x: { holding: 0 } } }", "3:12",
            "need {unit} in the node's name"
        ),
        ("\"m-{unit}\": { unit: \"9-1\", points: { x: { holding: 0 } } }", "3:21", "\"1-4, 7\""),
        ("\"m-{unit}\": { unit: \"1-4, 3\", points: { x: { holding: 0 } } }", "3:21", "\"1-4, 7\""),
        ("\"m-{unit}\": { unit: \"0-256\", points: { x: { holding: 0 } } }", "3:21", "1 to 255"),
        ("\"m-{unit}\": { points: { x: { holding: 0 } } }", "3:13", "\"unit\" is missing"),
    ])
    func aMistakeInNumberedNodesIsToldOnce(_ node: String, _ place: String, _ words: String) {
        let (found, problems) = read(Samples.withNodes(node))
        #expect(found == nil)
        #expect(
            problems.map { "\($0.place.position.line):\($0.place.position.column)" } == [place],
            "\(problems)")
        #expect(problems.first?.message.contains(words) == true, "\(problems)")
    }

    @Test func theHostsNameStandsInNamesTopicsAndPaths() throws {
        let text = """
            { bridge: { host: "h", gateway: "gw-{hostname}",
                username: "{hostname}", password: "{hostname}",
                telemetryTopic: "plant/{hostname}/{device}" },
              spool: { directory: "/var/{hostname}/spool" },
              ports: { a: { device: "/d",
                nodes: { "{hostname}-m": { unit: 1, points: { x: { holding: 0 } } } } } } }
            """
        let (found, problems) = read(text, hostName: "pi-17")
        #expect(problems == [])
        let configuration = try #require(found)
        #expect(configuration.bridge.gateway.text == "gw-pi-17")
        #expect(
            configuration.bridge.dialect
                == .plain(clientID: "gw-pi-17", username: "pi-17", password: "{hostname}"))
        #expect(configuration.ports[0].nodes[0].device.text == "pi-17-m")
        #expect(configuration.spool.directory?.value == "/var/pi-17/spool")
        let device = try DeviceID("m")
        #expect(configuration.bridge.layout.telemetry?.topic(device) == "plant/pi-17/m")
    }

    /// Fifty gateways of forty meters share all but two lines.
    @Test func fiftyGatewaysShareAllButAFewLines() throws {
        let common = """
            { bridge: { host: "broker.lan", gateway: "{hostname}" },
              ports: { "bus-a": { device: "/dev/ttyAMA0", baud: 19200, every: "10s", nodes: {
                "{hostname}-meter-{unit}": { unit: "1-40", profile: "eastron-sdm120" } } } } }
            """
        var devices: Set<String> = []
        for number in 1...50 {
            let (found, problems) = read(
                "{ include: [\"common.json5\"], logLevel: \"info\" }",
                [("etc/common.json5", common)],
                hostName: "site-\(number)")
            #expect(problems == [])
            devices.formUnion(try #require(found).bindings.map(\.device.text))
        }
        #expect(devices.count == 2000 && devices.contains("site-50-meter-40"))
    }

    @Test func theDocumentSaysWhichFileAValueIsFrom() throws {
        let document = ConfigurationDocument.read(
            Array("{ include: \"common.json5\", bridge: {} }".utf8), fileName: "etc/gw.json5",
            in: surroundings(
                [("etc/common.json5", "{ state: \"s\", bridge: { host: \"h\" } }")], nil))
        let root = try #require(document.root)
        #expect(root.text == #"{"state":"s","bridge":{"host":"h"}}"#)
        #expect(root["state"].map { document.file(of: $0) } == "etc/common.json5")
        #expect(root["bridge"].map { document.file(of: $0) } == "etc/gw.json5")
        #expect(document.texts.count == 2)
    }

    @Test func theExampleOfTheDocumentsIsRight() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appendingPathComponent("board/docs/configuration.md"), encoding: .utf8)
        let block = try #require(
            text.components(separatedBy: "```json5 include\n").last?
                .components(separatedBy: "\n```").first)
        let files = block.components(separatedBy: "// gateway.json5\n")
        try #require(files.count == 2)
        let (found, problems) = read(
            files[1], [("etc/common.json5", files[0])], hostName: "pi")
        #expect(problems == [])
        #expect(found?.bindings.map(\.device.text).last == "pi-meter-40")
        #expect(found?.ports.first?.line.device == .path("/dev/ttyUSB0"))
    }
}
