import Base
import Foundation
import MQTT
import Testing

/// The table of conformance is true: every test it names exists, every statement that is cited is in
/// it, and the document made from it is up to date.
@Suite struct ConformanceTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let document = tests.appendingPathComponent("MQTT-conformance.md")

    private static func sources(_ folder: URL) -> [(name: String, text: String)] {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        return (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }.compactMap { url in
            (try? String(contentsOf: url, encoding: .utf8)).map { (url.lastPathComponent, $0) }
        }
    }

    /// Names of functions under @Test, with the file they stand in.
    private static func testFunctions() -> [String: String] {
        var found: [String: String] = [:]
        for (file, text) in sources(tests) {
            var isTest = false
            for line in text.split(separator: "\n") {
                if line.contains("@Test") { isTest = true }
                guard isTest, let start = line.firstRange(of: "func ")?.upperBound else { continue }
                found[String(line[start...].prefix { $0 != "(" })] = file
                isTest = false
            }
        }
        return found
    }

    @Test func everyStatementHasItsTests() {
        let functions = Self.testFunctions()
        #expect(functions.count > 300, "the tests were not found")
        for statement in clientStatements + brokerFaults {
            for name in statement.tests {
                #expect(functions[name] != nil, "\(statement.number): no test \(name)")
            }
            #expect(!statement.tests.isEmpty || statement.rule.contains("not") || statement.rule.contains("Only"))
        }
        #expect(Set(clientStatements.map(\.number)).count == clientStatements.count)
        #expect(brokerFaults.map(\.number) == (21...47).map(String.init))
    }

    @Test func everyStatementThatIsCitedIsInTheTable() {
        let known = Set(clientStatements.map(\.number)).union(serverStatements)
        let root = Self.tests.deletingLastPathComponent()
        for (file, text) in Self.sources(root.appendingPathComponent("Sources/MQTT")) + Self.sources(Self.tests) {
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
        #expect(found == wanted, "run FIELDGW_WRITE_DOCUMENTS=1 board/test --filter ConformanceTests")
    }

    private static func render() -> String {
        let functions = testFunctions()
        func table(_ statements: [Statement], _ prefix: String) -> String {
            statements.map { statement in
                let tests = statement.tests.map { "`\($0)` (\(functions[$0] ?? "?"))" }.joined(separator: ", ")
                return "| \(prefix)\(statement.number) | \(statement.rule) | \(tests.isEmpty ? "-" : tests) |\n"
            }.joined()
        }
        return """
            # MQTT 3.1.1: what it asks of a client, and the tests

            Made by `ConformanceTests` from the tables in `Tests/MQTTTests/Conformance.swift`; do not edit. The rules are
            told in our own words; the numbers are those of the OASIS standard. "The client checks it" marks duties of the
            server whose breach the client notices.

            | statement | rule | tests |
            |---|---|---|
            \(table(clientStatements, "MQTT-"))
            # What a broker may do to us

            Faults 21 to 41 are the broker's, 42 to 47 those of TLS, tried with real servers on loopback.

            | fault | what happens | tests |
            |---|---|---|
            \(table(brokerFaults, ""))
            """
    }
}

/// Statements that had no test of their own.
@Suite struct ConformanceGapTests {
    @Test func pubacksLeaveInTheOrderOfTheirMessages() {   // [MQTT-4.6.0-2]
        var bench = ClientBench.connected()
        let ids = [7, 3, 900, 4].map { id($0) }
        for id in ids { bench.receive(.publish(Publish(topic: name("c"), payload: [1], packetID: id))) }
        for output in bench.outputs() {
            if case .message(let message) = output, let id = message.packetID { bench.client.acknowledge(id) }
        }
        #expect(bench.sent() == ids.map { .puback(Puback($0)) })
    }

    @Test func aSecondConnectIsNeverSent() {   // [MQTT-3.1.0-2]
        var bench = ClientBench.connected()
        bench.client.connect(at: bench.now)
        #expect(bench.sent().isEmpty)
        #expect(bench.client.isConnected)
    }

    @Test func anEmptyClientIDAlwaysComesWithACleanSession() {   // [MQTT-3.1.3-7]
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
