import Base

/// Request of a client: one case per shape of message (Application Protocol V1.1b3, section 6).
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
    /// Function 7: eight bits that mean what the maker says.
    case readExceptionStatus
    /// Function 8, with one word of data.
    case diagnose(DiagnosticFunction, UInt16)
    /// Function 11.
    case getEventCounter
    /// Function 12.
    case getEventLog
    /// Function 17.
    case reportServerID
    /// Function 20.
    case readFile([FileReference])
    /// Function 21.
    case writeFile([FileRecord])
    /// Function 24.
    case readFIFO(address: UInt16)
    /// Function 43, MEI type 14: identification from this object on.
    case identify(DeviceIdentification.Access, from: UInt8)
    /// Any other function, data as on the wire: 65–72 and 100–110 are for makers' own.
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
        case .readExceptionStatus: .readExceptionStatus
        case .diagnose: .diagnostics
        case .getEventCounter: .getCommEventCounter
        case .getEventLog: .getCommEventLog
        case .reportServerID: .reportServerID
        case .readFile: .readFileRecord
        case .writeFile: .writeFileRecord
        case .readFIFO: .readFIFOQueue
        case .identify: .encapsulatedInterface
        }
    }

    /// The length of the PDU of a good reply; nil if only the reply itself can tell.
    package var replyLength: Int? {
        switch self {
        case .read(let function, _, let count):
            2 + (function.readsBits ? (Int(count) + 7) / 8 : 2 * Int(count))
        case .readWrite(_, let count, _, _): 2 + 2 * Int(count)
        case .writeCoil, .writeRegister, .writeCoils, .writeRegisters, .diagnose, .getEventCounter:
            5
        case .maskWrite: 7
        case .readExceptionStatus: 2
        case .readFile(let references): 2 + references.reduce(0) { $0 + $1.replyBytes }
        case .writeFile(let records): 2 + records.reduce(0) { $0 + $1.bytes }
        case .getEventLog, .reportServerID, .readFIFO, .identify, .other: nil
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
        case .readExceptionStatus, .getEventCounter, .getEventLog, .reportServerID: break
        case .diagnose(let function, let data):
            out.appendBig(function.rawValue)
            out.appendBig(data)
        case .readFile(let references):
            out.append(UInt8(truncatingIfNeeded: FileReference.bytes * references.count))
            for reference in references {
                out.append(FileReference.type)
                out.appendBig(reference.file)
                out.appendBig(reference.record)
                out.appendBig(reference.count)
            }
        case .writeFile(let records):
            FileRecord.append(records, to: &out)
        case .readFIFO(let address):
            out.appendBig(address)
        case .identify(let access, let start):
            out += [DeviceIdentification.meiType, access.rawValue, start]
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
        for (index, value) in values.enumerated() where value {
            bytes[index / 8] |= 1 << (index % 8)
        }
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
