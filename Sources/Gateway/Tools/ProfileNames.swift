import Base

/// Names of profiles that somebody may mean by a part of one.
package enum ProfileNames {
    /// The names that hold `part`, or all of its words. Case and marks between letters do not
    /// count: "SDM 120" finds eastron-sdm120.
    package static func holding(_ part: String, in names: [String]) -> [String] {
        let words = part.split { !isLetter($0) }.map { squeezed(String($0)) }
        guard !words.isEmpty else { return [] }
        let whole = words.joined()
        return names.filter { name in
            let text = squeezed(name)
            return text.contains(whole) || words.allSatisfy { text.contains($0) }
        }
    }

    /// `; did you mean "eastron-sdm120"?`, with three names at most, or nothing.
    package static func clause(for name: String, in names: [String]) -> String {
        var near = holding(name, in: names)
        if near.isEmpty { near = Suggestion.nearest(to: name, in: names).map { [$0] } ?? [] }
        if near.isEmpty {
            let words = names.flatMap { $0.split(separator: "-").map(String.init) }
            near = Suggestion.nearest(to: name, in: words).map { holding($0, in: names) } ?? []
        }
        guard !near.isEmpty else { return "" }
        let listed = near.prefix(3).map { "\"\($0)\"" }.joined(separator: " or ")
        return near.count > 3
            ? "; \(near.count) names are like it, such as \(listed)" : "; did you mean \(listed)?"
    }

    private static func isLetter(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber)
    }

    private static func squeezed(_ text: String) -> String {
        text.lowercased().filter { isLetter($0) }
    }
}
