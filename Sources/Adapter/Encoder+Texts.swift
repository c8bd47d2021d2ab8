import Base

/// Strings back to registers, and numbers to decimal digits.
extension Encoder {
    /// Four bits a digit.
    static func bcd(_ value: UInt64) -> UInt64 {
        var rest = value
        var pattern: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 4) {
            pattern |= (rest % 10) << shift
            rest /= 10
        }
        return pattern
    }

    /// Registers of four decimal digits, each with the sign of the value.
    static func moduloTenThousand(_ value: Int128) -> UInt64 {
        var rest = value
        var pattern: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 16) {
            pattern |= UInt64(UInt16(truncatingIfNeeded: rest % 10_000)) << shift
            rest /= 10_000
        }
        return pattern
    }

    func string(_ value: JSON) throws(WriteRefusal) -> [UInt16] {
        guard let text = value.string else {
            throw refuse(.type, "takes a string, not \(value.describe)")
        }
        var bytes: [UInt8] = []
        switch point.coding.characters {
        case .utf8: bytes = Array(text.utf8)
        case .utf16: for unit in text.string.utf16 { bytes.appendBig(unit) }
        case .latin1:
            for scalar in text.string.unicodeScalars {
                guard let byte = UInt8(exactly: scalar.value) else {
                    let code = String(scalar.value, radix: 16, uppercase: true)
                    throw refuse(.type, "takes characters of Latin-1, and U+\(code) is none")
                }
                bytes.append(byte)
            }
        }
        guard bytes.count <= decoder.width else {
            throw refuse(.range, "holds \(decoder.width) bytes; this string has \(bytes.count)")
        }
        guard !text.utf8.contains(0) else { throw refuse(.type, "cannot hold a NUL character") }
        bytes += [UInt8](repeating: 0, count: decoder.width - bytes.count)
        return words(swappedIfNeeded(bytes))
    }

    private func swappedIfNeeded(_ bytes: [UInt8]) -> [UInt8] {
        guard decoder.swapped else { return bytes }
        var bytes = bytes
        for index in stride(from: 0, to: bytes.count - 1, by: 2) { bytes.swapAt(index, index + 1) }
        return bytes
    }

    /// As many digits as the registers have, blanks between bytes allowed.
    func hexadecimal(_ value: JSON) throws(WriteRefusal) -> [UInt16] {
        guard let text = value.string, text.count <= 1024, let bytes = Hex.decode(text.string)
        else {
            throw refuse(.type, "takes hexadecimal digits in quotes, not \(value.describe)")
        }
        guard bytes.count == decoder.width else {
            throw refuse(.range, "holds \(decoder.width) bytes; these digits are \(bytes.count)")
        }
        return words(swappedIfNeeded(bytes))
    }

    // MARK: dates and times

    func time(_ value: JSON) throws(WriteRefusal) -> Order.Data {
        guard let layout = point.coding.layout, layout.canBeWritten else {
            throw refuse(.notWritable, "is a date whose layout can only be read")
        }
        guard let text = value.string, let civil = layout.civil(text) else {
            let given = value.string.map { "\"\($0.prefix(40))\"" } ?? value.describe
            throw refuse(.type, "takes a text such as \"\(layout.example)\", not \(given)")
        }
        guard let (bytes, mask) = layout.bytes(of: civil) else {
            guard let number = layout.number(of: civil), decoder.width <= 8,
                decoder.width == 8 || number >> UInt64(8 * decoder.width) == 0
            else { throw refuse(.range, "cannot hold \(text.prefix(40))") }
            return .registers(registers(number))
        }
        guard bytes.count == decoder.width else {
            throw refuse(.range, "cannot hold \(text.prefix(40))")
        }
        let data = words(swappedIfNeeded(bytes))
        let kept = words(swappedIfNeeded(mask))
        return kept.allSatisfy { $0 == 0xFFFF }
            ? .registers(data) : .masked(mask: kept, value: data)
    }
}
