/// Reads JSON (RFC 8259) and JSON5 with positions, in one pass over the bytes, without recursion
/// past `depthMax` and without ever trapping on hostile input.
///
/// - `json`: strict, for what comes over the wire; duplicate keys are an error.
/// - `json5`: comments, unquoted keys, single quotes, trailing commas, hexadecimal and signed
///   numbers, for files people write; duplicates are kept so that every one can be reported.
///
/// Keys are compared as bytes. Reading costs at most a fixed number of steps for each byte
/// (`work`).
package struct JSONReader {
    package enum Dialect: Sendable { case json, json5 }

    package static let depthMax = 32
    package static let sizeMax = 4 << 20

    let text: [UInt8]
    let dialect: Dialect
    /// The source of every position.
    private var source = 0
    var index: Int
    private var line = 1
    /// Counted in scalars.
    private var column = 1
    private var depth = 0
    /// Bytes looked at, bytes of keys compared, and the bytes of messages.
    private(set) var work = 0
    /// The problems that `parseAll` went on after; nil: the first one ends the reading.
    private var passed: [JSONError]?

    package static func parse(
        _ bytes: [UInt8], _ dialect: Dialect = .json
    ) throws(JSONError) -> JSON {
        var reader = try JSONReader(bytes, dialect)
        return try reader.whole()
    }

    package static func parse(
        _ text: ByteString, _ dialect: Dialect = .json
    ) throws(JSONError) -> JSON {
        try parse(Array(text.utf8), dialect)
    }

    /// For files that people write: a bad number, a bare word or a missing comma does not end the
    /// reading, so that all of them are told at once. A bad value is null; the value is nil if the
    /// structure cannot be made out.
    package static func parseAll(
        _ bytes: [UInt8], source: Int = 0
    ) -> (json: JSON?, errors: [JSONError]) {
        do {
            var reader = try JSONReader(bytes, .json5)
            reader.passed = []
            reader.source = source
            do {
                let value = try reader.whole()
                return (value, reader.passed ?? [])
            } catch {
                let told = reader.unclosed(error) ?? error
                return (nil, (reader.passed ?? []) + [told])
            }
        } catch {
            return (nil, [error])
        }
    }

    /// The end of the text within an object or an array, told where that begins.
    private mutating func unclosed(_ error: JSONError) -> JSONError? {
        guard index == text.count, error.message.hasPrefix("an "),
            let open = OpenBracket.find(in: text)
        else { return nil }
        work += text.count
        let (what, mark) = open.bracket == "{" ? ("an object", "}") : ("an array", "]")
        var start = open.position
        start.source = source
        return JSONError(
            position: start,
            message: "\(what) that never ends: \(mark) is missing for the \(open.bracket) at line "
                + "\(start.line), column \(start.column); the text ends at line \(line)")
    }

    /// Steps that reading this text takes, whether it is sound or not.
    package static func work(for bytes: [UInt8], _ dialect: Dialect) -> Int {
        guard var reader = try? JSONReader(bytes, dialect) else { return bytes.count }
        if dialect == .json5 { reader.passed = [] }
        _ = try? reader.whole()
        return bytes.count + reader.work
    }

    private mutating func whole() throws(JSONError) -> JSON {
        try skipSpace()
        let value = try value()
        try skipSpace()
        guard index == text.count else { throw error("text after the end of the value") }
        return value
    }

    /// Goes on after a problem if that was asked for, and not for ever.
    mutating func pass(_ error: JSONError) throws(JSONError) {
        work += error.message.utf8.count
        guard let count = passed?.count, count < 100 else { throw error }
        passed?.append(error)
    }

    package static func parse(_ text: String, _ dialect: Dialect = .json) throws(JSONError) -> JSON
    {
        try parse(Array(text.utf8), dialect)
    }

    private init(_ bytes: [UInt8], _ dialect: Dialect) throws(JSONError) {
        guard bytes.count <= Self.sizeMax else {
            throw JSONError(
                position: TextPosition(line: 1, column: 1),
                message: "larger than \(Self.sizeMax) bytes")
        }
        if !bytes.allSatisfy({ $0 < 0x80 }), String(validating: bytes, as: UTF8.self) == nil {
            throw JSONError(position: Self.firstFault(bytes), message: "not valid UTF-8")
        }
        self.dialect = dialect
        text = bytes
        index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) && dialect == .json5 ? 3 : 0
    }

    /// Where the bytes stop being UTF-8.
    private static func firstFault(_ bytes: [UInt8]) -> TextPosition {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var place = TextPosition(line: 1, column: 1)
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            if scalar == "\n" {
                place = TextPosition(line: place.line + 1, column: 1)
            } else {
                place.column += 1
            }
        }
        return place
    }

    var position: TextPosition { TextPosition(line: line, column: column, source: source) }

    func error(_ message: String) -> JSONError { JSONError(position: position, message: message) }

    var peek: UInt8? { index < text.count ? text[index] : nil }

    mutating func advance() {
        let byte = text[index]
        if byte == 0x0A {
            line += 1
            column = 1
        } else if byte & 0xC0 != 0x80 {
            column += 1
        }
        index += 1
        work += 1
    }

    mutating func advance(over count: Int) { for _ in 0..<count { advance() } }

    /// The scalar that begins at `index`, and its bytes.
    var scalar: (value: Unicode.Scalar, length: Int)? {
        guard let first = peek else { return nil }
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        let bytes = text[index..<min(index + length, text.count)]
        return String(decoding: bytes, as: UTF8.self).unicodeScalars.first.map { ($0, bytes.count) }
    }

    private mutating func skipSpace() throws(JSONError) {
        while let byte = peek {
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: advance()
            case 0x0B, 0x0C:
                guard dialect == .json5 else { return }
                advance()
            case 0xC2, 0xE2, 0xEF:
                guard dialect == .json5, let scalar, Self.isSpace(scalar.value) else { return }
                advance(over: scalar.length)
            case 0x2F:
                guard dialect == .json5 else { return }
                try skipComment()
            default: return
            }
        }
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        ["\u{A0}", "\u{FEFF}", "\u{2028}", "\u{2029}"].contains(scalar)
    }

    private mutating func skipComment() throws(JSONError) {
        let start = position
        advance()
        switch peek {
        case 0x2F: while let byte = peek, byte != 0x0A { _ = byte; advance() }
        case 0x2A:
            advance()
            var star = false
            while let byte = peek {
                advance()
                if star, byte == 0x2F { return }
                star = byte == 0x2A
            }
            throw JSONError(position: start, message: "a comment that never ends: */ is missing")
        default: throw JSONError(position: start, message: "a lone /")
        }
    }

    private mutating func value() throws(JSONError) -> JSON {
        let start = position
        guard let byte = peek else { throw error("the text ends where a value is expected") }
        switch byte {
        case 0x7B: return JSON(try object(), at: start)
        case 0x5B: return JSON(try array(), at: start)
        case 0x22: return JSON(.string(try string(quote: byte)), at: start)
        case 0x27 where dialect == .json5: return JSON(.string(try string(quote: byte)), at: start)
        case 0x2D, 0x30...0x39: return JSON(try number(), at: start)
        case 0x2B where dialect == .json5, 0x2E where dialect == .json5:
            return JSON(try number(), at: start)
        default:
            let word = self.word()
            switch word {
            case "true": return JSON(.bool(true), at: start)
            case "false": return JSON(.bool(false), at: start)
            case "null": return JSON(.null, at: start)
            case "": throw error("unexpected character \(describeNext)")
            default:
                try pass(
                    JSONError(
                        position: start,
                        message:
                            "\(word.prefix(200)): a value is expected; put text in double quotes"))
                return JSON(.null, at: start)
            }
        }
    }

    /// The next character, for messages.
    var describeNext: String {
        guard let scalar = scalar?.value else { return "" }
        return scalar.value < 32 || scalar.value == 127
            ? "U+" + String(scalar.value, radix: 16) : "'\(scalar)'"
    }

    /// Takes letters and digits; a digit at the beginning only if `mayBeNumber`.
    private mutating func word(mayBeNumber: Bool = false) -> ByteString {
        let start = index
        while let length = namePart(isFirst: index == start && !mayBeNumber) {
            advance(over: length)
        }
        return ByteString(decoding: text[start..<index])
    }

    /// The length of the next character if it may stand in a word.
    private func namePart(isFirst: Bool) -> Int? {
        guard let byte = peek else { return nil }
        switch byte {
        case 0x61...0x7A, 0x41...0x5A, 0x5F, 0x24: return 1
        case 0x30...0x39: return isFirst ? nil : 1
        case 0x80...: return scalar.flatMap { $0.value.properties.isAlphabetic ? $0.length : nil }
        default: return nil
        }
    }

    private mutating func object() throws(JSONError) -> JSON.Kind {
        try enter()
        var members: [JSON.Member] = []
        var names = JSONNames()
        try skipSpace()
        while peek != 0x7D {
            let start = position
            var name = try memberName()
            if dialect == .json, !names.insert(name, &work) {
                throw JSONError(
                    position: start, message: "the key \"\(name.prefix(200))\" is given twice")
            }
            try skipSpace()
            if let rest = restOfDashedName() {
                let whole = ByteString(decoding: Array(name.utf8) + Array(rest.utf8))
                try pass(
                    JSONError(
                        position: start, message: "a key with a dash is put in quotes: \"\(whole)\""
                    ))
                name = whole
                try skipSpace()
            }
            guard peek == 0x3A else { throw error("a colon is expected after the key") }
            advance()
            try skipSpace()
            members.append(JSON.Member(name: name, position: start, value: try value()))
            try skipSpace()
            if peek == 0x2C {
                advance()
                try skipSpace()
                if peek == 0x7D, dialect == .json { throw error("a comma before }") }
            } else if passed != nil, peek == 0x22 || namePart(isFirst: true) != nil {
                try pass(error("a comma or } is expected"))
            } else if peek != 0x7D {
                throw error(
                    peek == nil
                        ? "an object that never ends: } is missing" : "a comma or } is expected")
            }
        }
        advance()
        depth -= 1
        return .object(members)
    }

    /// Takes the rest of an unquoted key that was written with dashes, up to its colon; nil if it
    /// is no such key.
    private mutating func restOfDashedName() -> ByteString? {
        guard dialect == .json5, peek == 0x2D else { return nil }
        var end = index
        while end < text.count, end - index < 256,
            text[end] == 0x2D || Self.mayContinueName(text[end])
        { end += 1 }
        let rest = ByteString(decoding: text[index..<end])
        while end < text.count, text[end] == 0x20 { end += 1 }
        guard end < text.count, text[end] == 0x3A else { return nil }
        for _ in rest.utf8 { advance() }
        return rest
    }

    private static func mayContinueName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x24, 0x80...: true
        default: false
        }
    }

    private mutating func memberName() throws(JSONError) -> ByteString {
        guard let byte = peek else { throw error("an object that never ends: } is missing") }
        switch byte {
        case 0x22: return try string(quote: byte)
        case 0x27 where dialect == .json5: return try string(quote: byte)
        case 0x30...0x39 where dialect == .json5: return word(mayBeNumber: true)
        default:
            let name = dialect == .json5 ? word() : ""
            if name.isEmpty {
                throw error("a key is expected" + (dialect == .json ? ", in double quotes" : ""))
            }
            return name
        }
    }

    private mutating func array() throws(JSONError) -> JSON.Kind {
        try enter()
        var items: [JSON] = []
        try skipSpace()
        while peek != 0x5D {
            guard peek != nil else { throw error("an array that never ends: ] is missing") }
            items.append(try value())
            try skipSpace()
            if peek == 0x2C {
                advance()
                try skipSpace()
                if peek == 0x5D, dialect == .json { throw error("a comma before ]") }
            } else if peek != 0x5D {
                throw error(
                    peek == nil
                        ? "an array that never ends: ] is missing" : "a comma or ] is expected")
            }
        }
        advance()
        depth -= 1
        return .array(items)
    }

    private mutating func enter() throws(JSONError) {
        guard depth < Self.depthMax else {
            throw error("nested deeper than \(Self.depthMax) levels")
        }
        depth += 1
        advance()
    }
}

/// The keys of one object so far. A few are compared one by one, many are hashed.
private struct JSONNames {
    private static let few = 8

    private var list: [ByteString] = []
    private var all: Set<ByteString> = []

    /// False if it is there already.
    mutating func insert(_ name: ByteString, _ work: inout Int) -> Bool {
        if list.count < Self.few {
            // Texts of different length are told apart without looking at them.
            for other in list {
                work += 1
                guard other.count == name.count else { continue }
                work += name.count
                if other == name { return false }
            }
            list.append(name)
            return true
        }
        if all.isEmpty { all = Set(list) }
        work += name.count
        return all.insert(name).inserted
    }
}
