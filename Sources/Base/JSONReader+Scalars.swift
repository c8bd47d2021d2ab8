/// Strings and numbers: the grammar of RFC 8259 sections 6 and 7, widened by JSON5's forms.
extension JSONReader {
    mutating func string(quote: UInt8) throws(JSONError) -> ByteString {
        let start = position
        advance()
        var out: [UInt8] = []
        var plain = index
        while let byte = peek {
            if byte == quote {
                out += text[plain..<index]
                advance()
                return ByteString(decoding: out)
            }
            if byte == 0x5C {
                out += text[plain..<index]
                advance()
                if let unescaped = try escape() {
                    out += UTF8.encode(unescaped).map(Array.init) ?? []
                }
                plain = index
                continue
            }
            if byte == 0x0A || (dialect == .json && byte < 32) {
                throw error(
                    byte == 0x0A
                        ? "the line ends inside a string" : "a control character in a string")
            }
            advance()
        }
        let mark = Unicode.Scalar(quote)
        throw JSONError(position: start, message: "a string that never ends: \(mark) is missing")
    }

    /// The character of an escape behind a backslash; nil for a line that goes on.
    private mutating func escape() throws(JSONError) -> Unicode.Scalar? {
        guard let byte = peek else { throw error("the text ends after a backslash") }
        let plain: Unicode.Scalar
        switch Unicode.Scalar(byte) {
        case "\"", "\\", "/": plain = Unicode.Scalar(byte)
        case "b": plain = "\u{8}"
        case "f": plain = "\u{C}"
        case "n": plain = "\n"
        case "r": plain = "\r"
        case "t": plain = "\t"
        case "u": return try unicodeEscape()
        case "'" where dialect == .json5: plain = "'"
        case "v" where dialect == .json5: plain = "\u{B}"
        case "0" where dialect == .json5: plain = "\u{0}"
        case "x" where dialect == .json5: return Unicode.Scalar(try hexadecimal(digits: 2))
        case "\n" where dialect == .json5, "\r" where dialect == .json5:
            advance()
            if byte == 0x0D, peek == 0x0A { advance() }
            return nil
        default: throw error("unknown escape \\\(scalar.map { String($0.value) } ?? "")")
        }
        advance()
        return plain
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let high = try hexadecimal(digits: 4)
        if (0xD800...0xDBFF).contains(high) {
            guard peek == 0x5C else { throw error("half of a surrogate pair") }
            advance()
            guard peek == 0x75 else { throw error("half of a surrogate pair") }
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
            guard let digit = peek.flatMap(Self.digit) else {
                throw error("\(digits) hexadecimal digits are expected here")
            }
            value = value << 4 | digit
            advance()
        }
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }

    mutating func number() throws(JSONError) -> JSON.Kind {
        let (start, first) = (position, index)
        while let byte = peek {
            switch byte {
            case 0x30...0x39, 0x61...0x7A, 0x41...0x5A, 0x2B, 0x2D, 0x2E: advance()
            default: return try checked(text[first..<index], at: start)
            }
        }
        return try checked(text[first..<index], at: start)
    }

    /// The grammar of RFC 8259 section 6, widened by JSON5's forms.
    private mutating func checked(
        _ raw: ArraySlice<UInt8>, at start: TextPosition
    ) throws(JSONError) -> JSON.Kind {
        let shown = String(decoding: raw.prefix(40), as: UTF8.self)
        guard raw.count <= 400 else {
            try pass(
                JSONError(
                    position: start,
                    message: "\(shown) is not a number; durations and sizes need quotes"))
            return .null
        }
        var rest = raw
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
        let five = dialect == .json5
        if rest.first == 0x2D || (five && rest.first == 0x2B) { rest.removeFirst() }
        if five, rest.count > 2,
            rest.starts(with: [0x30, 0x78]) || rest.starts(with: [0x30, 0x58])
        {
            let digits = rest.dropFirst(2)
            if digits.count <= 16, digits.allSatisfy({ Self.digit($0) != nil }) {
                return .number(String(decoding: raw, as: UTF8.self))
            }
            try pass(JSONError(position: start, message: "\(shown) is not a number"))
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
        guard valid, rest.isEmpty else {
            try pass(
                JSONError(
                    position: start,
                    message: "\(shown) is not a number; durations and sizes need quotes"))
            return .null
        }
        return .number(String(decoding: raw, as: UTF8.self))
    }
}
