import Base

extension ConfigurationReader {
    /// `ranges: { holding: [[0, 99], [200, 299]], coil: [0, 15] }`: first and last address of what
    /// one request may span, counted like the addresses of the node's points. Tables that are not
    /// named are readable everywhere.
    func readRanges(_ cursor: inout ObjectCursor, base: Int) -> [Table: [ClosedRange<Int>]] {
        guard var tables = cursor.object("ranges") else { return [:] }
        var ranges: [Table: [ClosedRange<Int>]] = [:]
        for table in [Table.coil, .discrete, .input, .holding] {
            guard let field = tables.take(ByteString(table.rawValue)) else { continue }
            let items = tables.items(of: field)
            // One pair may stand without its outer brackets.
            let pairs = items.first?.json.array == nil ? [field] : items
            let found = pairs.compactMap { readRange($0, tables) }
            if found.count == pairs.count {
                ranges[table] = found.map { $0.lowerBound + base...$0.upperBound + base }
            }
        }
        tables.finish()
        return ranges
    }

    private func readRange(_ field: Field, _ tables: ObjectCursor) -> ClosedRange<Int>? {
        let ends = tables.items(of: field)
        guard field.json.array != nil, ends.count == 2 else {
            problems.error(
                field.place,
                "a range is first and last address, such as [0, 99], not \(field.json.describe)")
            return nil
        }
        guard let first = tables.integer(of: ends[0], in: 0...65_535),
            let last = tables.integer(of: ends[1], in: 0...65_535)
        else { return nil }
        guard first <= last else {
            problems.error(field.place, "the range [\(first), \(last)] ends before it begins")
            return nil
        }
        return first...last
    }

    /// A point that no range holds would be asked for in vain.
    func checkReadable(
        _ table: Table, _ address: Int, _ count: Int, at field: Field, _ what: String,
        _ ranges: [Table: [ClosedRange<Int>]]
    ) {
        guard let allowed = ranges[table] else { return }
        let last = address + count - 1
        if allowed.contains(where: { $0.lowerBound <= address && last <= $0.upperBound }) { return }
        let list = allowed.map { "[\($0.lowerBound), \($0.upperBound)]" }.joined(separator: ", ")
        let place = count == 1 ? "\(address) is" : "\(address) to \(last) are"
        problems.error(
            field.place,
            "\(what): \(table.rawValue) \(place) not inside one of the node's ranges \(list)")
    }
}
