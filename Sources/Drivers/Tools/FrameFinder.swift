import Base
import Modbus

/// Where a frame is in bytes of unknown meaning: a length that fits a function code's rule, for one
/// direction or the other, and a sound checksum there.
enum FrameFinder {
    enum Role: Hashable, Sendable { case request, reply }

    enum Look: Hashable, Sendable {
        /// A whole and sound frame of so many bytes.
        case frame(length: Int, Role)
        /// It may become one.
        case more
        /// No frame begins here, or none whose length can be told.
        case none
    }

    /// Looks for a frame at the start of `bytes`. While a request awaits its reply, a frame that
    /// answers it is its reply. This decides about a frame that could be both.
    static func look(
        at bytes: ArraySlice<UInt8>, awaiting: (unit: UInt8, request: Request)?
    ) -> Look {
        guard bytes.count >= RTUFrame.shortest else { return .more }
        let unit = bytes[bytes.startIndex]
        let pdu = bytes.dropFirst()
        let reply = length(PDULength.ofReply(pdu))
        let request = unit > 247 ? nil : length(PDULength.ofRequest(pdu))
        var wantsMore = false
        if let reply, let awaiting, awaiting.unit == unit {
            if bytes.count < reply {
                wantsMore = true
            } else if isSound(bytes.prefix(reply)),
                answers(pdu.prefix(reply - RTUFrame.overhead), awaiting.request)
            {
                return .frame(length: reply, .reply)
            }
        }
        if let request {
            if bytes.count < request {
                wantsMore = true
            } else if isRequest(pdu.prefix(request - RTUFrame.overhead), unit),
                isSound(bytes.prefix(request))
            {
                return .frame(length: request, .request)
            }
        }
        if let reply, unit != 0 {
            if bytes.count < reply {
                wantsMore = true
            } else if isReply(pdu.prefix(reply - RTUFrame.overhead)), isSound(bytes.prefix(reply)) {
                return .frame(length: reply, .reply)
            }
        }
        return wantsMore ? .more : .none
    }

    /// A frame whose function code has no rule, but that ends with a sound checksum somewhere.
    static func measure(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= RTUFrame.shortest else { return nil }
        let code = bytes[bytes.startIndex + 1]
        guard code != 0, PDULength.ofRequest(bytes.dropFirst()) == .unknown,
            PDULength.ofReply(bytes.dropFirst()) == .unknown
        else { return nil }
        return (RTUFrame.shortest...min(bytes.count, Limits.adu)).first {
            isSound(bytes.prefix($0))
        }
    }

    /// Where the next sound frame begins, not before the second byte.
    static func search(
        _ bytes: ArraySlice<UInt8>, awaiting: (unit: UInt8, request: Request)?
    ) -> Int? {
        guard bytes.count > RTUFrame.shortest else { return nil }
        return (1...(bytes.count - RTUFrame.shortest)).first { offset in
            if case .frame = look(at: bytes.dropFirst(offset), awaiting: awaiting) {
                true
            } else {
                false
            }
        }
    }

    private static func length(_ rule: PDULength) -> Int? {
        guard case .bytes(let count) = rule, count + RTUFrame.overhead <= Limits.adu else {
            return nil
        }
        return count + RTUFrame.overhead
    }

    private static func isSound(_ frame: ArraySlice<UInt8>) -> Bool {
        do { try RTUFrame.verify(frame) } catch { return false }
        return true
    }

    private static func answers(_ pdu: ArraySlice<UInt8>, _ request: Request) -> Bool {
        guard let code = pdu.first, code & ~FunctionCode.exceptionBit == request.function.rawValue
        else { return false }
        return (try? Response(pdu: pdu, answering: request)) != nil
    }

    /// Well formed; and to everybody only what changes something.
    private static func isRequest(_ pdu: ArraySlice<UInt8>, _ unit: UInt8) -> Bool {
        guard let code = pdu.first, let request = try? Request(pdu: pdu) else { return false }
        if case .read = request, unit == 0 { return false }
        return code & FunctionCode.exceptionBit == 0
    }

    /// Checks the form that a reply must have, whatever its request.
    private static func isReply(_ pdu: ArraySlice<UInt8>) -> Bool {
        guard let code = pdu.first, pdu.count >= 2 else { return false }
        let second = pdu[pdu.startIndex + 1]
        if code & FunctionCode.exceptionBit != 0 { return (1...11).contains(second) }
        switch code {
        case 1, 2: return second > 0
        case 3, 4, 23: return second > 0 && second % 2 == 0
        default: return true
        }
    }
}
