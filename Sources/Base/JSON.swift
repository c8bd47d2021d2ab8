/// A place in a text, both counted from 1; the column counts Unicode scalars.
package struct TextPosition: Hashable, Sendable, Comparable {
    package var line: Int
    /// The column, with the source in the bits above it: a large text has many positions.
    private var place: Int

    private static let columnBits = 40

    package init(line: Int, column: Int, source: Int = 0) {
        self.line = line
        place = column | source << Self.columnBits
    }

    package var column: Int {
        get { place & (1 << Self.columnBits - 1) }
        set { place = newValue | source << Self.columnBits }
    }

    /// Number of the text among several that are read as one; 0 is the first.
    package var source: Int {
        get { place >> Self.columnBits }
        set { place = column | newValue << Self.columnBits }
    }

    package static func < (left: TextPosition, right: TextPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One JSON value with the place it was read from. Numbers keep their text, so integers above 2⁵³
/// stay exact. Objects keep their members in order, duplicates included: whoever reads them
/// decides.
package struct JSON: Sendable {
    package struct Member: Sendable {
        package var name: ByteString
        package var position: TextPosition
        package var value: JSON

        package init(name: ByteString, position: TextPosition, value: JSON) {
            self.name = name
            self.position = position
            self.value = value
        }
    }

    package indirect enum Kind: Sendable {
        case null
        case bool(Bool)
        /// At most 400 ASCII characters.
        case number(String)
        case string(ByteString)
        case array([JSON])
        case object([Member])
    }

    package var kind: Kind
    package var position: TextPosition

    package init(_ kind: Kind, at position: TextPosition = TextPosition(line: 1, column: 1)) {
        self.kind = kind
        self.position = position
    }

    package var string: ByteString? { if case .string(let text) = kind { text } else { nil } }
    package var bool: Bool? { if case .bool(let value) = kind { value } else { nil } }
    package var array: [JSON]? { if case .array(let items) = kind { items } else { nil } }
    package var members: [Member]? { if case .object(let members) = kind { members } else { nil } }
    package var isNull: Bool { if case .null = kind { true } else { false } }

    /// A finite number as Double; nil for anything else.
    package var double: Double? {
        guard case .number(let text) = kind else { return nil }
        if let integer = JSON.integer(text) { return Double(integer) }
        guard let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// A number without a fraction, exactly; `1e3` and `2.0` count as integers.
    package var integer: Int64? {
        guard case .number(let text) = kind else { return nil }
        return JSON.integer(text)
    }

    /// The same above `Int64.max`.
    package var unsigned: UInt64? {
        guard case .number(let text) = kind else { return nil }
        if let value = UInt64(text) { return value }
        if text.hasPrefix("0x") || text.hasPrefix("0X") {
            return UInt64(text.dropFirst(2), radix: 16)
        }
        return JSON.integer(text).flatMap { UInt64(exactly: $0) }
    }

    private static func integer(_ text: String) -> Int64? {
        let digits = text.hasPrefix("+") ? text.dropFirst() : text[...]
        if let value = Int64(digits) { return value }
        let negative = digits.hasPrefix("-")
        let magnitude = negative ? digits.dropFirst() : digits
        if magnitude.hasPrefix("0x") || magnitude.hasPrefix("0X") {
            return Int64(magnitude.dropFirst(2), radix: 16).map { negative ? -$0 : $0 }
        }
        return Double(digits).flatMap { Int64(exactly: $0) }
    }

    /// The first member of that name; nil if this is no object or has none.
    package subscript(name: ByteString) -> JSON? {
        members?.first { $0.name == name }?.value
    }

    /// Kind of the value in words, for messages: "a string", "an object".
    package var describe: String {
        switch kind {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// Why a text is not JSON, and where.
package struct JSONError: Error, Hashable, Sendable {
    package var position: TextPosition
    package var message: String

    package init(position: TextPosition, message: String) {
        self.position = position
        self.message = message
    }
}
