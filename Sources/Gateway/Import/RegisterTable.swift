import Adapter
import Base

/// Import of a register table: CSV whose first row names the columns.
package enum RegisterTable {
    /// How the addresses of a table count.
    package enum Counting: Hashable, Sendable {
        /// Protocol addresses that begin with 0 or 1.
        case from(Int)
        /// As 40001: the first digit is the table, the others count from 1.
        case references
    }

    /// Why nothing was made of a table.
    package enum Failure: Error, Hashable, Sendable {
        /// The addresses are plain numbers, and the table does not say with which they begin.
        case needsBase
        case unusable(line: Int, message: String)
    }

    private enum Column: CaseIterable {
        case name, address, table, type, order, scale, offset, units, length, access
    }

    private static let words: [(Column, [String])] = [
        (
            .name,
            [
                "name", "point", "tag", "parameter", "signal", "variable", "label", "description",
                "register name", "item",
            ]
        ),
        (
            .address,
            [
                "address", "addr", "register", "reg", "modbus address", "register address",
                "start address", "start register", "offset address",
            ]
        ),
        (
            .table,
            [
                "table", "function", "function code", "fc", "register type", "object type", "space",
                "kind", "area", "register kind",
            ]
        ),
        (.type, ["type", "data type", "format", "dtype", "value type"]),
        (.order, ["order", "byte order", "word order", "endian", "endianness", "swap"]),
        (
            .scale,
            [
                "scale", "factor", "multiplier", "gain", "ratio", "coefficient", "resolution",
                "scaling",
            ]
        ),
        (.offset, ["offset", "bias", "addend"]),
        (.units, ["units", "unit", "uom", "engineering unit", "unit of measurement"]),
        (
            .length,
            ["length", "count", "size", "registers", "words", "quantity", "number of registers"]
        ),
        (.access, ["access", "rw", "read write", "r w", "writable", "mode"]),
    ]

    /// - Parameter base: 0 or 1, where the addresses are plain numbers.
    /// - Parameter table: of rows that name none.
    package static func read(
        _ bytes: [UInt8], file: String, base: Int?, table: Table?
    ) throws(Failure) -> ImportedNodes {
        let rows = CSVText(bytes).rows
        guard let head = rows.first else {
            throw .unusable(line: 1, message: "there is nothing in it")
        }
        let columns = columns(of: head)
        guard columns[.address] != nil else {
            throw .unusable(
                line: head.line,
                message:
                    "the first row names no column \"address\"; known columns: name, address, "
                    + "table, type, order, scale, offset, units, length, access")
        }
        let reader = RowReader(columns: columns, rows: Array(rows.dropFirst()), table: table)
        let counting = try reader.counting(base)
        var made = ImportedNodes(file: file)
        for (place, cell) in head.cells.enumerated()
        where !columns.values.contains(place) && !cell.isEmpty {
            made.tell(head.line, "column \"\(shown(cell))\" is not used")
        }
        var node = ImportedNodes.Node(name: "unit-1", unit: 1)
        for row in reader.rows {
            if let point = reader.point(row, counting, &made) { node.points.append(point) }
        }
        made.nodes = [node]
        made.finish(hasNodes: false)
        return made
    }

    private static func columns(of head: CSVText.Row) -> [Column: Int] {
        var columns: [Column: Int] = [:]
        for (column, names) in words {
            for name in names where columns[column] == nil {
                columns[column] = head.cells.indices.first { place in
                    ImportWords.squeezed(head.cells[place]) == ImportWords.squeezed(name)
                        && !columns.values.contains(place)
                }
            }
        }
        return columns
    }

    static func shown(_ text: String) -> String {
        Notice.printable(ByteString(ByteString(text).prefix(60)))
    }

    private struct RowReader {
        let columns: [Column: Int]
        let rows: [CSVText.Row]
        let table: Table?

        func cell(_ row: CSVText.Row, _ column: Column) -> String {
            guard let place = columns[column], place < row.cells.count else { return "" }
            return row.cells[place]
        }

        /// References where all decimal addresses can be some, and at least one row agrees with its
        /// table or none names one.
        func counting(_ base: Int?) throws(Failure) -> Counting {
            let addresses = rows.compactMap { row -> (Int64, Table?)? in
                let text = cell(row, .address)
                guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                    let value = Int64(text)
                else { return nil }
                return (value, ImportWords.table(cell(row, .table)) ?? table)
            }
            let areReferences = addresses.allSatisfy { value, table in
                guard let place = RegisterReference.place(value) else { return false }
                return table == nil || place.table == table
            }
            if let base { return .from(base) }
            if !addresses.isEmpty, areReferences { return .references }
            throw .needsBase
        }

        func point(
            _ row: CSVText.Row, _ counting: Counting, _ made: inout ImportedNodes
        ) -> ImportedPoint? {
            guard let (table, address) = place(row, counting, &made) else { return nil }
            guard let type = type(row, table, &made) else { return nil }
            var name = ImportWords.name(cell(row, .name))
            if name.isEmpty { name = "\(table.rawValue)\(address)" }
            var point = ImportedPoint(
                name: name, table: table, address: address, type: type,
                position: TextPosition(line: row.line, column: 1))
            if type.width == nil {
                point.length = Int(cell(row, .length))
                if point.length == nil {
                    made.drop(row.line, "a \(type.rawValue) needs its length in registers")
                    return nil
                }
            }
            readNumbers(row, &point, &made)
            point.units = ImportWords.name(cell(row, .units))
            let access = ImportWords.squeezed(cell(row, .access))
            let writes = ["rw", "w", "wo", "readwrite", "write", "yes", "true"]
            point.isWritable = writes.contains(access) && (table == .coil || table == .holding)
            return point
        }

        private func place(
            _ row: CSVText.Row, _ counting: Counting, _ made: inout ImportedNodes
        ) -> (Table, Int)? {
            let text = cell(row, .address)
            let said = cell(row, .table)
            let own = ImportWords.table(said)
            if !said.isEmpty, own == nil {
                made.drop(
                    row.line, "\"\(shown(said))\" is no table: holding, input, coil or discrete")
                return nil
            }
            guard let value = number(text) else {
                made.drop(row.line, "\"\(shown(text))\" is no address")
                return nil
            }
            if case .references = counting, !text.lowercased().hasPrefix("0x"),
                let (table, address) = RegisterReference.place(value)
            {
                return (table, Int(address))
            }
            let base = if case .from(let base) = counting { base } else { 0 }
            let address = Int(value) - base
            guard (0...65_535).contains(address) else {
                made.drop(row.line, "address \(shown(text)) is outside of 0 to 65535")
                return nil
            }
            if let table = own ?? table { return (table, address) }
            made.tell(row.line, "guessed: no table is given, so it is a holding register")
            return (.holding, address)
        }

        /// Decimal, `0x1F` or `1Fh`.
        private func number(_ text: String) -> Int64? {
            let small = text.lowercased()
            if small.hasPrefix("0x") { return bounded(Int64(small.dropFirst(2), radix: 16)) }
            if small.hasSuffix("h") { return bounded(Int64(small.dropLast(), radix: 16)) }
            return bounded(Int64(small))
        }

        private func bounded(_ value: Int64?) -> Int64? {
            value.flatMap { (0...999_999).contains($0) ? $0 : nil }
        }

        private func type(
            _ row: CSVText.Row, _ table: Table, _ made: inout ImportedNodes
        ) -> ValueType? {
            if table.isBits { return .bool }
            let said = cell(row, .type)
            let count = Int(cell(row, .length))
            guard !said.isEmpty else {
                let guess: ValueType = count == 2 ? .uint32 : count == 4 ? .uint64 : .uint16
                made.tell(row.line, "guessed: no type is given, so it is \(guess.rawValue)")
                return guess
            }
            guard let type = ImportWords.type(said) else {
                made.drop(row.line, "\"\(shown(said))\" is no type that is known")
                return nil
            }
            // "int" of two registers is one of 32 bits.
            let wide: [ValueType: ValueType] = [
                .int16: .int32, .uint16: .uint32, .float16: .float32,
            ]
            let isExact = ValueType(rawValue: ImportWords.squeezed(said)) != nil
            let meant = count == 2 && !isExact ? wide[type] ?? type : type
            if !isExact {
                made.tell(row.line, "guessed: \"\(shown(said))\" is \(meant.rawValue)")
            }
            return meant
        }

        private func readNumbers(
            _ row: CSVText.Row, _ point: inout ImportedPoint, _ made: inout ImportedNodes
        ) {
            let order = cell(row, .order)
            if !order.isEmpty, let width = point.type.width, width > 1 {
                let (letters, isKnown) = ImportWords.order(order, bytes: width)
                point.order = letters
                if !isKnown {
                    made.tell(row.line, "\"\(shown(order))\" is no byte order: it is left out")
                }
            }
            for (column, key) in [(Column.scale, "scale"), (.offset, "offset")] {
                let text = cell(row, column)
                guard !text.isEmpty, point.type.isNumber else { continue }
                guard let value = ImportWords.number(text) else {
                    made.tell(
                        row.line, "the \(key) \"\(shown(text))\" is no number: it is left out")
                    continue
                }
                if column == .scale { point.scale = value } else { point.offset = value }
            }
        }
    }
}
