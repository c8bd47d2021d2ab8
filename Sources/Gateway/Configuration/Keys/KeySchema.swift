import Base

/// The tables of keys as JSON Schema (draft 2020-12), for editors and other tools.
enum KeySchema {
    /// - Parameter version: of the program, for the title.
    static func document(version: String) -> String {
        var writer = JSONWriter()
        writer.object {
            $0.member("$schema", "https://json-schema.org/draft/2020-12/schema")
            $0.member("title", "Configuration of fieldgw \(version)")
            $0.member("$ref", reference(to: TopKeys.root))
            $0.key("$defs")
            $0.object { writer in
                for section in KeySection.everything {
                    writer.key(name(of: section))
                    write(section, to: &writer)
                }
                writer.key("secret")
                writer.object { writeSecret(to: &$0) }
            }
        }
        return String(decoding: writer.takeBytes(), as: UTF8.self)
    }

    private static func name(of section: KeySection) -> String {
        section.name.replacing(" ", with: "-")
    }

    private static func reference(to section: KeySection) -> String {
        "#/$defs/\(name(of: section))"
    }

    private static func write(_ section: KeySection, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("type", "object")
            writer.member("description", section.words)
            writer.key("properties")
            writer.object { writer in
                for key in section.keys {
                    writer.key(key.name.string)
                    writer.object { writer in
                        writer.member("description", key.words)
                        write(key.value, to: &writer)
                    }
                }
            }
            let required = section.keys.filter(\.isRequired)
            if !required.isEmpty {
                writer.key("required")
                writer.array { writer in
                    for key in required { writer.string(key.name.string) }
                }
            }
            writer.member("additionalProperties", section.isOpen)
        }
    }

    /// The members of a value's schema.
    private static func write(_ value: KeyValue, to writer: inout JSONWriter) {
        switch value {
        case .flag(let standard):
            writer.member("type", "boolean")
            if let standard { writer.member("default", standard) }
        case .integer(let range, let standard):
            writer.member("type", "integer")
            writer.member("minimum", range.lowerBound)
            writer.member("maximum", range.upperBound)
            if let standard { writer.member("default", standard) }
        case .number(let range, let standard):
            writer.member("type", "number")
            if let range {
                writer.member("minimum", range.lowerBound)
                writer.member("maximum", range.upperBound)
            }
            if let standard { writer.member("default", standard) }
        case .duration(_, let standard):
            writer.member("type", "string")
            writer.member("pattern", "^[0-9.]+ *(ns|us|µs|ms|s|min|m|h|d)$")
            if let standard { writer.member("default", Quantity.describe(standard)) }
        case .size(_, let standard):
            writer.member("type", "string")
            writer.member("pattern", "^[0-9.]+ *([KMGT]iB|[kKMGT]?B)$")
            if let standard { writer.member("default", Quantity.describe(bytes: standard)) }
        case .word(let words, let standard):
            writer.key("enum")
            writer.array { writer in words.forEach { writer.string($0) } }
            if let standard { writer.member("default", standard) }
        case .text, .bytes: writer.member("type", "string")
        case .secret: writer.member("$ref", "#/$defs/secret")
        case .object(let section): writer.member("$ref", reference(to: section))
        case .named(let inner):
            writer.member("type", "object")
            writer.key("additionalProperties")
            writer.object { write(inner, to: &$0) }
        case .list(let inner):
            writer.member("type", "array")
            writer.key("items")
            writer.object { write(inner, to: &$0) }
        case .either(let values):
            writer.key("anyOf")
            writer.array { writer in
                for value in values { writer.object { write(value, to: &$0) } }
            }
        case .only(.flag(let flag)): writer.member("const", flag)
        case .only(.text(let text)): writer.member("const", text)
        case .only(.null): writer.member("type", "null")
        case .parameter:
            writer.member("type", "string")
            writer.member("pattern", "^\\{[A-Za-z0-9]+\\}$")
        case .anything: break
        }
    }

    private static func writeSecret(to writer: inout JSONWriter) {
        writer.member("description", "A secret, or where it is kept.")
        writer.key("anyOf")
        writer.array { writer in
            writer.object { $0.member("type", "string") }
            for source in ["file", "env", "credential"] {
                writer.object { writer in
                    writer.member("type", "object")
                    writer.key("properties")
                    writer.object { writer in
                        writer.key(source)
                        writer.object { $0.member("type", "string") }
                    }
                    writer.key("required")
                    writer.array { $0.string(source) }
                    writer.member("additionalProperties", false)
                }
            }
        }
    }
}

extension KeySection {
    /// Whether members may have names that are not in the table: parameters of a profile.
    var isOpen: Bool { name == NodeKeys.profileReference.name }

    /// Every section, in the order of the reference.
    static let everything: [KeySection] = {
        var found: [KeySection] = []
        TopKeys.root.collect(into: &found)
        NodeKeys.profile.collect(into: &found)
        return found
    }()

    private func collect(into found: inout [KeySection]) {
        guard !found.contains(where: { $0.name == name }) else { return }
        found.append(self)
        for key in keys { key.value.sections.forEach { $0.collect(into: &found) } }
    }
}

extension KeyValue {
    /// Sections of the objects that it may be.
    var sections: [KeySection] {
        switch self {
        case .object(let section): [section]
        case .named(let inner), .list(let inner): inner.sections
        case .either(let values): values.flatMap(\.sections)
        default: []
        }
    }
}
