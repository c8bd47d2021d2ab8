import Base

extension Response {
    /// The functions beyond the tables. The length has been checked where the request tells it.
    static func further(
        _ pdu: ArraySlice<UInt8>, answering request: Request
    ) throws(FrameError) -> Response {
        let data = pdu.dropFirst()
        var reader = ByteReader(data)
        switch request {
        case .readExceptionStatus: return .exceptionStatus(reader.byte() ?? 0)
        case .diagnose(let function, let word):
            try check(
                data, against: function.echoes ? [function.rawValue, word] : [function.rawValue])
            return .diagnosed(function, data.suffix(2).reduce(0) { $0 << 8 | UInt16($1) })
        case .getEventCounter:
            let status: UInt16 = reader.big() ?? 0
            return .eventCounter(isBusy: status != 0, events: reader.big() ?? 0)
        case .getEventLog:
            guard let count = reader.byte(), count >= 6, let status = reader.big(UInt16.self),
                let events = reader.big(UInt16.self), let messages = reader.big(UInt16.self)
            else { throw .byteCount(received: pdu.count, expected: 8) }
            return .eventLog(
                isBusy: status != 0, events: events, messages: messages, Array(reader.rest))
        case .reportServerID: return .serverID(Array(data.dropFirst()))
        case .readFile(let references):
            return .fileRecords(try fileRecords(data.dropFirst(), of: references))
        case .writeFile(let records):
            try check(data.dropFirst(), isEchoOf: request.pdu.dropFirst(2))
            return .wroteFile(records)
        case .readFIFO: return .fifo(try fifo(data))
        case .identify(let access, _):
            guard let identification = DeviceIdentification(data), identification.access == access
            else {
                let received = data.dropFirst().first ?? 0
                throw .echo(field: 0, received: UInt16(received), expected: UInt16(access.rawValue))
            }
            return .identification(identification)
        default: return .other(request.function, Array(data))
        }
    }

    private static func check(
        _ data: ArraySlice<UInt8>, isEchoOf bytes: ArraySlice<UInt8>
    ) throws(FrameError) {
        for (index, (received, expected)) in zip(data, bytes).enumerated()
        where received != expected {
            throw .echo(field: index / 2, received: UInt16(received), expected: UInt16(expected))
        }
    }

    /// Per reference: length, reference type, registers.
    private static func fileRecords(
        _ data: ArraySlice<UInt8>, of references: [FileReference]
    ) throws(FrameError) -> [[UInt16]] {
        var reader = ByteReader(data)
        var groups: [[UInt16]] = []
        for (index, reference) in references.enumerated() {
            let length = Int(reader.byte() ?? 0)
            guard length == reference.replyBytes - 1 else {
                throw .byteCount(received: length, expected: reference.replyBytes - 1)
            }
            let type = reader.byte() ?? 0
            guard type == FileReference.type else {
                throw .echo(
                    field: index, received: UInt16(type), expected: UInt16(FileReference.type))
            }
            var values: [UInt16] = []
            for _ in 0..<reference.count { values.append(reader.big() ?? 0) }
            groups.append(values)
        }
        return groups
    }

    /// Byte count, register count, registers.
    private static func fifo(_ data: ArraySlice<UInt8>) throws(FrameError) -> [UInt16] {
        var reader = ByteReader(data)
        let length = Int(reader.big(UInt16.self) ?? 0)
        let count = Int(reader.big(UInt16.self) ?? 0)
        guard length == 2 + 2 * count, reader.count == 2 * count else {
            throw .byteCount(received: length, expected: 2 + 2 * count)
        }
        var values: [UInt16] = []
        while let value = reader.big(UInt16.self) { values.append(value) }
        return values
    }
}
