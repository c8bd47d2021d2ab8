import Base
import Foundation
import MQTT
import Testing

/// The table of conformance is true: every test it names exists, every statement that is cited is
/// in it, and the document made from it is up to date.
@Suite struct ConformanceTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let document = tests.appendingPathComponent("MQTT-conformance.md")

    private static func sources(_ folder: URL) -> [(name: String, text: String)] {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        return (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }.compactMap
        { url in
            (try? String(contentsOf: url, encoding: .utf8)).map { (url.lastPathComponent, $0) }
        }
    }

    struct Function {
        var name: String
        var file: String
        /// What stands behind @Test as its name, if anything.
        var display: String
        /// The statements named in the comment behind it.
        var cites: [String]
    }

    private static func testFunctions() -> [Function] {
        var found: [Function] = []
        for (file, text) in sources(tests) {
            var isTest = false
            /// The name, if there is one, stands on the next line.
            var isNameNext = false
            var display = ""
            for line in text.split(separator: "\n") {
                if isNameNext {
                    let name = line.drop { $0 == " " }
                    display =
                        name.hasPrefix("\"") ? String(name.dropFirst().prefix { $0 != "\"" }) : ""
                    isNameNext = false
                }
                if let test = line.firstRange(of: "@Test") {
                    isTest = true
                    let rest = line[test.upperBound...]
                    display =
                        rest.hasPrefix("(\"") ? String(rest.dropFirst(2).prefix { $0 != "\"" }) : ""
                    isNameNext = rest == "("
                }
                guard isTest, let start = line.firstRange(of: "func ")?.upperBound else { continue }
                let cites = line.components(separatedBy: "[MQTT-").dropFirst().map {
                    String($0.prefix { $0 != "]" })
                }
                found.append(
                    Function(
                        name: String(line[start...].prefix { $0 != "(" }), file: file,
                        display: display, cites: cites))
                isTest = false
            }
        }
        return found.sorted { ($0.file, $0.name) < ($1.file, $1.name) }
    }

    /// The faults that a test is named after; nil if its name begins like that and names none of
    /// the table.
    private static func faults(_ display: String) -> [Int]? {
        if display.hasPrefix("Faults ") {
            let numbers = display.dropFirst(7).prefix { $0 != ":" }.components(separatedBy: ", ")
                .map { Int($0) ?? 0 }
            return numbers.allSatisfy { number in brokerFaults.contains { $0.number == number } }
                ? numbers : nil
        }
        guard display.hasPrefix("Fault ") else { return [] }
        let fault = brokerFaults.first { display.hasPrefix("Fault \($0.number), \($0.name): ") }
        return fault.map { [$0.number] }
    }

    @Test func everyStatementHasItsTests() {
        let functions = Self.testFunctions()
        #expect(functions.count > 300, "the tests were not found")
        let names = Set(functions.map(\.name))
        for statement in clientStatements {
            for name in statement.tests {
                #expect(names.contains(name), "\(statement.number): no test \(name)")
            }
            #expect(
                !statement.tests.isEmpty || statement.rule.contains("not")
                    || statement.rule.contains("Only"))
        }
        #expect(Set(clientStatements.map(\.number)).count == clientStatements.count)
    }

    /// No test says that it is for a statement of whose tests it is not.
    @Test func everyTestThatCitesAStatementIsAmongItsTests() {
        let table = Dictionary(uniqueKeysWithValues: clientStatements.map { ($0.number, $0.tests) })
        for function in Self.testFunctions() {
            for number in function.cites where !serverStatements.contains(number) {
                #expect(
                    table[number]?.contains(function.name) == true,
                    "\(function.name) cites [MQTT-\(number)]")
            }
        }
    }

    @Test func everyFaultHasTestsNamedAfterItAndNoTestAFaultThatIsNone() {
        var seen: Set<Int> = []
        for function in Self.testFunctions() {
            let faults = Self.faults(function.display)
            #expect(
                faults != nil,
                "\(function.file): \"\(function.display)\" is named after no fault of the table")
            seen.formUnion(faults ?? [])
        }
        #expect(brokerFaults.map(\.number) == Array(21...47))
        for (number, name) in brokerFaults {
            #expect(seen.contains(number), "no test for fault \(number), \(name)")
        }
    }

    @Test func everyStatementThatIsCitedIsInTheTable() {
        let known = Set(clientStatements.map(\.number)).union(serverStatements)
        let root = Self.tests.deletingLastPathComponent()
        for (file, text) in Self.sources(root.appendingPathComponent("Sources/MQTT"))
            + Self.sources(Self.tests)
        {
            for part in text.components(separatedBy: "MQTT-").dropFirst() {
                let number = String(part.prefix { $0.isNumber || $0 == "." || $0 == "-" })
                guard number.contains("-"), number.contains(".") else { continue }
                #expect(known.contains(number), "\(file) cites [MQTT-\(number)]")
            }
        }
    }

    @Test func theDocumentIsUpToDate() throws {
        let wanted = Self.render()
        if ProcessInfo.processInfo.environment["FIELDGW_WRITE_DOCUMENTS"] == "1" {
            try wanted.write(to: Self.document, atomically: true, encoding: .utf8)
        }
        let found = try String(contentsOf: Self.document, encoding: .utf8)
        #expect(
            found == wanted, "run FIELDGW_WRITE_DOCUMENTS=1 board/test --filter ConformanceTests")
    }

    private static func render() -> String {
        let functions = testFunctions()
        let files = Dictionary(
            functions.map { ($0.name, $0.file) }, uniquingKeysWith: { first, _ in first })
        let statements = clientStatements.map { statement in
            let tests = statement.tests.map { "`\($0)` (\(files[$0] ?? "?"))" }.joined(
                separator: ", ")
            return
                "| MQTT-\(statement.number) | \(statement.rule) | \(tests.isEmpty ? "-" : tests) |\n"
        }
        let faults = brokerFaults.map { number, name in
            let tests = functions.filter { Self.faults($0.display)?.contains(number) == true }.map {
                function in
                let detail =
                    function.display.split(separator: ": ", maxSplits: 1).last.map(String.init)
                    ?? ""
                return "\(detail): `\(function.name)` (\(function.file))"
            }
            return "| \(number) | \(name) | \(tests.joined(separator: "; ")) |\n"
        }
        return """
            # MQTT 3.1.1: what it asks of a client, and the tests

            Made by `ConformanceTests` from the tables in `Tests/MQTTTests/Conformance.swift`; do not edit. The rules are
            told in our own words; the numbers are those of the OASIS standard. "The client checks it" marks duties of the
            server whose breach the client notices.

            | statement | rule | tests |
            |---|---|---|
            \(statements.joined())
            # What a broker may do to us

            Faults 21 to 41 are the broker's, 42 to 47 those of TLS, tried with real servers on loopback. Each test is named
            after its fault; this table is made from the names.

            | fault | what happens | tests |
            |---|---|---|
            \(faults.joined())
            """
    }
}

/// Statements that had no test of their own.
@Suite struct ConformanceGapTests {
    @Test func pubacksLeaveInTheOrderOfTheirMessages() {  // [MQTT-4.6.0-2]
        var bench = ClientBench.connected()
        let ids = [7, 3, 900, 4].map { id($0) }
        for id in ids {
            bench.receive(.publish(Publish(topic: name("c"), payload: [1], packetID: id)))
        }
        for output in bench.outputs() {
            if case .message(let message) = output, let id = message.packetID {
                bench.client.acknowledge(id)
            }
        }
        #expect(bench.sent() == ids.map { .puback(Puback($0)) })
    }

    @Test func aSecondConnectIsNeverSent() {  // [MQTT-3.1.0-2]
        var bench = ClientBench.connected()
        bench.client.connect(at: bench.now)
        #expect(bench.sent().isEmpty)
        #expect(bench.client.isConnected)
    }

    @Test func anEmptyClientIDAlwaysComesWithACleanSession() {  // [MQTT-3.1.3-7]
        for cleanSession in [true, false] {
            var bench = ClientBench {
                $0.clientID = ""
                $0.cleanSession = cleanSession
            }
            bench.client.connect(at: bench.now)
            guard case .connect(let packet) = bench.sent().first else {
                Issue.record("no CONNECT")
                continue
            }
            #expect(packet.cleanSession)
        }
    }
}
