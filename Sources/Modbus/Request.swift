import Base

/// What a client asks: one case per shape of message (Application Protocol V1.1b3, section 6).
/// Addresses are zero-based protocol addresses.
package enum Request: Hashable, Sendable {
    /// Function codes 1 to 4.
    case read(FunctionCode, address: UInt16, count: UInt16)
    case writeCoil(address: UInt16, Bool)
    case writeRegister(address: UInt16, UInt16)
    case writeCoils(address: UInt16, [Bool])
    case writeRegisters(address: UInt16, [UInt16])
    /// result = (current AND and) OR (or AND NOT and)
    case maskWrite(address: UInt16, and: UInt16, or: UInt16)
    /// Writes first, then reads.
    case readWrite(address: UInt16, count: UInt16, writeAddress: UInt16, [UInt16])
    /// Any other function, data as on the wire.
    case other(FunctionCode, [UInt8])

    package var function: FunctionCode {
        switch self {
        case .read(let function, _, _), .other(let function, _): function
        case .writeCoil: .writeSingleCoil
        case .writeRegister: .writeSingleRegister
        case .writeCoils: .writeMultipleCoils
        case .writeRegisters: .writeMultipleRegisters
        case .maskWrite: .maskWriteRegister
        case .readWrite: .readWriteMultipleRegisters
        }
    }

    /// The length of the PDU of a good reply; nil if only the reply itself can tell.
    package var replyLength: Int? {
        switch self {
        case .read(let function, _, let count):
            2 + (function.readsBits ? (Int(count) + 7) / 8 : 2 * Int(count))
        case .readWrite(_, let count, _, _): 2 + 2 * Int(count)
        case .writeCoil, .writeRegister, .writeCoils, .writeRegisters: 5
        case .maskWrite: 7
        case .other(let function, _):
            switch function {
            case .readExceptionStatus: 2
            case .diagnostics, .getCommEventCounter: 5
            default: nil
            }
        }
    }

    /// Function code and data.
    package var pdu: [UInt8] {
        var out: [UInt8] = []
        appendPDU(to: &out)
        return out
    }

    package func appendPDU(to out: inout [UInt8]) {
        out.append(function.rawValue)
        switch self {
        case .read(_, let address, let count):
            out.appendBig(address)
            out.appendBig(count)
        case .writeCoil(let address, let on):
            out.appendBig(address)
            out.appendBig(on ? 0xFF00 as UInt16 : 0)
        case .writeRegister(let address, let value):
            out.appendBig(address)
            out.appendBig(value)
        case .writeCoils(let address, let values):
            out.appendBig(address)
            out.appendBig(UInt16(truncatingIfNeeded: values.count))
            let packed = Bits.pack(values)
            out.append(UInt8(truncatingIfNeeded: packed.count))
            out += packed
        case .writeRegisters(let address, let values):
            out.appendBig(address)
            Self.append(values, to: &out)
        case .maskWrite(let address, let and, let or):
            out.appendBig(address)
            out.appendBig(and)
            out.appendBig(or)
        case .readWrite(let address, let count, let writeAddress, let values):
            out.appendBig(address)
            out.appendBig(count)
            out.appendBig(writeAddress)
            Self.append(values, to: &out)
        case .other(_, let data):
            out += data
        }
    }

    private static func append(_ values: [UInt16], to out: inout [UInt8]) {
        out.appendBig(UInt16(truncatingIfNeeded: values.count))
        out.append(UInt8(truncatingIfNeeded: values.count * 2))
        for value in values { out.appendBig(value) }
    }
}

/// Bits as they are packed on the wire: lowest address in bit 0 of the first byte.
package enum Bits {
    package static func pack(_ values: [Bool]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (values.count + 7) / 8)
        for (index, value) in values.enumerated() where value { bytes[index / 8] |= 1 << (index % 8) }
        return bytes
    }

    /// `count` must not exceed eight times the bytes; what is beyond them is false.
    package static func unpack(_ bytes: ArraySlice<UInt8>, count: Int) -> [Bool] {
        (0..<max(0, count)).map { index in
            let offset = index / 8
            return offset < bytes.count && bytes[bytes.startIndex + offset] >> (index % 8) & 1 == 1
        }
    }
}
