import Base
import Modbus

/// Something that was said on a line between others.
package struct Overheard: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case answer(Response)
        case silence
        /// Bytes that would be the reply, damaged.
        case damaged([UInt8])
        /// To all units; nobody answers.
        case broadcast
    }

    package enum Content: Hashable, Sendable {
        /// `turnaround` is nil if request and reply came out of the driver together.
        case exchange(unit: UInt8, Request, Outcome, turnaround: Duration?)
        /// A reply of which the request was not heard.
        case reply(unit: UInt8, pdu: [UInt8])
        /// Bytes that are no sound frame; `looksLike` is the unit if they begin as a frame would.
        case noise([UInt8], looksLike: UInt8?)
    }

    package var content: Content
    /// When its first byte was read.
    package var at: Moment

    package init(content: Content, at: Moment) {
        self.content = content
        self.at = at
    }
}

extension Overheard {
    /// Text for a person: `unit 1  read holding 0 x 10: 100 101 …`.
    package var sentence: String {
        switch content {
        case .exchange(let unit, let request, let outcome, let turnaround):
            let time = turnaround.map { "  (\(Self.milliseconds($0)))" } ?? ""
            let who = unit == 0 ? "all units" : "unit \(unit)"
            return "\(who)  \(Self.words(request))\(Self.words(outcome, request))\(time)"
        case .reply(let unit, let pdu):
            return "unit \(unit)  a reply without its request: \(Hex.encode(pdu.prefix(32)))"
        case .noise(let bytes, let unit):
            let what = unit.map { "damaged, perhaps of unit \($0) (CRC error)" } ?? "no frame"
            return
                "?  \(bytes.count) \(bytes.count == 1 ? "byte" : "bytes"), \(what): \(Hex.encode(bytes.prefix(32)))"
                + (bytes.count > 32 ? " …" : "")
        }
    }

    private static func milliseconds(_ time: Duration) -> String {
        let tenths = time.nanoseconds / 100_000
        return "\(tenths / 10).\(tenths % 10) ms"
    }

    package static func words(_ request: Request) -> String {
        switch request {
        case .read(let function, let address, let count):
            "read \(name(function)) \(address)" + (count > 1 ? " x \(count)" : "")
        case .writeCoil(let address, let on): "write coil \(address) = \(on ? "on" : "off")"
        case .writeRegister(let address, let value): "write holding \(address) = \(value)"
        case .writeCoils(let address, let values):
            "write coil \(address) = \(values.prefix(32).map { $0 ? "1" : "0" }.joined())"
        case .writeRegisters(let address, let values):
            "write holding \(address) = \(values.prefix(32).map { "\($0)" }.joined(separator: " "))"
        default:
            "function \(request.function.rawValue) \(Hex.encode(request.pdu.dropFirst().prefix(16)))"
        }
    }

    private static func name(_ function: FunctionCode) -> String {
        Traffic.table(function)?.rawValue ?? ""
    }

    private static func words(_ outcome: Outcome, _ request: Request) -> String {
        switch outcome {
        case .broadcast: return ""
        case .silence: return ": no answer"
        case .damaged(let bytes):
            return ": damaged answer of \(Plural.text(bytes.count, "byte")) (CRC error)"
        case .answer(.exception(_, let code)): return ": \(code): \(code.meaning)"
        case .answer(let response):
            guard let values = values(response, request) else {
                return response.isRead ? "" : ": done"
            }
            return ": " + values.map { "\($0)" }.joined(separator: " ")
        }
    }

    /// Registers, or bits as 0 and 1, that a read brought; nil for anything else.
    package static func values(_ response: Response, _ request: Request) -> [UInt16]? {
        guard case .read(let function, let bytes) = response, case .read(_, _, let count) = request
        else { return nil }
        if function.readsBits {
            return Bits.unpack(bytes[...], count: Int(count)).map { $0 ? 1 : 0 }
        }
        return stride(from: 0, to: bytes.count - 1, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
    }
}

extension Response {
    fileprivate var isRead: Bool { if case .read = self { true } else { false } }
}
