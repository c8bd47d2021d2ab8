import Base
import Platform

/// The calls on the open descriptor of a line: a terminal, or a connection.
enum LineAccess {
    case terminal, connection

    init(_ settings: LineSettings) { self = settings.isNetwork ? .connection : .terminal }

    /// Opens the line. Blocks: call it on a worker.
    static func open(_ settings: LineSettings) throws(LineFailure) -> OpenLine {
        guard case .network(let address) = settings.device else {
            return try SerialPort.open(settings)
        }
        let socket = try NetworkLine.connect(address)
        if address.scheme == .rfc2217 { try ComPortOpener.set(socket, settings) }
        return OpenLine(
            descriptor: socket,
            facts: LineFacts(path: address.text, isPseudoTerminal: false, isNetwork: true))
    }

    /// Makes a connection again that the other end has closed. Blocks: call it on a worker.
    static func reopen(_ settings: LineSettings) throws(LineFailure) -> OwnedFD {
        guard case .network(let address) = settings.device else {
            throw LineFailure(.other, "only a connection is made again")
        }
        let socket = try NetworkLine.reconnect(address)
        if address.scheme == .rfc2217 { try ComPortOpener.set(socket, settings) }
        return socket
    }

    func close(_ descriptor: consuming OwnedFD) {
        switch self {
        case .terminal: SerialPort.close(descriptor)
        case .connection: descriptor.close()
        }
    }

    func read(_ descriptor: borrowing OwnedFD, into buffer: inout [UInt8]) -> Transfer {
        switch self {
        case .terminal: SerialPort.read(descriptor, into: &buffer)
        case .connection: NetworkLine.read(descriptor, into: &buffer)
        }
    }

    func write(_ descriptor: borrowing OwnedFD, _ bytes: ArraySlice<UInt8>) -> Transfer {
        switch self {
        case .terminal: SerialPort.write(descriptor, bytes)
        case .connection: NetworkLine.write(descriptor, bytes)
        }
    }

    /// Bytes that the line still has to send; 0 for a connection, which ends if it is stuck
    /// (TCP_USER_TIMEOUT).
    func outputPending(_ descriptor: borrowing OwnedFD) -> Int {
        self == .terminal ? SerialPort.outputPending(descriptor) ?? 0 : 0
    }

    /// Whether everything has left; nil for a connection.
    func hasSentAll(_ descriptor: borrowing OwnedFD) -> Bool? {
        self == .terminal ? SerialPort.hasSentAll(descriptor) : nil
    }

    func errors(_ descriptor: borrowing OwnedFD) -> LineErrors? {
        self == .terminal ? SerialPort.errors(descriptor) : nil
    }
}
