import Base

/// A place outside of the configuration where a secret is kept.
package enum SecretSource: Hashable, Sendable {
    /// A path, relative to the configuration's directory where it was written so.
    case file(String)
    /// A variable of the environment.
    case environment(String)
    /// A file that systemd hands over, by its name in `$CREDENTIALS_DIRECTORY`.
    case credential(String)
}

/// Failure to get at a secret: finishes the sentence `"password": …` and holds nothing of a secret.
package struct SecretFailure: Error, Hashable, Sendable {
    package var message: String
    /// The secret may be there for the gateway all the same: `check` runs in a shell, which has
    /// neither the service's environment nor its credentials.
    package var isWarning: Bool

    package init(_ message: String, isWarning: Bool = false) {
        self.message = message
        self.isWarning = isWarning
    }
}

/// Reads at most `limit` bytes from a place.
package typealias SecretLoader = (
    _ source: SecretSource, _ limit: Int
) -> Result<[UInt8], SecretFailure>

/// Reads the secrets of a configuration: text that stands there in the clear, or `{ file }`,
/// `{ env }` or `{ credential }`, which says where it is kept. No message holds a part of a secret.
struct SecretReader {
    private let problems: Problems
    /// Nil: secrets that are kept elsewhere are not needed, and not looked at.
    private let loader: SecretLoader?
    /// Questions to the file system: who may read the secrets.
    private(set) var files: [Configuration.FileReference] = []

    init(_ loader: SecretLoader?, _ problems: Problems) {
        self.loader = loader
        self.problems = problems
    }

    /// Text of a secret. Nil, and reported, if there is none; nil without a report if it is not
    /// looked at.
    ///
    /// - Parameter isPublic: whether text in the clear may be read by all, as that of a user name.
    mutating func text(
        _ field: Field, _ cursor: ObjectCursor, mayBeEmpty: Bool = false, isPublic: Bool = false
    ) -> ByteString? {
        guard field.json.members != nil else {
            let text = cursor.string(of: field, mayBeEmpty: mayBeEmpty)
            if let text, !text.isEmpty, !isPublic { noteClear(field) }
            return text
        }
        guard let source = source(field) else { return nil }
        return load(source, for: field)
    }

    /// Place that `{ file }`, `{ env }` or `{ credential }` names; nil, and reported, if it names
    /// none.
    ///
    /// - Parameter resolves: whether a path is taken as relative to the folder of the file that it
    ///   stands in.
    func source(_ field: Field, resolves: Bool = true) -> SecretSource? {
        guard let members = field.json.members, members.count == 1,
            let text = members[0].value.string,
            (1...ObjectCursor.textMax).contains(text.count),
            text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 })
        else { return refuse(field) }
        switch members[0].name {
        case "file":
            let path = text.string
            return .file(
                resolves ? RelativePath.resolve(path, beside: field.place.file) : path)
        case "env":
            let isName = text.utf8.allSatisfy { Self.isWord($0) } && !Self.isDigit(text.utf8.first!)
            if isName { return .environment(text.string) }
            problems.error(
                field.place,
                "\"\(field.shown)\": \"env\" takes the name of a variable: letters, digits and _")
            return nil
        case "credential":
            let isName = text != "." && text != ".." && !text.utf8.contains(0x2F)
            if isName, text.count <= 255 { return .credential(text.string) }
            problems.error(
                field.place,
                "\"\(field.shown)\": \"credential\" takes the name that LoadCredential gives, "
                    + "without a /"
            )
            return nil
        default: return refuse(field)
        }
    }

    /// Notes that a secret stands in the configuration itself.
    mutating func noteClear(_ field: Field) {
        files.append(
            Configuration.FileReference(
                .clearSecret(field.name), Located(field.file, at: field.place)))
    }

    private func refuse(_ field: Field) -> SecretSource? {
        problems.error(
            field.place,
            "\"\(field.shown)\" must be a string, { file: \"…\" }, { env: \"NAME\" } or "
                + "{ credential: \"name\" }"
        )
        return nil
    }

    private mutating func load(_ source: SecretSource, for field: Field) -> ByteString? {
        if case .file(let path) = source {
            files.append(
                Configuration.FileReference(
                    .secretFile(field.name), Located(path, at: field.place)))
        }
        guard let loader else { return nil }
        // A line end may follow the longest text.
        switch loader(source, ObjectCursor.textMax + 2) {
        case .failure(let failure):
            let words = "\"\(field.shown)\": \(failure.message)"
            if failure.isWarning {
                problems.warning(field.place, words)
            } else {
                problems.error(field.place, words)
            }
            return nil
        case .success(let bytes): return judge(bytes, field)
        }
    }

    /// The text without the line ends behind it.
    private func judge(_ bytes: [UInt8], _ field: Field) -> ByteString? {
        var bytes = bytes[...]
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        let text = ByteString(decoding: bytes)
        let complaint: String? =
            if bytes.isEmpty {
                "is empty"
            } else if bytes.count > ObjectCursor.textMax {
                "has more than \(ObjectCursor.textMax) bytes"
            } else if bytes.contains(where: { $0 < 32 || $0 == 127 }) {
                "contains a control character, or has more than one line"
            } else if !text.utf8.elementsEqual(bytes) {
                "is no UTF-8 text"
            } else {
                nil
            }
        guard let complaint else { return text }
        problems.error(field.place, "\"\(field.shown)\": what stands there \(complaint)")
        return nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || byte == 0x5F
    }
}
