import Adapter
import Drivers
import Foundation
import Gateway
import Testing

/// The defaults that the tables of board/docs/configuration.md name in brackets are those of the
/// parser: to write one out changes nothing, and to write another value does.
@Suite struct ReadmeFiguresTests {
    struct Default: CustomStringConvertible, Sendable {
        var section: String
        var key: String
        /// As it stands between the brackets.
        var words: String

        var description: String { "\(section) \(key) [\(words)]" }

        /// Up to the first remark, without backticks and quotes.
        var value: String {
            let first = words.split { ",;:".contains($0) }.first.map(String.init) ?? ""
            let isQuoted = words.hasPrefix("`\"")
            let text =
                isQuoted
                ? words.dropFirst(2).split(separator: "\"", omittingEmptySubsequences: false)[0]
                : first[...]
            return text.trimmingCharacters(in: .whitespaces)
        }
    }

    /// A file for each section of the tables, with a line of its own for the key.
    private static let files: [String: String] = [
        "`bridge`": bridge("KEY"), "batch": bridge("batch: {\nKEY\n},"),
        "`spool`": file("", "spool: {\nKEY\n},"), "top level": file("", "KEY"),
        "a port":
            "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { a: { device: \"/dev/a\",\nKEY\n nodes: { dev: { unit: 1, "
            + "points: { x: { holding: 0 } } } } } } }",
        "a node": node("unit: 1,\nKEY\n points: { x: { holding: 5 } }"),
        "a point": node("unit: 1, points: { x: { holding: 5, max: 100,\nKEY\n} }"),
        "writable": node(
            "unit: 1, points: { x: { holding: 5, writable: { min: 0, max: 100,\nKEY\n} } }"),
        "`frame`": uart(
            "frame: { end: \"\\n\",\nKEY\n}, fields: { x: { at: 0, type: \"uint8\" } }"),
        "`fields`": uart("frame: { end: \"\\n\" }, fields: { x: { index: 1,\nKEY\n} }"),
    ]

    private static func file(_ bridge: String, _ more: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\",\n\(bridge)\n},\n\(more)\nports: { a: { device: \"/dev/a\", nodes: { dev: { unit: 1, "
            + "points: { x: { holding: 0 } } } } } } }"
    }

    private static func bridge(_ members: String) -> String { file(members, "") }
    private static func node(_ members: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { a: { device: \"/dev/a\", nodes: { dev: { \(members) } } } } }"
    }
    private static func uart(_ members: String) -> String {
        "{ bridge: { host: \"h\", gateway: \"gw-1\" }, ports: { a: { device: \"/dev/a\", driver: \"uart\", nodes: { dev: { \(members) } } } } }"
    }

    /// Values that a key has instead, where the next number or a longer time would not do.
    private static let others: [String: String] = [
        "clock": "\"trust\"", "logLevel": "\"debug\"", "parity": "\"even\"", "stopBits": "2",
        "maxLoad": "0.5",
        "share": "0.5", "type": "\"int16\"", "split": "\";\"", "decimal": "\",\"",
        "delay": "\"5ms\"", "echo": "true", "driver": "\"modbus-ascii\"",
        "turnaround": "\"7ms\"", "minFree": "\"65MiB\"", "publish": "\"durable\"",
    ]
    /// Defaults that are no value of the key, and are tested below or elsewhere.
    private static let described: Set = [
        "clientID", "ca", "batch", "rate", "inFlight", "dataBits", "serve", "alpn",
    ]

    private static let document: String = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appendingPathComponent("board/docs/configuration.md")
        return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    }()

    private static let rows: [(section: String, cells: Substring)] = document.split(separator: "\n")
        .compactMap { line in
            let parts = line.split(separator: "|", maxSplits: 1)
            guard line.hasPrefix("| "), parts.count == 2 else { return nil }
            return (parts[0].trimmingCharacters(in: .whitespaces), parts[1])
        }

    static let defaults: [Default] = rows.filter { files[$0.section] != nil }.flatMap {
        section, cells in
        let plain = cells.matches(of: /`(\w+)(?:: \{[^}`]*\})?`(?: \([^)]*\))? \[([^\]]+)\]/)
            .map { Default(section: section, key: String($0.1), words: String($0.2)) }
        let inner = cells.matches(of: /`(\w+): \{ ([^}`]*\[[^}`]*) \}`/).flatMap { match in
            match.2.matches(of: /(\w+) \[([^\]]+)\]/)
                .map { Default(section: String(match.1), key: String($0.1), words: String($0.2)) }
        }
        return plain + inner
    }

    private func read(_ section: String, _ member: String) throws -> Configuration {
        let file = try #require(Self.files[section], "no file for \(section)")
        let (found, problems) = Samples.read(file.replacing("KEY", with: member), profiles: [:])
        return try #require(found, "\(member): \(problems.map(\.description))")
    }

    private func literal(_ value: String) -> String {
        Double(value) != nil || value == "true" || value == "false" ? value : "\"\(value)\""
    }

    private func other(_ named: Default) -> String {
        if let known = Self.others[named.key] { return known }
        if named.value == "true" { return "false" }
        if named.value == "false" { return "true" }
        let digits = named.value.prefix { $0.isNumber || $0 == "." }
        return literal("\((Int(digits) ?? 0) + 1)\(named.value.dropFirst(digits.count))")
    }

    @Test func theTablesNameTheirDefaults() {
        // Fewer are found if the tables or what reads them here have changed.
        #expect(Self.defaults.count >= 35, "\(Self.defaults)")
        #expect(Set(Self.defaults.map(\.section)) == Set(Self.files.keys))
    }

    @Test(arguments: defaults.filter { !described.contains($0.key) })
    func aDefaultThatIsWrittenOutChangesNothing(_ named: Default) throws {
        let without = try read(named.section, "")
        let given = named.value == "0" && named.key == "delay" ? "\"0s\"" : literal(named.value)
        let with = try read(named.section, "\(named.key): \(given),")
        #expect(with == without, "\(named.key): \(given) is not the default")
        #expect(
            try read(named.section, "\(named.key): \(other(named)),") != without,
            "\(named.key) does nothing")
    }

    /// Modbus-RTU allows no other number, a plain serial line does.
    @Test func aLineHasTheDataBitsOfTheTable() throws {
        let named = try #require(Self.defaults.first { $0.key == "dataBits" })
        func read(_ member: String) throws -> Configuration {
            let file = Self.uart(
                "frame: { end: \"\\n\" }, fields: { x: { at: 0, type: \"uint8\" } }"
            )
            .replacing("driver: \"uart\",", with: "driver: \"uart\",\n\(member)\n")
            return try #require(Samples.read(file, profiles: [:]).0)
        }
        #expect(try read("dataBits: \(named.value),") == read(""))
        #expect(try read("dataBits: 7,") != read(""))
    }

    /// `95 and 500KiB a second; a plain broker: unlimited` and `64 and 1; 1024`.
    @Test func theLimitsOfABridgeAreThoseOfTheTable() throws {
        let rate = try #require(Self.defaults.first { $0.key == "rate" }).words.matches(
            of: /(\d+) and (\w+) a second/)
        let flight = try #require(Self.defaults.first { $0.key == "inFlight" }).words.matches(
            of: /(\d+) and (\d+); (\d+)/)
        let (rates, flights) = (try #require(rate.first), try #require(flight.first))
        let cloud = "project: \"p\", region: \"r\", registry: \"x\", privateKey: \"k\","
        let limits =
            "rate: { messages: \(rates.1), bytes: \"\(rates.2)\" }, inFlight: { total: \(flights.1), perDevice: \(flights.2) },"
        #expect(try read("`bridge`", cloud + limits) == read("`bridge`", cloud))
        #expect(
            try read("`bridge`", "inFlight: { total: \(flights.3) }, rate: \"unlimited\",")
                == read("`bridge`", ""))
        #expect(try read("`bridge`", "clientID: \"gw-1\",") == read("`bridge`", ""))
    }

    // MARK: Lists

    private func words(_ pattern: Regex<(Substring, Substring)>) throws -> Set<String> {
        Set(
            try #require(Self.document.firstMatch(of: pattern)).1.split(separator: " ").map(
                String.init))
    }

    @Test func everyTypeAndChecksumIsNamed() throws {
        #expect(try words(/Types: `([^`]+)`/) == Set(ValueType.allCases.map(\.rawValue)))
        let plain = try words(/`(sum8 [^`]+)`/)
        let crc8 = try words(/`crc8-` `([^`]+)`/).map { "crc8-\($0)" }
        let crc16 = try words(/`crc16-` `([^`]+)`/).map { "crc16-\($0)" }
        let all = Set(UARTProtocol.ChecksumType.allCases.map(\.rawValue)).subtracting(["none"])
        #expect(plain.union(crc8).union(crc16).union(["crc8"]) == all)
    }
}
