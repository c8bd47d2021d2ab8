import Base

/// The parts of a configuration's text in which a secret may stand: what follows a key such as
/// `password`, to the end of the value as far as its text can be trusted. Where the text there is
/// broken, no message quotes any of it.
struct SecretText {
    /// Keys whose values are secrets, or may be taken for a place to put one; names near to them
    /// count too.
    private static let keys = [
        "password", "username", "proxy", "privateKey", "clientKey", "token", "secret", "passphrase",
        "credentials",
    ]

    /// Keys that are near to those and hold no secret.
    private static let publicKeys = ["clientID"]

    struct Region {
        var start: TextPosition
        /// The first position behind it.
        var end: TextPosition

        func contains(_ position: TextPosition) -> Bool { start <= position && position < end }
    }

    private(set) var regions: [Region] = []

    init(_ bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).unicodeScalars
            .split(separator: "\n", omittingEmptySubsequences: false)
        // A line that an earlier region covers is not looked at again: each line is passed once.
        var covered = -1
        for (number, line) in lines.enumerated() where number > covered {
            guard let column = Self.secretKey(in: line) else { continue }
            // A value that is broken over lines ends before the next member, or before a bracket of
            // its own line.
            var last = number
            while last + 1 < lines.count, !Self.beginsMember(lines[last + 1]) { last += 1 }
            covered = last
            regions.append(
                Region(
                    start: TextPosition(line: number + 1, column: column),
                    end: TextPosition(line: last + 2, column: 1)))
        }
    }

    /// The regions in which one of the errors is: their text is not what somebody meant.
    func broken(by errors: [JSONError]) -> [Region] {
        regions.filter { region in errors.contains { region.contains($0.position) } }
    }

    /// The column behind the first word of a line that is a secret's key, with a colon or not.
    private static func secretKey(in line: String.UnicodeScalarView.SubSequence) -> Int? {
        var column = 1
        var word = ""
        for scalar in line {
            if isWordPart(scalar) {
                word.unicodeScalars.append(scalar)
            } else {
                if isSecret(word) { return column }
                word = ""
            }
            column += 1
        }
        return isSecret(word) ? column : nil
    }

    private static func isSecret(_ word: String) -> Bool {
        guard word.utf8.count >= 4, word.utf8.count <= 64, !publicKeys.contains(word) else {
            return false
        }
        return Suggestion.nearest(to: word, in: keys) != nil
    }

    private static func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    /// Whether a line begins with a key and its colon, or closes something.
    private static func beginsMember(_ line: String.UnicodeScalarView.SubSequence) -> Bool {
        var rest = line.drop { $0 == " " || $0 == "\t" }
        if rest.first == "}" { return true }
        let quote = rest.first.flatMap { $0 == "\"" || $0 == "'" ? $0 : nil }
        if quote != nil { rest = rest.dropFirst() }
        let name = rest.prefix { quote == nil ? isWordPart($0) : $0 != quote }
        guard !name.isEmpty else { return false }
        rest = rest.dropFirst(name.count)
        if quote != nil { rest = rest.dropFirst() }
        return rest.drop { $0 == " " }.first == ":"
    }
}
