import Base
import Modbus

/// Requests of another master and how often it sends them, added up: the start of a configuration
/// for its successor. Bounded: more than `rowsMax` different requests are only counted.
package struct Traffic: Sendable {
    package static let rowsMax = 2000

    package struct Key: Hashable, Comparable, Sendable {
        package var unit: UInt8
        package var function: UInt8
        package var address: UInt16
        package var count: UInt16

        package static func < (left: Key, right: Key) -> Bool {
            (left.unit, left.function, left.address, left.count) < (
                right.unit, right.function, right.address, right.count
            )
        }
    }

    package struct Row: Hashable, Sendable {
        package var asked = 0
        package var answered = 0
        package var refused = 0
        package var silent = 0
        package var damaged = 0
        package var first: Instant
        package var last: Instant
        package var slowest: Duration?
        package var lastException: UInt8?

        /// From one time to the next; nil after only one.
        package var interval: Duration? { asked > 1 ? (last - first) / (asked - 1) : nil }
    }

    package private(set) var rows: [Key: Row] = [:]
    package private(set) var exchanges = 0
    package private(set) var replies = 0
    package private(set) var noise = 0
    package private(set) var noiseBytes = 0
    package private(set) var overflow = 0

    package init() {}

    package mutating func note(_ heard: Overheard) {
        switch heard.content {
        case .noise(let bytes, _):
            noise += 1
            noiseBytes += bytes.count
        case .reply: replies += 1
        case .exchange(let unit, let request, let outcome, let turnaround):
            exchanges += 1
            let key = Self.key(unit, request)
            guard rows[key] != nil || rows.count < Self.rowsMax else {
                overflow += 1
                return
            }
            var row = rows[key] ?? Row(first: heard.at.instant, last: heard.at.instant)
            row.asked += 1
            row.last = heard.at.instant
            switch outcome {
            case .answer(.exception(_, let code)):
                row.refused += 1
                row.lastException = code.rawValue
            case .answer, .broadcast: row.answered += 1
            case .silence: row.silent += 1
            case .damaged: row.damaged += 1
            }
            if let turnaround { row.slowest = max(row.slowest ?? .zero, turnaround) }
            rows[key] = row
        }
    }

    private static func key(_ unit: UInt8, _ request: Request) -> Key {
        var (address, count): (UInt16, UInt16) = (0, 0)
        switch request {
        case .read(_, let place, let length): (address, count) = (place, length)
        case .writeCoil(let place, _), .writeRegister(let place, _): (address, count) = (place, 1)
        case .writeCoils(let place, let values):
            (address, count) = (place, UInt16(clamping: values.count))
        case .writeRegisters(let place, let values):
            (address, count) = (place, UInt16(clamping: values.count))
        case .maskWrite(let place, _, _): (address, count) = (place, 1)
        case .readWrite(let place, let length, _, _): (address, count) = (place, length)
        default: break
        }
        return Key(unit: unit, function: request.function.rawValue, address: address, count: count)
    }

    /// The table that a function reads; nil for one that does something else.
    package static func table(_ function: FunctionCode) -> Table? {
        switch function {
        case .readCoils: .coil
        case .readDiscreteInputs: .discrete
        case .readInputRegisters: .input
        case .readHoldingRegisters: .holding
        default: nil
        }
    }
}
