import Adapter
import Base

/// Words of foreign register tables: tables, types, orders and numbers.
enum ImportWords {
    /// Small letters and digits alone.
    static func squeezed(_ text: String) -> String {
        String(
            decoding: text.utf8.compactMap { byte -> UInt8? in
                switch byte {
                case 0x61...0x7A, 0x30...0x39: byte
                case 0x41...0x5A: byte | 0x20
                default: nil
                }
            }, as: UTF8.self)
    }

    /// `holding`, `Input Register`, `FC03`, `4x`.
    static func table(_ text: String) -> Table? {
        switch squeezed(text) {
        case "holding", "holdingregister", "holdingregisters", "hr", "4x", "fc03", "fc3", "3", "03",
            "fc06", "fc6", "fc16", "readholdingregisters":
            .holding
        case "input", "inputregister", "inputregisters", "ir", "3x", "fc04", "fc4", "4", "04",
            "readinputregisters":
            .input
        case "coil", "coils", "0x", "fc01", "fc1", "1", "01", "fc05", "fc15", "do", "readcoils":
            .coil
        case "discrete", "discreteinput", "discreteinputs", "1x", "fc02", "fc2", "2", "02", "di",
            "readdiscreteinputs":
            .discrete
        default: nil
        }
    }

    static func type(_ text: String) -> ValueType? {
        let word = ByteString(text)
        return ValueType(word: word) ?? ValueType(rawValue: squeezed(text))
            ?? ObjectCursor.meant(by: word)
    }

    /// Letters of an order for a type of so many bytes; nil for the default, or an unknown word.
    static func order(_ text: String, bytes: Int) -> (letters: String?, isKnown: Bool) {
        let word = squeezed(text)
        let letters = word.uppercased()
        if ByteOrder(letters)?.width == bytes {
            return (letters == ByteOrder.bigEndian(bytes).description ? nil : letters, true)
        }
        let words: (swapsBytes: Bool, swapsWords: Bool)?
        switch word {
        case "", "big", "bigendian", "be", "bebe", "msb", "msw", "msbfirst", "abcd", "highfirst":
            words = (false, false)
        case "bele", "wordswap", "wordswapped", "lsw", "lswfirst", "bigendianwordswap", "cdab",
            "midlittle", "swap", "swapped":
            words = (false, true)
        case "lebe", "byteswap", "byteswapped", "bigendianbyteswap", "badc", "midbig":
            words = (true, false)
        case "little", "littleendian", "le", "lele", "lsb", "lsbfirst", "dcba": words = (true, true)
        default: words = nil
        }
        guard let words else { return (nil, false) }
        guard bytes >= 2, words.swapsBytes || words.swapsWords else { return (nil, true) }
        var pairs: [[UInt8]] = []
        for place in stride(from: 0, to: bytes, by: 2) {
            let first = UInt8(place) + 0x41
            pairs.append(place + 1 < bytes ? [first, first + 1] : [first])
        }
        if words.swapsWords { pairs.reverse() }
        if words.swapsBytes { pairs = pairs.map { $0.reversed() } }
        let made = String(decoding: pairs.flatMap { $0 }, as: UTF8.self)
        return (made == ByteOrder.bigEndian(bytes).description ? nil : made, true)
    }

    /// `0.1`, `0,1`, `1/10`, `x10`, `1e-2`.
    static func number(_ text: String) -> Double? {
        var rest = text.replacing(",", with: ".")
        while let first = rest.unicodeScalars.first, "xX*×+".unicodeScalars.contains(first) {
            rest = String(rest.unicodeScalars.dropFirst())
        }
        let parts = rest.split(separator: "/")
        if parts.count == 2, let top = Double(parts[0]), let bottom = Double(parts[1]), bottom != 0
        {
            return finite(top / bottom)
        }
        return Double(rest).flatMap(finite)
    }

    private static func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }

    /// A point's name: without quotes, backslashes, control characters and outer blanks.
    static func name(_ text: String) -> String {
        let plain = text.unicodeScalars.filter {
            $0.value >= 32 && $0.value != 127 && $0 != "\"" && $0 != "\\"
        }
        return String(ByteString(String(String.UnicodeScalarView(plain))).prefix(100))
    }
}
