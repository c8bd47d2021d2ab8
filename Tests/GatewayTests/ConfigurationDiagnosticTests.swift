import Base
import Gateway
import Testing

/// One snippet, and the one diagnostic that it must give: place, severity, part of the message.
struct Complaint: Sendable, CustomTestStringConvertible {
    enum Site: Sendable { case file, bridge, ports, nodes, points }

    var site: Site
    var snippet: String
    var at: String
    var part: String
    var warning = false

    init(_ site: Site, _ snippet: String, _ at: String, _ part: String, warning: Bool = false) {
        (self.site, self.snippet, self.at, self.part, self.warning) = (
            site, snippet, at, part, warning
        )
    }

    var text: String {
        switch site {
        case .file: snippet
        case .bridge: Samples.withBridge(snippet)
        case .ports: Samples.withPorts(snippet)
        case .nodes: Samples.withNodes(snippet)
        case .points: Samples.withPoints(snippet)
        }
    }

    var testDescription: String { "\(snippet.prefix(60)) → \(at) \(part)" }
}

@Suite struct ConfigurationDiagnosticTests {
    static let files = [
        Complaint(.file, "{ bridge: {", "1:11", "} is missing"),
        Complaint(.file, "", "1:1", "a value is expected"),
        Complaint(.file, "{ bridge: 5, ports: { } ]", "1:25", "a comma or } is expected"),
        Complaint(.file, "[]", "1:1", "must be an object, not an array"),
        Complaint(
            .file, "{ bridge: { host: \"h\", gateway: \"gw-1\" } }", "1:1", "\"ports\" is missing"),
        Complaint(
            .file,
            "{ ports: { a: { device: \"/d\", nodes: { \"d-1\": { unit: 1, points: { x: { coil: 0 } } } } } } }",
            "1:1", "\"bridge\" is missing"),
    ]

    static let bridge = [
        Complaint(
            .bridge, "prot: 1883", "2:1",
            "unknown key \"prot\" in \"bridge\"; did you mean \"port\"?"),
        Complaint(
            .bridge, "zzzz: 1", "2:1",
            "unknown key \"zzzz\" in \"bridge\"; known here: gateway, tls, host"),
        Complaint(
            .bridge, "host: \"b\"", "2:1", "duplicate key \"host\"; it is given first at line 1"),
        Complaint(.bridge, "port: 70000", "2:7", "is 70000; it must be from 1 to 65535"),
        Complaint(
            .bridge, "port: \"8883\"", "2:7", "\"port\" must be a whole number, not a string"),
        Complaint(.bridge, "port: 1.5", "2:7", "must be a whole number, not 1.5"),
        Complaint(.bridge, "keepAlive: 60s", "2:12", "durations and sizes need quotes"),
        Complaint(.bridge, "clientID: gateway", "2:11", "put text in double quotes"),
        Complaint(
            .bridge, "keepAlive: 60", "2:12",
            "\"keepAlive\" must be a duration, not a number; write a number and a unit"),
        Complaint(.bridge, "keepAlive: \"60\"", "2:12", "\"60\" is not a duration"),
        Complaint(.bridge, "ackTimeout: \"1ms\"", "2:13", "is 1ms; it must be from 100ms to 10m"),
        Complaint(
            .bridge, "privateKey: \"k\", project: \"p\"", "2:18",
            "\"region\" and \"registry\" are missing (none of them"),
        Complaint(.bridge, "privateKey: \"k.pem\"", "2:1", "is not used", warning: true),
        Complaint(.bridge, "password: \"p\"", "2:1", "needs \"username\""),
        Complaint(.bridge, "clientKey: \"k\"", "2:1", "\"clientKey\" needs \"clientCertificate\""),
        Complaint(.bridge, "fallback: [\"h:0\"]", "2:12", "is no endpoint"),
        Complaint(.bridge, "serverName: \"mqtts://x\"", "2:13", "without \"mqtts://\""),
        Complaint(.bridge, "serverName: \"x.y:443\"", "2:13", "write host: \"x.y\", port: 443"),
        Complaint(.bridge, "rate: 95", "2:7", "\"unlimited\" or { messages, bytes }"),
        Complaint(.bridge, "rate: { bytes: \"500\" }", "2:16", "is not a size"),
        Complaint(.bridge, "rate: { byte: \"500KiB\" }", "2:9", "did you mean \"bytes\"?"),
        Complaint(.bridge, "inFlight: { total: 0 }", "2:20", "it must be from 1 to 32768"),
        Complaint(.bridge, "topics: { gaps: true }", "2:17", "false for off, not true or false"),
        Complaint(.bridge, "topics: { gaps: \"a//b\" }", "2:17", "has an empty part"),
        Complaint(.bridge, "topics: { gaps: \"a+b\" }", "2:17", "may have letters, digits"),
        Complaint(.bridge, "tls: false", "2:1", "in the clear", warning: true),
        Complaint(.bridge, "tls: \"no\"", "2:6", "must be true or false, not a string"),
        Complaint(.bridge, "username: null", "2:11", "must be a string, not null"),
        Complaint(.bridge, "username: \"a\\u0007b\"", "2:11", "control character"),
    ]

    static let ports = [
        Complaint(.ports, "", "1:50", "\"ports\" is empty", warning: true),
        Complaint(
            .ports, "a: { device: \"/d\", nodes: {} }", "2:27", "has no nodes", warning: true),
        Complaint(.ports, "a: { nodes: {} , match: {} }", "2:25", "\"match\" is empty"),
        Complaint(
            .ports, "\"a/b\": { device: \"/d\", nodes: {} }", "2:1",
            "the port name \"a/b\" may have letters"),
        Complaint(.ports, "a: { devcie: \"/d\", nodes: {} }", "2:6", "did you mean \"device\"?"),
        Complaint(.ports, "a: { nodes: {} }", "2:4", "\"device\" is missing in port \"a\""),
        Complaint(
            .ports, "a: { device: \"/d\", match: { serial: \"X\" }, nodes: {} }", "2:20",
            "exclude each other"
        ),
        Complaint(
            .ports, "a: { match: { vendor: \"403\" }, nodes: {} }", "2:23",
            "four hexadecimal digits"),
        Complaint(
            .ports, "a: { device: \"/d\", driver: \"modbus\", nodes: {} }", "2:28",
            "must be one of \"modbus-rtu\", \"modbus-tcp\""),
        Complaint(
            .ports, "a: { device: \"/d\", parity: \"evn\", nodes: {} }", "2:28",
            "did you mean \"even\"?"),
        Complaint(
            .ports, "a: { device: \"/d\", baud: 0, nodes: {} }", "2:26", "it must be from 50 to"),
        Complaint(
            .ports, "a: { device: \"/d\", stopBits: 3, nodes: {} }", "2:30",
            "it must be from 1 to 2"),
        Complaint(
            .ports, "a: { device: \"/d\", dataBits: 7, nodes: {} }", "2:30", "needs 8 data bits"),
        Complaint(
            .ports, "a: { device: \"/d\", every: \"5ms\", nodes: {} }", "2:27",
            "is 5ms; it must be from 10ms"
        ),
        Complaint(
            .ports, "a: { device: \"/d\", retries: -1, nodes: {} }", "2:29",
            "is -1; it must be from 0 to 10"),
        Complaint(
            .ports, "a: { device: \"/d\", maxLoad: 1.5, nodes: {} }", "2:29",
            "it must be from 0.05 to 1"),
        Complaint(
            .ports, "a: { device: \"/d\", detachAfter: \"5s\", nodes: {} }", "2:33",
            "it must be from 10s"),
        Complaint(
            .ports, "a: { device: \"/d\", rs485: { rts: \"onsend\" }, nodes: {} }", "2:34",
            "did you mean \"onSend\"?"),
        Complaint(
            .ports, "a: { device: \"/d\", rs485: { delayAfterSend: \"1s\" }, nodes: {} }", "2:45",
            "from 0s to 100ms"),
        Complaint(
            .ports, "a: { device: \"/d\", echo: \"yes\", nodes: {} }", "2:26",
            "must be \"auto\", true or false"),
        Complaint(
            .ports, "a: { device: \"/d\", trim: 1, nodes: {} }", "2:26", "must be true or false"),
        Complaint(
            .ports, "a: { device: \"/d\", nodes: {} },\nb: { device: \"/d\", nodes: {} }", "3:14",
            "same device as port \"a\""),
    ]

    static let nodes = [
        Complaint(
            .nodes, "\"a+b\": { unit: 1, points: { x: { coil: 0 } } }", "3:1",
            "contains '+' (it has a meaning in MQTT topics)"),
        Complaint(
            .nodes, "\"$st\": { unit: 1, points: { x: { coil: 0 } } }", "3:1",
            "must not begin with '$'"),
        Complaint(
            .nodes, "\"a \": { unit: 1, points: { x: { coil: 0 } } }", "3:1",
            "must not begin or end with a space"),
        Complaint(
            .nodes, "\"gw-1\": { unit: 1, points: { x: { coil: 0 } } }", "3:1",
            "is the gateway's own ID"),
        Complaint(
            .nodes, "dev: { points: { x: { coil: 0 } } }", "3:6",
            "\"unit\" is missing in node \"dev\""),
        Complaint(.nodes, "dev: { unit: 0, points: { x: { coil: 0 } } }", "3:14", "is broadcast"),
        Complaint(
            .nodes, "dev: { unit: 3, broadcast: true, points: { x: { coil: 0 } } }", "3:14",
            "goes with unit 0"),
        Complaint(
            .nodes, "dev: { unit: 3, delay: \"5s\", points: { x: { coil: 0 } } }", "3:24",
            "from 0s to 1s"),
        Complaint(
            .nodes, "dev: { unit: 256, points: { x: { coil: 0 } } }", "3:14", "from 1 to 255"),
        Complaint(
            .nodes, "dev: { unit: 248, points: { x: { coil: 0 } } }", "3:14", "is reserved",
            warning: true),
        Complaint(.nodes, "dev: { unit: 1 }", "3:6", "\"points\" is missing"),
        Complaint(.nodes, "dev: { unit: 1, points: {} }", "3:25", "has no points"),
        Complaint(
            .nodes, "dev: { unit: 1, profile: \"nix\" }", "3:26", "profile \"nix\" does not exist"),
        Complaint(
            .nodes,
            "dev: { unit: 1, points: { x: { coil: 0 } } },\nother: { unit: 1, points: { x: { coil: 0 } } }",
            "4:1", "say share: true"),
        Complaint(
            .nodes,
            "dev: { unit: 1, points: { x: { coil: 0 } } },\ndev: { unit: 2, points: { x: { coil: 0 } } }",
            "4:1", "duplicate key \"dev\""),
        Complaint(.nodes, "dev: 5", "3:6", "node \"dev\" must be an object, not a number"),
        Complaint(
            .nodes, "dev: { unit: 1, maxRegisters: 126, points: { x: { coil: 0 } } }", "3:31",
            "from 1 to 125"
        ),
    ]

    static let points = [
        Complaint(
            .points, "x: { holding: 40001 }", "4:15",
            "write the zero-based address holding: 0; if 40001 really is the protocol address, write 0x9C41"
        ),
        Complaint(.points, "x: { holding: 400108 }", "4:15", "holding: 107"),
        Complaint(.points, "x: { input: 30011 }", "4:13", "input: 10"),
        Complaint(.points, "x: { input: 40011 }", "4:13", "holding: 10"),
        Complaint(.points, "x: { discrete: 10001 }", "4:16", "discrete: 0"),
        Complaint(.points, "x: { holding: 70000 }", "4:15", "from 0 to 65535"),
        Complaint(
            .points, "x: { holding: 65535, type: \"int32\" }", "4:15",
            "2 registers from 65535 end above"),
        Complaint(.points, "x: { holding: \"4\" }", "4:15", "must be a whole number, not a string"),
        Complaint(.points, "x: { type: \"int16\" }", "4:4", "coil, discrete, input or holding"),
        Complaint(.points, "x: { hodling: 3 }", "4:6", "did you mean \"holding\"?"),
        Complaint(
            .points, "x: { holding: 3, input: 3 }", "4:6", "two places: \"input\" and \"holding\""),
        Complaint(
            .points, "x: { holding: 3, type: \"uint17\" }", "4:24", "did you mean \"uint16\"?"),
        Complaint(.points, "x: { coil: 3, type: \"int16\" }", "4:21", "a coil is one bit"),
        Complaint(
            .points, "x: { holding: 3, order: \"CDAB\" }", "4:25",
            "no byte order for uint16; it must be \"AB\" or \"BA\""),
        Complaint(
            .points, "x: { holding: 3, type: \"float32\", order: \"ACBD\" }", "4:42",
            "\"ABCD\", \"CDAB\""),
        Complaint(
            .points, "x: { holding: 3, type: \"int64\", order: \"ABCDEFGG\" }", "4:40",
            "eight letters"),
        Complaint(.points, "x: { coil: 3, order: \"AB\" }", "4:15", "no meaning for bool"),
        Complaint(
            .points, "x: { holding: 3, byte: \"high\" }", "4:18",
            "is for 8 and 24 bits in registers"),
        Complaint(.points, "x: { holding: 3, type: \"string\" }", "4:4", "\"length\" is missing"),
        Complaint(.points, "x: { holding: 3, length: 2 }", "4:18", "a uint16 has its own"),
        Complaint(
            .points, "x: { holding: 3, type: \"string\", length: 126 }", "4:42", "from 1 to 125"),
        Complaint(.points, "x: { holding: 3, bits: { a: 16 } }", "4:29", "from 0 to 15"),
        Complaint(
            .points, "x: { holding: 3, bits: { a: [3, 1] } }", "4:29",
            "a bit or the range [low, high]"),
        Complaint(.points, "x: { holding: 3, type: \"bits\" }", "4:4", "which bits"),
        Complaint(
            .points, "x: { holding: 3, type: \"int16\", bits: { a: 1 } }", "4:33",
            "is for type bits"),
        Complaint(.points, "x: { holding: 3, map: { on: \"1\" } }", "4:25", "is no code"),
        Complaint(
            .points, "x: { holding: 3, map: { 1: \"a\", 0x1: \"b\" } }", "4:33",
            "the code 1 is given twice"),
        Complaint(.points, "x: { holding: 3, invalid: \"nan\" }", "4:27", "is never \"nan\""),
        Complaint(
            .points, "x: { holding: 3, invalid: [0x10000] }", "4:28", "does not fit into 2 bytes"),
        Complaint(.points, "x: { holding: 3, invalid: -1 }", "4:27", "a uint16 is never -1"),
        Complaint(
            .points, "x: { holding: 3, type: \"int16\", invalid: -32769 }", "4:42",
            "does not fit into 2 bytes"),
        Complaint(
            .points, "x: { holding: 3, bits: { a: 1 }, invalid: 0x10000 }", "4:43",
            "does not fit into 2 bytes"),
        Complaint(.points, "x: { holding: 3, clamp: true }", "4:18", "needs \"min\" or \"max\""),
        Complaint(
            .points, "x: { coil: 3, clamp: true }", "4:15", "\"clamp\" has no meaning for bool"),
        Complaint(.points, "x: { holding: 3, hidden: 1 }", "4:26", "must be true or false"),
        Complaint(
            .points, "x: { holding: 3 }, y: null", "4:20",
            "there is no point \"y\" in a profile to take away"),
        Complaint(.points, "x: { coil: 3, scale: 2 }", "4:15", "\"scale\" has no meaning for bool"),
        Complaint(.points, "x: { holding: 3, scale: 0 }", "4:25", "every value would be the same"),
        Complaint(.points, "x: { holding: 3, scale: 1e400 }", "4:25", "too large"),
        Complaint(.points, "x: { holding: 3, min: 2, max: 1 }", "4:31", "below \"min\""),
        Complaint(.points, "x: { holding: 3, deadband: -1 }", "4:28", "must not be negative"),
        Complaint(
            .points, "x: { holding: 3, heartbeat: \"1m\" }", "4:18", "does nothing without",
            warning: true),
        Complaint(.points, "x: { holding: 3, every: \"9ms\" }", "4:25", "it must be from 10ms"),
        Complaint(
            .points, "x: { input: 3, writable: true }", "4:16", "only coils and holding registers"),
        Complaint(
            .points, "x: { coil: 3, writable: { min: 0 } }", "4:27",
            "\"min\" has no meaning for bool"),
        Complaint(
            .points, "x: { holding: 3, writable: { min: 2, max: 1 } }", "4:43",
            "nothing could be written"),
        Complaint(.points, "x: { holding: 3, writable: { step: 0 } }", "4:36", "must be above 0"),
        Complaint(.points, "x: { holding: 3, writable: 5 }", "4:28", "must be true or"),
        Complaint(
            .points, "x: { holding: 3, writable: { maximum: 2 } }", "4:30",
            "unknown key \"maximum\""),
        Complaint(
            .points, "volts: { holding: 3, scaleFrom: \"volts_fs\" }, volts_sf: { holding: 4 }",
            "4:33",
            "did you mean \"volts_sf\"?"),
        Complaint(.points, "x: { holding: 3, scaleFrom: \"x\" }", "4:29", "names the point itself"),
        Complaint(
            .points, "x: { holding: 3, scaleFrom: \"y\" }, y: { coil: 3 }", "4:29",
            "must be an integer type, not bool"),
        Complaint(.points, "\"\": { holding: 3 }", "4:1", "the point name is empty"),
        Complaint(.points, "x: { holding: 3, at: 2 }", "4:18", "unknown key \"at\""),
    ]

    @Test(arguments: files + bridge + ports + nodes + points)
    func tellsPlaceAndReason(_ complaint: Complaint) throws {
        let (configuration, diagnostics) = Samples.read(complaint.text)
        let wanted = "gw.json5:\(complaint.at): \(complaint.warning ? "warning" : "error"): "
        let match = diagnostics.first {
            $0.description.hasPrefix(wanted) && $0.message.contains(complaint.part)
        }
        #expect(
            match != nil,
            "wanted \(wanted)…\(complaint.part)…, got \(diagnostics.map(\.description))")
        let worse = diagnostics.filter { $0.severity == .error }
        #expect(worse.count == (complaint.warning ? 0 : 1), "\(worse.map(\.description))")
        #expect((configuration == nil) == !complaint.warning)
    }

    /// Plain brokers take what MQTT takes; Cloud IoT has a rule of its own.
    @Test(arguments: [
        ("Zähler 1", "contains 'ä'"), ("7", "has 1 characters"),
        ("1st", "must start with a letter"),
        ("goog1", "must not start with \"goog\""),
    ])
    func theRuleForDeviceIDsIsTheBridges(_ id: String, _ reason: String) {
        func read(_ keys: String) -> (Configuration?, [Diagnostic]) {
            let text = """
                { bridge: { host: "h", gateway: "gw-1", \(keys) }, ports: { a: { device: "/d", nodes: {
                  "\(id)": { unit: 1, points: { x: { coil: 0 } } } } } } }
                """
            return Configuration.read(
                Array(text.utf8), fileName: "f",
                profileLoader: { _ in .failure(ProfileFailure("x")) })
        }
        let plain = read("tls: false").0
        #expect(plain?.bindings.map(\.device.text) == [id])
        let (cloud, problems) = read(
            "project: \"p\", region: \"r\", registry: \"g\", privateKey: \"k.pem\"")
        #expect(cloud == nil)
        #expect(
            problems.contains {
                $0.message.contains(reason) && $0.place.position == TextPosition(line: 2, column: 3)
            })
    }

    @Test func tellsEveryProblemInOneRunInTheOrderOfTheText() {
        let text = """
            {
              bridge: { host: "h", gateway: "goog-gw", keepAlive: "1", tls: false,
                        project: "p" },
              spool: { maxBytes: "1KiB", share: 2, whenFul: "dropOldest" },
              clock: "trusted",
              ports: {
                a: { device: "/dev/x", baud: "9600", nodes: {
                  m1: { unit: 300, points: { x: { holding: 40001 }, y: { coil: 1, type: "float32" } } },
                  "m+2": { unit: 2, pionts: {} },
                } },
                b: { device: "/dev/x", nodes: { } },
              },
              extra: 1,
            }
            """
        let (configuration, diagnostics) = Samples.read(text)
        #expect(configuration == nil)
        #expect(
            diagnostics.map {
                "\($0.place.position.line):\($0.place.position.column) \($0.severity.rawValue.prefix(1))"
            } == [
                "2:11 e", "2:33 e", "2:55 e", "2:60 w", "3:13 e", "4:22 e", "4:37 e", "4:40 e",
                "5:10 e",
                "7:34 e", "8:7 e", "8:19 e", "8:48 e", "8:77 e", "9:7 e", "9:25 e", "11:18 e",
                "11:35 w",
                "13:3 e",
            ], "\(diagnostics.map(\.description).joined(separator: "\n"))")
    }

    @Test func syntaxErrorsDoNotHideTheOthers() {
        let (configuration, diagnostics) = Samples.read(
            Samples.withBridge(
                "keepAlive: 60s, ackTimeout: fast,\nport: 8883\ntls: \"no\", liveWithin: 0x5g")
        )
        #expect(configuration == nil)
        #expect(
            diagnostics.map { "\($0.place.position.line):\($0.place.position.column)" } == [
                "2:12", "2:29", "4:1", "4:6", "4:24",
            ])
    }

    @Test func limitsOfTheBridgeAreWarnings() {
        let text = Samples.design.replacing("messages: 95", with: "messages: 200")
            .replacing("perDevice: 1", with: "perDevice: 4")
        let (configuration, diagnostics) = Samples.read(text)
        #expect(configuration != nil)
        #expect(diagnostics.map(\.severity) == [.warning, .warning])
        #expect(diagnostics.first?.message.contains("100 messages and 512 KB a second") == true)
        #expect(diagnostics.last?.message.contains("breaks the order") == true)
    }

    @Test func aDeviceAtTwoAddressesIsToldAtTheSecond() {
        let node = "dev: { unit: 1, points: { x: { coil: 0 } } }"
        let (_, diagnostics) = Samples.read(
            Samples.withPorts(
                "a: { device: \"/a\", nodes: { \(node) } },\nb: { device: \"/b\", nodes: { \(node) } }"
            ))
        #expect(diagnostics.count == 1)
        #expect(diagnostics[0].place.position == TextPosition(line: 3, column: 29))
        #expect(
            diagnostics[0].message.contains(
                "has two addresses: it is at port \"a\" already (line 2)"))
    }

    @Test(arguments: [
        "share: true, unit: 1, points: { x: { coil: 0 } } }, e-2: { share: true, unit: 1,",
        "unit: 1, points: { x: { coil: 0 } } }, e-2: { share: true, unit: 1,",
    ])
    func twoDevicesMayShareAUnitIfTheySaySo(_ middle: String) {
        let nodes = "d-1: { \(middle) points: { y: { coil: 1 } } }"
            .replacing("d-1", with: "\"d-1\"").replacing("e-2", with: "\"e-2\"")
        #expect(Samples.read(Samples.withNodes(nodes)).1 == [])
    }

    /// A value in quotes may hold line feeds, and a problem is told in one line.
    @Test(arguments: [#"every: "1\n\u001b[2Js""#, #"responseTimeout: "\u0085""#])
    func aProblemIsOneLineWhateverItQuotes(_ member: String) {
        let (_, problems) = Samples.read(
            Samples.withNodes("\"dev-1\": { unit: 1, \(member), points: { x: { holding: 0 } } }"))
        #expect(!problems.isEmpty)
        for problem in problems {
            #expect(
                !problem.description.unicodeScalars.contains {
                    $0.value < 0x20 || $0.value == 0x85
                }, "\(problem)")
            #expect(problem.message.contains("\\x"))
        }
    }
}
