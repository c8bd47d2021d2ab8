/// One thing to do with one unit, with what is needed to check it. Comes down the road as the
/// answer to a command, a person at the control socket or a rule of the configuration, and goes
/// back up as an `Outcome` with the same `id`.
package struct Order: Hashable, Sendable {
    package enum Data: Hashable, Sendable {
        case registers([UInt16])
        case bits([Bool])
        /// Of consecutive registers the bits in `mask` become those of `value`; the others stay.
        case masked(mask: [UInt16], value: [UInt16])
        /// A function code and its data as on the wire; what comes back is the reply's data, in the
        /// table `frame`. `table` and `start` say nothing.
        case custom(function: UInt8, [UInt8])
        /// Writes nothing: the items are only read, from any table.
        case nothing(count: Int)

        package var count: Int {
            switch self {
            case .registers(let values): values.count
            case .bits(let values): values.count
            case .masked(let mask, _): mask.count
            case .custom: 0
            case .nothing(let count): count
            }
        }
    }

    package var id: UInt64
    package var address: Address
    package var table: Table
    package var start: Int
    package var data: Data
    /// The Modbus function that writes: 5 or 15, 6 or 16. For `.masked` 22, or 6 and 16 to read,
    /// change and write. Nil takes the usual one for the number of items; bits of a register then
    /// go by 22, and where the unit does not know that by reading, changing and writing.
    package var function: UInt8?
    /// Read the same place afterwards and return it in the outcome.
    package var readBack: Bool
    /// Requires the value read back to be the value written.
    package var compare: Bool
    /// From a person at this machine: the unit need not be one of the configuration.
    package var isManual: Bool
    /// Not begun by then, it fails with `.expired`.
    package var expires: Instant

    package init(
        id: UInt64, address: Address, table: Table, start: Int, data: Data, function: UInt8? = nil,
        readBack: Bool = true, compare: Bool = true, isManual: Bool = false, expires: Instant
    ) {
        self.id = id
        self.address = address
        self.table = table
        self.start = start
        self.data = data
        self.function = function
        self.readBack = readBack
        self.compare = compare
        self.isManual = isManual
        self.expires = expires
    }

    /// Whether the bytes that were read back are what was written, bit for bit.
    package func isConfirmed(by bytes: [UInt8]) -> Bool {
        switch data {
        case .registers(let values):
            return bytes.elementsEqual(values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
        case .bits(let values):
            return values.indices.allSatisfy {
                $0 / 8 < bytes.count && (bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1) == values[$0]
            }
        case .masked(let mask, let value):
            guard bytes.count == 2 * mask.count, value.count == mask.count else { return false }
            return mask.indices.allSatisfy {
                let found = UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1])
                return (found ^ value[$0]) & mask[$0] == 0
            }
        case .custom, .nothing: return true
        }
    }
}

/// Result of an `Order`.
package struct Outcome: Hashable, Sendable {
    package enum Failure: Hashable, Sendable, Error {
        case read(ReadFailure), expired, unknownUnit, busy
        /// The port is lent to another program for a while.
        case paused
    }

    package var id: UInt64
    /// The bytes read back (as in `ReadPart`), nil if no read-back was asked for. The part of a
    /// custom function is its reply's data.
    package var result: Result<ReadPart?, Failure>
    package var at: Moment

    package init(id: UInt64, _ result: Result<ReadPart?, Failure>, at: Moment) {
        self.id = id
        self.result = result
        self.at = at
    }
}
