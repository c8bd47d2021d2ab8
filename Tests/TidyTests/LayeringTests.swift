import Foundation
import Testing

/// The import table of the architecture. A target may import these and what the toolchain's
/// standard library brings; nothing else.
private let allowed: [String: Set<String>] = [
    "Base": [],
    "Modbus": ["Base"],
    "MQTT": ["Base"],
    "HTTP": ["Base"],
    "Line": ["Base", "Modbus"],
    "Drivers": ["Base", "Modbus", "Line"],
    "Adapter": ["Base"],
    "Spool": ["Base"],
    "Bridge": ["Base", "MQTT"],
    "Gateway": ["Base", "Modbus", "MQTT", "HTTP", "Line", "Drivers", "Adapter", "Spool", "Bridge"],
    "Simulators": ["Base", "Modbus", "MQTT", "HTTP", "Bridge"],
    "Platform": ["Base", "CLinux", "COpenSSL", "Glibc", "Synchronization"],
    "Host": [
        "Base", "Modbus", "MQTT", "Line", "Drivers", "Adapter", "Spool", "Bridge", "Gateway",
        "Platform",
    ],
    "fieldgw": [
        "Base", "Modbus", "Drivers", "Adapter", "Spool", "Bridge", "Host", "Gateway", "Platform",
    ],
    "fieldsim": ["Base", "Spool", "Simulators", "Host", "Gateway", "Platform"],
]

private func imports(_ source: Tree.Source) -> [(module: String, line: Int)] {
    source.lines.enumerated().compactMap { number, line in
        var words = line.split(separator: " ").map(String.init)
        while let first = words.first, first != "import" {
            guard
                first.hasPrefix("@")
                    || ["package", "public", "internal", "private"].contains(first)
            else { return nil }
            words.removeFirst()
        }
        guard words.count >= 2 else { return nil }
        let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
        return (String(name.split(separator: ".")[0]), number + 1)
    }
}

@Suite struct LayeringTests {
    @Test func everyTargetImportsOnlyWhatTheTableAllows() {
        let sources = Tree.sources(under: "Sources")
        #expect(sources.count > 20, "the sources were not found from \(Tree.root.path)")
        for source in sources {
            guard let table = allowed[source.target] else {
                Issue.record(
                    "\(source.path): the target \(source.target) is not in the import table")
                continue
            }
            for (module, line) in imports(source) {
                #expect(
                    table.contains(module),
                    "\(source.path):\(line): \(source.target) may not import \(module)")
            }
        }
    }

    @Test func theTopLevelHoldsExactlyWhatTheDesignNames() throws {
        let wanted: Set = ["Package.swift", "Sources", "Tests", "board", "udev", "README.md"]
        let found = try FileManager.default.contentsOfDirectory(atPath: Tree.root.path)
            .filter { !$0.hasPrefix(".") && $0 != "Package.resolved" }
        #expect(Set(found) == wanted)
    }

    /// A machine that reads a clock or a random device cannot be simulated.
    @Test func pureTargetsTouchNeitherClockNorSystem() {
        let pure: Set = [
            "Base", "Modbus", "MQTT", "HTTP", "Line", "Drivers", "Adapter", "Spool", "Bridge",
            "Gateway", "Simulators",
        ]
        let forbidden = [
            "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "print(", "Thread",
            "Task {",
            ".random(in: ",
        ]
        for source in Tree.sources(under: "Sources") where pure.contains(source.target) {
            for (number, line) in source.lines.enumerated() {
                let code = line.split(
                    separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
                for word in forbidden where code.contains(word) && !code.contains("using:") {
                    Issue.record("\(source.path):\(number + 1): \(word) in a pure target")
                }
            }
        }
    }
}
