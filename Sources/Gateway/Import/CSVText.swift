import Base

/// Rows of a text in comma-separated values (RFC 4180), or with semicolons or tabs instead.
struct CSVText {
    struct Row {
        /// Counted from 1.
        var line: Int
        var cells: [String]
    }

    static let rowsMax = 100_000

    private(set) var rows: [Row] = []

    /// Rows without any text are left out, and so are lines that begin with `#`.
    init(_ bytes: [UInt8]) {
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        let separator = Self.separator(of: text)
        var row = Row(line: 1, cells: [])
        var cell: [UInt8] = []
        var (line, isQuoted, index) = (1, false, text.startIndex)
        func ended() -> String { Self.trimmed(String(decoding: cell, as: UTF8.self)) }
        while index < text.endIndex, rows.count < Self.rowsMax {
            let byte = text[index]
            index += 1
            if byte == 0x0A { line += 1 }
            if isQuoted {
                if byte != 0x22 {
                    cell.append(byte)
                } else if index < text.endIndex, text[index] == 0x22 {
                    cell.append(byte)
                    index += 1
                } else {
                    isQuoted = false
                }
            } else if byte == 0x22, cell.allSatisfy({ $0 == 0x20 }) {
                (isQuoted, cell) = (true, [])
            } else if byte == separator {
                row.cells.append(ended())
                cell = []
            } else if byte == 0x0A {
                row.cells.append(ended())
                add(row)
                (row, cell) = (Row(line: line, cells: []), [])
            } else if byte != 0x0D {
                cell.append(byte)
            }
        }
        row.cells.append(ended())
        add(row)
    }

    private mutating func add(_ row: Row) {
        guard row.cells.contains(where: { !$0.isEmpty }), row.cells[0].utf8.first != 0x23 else {
            return
        }
        rows.append(row)
    }

    /// The one of which the first line has the most.
    private static func separator(of text: ArraySlice<UInt8>) -> UInt8 {
        let first = text.prefix { $0 != 0x0A }
        let candidates: [UInt8] = [0x2C, 0x3B, 0x09]
        let counts = candidates.map { mark in first.filter { $0 == mark }.count }
        let best = counts.indices.max { counts[$0] < counts[$1] } ?? 0
        return counts[best] > counts[0] ? candidates[best] : 0x2C
    }

    private static func trimmed(_ text: String) -> String {
        let inner = text.unicodeScalars.drop { $0 == " " || $0 == "\t" }
        var end = inner.endIndex
        while end > inner.startIndex, [" ", "\t"].contains(inner[inner.index(before: end)]) {
            end = inner.index(before: end)
        }
        return String(inner[..<end])
    }
}
