/// A sub-function of Diagnostics, function 8 (Application Protocol V1.1b3, section 6.8.1).
package struct DiagnosticFunction: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let returnQueryData = DiagnosticFunction(rawValue: 0)
    /// Data 0xFF00 clears the event log too. The only one that ends listen-only mode.
    package static let restartCommunications = DiagnosticFunction(rawValue: 1)
    package static let returnDiagnosticRegister = DiagnosticFunction(rawValue: 2)
    /// The new delimiter is the high byte of the data.
    package static let changeASCIIDelimiter = DiagnosticFunction(rawValue: 3)
    /// No reply comes, to this request or to any after it.
    package static let forceListenOnly = DiagnosticFunction(rawValue: 4)
    package static let clearCounters = DiagnosticFunction(rawValue: 10)
    package static let busMessageCount = DiagnosticFunction(rawValue: 11)
    package static let busCommunicationErrorCount = DiagnosticFunction(rawValue: 12)
    package static let busExceptionErrorCount = DiagnosticFunction(rawValue: 13)
    package static let serverMessageCount = DiagnosticFunction(rawValue: 14)
    package static let serverNoResponseCount = DiagnosticFunction(rawValue: 15)
    package static let serverNAKCount = DiagnosticFunction(rawValue: 16)
    package static let serverBusyCount = DiagnosticFunction(rawValue: 17)
    package static let busCharacterOverrunCount = DiagnosticFunction(rawValue: 18)
    package static let clearOverrunCounter = DiagnosticFunction(rawValue: 20)

    /// In the order of the specification.
    package static let all: [DiagnosticFunction] = [
        .returnQueryData, .restartCommunications, .returnDiagnosticRegister, .changeASCIIDelimiter,
        .forceListenOnly, .clearCounters, .busMessageCount, .busCommunicationErrorCount,
        .busExceptionErrorCount, .serverMessageCount, .serverNoResponseCount, .serverNAKCount,
        .serverBusyCount, .busCharacterOverrunCount, .clearOverrunCounter,
    ]

    /// The reply's data are the request's.
    package var echoes: Bool {
        switch self {
        case .returnQueryData, .restartCommunications, .changeASCIIDelimiter, .clearCounters,
            .clearOverrunCounter:
            true
        default: false
        }
    }

    /// The specification's name in lower case, as a table prints it.
    package var description: String {
        switch self {
        case .returnQueryData: "return query data"
        case .restartCommunications: "restart communications option"
        case .returnDiagnosticRegister: "return diagnostic register"
        case .changeASCIIDelimiter: "change ASCII input delimiter"
        case .forceListenOnly: "force listen only mode"
        case .clearCounters: "clear counters and diagnostic register"
        case .busMessageCount: "bus message count"
        case .busCommunicationErrorCount: "bus communication error count"
        case .busExceptionErrorCount: "bus exception error count"
        case .serverMessageCount: "server message count"
        case .serverNoResponseCount: "server no response count"
        case .serverNAKCount: "server NAK count"
        case .serverBusyCount: "server busy count"
        case .busCharacterOverrunCount: "bus character overrun count"
        case .clearOverrunCounter: "clear overrun counter and flag"
        default: "sub-function \(rawValue)"
        }
    }
}
