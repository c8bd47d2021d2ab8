/// Reads JSON (RFC 8259) and JSON5 with positions, in one pass, without recursion past `depthMax`
/// and without ever trapping on hostile input.
///
/// - `json`: strict, for what comes over the wire; duplicate keys are an error.
/// - `json5`: comments, unquoted keys, single quotes, trailing commas, hexadecimal and signed
///   numbers, for files people write; duplicates are kept so that every one can be reported.
package struct JSONReader {
    package enum Dialect: Sendable { case json, json5 }

    package static let depthMax = 32
    package static let sizeMax = 4 << 20

    let text: [Unicode.Scalar]
    let dialect: Dialect
    var index = 0
    private var line = 1
    private var lineStart = 0
    private var depth = 0
    /// The problems that `parseAll` went on after; nil: the first one ends the reading.
    private var passed: [JSONError]?

    package static func parse(_ bytes: [UInt8], _ dialect: Dialect = .json) throws(JSONError) -> JSON {
        var reader = try JSONReader(bytes, dialect)
        return try reader.whole()
    }

    /// For files that people write: a bad number, a bare word or a missing comma does not end the
    /// reading, so that all of them are told at once. A bad value is null; the value is nil if the
    /// structure cannot be made out.
    package static func parseAll(_ bytes: [UInt8]) -> (json: JSON?, errors: [JSONError]) {
        do {
            var reader = try JSONReader(bytes, .json5)
            reader.passed = []
            do {
                let value = try reader.whole()
                return (value, reader.passed ?? [])
            } catch {
                return (nil, (reader.passed ?? []) + [error])
            }
        } catch {
            return (nil, [error])
        }
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
        guard let count = passed?.count, count < 100 else { throw error }
        passed?.append(error)
    }

    package static func parse(_ text: String, _ dialect: Dialect = .json) throws(JSONError) -> JSON {
        try parse(Array(text.utf8), dialect)
    }

    private init(_ bytes: [UInt8], _ dialect: Dialect) throws(JSONError) {
        guard bytes.count <= Self.sizeMax else {
            throw JSONError(
                position: TextPosition(line: 1, column: 1), message: "larger than \(Self.sizeMax) bytes")
        }
        self.dialect = dialect
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) && dialect == .json5 ? 3 : 0
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(bytes.count)
        var decoder = UTF8()
        var iterator = bytes[start...].makeIterator()
        var line = 1
        var column = 1
        decoding: while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar):
                scalars.append(scalar)
                if scalar == "\n" { line += 1; column = 1 } else { column += 1 }
            case .emptyInput: break decoding
            case .error:
                throw JSONError(position: TextPosition(line: line, column: column), message: "not valid UTF-8")
            }
        }
        text = scalars
    }

    var position: TextPosition { TextPosition(line: line, column: index - lineStart + 1) }

    func error(_ message: String) -> JSONError { JSONError(position: position, message: message) }

    var peek: Unicode.Scalar? { index < text.count ? text[index] : nil }

    mutating func advance() {
        if text[index] == "\n" { line += 1; lineStart = index + 1 }
        index += 1
    }

    private mutating func skipSpace() throws(JSONError) {
        while let scalar = peek {
            switch scalar {
            case " ", "\t", "\n", "\r": advance()
            case "\u{0B}", "\u{0C}", "\u{A0}", "\u{FEFF}", "\u{2028}", "\u{2029}":
                guard dialect == .json5 else { return }
                advance()
            case "/":
                guard dialect == .json5 else { return }
                try skipComment()
            default: return
            }
        }
    }

    private mutating func skipComment() throws(JSONError) {
        let start = position
        advance()
        switch peek {
        case "/": while let scalar = peek, scalar != "\n" { _ = scalar; advance() }
        case "*":
            advance()
            var star = false
            while let scalar = peek {
                advance()
                if star, scalar == "/" { return }
                star = scalar == "*"
            }
            throw JSONError(position: start, message: "a comment that never ends: */ is missing")
        default: throw JSONError(position: start, message: "a lone /")
        }
    }

    private mutating func value() throws(JSONError) -> JSON {
        let start = position
        guard let scalar = peek else { throw error("the text ends where a value is expected") }
        switch scalar {
        case "{": return JSON(try object(), at: start)
        case "[": return JSON(try array(), at: start)
        case "\"": return JSON(.string(try string(quote: "\"")), at: start)
        case "'" where dialect == .json5: return JSON(.string(try string(quote: "'")), at: start)
        case "-", "0"..."9": return JSON(try number(), at: start)
        case "+" where dialect == .json5, "." where dialect == .json5: return JSON(try number(), at: start)
        default:
            let word = self.word()
            switch word {
            case "true": return JSON(.bool(true), at: start)
            case "false": return JSON(.bool(false), at: start)
            case "null": return JSON(.null, at: start)
            case "": throw error("unexpected character \(describe(scalar))")
            default:
                try pass(JSONError(
                    position: start, message: "\(word): a value is expected; put text in double quotes"))
                return JSON(.null, at: start)
            }
        }
    }

    private func describe(_ scalar: Unicode.Scalar) -> String {
        scalar.value < 32 || scalar.value == 127 ? "U+" + String(scalar.value, radix: 16) : "'\(scalar)'"
    }

    private mutating func word() -> String {
        var word = String.UnicodeScalarView()
        while let scalar = peek, isNamePart(scalar, first: word.isEmpty) {
            word.append(scalar)
            advance()
        }
        return String(word)
    }

    private func isNamePart(_ scalar: Unicode.Scalar, first: Bool) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "_", "$": true
        case "0"..."9": !first
        default: scalar.value > 127 && scalar.properties.isAlphabetic
        }
    }

    private mutating func object() throws(JSONError) -> JSON.Kind {
        try enter()
        var members: [JSON.Member] = []
        var names: Set<String> = []
        try skipSpace()
        while peek != "}" {
            let start = position
            var name: String
            switch peek {
            case "\"": name = try string(quote: "\"")
            case "'" where dialect == .json5: name = try string(quote: "'")
            case let digit? where dialect == .json5 && ("0"..."9").contains(digit): name = numericName()
            case nil: throw error("an object that never ends: } is missing")
            default:
                name = dialect == .json5 ? word() : ""
                if name.isEmpty { throw error("a key is expected" + (dialect == .json ? ", in double quotes" : "")) }
            }
            if dialect == .json, !names.insert(name).inserted {
                throw JSONError(position: start, message: "the key \"\(name)\" is given twice")
            }
            try skipSpace()
            if let rest = restOfDashedName() {
                try pass(JSONError(position: start, message: "a key with a dash is put in quotes: \"\(name)\(rest)\""))
                name += rest
                try skipSpace()
            }
            guard peek == ":" else { throw error("a colon is expected after the key") }
            advance()
            try skipSpace()
            members.append(JSON.Member(name: name, position: start, value: try value()))
            try skipSpace()
            if peek == "," {
                advance()
                try skipSpace()
                if peek == "}", dialect == .json { throw error("a comma before }") }
            } else if let scalar = peek, scalar == "\"" || isNamePart(scalar, first: true), passed != nil {
                try pass(error("a comma or } is expected"))
            } else if peek != "}" {
                throw error(peek == nil ? "an object that never ends: } is missing" : "a comma or } is expected")
            }
        }
        advance()
        depth -= 1
        return .object(members)
    }

    /// What follows an unquoted key that somebody has written with dashes, up to its colon; nil if it is none.
    private mutating func restOfDashedName() -> String? {
        guard dialect == .json5, peek == "-" else { return nil }
        var end = index
        while end < text.count, end - index < 256, text[end] == "-" || isNamePart(text[end], first: false) { end += 1 }
        let rest = String(String.UnicodeScalarView(text[index..<end]))
        while end < text.count, text[end] == " " { end += 1 }
        guard end < text.count, text[end] == ":" else { return nil }
        for _ in rest.unicodeScalars { advance() }
        return rest
    }

    private mutating func numericName() -> String {
        var name = String.UnicodeScalarView()
        while let scalar = peek, isNamePart(scalar, first: false) {
            name.append(scalar)
            advance()
        }
        return String(name)
    }

    private mutating func array() throws(JSONError) -> JSON.Kind {
        try enter()
        var items: [JSON] = []
        try skipSpace()
        while peek != "]" {
            guard peek != nil else { throw error("an array that never ends: ] is missing") }
            items.append(try value())
            try skipSpace()
            if peek == "," {
                advance()
                try skipSpace()
                if peek == "]", dialect == .json { throw error("a comma before ]") }
            } else if peek != "]" {
                throw error(peek == nil ? "an array that never ends: ] is missing" : "a comma or ] is expected")
            }
        }
        advance()
        depth -= 1
        return .array(items)
    }

    private mutating func enter() throws(JSONError) {
        guard depth < Self.depthMax else { throw error("nested deeper than \(Self.depthMax) levels") }
        depth += 1
        advance()
    }
}
