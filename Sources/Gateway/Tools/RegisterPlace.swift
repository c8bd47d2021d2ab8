import Base

/// `holding:0x10:4`: a table, a zero-based protocol address and how many registers or bits.
package struct RegisterPlace: Hashable, Sendable {
    package var table: Table
    package var address: Int
    /// Nil if it was not said.
    package var count: Int?

    /// A sentence for the person who typed it, ending in what to write.
    package struct Problem: Error, Hashable, Sendable {
        package var message: String
        package init(message: String) { self.message = message }
    }

    package init(table: Table, address: Int, count: Int? = nil) {
        self.table = table
        self.address = address
        self.count = count
    }

    private static let tables = ["coil", "discrete", "input", "holding"]

    package init(_ text: String) throws(Problem) {
        let shown = Notice.printable(text)
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count) else { throw Self.missingParts(shown, parts) }
        guard Self.tables.contains(parts[0]), let table = Table(rawValue: parts[0]) else {
            let near = Suggestion.clause(for: parts[0], in: Self.tables)
            throw Problem(
                message:
                    "\"\(Notice.printable(parts[0]))\" is no table; it must be coil, discrete, input or "
                    + "holding\(near)")
        }
        guard let address = Self.number(parts[1]), address >= 0 else {
            throw Problem(
                message:
                    "\"\(Notice.printable(parts[1]))\" is no address; write \(table.rawValue):0")
        }
        if !parts[1].lowercased().hasPrefix("0x"),
            let (meant, place) = RegisterReference.mistaken(address, in: table)
        {
            let escape =
                address <= 65_535
                ? "; if \(address) really is the protocol address, write 0x"
                    + String(address, radix: 16, uppercase: true) : ""
            throw Problem(
                message:
                    "\(address) is a reference that counts from 1; write the zero-based address "
                    + "\(meant.rawValue):\(place)\(escape)")
        }
        guard address <= 65_535 else {
            throw Problem(message: "the address \(address) is above the last one, 65535")
        }
        var count: Int?
        if parts.count == 3 {
            let limit = table.isBits ? 2000 : 125
            guard let given = Self.number(parts[2]), (1...Int64(limit)).contains(given) else {
                throw Problem(
                    message:
                        "one request reads 1 to \(limit) \(table.isBits ? "bits" : "registers"), not "
                        + "\"\(Notice.printable(parts[2]))\"")
            }
            guard address + given <= 65_536 else {
                throw Problem(
                    message: "\(given) from \(address) on end above the last address, 65535")
            }
            count = Int(given)
        }
        self.init(table: table, address: Int(address), count: count)
    }

    package var description: String {
        "\(table.rawValue):\(address)" + (count.map { ":\($0)" } ?? "")
    }

    private static func missingParts(_ shown: String, _ parts: [String]) -> Problem {
        if parts.count == 1, let value = number(parts[0]),
            let (meant, address) = RegisterReference.place(value)
        {
            return Problem(
                message:
                    "\(value) is a reference that counts from 1; write \(meant.rawValue):\(address)"
            )
        }
        return Problem(
            message:
                "\"\(shown)\" is no place; write TABLE:ADDRESS or TABLE:ADDRESS:COUNT, such as holding:0"
        )
    }

    /// Decimal, or hexadecimal after 0x.
    private static func number(_ text: String) -> Int64? {
        guard text.utf8.count <= 12 else { return nil }
        return text.lowercased().hasPrefix("0x") ? Int64(text.dropFirst(2), radix: 16) : Int64(text)
    }
}
