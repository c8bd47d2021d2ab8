import Base

extension Request {
    /// The server's side: understands a request PDU, or says with which exception to refuse it
    /// (Application Protocol V1.1b3, section 6: quantity and byte count give 3, an address range
    /// past 65,535 gives 2). Function codes without a case of their own become `.other`.
    package init(pdu: ArraySlice<UInt8>) throws(ExceptionCode) {
        var reader = ByteReader(pdu)
        guard let code = reader.byte() else { throw .illegalFunction }
        let function = FunctionCode(rawValue: code)
        switch function {
        case .readCoils, .readDiscreteInputs:
            let (address, count) = try Self.range(&reader, limit: Limits.readBits)
            self = .read(function, address: address, count: count)
        case .readHoldingRegisters, .readInputRegisters:
            let (address, count) = try Self.range(&reader, limit: Limits.readRegisters)
            self = .read(function, address: address, count: count)
        case .writeSingleCoil:
            let (address, value) = try Self.pair(&reader)
            guard value == 0 || value == 0xFF00 else { throw .illegalDataValue }
            self = .writeCoil(address: address, value != 0)
        case .writeSingleRegister:
            let (address, value) = try Self.pair(&reader)
            self = .writeRegister(address: address, value)
        case .writeMultipleCoils:
            let (address, count) = try Self.range(&reader, limit: Limits.writeBits)
            guard let length = reader.byte(), Int(length) == (Int(count) + 7) / 8,
                let data = reader.bytes(Int(length))
            else { throw .illegalDataValue }
            self = .writeCoils(address: address, Bits.unpack(data, count: Int(count)))
        case .writeMultipleRegisters:
            let (address, values) = try Self.registers(&reader, limit: Limits.writeRegisters)
            self = .writeRegisters(address: address, values)
        case .maskWriteRegister:
            let (address, and) = try Self.pair(&reader)
            guard let or = reader.big(UInt16.self) else { throw .illegalDataValue }
            self = .maskWrite(address: address, and: and, or: or)
        case .readWriteMultipleRegisters:
            let (address, count) = try Self.range(&reader, limit: Limits.readRegisters)
            let (place, values) = try Self.registers(&reader, limit: Limits.readWriteRegisters)
            self = .readWrite(address: address, count: count, writeAddress: place, values)
        default:
            self = try Self.further(function, &reader)
        }
        guard reader.isAtEnd else { throw .illegalDataValue }
    }

    /// The functions beyond the tables.
    private static func further(
        _ function: FunctionCode, _ reader: inout ByteReader
    ) throws(ExceptionCode) -> Request {
        switch function {
        case .readExceptionStatus: return .readExceptionStatus
        case .diagnostics:
            let (code, data) = try pair(&reader)
            return .diagnose(DiagnosticFunction(rawValue: code), data)
        case .getCommEventCounter: return .getEventCounter
        case .getCommEventLog: return .getEventLog
        case .reportServerID: return .reportServerID
        case .readFileRecord: return .readFile(try FileReference.parseAll(&reader))
        case .writeFileRecord: return .writeFile(try FileRecord.parseAll(&reader))
        case .readFIFOQueue:
            guard let address = reader.big(UInt16.self) else { throw .illegalDataValue }
            return .readFIFO(address: address)
        case .encapsulatedInterface:
            guard let type = reader.byte() else { throw .illegalDataValue }
            // Another MEI type is another protocol: CANopen, for one.
            guard type == DeviceIdentification.meiType else { throw .illegalFunction }
            guard let access = reader.byte().flatMap(DeviceIdentification.Access.init),
                let start = reader.byte()
            else { throw .illegalDataValue }
            return .identify(access, from: start)
        default:
            guard function.rawValue != 0, !function.isException else { throw .illegalFunction }
            return .other(function, Array(reader.bytes(reader.count) ?? []))
        }
    }

    private static func pair(_ reader: inout ByteReader) throws(ExceptionCode) -> (UInt16, UInt16) {
        guard let first = reader.big(UInt16.self), let second = reader.big(UInt16.self) else {
            throw .illegalDataValue
        }
        return (first, second)
    }

    private static func range(
        _ reader: inout ByteReader, limit: Int
    ) throws(ExceptionCode) -> (UInt16, UInt16) {
        let (address, count) = try pair(&reader)
        guard (1...limit).contains(Int(count)) else { throw .illegalDataValue }
        guard Int(address) + Int(count) <= Limits.addresses else { throw .illegalDataAddress }
        return (address, count)
    }

    private static func registers(
        _ reader: inout ByteReader, limit: Int
    ) throws(ExceptionCode) -> (UInt16, [UInt16]) {
        let (address, count) = try range(&reader, limit: limit)
        guard let length = reader.byte(), Int(length) == Int(count) * 2 else {
            throw .illegalDataValue
        }
        var values: [UInt16] = []
        values.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let value = reader.big(UInt16.self) else { throw .illegalDataValue }
            values.append(value)
        }
        return (address, values)
    }
}
