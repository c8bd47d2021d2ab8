import Base

/// Getters of keys whose bounds and default are declared in the table of their section. Without a
/// suffix they answer the declared default for a key that is missing or wrong; `given…` answer nil.
extension ObjectCursor {
    private func undeclared(_ key: ByteString) -> Never {
        preconditionFailure("\(key) of \(what) is declared as something else")
    }

    mutating func bool(_ key: ByteString) -> Bool {
        guard case .flag(let standard?) = declared(key) else { undeclared(key) }
        return bool(key, default: standard)
    }

    mutating func givenInteger(_ key: ByteString) -> Int? {
        guard case .integer(let range, _) = declared(key) else { undeclared(key) }
        return integer(key, in: range)
    }

    mutating func integer(_ key: ByteString) -> Int {
        guard case .integer(_, let standard?) = declared(key) else { undeclared(key) }
        return givenInteger(key) ?? standard
    }

    mutating func ratio(_ key: ByteString) -> Double {
        guard case .number(let range?, let standard?) = declared(key) else { undeclared(key) }
        return number(key, in: range, default: standard)
    }

    mutating func givenDuration(_ key: ByteString) -> Duration? {
        guard case .duration(let range, _) = declared(key) else { undeclared(key) }
        return duration(key, in: range)
    }

    mutating func duration(_ key: ByteString) -> Duration {
        guard case .duration(_, let standard?) = declared(key) else { undeclared(key) }
        return givenDuration(key) ?? standard
    }

    mutating func givenSize(_ key: ByteString) -> Int? {
        guard case .size(let range, _) = declared(key) else { undeclared(key) }
        return size(key, in: range)
    }

    mutating func size(_ key: ByteString) -> Int {
        guard case .size(_, let standard?) = declared(key) else { undeclared(key) }
        return givenSize(key) ?? standard
    }

    /// One of a few words, with the declared default.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: ByteString, of type: Choice.Type = Choice.self
    ) -> Choice where Choice.RawValue == String {
        guard case .word(_, let word?) = declared(key), let standard = Choice(rawValue: word) else {
            undeclared(key)
        }
        return choice(key, default: standard)
    }
}
