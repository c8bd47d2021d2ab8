import Modbus

/// Exceptions that can be the answer to a request and to none before it.
package enum AcceptedExceptions: Sendable {
    case all
    /// Those by which a Modbus TCP converter says that a unit is silent: they have the transaction
    /// id of their request.
    case toldSilence
    case none

    /// Those that count beside requests that may still be answered.
    package init(_ areCertain: Bool, isModbusTCP: Bool) {
        self = areCertain ? .all : isModbusTCP ? .toldSilence : .none
    }

    /// False for an exception of another request; true for every other reply.
    func holds(_ response: Response) -> Bool {
        guard case .exception(_, let code) = response else { return true }
        switch self {
        case .all: return true
        case .toldSilence: return code.tellsSilence
        case .none: return false
        }
    }
}
