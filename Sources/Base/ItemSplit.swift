/// How a frame of text falls into items. The words of the configuration are `"blanks"`, `"signs"`,
/// or the text between two items.
package enum ItemSplit: Hashable, Sendable {
    /// At every occurrence of this text; two in a row have an empty item between them.
    case mark([UInt8])
    /// At every run of white space: columns that are filled up with blanks.
    case blanks
    /// Before every plus and minus, which stay with their item (SDI-12 Specification V1.4, section
    /// 4.4.6: values have no other separator). Item 0 is what stands before the first.
    case signs

    /// Nil for bytes in hexadecimal that are none.
    package init?(word: ByteString) {
        switch word {
        case "blanks": self = .blanks
        case "signs": self = .signs
        default:
            guard let digits = word.dropping(prefix: "hex:") else {
                self = .mark(Array(word.utf8))
                return
            }
            guard let bytes = Hex.decode(digits.string) else { return nil }
            self = .mark(bytes)
        }
    }

    /// The item number `wanted`, from 0, without white space around it; nil when there are fewer.
    package func item(_ wanted: Int, of frame: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard wanted >= 0 else { return nil }
        switch self {
        case .mark(let mark): return Self.marked(wanted, of: frame, mark).map(Self.trimmed)
        case .blanks: return Self.column(wanted, of: frame)
        case .signs: return Self.signed(wanted, of: frame).map(Self.trimmed)
        }
    }

    private static func marked(
        _ wanted: Int, of frame: ArraySlice<UInt8>, _ mark: [UInt8]
    ) -> ArraySlice<UInt8>? {
        guard let first = mark.first else { return wanted == 0 ? frame : nil }
        var index = 0
        var start = frame.startIndex
        var position = start
        while position < frame.endIndex {
            if frame[position] == first, frame[position...].starts(with: mark) {
                if index == wanted { return frame[start..<position] }
                index += 1
                position += mark.count
                start = position
            } else {
                position += 1
            }
        }
        return index == wanted ? frame[start...] : nil
    }

    private static func column(_ wanted: Int, of frame: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var index = 0
        var position = frame.startIndex
        while true {
            while position < frame.endIndex, frame[position] <= 0x20 { position += 1 }
            guard position < frame.endIndex else { return nil }
            let start = position
            while position < frame.endIndex, frame[position] > 0x20 { position += 1 }
            if index == wanted { return frame[start..<position] }
            index += 1
        }
    }

    private static func signed(_ wanted: Int, of frame: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var index = 0
        var start = frame.startIndex
        for position in frame.indices where frame[position] == 0x2B || frame[position] == 0x2D {
            if index == wanted { return frame[start..<position] }
            index += 1
            start = position
        }
        return index == wanted ? frame[start...] : nil
    }

    /// Without the control characters and blanks at both ends.
    package static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = text
        while let byte = rest.first, byte <= 0x20 { rest.removeFirst() }
        while let byte = rest.last, byte <= 0x20 { rest.removeLast() }
        return rest
    }
}
