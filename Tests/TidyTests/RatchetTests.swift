import Foundation
import Testing

/// Limits that new code keeps, each with the places that do not keep them yet. A list may only
/// shrink: a place that has become better than its entry says must be entered anew, or taken out.
@Suite struct RatchetTests {
    static let storedPropertiesMax = 20
    static let filesOfTypeMax = 3
    static let functionLinesMax = 70
    static let columnsMax = 100
    static let subjectColumnsMax = 72

    private static let sources = Tree.sources(under: "Sources")

    private func expectRatchet(
        _ found: [String: Int], _ known: [String: Int], above limit: Int, _ what: String
    ) {
        for (place, count) in found.sorted(by: { $0.key < $1.key }) where count > limit {
            guard let entry = known[place] else {
                Issue.record("\(place) has \(count) \(what), more than \(limit)")
                continue
            }
            #expect(
                count <= entry, "\(place) has grown to \(count) \(what); the list says \(entry)")
            #expect(
                count >= entry,
                "\(place) has only \(count) \(what) now: lower its entry from \(entry)")
        }
        for place in known.keys.sorted() where found[place] ?? 0 <= limit {
            Issue.record("\(place) keeps the limit of \(limit) \(what) now: take it off the list")
        }
    }

    @Test func typesStoreFewProperties() {
        var found: [String: Int] = [:]
        for source in Self.sources {
            for type in SwiftShape(source).types where !type.isExtension {
                let place = "\(source.target).\(type.name)"
                found[place] = max(found[place] ?? 0, type.storedProperties)
            }
        }
        #expect(found.count > 300, "the types were not found")
        expectRatchet(
            found, Exceptions.storedProperties, above: Self.storedPropertiesMax, "stored properties"
        )
    }

    /// A type, its conformances and one extension: more files than that hide a type that is
    /// missing.
    @Test func aTypeIsCutIntoFewFiles() {
        var files: [String: Set<String>] = [:]
        for source in Self.sources {
            for type in SwiftShape(source).types {
                files["\(source.target).\(type.name)", default: []].insert(source.path)
            }
        }
        expectRatchet(
            files.mapValues(\.count), Exceptions.filesOfType, above: Self.filesOfTypeMax, "files")
    }

    @Test func functionsAreShort() {
        var found: [String: Int] = [:]
        for source in Self.sources {
            for function in SwiftShape(source).functions {
                let place = "\(source.path) \(function.name)"
                found[place] = max(found[place] ?? 0, function.lines)
            }
        }
        #expect(found.count > 1_000, "the functions were not found")
        expectRatchet(found, Exceptions.functionLines, above: Self.functionLinesMax, "lines")
    }

    @Test func linesHaveAHundredColumns() {
        var found: [String: Int] = [:]
        for source in Self.sources + Tree.sources(under: "Tests") {
            found[source.target, default: 0] += source.lines.count { $0.count > Self.columnsMax }
        }
        expectRatchet(
            found, Exceptions.wideLines, above: 0, "lines of more than \(Self.columnsMax) columns")
    }

    /// A comment says what the thing is or does: it begins with a noun or a verb.
    @Test func commentsBeginWithANounOrAVerb() {
        let openings: Set = [
            "What", "Who", "Whose", "Whoever", "Whatever", "So", "Nobody", "Somebody", "Everybody",
        ]
        var found: [String: Int] = [:]
        for source in Self.sources {
            var isInside = false
            for line in source.lines {
                let code = line.drop { $0 == " " }
                defer { isInside = code.hasPrefix("///") }
                guard code.hasPrefix("/// "), !isInside,
                    let first = code.dropFirst(4).split(whereSeparator: { !$0.isLetter }).first,
                    openings.contains(String(first))
                else { continue }
                found[source.target, default: 0] += 1
            }
        }
        expectRatchet(
            found, Exceptions.vagueComments, above: 0, "comments that begin with a pronoun")
    }
}
