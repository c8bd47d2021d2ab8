import Base

/// How the bytes of a point say their value, as far as the type does not tell it.
package struct Coding: Hashable, Sendable {
    package enum Sign: String, Hashable, Sendable, CaseIterable {
        case complement
        /// The top bit is the sign, the others are the magnitude: 0x80D0 is −208.
        case magnitude
    }

    /// How a number stands in the payload.
    package enum Form: String, Hashable, Sendable, CaseIterable {
        case number
        /// In quotes, for consumers that keep 53 bits of a number.
        case text
        /// In quotes, with all the leading zeros of a BCD value.
        case digits
    }

    package var sign: Sign
    package var form: Form
    /// For `string`: how its bytes are characters.
    package var characters: CharacterCoding
    /// For `datetime`: which fields stand where.
    package var layout: TimeLayout?
    /// For `version`.
    package var parts: VersionParts
    /// Addresses of the registers that together hold the value, the first one on the wire first;
    /// empty if they follow each other from `Point.address` on.
    package var registers: [Int]
    /// Another point of the node that tells whether the value is negative.
    package var negativeIf: PointMatch?

    package init(
        sign: Sign = .complement, form: Form = .number, characters: CharacterCoding = .utf8,
        layout: TimeLayout? = nil, parts: VersionParts = VersionParts(), registers: [Int] = [],
        negativeIf: PointMatch? = nil
    ) {
        self.sign = sign
        self.form = form
        self.characters = characters
        self.layout = layout
        self.parts = parts
        self.registers = registers
        self.negativeIf = negativeIf
    }
}

/// A point of the same node and the numbers that it must, or must not, have.
package struct PointMatch: Hashable, Sendable {
    package var point: ByteString
    package var values: [Double]
    /// Holds when the point has none of the values.
    package var differs: Bool

    package init(_ point: ByteString, _ values: [Double], differs: Bool = false) {
        self.point = point
        self.values = values
        self.differs = differs
    }

    func holds(for number: Double) -> Bool { values.contains(number) != differs }
}

/// How the bytes of a string are characters.
package enum CharacterCoding: String, Hashable, Sendable, CaseIterable {
    case utf8 = "utf-8"
    /// ISO 8859-1: every byte is the Unicode scalar of its number.
    case latin1 = "latin-1"
    /// Two bytes a unit, in the order of the point; the higher byte first by default.
    case utf16 = "utf-16"
}

/// The numbers of a version such as "1.4.2", from the first one on.
package struct VersionParts: Hashable, Sendable {
    package enum Digits: String, Hashable, Sendable, CaseIterable { case binary, bcd, decimal }

    package var digits: Digits
    /// `binary`: bits of each part. `bcd` and `decimal`: digits of each part; the first one of a
    /// decimal number has what is left. Empty: one part for each byte.
    package var sizes: [Int]

    package init(_ digits: Digits = .binary, _ sizes: [Int] = []) {
        self.digits = digits
        self.sizes = sizes
    }

    /// Of a value of `width` bytes, at most 8; nil if a digit is none or a number has too many.
    func text(of pattern: UInt64, width: Int) -> String? {
        let bits = 8 * width
        let base = digits == .decimal ? 10 : UInt64(16)
        var rest = pattern
        var parts: [String] = []
        let sizes =
            sizes.isEmpty ? [Int](repeating: digits == .binary ? 8 : 2, count: width) : self.sizes
        if digits == .binary {
            var used = 0
            for size in sizes {
                used += size
                guard size >= 1, size <= 64, used <= bits else { return nil }
                let mask = size == 64 ? UInt64.max : (1 << UInt64(size)) - 1
                parts.append(String(pattern >> UInt64(bits - used) & mask))
            }
            return parts.joined(separator: ".")
        }
        for (index, size) in sizes.enumerated().reversed() {
            var part: [UInt8] = []
            while index == 0 ? rest > 0 || part.isEmpty : part.count < size {
                let digit = UInt8(truncatingIfNeeded: rest % base)
                guard digit <= 9, part.count < 20 else { return nil }
                part.append(digit + 0x30)
                rest /= base
            }
            parts.append(String(decoding: part.reversed(), as: UTF8.self))
        }
        return parts.reversed().joined(separator: ".")
    }
}
