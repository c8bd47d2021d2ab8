import Base

/// Registers of one file: what function 20 asks for (Application Protocol V1.1b3, section 6.14).
package struct FileReference: Hashable, Sendable {
    /// 1 to 65,535.
    package var file: UInt16
    /// 0 to 9,999.
    package var record: UInt16
    /// Registers.
    package var count: UInt16

    package init(file: UInt16, record: UInt16, count: UInt16) {
        self.file = file
        self.record = record
        self.count = count
    }

    /// Reference type, file, record, count.
    static let bytes = 7
    /// The only reference type that there is.
    static let type: UInt8 = 6
    static let recordMax: UInt16 = 9_999

    /// Bytes of the reply to it: its length byte, the reference type and the registers.
    var replyBytes: Int { 2 + 2 * Int(count) }
}

/// Registers for one file: what function 21 writes (section 6.15).
package struct FileRecord: Hashable, Sendable {
    package var file: UInt16
    package var record: UInt16
    package var values: [UInt16]

    package init(file: UInt16, record: UInt16, values: [UInt16]) {
        self.file = file
        self.record = record
        self.values = values
    }

    var bytes: Int { FileReference.bytes + 2 * values.count }

    static func append(_ records: [FileRecord], to out: inout [UInt8]) {
        out.append(UInt8(truncatingIfNeeded: records.reduce(0) { $0 + $1.bytes }))
        for record in records {
            out.append(FileReference.type)
            out.appendBig(record.file)
            out.appendBig(record.record)
            out.appendBig(UInt16(truncatingIfNeeded: record.values.count))
            for value in record.values { out.appendBig(value) }
        }
    }
}

extension FileReference {
    /// The server's side. The count that a read asks for must fit one reply.
    static func parseAll(_ reader: inout ByteReader) throws(ExceptionCode) -> [FileReference] {
        guard let length = reader.byte(), (7...0xF5).contains(length), Int(length) % bytes == 0,
            reader.count == Int(length)
        else { throw .illegalDataValue }
        var references: [FileReference] = []
        while !reader.isAtEnd { references.append(try parse(&reader)) }
        guard references.reduce(0, { $0 + $1.replyBytes }) <= 0xF5 else { throw .illegalDataValue }
        return references
    }

    fileprivate static func parse(_ reader: inout ByteReader) throws(ExceptionCode) -> FileReference
    {
        guard let type = reader.byte(), let file = reader.big(UInt16.self),
            let record = reader.big(UInt16.self), let count = reader.big(UInt16.self)
        else { throw .illegalDataValue }
        guard type == self.type, file >= 1, Int(record) + Int(count) <= Int(recordMax) + 1 else {
            throw .illegalDataAddress
        }
        guard count >= 1 else { throw .illegalDataValue }
        return FileReference(file: file, record: record, count: count)
    }
}

extension FileRecord {
    /// The server's side.
    static func parseAll(_ reader: inout ByteReader) throws(ExceptionCode) -> [FileRecord] {
        guard let length = reader.byte(), (9...0xFB).contains(length), reader.count == Int(length)
        else {
            throw .illegalDataValue
        }
        var records: [FileRecord] = []
        while !reader.isAtEnd {
            let place = try FileReference.parse(&reader)
            guard reader.count >= 2 * Int(place.count) else { throw .illegalDataValue }
            var values: [UInt16] = []
            for _ in 0..<place.count { values.append(reader.big() ?? 0) }
            records.append(FileRecord(file: place.file, record: place.record, values: values))
        }
        return records
    }
}
