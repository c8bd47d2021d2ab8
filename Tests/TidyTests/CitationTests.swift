import Foundation
import Testing

/// Comments and test names cite numbered rules; each stands in a document of this tree.
@Suite struct CitationTests {
    private static func document(_ name: String) -> String {
        let file = Tree.root.appendingPathComponent("board/docs/\(name)")
        return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    }

    private static func comment(_ line: String) -> Substring {
        line.firstRange(of: "//").map { line[$0.lowerBound...] } ?? ""
    }

    @Test func everyFaultThatIsCitedIsInTheList() {
        let list = Self.document("faults.md")
        let citation = /\b[Ff]aults? (\d+)((?:(?:, | and | to )\d+\b)*)/
        var count = 0
        for source in Tree.sources(under: "Sources") + Tree.sources(under: "Tests") {
            for line in source.lines where line.contains("ault") {
                for match in line.matches(of: citation) {
                    for number in (match.1 + match.2).matches(of: /\d+/).map(\.output) {
                        count += 1
                        #expect(list.contains("| \(number) |"), "\(source.path): fault \(number)")
                    }
                }
            }
        }
        #expect(count > 40, "the citations were not found")
    }

    /// In the emulator and its tests, where such words are no hexadecimal numbers.
    @Test func everyRuleOfTheBridgeThatIsCitedIsInTheTable() {
        let table = Self.document("bridge.md")
        var count = 0
        for source in Tree.sources(under: "Sources/Simulators")
            + Tree.sources(under: "Tests/SimulatorsTests")
        {
            for line in source.lines where line.contains("//") || line.contains("@Test(") {
                let words = line.contains("@Test(") ? line[...] : Self.comment(line)
                for match in words.matches(of: /\b([EG]\d{1,2})\b/) {
                    count += 1
                    #expect(table.contains("| \(match.1) |"), "\(source.path): \(match.1)")
                }
            }
        }
        #expect(count > 60, "the citations were not found")
    }

    /// A newcomer has this tree and no other document.
    @Test func nothingIsCitedThatIsNotInTheTree() {
        let foreign = [
            "DESIGN", "STYLE.md", "reliability.md", "bridge-rules.md", "the design says",
        ]
        for source in Tree.sources(under: "Sources") + Tree.sources(under: "Tests")
        where !source.path.hasSuffix("CitationTests.swift") {
            for line in source.lines {
                #expect(!foreign.contains { line.contains($0) }, "\(source.path): \(line)")
            }
        }
    }
}
