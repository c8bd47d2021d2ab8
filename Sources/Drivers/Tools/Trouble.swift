import Base
import Modbus

/// Why a question was not answered as wished: what a script gets, and a sentence for the person.
package struct Trouble: Error, Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case timeout, exception, checksum, unavailable, denied, usage
    }

    package var kind: Kind
    package var exception: UInt8?
    package var message: String

    package init(_ kind: Kind, _ message: String, exception: UInt8? = nil) {
        self.kind = kind
        self.message = message
        self.exception = exception
    }

    /// Describes why a request to this unit failed; nil if it was carried out.
    package init?(
        _ answer: Conversation.Answer?, unit: UInt8, to request: Request, on line: LineSettings,
        within patience: Duration
    ) {
        switch answer {
        case .sent: return nil
        case .response(.exception(_, let code), _): self = .refusal(code, unit: unit, to: request)
        case .response: return nil
        case .silence(let stray) where stray > 0:
            self.init(
                .timeout,
                "unit \(unit) gave no sound answer at \(line.describe), but "
                    + "\(Plural.text(stray, "byte")) came: is the baud rate or the "
                    + "parity another, or does somebody else talk on this line?")
        case .silence where !line.isSet, nil where !line.isSet:
            self.init(
                .timeout,
                "unit \(unit) did not answer within \(Self.milliseconds(patience)) through "
                    + "\(line.device.text ?? "") (\(line.describe)): check its id, the settings of "
                    + "the line at the converter, and the protocol there (--driver)")
        case .silence, nil:
            self.init(
                .timeout,
                "unit \(unit) did not answer within \(Self.milliseconds(patience)) at \(line.describe): check its id, baud "
                    + "and parity (`fieldgw scan` finds them), its power, and whether A and B are swapped"
            )
        case .damage(let error):
            self.init(.checksum, "the answer of unit \(unit) \(Self.words(error))")
        }
    }

    package static func refusal(_ code: ExceptionCode, unit: UInt8, to request: Request) -> Trouble
    {
        Trouble(
            .exception,
            "unit \(unit) refuses with \(code): \(code.meaning)" + advice(code, request),
            exception: code.rawValue)
    }

    private static func milliseconds(_ time: Duration) -> String { "\(time.milliseconds) ms" }

    private static func advice(_ code: ExceptionCode, _ request: Request) -> String {
        switch code {
        case .illegalFunction:
            switch request {
            case .read(.readHoldingRegisters, _, _):
                return "; its registers may be in the table input"
            case .read(.readInputRegisters, _, _):
                return "; its registers may be in the table holding"
            case .writeCoil, .writeRegister: return "; try --multiple"
            default: return ""
            }
        case .illegalDataAddress:
            return "; manuals often count from 1, the wire counts from 0"
        case .illegalDataValue:
            if case .read(_, _, let count) = request, count > 1 { return "; try fewer at once" }
            return ""
        default: return ""
        }
    }

    private static func words(_ error: FrameError) -> String {
        switch error {
        case .checksum:
            "came damaged (CRC error): noise, a missing termination, or two devices with this id"
        case .incomplete(let received, let expected):
            "broke off after \(received) of \(Plural.text(expected, "byte")): noise, or an adapter that "
                + "switches direction too late"
        case .function(let received, _):
            "is to another question (function \(received)): does another master talk on this line?"
        case .byteCount(let received, let expected):
            "brings \(max(0, received - 2)) instead of \(max(0, expected - 2)) bytes: it may have nothing at these "
                + "addresses, or another master talks on this line"
        case .echo(let field, let received, let expected):
            "confirms \(field == 0 ? "address" : "value") \(received) instead of \(expected)"
        case .unit(let received, _): "came from unit \(received)"
        case .tooLong: "is longer than a frame can be"
        }
    }
}
