import Base

/// References in the style of 40001, as many manuals print them: they count from 1, and their first
/// digit is the table.
package enum RegisterReference {
    /// Table and zero-based address of a five- or six-digit reference.
    package static func place(_ value: Int64) -> (table: Table, address: Int64)? {
        let tables: [(Int64, Table)] = [(1, .discrete), (3, .input), (4, .holding)]
        for (digit, table) in tables {
            if (digit * 10_000 + 1...digit * 10_000 + 9999).contains(value) {
                return (table, value - digit * 10_000 - 1)
            }
            if (digit * 100_000 + 1...digit * 100_000 + 65_536).contains(value) {
                return (table, value - digit * 100_000 - 1)
            }
        }
        return nil
    }

    /// Place that was meant, if `value` was hardly meant as a protocol address of `table`. A number
    /// of six digits is no address at all. One of five digits is: 30001 is a plausible holding
    /// register of many inverters, and 10001 a plausible coil or register. But 40001 is the classic
    /// mistake.
    package static func mistaken(_ value: Int64, in table: Table) -> (table: Table, address: Int64)?
    {
        guard let (meant, address) = place(value),
            value > 65_535 || meant == table || (meant == .holding && table == .input)
        else { return nil }
        return (meant, address)
    }
}
