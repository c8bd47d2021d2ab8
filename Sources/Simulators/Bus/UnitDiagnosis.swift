import Base
import Modbus

/// Counts of messages and errors on a simulated line.
struct LineCount: Sendable {
    /// Sound messages, whoever they were for.
    var messages = 0
    /// Frames with a bad checksum or cut short.
    var errors = 0
}

/// Counters of a unit's communication, which it reports with functions 8, 11 and 12 (Application
/// Protocol V1.1b3, sections 6.8 to 6.10).
struct UnitDiagnosis: Sendable {
    /// Byte 0 is the latest event.
    private var log: [UInt8] = []
    private static let logMax = 64
    private var events: UInt16 = 0
    /// The line's counts when this unit's were cleared.
    private var cleared = LineCount()
    private var exceptions: UInt16 = 0
    private var heard: UInt16 = 0
    private var unanswered: UInt16 = 0
    private var refused: UInt16 = 0
    private var busy: UInt16 = 0
    private(set) var isListenOnly = false
    /// The message at hand begins or ends listen-only mode: it is carried out and not answered.
    private(set) var suppressesReply = false

    mutating func hear(isBroadcast: Bool) {
        suppressesReply = false
        heard &+= 1
        record(0x80 | (isListenOnly ? 0x20 : 0) | (isBroadcast ? 0x40 : 0))
    }

    private mutating func record(_ event: UInt8) {
        log.insert(event, at: 0)
        if log.count > Self.logMax { log.removeLast() }
    }

    /// The answer to functions 8, 11 and 12; nil for any other.
    mutating func answer(
        _ request: Request, _ functions: BusUnitFunctions, _ line: LineCount
    ) throws(ExceptionCode) -> Response? {
        switch request {
        case .diagnose, .getEventCounter, .getEventLog:
            guard functions.diagnostics else { throw .illegalFunction }
        default: return nil
        }
        if isListenOnly, request.diagnosticFunction != .restartCommunications { return nil }
        switch request {
        case .diagnose(let function, let word): return try diagnose(function, word, line)
        case .getEventCounter: return .eventCounter(isBusy: false, events: events)
        default:
            return .eventLog(
                isBusy: false, events: events,
                messages: UInt16(truncatingIfNeeded: line.messages - cleared.messages), log)
        }
    }

    private mutating func diagnose(
        _ function: DiagnosticFunction, _ word: UInt16, _ line: LineCount
    ) throws(ExceptionCode) -> Response {
        func since(_ count: Int, _ start: Int) -> UInt16 {
            UInt16(truncatingIfNeeded: count - start)
        }
        let answer: UInt16
        switch function {
        case .returnQueryData, .changeASCIIDelimiter, .clearOverrunCounter: answer = word
        case .restartCommunications:
            guard word == 0 || word == 0xFF00 else { throw .illegalDataValue }
            suppressesReply = isListenOnly
            isListenOnly = false
            clear(line)
            if word == 0xFF00 { log = [] }
            record(0)
            answer = word
        case .forceListenOnly:
            isListenOnly = true
            suppressesReply = true
            record(4)
            answer = word
        case .clearCounters:
            clear(line)
            answer = word
        case .busMessageCount: answer = since(line.messages, cleared.messages)
        case .busCommunicationErrorCount: answer = since(line.errors, cleared.errors)
        case .busExceptionErrorCount: answer = exceptions
        case .serverMessageCount: answer = heard
        case .serverNoResponseCount: answer = unanswered
        case .serverNAKCount: answer = refused
        case .serverBusyCount: answer = busy
        case .returnDiagnosticRegister, .busCharacterOverrunCount: answer = 0
        default: throw .illegalFunction
        }
        return .diagnosed(function, answer)
    }

    private mutating func clear(_ line: LineCount) {
        cleared = line
        (events, exceptions, heard, unanswered, refused, busy) = (0, 0, 0, 0, 0, 0)
    }

    /// Notes the response that was sent, or that none was.
    mutating func note(_ response: Response?, to function: FunctionCode) {
        guard let response else {
            unanswered &+= 1
            return
        }
        guard case .exception(_, let code) = response else {
            if function != .getCommEventCounter, function != .getCommEventLog { events &+= 1 }
            record(0x40)
            return
        }
        exceptions &+= 1
        switch code.rawValue {
        case 1...3: record(0x41)
        case 4: record(0x42)
        case 5, 6:
            busy &+= 1
            record(0x44)
        case 7:
            refused &+= 1
            record(0x48)
        default: record(0x40)
        }
    }
}

extension Request {
    fileprivate var diagnosticFunction: DiagnosticFunction? {
        if case .diagnose(let function, _) = self { function } else { nil }
    }
}
