import Base

/// One key of the configuration, declared once: the readers take its bounds and its default from
/// here, and so do the reference, the manual page and the schema.
struct Key: Sendable {
    let name: ByteString
    let value: KeyValue
    /// Beginning of a sentence for the reference, without its full stop.
    let words: String
    private(set) var isRequired = false

    init(_ name: ByteString, _ value: KeyValue, _ words: String) {
        self.name = name
        self.value = value
        self.words = words
    }

    /// The same key in a profile, where a parameter may stand for a number.
    var orParameter: Key {
        switch value {
        case .integer, .number: Key(name, .either([value, .parameter]), words)
        case .either(let values) where !values.filter(\.isNumeric).isEmpty:
            Key(name, .either(values + [.parameter]), words)
        default: self
        }
    }

    /// The same key where it may not be missing.
    var required: Key {
        var key = self
        key.isRequired = true
        return key
    }
}

/// Values that a key takes, with their bounds and the default.
indirect enum KeyValue: Sendable {
    case flag(Bool? = nil)
    case integer(ClosedRange<Int>, Int? = nil)
    case number(ClosedRange<Double>? = nil, Double? = nil)
    /// A number and a unit: `"200ms"`.
    case duration(ClosedRange<Duration>, Duration? = nil)
    /// A number and a unit: `"64MiB"`.
    case size(ClosedRange<Int>, Int? = nil)
    case word([String], String? = nil)
    case text
    /// Text, or a number: `{ file }`, `{ env }` or `{ credential }` may stand in its place.
    case secret
    /// Text, or `hex:` and pairs of digits.
    case bytes
    case object(KeySection)
    /// An object whose members have names of the owner's choice.
    case named(KeyValue)
    case list(KeyValue)
    case either([KeyValue])
    /// One value alone: `false`, `"auto"`.
    case only(JSON.Literal)
    /// `"{NAME}"`: a parameter of a profile.
    case parameter
    case anything

    var isNumeric: Bool {
        switch self {
        case .integer, .number: true
        default: false
        }
    }

    /// One of an enumeration's words.
    static func choice<Choice: RawRepresentable & CaseIterable>(
        _ standard: Choice
    ) -> KeyValue where Choice.RawValue == String {
        .word(Choice.allCases.map(\.rawValue), standard.rawValue)
    }

    /// One of an enumeration's words; what holds without it is not always the same.
    static func choice<Choice: RawRepresentable & CaseIterable>(
        of type: Choice.Type
    ) -> KeyValue where Choice.RawValue == String {
        .word(Choice.allCases.map(\.rawValue))
    }

    /// One value, or a list of them.
    static func some(_ value: KeyValue) -> KeyValue { .either([value, .list(value)]) }
}

extension JSON {
    /// A value that is written out in the tables of keys.
    enum Literal: Sendable {
        case flag(Bool)
        case text(String)
        case null
    }
}

/// The keys of one object of the configuration.
struct KeySection: Sendable {
    /// Name in the reference and in the schema.
    let name: String
    /// Sentences about it, for the reference.
    let words: String
    let keys: [Key]

    init(_ name: String, _ words: String, _ keys: [Key]) {
        self.name = name
        self.words = words
        self.keys = keys
    }

    subscript(name: ByteString) -> Key? { keys.first { $0.name == name } }
}
