import Base

/// A configuration as text, without what must stay secret and without comments.
enum PrintedConfiguration {
    private static let columns = 100

    /// Parts of names, so that a misspelt key hides its value too.
    private static let secrets = ["pas", "user", "proxy", "token", "secret", "key", "url"]
    /// Members of an object under such a name that say where the secret is kept.
    private static let places: [ByteString] = ["file", "env", "credential"]

    private static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return secrets.contains { name.contains($0) }
    }

    /// Text with an object or a list on one line where that fits.
    /// - Parameter isStrict: JSON for programs. In JSON5 a hexadecimal number stays one, because an
    ///   address such as 0x9C41 would be refused as 40001.
    static func text(_ json: JSON, isStrict: Bool, indent: Int = 0) -> String {
        text(json, isStrict, indent, isPlace: false)
    }

    /// - Parameter isPlace: whether the object may say where a secret is kept; what else it has is
    ///   hidden.
    private static func text(
        _ json: JSON, _ isStrict: Bool, _ indent: Int, isPlace: Bool
    ) -> String {
        let line = oneLine(json, isStrict, isPlace: isPlace)
        if indent > 0, line.utf8.count + indent <= columns { return line }
        let blanks = String(repeating: " ", count: indent + 2)
        let end = "\n" + String(repeating: " ", count: indent)
        switch json.kind {
        case .object(let members) where !members.isEmpty:
            let lines = members.map { member in
                "\(blanks)\(quoted(member.name)): "
                    + (isMasked(member, isPlace)
                        ? "\"***\""
                        : text(
                            member.value, isStrict, indent + 2,
                            isPlace: isSecret(member.name.string)))
            }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        case .array(let items) where !items.isEmpty:
            let lines = items.map { blanks + text($0, isStrict, indent + 2, isPlace: isPlace) }
            return "[\n" + lines.joined(separator: ",\n") + end + "]"
        default: return line
        }
    }

    /// Objects have names of their own, of a device for example: those are looked into.
    private static func isMasked(_ member: JSON.Member, _ isPlace: Bool) -> Bool {
        if case .object = member.value.kind { return false }
        let isStray = isPlace && !places.contains(member.name)
        return isStray || isSecret(member.name.string)
    }

    private static func oneLine(_ json: JSON, _ isStrict: Bool, isPlace: Bool) -> String {
        switch json.kind {
        case .object(let members):
            let shown = members.map { member in
                "\(quoted(member.name)): "
                    + (isMasked(member, isPlace)
                        ? "\"***\""
                        : oneLine(
                            member.value, isStrict, isPlace: isSecret(member.name.string)))
            }
            return shown.isEmpty ? "{}" : "{ " + shown.joined(separator: ", ") + " }"
        case .array(let items):
            return "["
                + items.map { oneLine($0, isStrict, isPlace: isPlace) }.joined(separator: ", ")
                + "]"
        case .string(let text):
            return text.string.contains("-----") ? "\"***\"" : quoted(text)
        case .number(let text) where !isStrict: return text
        default: return json.text
        }
    }

    private static func quoted(_ text: ByteString) -> String { JSON(.string(text)).text }
}
