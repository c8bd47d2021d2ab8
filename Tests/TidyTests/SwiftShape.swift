import Foundation

/// A coarse reading of a Swift file: which types it declares or extends, and what they store.
/// Relies on the house's layout: a declaration's closing brace stands at its own indentation.
struct SwiftShape {
    struct Declaration {
        var name: String
        var line: Int
        var isExtension: Bool
        /// Stored properties of an instance; static ones belong to no instance.
        var storedProperties = 0
        var lines = 0
    }

    private(set) var types: [Declaration] = []
    private(set) var functions: [Declaration] = []

    private enum Kind { case type, function }

    init(_ source: Tree.Source) {
        var open: [(indent: Int, kind: Kind, index: Int)] = []
        var isText = false
        for (number, line) in source.lines.enumerated() {
            let quotes = line.components(separatedBy: "\"\"\"").count - 1
            defer { if quotes % 2 == 1 { isText.toggle() } }
            guard !isText else { continue }
            let indent = line.prefix { $0 == " " }.count
            let code = Self.withoutComment(line.dropFirst(indent))
            guard !code.isEmpty else { continue }
            if let last = open.last, indent == last.indent, code.hasPrefix("}") {
                let lines = number - (last.kind == .type ? types : functions)[last.index].line + 2
                if last.kind == .type { types[last.index].lines = lines }
                if last.kind == .function { functions[last.index].lines = lines }
                open.removeLast()
                continue
            }
            let words = Self.words(code)
            if let last = open.last, last.kind == .type, indent == last.indent + 4 {
                types[last.index].storedProperties += Self.storedProperties(words, code)
            }
            guard !(code.hasSuffix("}") && code.contains("{")) else { continue }
            if let place = words.firstIndex(where: Self.typeWords.contains),
                place + 1 < words.count,
                words[..<place].allSatisfy(Self.isModifier), words[place + 1] != "func"
            {
                let around = open.last { $0.kind == .type }.map { types[$0.index].name + "." } ?? ""
                types.append(
                    Declaration(
                        name: around + Self.name(words[place + 1]), line: number + 1,
                        isExtension: words[place] == "extension"))
                open.append((indent, .type, types.count - 1))
            } else if let place = words.firstIndex(where: { $0 == "func" || $0.hasPrefix("init") }),
                words[..<place].allSatisfy(Self.isModifier)
            {
                let name =
                    words[place] == "func"
                    ? Self.name(words[min(place + 1, words.count - 1)]) : "init"
                functions.append(Declaration(name: name, line: number + 1, isExtension: false))
                open.append((indent, .function, functions.count - 1))
            }
        }
    }

    private static let typeWords: Set<String> = [
        "struct", "class", "enum", "actor", "extension", "protocol",
    ]
    private static let modifiers: Set<String> = [
        "package", "public", "private", "internal", "fileprivate", "final", "mutating", "consuming",
        "borrowing",
        "static", "override", "nonisolated", "indirect", "weak", "unowned", "lazy", "required",
        "convenience",
    ]

    private static func isModifier(_ word: String) -> Bool {
        word.hasPrefix("@") || modifiers.contains(word.prefix { $0 != "(" }.description)
    }

    private static func withoutComment(_ code: Substring) -> String {
        guard let range = code.range(of: "//") else {
            return code.trimmingCharacters(in: .whitespaces)
        }
        // An address in a text is no comment.
        let before = code[..<range.lowerBound]
        let isInText = before.filter { $0 == "\"" }.count % 2 == 1
        return (isInText ? code : before).trimmingCharacters(in: .whitespaces)
    }

    private static func words(_ code: String) -> [String] {
        code.split(separator: " ").map(String.init)
    }

    private static func name(_ word: String) -> String {
        String(word.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." })
    }

    /// The count of properties that a line of a type's body adds to each instance.
    private static func storedProperties(_ words: [String], _ code: String) -> Int {
        guard let place = words.firstIndex(where: { $0 == "var" || $0 == "let" }),
            place + 1 < words.count,
            words[..<place].allSatisfy({ isModifier($0) && $0 != "static" })
        else { return 0 }
        let isObserved = code.contains("{ didSet") || code.contains("{ willSet")
        let isComputed =
            code.hasSuffix("{") || code.contains("{ get")
            || (code.hasSuffix("}") && !code.contains("="))
        guard isObserved || !isComputed else { return 0 }
        let rest = words[(place + 1)...].joined(separator: " ")
        if rest.hasPrefix("(") { return rest.prefix { $0 != ")" }.split(separator: ",").count }
        // Several names before one type: `var a, b: Int`.
        let names = rest.prefix { $0 != ":" && $0 != "=" }
        return names.split(separator: ",").count
    }
}
