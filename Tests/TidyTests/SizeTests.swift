import Foundation
import Testing

/// Sizes are a sign, not a law: the report names the largest, and only what no reader would accept
/// fails.
@Suite struct SizeTests {
    static let fileLinesMax = 400
    static let functionLinesMax = 110
    static let columnsMax = 130

    @Test func reportsTheLargestFilesAndFunctions() {
        let sources = Tree.sources(under: "Sources") + Tree.sources(under: "Tests")
        let files = sources.map { ($0.path, $0.lines.count) }.sorted { $0.1 > $1.1 }
        let functions = sources.flatMap(functions).sorted { $0.lines > $1.lines }
        print("largest files:")
        for (path, lines) in files.prefix(8) { print("  \(lines) \(path)") }
        print("largest functions:")
        for each in functions.prefix(8) { print("  \(each.lines) \(each.place)") }
        for (path, lines) in files {
            #expect(
                lines <= Exceptions.fileLines[path] ?? Self.fileLinesMax,
                "\(path) has \(lines) lines: it holds more than one idea")
        }
        for each in functions {
            #expect(each.lines <= Self.functionLinesMax, "\(each.place) has \(each.lines) lines")
        }
    }

    @Test func noLineIsTooWideToRead() {
        for source in Tree.sources(under: "Sources") {
            for (number, line) in source.lines.enumerated() {
                #expect(
                    line.count <= Self.columnsMax,
                    "\(source.path):\(number + 1) has \(line.count) columns")
            }
        }
    }

    /// A function runs from its `func` line to the closing brace at the same indentation.
    private func functions(of source: Tree.Source) -> [(place: String, lines: Int)] {
        var open: [(indent: Int, start: Int, name: String)] = []
        var found: [(String, Int)] = []
        for (number, line) in source.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let code = line.dropFirst(indent)
            if let range = code.range(of: "func "), code.hasSuffix("{") || !code.contains("}"),
                !code.hasPrefix("//"), !code.hasPrefix("case")
            {
                let name = code[range.upperBound...].prefix {
                    $0.isLetter || $0.isNumber || $0 == "_"
                }
                open.append((indent, number, String(name)))
            } else if code.hasPrefix("}"), let last = open.last, last.indent == indent {
                open.removeLast()
                found.append(
                    ("\(source.path):\(last.start + 1) \(last.name)", number - last.start + 1))
            }
        }
        return found
    }
}
