import Base

/// A configuration as text, without what must stay secret and without comments.
enum PrintedConfiguration {
    private static let columns = 100

    /// Parts of names, so that a misspelt key hides its value too.
    private static let secrets = ["pas", "user", "proxy", "token", "secret", "key", "url"]
    /// Members of an object under such a name that say where the secret is kept.
    private static let places: [ByteString] = ["file", "env", "credential"]

    /// Objects whose members have names that people choose.
    private static let named: [ByteString] = ["ports", "nodes", "points", "fields", "bits", "map"]

    /// Kind of the object around a member.
    private enum Around {
        case settings
        /// It may say where a secret is kept; what else it has is hidden.
        case secret
        /// Its members are ports, devices, points.
        case names
    }

    private static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return secrets.contains { name.contains($0) }
    }

    /// Text with an object or a list on one line where that fits.
    /// - Parameter isStrict: JSON for programs. In JSON5 a hexadecimal number stays one, because an
    ///   address such as 0x9C41 would be refused as 40001.
    static func text(_ json: JSON, isStrict: Bool, indent: Int = 0) -> String {
        text(json, isStrict, indent, .settings)
    }

    private static func text(
        _ json: JSON, _ isStrict: Bool, _ indent: Int, _ around: Around
    ) -> String {
        let line = oneLine(json, isStrict, around)
        if indent > 0, line.utf8.count + indent <= columns { return line }
        let blanks = String(repeating: " ", count: indent + 2)
        let end = "\n" + String(repeating: " ", count: indent)
        switch json.kind {
        case .object(let members) where !members.isEmpty:
            let lines = members.map { member in
                "\(blanks)\(quoted(member.name)): "
                    + (isMasked(member, around)
                        ? "\"***\""
                        : text(member.value, isStrict, indent + 2, inside(member, around)))
            }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        case .array(let items) where !items.isEmpty:
            let lines = items.map { blanks + text($0, isStrict, indent + 2, around) }
            return "[\n" + lines.joined(separator: ",\n") + end + "]"
        default: return line
        }
    }

    /// Kind of the object that a member is.
    private static func inside(_ member: JSON.Member, _ around: Around) -> Around {
        if around == .names { return .settings }
        if named.contains(member.name) { return .names }
        return isSecret(member.name.string) ? .secret : .settings
    }

    /// Objects are looked into. A number under a name that somebody has chosen is no secret.
    private static func isMasked(_ member: JSON.Member, _ around: Around) -> Bool {
        if member.value.members != nil { return false }
        switch around {
        case .names: return member.value.string != nil && isSecret(member.name.string)
        case .secret: return !places.contains(member.name) || isSecret(member.name.string)
        case .settings: return isSecret(member.name.string)
        }
    }

    private static func oneLine(_ json: JSON, _ isStrict: Bool, _ around: Around) -> String {
        switch json.kind {
        case .object(let members):
            let shown = members.map { member in
                "\(quoted(member.name)): "
                    + (isMasked(member, around)
                        ? "\"***\""
                        : oneLine(member.value, isStrict, inside(member, around)))
            }
            return shown.isEmpty ? "{}" : "{ " + shown.joined(separator: ", ") + " }"
        case .array(let items):
            return "["
                + items.map { oneLine($0, isStrict, around) }.joined(separator: ", ")
                + "]"
        case .string(let text):
            return text.string.contains("-----") ? "\"***\"" : quoted(text)
        case .number(let text) where !isStrict: return text
        default: return json.text
        }
    }

    private static func quoted(_ text: ByteString) -> String { JSON(.string(text)).text }
}
