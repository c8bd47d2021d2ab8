/// Strings and numbers: the grammar of RFC 8259 sections 6 and 7, widened by JSON5's forms.
extension JSONReader {
    mutating func string(quote: Unicode.Scalar) throws(JSONError) -> String {
        let start = position
        advance()
        var out = String.UnicodeScalarView()
        while let scalar = peek {
            if scalar == quote {
                advance()
                return String(out)
            }
            if scalar == "\\" {
                advance()
                if let unescaped = try escape() { out.append(unescaped) }
                continue
            }
            if scalar == "\n" || (dialect == .json && scalar.value < 32) {
                throw error(scalar == "\n" ? "the line ends inside a string" : "a control character in a string")
            }
            out.append(scalar)
            advance()
        }
        throw JSONError(position: start, message: "a string that never ends: \(quote) is missing")
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar? {
        guard let scalar = peek else { throw error("the text ends after a backslash") }
        let plain: Unicode.Scalar
        switch scalar {
        case "\"", "\\", "/": plain = scalar
        case "b": plain = "\u{8}"
        case "f": plain = "\u{C}"
        case "n": plain = "\n"
        case "r": plain = "\r"
        case "t": plain = "\t"
        case "u": return try unicodeEscape()
        case "'" where dialect == .json5: plain = scalar
        case "v" where dialect == .json5: plain = "\u{B}"
        case "0" where dialect == .json5: plain = "\u{0}"
        case "x" where dialect == .json5: return Unicode.Scalar(try hexadecimal(digits: 2))
        case "\n" where dialect == .json5, "\r" where dialect == .json5:
            advance()
            if scalar == "\r", peek == "\n" { advance() }
            return nil
        default: throw error("unknown escape \\\(scalar)")
        }
        advance()
        return plain
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let high = try hexadecimal(digits: 4)
        if (0xD800...0xDBFF).contains(high) {
            guard peek == "\\" else { throw error("half of a surrogate pair") }
            advance()
            guard peek == "u" else { throw error("half of a surrogate pair") }
            let low = try hexadecimal(digits: 4)
            guard (0xDC00...0xDFFF).contains(low),
                let scalar = Unicode.Scalar(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            else { throw error("half of a surrogate pair") }
            return scalar
        }
        guard let scalar = Unicode.Scalar(high) else { throw error("half of a surrogate pair") }
        return scalar
    }

    /// The digits behind `\u` or `\x`.
    private mutating func hexadecimal(digits: Int) throws(JSONError) -> UInt32 {
        advance()
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = peek.flatMap({ Character($0).hexDigitValue }), peek!.isASCII else {
                throw error("\(digits) hexadecimal digits are expected here")
            }
            value = value << 4 | UInt32(digit)
            advance()
        }
        return value
    }

    mutating func number() throws(JSONError) -> JSON.Kind {
        let start = position
        var raw = String.UnicodeScalarView()
        while let scalar = peek {
            switch scalar {
            case "0"..."9", "a"..."z", "A"..."Z", "+", "-", ".":
                raw.append(scalar)
                advance()
            default:
                return try checked(String(raw), at: start)
            }
        }
        return try checked(String(raw), at: start)
    }

    /// The grammar of RFC 8259 section 6, widened by JSON5's forms.
    private mutating func checked(_ raw: String, at start: TextPosition) throws(JSONError) -> JSON.Kind {
        var rest = Array(raw.utf8)[...]
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
        let five = dialect == .json5
        if rest.first == 0x2D || (five && rest.first == 0x2B) { rest.removeFirst() }
        if five, rest.count > 2, rest.starts(with: [0x30, 0x78]) || rest.starts(with: [0x30, 0x58]) {
            let digits = rest.dropFirst(2)
            if digits.count <= 16, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) { return .number(raw) }
            try pass(JSONError(position: start, message: "\(raw) is not a number"))
            return .null
        }
        let whole = rest.prefix { isDigit($0) }
        rest = rest.dropFirst(whole.count)
        var valid = five || (!whole.isEmpty && (whole.count == 1 || whole.first != 0x30))
        var digits = whole.count
        if rest.first == 0x2E {
            rest.removeFirst()
            let fraction = rest.prefix { isDigit($0) }
            rest = rest.dropFirst(fraction.count)
            digits += fraction.count
            if fraction.isEmpty, !five { valid = false }
        }
        if digits == 0 || (five && whole.count > 1 && whole.first == 0x30) { valid = false }
        if rest.first == 0x65 || rest.first == 0x45 {
            rest.removeFirst()
            if rest.first == 0x2B || rest.first == 0x2D { rest.removeFirst() }
            let exponent = rest.prefix { isDigit($0) }
            rest = rest.dropFirst(exponent.count)
            if exponent.isEmpty { valid = false }
        }
        guard valid, rest.isEmpty, raw.utf8.count <= 400 else {
            try pass(JSONError(
                position: start, message: "\(raw.prefix(40)) is not a number; durations and sizes need quotes"))
            return .null
        }
        return .number(raw)
    }
}
