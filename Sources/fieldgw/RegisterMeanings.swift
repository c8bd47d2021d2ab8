import Adapter
import Base
import Gateway
import Platform

/// Table of all that a few registers can mean: for a manual that does not say, or is wrong.
enum RegisterMeanings {
    private static let orders16 = ["AB", "BA"]
    private static let orders32 = ["ABCD", "CDAB", "BADC", "DCBA"]
    private static let orders64 = ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"]
    /// Types by the number of registers that they take.
    private static let types: [(registers: Int, types: [ValueType], orders: [String])] = [
        (1, [.uint16, .int16, .bcd16, .float16], orders16),
        (2, [.uint32, .int32, .float32, .bcd32], orders32),
        (4, [.uint64, .int64, .float64], orders64),
    ]

    static func table(_ exchange: RegisterExchange, _ read: RegisterExchange.Read) -> String {
        guard !exchange.codec.table.isBits else { return exchange.table(read, isTyped: false) }
        var rows: [[String]] = []
        for (registers, types, orders) in Self.types {
            for start in stride(from: 0, to: exchange.codec.count, by: registers)
            where start + registers <= exchange.codec.count {
                let bytes = Array(read.bytes.dropFirst(2 * start).prefix(2 * registers))
                let place = RegisterPlace(
                    table: exchange.codec.table, address: exchange.codec.address + start,
                    count: registers)
                let hex = stride(from: 0, to: bytes.count, by: 2).map { offset in
                    RegisterExchange.hex(UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1]))
                }
                for type in types {
                    for order in orders {
                        guard let cell = reading(of: bytes, place, type, order) else { continue }
                        rows.append([
                            "\(place.address)", hex.joined(separator: " "), type.rawValue, order,
                            cell,
                        ])
                    }
                }
            }
        }
        let columns = [
            TextTable.Column(exchange.codec.table.rawValue, isNumber: true),
            TextTable.Column("hex", rank: 1), TextTable.Column("type"), TextTable.Column("order"),
            TextTable.Column("value", isNumber: true),
        ]
        return TextTable(columns, rows).text
    }

    /// The value as JSON text; nil where the registers are no such value.
    private static func reading(
        of bytes: [UInt8], _ place: RegisterPlace, _ type: ValueType, _ order: String
    ) -> String? {
        guard let codec = try? RegisterCodec(place, type: type, order: order),
            let value = codec.values(bytes, at: Clock.now()).first,
            case .success(let text) = value.json
        else { return nil }
        return text
    }
}
