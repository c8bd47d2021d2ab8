import Base
import Foundation
import Gateway
import Testing

/// The tables of keys against the readers, and the documents against the tables.
@Suite struct KeyTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Configurations with an unknown key in one object, by the table of that object. Together they
    /// ask for all of its keys.
    private static let objects: [(section: String, texts: [String])] = [
        ("configuration", [Samples.withPorts("").dropLast() + ", qqqqqqq: 1 }"].map(String.init)),
        (
            "bridge",
            [
                Samples.withBridge("qqqqqqq: 1"),
                Samples.withBridge(
                    "project: \"p\", region: \"r\", registry: \"g\", privateKey: \"k\", "
                        + "qqqqqqq: 1"),
            ]
        ),
        ("spool", [top("spool: { qqqqqqq: 1 }")]), ("health", [top("health: { qqqqqqq: 1 }")]),
        ("alarms", [top("alarms: { qqqqqqq: 1 }")]), ("http", [top("http: { qqqqqqq: 1 }")]),
        ("history", [top("http: { history: { qqqqqqq: 1 } }")]),
        ("proxy", [Samples.withBridge("proxy: { url: \"http://p\", qqqqqqq: 1 }")]),
        ("batch", [Samples.withBridge("batch: { qqqqqqq: 1 }")]),
        ("rate", [Samples.withBridge("rate: { qqqqqqq: 1 }")]),
        ("inFlight", [Samples.withBridge("inFlight: { qqqqqqq: 1 }")]),
        ("topics", [Samples.withBridge("topics: { qqqqqqq: 1 }")]),
        ("publish", [Samples.withBridge("publish: { qqqqqqq: 1 }")]),
        ("port", [Samples.withPorts("a: { qqqqqqq: 1 }")]),
        ("match", [Samples.withPorts("a: { match: { qqqqqqq: 1 } }")]),
        ("rs485", [Samples.withPorts("a: { rs485: { qqqqqqq: 1 } }")]),
        ("serve", [Samples.withPorts("a: { serve: { qqqqqqq: 1 } }")]),
        ("node", [Samples.withNodes("d: { qqqqqqq: 1 }"), uart("qqqqqqq: 1")]),
        ("ranges", [Samples.withNodes("d: { ranges: { qqqqqqq: 1 } }")]),
        (
            "identify",
            [
                "input: 0, equals: 1", "input: 0, digits: 2, equals: 1",
                "input: 0, length: 1, type: \"string\", equals: \"a\"",
                "vendor: \"v\"",
            ].map { Samples.withNodes("d: { identify: { \($0), qqqqqqq: 1 } }") }
        ),
        (
            "point",
            [
                "holding: 0", "holding: 0, digits: 2", "holding: 0, type: \"datetime\"",
                "holding: 0, type: \"version\"", "holding: 0, type: \"string\"",
            ].map { Samples.withPoints("p: { \($0), qqqqqqq: 1 }") }
        ),
        (
            "negativeIf of a point",
            [Samples.withPoints("p: { holding: 0, negativeIf: { point: \"p\", qqqqqqq: 1 } }")]
        ),
        ("writable", [Samples.withPoints("p: { holding: 0, writable: { qqqqqqq: 1 } }")]),
        ("safe", [Samples.withPoints("p: { holding: 0, safe: { qqqqqqq: 1 } }")]),
        ("action", [Samples.withPoints("p: { custom: {}, qqqqqqq: 1 }")]),
        ("custom", [Samples.withPoints("p: { custom: { qqqqqqq: 1 } }")]),
        (
            "limits",
            [Samples.withPoints("p: { custom: {}, writable: { qqqqqqq: 1 } }")]
        ),
        ("request", [uart("request: { qqqqqqq: 1 }")]), ("frame", [uart("frame: { qqqqqqq: 1 }")]),
        ("length", [uart("frame: { length: { qqqqqqq: 1 } }")]),
        ("checksum", [uart("frame: { fixed: 9 }, checksum: { qqqqqqq: 1 }")]),
        ("address", [uart("frame: { fixed: 9 }, address: { qqqqqqq: 1 }")]),
        ("validIf", [field("at: 0, validIf: { qqqqqqq: 1 }")]),
        ("negativeIf", [field("at: 0, negativeIf: { qqqqqqq: 1 }")]),
        (
            "field",
            [
                "at: 0", "at: 0, digits: 2", "index: 0", "template: \"{value:number}\"",
                "at: 0, type: \"datetime\"", "at: 0, type: \"version\"", "at: 0, type: \"string\"",
            ].map { field("\($0), qqqqqqq: 1") }
        ),
    ]

    /// Keys that a reader asks for only to say why they are wrong there.
    private static let refused: [String: Set<String>] = [
        "identify": ["registers", "table"], "field": ["byte"],
    ]

    private static func top(_ member: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, \(member), ports: {} }"
    }

    private static func uart(_ members: String) -> String {
        Samples.withPorts(
            "a: { device: \"/dev/a\", driver: \"uart\", nodes: { d: { \(members) } } }")
    }

    private static func field(_ members: String) -> String {
        uart("frame: { fixed: 9 }, fields: { f: { \(members) } }")
    }

    /// Keys that a reader names beside the unknown one.
    private func known(in text: String) -> Set<String> {
        let messages = Samples.read(text).1.map(\.message).filter { $0.contains("\"qqqqqqq\"") }
        #expect(messages.count == 1, "\(text): \(messages)")
        let list = messages.first?.components(separatedBy: "known here: ").last ?? ""
        return Set(list.components(separatedBy: ", "))
    }

    @Test(arguments: objects.indices) func aTableHasWhatItsReaderAsksFor(_ index: Int) {
        let (section, texts) = Self.objects[index]
        var found = texts.reduce(into: Set<String>()) { $0.formUnion(known(in: $1)) }
        // Read before the object is.
        if section == "configuration" { found.insert("include") }
        found.subtract(Self.refused[section] ?? [])
        let table = KeyReference.sections.first { $0.name == section }
        #expect(found == Set(table?.entries.map(\.name) ?? []), "\(section)")
    }

    @Test func everyTableIsTried() {
        // Parameters have their own reader; a profile has a node's keys, filled in before they are
        // read.
        let others = [
            "profile", "profile file", "parameter", "point of a profile", "field of a profile",
        ]
        let tried = Self.objects.map(\.section)
        #expect(Set(tried + others) == Set(KeyReference.sections.map(\.name)))
        #expect(Set(tried).count == tried.count)
    }

    @Test func namesAreThereOnce() {
        for section in KeyReference.sections {
            let names = section.entries.map(\.name)
            #expect(Set(names).count == names.count, "\(section.name)")
            for key in section.entries {
                #expect(!key.words.isEmpty && !key.words.hasSuffix("."), "\(key.name)")
            }
        }
    }

    @Test func theDeclaredDefaultsAreThoseOfTheStructures() throws {
        let text = Self.top("spool: {}, health: {}, alarms: {}, http: { listen: \"127.0.0.1:1\" }")
        let configuration = try #require(Samples.read(text).0)
        #expect(configuration.spool == Configuration.Spool())
        #expect(configuration.health == HealthSettings())
        #expect(configuration.alarms == Alarms.Settings())
        #expect(configuration.door?.history == Configuration.Door.History())
    }

    @Test func theReferenceIsOfThisProgram() throws {
        let page = Self.root.appendingPathComponent("board/docs/keys.md")
        let text = (try? String(contentsOf: page, encoding: .utf8)) ?? ""
        #expect(
            text == KeyReference.markdown + "\n",
            "write it with: fieldgw help --keys > board/docs/keys.md"
        )
    }

    @Test func theSchemaIsJSON() throws {
        let schema = try JSONReader.parse(KeyReference.schema(version: "1"))
        let definitions = schema["$defs"]?.members?.map(\.name.string) ?? []
        #expect(definitions.count == KeyReference.sections.count + 1)
        #expect(definitions.contains("writable") && definitions.contains("profile-file"))
        #expect(schema["$defs"]?["spool"]?["properties"]?["sync"]?["default"]?.string == "1s")
    }

    @Test func aRateThatCloudIoTDoesNotKeepIsTold() {
        let text = Samples.withBridge(
            "keepAlive: \"30m\", project: \"p\", region: \"r\", registry: \"g\", privateKey: \"k\"")
        let messages = Samples.read(text).1.map(\.message)
        #expect(messages.contains { $0.contains("\"keepAlive\" is 30m") }, "\(messages)")
    }
}
