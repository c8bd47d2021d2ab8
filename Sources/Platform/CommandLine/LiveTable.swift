/// A table that fills a window and is drawn again and again: scrolled, sorted and filtered by keys.
package struct LiveTable: Sendable {
    package struct Row: Sendable {
        package var cells: [String]
        /// Values of the cells that are numbers by their column, for sorting.
        package var numbers: [Int: Double]
        package var mark: Colour?

        package init(_ cells: [String], numbers: [Int: Double] = [:], mark: Colour? = nil) {
            (self.cells, self.numbers, self.mark) = (cells, numbers, mark)
        }
    }

    private static let filterMax = 64

    /// The column by which rows are sorted; nil: as they come.
    private var sorting: Int?
    private var isReversed = false
    private var filter = ""
    private var isTyping = false
    /// Rows above the window.
    private var above = 0

    package init() {}

    /// - Parameter columns: number of columns that can be sorted by.
    /// - Parameter page: rows that a window shows.
    /// - Returns: false if the table is to be left.
    package mutating func receive(_ key: Key, columns: Int, page: Int) -> Bool {
        if isTyping {
            type(key)
            return true
        }
        switch key {
        case .character("q"): return false
        case .character("/"): isTyping = true
        case .escape: filter = ""
        case .character("s"), .right:
            sorting = sorting.map { $0 + 1 < columns ? $0 + 1 : nil } ?? 0
        case .left: sorting = sorting.map { $0 > 0 ? $0 - 1 : nil } ?? columns - 1
        case .character("r"): isReversed.toggle()
        case .up, .character("k"): above -= 1
        case .down, .character("j"): above += 1
        case .pageUp: above -= max(1, page)
        case .pageDown, .character(" "): above += max(1, page)
        case .home: above = 0
        case .end: above = .max / 2
        default: break
        }
        above = max(0, above)
        return true
    }

    private mutating func type(_ key: Key) {
        switch key {
        case .enter: isTyping = false
        case .escape: (isTyping, filter) = (false, "")
        case .backspace: _ = filter.popLast()
        case .character(let letter) where filter.count < Self.filterMax: filter.append(letter)
        default: break
        }
        above = 0
    }

    /// Exactly as many lines as the window has, none of them wider.
    /// - Parameter head: lines above the table.
    package mutating func lines(
        _ head: [String], _ columns: [TextTable.Column], _ rows: [Row], height: Int, width: Int,
        colours: Bool
    ) -> [String] {
        let wanted = filter.lowercased()
        let shown = sorted(
            rows.filter { row in
                wanted.isEmpty || row.cells.contains { $0.lowercased().contains(wanted) }
            })
        let room = max(1, height - head.count - 2)
        above = min(above, max(0, shown.count - room))
        let table = TextTable(columns, shown.map(\.cells)).lines(within: width)
        var lines = head.map { TextWidth.cut($0, to: width) }
        lines.append(colours ? Colour.bold.paint(table[0]) : table[0])
        for (place, row) in shown.enumerated().dropFirst(above).prefix(room) {
            let line = table[place + 1]
            lines.append(colours ? row.mark?.paint(line) ?? line : line)
        }
        lines = Array(lines.prefix(max(0, height - 1)))
        while lines.count < height - 1 { lines.append("") }
        lines.append(TextWidth.cut(footer(shown.count, of: rows.count, room, columns), to: width))
        return lines
    }

    private func sorted(_ rows: [Row]) -> [Row] {
        guard let sorting else { return isReversed ? rows.reversed() : rows }
        // Of numbers the largest are wanted first.
        let sorted = rows.enumerated().sorted { left, right in
            let (one, other) = (left.element, right.element)
            if one.numbers[sorting] != nil || other.numbers[sorting] != nil {
                let (first, second) = (
                    one.numbers[sorting] ?? -.infinity, other.numbers[sorting] ?? -.infinity
                )
                return first == second ? left.offset < right.offset : first > second
            }
            let (first, second) = (Self.cell(one, sorting), Self.cell(other, sorting))
            return first == second ? left.offset < right.offset : first < second
        }.map(\.element)
        return isReversed ? sorted.reversed() : sorted
    }

    private static func cell(_ row: Row, _ place: Int) -> String {
        place < row.cells.count ? row.cells[place] : ""
    }

    private func footer(
        _ shown: Int, of all: Int, _ room: Int, _ columns: [TextTable.Column]
    ) -> String {
        if isTyping { return "filter: \(filter)_" }
        let last = min(above + room, shown)
        var text = shown == 0 ? "0 of \(all)" : "\(above + 1)-\(last) of \(shown)"
        if !filter.isEmpty { text += ", filter \(filter)" }
        if let sorting, sorting < columns.count { text += ", by \(columns[sorting].title)" }
        return text + "  q quit  / filter  s sort  r reverse  up/down scroll"
    }
}
