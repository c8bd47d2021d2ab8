import Base
import Gateway
import Testing

/// Mistakes that people make, and the one message that each must give: at its place, with what was
/// meant. A mistake that has consequences elsewhere is still told once.
@Suite struct MistakeTests {
    private static let node = "nodes: { d: { unit: 1, points: { x: { holding: 0 } } } }"

    static let lines = [
        Complaint(
            .ports, "a: { device: \"/d\", baud: 1200, responseTimeout: \"1ms\", \(node) }", "2:49",
            "\"responseTimeout\" is 1ms, and one character takes 8.3ms at 1200 baud"),
        Complaint(
            .ports, "a: { device: \"/d\", responseTimeout: \"3ms\", \(node) }", "2:37",
            "silent for 3.5 characters before it answers", warning: true),
        Complaint(
            .ports,
            "a: { device: \"/d\", baud: 300, nodes: { d: { unit: 1, responseTimeout: \"30ms\",\n"
                + "points: { x: { holding: 0 } } } } }",
            "2:71", "no reply could come in time"),
        Complaint(
            .ports, "a: { device: \"/d\", baud: 9601, \(node) }", "2:26",
            "9601 is an uncommon baud rate; the nearest common one is 9600", warning: true),
        Complaint(
            .bridge, "port: 1883", "2:7", "port 1883 is for MQTT without TLS", warning: true),
        Complaint(
            .file,
            "{ bridge: { host: \"${HOST}\", gateway: \"gw-1\" },\n"
                + "ports: { a: { device: \"/d\", \(node) } } }",
            "1:19", "is no host name or IP address; ${NAME} is taken as it is written"),
        Complaint(
            .bridge, "username: \"u\", password: \"a${PW}b\"", "2:26",
            "${NAME} is taken as it is written: no variable", warning: true),
    ]

    static let points = [
        Complaint(
            .points, "x: { holding: 0, type: \"float32\" }, y: { holding: 1 }", "4:37",
            "\"y\" (holding 1, uint16) reads registers of point \"x\" (holding 0 to 1, float32)",
            warning: true),
        Complaint(
            .points, "x: { holding: 4, type: \"uint32\" }, y: { holding: 5, type: \"uint32\" }",
            "4:36", "reads registers of point \"x\"", warning: true),
        Complaint(
            .points, "x: { holding: 0, type: \"int16\", writable: { max: 40000 } }", "4:50",
            "\"max\" is 40000, and a int16 holds -32768 to 32767", warning: true),
        Complaint(
            .points, "x: { holding: 0, scale: 0.1, writable: { min: -5, max: 6553.5 } }", "4:47",
            "\"min\" is -5, and a uint16 of this scale holds 0 to 6553.5", warning: true),
        Complaint(
            .points, "x: { holding: 0, writable: { min: 70000 } }", "4:35",
            "nothing could be written"),
        Complaint(
            .points, "x: { holding: 0, writable: { values: [1, 65536] } }", "4:38",
            "\"values\" has 65536", warning: true),
    ]

    /// Words by their meaning, and what follows from a wrong one is not told.
    static let meanings = [
        Complaint(
            .points, "x: { holding: 0, type: \"float\", order: \"CDAB\", invalid: \"nan\" }",
            "4:24",
            "did you mean \"float32\"?"),
        Complaint(
            .points, "x: { holding: 0, type: \"dword\", order: \"CDAB\" }", "4:24",
            "did you mean \"uint32\"?"),
        Complaint(
            .points,
            "x: { holding: 0, type: \"quux\", order: \"CDAB\", length: 3, bits: { a: 1 } }",
            "4:24", "must be one of \"bool\""),
        Complaint(
            .points,
            "x: { holding: 0, scaleFrom: \"sf\" }, sf: { holding: 40001, type: \"int16\" }",
            "4:52", "counts from 1"),
        Complaint(
            .points, "x: { register: 0 }", "4:6",
            "unknown key \"register\" in point \"x\"; did you mean \"holding\"?"),
        Complaint(
            .points, "x: { holding: 0, factor: 0.1 }", "4:18", "did you mean \"scale\"?"),
        Complaint(
            .nodes, "dev: { slave: 1, points: { x: { holding: 0 } } }", "3:8",
            "unknown key \"slave\" in node \"dev\"; did you mean \"unit\"?"),
        Complaint(
            .nodes, "dev: { unit: 1, interval: \"5s\", points: { x: { holding: 0 } } }", "3:17",
            "did you mean \"every\"?"),
        Complaint(
            .nodes, "dev: { unit: 1, registers: { x: { holding: 0 } } }", "3:17",
            "did you mean \"points\"?"),
        Complaint(
            .ports, "a: { device: \"/d\", parity: \"N\", \(node) }", "2:28",
            "must be one of \"none\", \"even\", \"odd\"; did you mean \"none\"?"
        ),
        Complaint(
            .ports, "a: { device: \"/d\", baudrate: 9600, \(node) }", "2:20",
            "did you mean \"baud\"?"),
        Complaint(
            .ports, "a: { tty: \"/d\", \(node) }", "2:6", "did you mean \"device\"?"),
        Complaint(
            .nodes, "dev: { unit: 1, profile: \"nix\", points: { voltage: { every: \"1m\" } } }",
            "3:26", "profile \"nix\" does not exist"),
    ]

    static let texts = [
        Complaint(
            .ports, "bus-a: { device: \"/d\", \(node) }", "2:1",
            "a key with a dash is put in quotes: \"bus-a\""),
        Complaint(
            .nodes, "meter-1: { unit: 1, points: { x: { holding: 0 } } }", "3:1",
            "a key with a dash is put in quotes: \"meter-1\""),
        Complaint(
            .file,
            """
            {
              bridge: { host: "h", gateway: "gw-1" },
              ports: {
                a: { device: "/d",
                  nodes: {
                    d: { unit: 1, points: { x: { holding: 0 } } },
                },
              },
            }
            """, "5:14",
            "} is missing for the { at line 5, column 14; the text ends at line 9"),
        Complaint(
            .file, "{ bridge: { host: \"}\" /* } */, ports: { a: [1, 2", "1:44", "] is missing"),
        Complaint(.file, "{ bridge: { /* ports", "1:13", "a comment that never ends"),
    ]

    @Test(arguments: lines + points + meanings + texts)
    func oneMistakeGivesOneMessage(_ mistake: Complaint) {
        let (configuration, found) = Samples.read(mistake.text)
        #expect(
            found.map { "\($0.place.position.line):\($0.place.position.column)" } == [mistake.at],
            "\(found.map(\.description))")
        #expect(found.first?.message.contains(mistake.part) == true, "\(found.map(\.description))")
        #expect(found.first?.severity == (mistake.warning ? .warning : .error))
        #expect((configuration == nil) == !mistake.warning)
    }

    /// Points that share registers on purpose.
    @Test(arguments: [
        "x: { holding: 0 }, y: { holding: 0, bits: { run: 0 } }",
        "x: { holding: 0, type: \"uint8\" }, y: { holding: 0, type: \"uint8\", byte: \"high\" }",
        "x: { holding: 0, type: \"string\", length: 4 }, y: { holding: 2 }",
        "x: { holding: 0 }, y: { holding: 0, scale: 0.1 }",
        "x: { holding: 0, type: \"uint32\" }, y: { holding: 2 }, z: { input: 0 }",
        "x: { holding: [0, 4], type: \"uint32\" }, y: { holding: 2 }",
        "x: { holding: 0, type: \"uint32\" }, y: { holding: 1, writeOnly: true }",
    ])
    func registersMayBeReadTwiceOnPurpose(_ points: String) {
        #expect(Samples.read(Samples.withPoints(points)).1 == [])
    }

    /// A secret is not shown by the message about a variable in it.
    @Test func theMessageAboutAVariableShowsNoSecret() {
        let (_, found) = Samples.read(
            Samples.withBridge("username: \"u\", password: \"geheim${WORT}\""))
        #expect(found.count == 1 && !found[0].message.contains("geheim"))
        #expect(!found[0].message.contains("WORT"))
    }

    /// Every word of the table is for a key or a choice that exists, so that no guess misleads.
    @Test(arguments: [
        ("slaveId", "unit"), ("UNIT_ID", "unit"), ("interval", "every"), ("poll", "every"),
        ("byte_order", "order"), ("wordOrder", "order"), ("datatype", "type"), ("uom", "units"),
        ("timeout", "responseTimeout"), ("quantity", "length"),
    ])
    func wordsOfOtherProgramsAreKnown(_ word: String, _ meant: String) {
        let keys = [
            "unit", "every", "order", "type", "units", "responseTimeout", "length", "scale",
        ]
        #expect(Suggestion.nearest(to: word, in: keys) == meant)
    }
}
