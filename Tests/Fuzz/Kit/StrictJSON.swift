/// The grammar of RFC 8259 over bytes, written apart from `JSONReader` to judge it and all that is
/// published.
package struct StrictJSON {
    private let bytes: [UInt8]
    private var index = 0
    /// The deepest nesting of arrays and objects.
    package private(set) var depth = 0
    /// The longest number, in characters.
    package private(set) var numberMax = 0
    /// A key is given twice in one object, compared as bytes.
    package private(set) var hasTwins = false

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Nil if the text is no JSON.
    package static func examine(_ bytes: [UInt8]) -> StrictJSON? {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var text = StrictJSON(bytes)
        text.space()
        guard text.value(depth: 0) else { return nil }
        text.space()
        return text.index == bytes.count ? text : nil
    }

    /// One value, no key twice, nothing around it.
    package static func demand(_ bytes: [UInt8], _ what: @autoclosure () -> String) {
        let found = examine(bytes)
        FuzzKit.demand(
            found != nil, "\(what()) is no JSON: \(String(decoding: bytes, as: UTF8.self))")
        FuzzKit.demand(
            found?.hasTwins != true,
            "\(what()) has a key twice: \(String(decoding: bytes, as: UTF8.self))")
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let end = index + word.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        let isThere = word.withUTF8Buffer { $0.elementsEqual(bytes[index..<end]) }
        if isThere { index = end }
        return isThere
    }

    private mutating func space() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            index += 1
        }
    }

    private mutating func value(depth: Int) -> Bool {
        self.depth = max(self.depth, depth)
        guard depth < 500 else { return false }
        switch next {
        case 0x7B: return object(depth: depth + 1)
        case 0x5B: return array(depth: depth + 1)
        case 0x22: return string() != nil
        case 0x74: return take("true")
        case 0x66: return take("false")
        case 0x6E: return take("null")
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> Bool {
        self.depth = max(self.depth, depth)
        index += 1
        space()
        if take(0x7D) { return true }
        var names: Set<[UInt8]> = []
        while true {
            guard next == 0x22, let name = string() else { return false }
            if !names.insert(name).inserted { hasTwins = true }
            space()
            guard take(0x3A) else { return false }
            space()
            guard value(depth: depth) else { return false }
            space()
            if take(0x7D) { return true }
            guard take(0x2C) else { return false }
            space()
        }
    }

    private mutating func array(depth: Int) -> Bool {
        self.depth = max(self.depth, depth)
        index += 1
        space()
        if take(0x5D) { return true }
        while true {
            guard value(depth: depth) else { return false }
            space()
            if take(0x5D) { return true }
            guard take(0x2C) else { return false }
            space()
        }
    }

    /// What it stands for in UTF-8; nil if it is none.
    private mutating func string() -> [UInt8]? {
        index += 1
        var text: [UInt8] = []
        while let byte = next {
            index += 1
            switch byte {
            case 0x22: return text
            case 0..<0x20: return nil
            case 0x5C:
                guard let scalar = escape() else { return nil }
                text += Array(String(Character(scalar)).utf8)
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        index += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: return Unicode.Scalar(byte)
        case 0x62: return "\u{8}"
        case 0x66: return "\u{C}"
        case 0x6E: return "\n"
        case 0x72: return "\r"
        case 0x74: return "\t"
        case 0x75:
            guard let high = hexadecimal() else { return nil }
            guard (0xD800...0xDBFF).contains(high) else { return Unicode.Scalar(high) }
            guard take("\\u"), let low = hexadecimal(), (0xDC00...0xDFFF).contains(low) else {
                return nil
            }
            return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
        default: return nil
        }
    }

    private mutating func hexadecimal() -> UInt32? {
        guard index + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            default: return nil
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func number() -> Bool {
        let start = index
        _ = take(0x2D)
        if !take(0x30), digits() == 0 { return false }
        if take(0x2E), digits() == 0 { return false }
        if take(0x65) || take(0x45) {
            if !take(0x2B) { _ = take(0x2D) }
            if digits() == 0 { return false }
        }
        numberMax = max(numberMax, index - start)
        return true
    }
}
