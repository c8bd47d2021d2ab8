import Adapter
import Base

/// Where a point is and which type it has there.
extension ConfigurationReader {
    private static let tables: [Table] = [.coil, .discrete, .input, .holding]

    func readRegisterSite(_ cursor: inout ObjectCursor, in context: NodeContext) -> PointSite? {
        let given = Self.tables.compactMap { table in cursor.take(ByteString(table.rawValue)).map { (table, $0) } }
        let type = readType(&cursor, default: cursor.has("bits") ? .bits : nil)
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
            _ = readLength(&cursor, type: type ?? .uint16, limit: context.maxRegisters)
            return nil
        }
        if given.count > 1 {
            problems.error(
                given[1].1.keyPlace,
                "\(cursor.what) has two places: \"\(table.rawValue)\" and \"\(given[1].0.rawValue)\"")
        }
        let chosen = type ?? (table.isBits ? .bool : .uint16)
        if table.isBits, chosen != .bool, let place = (cursor.take("type") ?? cursor.take("bits"))?.place {
            problems.error(place, "a \(table.rawValue) is one bit: its type is bool, not \(chosen.rawValue)")
        }
        let length = readLength(&cursor, type: chosen, limit: context.maxRegisters)
        guard let address = readAddress(field, table, cursor).map({ $0 + context.base }) else { return nil }
        let site = PointSite(
            table: table, address: address, type: table.isBits ? .bool : chosen, length: length)
        let count = Point(name: "", table: table, address: address, type: site.type, length: length).count
        if address + count > 65_536 {
            problems.error(
                field.place,
                "\(Plural.text(count, "register")) from \(address) "
                    + "\(Plural.form(count, "ends", "end")) above the last address, 65535")
            return nil
        }
        if count > context.maxRegisters, table.isRegisters {
            problems.error(
                field.place,
                "\(cursor.what) needs \(count) registers in one read; this node allows "
                    + "\(context.maxRegisters)")
        }
        checkReadable(table, address, count, at: field, cursor.what, context.ranges)
        return site
    }

    func readType(_ cursor: inout ObjectCursor, default standard: ValueType?) -> ValueType? {
        guard cursor.has("type") else {
            _ = cursor.take("type")
            return standard
        }
        return cursor.choice("type", default: standard ?? .uint16)
    }

    /// Registers (bytes in a frame) of a string or of bits.
    func readLength(_ cursor: inout ObjectCursor, type: ValueType, limit: Int) -> Int {
        guard let field = cursor.take("length") else {
            if type == .string {
                problems.error(
                    cursor.place, "\"length\" is missing in \(cursor.what): how long is the string?")
            }
            return 1
        }
        guard type.width == nil else {
            problems.error(
                field.keyPlace, "\"length\" is for string and bits; a \(type.rawValue) has its own")
            return 1
        }
        return cursor.integer(of: field, in: 1...(type == .bits ? min(4, limit) : limit)) ?? 1
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
            let escape = value <= 65_535 ? "; if \(value) really is the protocol address, write \(hex)" : ""
            problems.error(
                field.place,
                "\(value) is a reference that counts from 1; write the zero-based address \(meant.rawValue): "
                    + "\(address)\(escape)")
            return nil
        }
        return cursor.integer(of: field, in: 0...65_535)
    }

    func readOrder(_ cursor: inout ObjectCursor, _ site: PointSite) -> ByteOrder? {
        guard let field = cursor.take("order"), let text = cursor.string(of: field) else { return nil }
        let allowed: String
        let width: Int
        switch (site.type, site.type.width) {
        case (.string, _): (allowed, width) = ("\"AB\" or \"BA\"", 2)
        case (.bits, _):
            width = [1: 2, 2: 4, 4: 8][site.table == .frame ? (site.length + 1) / 2 : site.length] ?? 0
            allowed = "\(width) letters from A"
        case (_, 2): (allowed, width) = ("\"AB\" or \"BA\"", 2)
        case (_, 4): (allowed, width) = ("\"ABCD\", \"CDAB\", \"BADC\" or \"DCBA\"", 4)
        case (_, 8): (allowed, width) = ("the eight letters A to H, such as \"ABCDEFGH\" or \"GHEFCDAB\"", 8)
        default:
            problems.error(field.keyPlace, "\"order\" has no meaning for \(site.type.rawValue)")
            return nil
        }
        let common: Set<ByteString> = ["ABCD", "CDAB", "BADC", "DCBA"]
        guard let order = ByteOrder(text.string), order.width == width, width != 4 || common.contains(text) else {
            problems.error(
                field.place,
                "\"\(text.prefix(20))\" is no byte order for \(site.type.rawValue); it must be \(allowed)")
            return nil
        }
        return order
    }

    func readByte(_ cursor: inout ObjectCursor, _ site: PointSite) -> RegisterByte {
        guard let field = cursor.take("byte") else { return .low }
        guard site.table.isRegisters, site.type == .uint8 || site.type == .int8 else {
            problems.error(
                field.keyPlace, "\"byte\" is for uint8 and int8 in a register, not for \(site.type.rawValue)")
            return .low
        }
        return cursor.choice("byte", default: RegisterByte.low)
    }
}

extension RegisterByte: CaseIterable {
    package static var allCases: [RegisterByte] { [.high, .low] }
}
