import Base

/// Values that become JSON strings.
extension Decoder {
    /// `bytes` are all of the value's, in wire order.
    func text(_ bytes: ArraySlice<UInt8>, into out: inout [UInt8]) -> Verdict {
        if !codes.isEmpty, codes.contains(pattern(bytes)) { return .bad(.invalid) }
        let text: String?
        switch type {
        case .hex: text = Hex.encode(inOrder(bytes), separator: "")
        case .version:
            guard let version = coding.parts.text(of: pattern(bytes), width: width) else {
                return .bad(.invalid)
            }
            text = version
        case .datetime:
            guard let time = coding.layout?.text(of: inOrder(bytes), number: pattern(bytes)) else {
                return .bad(.invalid)
            }
            text = time
        default: text = string(inOrder(bytes))
        }
        guard let text else { return .bad(.format) }
        JSONWriter.append(text, to: &out)
        return .other
    }

    private func inOrder(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = Array(bytes)
        guard swapped else { return bytes }
        for index in stride(from: 0, to: bytes.count - 1, by: 2) { bytes.swapAt(index, index + 1) }
        return bytes
    }

    /// Ends at the first NUL; spaces behind are padding. Nil for what is no text in the point's
    /// coding.
    private func string(_ bytes: [UInt8]) -> String? {
        guard coding.characters != .utf16 else { return Decoder.utf16(bytes) }
        var end = bytes.firstIndex(of: 0) ?? bytes.count
        // Text in UTF-16 would read as its first letter, or as nothing.
        if end <= 1, bytes[end...].contains(where: { $0 != 0 && $0 != 0x20 && $0 != 0xFF }) {
            return nil
        }
        while end > 0, bytes[end - 1] <= 0x20 { end -= 1 }
        guard coding.characters == .latin1 else {
            return String(validating: bytes[..<end], as: UTF8.self)
        }
        var text = ""
        for byte in bytes[..<end] { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }

    /// The higher byte of each unit first, as they are after `inOrder`.
    private static func utf16(_ bytes: [UInt8]) -> String? {
        var units: [UInt16] = []
        for index in stride(from: 0, to: bytes.count - 1, by: 2) {
            let unit = UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
            if unit == 0 { break }
            units.append(unit)
        }
        if units.first == 0xFEFF { units.removeFirst() }
        while let last = units.last, last <= 0x20 { units.removeLast() }
        // In the other order every plain letter is above U+2000 or a mark of another script.
        guard !units.contains(0xFFFE), !units.contains(0xFFFF) else { return nil }
        return String(validating: units, as: UTF16.self)
    }
}
