import Base

/// The tables of keys as text: the reference in Markdown, and the manual page fieldgw.json5(5).
package enum KeyReference {
    /// - Parameter version: of the program.
    package static func schema(version: String) -> String { KeySchema.document(version: version) }

    /// The document `board/docs/keys.md`.
    package static var markdown: String {
        var lines = [
            "# Keys of the configuration", "",
            "Every key that the program knows, from the tables that it reads by "
                + "(`fieldgw help --keys` prints this page).",
            "[configuration.md](configuration.md) says how they are used. What holds "
                + "without a key stands in brackets; in",
            "**bold** are keys that must be there. `fieldgw help --schema` prints the "
                + "same as JSON Schema, for editors.",
        ]
        for section in KeySection.everything {
            lines += [
                "", "## \(section.name)", "", section.words, "", "| key | takes | what |",
                "|---|---|---|",
            ]
            for key in section.keys {
                let name = key.isRequired ? "**`\(key.name)`**" : "`\(key.name)`"
                lines.append("| \(name) | \(key.value.description) | \(key.sentence) |")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Entries of the manual page: section, its words, and its keys with value and meaning.
    package static var sections: [Section] {
        KeySection.everything.map { section in
            Section(
                name: section.name, words: plain(section.words),
                entries: section.keys.map {
                    Entry(
                        name: $0.name.string, value: plain($0.value.description),
                        words: plain($0.sentence))
                })
        }
    }

    package struct Section: Sendable {
        package var name: String
        package var words: String
        package var entries: [Entry]
    }

    package struct Entry: Sendable {
        package var name: String
        package var value: String
        package var words: String
    }

    private static func plain(_ text: String) -> String { text.replacing("`", with: "") }
}

extension Key {
    /// Meaning, with the default behind it.
    fileprivate var sentence: String {
        guard let standard = value.standard else { return words }
        return "\(words) [\(standard)]"
    }
}

extension KeyValue {
    /// Default as it would be written; nil if there is none or it depends on other keys.
    fileprivate var standard: String? {
        switch self {
        case .flag(let value): value.map { "\($0)" }
        case .integer(_, let value): value.map { "\($0)" }
        case .number(_, let value): value.map { JSONWriter.number($0) }
        case .duration(_, let value): value.map { Quantity.describe($0) }
        case .size(_, let value): value.map { Quantity.describe(bytes: $0) }
        case .word(_, let value): value
        default: nil
        }
    }

    /// Values that may stand there, in a few words.
    fileprivate var description: String {
        switch self {
        case .flag: "true or false"
        case .integer(let range, _): "\(range.lowerBound) to \(range.upperBound)"
        case .number(let range?, _):
            "\(JSONWriter.number(range.lowerBound)) to \(JSONWriter.number(range.upperBound))"
        case .number(nil, _): "a number"
        case .duration(let range, _):
            "`\"\(Quantity.describe(range.lowerBound))\"` to "
                + "`\"\(Quantity.describe(range.upperBound))\"`"
        case .size(let range, _):
            "`\"\(Quantity.describe(bytes: range.lowerBound))\"` to "
                + "`\"\(Quantity.describe(bytes: range.upperBound))\"`"
        case .word(let words, _): words.map { "`\"\($0)\"`" }.joined(separator: ", ")
        case .text: "text"
        case .secret: "text, or where the secret is kept"
        case .bytes: "bytes"
        case .object(let section): "an object: \(section.name)"
        case .named(let inner): "by name: \(inner.description)"
        case .list(let inner): "a list: \(inner.description)"
        case .either(let values):
            if values.count == 2, case .list(let inner) = values[1] {
                "\(inner.description), or a list"
            } else {
                values.map(\.description).joined(separator: "; or ")
            }
        case .only(.flag(let flag)): "\(flag)"
        case .only(.text(let text)): "`\"\(text)\"`"
        case .only(.null): "null"
        case .parameter: "`\"{PARAMETER}\"`"
        case .anything: "a value"
        }
    }
}
