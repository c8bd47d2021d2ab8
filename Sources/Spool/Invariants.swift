/// Statements that do not hold, in words: the answer of every `invariants()`.
func broken(_ statements: (holds: Bool, words: String)...) -> [String] {
    statements.filter { !$0.holds }.map { $0.words }
}
