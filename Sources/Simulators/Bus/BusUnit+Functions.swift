import Base
import Modbus

/// The functions that have data of their own.
extension BusUnit {
    mutating func further(_ request: Request) throws(ExceptionCode) -> Response {
        switch request {
        case .readExceptionStatus:
            guard let status = description.functions.exceptionStatus else { throw .illegalFunction }
            return .exceptionStatus(status)
        case .reportServerID:
            guard let id = description.functions.serverID else { throw .illegalFunction }
            return .serverID(id)
        case .identify(let access, let start):
            let objects = description.functions.identification.sorted { $0.key < $1.key }
                .map { DeviceIdentification.Object(id: $0.key, value: $0.value) }
            guard !objects.isEmpty else { throw .illegalFunction }
            return .identification(try DeviceIdentification.page(of: objects, access, from: start))
        case .readFIFO(let address):
            guard !description.functions.fifos.isEmpty else { throw .illegalFunction }
            guard let queue = description.functions.fifos[address] else {
                throw .illegalDataAddress
            }
            guard queue.count <= 31 else { throw .illegalDataValue }
            return .fifo(queue)
        case .readFile(let references):
            guard !description.functions.files.isEmpty else { throw .illegalFunction }
            var groups: [[UInt16]] = []
            for reference in references { groups.append(try registers(of: reference)) }
            return .fileRecords(groups)
        case .writeFile(let records):
            guard !description.functions.files.isEmpty else { throw .illegalFunction }
            for record in records {
                let count = UInt16(truncatingIfNeeded: record.values.count)
                _ = try registers(
                    of: FileReference(file: record.file, record: record.record, count: count))
            }
            for record in records {
                for (index, value) in record.values.enumerated() {
                    description.functions.files[record.file]?[record.record + UInt16(index)] = value
                }
            }
            return .wroteFile(records)
        case .other(let function, _):
            guard let data = description.functions.custom[function.rawValue] else {
                throw .illegalFunction
            }
            return .other(function, data)
        default: throw .illegalFunction
        }
    }

    private func registers(of reference: FileReference) throws(ExceptionCode) -> [UInt16] {
        guard let file = description.functions.files[reference.file] else {
            throw .illegalDataAddress
        }
        var values: [UInt16] = []
        for record in Int(reference.record)..<Int(reference.record) + Int(reference.count) {
            guard let value = file[UInt16(truncatingIfNeeded: record)] else {
                throw .illegalDataAddress
            }
            values.append(value)
        }
        return values
    }
}
