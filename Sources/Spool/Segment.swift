import Base

/// A segment file: `seg-%016x.log`, named by the seq of its first record, at most 1 MiB,
/// preallocated. All integers are little endian.
///
/// | offset | bytes | part |
/// |---|---|---|
/// | 0 | 4096 | header, zero-padded |
/// | 4096 | 4096 | settled page, even generations |
/// | 8192 | 4096 | settled page, odd generations |
/// | 12288 | | records (see `Record`), a copy of the header first, then zeros |
///
/// Header:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | magic "FGWSPOOL" |
/// | 8 | 2 | format version, 1 |
/// | 10 | 2 | header length h, its CRC included |
/// | 12 | 4 | salt, random |
/// | 16 | 8 | first seq |
/// | 24 | 8 | first seq of the segment that this one continues without a hole; 0 if none |
/// | 32 | 16 | boot id |
/// | 48 | 8 | created, nanoseconds since boot |
/// | 56 | 8 | created, wall clock, milliseconds since 1970 |
/// | 64 | 1 | clock quality: 0 unsynced, 1 trusted (the pair above then is a clock anchor) |
/// | 65 | 1 | flags: bit 0 sparse: seqs may skip (saved from memory-only mode, sent early) |
/// | 66 | 2 | length n of the identity |
/// | 68 | n | identity: "project/registry/gateway", UTF-8 |
/// | 68 + n | 4 | CRC-32C of all before |
///
/// In a segment that is not sparse every seq is the one before plus one, so a hole counts what was
/// lost. Records of one segment are all of one boot: a recovered file is never appended to. A file
/// whose live records are few is rewritten under its name, shorter and sparse (see `Rewrite`); it
/// ends with loss totals, whose seq says where the numbers go on.
package enum Segment {
    package static let sizeMax = 1 << 20
    package static let headerSize = 4096
    package static let dataStart = 3 * 4096
    package static let version: UInt16 = 1
    package static let identityMax = 1024
    static let magic = Array("FGWSPOOL".utf8)
    static let fixedHeader = 68

    package struct Header: Hashable, Sendable {
        package var salt: UInt32
        package var firstSeq: UInt64
        package var previous: UInt64 = 0
        package var bootID: [UInt8]
        package var created: Moment
        package var clockTrusted = false
        package var sparse = false
        package var identity: String

        package init(
            salt: UInt32, firstSeq: UInt64, previous: UInt64 = 0, bootID: [UInt8], created: Moment,
            clockTrusted: Bool = false, sparse: Bool = false, identity: String
        ) {
            self.salt = salt
            self.firstSeq = firstSeq
            self.previous = previous
            self.bootID = Array((bootID + [UInt8](repeating: 0, count: 16)).prefix(16))
            self.created = created
            self.clockTrusted = clockTrusted
            self.sparse = sparse
            self.identity = identity
        }

        /// The header without the zeros that fill its block.
        package var encoded: [UInt8] {
            let name = Array(identity.utf8.prefix(Segment.identityMax))
            var bytes = Segment.magic
            bytes.appendLittle(Segment.version)
            bytes.appendLittle(UInt16(Segment.fixedHeader + name.count + 4))
            bytes.appendLittle(salt)
            bytes.appendLittle(firstSeq)
            bytes.appendLittle(previous)
            bytes.append(contentsOf: bootID)
            bytes.appendLittle(created.instant.nanoseconds)
            bytes.appendLittle(created.wall.milliseconds)
            bytes.append(clockTrusted ? 1 : 0)
            bytes.append(sparse ? 1 : 0)
            bytes.appendLittle(UInt16(name.count))
            bytes.append(contentsOf: name)
            bytes.appendLittle(CRC32C.checksum(bytes))
            return bytes
        }
    }

    /// Beginning of a new file: header, pages without a bit, the header's copy, and a reserve
    /// record.
    package static func opening(_ header: Header, reserve: Record.Reserve? = nil) -> [UInt8] {
        var bytes = header.encoded
        bytes.append(contentsOf: repeatElement(0, count: dataStart - bytes.count))
        Record.append(
            .header, header.encoded, nextSeq: header.firstSeq, at: header.created.instant,
            seed: Record.seed(salt: header.salt), to: &bytes)
        if let reserve {
            Record.append(
                .reserve, reserve.payload,
                nextSeq: header.firstSeq, at: header.created.instant,
                seed: Record.seed(salt: header.salt), to: &bytes)
        }
        return bytes
    }

    /// The header that its copy tells; `bytes` begin where the records do.
    package static func headerCopy(_ bytes: [UInt8]) -> Header? {
        guard bytes.count > Record.headerSize, bytes[2] == Record.RecordType.header.rawValue else {
            return nil
        }
        let length = Int(Record.little(bytes, 4, UInt32.self))
        guard (1...fixedHeader + identityMax + 4).contains(length),
            Record.headerSize + length <= bytes.count,
            let found = try? header(Array(bytes[Record.headerSize..<Record.headerSize + length])),
            Record.header(in: bytes, at: 0, seed: Record.seed(salt: found.salt)) != nil
        else { return nil }
        return found
    }

    /// The header of a whole file, from its copy if the first block is damaged.
    package static func anyHeader(
        _ file: [UInt8]
    ) throws(HeaderError) -> (header: Header, isCopy: Bool) {
        do { return (try header(Array(file.prefix(headerSize))), false) } catch {
            guard let copy = headerCopy(Array(file.dropFirst(dataStart).prefix(2048))) else {
                throw error
            }
            return (copy, true)
        }
    }

    /// Why a file is not a segment that this version reads.
    package enum HeaderError: Error, Hashable, Sendable {
        /// Nothing was ever written: the machine died while it made the file.
        case empty
        case tooShort(Int)
        case magic
        case version(found: UInt16, known: UInt16)
        case length(Int)
        case checksum(stored: UInt32, computed: UInt32)

        /// For a person, about the file.
        package var sentence: String {
            switch self {
            case .empty: "was never written: the machine stopped while it was being made"
            case .tooShort(let count): "has \(count) bytes, too few for a segment"
            case .magic: "is no segment of a journal"
            case .version(let found, let known):
                "has format version \(found); this program knows \(known)"
            case .length(let count): "has a header of \(count) bytes, which no version has"
            case .checksum: "has a damaged header"
            }
        }
    }

    package static func header(_ bytes: [UInt8]) throws(HeaderError) -> Header {
        if bytes.prefix(headerSize).allSatisfy({ $0 == 0 }) { throw .empty }
        guard bytes.count >= fixedHeader + 4 else { throw .tooShort(bytes.count) }
        guard Array(bytes[0..<8]) == magic else { throw .magic }
        let found = Record.little(bytes, 8, UInt16.self)
        guard found == version else { throw .version(found: found, known: version) }
        let length = Int(Record.little(bytes, 10, UInt16.self))
        let name = Int(Record.little(bytes, 66, UInt16.self))
        guard name <= identityMax, length == fixedHeader + name + 4, length <= bytes.count else {
            throw .length(length)
        }
        let stored = Record.little(bytes, length - 4, UInt32.self)
        let computed = CRC32C.checksum(bytes[0..<length - 4])
        guard stored == computed else { throw .checksum(stored: stored, computed: computed) }
        return Header(
            salt: Record.little(bytes, 12, UInt32.self),
            firstSeq: Record.little(bytes, 16, UInt64.self),
            previous: Record.little(bytes, 24, UInt64.self), bootID: Array(bytes[32..<48]),
            created: Moment(
                Instant(nanoseconds: Record.little(bytes, 48, Int64.self)),
                WallTime(milliseconds: Record.little(bytes, 56, Int64.self))),
            clockTrusted: bytes[64] == 1, sparse: bytes[65] & 1 == 1,
            identity: String(decoding: bytes[fixedHeader..<fixedHeader + name], as: UTF8.self))
    }

    package static func name(_ firstSeq: UInt64) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var name = Array("seg-".utf8)
        for shift in stride(from: 60, through: 0, by: -4) {
            name.append(digits[Int(firstSeq >> shift & 15)])
        }
        name.append(contentsOf: ".log".utf8)
        return String(decoding: name, as: UTF8.self)
    }

    /// The first seq in a segment's name, also when the file was set aside as `….bad`.
    package static func firstSeq(named name: String) -> UInt64? {
        let plain = name.hasSuffix(".bad") ? String(name.dropLast(4)) : name
        guard plain.hasPrefix("seg-"), plain.hasSuffix(".log"),
            let first = UInt64(plain.dropFirst(4).dropLast(4), radix: 16), Self.name(first) == plain
        else { return nil }
        return first
    }

    /// Whether a file that begins so may have been begun by this program: with a segment's first
    /// bytes, or not yet written.
    package static func isBeginning(_ bytes: [UInt8]) -> Bool {
        let first = bytes.prefix(magic.count)
        return first.allSatisfy { $0 == 0 } || magic.starts(with: first)
    }
}
