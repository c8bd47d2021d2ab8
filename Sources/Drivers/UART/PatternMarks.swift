/// Finds every occurrence of a pattern in a run of bytes, one step a byte (Knuth, Morris and
/// Pratt).
struct PatternMarks: Sendable {
    let pattern: [UInt8]
    private let failure: [Int]
    /// How much of the pattern stands at the end of what came.
    private var matched = 0

    init(_ pattern: [UInt8]) {
        self.pattern = pattern
        var failure = [Int](repeating: 0, count: pattern.count)
        var length = 0
        for index in pattern.indices.dropFirst() {
            while length > 0, pattern[index] != pattern[length] { length = failure[length - 1] }
            if pattern[index] == pattern[length] { length += 1 }
            failure[index] = length
        }
        self.failure = failure
    }

    /// Whether an occurrence ends with this byte; `work` counts the comparisons.
    mutating func append(_ byte: UInt8, _ work: inout Int) -> Bool {
        guard !pattern.isEmpty else { return false }
        work += 1
        while matched > 0, pattern[matched] != byte {
            matched = failure[matched - 1]
            work += 1
        }
        if pattern[matched] == byte { matched += 1 }
        guard matched == pattern.count else { return false }
        matched = failure[matched - 1]
        return true
    }

    /// How much of the pattern, at most `limit` bytes, stands at the end of what came.
    func partial(atMost limit: Int) -> Int {
        var length = matched
        while length > limit { length = failure[length - 1] }
        return length
    }
}
