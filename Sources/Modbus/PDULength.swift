/// Where a message says how long it is. One row per function code and direction; a frame on the
/// line is complete as soon as its row says so, without waiting for silence.
///
/// | code | request | reply |
/// |---|---|---|
/// | 1–4 | 5 | 2 + byte 1 |
/// | 5, 6 | 5 | 5 |
/// | 7 | 1 | 2 |
/// | 8 | 5 | 5 |
/// | 11 | 1 | 5 |
/// | 12 | 1 | 2 + byte 1 |
/// | 15, 16 | 6 + byte 5 | 5 |
/// | 17 | 1 | 2 + byte 1 |
/// | 20, 21 | 2 + byte 1 | 2 + byte 1 |
/// | 22 | 7 | 7 |
/// | 23 | 10 + byte 9 | 2 + byte 1 |
/// | 24 | 3 | 3 + bytes 1–2 |
/// | 43/14 | 4 | 7 + objects |
/// | any + 0x80 | – | 2 |
///
/// Makers' own functions (65–72, 100–110) and other MEI types of 43 are not in the table.
///
/// Lengths are of the PDU (function code and data), offsets count from the function code.
package enum PDULength: Hashable, Sendable {
    case bytes(Int)
    /// The byte that tells has not come yet.
    case more
    /// This function code is not in the table: only silence ends such a frame.
    case unknown

    private enum Rule {
        case fixed(Int)
        case counted(base: Int, at: Int)
        case countedWide(base: Int, at: Int)
        case objects
        case none
    }

    package static func ofRequest(_ pdu: ArraySlice<UInt8>) -> PDULength {
        guard let code = pdu.first else { return .more }
        // Behind function code 43 the MEI type tells the rule.
        if code == 43, pdu.count == 1 { return .more }
        let rule: Rule =
            switch code {
            case 1...6, 8: .fixed(5)
            case 7, 11, 12, 17: .fixed(1)
            case 15, 16: .counted(base: 6, at: 5)
            case 20, 21: .counted(base: 2, at: 1)
            case 22: .fixed(7)
            case 23: .counted(base: 10, at: 9)
            case 24: .fixed(3)
            case 43:
                if pdu[pdu.startIndex + 1] == DeviceIdentification.meiType {
                    .fixed(4)
                } else {
                    .none
                }
            default: .none
            }
        return apply(rule, to: pdu)
    }

    package static func ofReply(_ pdu: ArraySlice<UInt8>) -> PDULength {
        guard let code = pdu.first else { return .more }
        if code & FunctionCode.exceptionBit != 0 { return .bytes(2) }
        let rule: Rule =
            switch code {
            case 1...4, 12, 17, 20, 21, 23: .counted(base: 2, at: 1)
            case 5, 6, 8, 11, 15, 16: .fixed(5)
            case 7: .fixed(2)
            case 22: .fixed(7)
            case 24: .countedWide(base: 3, at: 1)
            case 43: .objects
            default: .none
            }
        return apply(rule, to: pdu)
    }

    private static func apply(_ rule: Rule, to pdu: ArraySlice<UInt8>) -> PDULength {
        let start = pdu.startIndex
        switch rule {
        case .fixed(let length): return .bytes(length)
        case .counted(let base, let offset):
            guard pdu.count > offset else { return .more }
            return .bytes(base + Int(pdu[start + offset]))
        case .countedWide(let base, let offset):
            guard pdu.count > offset + 1 else { return .more }
            return .bytes(base + Int(pdu[start + offset]) << 8 + Int(pdu[start + offset + 1]))
        case .objects: return objectList(pdu)
        case .none: return .unknown
        }
    }

    /// Read Device Identification (43/14): code, MEI type, id code, conformity, more follows, next
    /// object, number of objects, then per object its id, length and bytes.
    private static func objectList(_ pdu: ArraySlice<UInt8>) -> PDULength {
        guard pdu.count > 1 else { return .more }
        guard pdu[pdu.startIndex + 1] == DeviceIdentification.meiType else { return .unknown }
        guard pdu.count >= 7 else { return .more }
        var length = 7
        for _ in 0..<pdu[pdu.startIndex + 6] {
            guard pdu.count > length + 1 else {
                return length > Limits.pdu ? .bytes(length) : .more
            }
            length += 2 + Int(pdu[pdu.startIndex + length + 1])
        }
        return .bytes(length)
    }
}
