import Adapter
import Base

/// Import of modpoll's configuration: `device,NAME,UNIT`, `poll,TABLE,START,COUNT,ENDIAN` and
/// `ref,NAME,ADDRESS,TYPE,ACCESS,UNITS,SCALE`. Addresses are zero-based.
package enum ModpollTable {
    package static func read(_ bytes: [UInt8], file: String) -> ImportedNodes {
        var made = ImportedNodes(file: file)
        var poll: (table: Table, endian: String)?
        for row in CSVText(bytes).rows {
            func cell(_ place: Int) -> String { place < row.cells.count ? row.cells[place] : "" }
            switch row.cells[0].lowercased() {
            case "device":
                guard let unit = Int(cell(2)), (1...255).contains(unit) else {
                    made.drop(row.line, "\"\(RegisterTable.shown(cell(2)))\" is no unit id")
                    continue
                }
                let name = ImportWords.name(cell(1)).filter { !"+#/".contains($0) }
                made.nodes.append(
                    ImportedNodes.Node(
                        name: ByteString(name.isEmpty ? "unit-\(unit)" : name), unit: unit))
                poll = nil
            case "poll":
                poll = ImportWords.table(cell(1)).map { ($0, cell(4)) }
                if poll == nil {
                    made.drop(row.line, "\"\(RegisterTable.shown(cell(1)))\" is no table")
                }
            case "ref":
                guard let poll, !made.nodes.isEmpty else {
                    made.drop(row.line, "no \"poll\" of a device stands before it")
                    continue
                }
                if let point = point(row, poll.table, poll.endian, &made) {
                    made.nodes[made.nodes.count - 1].points.append(point)
                }
            default:
                made.drop(row.line, "a row begins with device, poll or ref")
            }
        }
        made.finish(hasNodes: true)
        return made
    }

    private static func point(
        _ row: CSVText.Row, _ table: Table, _ endian: String, _ made: inout ImportedNodes
    ) -> ImportedPoint? {
        func cell(_ place: Int) -> String { place < row.cells.count ? row.cells[place] : "" }
        let text = cell(2).lowercased()
        let address = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
        guard let address, (0...65_535).contains(address) else {
            made.drop(row.line, "\"\(RegisterTable.shown(cell(2)))\" is no address")
            return nil
        }
        var word = cell(3).lowercased()
        var length: Int?
        if word.hasPrefix("string"), let bytes = Int(word.dropFirst(6)), bytes > 0 {
            (word, length) = ("string", (bytes + 1) / 2)
        }
        if word == "bool8" || word == "bool16" {
            made.drop(row.line, "\(word) is several bits in one: give each a point of its own")
            return nil
        }
        let type: ValueType? =
            table.isBits ? .bool : word.isEmpty ? .uint16 : ValueType(rawValue: word)
        guard let type else {
            made.drop(row.line, "\"\(RegisterTable.shown(cell(3)))\" is no type that is known")
            return nil
        }
        let name = ImportWords.name(cell(1))
        var point = ImportedPoint(
            name: name.isEmpty ? "\(table.rawValue)\(address)" : name, table: table,
            address: address, type: type, position: TextPosition(line: row.line, column: 1))
        point.length = length
        if let width = type.width, width > 1, !table.isBits {
            point.order = ImportWords.order(endian, bytes: width).letters
        }
        let access = cell(4).lowercased()
        point.isWritable = access.contains("w") && (table == .coil || table == .holding)
        point.units = ImportWords.name(cell(5))
        if !cell(6).isEmpty, type.isNumber {
            point.scale = ImportWords.number(cell(6))
            if point.scale == nil {
                made.tell(row.line, "the scale \"\(RegisterTable.shown(cell(6)))\" is left out")
            }
        }
        return point
    }
}
