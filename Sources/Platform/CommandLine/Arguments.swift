import Base

/// One option of a verb: `--name VALUE`, or a switch if `value` is nil.
package struct Option: Sendable {
    package var name: String
    package var value: String?
    package var help: String

    package init(_ name: String, _ value: String? = nil, _ help: String) {
        self.name = name
        self.value = value
        self.help = help
    }
}

/// A command's arguments after its verb, checked against what it takes: unknown options are refused
/// with the nearest known one.
package struct Arguments: Sendable {
    package private(set) var positional: [String] = []
    private var given: [String: String] = [:]

    /// A message for the person, ending in what to do.
    package struct Misuse: Error, Sendable {
        package var message: String
        package init(message: String) { self.message = message }
    }

    package init(_ words: some Sequence<String>, options: [Option]) throws(Misuse) {
        var rest = Array(words)[...]
        while let word = rest.popFirst() {
            if word == "--" {
                positional.append(contentsOf: rest)
                return
            }
            guard word.hasPrefix("--"), word.count > 2 else {
                positional.append(word)
                continue
            }
            let parts = word.dropFirst(2).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let option = options.first(where: { $0.name == name }) else {
                let near = Suggestion.nearest(to: name, in: options.map(\.name))
                throw Misuse(
                    message: "unknown option --\(name)"
                        + (near.map { "; did you mean --\($0)?" } ?? ""))
            }
            guard given[name] == nil else { throw Misuse(message: "--\(name) is given twice") }
            if option.value == nil {
                guard parts.count == 1 else { throw Misuse(message: "--\(name) takes no value") }
                given[name] = ""
            } else if parts.count == 2 {
                given[name] = String(parts[1])
            } else if let value = rest.popFirst() {
                given[name] = value
            } else {
                throw Misuse(message: "--\(name) needs a value: \(option.value!)")
            }
        }
    }

    package func has(_ name: String) -> Bool { given[name] != nil }
    package subscript(name: String) -> String? { given[name] }

    /// A whole number in a range, or the default if it was not given.
    package func integer(
        _ name: String, in range: ClosedRange<Int>, default value: Int
    ) throws(Misuse) -> Int {
        guard let text = given[name] else { return value }
        guard let number = Int(text), range.contains(number) else {
            throw Misuse(
                message:
                    "--\(name) takes a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)"
            )
        }
        return number
    }
}
