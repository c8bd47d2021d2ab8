import Base

/// Where a value stands in a frame of text.
package enum TextField: Hashable, Sendable {
    /// The item number `index` (from 0); `decimal` is the mark between whole and fraction, `.` or
    /// `,`.
    case item(index: Int, split: ItemSplit, decimal: UInt8)
    case template(Template)
    /// The `count` bytes at byte offset `at`, which is counted from the end if it is below 0.
    case place(at: Int, count: Int, decimal: UInt8)
}

/// A pattern such as `T={value:number}`: text that must be there and one value between.
/// The first text is searched for, so that the frame may hold something before it.
package struct Template: Hashable, Sendable {
    /// In bytes.
    package static let patternMax = 256

    package enum Kind: String, Hashable, Sendable { case number, word, text }

    /// A place in braces: `value` is what is taken, any other name is passed over.
    package struct Slot: Hashable, Sendable {
        package var name: ByteString
        package var kind: Kind

        package init(name: ByteString, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// `literals[n]` stands before `slots[n]`; there is one literal more than slots.
    package let literals: [[UInt8]]
    package let slots: [Slot]

    /// Nil unless the pattern has exactly one slot named `value`, closed braces, known kinds, and
    /// text after every slot of kind `text` but the last.
    package init?(_ pattern: ByteString) {
        guard pattern.count <= Self.patternMax else { return nil }
        var literals: [[UInt8]] = [[]]
        var slots: [Slot] = []
        var rest = Array(pattern.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x7D { return nil }
            guard byte == 0x7B else {
                literals[literals.count - 1].append(byte)
                continue
            }
            guard let end = rest.firstIndex(of: 0x7D) else { return nil }
            let inside = rest[rest.startIndex..<end].split(
                separator: 0x3A, omittingEmptySubsequences: false)
            rest = rest[(end + 1)...]
            guard (1...2).contains(inside.count) else { return nil }
            let kind = inside.count == 1 ? "number" : ByteString(decoding: inside[1])
            guard let known = Kind(word: kind) else { return nil }
            slots.append(Slot(name: ByteString(decoding: inside[0]), kind: known))
            literals.append([])
        }
        let open = slots.indices.dropLast().contains {
            slots[$0].kind == .text && literals[$0 + 1].isEmpty
        }
        guard slots.filter({ $0.name == "value" }).count == 1, !open else {
            return nil
        }
        self.literals = literals
        self.slots = slots
    }

    /// Kind of text that the value slot holds.
    package var valueKind: Kind { slots.first { $0.name == "value" }?.kind ?? .number }
}

extension TextField {
    /// The bytes of the value, without white space around; nil when the frame has no such place.
    /// Linear in the frame's length.
    func find(in frame: [UInt8], tables: [[Int]]) -> ArraySlice<UInt8>? {
        switch self {
        case .item(let index, let split, _): split.item(index, of: frame[...])
        case .template(let template): template.match(frame, tables: tables).map(ItemSplit.trimmed)
        case .place(let at, let count, _): Self.place(at, count, in: frame)
        }
    }
}

extension TextField {
    /// Ends before the first NUL, as text in registers does.
    private static func place(_ at: Int, _ count: Int, in frame: [UInt8]) -> ArraySlice<UInt8>? {
        let start = at < 0 ? frame.count + at : at
        guard start >= 0, start <= frame.count, count >= 0, count <= frame.count - start else {
            return nil
        }
        return ItemSplit.trimmed(frame[start..<(start + count)].prefix { $0 != 0 })
    }
}

extension Template {
    /// Knuth, Morris and Pratt's table: how much of the pattern still stands after a mismatch.
    static func failureTable(_ pattern: [UInt8]) -> [Int] {
        var table = [Int](repeating: 0, count: pattern.count)
        var matched = 0
        for index in pattern.indices.dropFirst() {
            while matched > 0, pattern[index] != pattern[matched] { matched = table[matched - 1] }
            if pattern[index] == pattern[matched] { matched += 1 }
            table[index] = matched
        }
        return table
    }

    /// The first place at or after `start` where the literal stands.
    private static func search(
        _ literal: [UInt8], _ table: [Int], in frame: [UInt8], from start: Int
    ) -> Int? {
        if literal.isEmpty { return start }
        var matched = 0
        var index = start
        while index < frame.count {
            while matched > 0, frame[index] != literal[matched] { matched = table[matched - 1] }
            if frame[index] == literal[matched] { matched += 1 }
            index += 1
            if matched == literal.count { return index - matched }
        }
        return nil
    }

    /// One pass without going back: the first literal is searched for, a number or a word takes all
    /// it can, a text ends before the next literal, and every other literal must follow at once.
    func match(_ frame: [UInt8], tables: [[Int]]) -> ArraySlice<UInt8>? {
        guard tables.count == literals.count,
            let first = Template.search(literals[0], tables[0], in: frame, from: 0)
        else { return nil }
        var position = first + literals[0].count
        var found: ArraySlice<UInt8>?
        for (index, slot) in slots.enumerated() {
            let literal = literals[index + 1]
            if slot.kind != .text {
                while position < frame.count, frame[position] == 0x20 { position += 1 }
            }
            let start = position
            switch slot.kind {
            case .number: position = Template.endOfNumber(in: frame, from: position)
            case .word:
                while position < frame.count, Template.isWord(frame[position]) { position += 1 }
            case .text:
                if literal.isEmpty {
                    position = frame.count
                } else {
                    guard
                        let end = Template.search(
                            literal, tables[index + 1], in: frame, from: position)
                    else {
                        return nil
                    }
                    position = end
                }
            }
            guard position > start || slot.kind == .text else { return nil }
            if slot.name == "value" { found = frame[start..<position] }
            guard frame[position...].starts(with: literal) else { return nil }
            position += literal.count
        }
        return found
    }

    /// Digits, signs and marks, and an exponent: to leave that behind would make another number of
    /// it.
    private static func endOfNumber(in frame: [UInt8], from start: Int) -> Int {
        func digits(_ place: Int, _ others: [UInt8]) -> Int {
            var place = place
            while place < frame.count,
                (0x30...0x39).contains(frame[place]) || others.contains(frame[place])
            {
                place += 1
            }
            return place
        }
        let end = digits(start, [0x2B, 0x2D, 0x2E, 0x2C])
        guard end > start, end < frame.count, frame[end] == 0x65 || frame[end] == 0x45 else {
            return end
        }
        let isSigned = end + 1 < frame.count && (frame[end + 1] == 0x2B || frame[end + 1] == 0x2D)
        let first = end + (isSigned ? 2 : 1)
        let last = digits(first, [])
        return last > first ? last : end
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || byte == 0x5F
    }
}

extension Decoder {
    /// A value written as text. A number keeps the decimals it was sent with.
    func decode(
        _ field: TextField, in frame: [UInt8], factor: Factor, into out: inout [UInt8]
    ) -> Verdict {
        guard let place = field.find(in: frame, tables: templateTables) else {
            return .bad(.format)
        }
        if type == .string {
            guard let valid = String(validating: place, as: UTF8.self) else { return .bad(.format) }
            JSONWriter.append(valid, to: &out)
            return .other
        }
        if place.isEmpty { return .bad(.invalid) }
        if rules.isHexadecimal { return hexadecimal(place, factor: factor, into: &out) }
        var mark: UInt8 = place.contains(0x2C) ? 0x2C : 0x2E
        switch field {
        case .item(_, _, let decimal), .place(_, _, let decimal): mark = decimal
        case .template: break
        }
        guard var value = Decimal(text: place, mark: mark) else { return .bad(.format) }
        if rules.isAngle {
            guard let angle = value.degreesFromMinutes else { return .bad(.format) }
            value = angle
        }
        if let negative = rules.negativeIf {
            guard let isNegative = negative.holds(for: frame) else { return .bad(.format) }
            if isNegative { value.mantissa = -value.mantissa }
        }
        if numbers.contains(value.double) { return .bad(.invalid) }
        if value.exponent == 0 { return integer(value.mantissa, factor: factor, into: &out) }
        return exact(value, factor: factor, into: &out)
    }

    /// Digits of the bytes of a value, leading zeros left out or not.
    private func hexadecimal(
        _ place: ArraySlice<UInt8>, factor: Factor, into out: inout [UInt8]
    ) -> Verdict {
        let digits: [UInt8] = (place.count % 2 == 0 ? [] : [0x30]) + Array(place)
        guard let bytes = Hex.decode(String(decoding: digits, as: UTF8.self)), bytes.count <= width
        else {
            return .bad(.format)
        }
        let padding = [UInt8](repeating: 0, count: width - bytes.count)
        return value((padding + bytes)[...], factor: factor, into: &out)
    }
}

extension Decimal {
    /// From `ddmm.mmmm`, degrees and minutes as NMEA 0183 writes them, to degrees, with three
    /// decimals more than the minutes had. Nil for minutes from 60 up and for what is no such
    /// number.
    var degreesFromMinutes: Decimal? {
        guard mantissa >= 0, (-12...0).contains(exponent) else { return nil }
        let unit = Decimal.power(-exponent)
        let (degrees, minutes) = mantissa.quotientAndRemainder(dividingBy: 100 * unit)
        guard minutes < 60 * unit, degrees <= 360 else { return nil }
        let digits = min(3 - exponent, 12)
        let fine = Decimal.power(digits)
        let fraction = (minutes * fine * 2 + 60 * unit) / (120 * unit)
        return Decimal(degrees * fine + fraction, exponent: -digits)
    }

    private static func power(_ exponent: Int) -> Int128 {
        var result: Int128 = 1
        for _ in 0..<max(0, min(exponent, 37)) { result *= 10 }
        return result
    }
}
