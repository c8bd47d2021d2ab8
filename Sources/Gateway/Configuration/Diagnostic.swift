import Base

/// A place in a named file: the configuration itself or one of the profiles it uses.
package struct FilePlace: Hashable, Sendable, Comparable {
    package var file: String
    package var position: TextPosition

    package init(_ file: String, _ position: TextPosition) {
        self.file = file
        self.position = position
    }

    private var name: ByteString { ByteString(file) }

    package static func < (left: FilePlace, right: FilePlace) -> Bool {
        (left.name, left.position) < (right.name, right.position)
    }

    package static func == (left: FilePlace, right: FilePlace) -> Bool {
        left.position == right.position && left.name == right.name
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(position)
    }
}

/// One problem of a configuration, for a person: where, how bad, what and what to do.
package struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    package enum Severity: String, Hashable, Sendable { case error, warning }

    package var place: FilePlace
    package var severity: Severity
    package var message: String

    /// More than this of a message is cut off.
    static let messageMax = 1000

    package init(_ place: FilePlace, _ severity: Severity, _ message: String) {
        self.place = place
        self.severity = severity
        self.message = ByteString(message).prefix(Self.messageMax)
    }

    package static func == (left: Diagnostic, right: Diagnostic) -> Bool {
        left.place == right.place && left.severity == right.severity
            && ByteString(left.message) == ByteString(right.message)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(place)
        hasher.combine(ByteString(message))
    }

    /// `gateway.json5:12:7: error: …`, as compilers print it and editors jump to it.
    package var description: String {
        "\(place.file):\(place.position.line):\(place.position.column): \(severity.rawValue): \(message)"
    }
}

/// A value together with the place it was written at, for checks that come later: whether a file
/// is there, who may read a key.
package struct Located<Value: Hashable & Sendable>: Hashable, Sendable {
    package var value: Value
    package var place: FilePlace

    package init(_ value: Value, at place: FilePlace) {
        self.value = value
        self.place = place
    }
}

/// Collects the problems of one run. A reference, so that the cursors of nested objects share it;
/// it never leaves `Configuration.read`.
final class Problems {
    /// More than anyone reads; a hostile or garbled file ends here.
    static let countMax = 1000

    private(set) var found: [Diagnostic] = []
    private var seen: Set<Diagnostic> = []
    /// Places where the text is no JSON5: what else could be said about them is a consequence.
    private var broken: Set<FilePlace> = []
    private(set) var hasErrors = false
    /// Above 0 while what is read follows from a mistake that has been told.
    private var mutes = 0
    /// The files of the configuration by `TextPosition.source`.
    var sources: [String] = []
    /// Whether nodes were left out because of a mistake that was told.
    var hasDroppedNodes = false
    /// Places that something was told of.
    private var told: Set<FilePlace> = []
    /// Whether what is read was read before, under another number.
    private var isRepeat = false
    /// Remarks on what stands at a place, for the first message about it or for one of their own.
    private var remarks: [FilePlace: String] = [:]
    /// Broken text in which a secret may stand, by file.
    private var veiled: [String: [SecretText.Region]] = [:]
    /// Message for broken text that may be a secret: it shows nothing of the text.
    static let veil =
        "the text of this value is broken, and as it may be a secret nothing of it is shown: put it in double "
        + "quotes, with \\\" for a quote and \\\\ for a backslash in it"

    var isFull: Bool { found.count >= Self.countMax }

    func veil(_ regions: [SecretText.Region], in file: String) {
        veiled[file, default: []] += regions
    }

    private func veil(of place: FilePlace) -> SecretText.Region? {
        veiled[place.file]?.first { $0.contains(place.position) }
    }

    /// A secret's text that is broken is told once, where it begins.
    func syntax(_ place: FilePlace, _ message: String) {
        if let region = veil(of: place) {
            hasErrors = true
            let start = FilePlace(place.file, region.start)
            if broken.insert(start).inserted { found.append(Diagnostic(start, .error, Self.veil)) }
            return
        }
        error(place, message)
        broken.insert(place)
    }

    func error(_ place: FilePlace, _ message: String) { add(Diagnostic(place, .error, message)) }

    func warning(_ place: FilePlace, _ message: String) {
        add(Diagnostic(place, .warning, message))
    }

    /// Reads something without telling its problems if they are consequences of one that was told.
    func quietly<Result>(_ isConsequence: Bool, _ read: () -> Result) -> Result {
        mutes += isConsequence ? 1 : 0
        defer { mutes -= isConsequence ? 1 : 0 }
        return read()
    }

    /// Reads what stands in the text once and is there several times: each place is told once.
    func repeating<Result>(_ isRepeat: Bool, _ read: () -> Result) -> Result {
        self.isRepeat = isRepeat
        defer { self.isRepeat = false }
        return read()
    }

    /// The file that a value of the configuration is from.
    /// - Parameter file: that of the object around it.
    func file(of position: TextPosition, in file: String) -> String {
        // Positions in a profile have no source of their own.
        guard sources.count > 1, sources.indices.contains(position.source), isSource(file)
        else { return file }
        return sources[position.source]
    }

    /// Whether a file is one of the configuration's, not a profile.
    func isSource(_ file: String) -> Bool {
        sources.contains { ByteString($0) == ByteString(file) }
    }

    /// Where a value of the merged files stands.
    func place(of json: JSON) -> FilePlace {
        FilePlace(file(of: json.position, in: sources.first ?? ""), json.position)
    }

    /// Keeps a remark for the message about a place; without one it becomes a warning.
    func remark(_ place: FilePlace, _ remark: String) { remarks[place] = remark }

    /// Tells the remarks that no message has taken up.
    func tellRemarks() {
        let rest = remarks
        remarks = [:]
        for (place, remark) in rest.sorted(by: { $0.key < $1.key }) { warning(place, remark) }
    }

    /// A profile that thirty nodes use is read thirty times: the same problem is told once.
    private func add(_ diagnostic: Diagnostic) {
        if diagnostic.severity == .error { hasErrors = true }
        guard mutes == 0, !isFull, !isRepeat || !told.contains(diagnostic.place),
            !broken.contains(diagnostic.place),
            veil(of: diagnostic.place) == nil, seen.insert(diagnostic).inserted
        else { return }
        told.insert(diagnostic.place)
        let remark = remarks.removeValue(forKey: diagnostic.place).map { "; \($0)" } ?? ""
        found.append(
            Diagnostic(
                diagnostic.place, diagnostic.severity, Self.line(diagnostic.message + remark)))
    }

    /// One line, whatever a message quotes: control characters become escapes.
    private static func line(_ message: String) -> String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
        }
        guard message.unicodeScalars.contains(where: isControl) else { return message }
        return message.unicodeScalars.reduce(into: "") { line, scalar in
            if isControl(scalar) {
                line += "\\x" + Hex.encode([UInt8(scalar.value)])
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }

    /// In the order of the text: `main` first, then the profiles by name.
    func sorted(main: String) -> [Diagnostic] {
        found.enumerated().sorted { left, right in
            let (a, b) = (left.element.place, right.element.place)
            if (a.file == main) != (b.file == main) { return a.file == main }
            return a == b ? left.offset < right.offset : a < b
        }.map(\.element)
    }
}
