import Base
import Modbus

/// Share of a line for other masters, and how old an answer may be that costs no line time.
package struct ServeSettings: Hashable, Sendable {
    /// Part of the line's time that other masters may take, above 0 to 1.
    package var budget: Double
    /// Age of a value up to which it is answered without the line; zero: never.
    package var maxAge: Duration

    package init(budget: Double = 0.3, maxAge: Duration = .zero) {
        self.budget = budget
        self.maxAge = maxAge
    }
}

/// Request of another master.
package struct ServedRequest: Hashable, Sendable {
    /// The same in its reply.
    package var id: UInt64
    package var client: ConnectionID
    package var unit: UnitID
    package var request: Request

    package init(id: UInt64, client: ConnectionID, unit: UnitID, _ request: Request) {
        self.id = id
        self.client = client
        self.unit = unit
        self.request = request
    }
}

/// Answer to a `ServedRequest`.
package struct ServedReply: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// The unit has answered, perhaps with an exception.
        case line
        /// A value that was read before, not older than `maxAge`.
        case cache
        /// Exception 6: the budget, or what our own reads leave, was not enough in time.
        case busy
        /// Exception 0x0A: the line is closed or paused.
        case closed
        /// Exception 0x0B: the unit was silent, or its answer was damaged.
        case silent
    }

    package var id: UInt64
    /// Function code and data.
    package var pdu: [UInt8]
    package var source: Source
    /// Time that its exchange has taken from the line.
    package var lineTime = Duration.zero
}

extension DiagnosticFunction {
    /// True if it only asks: others clear counters, restart a unit or make it listen only.
    package var isQuery: Bool {
        self == .returnQueryData || self == .returnDiagnosticRegister
            || (11...18).contains(rawValue)
    }
}

extension Request {
    /// The unit's values do not change by it.
    package var isRead: Bool {
        switch self {
        case .read, .readExceptionStatus, .getEventCounter, .getEventLog, .reportServerID,
            .readFile, .readFIFO, .identify:
            true
        case .diagnose(let function, _): function.isQuery
        default: false
        }
    }

    /// Place of a table that it writes.
    package var written: (table: Table, address: Int, count: Int)? {
        switch self {
        case .writeCoil(let address, _): (.coil, Int(address), 1)
        case .writeCoils(let address, let values): (.coil, Int(address), values.count)
        case .writeRegister(let address, _), .maskWrite(let address, _, _):
            (.holding, Int(address), 1)
        case .writeRegisters(let address, let values),
            .readWrite(_, _, let address, let values):
            (.holding, Int(address), values.count)
        default: nil
        }
    }

    /// PDU of an exception to it.
    package func refused(_ code: ExceptionCode) -> [UInt8] {
        Response.exception(function, code).pdu
    }

    /// PDU of a reply that acknowledges a write to all units, which nobody answers.
    var acknowledgement: [UInt8] {
        switch self {
        case .writeCoils, .writeRegisters: Array(pdu.prefix(5))
        default: pdu
        }
    }
}
