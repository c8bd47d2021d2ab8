import Base

/// Answer of a server (Application Protocol V1.1b3, section 6), in both directions.
package enum Response: Hashable, Sendable {
    /// Function codes 1 to 4 and 23: the data behind the byte count, as on the wire.
    case read(FunctionCode, [UInt8])
    /// Function codes 5 and 6: an echo of the request; a coil's value is 0 or 0xFF00.
    case wroteSingle(FunctionCode, address: UInt16, value: UInt16)
    /// Function codes 15 and 16.
    case wroteMany(FunctionCode, address: UInt16, count: UInt16)
    case maskWrote(address: UInt16, and: UInt16, or: UInt16)
    case exceptionStatus(UInt8)
    case diagnosed(DiagnosticFunction, UInt16)
    /// `isBusy`: a command before this one is still being carried out.
    case eventCounter(isBusy: Bool, events: UInt16)
    /// The log's bytes, latest first, at most 64 (section 6.10).
    case eventLog(isBusy: Bool, events: UInt16, messages: UInt16, [UInt8])
    /// The data behind the byte count: id, run indicator (0 or 0xFF) and more, as the maker likes.
    case serverID([UInt8])
    /// The registers of each reference.
    case fileRecords([[UInt16]])
    /// Function 21: an echo of the request.
    case wroteFile([FileRecord])
    /// At most 31 registers, oldest first.
    case fifo([UInt16])
    case identification(DeviceIdentification)
    case exception(FunctionCode, ExceptionCode)
    /// Any other function, data as on the wire.
    case other(FunctionCode, [UInt8])

    /// The length of its PDU, if it answers this request.
    package func pduLength(of request: Request) -> Int {
        switch self {
        case .exception: 2
        case .read(_, let data): 2 + data.count
        default: request.replyLength ?? pdu.count
        }
    }

    /// Function code (with the exception bit where it belongs) and data.
    package var pdu: [UInt8] {
        switch self {
        case .read(let function, let data):
            return [function.rawValue, UInt8(truncatingIfNeeded: data.count)] + data
        case .wroteSingle(let function, let address, let second),
            .wroteMany(let function, let address, let second):
            return Self.words(function, [address, second])
        case .maskWrote(let address, let and, let or):
            return Self.words(.maskWriteRegister, [address, and, or])
        case .exceptionStatus(let bits): return [FunctionCode.readExceptionStatus.rawValue, bits]
        case .diagnosed(let function, let data):
            return Self.words(.diagnostics, [function.rawValue, data])
        case .eventCounter(let isBusy, let events):
            return Self.words(.getCommEventCounter, [isBusy ? 0xFFFF : 0, events])
        case .eventLog(let isBusy, let events, let messages, let log):
            let counts = Self.words(.getCommEventLog, [isBusy ? 0xFFFF : 0, events, messages])
            return [counts[0], UInt8(truncatingIfNeeded: 6 + log.count)] + counts.dropFirst() + log
        case .serverID(let data):
            return [FunctionCode.reportServerID.rawValue, UInt8(truncatingIfNeeded: data.count)]
                + data
        case .fileRecords(let groups):
            let length = groups.reduce(0) { $0 + 2 + 2 * $1.count }
            var out = [FunctionCode.readFileRecord.rawValue, UInt8(truncatingIfNeeded: length)]
            for values in groups {
                out += [UInt8(truncatingIfNeeded: 1 + 2 * values.count), FileReference.type]
                for value in values { out.appendBig(value) }
            }
            return out
        case .wroteFile(let records):
            var out = [FunctionCode.writeFileRecord.rawValue]
            FileRecord.append(records, to: &out)
            return out
        case .fifo(let values):
            let count = UInt16(truncatingIfNeeded: values.count)
            return Self.words(.readFIFOQueue, [2 &+ 2 &* count, count] + values)
        case .identification(let identification):
            var out = [FunctionCode.encapsulatedInterface.rawValue]
            identification.append(to: &out)
            return out
        case .exception(let function, let code):
            return [function.rawValue | FunctionCode.exceptionBit, code.rawValue]
        case .other(let function, let data): return [function.rawValue] + data
        }
    }

    private static func words(_ function: FunctionCode, _ words: [UInt16]) -> [UInt8] {
        var out = [function.rawValue]
        for word in words { out.appendBig(word) }
        return out
    }

    /// The client's side: `pdu` is a whole reply whose function code belongs to `request`.
    package init(pdu: ArraySlice<UInt8>, answering request: Request) throws(FrameError) {
        let data = pdu.dropFirst()
        let code = pdu.first ?? 0
        if code & FunctionCode.exceptionBit != 0 {
            let function = FunctionCode(rawValue: code & ~FunctionCode.exceptionBit)
            self = .exception(function, ExceptionCode(rawValue: data.first ?? 0))
            return
        }
        if let expected = request.replyLength, pdu.count != expected {
            throw .byteCount(received: pdu.count, expected: expected)
        }
        switch request {
        case .read, .readWrite:
            self = .read(request.function, Array(data.dropFirst()))
        case .other(let function, _):
            self = .other(function, Array(data))
        case .writeCoil(let address, let on):
            let value: UInt16 = on ? 0xFF00 : 0
            try Self.check(data, against: [address, value])
            self = .wroteSingle(.writeSingleCoil, address: address, value: value)
        case .writeRegister(let address, let value):
            try Self.check(data, against: [address, value])
            self = .wroteSingle(.writeSingleRegister, address: address, value: value)
        case .writeCoils(let address, let values):
            let count = UInt16(truncatingIfNeeded: values.count)
            try Self.check(data, against: [address, count])
            self = .wroteMany(.writeMultipleCoils, address: address, count: count)
        case .writeRegisters(let address, let values):
            let count = UInt16(truncatingIfNeeded: values.count)
            try Self.check(data, against: [address, count])
            self = .wroteMany(.writeMultipleRegisters, address: address, count: count)
        case .maskWrite(let address, let and, let or):
            try Self.check(data, against: [address, and, or])
            self = .maskWrote(address: address, and: and, or: or)
        default: self = try Self.further(pdu, answering: request)
        }
    }

    static func check(
        _ data: ArraySlice<UInt8>, against fields: [UInt16]
    ) throws(FrameError) {
        var reader = ByteReader(data)
        for (index, expected) in fields.enumerated() {
            let received = reader.big(UInt16.self) ?? 0
            guard received == expected else {
                throw .echo(field: index, received: received, expected: expected)
            }
        }
    }
}
