extension UARTProtocol.AddressField {
    /// Whether the frame carries this address: these bytes at this place, or this text, white space
    /// around it aside, as the item number `index` (from 0) of the frame cut at every `separator`.
    func matches(_ frame: [UInt8], separator: [UInt8]) -> Bool {
        switch self {
        case .bytes(let at, let wanted):
            let start = at < 0 ? frame.count + at : at
            guard start >= 0, start <= frame.count, wanted.count <= frame.count - start else { return false }
            return frame[start..<(start + wanted.count)].elementsEqual(wanted)
        case .item(let index, let wanted):
            guard let item = Self.item(index, of: frame[...], separator) else { return false }
            return Self.trimmed(item).elementsEqual(wanted)
        }
    }

    private static func item(
        _ wanted: Int, of frame: ArraySlice<UInt8>, _ separator: [UInt8]
    ) -> ArraySlice<UInt8>? {
        guard let mark = separator.first else { return wanted == 0 ? frame : nil }
        var rest = frame
        var index = 0
        var position = rest.startIndex
        while position < rest.endIndex {
            guard rest[position] == mark, rest[position...].starts(with: separator) else {
                position += 1
                continue
            }
            if index == wanted { return rest[..<position] }
            index += 1
            position += separator.count
            rest = rest[position...]
        }
        return index == wanted ? rest : nil
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text
        while let first = text.first, first <= 0x20 { text.removeFirst() }
        while let last = text.last, last <= 0x20 { text.removeLast() }
        return text
    }
}
