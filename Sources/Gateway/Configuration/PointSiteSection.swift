import Adapter
import Base

/// Where a point is and which type it has there.
extension ConfigurationReader {
    private static let tables: [Table] = [.coil, .discrete, .input, .holding]

    func readRegisterSite(_ cursor: inout ObjectCursor, in context: NodeContext) -> PointSite? {
        let given = readTable(&cursor)
        let digits = readDigits(&cursor)
        let standard: ValueType? = digits.map { $0.isHexadecimal ? .uint16 : .float64 }
        let type = readType(&cursor, default: cursor.has("bits") ? .bits : standard)
        guard let (table, field) = given else {
            _ = readLength(
                &cursor, type: type ?? .uint16, readCoding(&cursor, type: type ?? .uint16),
                limit: context.maxRegisters,
                inFrame: false)
            return nil
        }
        let chosen = type ?? (table.isBits ? .bool : .uint16)
        if table.isBits, chosen != .bool,
            let place = (cursor.take("type") ?? cursor.take("bits"))?.place
        {
            problems.error(
                place, "a \(table.rawValue) is one bit: its type is bool, not \(chosen.rawValue)")
        }
        var site = PointSite(table: table, address: 0, type: table.isBits ? .bool : chosen)
        site.coding = readCoding(&cursor, type: site.type)
        let addresses = readAddresses(field, table, cursor, base: context.base)
        site.length = readLength(
            &cursor, type: chosen, site.coding, limit: context.maxRegisters, inFrame: false,
            registers: field.json.array == nil ? nil : addresses?.count)
        if let digits, table.isRegisters {
            checkDigits(&cursor, chosen)
            site.text = .place(at: 0, count: digits.count, decimal: digits.decimal)
            site.rules.isHexadecimal = digits.isHexadecimal
            site.length = (digits.count + 1) / 2
        }
        guard let addresses, let first = addresses.min() else { return nil }
        site.address = first
        if addresses != Array(first..<(first + addresses.count)) {
            site.coding.registers = addresses
        }
        let point = Point(
            name: "", table: table, address: first, type: site.type, length: site.length,
            coding: site.coding, text: site.text)
        let size = field.json.array == nil ? point.count : checkCount(addresses.count, point, field)
        if first + point.count > 65_536 {
            problems.error(
                field.place,
                "\(Plural.text(point.count, "register")) from \(first) "
                    + "\(Plural.form(point.count, "ends", "end")) above the last address, 65535")
            return nil
        }
        if size > context.maxRegisters, table.isRegisters {
            problems.error(
                field.place,
                "\(cursor.what) needs \(size) registers in one read; this node allows "
                    + "\(context.maxRegisters)")
        }
        for span in point.spans {
            checkReadable(table, span.address, span.count, at: field, cursor.what, context.ranges)
        }
        return site
    }

    /// The table, and the field that has the address: `holding: 3`, `holding: [3, 7]`, or
    /// `registers: [3, 7]` beside `table`.
    private func readTable(_ cursor: inout ObjectCursor) -> (Table, Field)? {
        let given = Self.tables.compactMap { table in
            cursor.take(ByteString(table.rawValue)).map { (table, $0) }
        }
        let registers = cursor.take("registers")
        let other = cursor.take("table")
        if let registers, given.isEmpty {
            guard other != nil else { return (.holding, registers) }
            let table = cursor.choice("table", default: RegisterTable.holding)
            return (table == .input ? .input : .holding, registers)
        }
        if let field = registers ?? other {
            problems.error(
                field.keyPlace,
                registers == nil
                    ? "\"table\" goes with \"registers\"; one address stands in \"holding: 16\""
                    : "\(cursor.what) has two places: \"registers\" and \"\(given[0].0.rawValue)\"")
        }
        guard let (table, field) = given.first else {
            // Not if a key is there that probably was meant to be the table.
            let words = Self.tables.map { ByteString($0.rawValue) }
            let mistyped = cursor.fields.contains { field in
                !words.contains(field.name) && Suggestion.nearest(to: field.name, in: words) != nil
            }
            if !mistyped {
                problems.error(
                    cursor.place,
                    "\(cursor.what) needs its table and address: coil, discrete, input or holding")
            }
            return nil
        }
        if given.count > 1 {
            problems.error(
                given[1].1.keyPlace,
                "\(cursor.what) has two places: \"\(table.rawValue)\" and \"\(given[1].0.rawValue)\""
            )
        }
        return (table, field)
    }

    private enum RegisterTable: String, CaseIterable { case input, holding }

    /// One address, or those of the registers that together hold the value.
    private func readAddresses(
        _ field: Field, _ table: Table, _ cursor: ObjectCursor, base: Int
    ) -> [Int]? {
        guard field.json.array != nil else {
            if field.name == "registers" {
                problems.error(field.place, "\"registers\" is a list such as [0x4E, 0x50]")
            }
            return readAddress(field, table, cursor).map { [$0 + base] }
        }
        guard table.isRegisters else {
            problems.error(field.place, "a \(table.rawValue) is one bit at one address, not a list")
            return nil
        }
        let items = cursor.items(of: field)
        let addresses = items.compactMap { readAddress($0, table, cursor) }.map { $0 + base }
        guard !items.isEmpty, items.count <= 125, addresses.count == items.count else {
            if addresses.count == items.count {
                problems.error(
                    field.place,
                    "\"\(field.name)\" has \(items.count) registers; a value has 1 to 125")
            }
            return nil
        }
        guard Set(addresses).count == addresses.count else {
            problems.error(field.place, "\"\(field.name)\" names a register twice")
            return nil
        }
        return addresses
    }

    /// Whether the type takes as many registers as are listed.
    private func checkCount(_ count: Int, _ point: Point, _ field: Field) -> Int {
        var plain = point
        plain.coding.registers = []
        if plain.count != count {
            problems.error(
                field.place,
                "a \(point.type.rawValue) is in \(Plural.text(plain.count, "register")), not in the \(count) listed here"
            )
        }
        return count
    }

    func readType(_ cursor: inout ObjectCursor, default standard: ValueType?) -> ValueType? {
        guard cursor.has("type") else {
            _ = cursor.take("type")
            return standard
        }
        return cursor.choice("type", default: standard ?? .uint16)
    }

    /// The zero-based protocol address. References in the style of 40001 are refused: they count
    /// from 1 and their first digit is the table. Hexadecimal numbers are never such references.
    private func readAddress(_ field: Field, _ table: Table, _ cursor: ObjectCursor) -> Int? {
        guard case .number(let text) = field.json.kind, let value = field.json.integer else {
            return cursor.integer(of: field, in: 0...65_535)
        }
        let isHexadecimal = text.lowercased().contains("x")
        if !isHexadecimal, let (meant, address) = RegisterReference.mistaken(value, in: table) {
            let hex = "0x" + String(value, radix: 16, uppercase: true)
            let escape =
                value <= 65_535 ? "; if \(value) really is the protocol address, write \(hex)" : ""
            problems.error(
                field.place,
                "\(value) is a reference that counts from 1; write the zero-based address \(meant.rawValue): "
                    + "\(address)\(escape)")
            return nil
        }
        return cursor.integer(of: field, in: 0...65_535)
    }

    func readOrder(_ cursor: inout ObjectCursor, _ site: PointSite) -> ByteOrder? {
        guard let field = cursor.take("order"), let text = cursor.string(of: field) else {
            return nil
        }
        let allowed: String
        let width = orderWidth(site)
        switch width {
        case 2: allowed = "\"AB\" or \"BA\""
        case 4 where site.type != .bits: allowed = "\"ABCD\", \"CDAB\", \"BADC\" or \"DCBA\""
        case 8 where site.type != .bits:
            allowed = "the eight letters A to H, such as \"ABCDEFGH\" or \"GHEFCDAB\""
        case 6: allowed = "the six letters A to F, such as \"ABCDEF\" or \"EFCDAB\""
        case 0, 1:
            problems.error(field.keyPlace, "\"order\" has no meaning for \(site.type.rawValue)")
            return nil
        default: allowed = "\(width) letters from A"
        }
        let common: Set<ByteString> = ["ABCD", "CDAB", "BADC", "DCBA"]
        guard let order = ByteOrder(text.string), order.width == width,
            width != 4 || common.contains(text)
        else {
            problems.error(
                field.place,
                "\"\(text.prefix(20))\" is no byte order for \(site.type.rawValue); it must be \(allowed)"
            )
            return nil
        }
        return order
    }

    /// Letters of an order for this place; 0 where there is none.
    private func orderWidth(_ site: PointSite) -> Int {
        let bytes = site.table == .frame ? site.length : 2 * site.length
        switch site.type {
        case .string, .hex: return 2
        case .datetime: return site.coding.layout?.isNumber == false ? 2 : bytes
        case .m10k, .version: return bytes
        case .bits: return [1: 2, 2: 4, 4: 8][(bytes + 1) / 2] ?? 0
        case .uint24, .int24, .bcd24: return site.table == .frame ? 3 : 4
        default: return site.type.width ?? 0
        }
    }

    func readByte(_ cursor: inout ObjectCursor, _ site: PointSite) -> RegisterByte {
        guard let field = cursor.take("byte") else { return .low }
        guard site.table.isRegisters, site.type.isPartOfRegisters else {
            problems.error(
                field.keyPlace,
                "\"byte\" is for 8 and 24 bits in registers, not for \(site.type.rawValue)")
            return .low
        }
        return cursor.choice("byte", default: RegisterByte.low)
    }
}

extension RegisterByte: CaseIterable {
    package static var allCases: [RegisterByte] { [.high, .low] }
}
