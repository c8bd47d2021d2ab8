import Base
import Modbus

/// How the good replies to a request look, as far as two of them can be taken for each other.
struct ReplyShape: Hashable, Sendable {
    let function: FunctionCode
    /// Bytes of the PDU; nil if only the reply itself can tell.
    let length: Int?
    /// The whole PDU, where the request determines it: the echo of a write or of function 8.
    private let echo: [UInt8]?

    init(_ request: Request) {
        function = request.function
        length = request.replyLength
        echo =
            switch request {
            case .writeCoil, .writeRegister, .maskWrite: request.pdu
            case .writeCoils, .writeRegisters: Array(request.pdu.prefix(5))
            case .diagnose(let function, _): function.echoes ? request.pdu : nil
            default: nil
            }
    }

    /// The shape of a planned read, without its request.
    init(_ function: FunctionCode, length: Int) {
        self.function = function
        self.length = length
        echo = nil
    }

    /// Function 8, whose data no two requests share.
    var isProbe: Bool { function == .diagnostics && echo != nil }

    /// A good reply of one may pass for a good reply of the other.
    func isConfusable(with other: ReplyShape) -> Bool {
        guard function == other.function else { return false }
        if let echo, let known = other.echo { return echo == known }
        guard let length, let known = other.length else { return true }
        return length == known
    }

    /// The PDU may be a reply of this shape, or an exception to its function.
    func fits(_ pdu: ArraySlice<UInt8>) -> Bool {
        guard let code = pdu.first, code & ~FunctionCode.exceptionBit == function.rawValue else {
            return false
        }
        if code & FunctionCode.exceptionBit != 0 { return true }
        if let echo { return pdu.elementsEqual(echo) }
        return length.map { $0 == pdu.count } ?? true
    }
}
