/// A table of texts for a window of a given width. Its least important columns are made narrower or
/// left out until the others fit. Then the last one is cut.
package struct TextTable: Sendable {
    package struct Column: Sendable {
        let title: String
        /// Numbers end at one place.
        let isNumber: Bool
        /// A column of a higher rank is left out before one of a lower; 0 is never left out.
        let rank: Int
        /// Width to which its cells may be cut before it is left out; nil: they are not cut. Of the
        /// last column the width that it wants more than columns of a higher rank.
        let least: Int?

        package init(_ title: String, isNumber: Bool = false, rank: Int = 0, least: Int? = nil) {
            (self.title, self.isNumber, self.rank, self.least) = (title, isNumber, rank, least)
        }

        package static func number(_ title: String, rank: Int = 0) -> Column {
            Column(title, isNumber: true, rank: rank)
        }
    }

    private static let gap = 2
    /// A narrower last column says nothing.
    private static let lastLeast = 8

    private let columns: [Column]
    private let rows: [[String]]

    package init(_ columns: [Column], _ rows: [[String]]) {
        (self.columns, self.rows) = (columns, rows)
    }

    /// The lines for standard output, not wider than its window if that is a terminal.
    package var text: String { lines(within: Machine.terminalWidth(1)).joined(separator: "\n") }

    /// The header and a line for each row.
    /// - Parameter width: in columns of the terminal; nil: as wide as it comes.
    package func lines(within width: Int? = nil) -> [String] {
        let (kept, widths) = layout(within: width)
        return ([columns.map(\.title)] + rows).map { line($0, kept, widths, within: width) }
    }

    private func layout(within width: Int?) -> (kept: [Int], widths: [Int: Int]) {
        var widths: [Int: Int] = [:]
        for (place, column) in columns.enumerated() {
            let cells = rows.map { place < $0.count ? TextWidth.of($0[place]) : 0 }
            widths[place] = max(TextWidth.of(column.title), cells.max() ?? 0)
        }
        var kept = Array(columns.indices)
        guard let width else { return (kept, widths) }
        while let last = kept.last, kept.count > 1 {
            let worst = kept.filter { $0 != last || columns[$0].least == nil }
                .max { (columns[$0].rank, $0) < (columns[$1].rank, $1) }
            let isWorse = worst.map { columns[$0].rank > columns[last].rank } ?? false
            let wanted = isWorse ? columns[last].least ?? Self.lastLeast : Self.lastLeast
            let before = kept.dropLast().reduce(0) { $0 + (widths[$1] ?? 0) + Self.gap }
            let excess = before + min(widths[last] ?? 0, wanted) - width
            guard excess > 0 else { break }
            guard let worst, columns[worst].rank > 0 else {
                shrink(kept.dropLast(), by: excess, &widths)
                break
            }
            let room = (widths[worst] ?? 0) - excess
            if let least = columns[worst].least, room >= least {
                widths[worst] = room
            } else {
                kept.removeAll { $0 == worst }
            }
        }
        return (kept, widths)
    }

    /// Makes columns narrower that are never left out, the widest first.
    private func shrink(_ kept: ArraySlice<Int>, by excess: Int, _ widths: inout [Int: Int]) {
        for _ in 0..<excess {
            let widest = kept.filter { (widths[$0] ?? 0) > columns[$0].least ?? .max }
                .max { (widths[$0] ?? 0, $1) < (widths[$1] ?? 0, $0) }
            guard let widest else { return }
            widths[widest, default: 1] -= 1
        }
    }

    private func line(
        _ cells: [String], _ kept: [Int], _ widths: [Int: Int], within width: Int?
    ) -> String {
        var text = ""
        for (number, place) in kept.enumerated() {
            let isLast = number == kept.count - 1
            let wide = widths[place] ?? 0
            let whole = place < cells.count ? cells[place] : ""
            let cell = isLast ? whole : TextWidth.cut(whole, to: wide)
            let room = max(0, wide - TextWidth.of(cell))
            if columns[place].isNumber {
                text += String(repeating: " ", count: room) + cell
            } else {
                text += cell + (isLast ? "" : String(repeating: " ", count: room))
            }
            if !isLast { text += String(repeating: " ", count: Self.gap) }
        }
        while text.hasSuffix(" ") { text.removeLast() }
        return width.map { TextWidth.cut(text, to: $0) } ?? text
    }
}

/// Columns of a terminal that a text takes.
package enum TextWidth {
    package static func of(_ text: String) -> Int { text.reduce(0) { $0 + of($1) } }

    /// The beginning of a text that fits, with `…` in place of what does not.
    package static func cut(_ text: String, to width: Int) -> String {
        guard of(text) > width else { return text }
        var (kept, room) = ("", max(0, width - 1))
        for character in text {
            let wide = of(character)
            guard wide <= room else { break }
            room -= wide
            kept.append(character)
        }
        return width > 0 ? kept + "…" : ""
    }

    private static func of(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        switch first.value {
        case ..<0x300: return 1
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0x1F300...0x1FAFF:
            return 2
        default: return first.properties.isGraphemeExtend ? 0 : 1
        }
    }
}

extension TextTable.Column: ExpressibleByStringLiteral {
    package init(stringLiteral title: String) { self.init(title) }
}
