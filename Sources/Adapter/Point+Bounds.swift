import Base

extension Point {
    /// The least and the largest value that its registers can hold, after scale and offset. Nil if
    /// it is no number in whole registers, is a floating-point number, or is scaled by another
    /// point.
    package var bounds: ClosedRange<Double>? {
        guard type.isNumber, !type.isFloat, !type.hasExponent, scaleFrom == nil, text == nil,
            table.isRegisters, scale != 0
        else { return nil }
        let encoder = Encoder(self)
        let ends = [encoder.span.lowerBound, encoder.span.upperBound].compactMap { raw in
            Decimal(raw).times(encoder.decoder.scale)?.plus(encoder.decoder.offset)?.double
        }
        guard ends.count == 2 else { return nil }
        return Swift.min(ends[0], ends[1])...Swift.max(ends[0], ends[1])
    }

    /// Whether the two read the same registers as values that cannot both be meant: of different
    /// types, or of one type and not from the same place. Bits, texts, dates and parts of registers
    /// are often read beside a number.
    package func contradicts(_ other: Point) -> Bool {
        guard isRead, other.isRead, table == other.table, table.isRegisters, isWhole, other.isWhole
        else { return false }
        let (own, theirs) = (Set(registers), Set(other.registers))
        guard !own.isDisjoint(with: theirs) else { return false }
        return type != other.type || registers.sorted() != other.registers.sorted()
    }

    private var isWhole: Bool {
        (type.isNumber || type == .bool) && !type.isPartOfRegisters && text == nil
    }

    private var registers: [Int] {
        coding.registers.isEmpty ? Array(address..<address + count) : coding.registers
    }
}
