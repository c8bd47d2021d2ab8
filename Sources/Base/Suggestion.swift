/// Which known word somebody probably meant.
package enum Suggestion {
    /// The nearest of `words` by edit distance, if it is near enough to be worth saying: at most
    /// one edit per three characters, upper and lower case counting as the same. A word that holds
    /// the other is near too: "baudrate" means "baud", "timeout" means "responseTimeout".
    ///
    /// A word of the same meaning goes before: "slave" means "unit", and "float" means "float32".
    ///
    /// Words of more than 64 bytes have no neighbours, and only the first thousand are looked at.
    package static func nearest(
        to word: ByteString, in words: some Sequence<ByteString>
    ) -> ByteString? {
        let lengths = 1...64
        guard lengths.contains(word.count) else { return nil }
        if let meant = meaning(of: word, in: words) { return meant }
        let wanted = word.utf8.map(lower)
        var best: (word: ByteString, distance: Int)?
        for candidate in words.prefix(1000) where lengths.contains(candidate.count) {
            let other = candidate.utf8.map(lower)
            let limit = min(max(1, min(max(wanted.count, other.count) / 3, 4)), wanted.count - 1)
            let isNear = abs(wanted.count - other.count) <= limit
            var distance = isNear ? self.distance(wanted, other) : .max
            if distance > limit {
                guard holds(wanted, other) || holds(other, wanted) else { continue }
                distance = self.distance(wanted, other) + 4
            }
            if distance < (best?.distance ?? .max) { best = (candidate, distance) }
        }
        return best?.word
    }

    package static func nearest(to word: String, in words: some Sequence<String>) -> String? {
        nearest(to: ByteString(word), in: words.lazy.map { ByteString($0) })?.string
    }

    /// The same word in other letters, or one that says the same.
    private static func meaning(
        of word: ByteString, in words: some Sequence<ByteString>
    ) -> ByteString? {
        let plain = Meanings.squeezed(word)
        let meant = Meanings.of(plain)
        var best: (word: ByteString, rank: Int)?
        for candidate in words.prefix(1000) where candidate.count <= 64 {
            if (0...4).contains(candidate.count - plain.count),
                Meanings.squeezed(candidate) == plain
            {
                return candidate
            }
            guard let rank = meant.firstIndex(of: candidate), rank < best?.rank ?? .max else {
                continue
            }
            best = (candidate, rank)
        }
        return best?.word
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
    }

    /// Whether one begins or ends with the other; short words say nothing.
    private static func holds(_ long: [UInt8], _ short: [UInt8]) -> Bool {
        short.count >= 4 && long.count >= short.count
            && (long.starts(with: short) || long.suffix(short.count).elementsEqual(short))
    }

    /// `; did you mean "port"?`, or nothing.
    package static func clause(for word: String, in words: some Sequence<String>) -> String {
        nearest(to: word, in: words).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    package static func clause(for word: ByteString, in words: some Sequence<ByteString>) -> String
    {
        nearest(to: word, in: words).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count
    /// one each.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        if left.isEmpty || right.isEmpty { return max(left.count, right.count) }
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [Int](repeating: row, count: right.count + 1)
            for column in 1...right.count {
                let same = left[row - 1] == right[column - 1]
                var cost = min(
                    last[column] + 1, current[column - 1] + 1, last[column - 1] + (same ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2],
                    left[row - 2] == right[column - 1]
                {
                    cost = min(cost, beforeLast[column - 2] + 1)
                }
                current[column] = cost
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
