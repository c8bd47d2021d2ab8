import Base

/// One record of a segment file. All integers are little endian; a record starts at a multiple of
/// 8, so its length never straddles a disk sector, and is padded with zeros to one.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 2 | magic 0x5246 ("FR") |
/// | 2 | 1 | type: 1 data, 2 clock anchor, 3 copy of the segment header, 4 totals, 5 loss note, 6 reserve |
/// | 3 | 1 | flags: bit 0 priority, bit 1 clock trusted when written |
/// | 4 | 4 | payload length, at most `payloadMax` |
/// | 8 | 8 | seq; of all types but data, the seq that the next data record gets |
/// | 16 | 8 | nanoseconds on the boot-time clock of the segment's boot |
/// | 24 | 4 | CRC-32C of the payload |
/// | 28 | 4 | CRC-32C of the segment's salt (4 bytes) followed by bytes 0–27 |
/// | 32 | n | payload |
///
/// Payload of a data record, version 1:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | version, 1 |
/// | 1 | 1 | kind: 1 reading, 2 gap, 3 health, 4 result |
/// | 2 | 1 | length d of the device ID |
/// | 3 | 1 | length s of the subfolder |
/// | 4 | 8 | wall clock, milliseconds since 1970, as known when written |
/// | 12 | d | device ID |
/// | 12 + d | s | subfolder, UTF-8 |
/// | 12 + d + s | | body |
///
/// Payload of a clock anchor, version 1: one byte 1, seven zeros, 8 bytes of trusted wall clock in
/// milliseconds at the header's boot time. Of a header copy: the segment's header as it stands in
/// its first block, which may be damaged. Of loss totals, version 1: one byte 1, seven zeros, then
/// 8 bytes for each reason (full, age, share, damage, oversize, rejected, memory): records lost
/// since the journal was made; they end every commit. Of a loss note, version 1: one byte 1, seven
/// zeros, then the body of a gap record that is not written yet; its settled bit says that it is.
/// Of a reserve, version 1: one byte 1, seven zeros, 8 bytes of the number below which numbers are
/// reserved, 8 bytes that count the data records before it in the file; the last one in the journal
/// is in force.
///
/// The header has its own CRC, so a damaged payload costs exactly one record; the salt keeps bytes
/// of an older file from being believed. Records of an unknown type are passed over.
package enum Record {
    package static let headerSize = 32
    package static let alignment = 8
    package static let magic: UInt16 = 0x5246
    package static let payloadVersion: UInt8 = 1
    package static let fixedPayload = 12
    package static let payloadMax = 1 << 20
    /// Every seq is below: JSON numbers are exact up to there.
    package static let seqMax: UInt64 = 1 << 53

    package enum RecordType: UInt8, Sendable {
        case data = 1, anchor, header, totals, note, reserve
    }

    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let priority = Flags(rawValue: 1)
        package static let clockTrusted = Flags(rawValue: 2)
    }

    package struct Header: Hashable, Sendable {
        package var type: UInt8
        package var flags: Flags
        package var payloadLength: Int
        package var seq: UInt64
        package var bootTime: UInt64
        package var payloadCRC: UInt32

        package var size: Int { Record.size(payload: payloadLength) }
        /// `bootTime` as an instant of the segment's boot.
        var instant: Instant { Instant(nanoseconds: Int64(bitPattern: bootTime)) }
        var isData: Bool { type == RecordType.data.rawValue }
    }

    /// Bytes that a record with a payload of `length` bytes takes in the file.
    package static func size(payload length: Int) -> Int {
        (headerSize + length + alignment - 1) & ~(alignment - 1)
    }

    /// Bytes that a data record takes in the file.
    static func size(device: Int, subfolder: Int, body: Int) -> Int {
        size(payload: fixedPayload + device + subfolder + body)
    }

    /// The CRC that a header's CRC continues: that of the segment's salt.
    package static func seed(salt: UInt32) -> UInt32 {
        var bytes: [UInt8] = []
        bytes.appendLittle(salt)
        return CRC32C.checksum(bytes)
    }

    /// Appends header, payload and padding.
    package static func append(
        _ record: StoredRecord, seed: UInt32, to bytes: inout [UInt8]
    ) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: headerSize))
        bytes.append(payloadVersion)
        bytes.append(record.kind.rawValue)
        let device = record.device.text.utf8
        let subfolder = record.subfolder.utf8.prefix(255)
        bytes.append(UInt8(truncatingIfNeeded: device.count))
        bytes.append(UInt8(truncatingIfNeeded: subfolder.count))
        bytes.appendLittle(record.at.wall.milliseconds)
        bytes.append(contentsOf: device)
        bytes.append(contentsOf: subfolder)
        bytes.append(contentsOf: record.body)
        var flags: Flags = record.priority ? .priority : []
        if record.clockTrusted { flags.insert(.clockTrusted) }
        finish(
            .data, flags, seq: record.seq, at: record.at.instant, from: start, seed: seed,
            in: &bytes)
    }

    package static func appendAnchor(
        _ anchor: Moment, nextSeq: UInt64, seed: UInt32, to bytes: inout [UInt8]
    ) {
        var payload = versioned
        payload.appendLittle(anchor.wall.milliseconds)
        append(
            .anchor, payload, .clockTrusted, nextSeq: nextSeq, at: anchor.instant, seed: seed,
            to: &bytes)
    }

    /// A payload's version and the zeros behind it.
    static let versioned: [UInt8] = [payloadVersion, 0, 0, 0, 0, 0, 0, 0]

    /// A record of any type but data.
    static func append(
        _ type: RecordType, _ payload: [UInt8], _ flags: Flags = [], nextSeq: UInt64,
        at instant: Instant,
        seed: UInt32, to bytes: inout [UInt8]
    ) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: headerSize))
        bytes.append(contentsOf: payload)
        finish(type, flags, seq: nextSeq, at: instant, from: start, seed: seed, in: &bytes)
    }

    /// A record of another segment as it is, with the checksum for this one's salt.
    static func appendCopy(_ record: ArraySlice<UInt8>, seed: UInt32, to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: record)
        bytes.storeLittle(
            CRC32C.checksum(bytes[start..<start + 28], continuing: seed), at: start + 28)
    }

    private static func finish(
        _ type: RecordType, _ flags: Flags, seq: UInt64, at instant: Instant, from start: Int,
        seed: UInt32, in bytes: inout [UInt8]
    ) {
        let payload = start + headerSize
        bytes.storeLittle(magic, at: start)
        bytes[start + 2] = type.rawValue
        bytes[start + 3] = flags.rawValue
        bytes.storeLittle(UInt32(truncatingIfNeeded: bytes.count - payload), at: start + 4)
        bytes.storeLittle(seq, at: start + 8)
        bytes.storeLittle(UInt64(bitPattern: instant.nanoseconds), at: start + 16)
        bytes.storeLittle(CRC32C.checksum(bytes[payload...]), at: start + 24)
        bytes.storeLittle(
            CRC32C.checksum(bytes[start..<start + 28], continuing: seed), at: start + 28)
        while (bytes.count - start) % alignment != 0 { bytes.append(0) }
    }

    /// The header at `offset`, if its magic, length and CRC are right.
    package static func header(in bytes: [UInt8], at offset: Int, seed: UInt32) -> Header? {
        guard offset >= 0, offset + headerSize <= bytes.count,
            bytes[offset] == UInt8(magic & 0xFF), bytes[offset + 1] == UInt8(magic >> 8)
        else { return nil }
        let length = Int(little(bytes, offset + 4, UInt32.self))
        guard length <= payloadMax, little(bytes, offset + 8, UInt64.self) < seqMax,
            CRC32C.checksum(bytes[offset..<offset + 28], continuing: seed)
                == little(bytes, offset + 28, UInt32.self)
        else { return nil }
        return Header(
            type: bytes[offset + 2], flags: Flags(rawValue: bytes[offset + 3]),
            payloadLength: length,
            seq: little(bytes, offset + 8, UInt64.self),
            bootTime: little(bytes, offset + 16, UInt64.self),
            payloadCRC: little(bytes, offset + 24, UInt32.self))
    }

    static func little<Value: FixedWidthInteger>(
        _ bytes: [UInt8], _ offset: Int, _: Value.Type
    ) -> Value {
        bytes.withUnsafeBytes { raw in
            guard offset >= 0, offset + MemoryLayout<Value>.size <= raw.count else { return 0 }
            return Value(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }

    /// Where the parts of a data payload lie; nil if the payload's version, kind or lengths are not
    /// ones this version writes.
    struct Parts {
        var kind: Entry.Kind
        var wall: WallTime
        var device: Range<Int>
        var subfolder: Range<Int>
        var body: Range<Int>

        init?(_ bytes: [UInt8], _ payload: Range<Int>) {
            let start = payload.lowerBound
            guard payload.count >= fixedPayload, payload.upperBound <= bytes.count,
                bytes[start] == payloadVersion, let kind = Entry.Kind(rawValue: bytes[start + 1])
            else { return nil }
            let names = start + fixedPayload
            let middle = names + Int(bytes[start + 2])
            let end = middle + Int(bytes[start + 3])
            guard end <= payload.upperBound else { return nil }
            self.kind = kind
            wall = WallTime(milliseconds: little(bytes, start + 4, Int64.self))
            device = names..<middle
            subfolder = middle..<end
            body = end..<payload.upperBound
        }
    }
}
