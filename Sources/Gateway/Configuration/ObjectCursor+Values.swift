import Base

/// The typed getters. Each reports a value of the wrong type or out of range and then answers nil
/// or the default, as for a missing key.
extension ObjectCursor {
    private func wrong(_ field: Field, _ wanted: String) {
        problems.error(
            field.place, "\"\(field.shown)\" must be \(wanted), not \(field.json.describe)")
    }

    /// The longest text that means anything here, in bytes.
    static let textMax = 4096

    /// Text without control characters, not empty unless `mayBeEmpty`.
    func string(of field: Field, mayBeEmpty: Bool = false) -> ByteString? {
        guard let text = field.json.string else {
            wrong(field, "a string")
            return nil
        }
        if text.isEmpty, !mayBeEmpty {
            problems.error(field.place, "\"\(field.shown)\" must not be empty")
            return nil
        }
        guard text.count <= Self.textMax else {
            problems.error(
                field.place,
                "\"\(field.shown)\" has \(text.count) bytes; \(Self.textMax) are allowed")
            return nil
        }
        guard text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            problems.error(field.place, "\"\(field.shown)\" contains a control character")
            return nil
        }
        return text
    }

    mutating func string(
        _ key: ByteString, required: Bool = false, mayBeEmpty: Bool = false
    ) -> ByteString? {
        (required ? require(key) : take(key)).flatMap { string(of: $0, mayBeEmpty: mayBeEmpty) }
    }

    mutating func located(_ key: ByteString, required: Bool = false) -> Located<ByteString>? {
        guard let field = required ? require(key) : take(key) else { return nil }
        return string(of: field).map { Located($0, at: field.place) }
    }

    mutating func bool(_ key: ByteString, default standard: Bool) -> Bool {
        guard let field = take(key) else { return standard }
        guard let value = field.json.bool else {
            wrong(field, "true or false")
            return standard
        }
        return value
    }

    func integer(of field: Field, in range: ClosedRange<Int>) -> Int? {
        guard case .number(let text) = field.json.kind else {
            wrong(field, "a whole number")
            return nil
        }
        guard let value = field.json.integer.flatMap({ Int(exactly: $0) }) else {
            problems.error(
                field.place, "\"\(field.shown)\" must be a whole number, not \(text.prefix(40))")
            return nil
        }
        guard range.contains(value) else {
            problems.error(
                field.place,
                "\"\(field.shown)\" is \(value); it must be from \(range.lowerBound) to \(range.upperBound)"
            )
            return nil
        }
        return value
    }

    mutating func integer(
        _ key: ByteString, in range: ClosedRange<Int>, required: Bool = false
    ) -> Int? {
        (required ? require(key) : take(key)).flatMap { integer(of: $0, in: range) }
    }

    func number(of field: Field) -> Double? {
        guard case .number(let text) = field.json.kind else {
            wrong(field, "a number")
            return nil
        }
        guard let value = field.json.double else {
            problems.error(
                field.place, "\"\(field.shown)\" is \(text.prefix(40)), which is too large")
            return nil
        }
        return value
    }

    mutating func number(_ key: ByteString) -> Double? { take(key).flatMap { number(of: $0) } }

    mutating func number(
        _ key: ByteString, in range: ClosedRange<Double>, default standard: Double
    ) -> Double {
        guard let field = take(key), let value = number(of: field) else { return standard }
        guard range.contains(value) else {
            let (low, high) = (
                JSONWriter.number(range.lowerBound), JSONWriter.number(range.upperBound)
            )
            problems.error(
                field.place,
                "\"\(key)\" is \(JSONWriter.number(value)); it must be from \(low) to \(high)")
            return standard
        }
        return value
    }

    mutating func duration(_ key: ByteString, in range: ClosedRange<Duration>) -> Duration? {
        guard let field = take(key) else { return nil }
        guard let text = field.json.string else {
            problems.error(
                field.place,
                "\"\(key)\" must be a duration, not \(field.json.describe); \(Quantity.durationHint)"
            )
            return nil
        }
        guard let value = Quantity.duration(text) else {
            problems.error(
                field.place, "\"\(text.prefix(40))\" is not a duration; \(Quantity.durationHint)")
            return nil
        }
        guard range.contains(value) else {
            let low = Quantity.describe(range.lowerBound)
            let high = Quantity.describe(range.upperBound)
            problems.error(
                field.place, "\"\(key)\" is \(text.prefix(40)); it must be from \(low) to \(high)")
            return nil
        }
        return value
    }

    mutating func size(_ key: ByteString, in range: ClosedRange<Int>) -> Int? {
        guard let field = take(key) else { return nil }
        guard let text = field.json.string else {
            problems.error(
                field.place,
                "\"\(key)\" must be a size, not \(field.json.describe); \(Quantity.sizeHint)")
            return nil
        }
        guard let value = Quantity.size(text) else {
            problems.error(
                field.place, "\"\(text.prefix(40))\" is not a size; \(Quantity.sizeHint)")
            return nil
        }
        guard range.contains(value) else {
            let low = Quantity.describe(bytes: range.lowerBound)
            let high = Quantity.describe(bytes: range.upperBound)
            problems.error(
                field.place, "\"\(key)\" is \(text.prefix(40)); it must be from \(low) to \(high)")
            return nil
        }
        return value
    }

    /// One of a few words.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: ByteString, default standard: Choice
    ) -> Choice where Choice.RawValue == String {
        guard let field = take(key), let text = string(of: field) else { return standard }
        if let choice = Choice(word: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        let guess = Suggestion.clause(for: text, in: words.map { ByteString($0) })
        let list = words.map { "\"\($0)\"" }.joined(separator: ", ")
        problems.error(
            field.place, "\"\(key)\" is \"\(text.prefix(40))\"; it must be one of \(list)\(guess)")
        return Self.meant(by: text) ?? standard
    }

    /// The choice that a wrong word probably means. What follows is read as if it were given.
    static func meant<Choice: RawRepresentable & CaseIterable>(
        by text: ByteString
    ) -> Choice? where Choice.RawValue == String {
        let words = Choice.allCases.map { ByteString($0.rawValue) }
        return Suggestion.nearest(to: text, in: words).flatMap { Choice(word: $0) }
    }

    /// The items of an array, or of one value that stands alone.
    func items(of field: Field) -> [Field] {
        (field.json.array ?? [field.json]).map {
            Field(name: field.name, json: $0, file: field.file, keyPosition: field.keyPosition)
        }
    }
}
