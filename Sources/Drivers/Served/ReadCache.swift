import Base
import Modbus

/// Values as they were last read on a line, for requests that take a value of a certain age. None
/// is older than `maxAge`, and none was read before a write to its unit.
struct ReadCache: Sendable {
    private struct Block: Sendable {
        let table: Table
        let address: Int
        let count: Int
        let bytes: [UInt8]
        let at: Instant

        func covers(_ place: Int, of table: Table) -> Bool {
            self.table == table && address <= place && place < address + count
        }
    }

    /// Blocks of one unit; the oldest goes first.
    private static let blocksMax = 64

    private let maxAge: Duration
    private var units: [UnitID: [Block]] = [:]
    /// When a unit was last written to, or may have been.
    private var writes: [UnitID: Instant] = [:]

    init(maxAge: Duration) { self.maxAge = maxAge }

    var isOn: Bool { maxAge > .zero }

    mutating func removeAll() { units.removeAll() }

    mutating func note(_ reading: Reading) {
        guard isOn else { return }
        for part in reading.parts {
            guard case .success(let bytes) = part.result, part.table != .frame else { continue }
            note(reading.address.unit, part.table, part.address, part.count, bytes, part.at.instant)
        }
    }

    mutating func note(
        _ unit: UnitID, _ table: Table, _ address: Int, _ count: Int, _ bytes: [UInt8],
        _ at: Instant
    ) {
        let isWhole = bytes.count == (table.isBits ? (count + 7) / 8 : 2 * count)
        guard isOn, isWhole, at > writes[unit] ?? .zero, at > writes[.broadcast] ?? .zero else {
            return
        }
        var blocks = units[unit] ?? []
        blocks.removeAll { old in
            at - old.at > maxAge
                || old.table == table && old.at <= at && address <= old.address
                    && old.address + old.count <= address + count
        }
        if blocks.count == Self.blocksMax { blocks.removeFirst() }
        blocks.append(Block(table: table, address: address, count: count, bytes: bytes, at: at))
        units[unit] = blocks
    }

    /// A request goes out at `now`, or has ended then, that may change what a unit holds.
    mutating func wrote(_ unit: UnitID, at now: Instant) {
        guard isOn else { return }
        writes[unit] = now
        if unit.isBroadcast { units.removeAll() } else { units[unit] = nil }
    }

    /// The reply to a read of which every item is known; nil: the line must be asked.
    func reply(to request: Request, of unit: UnitID, at now: Instant) -> [UInt8]? {
        guard isOn, case .read(let function, let address, let count) = request,
            let table = Table.read(by: function), let blocks = units[unit]
        else { return nil }
        let end = Int(address) + Int(count)
        var place = Int(address)
        var (bytes, bits): ([UInt8], [Bool]) = ([], [])
        while place < end {
            let known = blocks.filter { $0.covers(place, of: table) && now - $0.at <= maxAge }
                .max { $0.at < $1.at }
            guard let known else { return nil }
            let (from, taken) = (
                place - known.address, min(end, known.address + known.count) - place
            )
            if table.isBits {
                bits += Bits.unpack(known.bytes[...], count: from + taken).dropFirst(from)
            } else {
                bytes += known.bytes[2 * from..<2 * (from + taken)]
            }
            place += taken
        }
        return Response.read(function, table.isBits ? Bits.pack(bits) : bytes).pdu
    }
}

extension Table {
    /// The table that a function code reads; nil for others than 1 to 4.
    static func read(by function: FunctionCode) -> Table? {
        switch function {
        case .readCoils: .coil
        case .readDiscreteInputs: .discrete
        case .readHoldingRegisters: .holding
        case .readInputRegisters: .input
        default: nil
        }
    }
}
